"""``UnitTestEvaluator``: scores and sorts candidates by the unit tests they pass; and the grammar of results."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, replace
from dataclasses import dataclass as plain_dataclass
from typing import Any, ClassVar

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from pydantic.dataclasses import dataclass

from archon_graph.components.executing import is_program, isolation_problems, run_tests
from archon_graph.components.judging import as_number, judge_until, rounds_until
from archon_graph.core import (
    COMPONENT_CONFIG,
    CONVERSATION,
    Candidate,
    Count,
    ModelComponent,
    ModelError,
    NodeContext,
    Problem,
    Prompt,
    Style,
    UnitTest,
    as_material,
    conversation_text,
    load_prompt,
    show_candidates,
    show_tests,
)
from archon_graph.sandbox import Limits


@dataclass(frozen=True, config=COMPONENT_CONFIG)
class UnitTestEvaluator(ModelComponent):
    """Judges each candidate by the unit tests that reached it, and sorts by the share passed, best first.

    A candidate gets one entry for each test in `Candidate.test_results` (``node``, ``test``, ``passed``) and the
    share of tests passed as its `Candidate.score`; equal scores keep the incoming order. A test is passed if the
    model says so in a form that cannot be mistaken: a result that cannot be read, is missing or contradicts
    another one counts as not passed, as do all tests of a candidate whose call failed. That is recorded. Without
    tests the candidates go on as they came, which is recorded as well.

    With ``execute``, tests that are Python (``assert f(2) == 4``) are not judged but run, with the program in the
    candidate, in the sandbox; the model is asked about the other tests only. `CodeExecutor` does it without a
    model, and says why a test failed.

    Model calls: 1 for each candidate; with ``first_k`` as many as it takes to find that many that pass every
    test; none if there are no tests, or all of them are run.

    Source: the unit test evaluator of Archon (arXiv 2409.15254), section 3; the prompt is our own.

    Args:
        model: Spec of the model, or a chat model.
        top_k: How many candidates to pass on, the best; all of them by default.
        first_k: As ``top_k``, with the same outcome, but no more is judged once that many, in incoming order,
            passed every test.
        execute: Run the tests that can be run.
    """

    technique: ClassVar[str] = "unit_test_evaluator"
    reads_tests: ClassVar[bool] = True
    needs_tests: ClassVar[bool] = True
    style: ClassVar[Style] = Style("subroutine", "#bfeaf0")
    default_prompt: ClassVar[Prompt | None] = load_prompt("archon_graph.components", "unit_test_evaluator")

    _: KW_ONLY
    top_k: Count | None = None
    """How many candidates to pass on; ``None`` for all."""
    first_k: Count | None = None
    """How many candidates to pass on, when judging shall stop as early as it can; ``None`` for all."""
    execute: bool = False
    """Whether tests that are Python are run."""

    def __post_init__(self) -> None:
        """Check that one of the two settings says how many are kept.

        Raises:
            ValueError: Both do.
        """
        super().__post_init__()
        if self.top_k is not None and self.first_k is not None:
            raise ValueError("top_k and first_k both say how many candidates are kept; give one of them")

    async def run(self, context: NodeContext) -> Sequence[Candidate]:
        """Judge the candidates by the tests, and sort them."""
        if not context.tests:
            context.lose("no-input", "no unit test reached this node, so the candidates keep the incoming order")
            return context.candidates[: self._kept]
        outcomes = await judge_until(context, self._judge, good=all, enough=self.first_k)
        judged = []
        # With first_k, that many candidates before the others passed every test: the others are not needed.
        for candidate, outcome in zip(context.candidates, outcomes, strict=False):
            if isinstance(outcome, ModelError):
                context.lose_to(outcome, f"{candidate.id} counts as having passed no test")
                outcome = (False,) * len(context.tests)  # noqa: PLW2901
            judged.append(_scored(candidate, context, outcome))
        return sorted(judged, key=_score, reverse=True)[: self._kept]

    def degrade(self, context: NodeContext, error: ModelError) -> Sequence[Candidate]:  # noqa: ARG002
        """As many as it keeps of what came in, in incoming order."""
        return context.candidates[: self._kept]

    def calls(self, incoming: int) -> int:
        """One for each candidate; with ``first_k`` at most."""
        return incoming

    def fewest_calls(self, incoming: int) -> int:
        """One for each candidate; with ``first_k``, one for each of the first that many; none if all tests run."""
        if self.execute:
            return 0
        return incoming if self.first_k is None else min(self.first_k, incoming)

    def calls_in_a_row(self, incoming: int) -> int:
        """With ``first_k``, candidates may have to wait for others."""
        return rounds_until(incoming, self.first_k)

    def shown(self, incoming: int) -> int:
        """Each by itself."""
        return min(1, incoming)

    def candidates_out(self, incoming: int) -> int:
        """At most ``top_k`` or ``first_k``."""
        return incoming if self._kept is None else min(self._kept, incoming)

    def check(self, node: str, incoming: int) -> Iterable[Problem]:
        """No more can be kept than comes in; programs have to be shut in."""
        setting = "top_k" if self.top_k is not None else "first_k"
        if self._kept is not None and self._kept > incoming:
            yield Problem(
                rule="top-k",
                where=node,
                message=f"{setting} is {self._kept}, and only {incoming} candidates come in",
                way_out=f"Set {setting} to {incoming} or less, or draw more samples before it",
            )
        if self.execute:
            yield from isolation_problems(node)

    def summary(self) -> str:
        """How many it keeps."""
        kept = f"top {self.top_k}" if self.top_k is not None else ""
        kept = f"first {self.first_k}" if self.first_k is not None else kept
        return ", ".join(filter(None, ("run" if self.execute else "", kept)))

    @property
    def _kept(self) -> int | None:
        return self.first_k if self.top_k is None else self.top_k

    async def _judge(self, context: NodeContext, candidate: Candidate) -> tuple[bool, ...]:
        runs = [self.execute and is_program(test.text) for test in context.tests]
        programs = [test.text for test, it_runs in zip(context.tests, runs, strict=True) if it_runs]
        others = [test for test, it_runs in zip(context.tests, runs, strict=True) if not it_runs]
        ran = iter(await run_tests(context, candidate, programs, Limits()) if programs else ())
        judged = iter(await self._ask(context, candidate, others) if others else ())
        return tuple(next(ran).passed if it_runs else next(judged) for it_runs in runs)

    async def _ask(
        self, context: NodeContext, candidate: Candidate, tests: Sequence[UnitTest]
    ) -> tuple[bool, ...]:
        count = len(tests)
        as_json = await context.wants_json(self)
        schema = results_schema(count) if as_json else None
        [draw] = await context.draw(
            self, self._messages(context, candidate, tests, as_json=as_json), schema=schema
        )
        results = read_results_json(draw.data, count) if draw.data is not None else None
        if results is None:
            results = read_results_text(str(draw.message.text) if draw.message is not None else "", count)
        if results.problem:
            context.lose("unreadable", f"{candidate.id}: {results.problem}")
        return results.passed

    def _messages(
        self, context: NodeContext, candidate: Candidate, tests: Sequence[UnitTest], *, as_json: bool
    ) -> list[BaseMessage]:
        count = len(tests)
        shown = show_tests(tests)
        around = f"{conversation_text(context.question)}\n{shown}"
        material = self.words.render(
            "material",
            # The conversation may hold images, so it is put in as content blocks after the text is made.
            conversation=CONVERSATION,
            candidate=show_candidates([candidate], around=around, critiques=False),
            tests=shown,
            count=count,
            reply=self.words.render("reply_json" if as_json else "reply_text", count=count),
        )
        return [
            SystemMessage(content=self.words.render("task", count=count)),
            HumanMessage(content=as_material(material, context.question)),
        ]


def _scored(candidate: Candidate, context: NodeContext, passed: Sequence[bool]) -> Candidate:
    results = (
        {"node": context.node, "test": test.text, "passed": it_passed}
        for test, it_passed in zip(context.tests, passed, strict=True)
    )
    score = sum(passed) / len(passed)
    return replace(candidate, test_results=(*candidate.test_results, *results), score=score)


def _score(candidate: Candidate) -> float:
    return candidate.score or 0.0


@plain_dataclass(frozen=True, slots=True)
class Results:
    """What one candidate made of the tests, always complete."""

    passed: tuple[bool, ...]
    """For each test whether it is passed."""
    problem: str = ""
    """What could not be read, and what was done instead; empty if the reply was in order."""


def results_schema(count: int) -> dict[str, Any]:
    """The JSON schema of the results of ``count`` tests: for each the reasoning before the result."""
    result = {
        "type": "object",
        "properties": {
            "test": {"type": "integer", "enum": list(range(1, count + 1))},
            "reasoning": {"type": "string"},
            "passed": {"type": "boolean"},
        },
        "required": ["test", "reasoning", "passed"],
        "additionalProperties": False,
    }
    return {
        "title": "results",
        "description": "Which tests the answer passes.",
        "type": "object",
        "properties": {"results": {"type": "array", "items": result}},
        "required": ["results"],
        "additionalProperties": False,
    }


def read_results_json(data: Mapping[str, Any], count: int) -> Results | None:
    """The results in a JSON reply; ``None`` if it holds no list of them.

    They go by the number of the test and never by their place in the list. A text such as "true" is no result.
    """
    entries = data.get("results")
    if not isinstance(entries, list):
        return None
    found: dict[int, set[bool]] = {}
    for entry in entries:
        number = as_number(entry.get("test")) if isinstance(entry, dict) else None
        if number is not None:
            said = entry.get("passed")
            found.setdefault(number, set()).update([said] if isinstance(said, bool) else [True, False])
    return _complete({number: all(said) if len(said) == 1 else None for number, said in found.items()}, count)


# Results in text, as we ask for them and as models vary them:
#
#   result = [ "-" ] [ "Test" ] "[" number "]" [ ":" | "-" ] mark [ "." ] ;    a whole line
#   mark   = "PASSED" | "FAILED" | "PASS" | "FAIL" ;                           large or small letters
#   number = digit { digit } ;                                                 from 1
#
# For each test the last line that begins with its number counts, whatever it says: models weigh first and decide
# at the end. If it says anything but one of these marks ("not passed", "does not pass", "PASSED?"), the test is
# not passed. Marks of emphasis are ignored. Every repeat is bounded, so that a hostile line costs linear time.
_LINE = re.compile(
    r"(?:[-•]\s{0,4})?(?:test\s{0,4})?\[\s{0,4}(\d{1,6})\s{0,4}\]\s{0,4}[:-]?\s{0,4}", re.IGNORECASE | re.ASCII
)
_MARK = re.compile(r"(?:(pass(?:ed)?)|fail(?:ed)?)\.?", re.IGNORECASE | re.ASCII)
_EMPHASIS = re.compile(r"[*_`]")


def read_results_text(text: str, count: int) -> Results:
    """The results in a text reply, by the grammar above; what is not in it is not passed."""
    said: dict[int, bool | None] = {}
    for line in text.splitlines():
        plain = _EMPHASIS.sub("", line).strip()
        head = _LINE.match(plain)
        if head is not None:
            mark = _MARK.fullmatch(plain, head.end())
            said[int(head[1])] = None if mark is None else mark[1] is not None
    return _complete(said, count)


def _complete(said: Mapping[int, bool | None], count: int) -> Results:
    """The results of all tests; ``None`` stands for one that cannot be read."""
    passed = tuple(said.get(number) is True for number in range(1, count + 1))
    unread = sum(said.get(number) is None for number in range(1, count + 1))
    strays = sum(not 1 <= number <= count for number in said)
    problems = []
    if unread:
        problems.append(f"the results of {unread} of {count} tests cannot be read and count as not passed")
    if strays:
        problems.append(f"{strays} of the results are of tests that there are not")
    return Results(passed, "; ".join(problems))
