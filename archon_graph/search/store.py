"""``StudyStore``: the directory of a study, from which it is gone on with, and read while it runs.

    study.json           what is searched: space, questions, strategy, rules, seed; versions and every start
    items.jsonl          the questions, each with its split
    architectures.jsonl  every architecture that was tried or compared: configuration, diagram, calls
    rounds.jsonl         the points that the strategy proposed, round by round
    answers.jsonl        a line for each question that an architecture was done with
    trials.jsonl         a line for each trial that ended
    decisions.jsonl      what was decided: ranking of the models, finalists, winner, baselines, variants
    report.html          the report
    best.yaml            the winner, or the best trial so far;  pruned.yaml: without what adds nothing
    single.yaml, best-of-n.yaml, self-consistency.yaml   the baseline that the verdict says to take instead

The .jsonl files but items.jsonl are only ever added to, a whole line at a time. What stands there is final; what
does not is worked out again, from answers that are there, and comes out the same. Two things may be said anew, and
then the last word counts: a trial that lacked a score because calls failed, and what was decided after a search
that was over and goes on, because more trials or more of a budget are wanted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archon_graph.core import Architecture
from archon_graph.evals.asking import SPENT
from archon_graph.evals.benchmarks import Benchmark, Item
from archon_graph.evals.directory import Directory, LogError, line
from archon_graph.evals.log import Row, read_item
from archon_graph.models import Usage
from archon_graph.search.point import Point
from archon_graph.search.trial import Trial

_STUDY, _ITEMS, _ARCHITECTURES = "study.json", "items.jsonl", "architectures.jsonl"
_ROUNDS, _ANSWERS, _TRIALS, _DECISIONS = "rounds.jsonl", "answers.jsonl", "trials.jsonl", "decisions.jsonl"
_FORM = 1

REOPENED = "reopened"
"""Decided when a search that was over goes on; what was decided after it counts no more."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An architecture of a study."""

    fingerprint: str
    """What it is told apart by."""
    name: str
    """What it is called."""
    calls: int
    """Most model calls for a question."""
    config: Mapping[str, Any]
    """What `Architecture.from_config` reads."""
    mermaid: str
    """Its diagram."""

    @classmethod
    def of(cls, architecture: Architecture) -> Entry:
        """The entry of an architecture.

        Raises:
            UnsavableModelError: A model is an instance without a name.
        """
        return cls(
            fingerprint=architecture.fingerprint,
            name=architecture.name,
            calls=architecture.max_calls,
            config=architecture.to_config(),
            mermaid=architecture.draw_mermaid(),
        )

    @property
    def architecture(self) -> Architecture:
        """The architecture itself."""
        return Architecture.from_config(self.config)


