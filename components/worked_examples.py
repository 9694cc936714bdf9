"""Worked examples in a coding question, read as tests that can be run; and the grammar of what is read."""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from archon_graph.components.reading_python import (
    LONGEST,
    QUOTES,
    closing,
    end_of_line,
    equals,
    expression_of,
    is_equation,
    is_literal,
    literal_call,
    name_of,
    names_bound,
    parameters_of,
    sides,
    source_of,
    tree_of,
    value_of,
    walk,
)

LONGEST_TEST = LONGEST
"""Characters of one test, and of one example in the question."""
LONGEST_TEXT = 100_000
"""Characters of a question that are read; examples stand in the first page of it."""
MOST_LOOKED_AT = 1_000
"""So many places that look like an example are looked at: each takes its time, and a hostile text has many."""

# What counts as an example. A wrong test is worse than none: it prefers wrong programs. So a line that reads as an
# example only with good will is left out.
#
#   question = { session | assertion | statement | case | other line } ;
#
#   session   = { prompt, source, { continuation }, [ output ] } ;         as in an interactive Python
#   prompt    = ">>>" ;  continuation = "...", source ;
#   output    = the lines below, up to an empty one, a prompt, a fence, closing quotes, or a lesser indentation ;
#
#       An output that is a literal is compared by ==. Any other one line may be what the expression prints, or
#       its value as text. Several lines that are no literal are left out (words may follow without a gap), and
#       so are tracebacks, addresses, and examples with a doctest directive. A source without output is kept as
#       set-up for what uses its names, up to the end of the docstring or the fence; `f(2) == 4` without output
#       is an assertion. After an error, nothing that depends on the session is read.
#
#   assertion = "assert", expression ;                               Python, over several lines if need be
#   statement = [ label ], call, arrow, value ;                      at the beginning of a line
#   label     = bullet | "#" | "Example 1:" | "for" | "assert" | ... ;
#   call      = name, "(", literals, ")" ;
#   arrow     = "==" | "=>" | "==>" | "->" | "→" | "=" | "returns" | "should return" | ... ;
#   value     = literal | "true" | "false" | "null" ;                the whole rest of the line, but for a full
#                                                                    stop or a comment
#
#       "=" may also define a function by mathematics: if one line with the same name and "=" is no example, none
#       of them is. A single value in parentheses is left out: it may be meant as a tuple of one.
#
#   case      = "For", arguments, "the output should be", value
#             | "Input:", arguments, "Output:", value ;
#   arguments = name, "=", literal, { ",", name, "=", literal } | literal, { ",", literal } ;
#
#       Only where the question defines exactly one function, and the arguments are exactly its parameters.
#
# Whatever it is, a test stands on its own: it calls something that the program has to define, and takes no name
# from around it. If the question defines functions or classes, sessions, statements and cases have to call one of
# them: a slip in a name would fail every program. Examples that contradict each other are all left out.
#
# Nothing is run here, and the time is linear: patterns have bounded repeats, and what is parsed is no longer than
# LONGEST_TEST. (The standard library's parser of doctests raises over the whole text for one malformed line, reads
# closing quotes as output, and takes squared time over some texts.)

_FENCES = ("```", "~~~")
_DEFINITION = re.compile(r"^[ \t]*(?:async[ \t]+)?(def|class)[ \t]+([^\W\d]\w*)[ \t]*(?=(\()?)", re.MULTILINE)
_PROMPT = re.compile(r"([ \t]*)>>>(.*)")
_CONTINUATION = re.compile(r"[ \t]*\.\.\.(?:[ \t](.*))?$")
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{4}")
_NO_OUTPUT = ("#", "=>", "->", "→", "returns ", "return ", "output", "result", "traceback")

