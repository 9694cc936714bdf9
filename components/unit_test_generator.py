"""``UnitTestGenerator``: writes statements that a good answer makes true; and the grammar of a list of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY
from typing import Annotated, Any, ClassVar

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from pydantic import Field
from pydantic.dataclasses import dataclass

from archon_graph.components.judging import without_nul
from archon_graph.core import (
    COMPONENT_CONFIG,
    CONVERSATION,
    Candidate,
    ModelComponent,
    NodeContext,
    Prompt,
    Style,
    as_material,
    load_prompt,
)

LONGEST_TEST = 500
"""Characters; a longer one is no short statement, and it would be paid for in the prompt of every evaluation."""


@dataclass(frozen=True, config=COMPONENT_CONFIG)
class UnitTestGenerator(ModelComponent):
    """Writes ``count`` unit tests for the question: short statements that a good answer makes true.

    The tests go on with the candidates, to every node behind it: a `Generator` is told them as requirements, a
    `UnitTestEvaluator` judges candidates by them. They take the place of tests that came in. Candidates are
    passed on as they are; it can stand before the generators or behind them, and sees the question only. A reply
    that holds no test is asked for once more; if that one holds none either, there are no new tests. Both are
    recorded, as are fewer tests than asked for.

    Model calls: 1; 2 if the first reply cannot be read.

    Source: the unit test generator of Archon (arXiv 2409.15254), section 3; the prompt is our own.

    Args:
        model: Spec of the model, or a chat model.
        count: How many tests to write, at most 20.
    """

    technique: ClassVar[str] = "unit_test_generator"
    starts: ClassVar[bool] = True
    gives_tests: ClassVar[bool] = True
    style: ClassVar[Style] = Style("parallelogram", "#fbf2a0")
    default_prompt: ClassVar[Prompt | None] = load_prompt("archon_graph.components", "unit_test_generator")

    _: KW_ONLY
    count: Annotated[int, Field(ge=1, le=20)] = 5
    """How many tests to write."""

    async def run(self, context: NodeContext) -> Sequence[Candidate]:
        """Write the tests; ask once more if there are none."""
        as_json = await context.wants_json(self)
        messages, schema = self._messages(context, as_json=as_json), statements_schema() if as_json else None
        for attempt in range(self.sample_count):
            [draw] = await context.draw(self, messages, first=attempt, schema=schema)
            tests = read_tests_json(draw.data, self.count) if draw.data is not None else ()
            if not tests:
                text = str(draw.message.text) if draw.message is not None else ""
                tests = read_tests_text(text, self.count)
            if tests:
                if len(tests) < self.count:
                    detail = f"only {len(tests)} of {self.count} tests are in the reply"
                    context.lose("unreadable", detail, sample=draw.index)
                context.publish_tests(tests)
                break
            then = "it was asked once more" if attempt == 0 else "the run goes on without new tests"
            context.lose("unreadable", f"no test could be read in the reply; {then}", sample=draw.index)
        return context.candidates

    def calls(self, incoming: int) -> int:  # noqa: ARG002
        """One."""
        return 1

    def shown(self, incoming: int) -> int:  # noqa: ARG002
        """None: tests are written from the question alone."""
        return 0

    @property
    def sample_count(self) -> int:
        """Two: the second is drawn if the first cannot be read."""
        return 2

    def summary(self) -> str:
        """How many tests it writes."""
        return f"{self.count} tests" if self.count > 1 else "1 test"

    def _messages(self, context: NodeContext, *, as_json: bool) -> list[BaseMessage]:
        material = self.words.render(
            "material",
            # The conversation may hold images, so it is put in as content blocks after the text is made.
            conversation=CONVERSATION,
            count=self.count,
            reply=self.words.render("reply_json" if as_json else "reply_text", count=self.count),
        )
        return [
            SystemMessage(content=self.words.render("task", count=self.count)),
            HumanMessage(content=as_material(material, context.question)),
        ]


def statements_schema() -> dict[str, Any]:
    """The JSON schema of tests: reasoning first, then the statements.

    How many there should be is said in the prompt: not every provider takes a schema with a length in it.
    """
    return {
        "title": "tests",
        "description": "Statements that a good answer makes true.",
        "type": "object",
        "properties": {
            "reasoning": {"type": "string"},
            "tests": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["reasoning", "tests"],
        "additionalProperties": False,
    }


def read_tests_json(data: Mapping[str, Any], count: int) -> tuple[str, ...]:
    """The tests in a JSON reply, at most ``count``."""
    tests = data.get("tests")
    return _usable((test for test in tests if isinstance(test, str)), count) if isinstance(tests, list) else ()


# Tests in text, as we ask for them and as models vary them:
#
#   list   = item { item } ;
#   item   = marker, white space, statement ;         the rest of the line, and indented lines right below
#   marker = number ( "." | ")" ) | "[" number "]" | "-" | "*" | "•" ;
#
# If there is a numbered item, numbered items count alone: dashes are notes on them or stand in a preamble. If the
# numbers begin again at 1 the last list counts: models draft first and decide at the end. (A list in which every
# item has the number 1, as Markdown allows, is one list.)
# Every repeat is bounded or ends at what it cannot match, so that a hostile line costs linear time.
_ITEM = re.compile(r"\s{0,8}(?:(?:(\d{1,3})[.)]|\[(\d{1,3})\])|[-*•])\s+(\S.*)", re.ASCII)


def read_tests_text(text: str, count: int) -> tuple[str, ...]:
    """The tests in a text reply, by the grammar above, at most ``count``."""
    numbered: list[list[str]] = []
    dashed: list[list[str]] = []
    item: list[str] | None = None
    last = 0
    for line in text.splitlines():
        match = _ITEM.match(line)
        if match is not None:
            item = [match[3]]
            number = match[1] or match[2]
            if number is None:
                dashed.append(item)
                continue
            if int(number) == 1 < last:
                numbered.clear()
            numbered.append(item)
            last = int(number)
        elif item is not None and line[:1].isspace() and line.strip():
            item.append(line)
        else:
            item = None
    return _usable((" ".join(lines) for lines in numbered or dashed), count)


def _usable(texts: Iterable[str], count: int) -> tuple[str, ...]:
    """The first ``count`` different statements, each on one line.

    Left out is what says nothing, is too long, or ends in dots: an echo of the form we ask for.
    """
    found: dict[str, str] = {}
    for text in texts:
        statement = " ".join(without_nul(text).split())
        finished = any(map(str.isalnum, statement)) and not statement.endswith(("...", "…"))
        if finished and len(statement) <= LONGEST_TEST:
            found.setdefault(statement.casefold(), statement)
    return tuple(found.values())[:count]
