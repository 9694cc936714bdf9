"""Values on their way between the program and its test, as JSON; objects stay at home and go by number.

What a program returns is plain data to the test, rebuilt from scratch: no class, no method and no ``__eq__`` of
the program comes along. Containers keep their identity within one exchange (the same list twice is the same list
twice, a list may hold itself), and depth is no matter: containers lie side by side in a table of cells.

    value     = null | true | false | number | text         as in JSON; whole numbers up to 2**53
              | ["cell", n]                                   container n of this exchange
              | ["mine", n, what]                             object n of the sender's
              | ["yours", n]                                  object n of the receiver's
              | [kind, ...]                                   an atom that JSON does not have, see ``atoms``
    cell      = [kind, [value, ...], ...]                     see ``_content``
"""

from __future__ import annotations

import collections
import importlib
import json
from collections.abc import Callable, Iterable
from typing import Any

from archon_graph.sandbox.inside.atoms import (
    READERS,
    UNREADABLE,
    MalformedError,
    from_letters,
    in_letters,
    library_name,
    write_atom,
)


class Record(tuple[Any, ...]):
    """A named tuple of the other side's: a tuple whose fields have names."""

    names: dict[str, int]

    def __getattr__(self, name: str) -> Any:
        """The field of that name."""
        try:
            return self[self.__dict__["names"][name]]
        except KeyError:
            raise AttributeError(name) from None


class Codec:
    """One side's end: remembers which of its objects the other side knows by number.

    Args:
        stand_in: Makes what stands for an object of the other side, from a word on what it is, and for an
            exception class the name of the built-in one that it comes from.
        by_name: Whether functions of the standard library may be sent by name. The program's end must not: the
            test would get hold of functions that it did not ask for.
    """

    def __init__(self, stand_in: Callable[[str, str], Any], *, by_name: bool) -> None:
        self._stand_in = stand_in
        self._by_name = by_name
        self._mine: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._theirs: dict[int, Any] = {}
        self._their_numbers: dict[int, int] = {}

    def number(self, value: Any) -> int:
        """The number of an object of ours, which from now on is kept alive."""
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._mine)
            self._mine.append(value)
        return self._numbers[id(value)]

    def mine(self, number: Any) -> Any:
        """The object of ours with that number.

        Raises:
            MalformedError: None was ever sent under it.
        """
        if type(number) is not int or not 0 <= number < len(self._mine):
            raise MalformedError(f"there is no object number {number!r}")
        return self._mine[number]

    def lent(self, value: Any) -> bool:
        """Whether the other side knows this very object of ours by number."""
        return id(value) in self._numbers

    def theirs(self, number: int, what: str, base: str) -> Any:
        """What stands for an object of the other side's; always the same for the same number."""
        if number not in self._theirs:
            stand_in = self._theirs[number] = self._stand_in(what, base)
            self._their_numbers[id(stand_in)] = number
        return self._theirs[number]

    def handle(self, value: Any) -> list[Any]:
        """A value that stays at home, whatever it is."""
        if id(value) in self._their_numbers:
            return ["yours", self._their_numbers[id(value)]]
        return ["mine", self.number(value), _what(value)]

    def atom(self, value: Any) -> Any:
        """A value that is no container, as the other side reads it."""
        if value is None or value is True or value is False:
            return value
        if id(value) in self._their_numbers:  # before anything is asked of it
            return self.handle(value)
        atom = write_atom(value)
        if atom is None and self._by_name:
            atom = library_name(value)
        return self.handle(value) if atom is None else atom

    def read_atom(self, atom: Any) -> Any:
        """The value of what ``atom`` wrote; ``cell`` is not looked at here."""
        if not isinstance(atom, list):
            return atom
        kind, *rest = atom
        if kind == "mine":
            number, (what, base) = rest
            if type(number) is not int:
                raise MalformedError("an object without a number")
            return self.theirs(number, str(what), str(base))
        if kind == "yours":
            return self.mine(*rest)
        if kind == "library" and not self._by_name:
            module, name = rest
            return getattr(importlib.import_module(module), name)
        return READERS[kind](*rest)


