"""Worked examples in a question: what is read as a test and what is not, at any text, and what comes of it."""

from __future__ import annotations

import ast
import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from archon_graph import Architecture, CodeExecutor, ExampleTests, Generator, ScriptedModel, UnitTestGenerator
from archon_graph.components.executing import is_program
from archon_graph.components.worked_examples import LONGEST_TEST, LONGEST_TEXT, read_examples
from archon_graph.evals.benchmarks import load_benchmark
from archon_graph.evals.benchmarks.item import Item
from archon_graph.sandbox import Limits, Sandbox, check
from tests.evals.shared import SHARED, needs_shared
from tests.sandbox.conftest import works_here


def read(text: str) -> list[str]:
    return list(read_examples(text, 20))


class TestSessions:
    """What stands behind prompts."""

    def test_outputs_that_are_values(self):
        text = '''
    """Doubles.

    >>> double(2)
    4
    >>> double([1,
    ...         2])
    [1, 2,
     1, 2]
    >>> double('x')   # a text
    "xx"
    """
'''
        assert read(text) == [
            "assert double(2) == 4",
            "assert double([1, 2]) == [1, 2, 1, 2]",
            "assert double('x') == 'xx'",
        ]

    @pytest.mark.parametrize(
        ("source", "test"),
        [
            (">>> f(2) == 4", "assert f(2) == 4"),
            (">>> f(2) == 4\nTrue", "assert f(2) == 4"),
            (">>> f(2) == 4\nFalse", "assert (f(2) == 4) == False"),
            (">>> round(f(2), 1) == 4.1", "assert round(f(2), 1) == 4.1"),
            (">>> f(2) => 4", "assert f(2) == 4"),
            (">>> f(2)  # returns 4", "assert f(2) == 4"),
            (">>> f(2) + f(3)\n4", "assert f(2) + f(3) == 4"),
            (">>> print(f(2))\n4", "assert str(f(2)) == '4'"),
            (">>>f(2)\n4\n```", "assert f(2) == 4"),
            (">>> f(2)\n4 '''", "assert f(2) == 4"),
            (">>> f(lambda x: x + 1, 3)\n4", "assert f(lambda x: x + 1, 3) == 4"),
            (">>> import math\n>>> f(math.pi)\n4", "import math\nassert f(math.pi) == 4"),
            (">>> from solution import f\n>>> f(2)\n4", "assert f(2) == 4"),
            (">>> f(2)\n4\n  >>> f(3)\n  9\n", "assert f(2) == 4"),
        ],
    )
    def test_ways_to_write_it(self, source: str, test: str):
        assert read(source)[0] == test

    def test_set_up_is_kept_for_what_uses_it(self):
        text = (
            ">>> s = Stack()\n>>> s.push(1)\n>>> s.push(2)\n>>> s.pop()\n2\n\nor\n\n>>> s.pop()\n1\n>>> f(1)\n2\n"
        )
        set_up = "s = Stack()\ns.push(1)\ns.push(2)\n"
        assert read(text) == [
            f"{set_up}assert s.pop() == 2",
            f"{set_up}s.pop()\nassert s.pop() == 1",
            "assert f(1) == 2",
        ]

    def test_set_up_ends_with_the_block(self):
        assert read("```\n>>> s = Stack()\n```\n```\n>>> s.pop()\n2\n```") == []

    @pytest.mark.parametrize(
        "source",
        [
            ">>> f(2)\n",
            ">>> f(2)\nTraceback (most recent call last):\n  ...\nValueError: 2",
            ">>> f(2)  # doctest: +SKIP\n4",
            ">>> f(2)\n[1, ..., 3]",
            ">>> f(2)\n<Thing at 0x7f0011223344>",
            ">>> f(2)\n4\nThat is the square.",
            ">>> f(2)\n('Venus')",
            ">>> f(x)\n4",
            ">>> sum([2])\n2",
            ">>> math.sqrt(4)\n2.0",
            ">>> def f(x):\n...     return 4\n>>> f(2)\n4",
            ">>> s = Stack()\n>>> s.pop()\nTraceback (most recent call last):\nIndexError\n>>> s.push(1)\n2",
            ">>> f(2\n4",
            ">>> quoted from a mail",
            ">>> f(2)\nreturns 4",
        ],
    )
    def test_what_is_left_out(self, source: str):
        assert read(source) == []


