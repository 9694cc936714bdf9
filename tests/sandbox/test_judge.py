"""What the program may ask of the objects of a test: no more than it was given."""

from __future__ import annotations

import types
from typing import Any

import pytest

from archon_graph.sandbox.inside.judge import _TEST, _Trial


class _Box:
    """An object of a class that the test defines."""

    hidden = 1
    _private = 2

    def method(self) -> int:
        return 3


_Box.__module__ = _TEST


def named(value: object) -> str:
    """A name that is the same in every run, for a test can only be asked for by its name."""
    return repr(value) if isinstance(value, str | list) else getattr(value, "__name__", type(value).__name__)


@pytest.fixture
def trial() -> _Trial:
    """A test that has not begun; nothing is read from standard input or written anywhere."""
    return _Trial(0, 1, {"test": "", "support": "", "names": []})


def lend(trial: _Trial, value: Any) -> Any:
    """Hand an object over, as an argument would."""
    trial._codec.handle(value)
    return value


def test_what_was_handed_over_can_be_used(trial: _Trial) -> None:
    box = lend(trial, _Box())
    assert trial._do("call", lend(trial, lambda x: x + 1), [(1,), {}]) == 2
    assert trial._do("next", lend(trial, iter([5])), []) == 5
    assert trial._do("getattr", box, ["hidden"]) == 1
    trial._do("setattr", box, ["hidden", 4])
    assert box.hidden == 4


@pytest.mark.parametrize("value", [int, exec, open, object(), "text", [1], types, None], ids=named)
@pytest.mark.parametrize("what", ["call", "getattr", "setattr", "iter", "str"])
def test_what_was_not_handed_over_cannot(trial: _Trial, value: object, what: str) -> None:
    with pytest.raises(TypeError, match="did not hand this over"):
        trial._do(what, value, ["__subclasses__"])


@pytest.mark.parametrize(
    ("value", "what", "arguments"),
    [
        (_Box(), "getattr", ["_private"]),
        (_Box(), "getattr", ["__class__"]),
        (_Box(), "getattr", ["__dict__"]),
        (_Box(), "setattr", ["_private", 1]),
        (_Box(), "setattr", ["method", None]),
        (_Box, "setattr", ["hidden", 1]),
        (_Box, "getattr", ["__init__"]),
        (_Box(), "delattr", ["hidden"]),
        (lambda: 1, "getattr", ["__globals__"]),
        (lambda: 1, "getattr", ["name"]),
        ((one for one in ()), "getattr", ["gi_frame"]),
        (types, "getattr", ["FunctionType"]),
        (ValueError(), "getattr", ["with_traceback"]),
        (_Box(), "eval", ["1"]),
        (_Box(), "global", ["name"]),
    ],
    ids=named,
)
def test_its_inside_cannot_be_reached(trial: _Trial, value: object, what: str, arguments: list[object]) -> None:
    with pytest.raises(AttributeError, match="nothing that a program may ask"):
        trial._do(what, lend(trial, value), arguments)


def test_a_method_is_called_and_not_looked_into(trial: _Trial) -> None:
    method = lend(trial, trial._do("getattr", lend(trial, _Box()), ["method"]))
    assert trial._do("call", method, [(), {}]) == 3
    with pytest.raises(AttributeError):
        trial._do("getattr", method, ["__self__"])