_BULLET = r"[ \t]{0,40}(?:(?:[-*•#]|\(?\d{1,2}[.)])[ \t]{1,4})?"
_ASSERTION = re.compile(_BULLET + r"`{0,2}(?=assert\b)")
_STATEMENT = re.compile(
    _BULLET
    + r"(?:(?:(?:for[ \t]{1,4})?examples?(?:[ \t]\d{1,2})?|e\.g\.|ex\.)(?:[ \t]{0,4}[:,][ \t]{0,4}|[ \t]{1,4}))?"
    r"(?:(?:for|assert)[ \t]{1,4})?`{0,2}([^\W\d]\w{0,80})(?=\()",
    re.IGNORECASE,
)
_ARROW = re.compile(
    r"[ \t]{0,40}`{0,2}[ \t]{0,40}(?:#[ \t]{0,8})?"
    r"(?:(?P<equation>=)(?![=>])|==?>|==|-{1,2}>|[→➞➔⇒⟶]"
    r"|(?:(?:should|must|will|would)[ \t]{1,4}(?:return|give|be)|returns|gives|evaluates[ \t]{1,4}to)\b:?)",
    re.IGNORECASE,
)
_FOR = re.compile(_BULLET + r"(?:for|given)[ \t]{1,4}(?=\w{1,80}[ \t]{0,4}=)", re.IGNORECASE)
_THE_OUTPUT = re.compile(
    r",?[ \t]{1,4}the[ \t]{1,4}(?:output|result|answer)[ \t]{1,4}"
    r"(?:(?:should|must|will|would)[ \t]{1,4}be|is)\b:?",
    re.IGNORECASE,
)
_INPUT = re.compile(_BULLET + r"[*_]{0,2}(?:sample[ \t])?input(?:[ \t]\d{1,2})?[*_]{0,2}:[*_]{0,2}", re.IGNORECASE)
_OUTPUT = re.compile(
    r"[ \t]{0,40}[*_]{0,2}(?:sample[ \t])?output(?:[ \t]\d{1,2})?[*_]{0,2}:[*_]{0,2}", re.IGNORECASE
)
_BUILT_IN = frozenset(dir(builtins))


def read_examples(text: str, count: int) -> tuple[str, ...]:
    """The first ``count`` different worked examples in a text, as tests that can be run, by the grammar above."""
    if len(text) > LONGEST_TEXT:
        # Without the line that is cut: half a value is another one.
        text = text[:LONGEST_TEXT].rpartition("\n")[0]
    return _Reader(text.replace("\r\n", "\n")).tests()[:count]


@dataclass(frozen=True, slots=True)
class _Example:
    """What was read, in a form in which it can be compared with others."""

    asks: str
    """What is computed, with its set-up."""
    expects: str
    """What has to come of it."""
    test: str
    needs: frozenset[str]
    """Names that the program has to define."""
    equation: bool = False
    """Whether it was written with a single ``=``."""
    explicit: bool = False
    """Whether it was written as an assertion, which may call what the question does not define."""


@dataclass(slots=True)
class _Session:
    """An interactive session: what was done so far."""

    done: list[ast.stmt] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    size: int = 0
    lost: bool = False
    """Whether something was done that cannot be done again here."""


