"""The code executor, and unit tests that are run: what passes, what is recorded, and that no model is asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from archon_graph import Generator, ScriptedModel
from archon_graph.components import executing
from archon_graph.components.code_executor import CodeExecutor
from archon_graph.components.unit_test_evaluator import UnitTestEvaluator
from archon_graph.components.unit_test_generator import UnitTestGenerator
from archon_graph.sandbox import Probe, Sandbox, SandboxError, set_default_sandbox
from archon_graph.testing import ComponentConformance
from tests.sandbox.conftest import works_here

pytestmark = works_here

RIGHT = "Squares are easy.\n\n```python\ndef f(x):\n    return x * x\n```\n\nf(2) is 4."
WRONG = "```python\ndef f(x):\n    return 4\n```"
CHEAT = "```python\nimport os\ndef f(x):\n    os._exit(0)\n```"
WORDS = "I would rather not."

TESTS = ("assert f(2) == 4", "assert f(3) == 9")


@pytest.fixture(autouse=True)
def one_at_a_time() -> Iterator[None]:
    """Others work on this machine, too."""
    set_default_sandbox(Sandbox(concurrency=1))
    yield
    set_default_sandbox(None)


def drafts(*answers: str) -> Generator:
    return Generator(ScriptedModel(lambda call: answers[call.sample]), samples=len(answers))


def written(*tests: str) -> UnitTestGenerator:
    """These tests, as a model writes them."""
    text = "\n".join(f"{number}. {test}" for number, test in enumerate(tests, start=1))
    return UnitTestGenerator(ScriptedModel([text], label="tests"), count=len(tests))


class TestLaws(ComponentConformance):
    @pytest.fixture(params=[{}, {"tests": TESTS, "top_k": 1}], ids=str)
    def component(self, request):
        return lambda model: CodeExecutor(**request.param)


class TestLawsOfRunning(ComponentConformance):
    @pytest.fixture
    def component(self):
        return lambda model: UnitTestEvaluator(model, execute=True)


def test_scores_and_sorts():
    result = (drafts(WORDS, WRONG, CHEAT, RIGHT) | CodeExecutor(tests=TESTS)).run("q")
    assert [(each.content, each.score) for each in result.candidates] == [
        (RIGHT, 1.0),
        (WRONG, 0.5),
        (WORDS, 0.0),
        (CHEAT, 0.0),
    ]
    assert result.candidates[1].test_results == (
        {"node": "code_executor_1", "test": TESTS[0], "passed": True, "detail": ""},
        {
            "node": "code_executor_1",
            "test": TESTS[1],
            "passed": False,
            "detail": "line 1: assert f(3) == 9: the left side is 4, the right side 9",
        },
    )
    assert result.candidates[2].test_results[0]["detail"] == "there is no code in the answer"
    assert "stopped answering" in result.candidates[3].test_results[0]["detail"]
    assert result.losses == ()
    assert result.usage.calls == 4


def test_keeps_the_best():
    result = (drafts(WRONG, RIGHT) | CodeExecutor(tests=TESTS, top_k=1)).run("q")
    assert [each.content for each in result.candidates] == [RIGHT]


def test_runs_the_tests_that_reach_it():
    tests = written("assert f(3) == 9", "The answer is short.")
    result = (tests | drafts(WRONG, RIGHT) | CodeExecutor()).run("q")
    assert [each.score for each in result.candidates] == [1.0, 0.0]
    assert [entry["test"] for entry in result.candidates[0].test_results] == ["assert f(3) == 9"]
    assert result.losses == ()
    assert [note for node in result.nodes for note in node.notes] == [
        "unit tests that are no Python and were not run: 1"
    ]


def test_without_tests_a_program_has_to_come_to_its_end():
    answers = ("```\nprint(1)\n```", "```\n1 / 0\n```", "```python\nimport sys\nsys.exit(3)\n```", WORDS)
    result = (drafts(*answers) | CodeExecutor()).run("q")
    assert [each.score for each in result.candidates] == [1.0, 0.0, 0.0, 0.0]
    assert [each.test_results[0]["detail"] for each in result.candidates] == [
        "",
        "error: ZeroDivisionError: division by zero",
        "error: it ended with exit code 3",
        "there is no code in the answer",
    ]


def test_the_block_that_defines_what_is_tested():
    several = (
        "```python\ndef f(x):\n    return x * x\n```\nFor example:\n```python\ndef g():\n    print(f(2))\n```"
    )
    result = (drafts(several) | CodeExecutor(tests=TESTS)).run("q")
    assert result.candidates[0].score == 1.0


def test_a_function_with_the_name_of_something_built_in():
    answer = "```python\ndef sum(a, b):\n    return a + b\n```"
    for entry_point, score in (("sum", 1.0), (None, 0.0)):
        executor = CodeExecutor(tests=("assert sum(1, 2) == 3",), entry_point=entry_point)
        assert (drafts(answer) | executor).run("q").candidates[0].score == score


def test_a_program_that_takes_too_long():
    slow = "```python\nimport time\ndef f(x):\n    time.sleep(60)\n```"
    result = (drafts(slow) | CodeExecutor(tests=TESTS[:1], seconds=0.8)).run("q")
    assert "0.8 seconds" in result.candidates[0].test_results[0]["detail"]


def test_a_broken_test_is_recorded():
    result = (drafts(RIGHT) | CodeExecutor(tests=("assert 1 == 1", *TESTS))).run("q")
    assert result.candidates[0].score == pytest.approx(2 / 3)
    [loss] = result.losses
    assert loss.kind == "unreadable"
    assert loss.detail == "generator_1:0 counts as not passing a test that says nothing of it: assert 1 == 1"


@pytest.mark.parametrize("tests", [(), TESTS[:1]])
def test_a_sandbox_that_breaks_is_recorded(monkeypatch, tests):
    async def broken(*_: object, **__: object) -> None:
        raise SandboxError("no room left")

    monkeypatch.setattr(executing, "check", broken)
    monkeypatch.setattr(Sandbox, "run_python", broken)
    result = (drafts(RIGHT, WRONG) | CodeExecutor(tests=tests)).run("q")
    assert [each.score for each in result.candidates] == [0.0, 0.0]
    assert {loss.kind for loss in result.losses} == {"error"}
    assert "no room left" in result.losses[0].detail


def test_settings_are_checked():
    for bad in ("The answer is 4.", "f(2) == 4", "assert f(2) ==", ""):
        with pytest.raises(ValueError, match="have to be Python that asserts something"):
            CodeExecutor(tests=(bad,))
    with pytest.raises(ValueError, match="entry_point has to be a name in Python, and is 'f x'"):
        CodeExecutor(entry_point="f x")
    with pytest.raises(ValueError, match="seconds"):
        CodeExecutor(seconds=0)
    [problem] = (drafts(RIGHT) | CodeExecutor(top_k=2)).problems()
    assert problem.rule == "top-k"
    assert CodeExecutor().summary() == ""
    assert CodeExecutor(tests=TESTS[:1]).summary() == "1 test"
    assert CodeExecutor(tests=TESTS, top_k=2).summary() == "2 tests, top 2"


@pytest.mark.parametrize("component", [CodeExecutor(), UnitTestEvaluator("custom:m", execute=True)], ids=repr)
def test_without_isolation_nothing_is_paid_for(monkeypatch, component):
    nothing = Probe("auto", works=False, isolates=False, problem="the moon is not full")
    monkeypatch.setattr(executing, "probe", lambda _: nothing)
    model = ScriptedModel([RIGHT])
    problems = (written("assert f(2) == 4") | Generator(model) | component).problems()
    [problem] = [each for each in problems if each.rule == "no-sandbox"]
    assert problem.severity == "error"
    assert "the moon is not full" in problem.message
    assert model.calls == ()


def test_unit_tests_that_are_run_ask_no_model():
    judge = ScriptedModel([])
    result = (written(*TESTS) | drafts(WRONG, CHEAT, RIGHT) | UnitTestEvaluator(judge, execute=True)).run("q")
    assert [(each.content, each.score) for each in result.candidates] == [(RIGHT, 1.0), (WRONG, 0.5), (CHEAT, 0.0)]
    assert judge.calls == ()
    assert result.losses == ()


def test_statements_are_judged_and_programs_run():
    judge = ScriptedModel(lambda call: "[1] PASSED\n[2] FAILED")
    tests = written("The answer is short.", TESTS[1], "The answer has an example.")
    result = (tests | drafts(RIGHT) | UnitTestEvaluator(judge, execute=True)).run("q")
    assert [(entry["test"], entry["passed"]) for entry in result.candidates[0].test_results] == [
        ("The answer is short.", True),
        (TESTS[1], True),
        ("The answer has an example.", False),
    ]
    [call] = judge.calls
    assert "[1] The answer is short.\n[2] The answer has an example.\n" in call.prompt
    assert "assert" not in call.prompt.partition("[1] The answer")[2]


def test_without_execute_everything_is_judged():
    judge = ScriptedModel(lambda call: "[1] FAILED\n[2] FAILED")
    result = (written(*TESTS) | drafts(RIGHT) | UnitTestEvaluator(judge)).run("q")
    assert result.candidates[0].score == 0.0
    assert UnitTestEvaluator(judge, execute=True, top_k=2).summary() == "run, top 2"


@pytest.mark.parametrize(
    ("test", "runs"),
    [
        ("assert f(2) == 4", True),
        ("def test_f():\n    assert f(2) == 4", True),
        ("class TestF(unittest.TestCase):\n    def test_f(self): self.assertEqual(f(2), 4)", True),
        ("assert f('\\d') == 4", True),
        ("The answer is 4.", False),
        ("answer", False),
        ("f(2)", False),
        ("f(2) == 4", False),
        ("", False),
        ("\0", False),
        ("(" * 300, False),
    ],
)
def test_which_tests_can_be_run(test: str, runs: bool):
    assert executing.is_program(test) is runs
