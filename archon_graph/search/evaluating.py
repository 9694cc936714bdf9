"""``Evaluator``: answers of architectures to questions, from the record, or else asked for, scored and kept."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from archon_graph.core import Architecture
from archon_graph.core.preflight import longest_path
from archon_graph.evals.asking import SPENT, Purse, answer_item
from archon_graph.evals.benchmarks import Item
from archon_graph.evals.log import Row
from archon_graph.evals.scorers import Scorer
from archon_graph.models import Budget, Client, ConfigurationError, Usage
from archon_graph.search.store import Entry, StudyStore
from archon_graph.search.trial import Cost

T = TypeVar("T")

# So many questions in a row without an answer because calls failed, and the model is taken to be gone.
_MOST_UNANSWERED = 20


class SpentError(Exception):
    """The budget of this part of the study is spent; what it was about is left undone."""


class UnansweredError(ConfigurationError):
    """Calls fail, question after question; the study ends here, and the next start goes on with it."""


class Asker(ABC):
    """Puts one question to one architecture; where that is done is its own business."""

    @abstractmethod
    async def ask(self, architecture: Architecture, item: Item, purse: Purse | None) -> Row:
        """The scored answer, as `answer_item` gives it.

        Args:
            architecture: Who answers.
            item: The question.
            purse: What it is paid from.
        """

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Give back what it holds."""


class LocalAsker(Asker):
    """Asks in this process.

    Args:
        client: What to draw through.
        scorer: Says what an answer is worth.
        seed: Namespace of the samples.
        budget: The most that one question may take.
    """

    def __init__(self, client: Client, scorer: Scorer, *, seed: int, budget: Budget | None) -> None:
        self._client = client
        self._scorer = scorer
        self._seed = seed
        self._budget = budget

    async def ask(self, architecture: Architecture, item: Item, purse: Purse | None) -> Row:
        """Ask, through the client, and pay from the purse."""
        return await answer_item(
            architecture.name,
            architecture,
            item,
            self._scorer,
            client=self._client if purse is None else self._client.within(purse),
            seed=self._seed,
            budget=self._budget,
            purse=purse,
        )


class Evaluator:
    """Answers of architectures to the questions of a study.

    An answer that stands in the study is taken from there; everything else is asked for, scored, and kept before
    it is used. A question without an answer, because calls failed, is asked again at the next start of the study
    by whoever needs it.

    Args:
        store: The study's directory, held for writing.
        asker: Puts questions to architectures.
        concurrency: Most questions at once.
        on_answer: Called after every answer that was asked for.
    """

    def __init__(
        self,
        store: StudyStore,
        asker: Asker,
        *,
        concurrency: int,
        on_answer: Callable[[Row], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._asker = asker
        self._rows = {key: row for key, row in store.rows().items() if row.score.scored}
        self._spent = store.paid()
        self._entries = store.entries()
        self._places = asyncio.Semaphore(concurrency)
        self._on_answer = on_answer
        self._unanswered = 0
        self.purse: Purse | None = None
        """What is being paid from; ``None`` if nothing limits it."""
        self.paid = Usage()
        """What was paid since this start."""

    @property
    def spent(self) -> Usage:
        """What was paid in all starts, as far as it was recorded."""
        return self._spent + self.paid

    def keep(self, architecture: Architecture) -> Entry:
        """The entry of an architecture; it is recorded if it is new."""
        entry = self._entries.get(architecture.fingerprint)
        if entry is None:
            entry = self._entries[architecture.fingerprint] = Entry.of(architecture)
            self._store.add_entry(entry)
        return entry

    async def answers(self, architecture: Architecture, items: Sequence[Item]) -> list[Row]:
        """The answers of an architecture to these questions, in their order.

        Raises:
            SpentError: The purse is empty; what was answered by then is kept.
            UnansweredError: Calls fail, question after question.
            ConfigurationError: A model cannot be used, or the scorer cannot work here.
        """
        self.keep(architecture)
        return await side_by_side(self._answer(architecture, item) for item in items)

    async def _answer(self, architecture: Architecture, item: Item) -> Row:
        key = (architecture.fingerprint, item.id)
        if key in self._rows:
            return self._rows[key]
        async with self._places:
            # An equal trial at its side may have brought it by now.
            if key in self._rows:
                return self._rows[key]
            if self.purse is not None and self.purse.is_empty:
                raise SpentError
            purse = self.purse
            row = await self._asker.ask(architecture, item, purse)
            self.paid += Usage(**row.paid)
            if row.error == SPENT:
                # What it paid is kept, so that the next start knows of it; there is no answer to keep.
                self._store.add_row(replace(row, architecture=key[0], result={}))
                raise SpentError
            row = replace(row, architecture=key[0], result=_slim(architecture, row.result))
            self._store.add_row(row)
            self._rows[key] = row
            self._on_answer(row)
            self._see_it_was_answered(row)
            return row

    def _see_it_was_answered(self, row: Row) -> None:
        self._unanswered = 0 if row.answer is not None or row.score.scored else self._unanswered + 1
        if self._unanswered >= _MOST_UNANSWERED:
            raise UnansweredError(
                f"{self._unanswered} questions in a row got no answer because calls failed; mend that, and the "
                f"same command goes on from here. The last: {row.error}"
            )


async def side_by_side(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run all to their end, and give what they bring, in their order; none of them outlives this.

    If one fails, the others are ended, and what it raised is raised. Only where the budget is spent, the others
    come to their end by themselves: they are refused everything that is new, and what they have paid is recorded.
    """
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        try:
            return await asyncio.gather(*tasks)
        except SpentError:
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            for end in ends:
                if isinstance(end, BaseException) and not isinstance(end, SpentError):
                    raise end from None
            raise
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def cost_of(rows: Sequence[Row]) -> Cost | None:
    """What a question takes, on average over these; ``None`` if none was answered."""
    answered = [row for row in rows if row.answer is not None or row.score.scored]
    if not answered:
        return None
    total = Usage.total(Usage(**row.usage) for row in answered)
    count = len(answered)
    return Cost(
        calls=total.calls / count,
        tokens=None if total.unmetered_calls else (total.prompt_tokens + total.completion_tokens) / count,
        money=None if total.unpriced_calls else total.money / count,
        seconds=sum(float(row.result.get("latency", 0.0)) for row in answered) / count,
    )


def _slim(architecture: Architecture, result: Mapping[str, Any]) -> dict[str, Any]:
    """What a study keeps of a run: losses, what each node took, and how long the answer was waited for.

    The candidates are left out. They are in the cache, and a study holds thousands of runs.
    """
    longest: dict[str, float] = dict.fromkeys(architecture.components, 0.0)
    for call in result.get("trace", ()):
        # Calls of a node run side by side, as a rule; recorded ones took what they took when they were paid.
        longest[call["node"]] = max(longest[call["node"]], call["seconds"] or 0.0)
    latency = sum(longest[node] for node in longest_path(architecture.graph, longest))
    return {
        "losses": list(result.get("losses", ())),
        "stopped": result.get("stopped"),
        "latency": latency,
        "nodes": [
            {"node": node["node"], "usage": node["usage"], "paid": node["paid"]}
            for node in result.get("nodes", ())
        ],
    }
