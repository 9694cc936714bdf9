"""``ExampleTests``: takes the worked examples that stand in a question as unit tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY
from typing import Annotated, ClassVar

from langchain_core.messages import BaseMessage, HumanMessage
from pydantic import Field
from pydantic.dataclasses import dataclass

from archon_graph.components.worked_examples import read_examples
from archon_graph.core import COMPONENT_CONFIG, Candidate, Component, NodeContext, Style


@dataclass(frozen=True, config=COMPONENT_CONFIG)
class ExampleTests(Component):
    """Publishes the worked examples in the question as unit tests, at most ``count``.

    Read are interactive sessions (``>>> f(2)``), assertions, and lines such as ``f(2) => 4`` or ``Input: x = 2``
    over ``Output: 4``, in the text of the last human message alone: earlier turns asked for something else, and
    answers in between promise nothing. `archon_graph.components.worked_examples` has the grammar, which leaves out
    what is not certain. Each test is a piece of Python that stands on its own, so that a `CodeExecutor` behind it
    keeps the programs that do what the question says. Nothing is run here.

    The tests take the place of tests that came in. Where the question holds no example there are no new tests,
    which is noted; a `CodeExecutor` then keeps the programs that come to their end. Candidates are passed on as
    they are. It can stand before the generators, too; they are then told once more what the question says already.

    Model calls: none.

    Source: filtering by the example tests of a problem as in AlphaCode (arXiv 2203.07814), section 4.5; the
    grammar is our own.

    Args:
        count: The most tests to publish, the first ones in the text, at most 20.
    """

    technique: ClassVar[str] = "example_tests"
    starts: ClassVar[bool] = True
    gives_tests: ClassVar[bool] = True
    style: ClassVar[Style] = Style("parallelogram", "#f3e3c3")

    _: KW_ONLY
    count: Annotated[int, Field(ge=1, le=20)] = 8
    """The most tests to publish."""

    async def run(self, context: NodeContext) -> Sequence[Candidate]:
        """Read the examples."""
        tests = read_examples(_last_human_text(context.question), self.count)
        if tests:
            context.publish_tests(tests)
        else:
            context.note("the question holds no example that can be run: no new tests")
        return context.candidates

    def summary(self) -> str:
        """How many tests it publishes at most."""
        return f"up to {self.count} tests" if self.count > 1 else "1 test"


def _last_human_text(question: Sequence[BaseMessage]) -> str:
    """The text blocks of the last human message, each on lines of its own; empty if there is none."""
    message = next((each for each in reversed(question) if isinstance(each, HumanMessage)), None)
    if message is None:
        return ""
    if isinstance(message.content, str):
        return message.content
    blocks = (block if isinstance(block, str) else block.get("text") for block in message.content)
    return "\n".join(block for block in blocks if isinstance(block, str))