class TestAssertions:
    """Those that the question writes out."""

    @pytest.mark.parametrize(
        "text",
        [
            "assert f(1, 2) == 3",
            "Your code has to pass this:\n```python\nassert f(1,2) == 3  # easy\n```",
            "    assert f(\n        1,\n        2,\n    ) == 3",
            "- `assert f(1, 2) == 3`",
            "def g(x):\n    pass\nassert f(1, 2) == 3",
        ],
    )
    def test_taken(self, text: str):
        assert read(text) == ["assert f(1, 2) == 3"]

    @pytest.mark.parametrize(
        "test",
        [
            "assert set(f([1])) == set([1])",
            "assert math.isclose(f(2), 1.4142, abs_tol=0.001)",
            "assert not f('a')",
            "assert f(1) is None, 'not none'",
            "assert all((f(x) == x for x in range(3)))",
            "assert Point(1, 2).x == 1",
        ],
    )
    def test_any_that_stand_on_their_own(self, test: str):
        assert read(test) == [test]

    @pytest.mark.parametrize(
        "text",
        [
            "assert x > 0",
            "assert isinstance(x, int)",
            "assert len([]) == 0",
            "assert False",
            "assert f(root) == 3",
            "We assert f(2) == 4",
            "assert f(2) ==",
            "assert (f(2) == 4",
            "def check(candidate):\n    assert candidate(2) == 4",
        ],
    )
    def test_left_out(self, text: str):
        assert read(text) == []


class TestStatements:
    """A call, an arrow, a value."""

    @pytest.mark.parametrize(
        "arrow",
        [
            *("==", "=>", "==>", "->", "-->", "→", "➞", "⇒", "=", "  =>  ", "# =>", "# returns"),
            *("returns", "should return", "must return", "will return:", "gives", "evaluates to", "should be"),
        ],
    )
    def test_arrows(self, arrow: str):
        assert read(f"f(1, [2]) {arrow} 'x'") == ["assert f(1, [2]) == 'x'"]

    @pytest.mark.parametrize(
        "line",
        [
            *("f(2) => 4", "  f(2)=>4", "f(2) => 4.", "f(2) => 4;", "f(2) => 4 # why", "f(2) == 4'''"),
            *("- f(2) -> 4", "* `f(2)` → `4`", "1. f(2) returns `4`.", "# f(2) -> 4", "``f(2) == 4``"),
            *("Example: f(2) == 4", "Example 1: f(2) == 4", "For example, f(2) returns 4", "e.g. f(2) = 4"),
            *("for f(2) == 4", "assert f(2) => 4", "f(\n  2\n) == 4"),
        ],
    )
    def test_lines(self, line: str):
        assert read(f"Write f.\n{line}\nThank you.") == ["assert f(2) == 4"]

    @pytest.mark.parametrize(("written", "value"), [("true", "True"), ("false", "False"), ("null", "None")])
    def test_words_of_other_languages(self, written: str, value: str):
        assert read(f"f(2) => {written}") == [f"assert f(2) == {value}"]

    @pytest.mark.parametrize(
        "line",
        [
            *("f(x) => 4", "f(2) => y", "f(2) => 4 or 5", "f(2) -> 19 - 5 = 14", "f(2) == 4, f(3) == 9"),
            *("f(2) => 1, 2", "f(2) => (1)", "f(2) => (1), 2", "f(2) => 4 (a square)", "f(2) => ''a'", "f(2) =>"),
            *("f(*[2]) => 4", "f(g(2)) => 4", "f(2, **{}) => 4", "f(2) != 4", "f(2): 4", "f(2) returned 4"),
            *("def f(x) -> int:", "if f(2) == 4:", "x = f(2)", "return f(2) == 4", "But f(2) returns 5"),
            *("sum([1]) => 1", "f({[1]}) => 1", "f(2) => {[]: 1}", "f(2) => [1, ...]", "f(2) => hello"),
            *("f(2 => 4", "f 2 => 4", "f(2]) => 4", "f(2) => [4", "For a long f(2) => 4", "f(2) => -'a'"),
        ],
    )
    def test_left_out(self, line: str):
        assert read(line) == []

    def test_a_name_that_the_question_does_not_define(self):
        text = 'def grade(x):\n    """\n    {}(3) => "A"\n    """\n'
        assert read(text.format("grade")) == ["assert grade(3) == 'A'"]
        assert read(text.format("grade_equation")) == []

    def test_mathematics_is_no_example(self):
        assert read("f(0) = 0\nf(1) = 1") == ["assert f(0) == 0", "assert f(1) == 1"]
        assert read("f(0) = 0\nf(1) = 1\nf(n) = f(n - 1) + f(n - 2)") == []
        assert read("f(0) = 7\nf(n) = 2 * n\nf(3) == 6\ng(1) = 1") == ["assert f(3) == 6", "assert g(1) == 1"]

    def test_contradictions_are_left_out(self):
        assert read("f(2) returns 5\nf(3) == 9\n>>> f(2)\n4\n") == ["assert f(3) == 9"]


