"""Values on their way from one side to the other, without processes."""

from __future__ import annotations

import collections
import contextlib
import datetime as dt
import decimal
import fractions
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon_graph.sandbox.inside.atoms import MalformedError
from archon_graph.sandbox.inside.codec import Codec, Exchange


def pair() -> tuple[Codec, Codec]:
    """The program's end and the test's."""
    return tuple(Codec(lambda what, _: _Far(what), by_name=by_name) for by_name in (False, True))  # type: ignore[return-value]


class _Far:
    def __init__(self, what: str) -> None:
        self.what = what


def over(value: Any) -> Any:
    """What becomes of a value of the program's on its way to the test."""
    program, test = pair()
    written = json.loads(json.dumps(Exchange(program).write(value)))
    return Exchange(test).read(*written)


ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**60), 10**60),
    st.floats(allow_nan=False),
    st.complex_numbers(allow_nan=False),
    st.text(st.characters(exclude_categories=())),
    st.binary(),
    st.fractions(),
    st.decimals(allow_nan=False),
    st.dates(),
    st.times(),
    st.datetimes(timezones=st.none() | st.just(dt.UTC)),
    st.timedeltas(),
)
KEYS = st.recursive(ATOMS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=4)
VALUES = st.recursive(
    KEYS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(KEYS, inner, max_size=4),
        st.sets(KEYS, max_size=4),
        st.lists(inner, max_size=3).map(collections.deque),
    ),
    max_leaves=20,
)


def alike(one: Any, other: Any) -> bool:
    """Equal, and of the same types throughout."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return alike(list(one.items()), list(other.items()))
    if isinstance(one, (list, tuple, collections.deque)):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float):
        return repr(one) == repr(other)
    return bool(one == other)


@given(VALUES)
def test_a_value_arrives_as_it_was(value: Any) -> None:
    assert alike(over(value), value)


@given(VALUES, VALUES)
def test_what_is_changed_there_is_changed_here(before: Any, after: Any) -> None:
    """The test hands over a list, the program changes it, and the test sees the change and nothing else."""
    program, test = pair()
    kept, changed = [before], [before, [1]]
    ours, theirs = Exchange(test), Exchange(program)
    sent = ours.write([kept, changed])
    copies = theirs.read(*json.loads(json.dumps(sent)))
    copies[1][:] = [after, copies[0], copies[1]]
    changes = json.loads(json.dumps(theirs.changes()))
    assert len(changes[0]) == 1
    ours.apply(*changes)
    assert alike(kept, [before])
    assert alike(changed[0], after)
    assert changed[1] is kept
    assert changed[2] is changed


@given(VALUES)
def test_what_is_not_changed_is_not_sent_back(value: Any) -> None:
    program, test = pair()
    theirs = Exchange(program)
    theirs.read(*json.loads(json.dumps(Exchange(test).write([value]))))
    assert theirs.changes() == ({}, [])


def test_depth_is_no_matter() -> None:
    nested: Any = ()
    flat: Any = []
    for _ in range(20_000):
        nested, flat = (nested,), [flat]
    for value in (nested, flat):
        copy, depth = over(value), 0
        while copy:
            copy, depth = copy[0], depth + 1
        assert depth == 20_000


def test_identity_within_a_value() -> None:
    inner: list[Any] = []
    inner.append(inner)
    first, second, third = over([inner, inner, (inner,)])
    assert first is second
    assert third[0] is first
    assert first[0] is first


def test_types_that_are_told_apart_by_more_than_equality() -> None:
    assert [type(one) for one in over([True, 1, 1.0, 1 + 0j, fractions.Fraction(1), decimal.Decimal(1)])] == [
        bool, int, float, complex, fractions.Fraction, decimal.Decimal,
    ]  # fmt: skip
    assert math.copysign(1, over(-0.0)) == -1
    assert math.isnan(over(math.nan))


def test_no_class_of_the_program_comes_along() -> None:
    class Same(int):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = int.__hash__

    assert type(over(Same(3))) is int
    assert type(over({Same(3): [Same(4)]}).popitem()[0]) is int
    assert isinstance(over(object()), _Far)
    assert isinstance(over(Same), _Far)


def test_objects_go_by_number_and_come_back_as_themselves() -> None:
    program, test = pair()
    thing = object()
    sent, _ = Exchange(program).write([thing, thing])
    [one, two] = Exchange(test).read(*json.loads(json.dumps(Exchange(program).write([thing, thing]))))
    assert one is two
    back = json.loads(json.dumps(Exchange(test).write(one)))
    assert Exchange(program).read(*back) is thing
    assert sent[0] == "cell"


def test_functions_of_the_library_go_by_name_from_the_test_only() -> None:
    program, test = pair()
    assert Exchange(program).read(*Exchange(test).write(math.sqrt)) is math.sqrt
    assert isinstance(Exchange(test).read(*Exchange(program).write(math.sqrt)), _Far)
    with pytest.raises(MalformedError):
        Exchange(test).read(["library", "os", "_exit"], [])


MALFORMED = [
    (["cell", 0], []),
    (["cell", -1], [["list", []]]),
    (["cell", True], [["list", []], ["list", []]]),
    (["cell", "0"], [["list", []]]),
    (["cell", 0], [["tuple", [["cell", 0]]]]),
    (["cell", 0], [["tuple", [["cell", 1]]], ["tuple", [["cell", 0]]]]),
    (["cell", 0], [["frozenset", [["cell", 1]]], ["list", []]]),
    (["cell", 0], [["dict", [["cell", 0], 1]]]),
    (["cell", 0], [["dict", [1]]]),
    (["cell", 0], [["module", ["os"]]]),
    (["cell", 0], [["list"]]),
    (["cell", 0], [[]]),
    (["cell", 0], [3]),
    (["cell", 0], [["deque", [], "long"]]),
    (["cell", 0], [["bytearray", ["not base64!"]]]),
    (["cell", 0], 5),
    ([], []),
    (["yours", 0], []),
    (["yours", -1], []),
    (["yours"], []),
    (["mine", "0", ["a", ""]], []),
    (["mine", 0, "a"], []),
    (["mine", 0], []),
    (["type", "len"], []),
    (["type", "nothing"], []),
    (["int", "twelve"], []),
    (["float", []], []),
    (["fraction", "0x1", "0x0"], []),
    (["date", "yesterday"], []),
    (["datetime", 5], []),
    (["decimal", "a lot"], []),
    (["eval", "1"], []),
    ([["cell"], 0], []),
    ({"a": 1}, [[{}, []]]),
]


@pytest.mark.parametrize("message", MALFORMED, ids=repr)
def test_what_is_no_value_is_refused(message: tuple[Any, Any]) -> None:
    _, test = pair()
    with pytest.raises(MalformedError):
        Exchange(test).read(*message)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 9)
    | st.sampled_from(["cell", "mine", "yours", "tuple", "list", "dict", "type", "int"]),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)


@given(JSON, JSON)
def test_any_message_is_read_or_refused(value: Any, cells: Any) -> None:
    _, test = pair()
    with contextlib.suppress(MalformedError):
        Exchange(test).read(value, cells)


@given(JSON, JSON)
def test_any_changes_are_made_or_refused(changed: Any, cells: Any) -> None:
    _, test = pair()
    exchange = Exchange(test)
    exchange.write([[1], {2: 3}, (4,)])
    with contextlib.suppress(MalformedError):
        exchange.apply({"1": changed} if isinstance(changed, list) else changed, cells)
