"""Reading a test: which names it takes from elsewhere, what it says when it fails, what of it is to be run."""

from __future__ import annotations

import ast
import symtable
import types
from dataclasses import dataclass
from typing import Any

from archon_graph.sandbox.inside.far import Far, what

_LONGEST_VALUE = 200
_LEFT, _RIGHT = "__left__", "__right__"


@dataclass(frozen=True)
class TestCode:
    """A test that was read."""

    __test__ = False  # for pytest, which would take it for one of its own

    name: str
    """The file's name in tracebacks."""
    lines: list[str]
    code: types.CodeType
    wanted: set[str]
    """Global names that it uses and does not define."""
    modules: set[str]
    """Names that it takes attributes of; others cannot mean a module."""
    defined: set[str]
    """Global names that it defines."""
    called: set[str]
    """Global names that it uses outside of functions and classes."""
    compared: set[int]
    """Lines of ``assert`` that compare two values, which are remembered when one fails."""


class TestFailedError(AssertionError):
    """A ``unittest`` case failed."""

    __test__ = False


def read_test(source: str, name: str) -> TestCode:
    """Read a test.

    Raises:
        SyntaxError: It is no Python. ``ValueError``, ``RecursionError`` and ``MemoryError`` are possible as well.
    """
    tree = ast.parse(source, name)
    wanted, defined = _names(source, name)
    outside = [
        node for node in tree.body if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    ]
    called = {node.id for outer in outside for node in ast.walk(outer) if isinstance(node, ast.Name)}
    owners = [node.value for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    modules = {owner.id for owner in owners if isinstance(owner, ast.Name)}
    remember = _Remember()
    code = compile(ast.fix_missing_locations(remember.visit(tree)), name, "exec")
    return TestCode(name, source.splitlines(), code, wanted, modules, defined, called, remember.lines)


def _names(source: str, name: str) -> tuple[set[str], set[str]]:
    top = symtable.symtable(source, name, "exec")
    defined = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    used = set()
    tables = [top]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        used |= {
            symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced() and symbol.is_global()
        }
    return used - defined, defined


class _Remember(ast.NodeTransformer):
    """Has ``assert a == b`` keep both values, so that its failure can be told with them."""

    def __init__(self) -> None:
        self.lines: set[int] = set()

    def visit_Assert(self, node: ast.Assert) -> Any:
        if not isinstance(node.test, ast.Compare) or len(node.test.ops) != 1:
            return node
        self.lines.add(node.lineno)
        left, right = node.test.left, node.test.comparators[0]
        kept = [
            ast.Assign([ast.Name(name, ast.Store())], value) for name, value in ((_LEFT, left), (_RIGHT, right))
        ]
        compare = ast.Compare(ast.Name(_LEFT, ast.Load()), node.test.ops, [ast.Name(_RIGHT, ast.Load())])
        new = [*kept, ast.Assert(compare, node.msg)]
        return [ast.copy_location(one, node) for one in new]


def run_functions(module: types.ModuleType, test: TestCode) -> None:
    """Run what a test runner would: functions named ``test...`` without arguments, and ``unittest`` cases.

    What the test itself runs, outside of functions, is not run again.
    """
    for name in list(vars(module)):
        value = vars(module)[name]
        if name not in test.defined or name in test.called:
            continue
        if isinstance(value, types.FunctionType) and name.startswith("test"):
            if _needs_nothing(value):
                result = value()
                if isinstance(result, types.CoroutineType):
                    import asyncio  # takes longer to import than most tests to run

                    asyncio.run(result)
        elif isinstance(value, type) and value.__module__ == module.__name__ and hasattr(value, "assertEqual"):
            _run_cases(value)


def _needs_nothing(function: types.FunctionType) -> bool:
    code = function.__code__
    named = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    return code.co_argcount <= len(function.__defaults__ or ()) and set(named) <= set(
        function.__kwdefaults__ or ()
    )


def _run_cases(cases: type) -> None:
    import unittest

    if issubclass(cases, unittest.TestCase):
        result = unittest.defaultTestLoader.loadTestsFromTestCase(cases).run(unittest.TestResult())
        for case, text in (*result.errors, *result.failures):
            raise TestFailedError(f"{case}: {text.strip().splitlines()[-1]}")
        if result.skipped:
            case, reason = result.skipped[0]
            raise TestFailedError(f"{case} was skipped, which is not passed: {reason}")


def place(error: BaseException, test: TestCode) -> str:
    """Where in the test an exception came from, as the beginning of a sentence; empty if nowhere."""
    line = _line(error, test)
    if line is None:
        return ""
    text = test.lines[line - 1].strip() if line <= len(test.lines) else ""
    return f"line {line}: {text}: "


def _line(error: BaseException, test: TestCode) -> int | None:
    found, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == test.name:
            found = trace.tb_lineno
        trace = trace.tb_next
    return found


def told(error: BaseException, test: TestCode) -> str:
    """What an exception says, and for a failed comparison the two values."""
    if type(error) is AssertionError and not error.args and _line(error, test) in test.compared:
        names: dict[str, Any] = {}
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == test.name:
                names = trace.tb_frame.f_locals
            trace = trace.tb_next
        if _LEFT in names and _RIGHT in names:
            return f"the left side is {_shown(names[_LEFT])}, the right side {_shown(names[_RIGHT])}"
    if isinstance(error, AssertionError) and not str(error):
        return "it does not hold"
    return f"{type(error).__name__}: {error}"


def _shown(value: Any) -> str:
    if isinstance(value, Far):
        return f"an object of the program's ({what(value)}), which is equal to nothing but itself"
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - a number of more digits than Python shows, for one
        text = f"a {type(value).__name__} that cannot be shown ({type(error).__name__})"
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