class TestCases:
    """Arguments by the names of the parameters."""

    @pytest.mark.parametrize(
        "case",
        [
            "For a = [1], b = 2 the output should be 3",
            "for b = 2, a = [1], the result is 3.",
            "Input: a = [1], b = 2\nOutput: 3",
            "**Input:** `a = [1], b = 2`\n\n**Output:** `3`",
            "Input: [1], 2\nOutput: 3 # their sum",
            "Input: a = [1], b = 2, Output: 3",
        ],
    )
    def test_taken(self, case: str):
        assert read(f"def f(a, b=1):\n    ...\n{case}\n") == ["assert f([1], 2) == 3"]

    @pytest.mark.parametrize(
        ("header", "case"),
        [
            ("def f(a):", "For b = 2 the output should be 3"),
            ("def f(a, b):", "For a = 2 the output should be 3"),
            ("def f(a, *b):", "For a = 2 the output should be 3"),
            ("def f(self, a):", "For a = 2 the output should be 3"),
            ("def f(a):\ndef g(a):", "For a = 2 the output should be 3"),
            ("", "For a = 2 the output should be 3"),
            ("def f(a):", "For a = b the output should be 3"),
            ("def f(a):", "For a = 2 the output should be big"),
            ("def f(a):", "Input: 2\nand then\nOutput: 3"),
            ("def f(a):", "Input: 2) + (1\nOutput: 3"),
            ("def f(a):", "Input:"),
        ],
    )
    def test_left_out(self, header: str, case: str):
        assert read(f"{header}\n{case}") == []


def test_the_first_different_ones():
    text = "\n".join(f"f({n // 2}) => {n // 2}" for n in range(60))
    assert read_examples(text, 3) == tuple(f"assert f({n}) == {n}" for n in range(3))


def test_no_test_is_long():
    assert read(f"f('{'x' * LONGEST_TEST}') => 1\n>>> f('{'x' * LONGEST_TEST}')\n1\n") == []
    assert read(f">>> a = '{'x' * 300}'\n>>> b = '{'x' * 300}'\n>>> f(a, b)\n1\n>>> f(1)\n2") == [
        "assert f(1) == 2"
    ]


def test_a_long_text_is_read_to_a_line_that_is_whole():
    example = "f(2) => 16"
    filling = " " * (LONGEST_TEXT - len(example)) + "\n"
    assert read(f"{example}\n{filling}") == ["assert f(2) == 16"]
    assert read(f"{filling}{example}\n{filling}") == []


PIECES = st.sampled_from(
    [
        *(
            ">>> ",
            "... ",
            "\n",
            "\n\n",
            "    ",
            "\t",
            "assert ",
            "def f(a, b):\n",
            "class C:\n",
            "f(",
            "g(1)",
            ")",
            "[",
        ),
        *(
            "]",
            "{",
            "}",
            "'",
            '"',
            '"""',
            "'''",
            "```\n",
            "`",
            " == ",
            " => ",
            " -> ",
            " = ",
            " returns ",
            "1",
            "[1]",
        ),
        *(
            "'x'",
            "a",
            "a = 1",
            ", ",
            "For ",
            " the output should be ",
            "Input: ",
            "\nOutput: ",
            "print(",
            "import x",
        ),
        *(
            "Traceback (most recent call last):",
            "...",
            "#",
            "True",
            "lambda",
            "\\",
            "\0",
            "\r\n",
            "f(1) == 1\n",
            ".",
        ),
    ]
)


@given(st.one_of(st.text(), st.lists(st.one_of(PIECES, st.text(max_size=5)), max_size=40).map("".join)))
def test_any_text(text: str):
    """It is read without an error, and what is read can be run, stands once, and is short."""
    tests = read_examples(text, 5)
    assert len(tests) <= 5
    assert len(set(tests)) == len(tests)
    for test in tests:
        assert is_program(test)
        assert len(test) <= LONGEST_TEST


LITERALS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner)
    ),
    max_leaves=6,
)


@given(LITERALS, LITERALS, st.sampled_from(["f({}) => {}", ">>> f({})\n{}\n", "assert f({}) == {}"]))
def test_any_values(argument: object, value: object, form: str):
    """Written as Python writes them, arguments and values are read as they are."""
    text = form.format(repr(argument), repr(value))
    tests = read(text)
    assert tests == [ast.unparse(ast.parse(f"assert f({argument!r}) == {value!r}"))] or len(text) > 300


