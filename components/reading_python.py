"""Reading pieces of Python in a text that somebody wrote: how far they go, and what they are. Nothing is run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from archon_graph.components.executing import UNREADABLE, parsed

LONGEST = 500
"""Characters of one piece; nothing longer is parsed."""

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_TOKEN = re.compile(
    r"""\"{3}|'{3}|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\#[^\n]*|[()\[\]{}\n]""",
    re.VERBOSE,
)
_WORDS = {"true": "True", "false": "False", "null": "None"}
QUOTES = ('"""', "'''")
"""What closes a docstring."""


def closing(text: str, start: int) -> int | None:
    """Where the bracket at ``start`` is closed: the place behind; ``None`` if it is not, or not soon enough."""
    return _reach(text, start, line=False)


def end_of_line(text: str, start: int) -> int | None:
    """Where the line ends that begins at ``start``, and goes on while brackets are open."""
    return _reach(text, start, line=True)


def _reach(text: str, start: int, *, line: bool) -> int | None:
    limit = min(len(text), start + LONGEST)
    expected: list[str] = []
    for token in _TOKEN.finditer(text, start, limit):
        mark = token[0]
        if mark in _CLOSING:
            expected.append(_CLOSING[mark])
        elif mark in _CLOSING.values():
            if not expected or expected.pop() != mark:
                return None
            if not expected and not line:
                return token.end()
        elif mark in QUOTES or mark == "\n":
            if not expected:
                return token.start() if line else None
            if mark in QUOTES:
                return None
    return limit if line and not expected and limit == len(text) else None


def tree_of(source: str) -> ast.Module | None:
    """Source as a tree; ``None`` if it is no Python."""
    try:
        return parsed(source)
    except UNREADABLE:
        return None


def source_of(statements: Sequence[ast.stmt]) -> str | None:
    """The statements as text; two that differ in their layout alone are the same."""
    try:
        return ast.unparse(ast.Module(list(statements), []))
    except UNREADABLE:
        return None


def expression_of(source: str) -> ast.expr | None:
    """The expression that the source is, and nothing besides."""
    tree = tree_of(source)
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return None
    return tree.body[0].value


def name_of(tree: ast.expr) -> str | None:
    """The name that the expression is."""
    return tree.id if isinstance(tree, ast.Name) else None


def literal_call(source: str) -> ast.Call | None:
    """A call with literal arguments."""
    call = expression_of(source)
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        return None
    named = all(each.arg is not None and is_literal(each.value) for each in call.keywords)
    return call if named and all(map(is_literal, call.args)) else None


def value_of(written: str) -> ast.expr | None:
    """A literal that stands alone, but for a full stop, a comment, or backticks around it."""
    written = written.strip()
    shorter = written[:-1] if written.endswith((".", ",", ";")) else written
    for form in dict.fromkeys((shorter, written)):
        plain = form.strip("` \t")
        value = expression_of(_WORDS.get(plain.lower(), plain))
        if value is None or not is_literal(value):
            continue
        # A tuple has parentheses of its own, so neither `1, 2` nor `(1), 2`; and nothing else has some.
        if isinstance(value, ast.Tuple) == plain.startswith("(") and not _is_loose(plain):
            return value
    return None


def _is_loose(tuple_: str) -> bool:
    """Whether something stands behind the parenthesis that closes the first one, other than a comment."""
    end = closing(tuple_, 0) if tuple_.startswith("(") else None
    return end is not None and tuple_[end:].lstrip()[:1] not in ("", "#")


def is_literal(tree: ast.expr) -> bool:
    """Whether it is a value, written out, that can be made."""
    for node in ast.walk(tree):
        match node:
            case ast.Constant():
                if node.value is Ellipsis:
                    return False
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=ast.Constant(value=int() | float() | complex())):
                pass
            case ast.Dict():
                if not all(key is not None and _is_hashable(key) for key in node.keys):
                    return False
            case ast.Set():
                if not all(map(_is_hashable, node.elts)):
                    return False
            case ast.List() | ast.Tuple() | ast.expr_context() | ast.unaryop():
                pass
            case _:
                return False
    return True


def _is_hashable(tree: ast.expr) -> bool:
    return not any(isinstance(node, ast.List | ast.Dict | ast.Set) for node in ast.walk(tree))


def equals(left: ast.expr, right: ast.expr) -> ast.Assert:
    """The assertion that both are equal."""
    return ast.Assert(ast.Compare(left, [ast.Eq()], [right]))


def is_equation(test: ast.Compare) -> bool:
    """Whether it is one ``==`` between two sides."""
    return len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)


def sides(before: Sequence[ast.stmt], last: ast.stmt) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """What a test asks, and what the answer has to be."""
    test = last.test if isinstance(last, ast.Assert) else None
    if isinstance(test, ast.Compare) and is_equation(test):
        return [*before, ast.Expr(test.left)], [ast.Expr(test.comparators[0])]
    return [*before, last], []


def walk(statements: Sequence[ast.stmt]) -> Iterator[ast.AST]:
    """Every node of the statements."""
    for statement in statements:
        yield from ast.walk(statement)


def names_bound(statements: Sequence[ast.stmt]) -> set[str]:
    """The names that statements give something to, wherever they do it."""
    names: set[str] = set()
    for node in walk(statements):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
                names.add(name)
            case ast.alias(name=name, asname=other):
                names.add(other or name.partition(".")[0])
    return names


def parameters_of(header: str) -> tuple[bool, list[str]] | None:
    """The names of parameters in parentheses, and whether they are all plain ones."""
    tree = tree_of(f"def f{header}: pass")
    if tree is None or not isinstance(tree.body[0], ast.FunctionDef):
        return None
    found = tree.body[0].args
    plain = not (found.vararg or found.kwarg or found.kwonlyargs or found.posonlyargs)
    every = (*found.posonlyargs, *found.args, *found.kwonlyargs, found.vararg, found.kwarg)
    return plain, [each.arg for each in every if each is not None]