class _Reader:
    """Reads one question."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._functions: list[tuple[str, tuple[str, ...] | None]] = []
        self._classes: set[str] = set()
        self._parameters: set[str] = set()
        self._definitions()
        self._session = _Session()
        self._examples: list[_Example] = []
        self._mathematics: set[str] = set()
        self._looked_at = 0

    def tests(self) -> tuple[str, ...]:
        """The tests, in the order of the text."""
        position = 0
        while position < len(self._text) and self._looked_at < MOST_LOOKED_AT:
            behind = self._example(position)
            line, after = self._line(position)
            if behind is None and _ends_session(line):
                self._session = _Session()
            # A value may end in the middle of a line, before closing quotes; what stands behind it is no example.
            position = after if behind is None else self._line_from(behind)
        expected: dict[str, set[str]] = {}
        for example in self._examples:
            expected.setdefault(example.asks, set()).add(example.expects)
        defined = self._classes | {name for name, _ in self._functions}
        fit = (
            example.test
            for example in self._examples
            if len(expected[example.asks]) == 1
            and not example.needs & self._parameters
            and not (example.equation and example.needs & self._mathematics)
            and (example.explicit or not defined or example.needs & defined)
        )
        return tuple(dict.fromkeys(fit))

    # ---- the text

    def _line(self, position: int) -> tuple[str, int]:
        """The line at a position, and where the next one begins."""
        end = self._text.find("\n", position)
        return (self._text[position:], len(self._text)) if end < 0 else (self._text[position:end], end + 1)

    def _line_from(self, position: int) -> int:
        """Where the next line begins; the position itself if a line begins there."""
        if position == 0 or self._text[position - 1] == "\n":
            return position
        return self._line(position)[1]

    def _definitions(self) -> None:
        for number, found in enumerate(_DEFINITION.finditer(self._text)):
            if number == MOST_LOOKED_AT:
                break
            if found[1] == "class":
                self._classes.add(found[2])
                continue
            end = closing(self._text, found.end()) if found[3] else None
            parameters = None if end is None else parameters_of(self._text[found.end() : end])
            if parameters is None:
                self._functions.append((found[2], None))
                continue
            plain, named = parameters
            self._parameters.update(named)
            if named[:1] not in (["self"], ["cls"]):
                self._functions.append((found[2], tuple(named) if plain else None))

    # ---- the examples

    def _example(self, position: int) -> int | None:
        """Read the example at the beginning of a line: where it ends; ``None`` if there is none."""
        for pattern, read in (
            (_PROMPT, self._prompt),
            (_ASSERTION, self._assertion),
            (_STATEMENT, self._statement),
            (_FOR, self._for),
            (_INPUT, self._input),
        ):
            found = pattern.match(self._text, position)
            if found is not None:
                self._looked_at += 1
                end = read(found)
                if end is not None:
                    return end
        return None

    def _assertion(self, found: re.Match[str]) -> int | None:
        start = found.end()
        end = end_of_line(self._text, start)
        tree = None if end is None else tree_of(self._text[start:end].rstrip("` \t"))
        if end is None or tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Assert):
            return None
        self._keep([], tree.body[0], explicit=True)
        return end

    def _statement(self, found: re.Match[str]) -> int | None:
        statement = _read_statement(self._text, found)
        if statement is None:
            return None
        if statement.test is not None:
            self._keep([], statement.test, equation=statement.equation)
        elif statement.equation:
            self._mathematics.add(found[1])
        return statement.end

    def _for(self, found: re.Match[str]) -> int:
        line, after = self._line(found.end())
        return self._case(*_split(line, _THE_OUTPUT), after)

    def _input(self, found: re.Match[str]) -> int:
        line, after = self._line(found.end())
        arguments, value = _split(line, _OUTPUT)
        if value:
            return self._case(arguments, value, after)
        below, behind = self._line(after)
        if not below.strip():
            below, behind = self._line(behind)
        output = _OUTPUT.match(below)
        return after if output is None else self._case(line, below[output.end() :], behind)

    def _case(self, arguments: str, value: str, end: int) -> int:
        expected = value_of(value) if len(value) <= LONGEST_TEST else None
        if expected is None or len(arguments) > LONGEST_TEST or len(self._functions) != 1:
            return end
        name, parameters = self._functions[0]
        call = literal_call(f"{name}({arguments.strip().strip('`').rstrip(' ,;')})")
        if call is None or parameters is None:
            return end
        named = {each.arg: each.value for each in call.keywords}
        if named:
            call.args += [named[each] for each in parameters if each in named]
            call.keywords = []
        if len(call.args) == len(parameters) and (not named or set(named) == set(parameters)):
            self._keep([], equals(call, expected))
        return end

    def _prompt(self, prompt: re.Match[str]) -> int:
        """Read a source and its output."""
        indentation = len(prompt[1])
        source, output = [prompt[2].removeprefix(" ")], list[str]()
        position = min(prompt.end() + 1, len(self._text))
        while position < len(self._text):
            line, after = self._line(position)
            more = _CONTINUATION.match(line)
            if more is None:
                break
            source.append(more[1] or "")
            position = after
        while position < len(self._text):
            line, after = self._line(position)
            quotes = min((place for each in QUOTES if (place := line.find(each)) >= 0), default=None)
            line = line[:quotes]
            shown = line.strip()
            if not shown or shown.startswith((">>>", *_FENCES)) or len(line) - len(line.lstrip()) < indentation:
                break
            output.append(line[indentation:].rstrip())
            if quotes is not None:
                break
            position = after
        self._did("\n".join(source), output)
        return position

    def _did(self, source: str, output: Sequence[str]) -> None:
        """Take in one step of the session."""
        session = self._session
        left_out = "doctest:" in source or (bool(output) and output[0].startswith("Traceback"))
        size = len(source) + sum(map(len, output))
        tree = None if left_out or size > LONGEST_TEST else tree_of(source)
        steps = [] if tree is None else [step for step in tree.body if not _imports_the_program(step)]
        checks = None
        if len(steps) == 1 and isinstance(steps[0], ast.Expr):
            checks = _checks(steps[0].value, output)
            if checks is not None:
                self._keep_in_session(steps[0].value, checks)
        if checks is None and not output and not left_out and (found := _STATEMENT.match(source)):
            # What somebody writes who knows the prompt and not the form: `>>> f(2) => 4`, `>>> f(2)  # returns 4`.
            statement = _read_statement(source, found)
            if statement is not None and statement.test is not None:
                self._keep([], statement.test, equation=statement.equation)
        session.lost |= tree is None
        session.done += steps
        session.names |= names_bound(steps)
        session.size += len(source)

    def _keep_in_session(self, expression: ast.expr, checks: Sequence[ast.stmt]) -> None:
        session = self._session
        used = {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}
        before: Sequence[ast.stmt] = ()
        if used & session.names:
            if session.lost or session.size > LONGEST_TEST:
                return
            before = session.done
        self._keep([*before, *checks[:-1]], checks[-1])

    def _keep(
        self, before: Sequence[ast.stmt], last: ast.stmt, *, equation: bool = False, explicit: bool = False
    ) -> None:
        """Keep an example if it stands on its own."""
        needs = self._needs([*before, last])
        test, asks, expects = (source_of(each) for each in ([*before, last], *sides(before, last)))
        if needs and test is not None and len(test) <= LONGEST_TEST and asks is not None and expects is not None:
            self._examples.append(_Example(asks, expects, test, needs, equation, explicit))

    def _needs(self, statements: Sequence[ast.stmt]) -> frozenset[str] | None:
        """The names that the program has to define; ``None`` if something else has to."""
        bound, nodes = names_bound(statements), list(walk(statements))
        called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
        modules = {
            id(node.value)
            for node in nodes
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in sys.stdlib_module_names
        }
        needs: set[str] = set()
        for node in nodes:
            if not isinstance(node, ast.Name) or node.id in bound or node.id in _BUILT_IN or id(node) in modules:
                continue
            if id(node) not in called and node.id not in self._classes:
                return None
            needs.add(node.id)
        return frozenset(needs)


# ---- statements


class _Statement(NamedTuple):
    """A call, an arrow, and perhaps a value."""

    end: int
    test: ast.Assert | None
    """Unless the call or the value is not one that is read."""
    equation: bool


def _read_statement(text: str, found: re.Match[str]) -> _Statement | None:
    """The statement whose name was found; ``None`` if there is no arrow behind a call."""
    end = closing(text, found.end())
    arrow = None if end is None else _ARROW.match(text, end)
    if end is None or arrow is None:
        return None
    finish = end_of_line(text, arrow.end())
    call = literal_call(text[found.start(1) : end])
    value = None if finish is None else value_of(text[arrow.end() : finish])
    equation = arrow["equation"] is not None
    if call is None or value is None or finish is None:
        return _Statement(arrow.end(), None, equation)
    return _Statement(finish, equals(call, value), equation)


def _split(line: str, separator: re.Pattern[str]) -> tuple[str, str]:
    """What stands before and behind the first separator; nothing stands behind it if there is none."""
    found = separator.search(line, 0, LONGEST_TEST)
    return (line, "") if found is None else (line[: found.start()], line[found.end() :])


# ---- sessions


def _imports_the_program(step: ast.stmt) -> bool:
    """Whether it imports what is no part of Python: the program itself, by a name that it will not have here."""
    if isinstance(step, ast.Import):
        names = [each.name for each in step.names]
    elif isinstance(step, ast.ImportFrom):
        names = [step.module or "."]
    else:
        return False
    return any(name.partition(".")[0] not in sys.stdlib_module_names for name in names)


def _checks(expression: ast.expr, output: Sequence[str]) -> list[ast.stmt] | None:
    """What has to hold if an expression has this output; ``None`` if nothing certain can be said."""
    compared = expression if isinstance(expression, ast.Compare) and is_equation(expression) else None
    if not output:
        sure = compared is not None and is_literal(compared.comparators[0])
        return [ast.Assert(expression)] if sure else None
    text = "\n".join(output).strip()
    prints = isinstance(expression, ast.Call) and name_of(expression.func) == "print"
    value = None if prints else value_of(text)
    if value is not None:
        holds = compared is not None and isinstance(value, ast.Constant) and value.value is True
        return [ast.Assert(expression) if holds else equals(expression, value)]
    doubtful = "..." in text or _ADDRESS.search(text) or text.lower().startswith(_NO_OUTPUT)
    refused = expression_of(text)
    if len(output) > 1 or doubtful or (not prints and refused is not None and is_literal(refused)):
        return None
    return _says(expression, text)


def _says(expression: ast.expr, text: str) -> list[ast.stmt]:
    """That it prints a text, or is something that looks like it."""
    if isinstance(expression, ast.Call) and name_of(expression.func) == "print" and not expression.keywords:
        shown = expression.args
        if len(shown) == 1 and not isinstance(shown[0], ast.Starred):
            return [equals(ast.Call(ast.Name("str", ast.Load()), shown, []), ast.Constant(text))]
    source = (
        "import contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()) as _printed:\n"
        "    _value = None\n"
        f"assert {text!r} in (_printed.getvalue().strip(), str(_value), repr(_value))\n"
    )
    imports, capture, check = ast.parse(source).body
    if isinstance(capture, ast.With) and isinstance(capture.body[0], ast.Assign):
        capture.body[0].value = expression
    return [imports, capture, check]


def _ends_session(line: str) -> bool:
    shown = line.lstrip()
    return shown.startswith((*_FENCES, "def ", "class ", "async def ")) or any(each in line for each in QUOTES)
