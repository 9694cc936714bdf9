"""Atoms: values that JSON has no form for, but that can be made anew from plain parts on the other side.

``READERS`` lists their forms: a word, and what it is made from. ``["library", module, name]`` comes on top, from
the test to the program only.
"""

from __future__ import annotations

import binascii
import builtins
import importlib
import math
import sys
from collections.abc import Callable
from typing import Any

_EXACT = 2**53


class MalformedError(Exception):
    """What came from the other side is no message."""


UNREADABLE = (MalformedError, ArithmeticError, AttributeError, ImportError, LookupError, TypeError, ValueError)
"""What reading a malformed message may raise."""


def write_atom(value: Any) -> Any:  # noqa: PLR0911 - a table in the form of code
    """An atom as it is sent; ``None`` for what has to stay at home."""
    if isinstance(value, int):
        whole = int.__add__(value, 0)  # an enum's member, for one, would stay one
        return whole if -_EXACT <= whole <= _EXACT else ["int", hex(whole)]
    if isinstance(value, float):
        number = float(value)
        return number if math.isfinite(number) else ["float", repr(number)]
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, complex):
        return ["complex", repr(value.real), repr(value.imag)]
    if isinstance(value, bytes):
        return ["bytes", in_letters(value)]
    if isinstance(value, range):
        return ["range", *map(hex, (value.start, value.stop, value.step))]
    if isinstance(value, type):
        name = value.__name__
        return ["type", name] if vars(builtins).get(name) is value else None
    if value is ...:
        return ["ellipsis"]
    if value is NotImplemented:
        return ["not-implemented"]
    if type(value).__module__ in _WRITTEN_BY:
        return _library_atom(value)
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        return write_atom(value.item())
    return None


# Modules that take time to import: an object of theirs can only be there if they are imported.
_WRITTEN_BY = {"decimal", "fractions", "datetime"}


def _library_atom(value: Any) -> Any:
    kind = type(value).__name__
    if kind == "Decimal":
        return ["decimal", str(value)]
    if kind == "Fraction":
        return ["fraction", hex(value.numerator), hex(value.denominator)]
    if kind == "timedelta":
        return ["timedelta", value.days, value.seconds, value.microseconds]
    if kind in ("datetime", "date", "time"):
        return [kind, value.isoformat()]
    return None


def in_letters(data: bytes | bytearray) -> str:
    """Bytes as text."""
    return binascii.b2a_base64(data, newline=False).decode()


def from_letters(text: str) -> bytes:
    """The bytes that `in_letters` wrote."""
    return binascii.a2b_base64(text, strict_mode=True)


def _made_by(module: str, name: str, *arguments: Any) -> Any:
    return getattr(importlib.import_module(module), name)(*arguments)


def _from_iso(name: str, text: str) -> Any:
    return getattr(importlib.import_module("datetime"), name).fromisoformat(text)


def _whole(text: str) -> int:
    return int(text, 16)


def _type(name: str) -> type:
    found = getattr(builtins, name)
    if not isinstance(found, type):
        raise MalformedError(f"{name!r} is no type")
    return found


READERS: dict[str, Callable[..., Any]] = {
    "int": _whole,
    "float": float,
    "complex": lambda real, imaginary: complex(float(real), float(imaginary)),
    "bytes": from_letters,
    "range": lambda *parts: range(*map(_whole, parts)),
    "type": _type,
    "ellipsis": lambda: ...,
    "not-implemented": lambda: NotImplemented,
    "decimal": lambda text: _made_by("decimal", "Decimal", str(text)),
    "fraction": lambda over, under: _made_by("fractions", "Fraction", _whole(over), _whole(under)),
    "timedelta": lambda *parts: _made_by("datetime", "timedelta", *parts),
    "datetime": lambda text: _from_iso("datetime", text),
    "date": lambda text: _from_iso("date", text),
    "time": lambda text: _from_iso("time", text),
}


def library_name(value: Any) -> Any:
    """A function of the standard library by its name, such as ``operator.add``; ``None`` if it is none."""
    module, name = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if not callable(value) or not isinstance(module, str) or not isinstance(name, str):
        return None
    if module.partition(".")[0] not in sys.stdlib_module_names | {"builtins"} or module == "__main__":
        return None
    if getattr(sys.modules.get(module), name, None) is not value:
        return None
    return ["library", module, name]