class StudyStore:
    """The directory of one study.

    Args:
        directory: Where it is, or will be.
    """

    def __init__(self, directory: str | Path) -> None:
        self._files = Directory(directory, what="study")
        self.directory = self._files.path
        """Where it is."""

    @contextlib.contextmanager
    def writing(self, study: Mapping[str, Any], data: Mapping[str, Benchmark]) -> Iterator[None]:
        """Hold the study for the length of a ``with`` block, to go on with it; a new one is begun.

        Args:
            study: What is searched; its ``identity`` decides whether it is the same, its ``starts`` are this one.
            data: The questions by split.

        Raises:
            LogError: Another process is writing to it, it is another study, or it cannot be written. Nothing was
                changed.
        """
        with self._files.held():
            if self._files.has(_STUDY):
                before = self.study()
                self._files.require_same(before["identity"], study["identity"])
                for name in (_ARCHITECTURES, _ROUNDS, _ANSWERS, _TRIALS, _DECISIONS):
                    self._files.mend(name)
                starts = [*before["starts"], *study["starts"]]
                self._files.write_object(_STUDY, {**before, **study, "starts": starts})
                self._write_items(data)
            else:
                if self._files.has(_ANSWERS):
                    raise LogError(f"{self.directory} holds {_ANSWERS} and no {_STUDY}; give another --out")
                self._write_items(data)
                # Last: with it, the directory is a study.
                self._files.write_object(_STUDY, {"form": _FORM, **study})
            yield

    def _write_items(self, data: Mapping[str, Benchmark]) -> None:
        told = [{**item.to_json(), "study_split": split} for split, part in data.items() for item in part]
        self._files.write_text(_ITEMS, "".join(map(line, told)))

    # --- reading ----------------------------------------------------------------------------------------------

    def study(self) -> dict[str, Any]:
        """What is searched.

        Raises:
            LogError: There is no study, or it cannot be read.
        """
        return self._files.read_object(_STUDY, form=_FORM, makes="archon-graph search")

    def items(self, split: str) -> list[Item]:
        """The questions of a split, in their order.

        Raises:
            LogError: They cannot be read.
        """
        found = self._read(_ITEMS, lambda data: (data["study_split"], read_item(data)), "start anew")
        return [item for part, item in found if part == split]

    def entries(self) -> dict[str, Entry]:
        """The architectures, by fingerprint, in the order in which they came up."""
        return {
            entry.fingerprint: entry
            for entry in self._read(_ARCHITECTURES, lambda data: Entry(**data), "it is made anew")
        }

    def rounds(self) -> list[list[Point]]:
        """The points that were proposed, by round, from the first."""
        return self._read(
            _ROUNDS, lambda data: [Point(values) for values in data["points"]], "it is proposed anew"
        )

    def rows(self) -> dict[tuple[str, str], Row]:
        """The answers by fingerprint and item; of several, the last. What a spent budget cut short is none."""
        rows = self._read(_ANSWERS, Row.from_json, "its question is asked again")
        return {(row.architecture, row.item): row for row in rows if row.error != SPENT}

    def paid(self) -> Usage:
        """What was paid for all answers, also for those that were asked for again."""
        return Usage.total(self._read(_ANSWERS, lambda data: Usage(**data["paid"]), "its question is asked again"))

    def trials(self) -> list[Trial]:
        """The trials that ended, by number; while the study runs, one may be missing before others."""
        trials = {trial.number: trial for trial in self._read(_TRIALS, Trial.from_json, "the trial is made anew")}
        return [trials[number] for number in sorted(trials)]

    def decisions(self) -> dict[str, Any]:
        """What is decided, by what it is about."""
        return self.stages()[-1]

    def stages(self) -> list[dict[str, Any]]:
        """What was decided, from the first search to its end, and from each time that it went on; the last counts.

        The ranking of the models is never decided anew: it is part of what a point of the space means.
        """
        stages: list[dict[str, Any]] = [{}]
        for about, is_ in self._read(_DECISIONS, lambda data: (data["about"], data["is"]), "it is decided anew"):
            if about == REOPENED:
                stages.append({name: known for name, known in stages[-1].items() if name == "ranking"})
            stages[-1][about] = is_
        return stages

    # --- writing ----------------------------------------------------------------------------------------------

    def add_entry(self, entry: Entry) -> None:
        """Keep an architecture."""
        self._files.append(_ARCHITECTURES, vars(entry))

    def add_round(self, points: Sequence[Point]) -> None:
        """Keep what was proposed."""
        self._files.append(_ROUNDS, {"points": [point.to_json() for point in points]})

    def add_row(self, row: Row) -> None:
        """Keep an answer."""
        self._files.append(_ANSWERS, row.to_json())

    def add_trial(self, trial: Trial) -> None:
        """Keep a trial that ended."""
        self._files.append(_TRIALS, trial.to_json())

    def decide(self, about: str, is_: Any) -> None:
        """Keep a decision."""
        self._files.append(_DECISIONS, {"about": about, "is": is_})

    def write_text(self, name: str, text: str) -> Path:
        """Write one of the files that may be written again."""
        self._files.write_text(name, text)
        return self.directory / name

    def _read(self, name: str, read: Any, again: str) -> list[Any]:
        return list(self._files.read_lines(name, read, again=again))
