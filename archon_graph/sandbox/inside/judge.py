"""The test's end: runs the test against what stands for the program, and writes the verdict on standard error.

The program runs in another sandbox. What it can do here is answer: with plain values, and with objects that stay
over there. It has no way to the test's code, to its verdict, or to the values that the test compares with.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import json
import os
import sys
import types
from pathlib import Path
from typing import Any

from archon_graph.sandbox.inside.codec import Codec
from archon_graph.sandbox.inside.far import DEEDS, Far
from archon_graph.sandbox.inside.link import Link
from archon_graph.sandbox.inside.reading import TestCode, place, read_test, run_functions, told

_TEST = "archon_test"
_LONGEST_DETAIL = 2000
_FREE = {"call", "iter", "next", "len", "bool", "int", "float", "index", "str", "repr", "format", "getitem"}
"""What the program may ask of any object that the test handed over."""
_OF_TESTS_OWN = {"getattr", "setattr", "setitem", "delitem", "isinstance"}
"""What it may ask, besides, of objects of classes that the test defines; names with ``_`` are not for it."""


def main() -> None:
    """Judge the program at the other end of standard input and output, and write the verdict on standard error.

    The task is read from ``task.json``: ``test``, ``support`` and ``names``, as ``check`` takes them.
    """
    source, sink, verdict = os.dup(0), os.dup(1), os.dup(2)
    null = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    sys.path[:] = [entry for entry in sys.path if entry != "/boot"]
    task = json.loads(Path("task.json").read_text(encoding="utf-8"))
    trial = _Trial(source, sink, task)
    passed, judged, detail = trial.judge()
    message = {"passed": passed, "judged": judged, "detail": detail[:_LONGEST_DETAIL], "gone": trial.gone}
    os.write(verdict, json.dumps(message).encode())
    os._exit(0)  # whatever threads and exit handlers the test left behind


class _Trial:
    """One test of one program."""

    def __init__(self, source: int, sink: int, task: dict[str, Any]) -> None:
        self._task = task
        self._module = types.ModuleType(_TEST)
        sys.modules[_TEST] = self._module
        self._codec = Codec(self._stand_in, by_name=True)
        self._link = Link(source, sink, self._codec, self._do, show=_show)
        self._missing: set[str] = set()
        self._read_value = False
        self._fetched = 0

    def judge(self) -> tuple[bool, bool, str]:
        """Whether the program passes; whether that says anything about the program; and what went wrong."""
        try:
            support = read_test(self._task["support"], "support.py")
            test = read_test(self._task["test"], "test.py")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return False, False, f"the test itself does not compile: {error}"
        try:
            greeting = self._link.receive()
            if greeting[0] != "ready":
                return False, True, f"the program failed before the test began: {greeting[-1]}"
            self._run(support, test)
        except BaseException as error:  # noqa: BLE001 - also SystemExit: a test that did not come to its end
            return False, self._said_something(error), self._told(error, test)
        if self._link.broken:
            return False, True, self._gone()
        if not self._used():
            return False, False, "the test never used the program"
        return True, True, ""

    @property
    def gone(self) -> bool:
        """Whether the program does not answer any more."""
        return bool(self._link.broken)

    def _run(self, support: TestCode, test: TestCode) -> None:
        names = set(self._task["names"])
        for name in sorted((support.wanted | test.wanted) - names - support.defined):
            self._find(name, may_be_module=name in support.modules | test.modules)
        exec(support.code, vars(self._module))  # noqa: S102 - in a sandbox of its own
        for name in sorted(names):
            self._fetch(name)
            if name in self._missing:
                raise NameError(name=name)
        if "unittest" in self._task["test"]:
            import unittest

            unittest.main = lambda *_, **__: None  # type: ignore[assignment]  # the cases are run below
        self._fetched = self._link.asked
        exec(test.code, vars(self._module))  # noqa: S102
        run_functions(self._module, test)

    def _find(self, name: str, *, may_be_module: bool) -> None:
        """Find what a name means that the test uses and does not define; the program is asked last.

        A program that defines ``sum`` or ``math`` must not have the test compute with them.
        """
        if hasattr(builtins, name):
            return
        if may_be_module and name in sys.stdlib_module_names:
            with contextlib.suppress(ImportError):
                vars(self._module)[name] = importlib.import_module(name)
                return
        self._fetch(name)

    def _fetch(self, name: str) -> None:
        try:
            value = self._link.ask("global", None, name)
        except KeyError:
            self._missing.add(name)
            return
        vars(self._module)[name] = value
        self._read_value |= not isinstance(value, (Far, type))

    def _stand_in(self, what: str, base: str) -> Any:
        kind = getattr(builtins, base, None) if base else None
        if isinstance(kind, type) and issubclass(kind, BaseException):
            made = self._link.exceptions[what] = type(what, (kind,), {})
            return made
        return Far(self._link, what)

    def _do(self, what: str, on: Any, arguments: list[Any]) -> Any:
        """Do what the program asks of an object of ours."""
        if not self._codec.lent(on):
            raise TypeError("the test did not hand this over")
        if what not in _FREE and not self._allows(what, on, arguments):
            raise AttributeError(f"{what} is nothing that a program may ask of a {type(on).__name__} of the test")
        return DEEDS[what](on, *arguments)

    def _allows(self, what: str, on: Any, arguments: list[Any]) -> bool:
        kind = on if isinstance(on, type) else type(on)
        if what not in _OF_TESTS_OWN or kind.__module__ != _TEST:
            return False
        if not what.endswith("attr"):
            return True
        name = str(arguments[0])
        # What a test does must stay what it wrote: neither classes nor methods can be replaced.
        changes = what == "setattr" and (on is kind or callable(getattr(kind, name, None)))
        return not name.startswith("_") and not changes

    def _used(self) -> bool:
        return self._read_value or self._link.asked > self._fetched

    def _said_something(self, error: BaseException) -> bool:
        missing = isinstance(error, NameError) and error.name in self._missing
        return missing or bool(self._link.broken) or self._used()

    def _told(self, error: BaseException, test: TestCode) -> str:
        if self._link.broken:
            return place(error, test) + self._gone()
        if isinstance(error, NameError) and error.name in self._missing:
            return f"{place(error, test)}the program does not define {error.name}"
        return place(error, test) + told(error, test)

    def _gone(self) -> str:
        return f"the program stopped answering: {self._link.broken}"


def _show(text: str) -> None:
    sys.stdout.write(text)  # looked up now: a test may have put something else there