@pytest.mark.parametrize(
    "piece",
    [
        *(
            " ",
            "\t",
            "(",
            ")",
            "f(",
            "f(\n",
            "f(1) => ",
            "f(1) = \n",
            "assert (\n",
            "assert f(1) == (1,\n",
            ">>> (\n",
        ),
        *(
            ">>> f(1)\n",
            ">>> x = f(1)\n",
            "... \n",
            "'",
            '"',
            '"""',
            "#",
            "`",
            "Input: \n",
            "Input: 1\nOutput: 1\n",
        ),
        *(
            "For a = 1 ",
            "For a = 1 the output \n",
            "def f(",
            "def f(a):\n",
            "a",
            "1",
            ".",
            "-",
            "\\",
            "\n",
            "\u2003\n",
        ),
        *(
            ">>> f(1)\nTraceback (most recent call last):\n\u2003\n",
            "- " * 30 + "\n",
            "f(" * 20 + ")" * 20 + " => 1\n",
        ),
        *(
            "lambda:(",
            "f([" + "-" * 400 + "1]) => 1\n",
            "assert " + "not " * 100 + "f(1)\n",
            ">>> f(1)\n" + "1 " * 30,
        ),
    ],
)
@pytest.mark.parametrize("before", ["", ">>> f(1)\n", "def f(a):\n"])
def test_hostile_texts_take_no_longer_than_their_length(piece: str, before: str):
    """What takes milliseconds has a reserve on a busy machine; what is squared has none."""
    text = before + piece * (400_000 // len(piece))
    started = time.process_time()
    read_examples(text, 8)
    assert time.process_time() - started < 5


def published(architecture: Architecture, question: object) -> list[str]:
    """The tests that the last generator of tests passed on."""
    result = architecture.run(question)  # type: ignore[arg-type]
    return [entry["test"] for entry in result.candidates[0].test_results]


RIGHT = "```python\ndef f(x):\n    return x * x\n```"
WRONG = "```python\ndef f(x):\n    return x + x\n```"
QUESTION = "Write f(x).\nf(2) => 4\nf(3) => 9"


def drafts(*answers: str) -> Generator:
    return Generator(ScriptedModel(lambda call: answers[call.sample]), samples=len(answers))


@works_here
class TestBehindIt:
    """What a code executor makes of it."""

    def test_the_program_that_does_what_the_question_says(self):
        result = (drafts(WRONG, RIGHT) | ExampleTests() | CodeExecutor(top_k=1)).run(QUESTION)
        [best] = result.candidates
        assert (best.content, best.score) == (RIGHT, 1.0)
        assert [entry["test"] for entry in best.test_results] == ["assert f(2) == 4", "assert f(3) == 9"]
        assert result.losses == ()
        assert result.usage.calls == 2

    def test_before_the_generators(self):
        model = ScriptedModel(lambda call: (WRONG, RIGHT)[call.sample])
        generator = Generator(model, samples=2)
        result = (ExampleTests(count=1) | generator | CodeExecutor(top_k=1)).run("Write f.\nf(3) => 9\nf(2) => 5")
        assert result.answer == RIGHT
        assert "assert f(3) == 9" in model.calls[0].prompt

    def test_without_examples_the_first_program_that_runs(self):
        broken = "```python\ndef f(x) return\n```"
        result = (drafts("In words.", broken, WRONG, RIGHT) | ExampleTests() | CodeExecutor(top_k=1)).run(
            "Write f."
        )
        assert result.answer == WRONG
        notes = [note for node in result.nodes for note in node.notes]
        assert notes == ["the question holds no example that can be run: no new tests"]
        assert result.losses == ()

    def test_without_examples_or_programs_the_first_answer(self):
        result = (drafts("In words.", "In others.") | ExampleTests() | CodeExecutor(top_k=1)).run("Hello?")
        assert result.answer == "In words."

    def test_they_take_the_place_of_tests_that_came_in(self):
        written = UnitTestGenerator(ScriptedModel(lambda call: "1. assert f(5) == 25"), count=1)
        layers = written | drafts(RIGHT) | ExampleTests() | CodeExecutor()
        assert published(layers, "Write f.\nf(2) => 4") == ["assert f(2) == 4"]
        assert published(layers, "Write f.") == ["assert f(5) == 25"]

    def test_only_the_last_human_message_is_read(self):
        conversation = [
            SystemMessage("f(1) => 1"),
            HumanMessage("f(2) => 4"),
            AIMessage("f(3) => 9"),
            HumanMessage(
                [
                    {"type": "text", "text": "Write f.\nf(4) => 16"},
                    {"type": "image", "base64": "aGk=", "mime_type": "image/png"},
                    "f(5) => 25",
                ]
            ),
        ]
        layers = drafts(RIGHT) | ExampleTests() | CodeExecutor()
        assert published(layers, conversation) == ["assert f(4) == 16", "assert f(5) == 25"]

    @pytest.mark.parametrize(
        ("program", "output", "passes"),
        [
            ("print('Hello', x)", "Hello 2", True),
            ("return f'Hello {x}'", "Hello 2", True),
            ("print('Hello 3')", "Hello 2", False),
            ("return f'Hello {x}!'", "Hello 2", False),
            ("import datetime\n    return datetime.date(2020, 1, x)", "datetime.date(2020, 1, 2)", True),
        ],
    )
    def test_what_is_printed_and_what_looks_like_it(self, program: str, output: str, passes: bool):
        answer = f"```python\ndef f(x):\n    {program}\n```"
        result = (drafts(answer) | ExampleTests() | CodeExecutor()).run(f">>> f(2)\n{output}\n")
        assert [entry["passed"] for entry in result.candidates[0].test_results] == [passes]

    def test_a_session_with_a_state(self):
        stack = "class Stack:\n    def __init__(self): self.items = []\n"
        stack += "    def push(self, item): self.items.append(item)\n    def pop(self): return self.items.pop()"
        queue = stack.replace(".pop()", ".pop(0)")
        question = ">>> s = Stack()\n>>> s.push(1)\n>>> s.push(2)\n>>> s.pop()\n2\n>>> s.pop()\n1\n"
        answers = [f"```python\n{each}\n```" for each in (queue, stack)]
        result = (drafts(*answers) | ExampleTests() | CodeExecutor()).run(question)
        assert [each.score for each in result.candidates] == [1.0, 0.0]

    @pytest.mark.parametrize(
        "architecture",
        [
            Generator("custom:m", samples=3) | ExampleTests() | CodeExecutor(top_k=1),
            ExampleTests() | Generator("custom:m", samples=3) | CodeExecutor(top_k=1),
            Architecture.from_layers(
                [ExampleTests(), [Generator("custom:m"), Generator("custom:n")], CodeExecutor(top_k=1)]
            ),
        ],
        ids=str,
    )
    def test_where_it_can_stand(self, architecture: Architecture):
        assert architecture.validate("archon") == []

    def test_somebody_has_to_read_them(self):
        [problem] = (Generator("custom:m") | ExampleTests()).problems()
        assert (problem.rule, problem.severity) == ("unread-tests", "warning")


def test_settings():
    assert ExampleTests().summary() == "up to 8 tests"
    assert ExampleTests(count=1).summary() == "1 test"
    for count in (0, 21):
        with pytest.raises(ValueError, match="count"):
            ExampleTests(count=count)


def items(name: str) -> list[Item]:
    if name == "human_eval":
        return list(load_benchmark(name, path=SHARED / "benchmarks/human_eval/HumanEval.jsonl"))
    return list(load_benchmark(name, path=SHARED / "benchmarks/mbpp/mbpp.jsonl", shown_tests=1))


@needs_shared
@pytest.mark.parametrize(("name", "share"), [("human_eval", 0.9), ("mbpp", 0.99)])
def test_most_questions_of_benchmarks_hold_examples(name: str, share: float):
    questions = items(name)
    found = [item for item in questions if read_examples(str(item.input), 8)]
    assert len(found) >= share * len(questions)


MISTAKEN = {"HumanEval/47", "HumanEval/116"}
"""Questions whose own examples are not what their gold programs and tests say."""


@needs_shared
@works_here
@pytest.mark.parametrize(
    ("name", "step"),
    [
        pytest.param("human_eval", 12, id="some of HumanEval"),
        pytest.param("human_eval", 1, id="HumanEval", marks=pytest.mark.slow),
        pytest.param("mbpp", 60, id="some of MBPP"),
        pytest.param("mbpp", 1, id="MBPP", marks=pytest.mark.slow),
    ],
)
async def test_the_gold_programs_pass_the_examples(name: str, step: int):
    """All of them; with steps, a few."""
    sandbox, limits = Sandbox(concurrency=1), Limits(wall_seconds=30)
    questions = items(name)[::step]

    async def failed(item: Item) -> str | None:
        if not (tests := read_examples(str(item.input), 8)):
            return None
        program = item.metadata.get("prefix", "") + item.metadata["solution"]
        verdict = await check(sandbox, program, "\n".join(tests), limits=limits)
        return None if verdict.passed else item.id

    wrong = {each for each in await asyncio.gather(*map(failed, questions)) if each is not None}
    assert wrong <= MISTAKEN
