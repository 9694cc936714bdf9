"""``Far``: what stands for an object of the other side.

What only the object itself can tell is asked over there: calls, attributes, items, iteration, length, truth, text,
numbers. What would hand the *expected* value to the other side, and leave the comparison to it, is never asked:
``==``, ``<``, ``in`` and arithmetic. To these a ``Far`` is itself and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from archon_graph.sandbox.inside.link import Link

_SLOTS = ("_far_link", "_far_what")


class Far:
    """Stands for one object of the other side."""

    __slots__ = (*_SLOTS, "__weakref__")

    def __init__(self, link: Link, what: str) -> None:
        object.__setattr__(self, "_far_link", link)
        object.__setattr__(self, "_far_what", what)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call it.

        Raises:
            RuntimeError: It raised ``StopIteration``, which would end a loop of the caller's as if all were well.
        """
        try:
            return _ask(self, "call", arguments, named)
        except StopIteration as error:
            raise RuntimeError(f"{what(self)} raised StopIteration") from error

    def __getattr__(self, name: str) -> Any:
        return _ask(self, "getattr", name)

    def __setattr__(self, name: str, value: Any) -> None:
        _ask(self, "setattr", name, value)

    def __delattr__(self, name: str) -> None:
        _ask(self, "delattr", name)

    def __getitem__(self, key: Any) -> Any:
        return _ask(self, "getitem", key)

    def __setitem__(self, key: Any, value: Any) -> None:
        _ask(self, "setitem", key, value)

    def __delitem__(self, key: Any) -> None:
        _ask(self, "delitem", key)

    def __iter__(self) -> Iterator[Any]:
        # Over there it may be a list, whose iterator is another object.
        iterator = _ask(self, "iter")
        return iterator if isinstance(iterator, Far) else iter(iterator)

    def __next__(self) -> Any:
        return _ask(self, "next")

    def __contains__(self, value: Any) -> bool:
        return any(one is value or one == value for one in self)

    def __len__(self) -> int:
        return int(_ask(self, "len"))

    def __bool__(self) -> bool:
        return bool(_ask(self, "bool"))

    def __int__(self) -> int:
        return int(_plain(_ask(self, "int")))

    def __float__(self) -> float:
        return float(_plain(_ask(self, "float")))

    def __index__(self) -> int:
        return int(_plain(_ask(self, "index")))

    def __str__(self) -> str:
        return str(_plain(_ask(self, "str")))

    def __repr__(self) -> str:
        return str(_plain(_ask(self, "repr")))

    def __format__(self, form: str) -> str:
        return str(_plain(_ask(self, "format", form)))

    def __enter__(self) -> Any:
        return _ask(self, "enter")

    def __exit__(self, *error: object) -> Any:
        return _ask(self, "exit", None if error[0] is None else str(error[1]))

    def __await__(self) -> Any:
        yield from ()
        return _ask(self, "await")

    def __instancecheck__(self, value: Any) -> bool:
        return isinstance(value, Far) and bool(_ask(self, "isinstance", value))

    def __subclasscheck__(self, value: Any) -> bool:
        return isinstance(value, Far) and bool(_ask(self, "issubclass", value))

    def __reduce__(self) -> Any:
        raise TypeError(f"{what(self)} of the program cannot be copied or pickled")


def what(far: Far) -> str:
    """A word on what it stands for."""
    return str(object.__getattribute__(far, "_far_what"))


def _ask(far: Far, word: str, *arguments: Any) -> Any:
    link: Link = object.__getattribute__(far, "_far_link")
    return link.ask(word, far, *arguments)


def _plain(value: Any) -> Any:
    if not isinstance(value, (str, int, float)):
        raise TypeError(f"no text or number came back, but {type(value).__name__}")
    return value


DEEDS: dict[str, Callable[..., Any]] = {
    "call": lambda on, arguments, named: on(*arguments, **named),
    "getattr": getattr,
    "setattr": setattr,
    "delattr": delattr,
    "getitem": lambda on, key: on[key],
    "setitem": lambda on, key, value: on.__setitem__(key, value),
    "delitem": lambda on, key: on.__delitem__(key),
    "iter": iter,
    "next": next,
    "len": len,
    "bool": bool,
    "int": int,
    "float": float,
    "index": lambda on: on.__index__(),
    "str": str,
    "repr": repr,
    "format": format,
    "enter": lambda on: on.__enter__(),
    "exit": lambda on, problem: on.__exit__(*_exception(problem)),
    "isinstance": lambda on, value: isinstance(value, on),
    "issubclass": lambda on, value: issubclass(value, on),
}
"""What may be asked of an object, and how it is done where the object is at home."""


def _exception(problem: str | None) -> tuple[Any, Any, Any]:
    return (None, None, None) if problem is None else (RuntimeError, RuntimeError(problem), None)
