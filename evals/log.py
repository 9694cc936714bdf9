"""``EvaluationLog``: a directory with everything that is needed to rebuild an evaluation, and to go on with one.

    run.json           what was evaluated: architectures, models, benchmark, seed, versions, every start
    items.jsonl        the questions, with what it takes to score an answer to them
    answers.jsonl      a line for each question that an architecture was done with, in the order in which they came
    candidates.jsonl   scores of single candidates, once curves were asked for
    report.html        the report

Each line is written at once and whole, so a process that is killed loses what was under way and nothing else.
Values that are known to be secret are blanked out of every line.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from langchain_core.messages import messages_from_dict

from archon_graph.evals.benchmarks import Item
from archon_graph.evals.directory import Directory, LogError, line
from archon_graph.evals.scorers import Score

__all__ = ["EvaluationLog", "LogError", "Row", "digest", "read_item"]

T = TypeVar("T")

_RUN, _ITEMS, _ANSWERS, _CANDIDATES = "run.json", "items.jsonl", "answers.jsonl", "candidates.jsonl"
_FORM = 1


@dataclass(frozen=True, kw_only=True)
class Row:
    """How one architecture did on one question."""

    architecture: str
    """Name of the architecture."""
    item: str
    """Id of the item."""
    cluster: str
    """What the item stands or falls with; itself, if it stands alone."""
    score: Score
    """What the answer is worth."""
    answer: str | None
    """The text of the answer; ``None`` if there was none."""
    seconds: float
    """How long the answer was waited for, in this run: next to nothing for one that is recorded."""
    usage: Mapping[str, Any]
    """What it took, whether or not it was paid now."""
    paid: Mapping[str, Any]
    """What of that was paid now, and with it what was paid for judging."""
    at: str
    """When it was done, in UTC."""
    error: str | None = None
    """Why there is no answer."""
    result: Mapping[str, Any] = field(default_factory=dict)
    """The whole run as `Result.to_dict` gives it; of one without an answer its losses alone."""
    earlier: Sequence[Mapping[str, Any]] = ()
    """The runs of the turns before, as `Result.to_dict` gives them; empty for items of a single turn."""

    @property
    def losses(self) -> Sequence[Mapping[str, Any]]:
        """What did not come through."""
        return tuple(self.result.get("losses", ()))

    @property
    def answers(self) -> list[str]:
        """The answers to all turns, the last one last; empty if there is none."""
        return [] if self.answer is None else [*(turn["answer"] for turn in self.earlier), self.answer]

    @property
    def stopped(self) -> str | None:
        """Why the run ended early: ``budget``; ``None`` if it went to its end."""
        return self.result.get("stopped")

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        data = {**asdict(self), "score": self.score.to_json()}
        return data if self.earlier else {name: value for name, value in data.items() if name != "earlier"}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Row:
        """Read back what `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError: It did not write this.
        """
        return cls(**{**data, "score": Score.from_json(data["score"])})


class EvaluationLog:
    """The log of one evaluation.

    Args:
        directory: Where it is, or will be.
    """

    def __init__(self, directory: str | Path) -> None:
        self._files = Directory(directory, what="evaluation")
        self.directory = self._files.path
        """Where it is."""

    @property
    def report_path(self) -> Path:
        """Where the report is put, if it is not told otherwise."""
        return self.directory / "report.html"

    @contextlib.contextmanager
    def writing(self, run: Mapping[str, Any], items: Iterable[Item]) -> Iterator[None]:
        """Hold the log for the length of a ``with`` block, to write to it.

        A new one is begun; one of the same evaluation is gone on with, and the new start is written down.

        Args:
            run: What is evaluated; its ``identity`` decides whether it is the same, its ``starts`` are this start.
            items: The questions.

        Raises:
            LogError: Another process is writing to it, it is of another evaluation, or it cannot be written.
                Nothing was changed.
        """
        with self._files.held():
            if self._files.has(_RUN):
                before = self.run()
                self._files.require_same(before["identity"], run["identity"])
                self._files.mend(_ANSWERS)
                self._files.write_object(_RUN, {**before, "starts": [*before["starts"], *run["starts"]]})
            else:
                if self._files.has(_ANSWERS):
                    raise LogError(f"{self.directory} holds {_ANSWERS} and no {_RUN}; give another --out")
                self._files.write_text(_ITEMS, "".join(line(item.to_json()) for item in items))
                # Last: with it, the log is one.
                self._files.write_object(_RUN, {"form": _FORM, **run})
            yield

    def run(self) -> dict[str, Any]:
        """What was evaluated.

        Raises:
            LogError: There is no evaluation, or it cannot be read.
        """
        return self._files.read_object(_RUN, form=_FORM, makes="archon-graph eval")

    def items(self) -> list[Item]:
        """The questions, in their order.

        Raises:
            LogError: They cannot be read.
        """
        return list(self._read(_ITEMS, read_item))

    def rows(self) -> list[Row]:
        """All rows; of several for one question of an architecture, the last. A line that is cut short is no row.

        Raises:
            LogError: A line that is whole cannot be read.
        """
        rows = {(row.architecture, row.item): row for row in self._read(_ANSWERS, Row.from_json)}
        return list(rows.values())

    def append(self, row: Row) -> None:
        """Add a row, which is there for good when this returns.

        Raises:
            LogError: It cannot be written.
        """
        self._files.append(_ANSWERS, row.to_json())

    @contextlib.contextmanager
    def keeping_candidates(self) -> Iterator[None]:
        """Hold the log for the length of a ``with`` block, to keep scores of candidates.

        Raises:
            LogError: Another process is writing to it.
        """
        with self._files.held():
            self._files.mend(_CANDIDATES)
            yield

    def candidate_scores(self, scorer: str) -> dict[tuple[str, str], Score]:
        """The scores of single candidates that were kept, by item and `digest` of the text.

        Args:
            scorer: Identity of the scorer; what another one said does not count.

        Raises:
            LogError: A line that is whole cannot be read.
        """
        lines = self._read(_CANDIDATES, lambda data: (data["scorer"], data["item"], data["text"], data["score"]))
        return {(item, text): Score.from_json(score) for by, item, text, score in lines if by == scorer and score}

    def keep_candidate(self, scorer: str, item: str, text: str, score: Score) -> None:
        """Keep the score of a candidate; ``text`` is its `digest`.

        Raises:
            LogError: It cannot be written.
        """
        self._files.append(_CANDIDATES, {"scorer": scorer, "item": item, "text": text, "score": score.to_json()})

    def _read(self, name: str, read: Callable[[Any], T]) -> Iterator[T]:
        return self._files.read_lines(name, read, again="its question is asked again")


def digest(text: str) -> str:
    """A short name for a candidate's text."""
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()[:24]


def read_item(data: Mapping[str, Any]) -> Item:
    """Read back what `Item.to_json` wrote.

    Raises:
        KeyError, TypeError, ValueError: It did not write this.
    """
    asked, target = data["input"], data["target"]
    return Item(
        id=data["id"],
        input=asked if isinstance(asked, str) else tuple(messages_from_dict(asked)),
        target=tuple(target) if isinstance(target, list) else target,
        tests=tuple(data["tests"]),
        metadata=data["metadata"],
        cluster=data["cluster"],
        kind=data["kind"],
        follow_ups=tuple(data.get("follow_ups", ())),
    )