class Exchange:
    """A request and its answer: one table of containers that both sides know."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._objects: list[Any] = []
        self._places: dict[int, int] = {}
        self._cells: list[Any] = []

    def write(self, value: Any) -> tuple[Any, list[Any]]:
        """The value, and the cells that it needs and the other side does not have yet."""
        known = len(self._cells)
        written = self._value(value)
        self._fill()
        return written, self._cells[known:]

    def read(self, value: Any, cells: Any) -> Any:
        """The value that the other side wrote.

        Raises:
            MalformedError: It is none.
        """
        try:
            self._build(cells)
            return self._read(value)
        except UNREADABLE as error:
            raise MalformedError(f"{type(error).__name__}: {error}") from error

    def changes(self) -> tuple[dict[int, Any], list[Any]]:
        """The containers that were changed since they came, as they are now, and the cells that this needs."""
        known = len(self._cells)
        changed = {}
        for place, value in enumerate(self._objects[:known]):
            if isinstance(value, _MUTABLE):
                now = self._content(value)
                if _as_text(now) != _as_text(self._cells[place]):
                    changed[place] = now
        self._fill()
        return changed, self._cells[known:]

    def apply(self, changed: Any, cells: Any) -> None:
        """Change our own containers as the other side changed its copies.

        Raises:
            MalformedError: These are no changes.
        """
        try:
            known = len(self._objects)
            self._build(cells)
            for key, content in changed.items():
                place = int(key)
                value = self._objects[place]
                if place >= known or not isinstance(value, _MUTABLE):
                    raise MalformedError(f"container {place} cannot be changed")
                _refill(value, [self._read(one) for one in content[1]])
        except UNREADABLE as error:
            raise MalformedError(f"{type(error).__name__}: {error}") from error

    def _value(self, value: Any) -> Any:
        if isinstance(value, _CONTAINER):
            if id(value) not in self._places:
                self._places[id(value)] = len(self._objects)
                self._objects.append(value)
            return ["cell", self._places[id(value)]]
        return self._codec.atom(value)

    def _fill(self) -> None:
        while len(self._cells) < len(self._objects):
            self._cells.append(self._content(self._objects[len(self._cells)]))

    def _content(self, value: Any) -> list[Any]:
        write = self._value
        if isinstance(value, dict):
            kind = "counter" if isinstance(value, collections.Counter) else "dict"
            kind = "ordered" if isinstance(value, collections.OrderedDict) else kind
            return [kind, [write(part) for pair in dict.items(value) for part in pair]]
        if isinstance(value, list):
            return ["list", [write(one) for one in list.__iter__(value)]]
        if isinstance(value, tuple):
            fields = value.names if isinstance(value, Record) else getattr(type(value), "_fields", ())
            items = [write(one) for one in tuple.__iter__(value)]
            return ["record", items, list(map(str, fields))] if fields else ["tuple", items]
        if isinstance(value, bytearray):
            return ["bytearray", [in_letters(value)]]
        if isinstance(value, collections.deque):
            return ["deque", [write(one) for one in value], value.maxlen]
        kind = "set" if isinstance(value, set) else "frozenset"
        return [kind, [write(one) for one in iter(value)]]

    def _read(self, value: Any) -> Any:
        if isinstance(value, list) and value[:1] == ["cell"]:
            _, place = value
            if type(place) is not int or place < 0:
                raise MalformedError(f"no container {place!r}")
            return self._objects[place]
        return self._codec.read_atom(value)

    def _build(self, cells: Any) -> None:
        """Make the containers: first those that can be filled later, then the others, inner before outer."""
        first = len(self._objects)
        for cell in cells:
            kind = cell[0]
            self._objects.append(_EMPTY[kind](*cell[2:]) if kind in _EMPTY else _MISSING)
            self._cells.append(cell)
        room = len(cells) + sum(len(cell[1]) for cell in cells)
        for place in range(first, len(self._objects)):
            room = self._build_fixed(place, room)
        for place in range(first, len(self._objects)):
            value = self._objects[place]
            self._places[id(value)] = place
            if isinstance(value, _MUTABLE):
                _refill(value, [self._read(one) for one in self._cells[place][1]])

    def _build_fixed(self, place: int, room: int) -> int:
        """Build what cannot be filled later, without recursion, in ``room`` steps at most."""
        waiting = [place]
        while waiting:
            now = waiting[-1]
            if self._objects[now] is _MISSING:
                kind, items, *rest = self._cells[now]
                inner = [one[1] for one in items if isinstance(one, list) and one[0] == "cell"]
                inner = [one for one in inner if self._objects[one] is _MISSING]
                if inner:
                    waiting += inner
                    room -= len(inner)
                    if room < 0:
                        raise MalformedError("tuples that hold each other")
                    continue
                self._objects[now] = _FIXED[kind]([self._read(one) for one in items], *rest)
            waiting.pop()
        return room


_MUTABLE = (list, dict, set, bytearray, collections.deque)
_CONTAINER = (*_MUTABLE, tuple, frozenset)
_MISSING: Any = object()

_EMPTY: dict[str, Callable[..., Any]] = {
    "list": list,
    "dict": dict,
    "ordered": collections.OrderedDict,
    "counter": collections.Counter,
    "set": set,
    "bytearray": bytearray,
    "deque": lambda maxlen: collections.deque(maxlen=maxlen),
}


def _record(items: list[Any], names: Iterable[str]) -> Record:
    record = Record(items)
    record.names = {str(name): place for place, name in enumerate(names)}
    return record


_FIXED: dict[str, Callable[..., Any]] = {"tuple": tuple, "frozenset": frozenset, "record": _record}


def _as_text(cell: list[Any]) -> str:
    """A cell in a form to compare: as objects, 1, 1.0 and True are equal, and a set's order is accidental."""
    return json.dumps([cell[0], sorted(map(json.dumps, cell[1]))] if cell[0] == "set" else cell)


def _refill(value: Any, items: list[Any]) -> None:
    if isinstance(value, bytearray):
        value[:] = from_letters(items[0])
    elif isinstance(value, list):
        value[:] = items
    else:
        value.clear()
        if isinstance(value, dict):
            for key, content in zip(items[::2], items[1::2], strict=True):
                dict.__setitem__(value, key, content)
        elif isinstance(value, set):
            value.update(items)
        else:
            value.extend(items)


def _what(value: Any) -> list[str]:
    """Two words on an object: what it is, and for an exception class the built-in one that it comes from."""
    kind, name = type(value).__name__, getattr(value, "__name__", None)
    if isinstance(value, type) and issubclass(value, BaseException):
        return [str(name), next(base.__name__ for base in value.__mro__ if base.__module__ == "builtins")]
    return [f"{kind} {name}" if isinstance(name, str) else kind, ""]
