"""``Findings``: what a study found, worked out from its records; also while it runs, and by whoever reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from archon_graph.evals.benchmarks import Item
from archon_graph.evals.comparison import Summary, compare_architectures
from archon_graph.evals.log import Row
from archon_graph.evals.runner import Evaluation
from archon_graph.evals.scorers import UNSCORED
from archon_graph.evals.scorers.base import Value
from archon_graph.evals.statistics import Difference, compare
from archon_graph.models import Usage
from archon_graph.search.baselines import BASELINES
from archon_graph.search.store import Entry, StudyStore
from archon_graph.search.trial import Trial
from archon_graph.search.verdict import Verdict, judge

WINNER, PRUNED = "winner", "pruned winner"
"""What they are called among the held-out results."""

Phase = Literal["search", "selection", "holdout", "done"]
"""How far a study is."""


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What a part of the winner adds."""

    what: str
    """The part, in words."""
    without: tuple[str, ...]
    """Its nodes."""
    difference: Difference
    """The winner minus the winner without it, on the selection questions; the family are all parts."""
    calls: float | None
    """Model calls a question that it costs: those of the winner minus those without it, where both are done. Below
    0 if it saves some: without a part that drops candidates, those behind it have more to do."""

    @property
    def useless(self) -> bool:
        """Whether the winner does no worse without it, on these questions."""
        return self.difference.mean is not None and self.difference.mean <= 0.0


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Results on questions on which nothing was chosen."""

    summary: Summary
    """Means and costs of the winner, the baselines, and the pruned winner if there is one."""
    differences: Mapping[str, Difference]
    """The winner minus each of the others; their intervals hold all together."""
    questions: int
    """Held-out questions in all."""
    evaluation: Evaluation
    """The same as an evaluation, with a row for each answer."""
    alike: Mapping[str, str]
    """What is the same architecture as another one, and so has no line of its own: its name, and the other's. A
    baseline may be the winner, and the pruned winner a baseline."""

    @property
    def finished(self) -> bool:
        """Whether every question was put to every architecture."""
        return all(standing.questions == self.questions for standing in self.summary.standings)


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a study found so far."""

    phase: Phase
    """How far it is."""
    trials: tuple[Trial, ...]
    """The trials that ended, by number."""
    entries: Mapping[str, Entry]
    """Every architecture by fingerprint."""
    ranking: tuple[str, ...]
    """The models as measured alone, best first; empty until all are."""
    winner: Entry | None
    """The winner on the selection questions."""
    finalists: Mapping[str, Difference]
    """By fingerprint, each finalist minus the winner on the selection questions, the winner itself left out."""
    selection: Summary | None
    """Means of the finalists on the selection questions, by name."""
    gains: tuple[Gain, ...]
    """What each part of the winner adds, by the order of the parts."""
    pruned: Entry | None
    """The winner without the nodes that add nothing; ``None`` if every node adds something."""
    held_out: HeldOut | None
    """Results on the held-out questions."""
    verdict: Verdict
    """What all of it comes to, in words."""
    looks: int = 0
    """How often held-out questions were put before, to winners of the same search with fewer trials."""

    @property
    def tied(self) -> tuple[Entry, ...]:
        """The finalists that the selection questions do not tell apart from the winner."""
        return tuple(self.entries[name] for name, difference in self.finalists.items() if difference.tied)

    @property
    def best_trial(self) -> Trial | None:
        """The trial with the best score on the search questions, of those that answered all of them."""
        found = [trial for trial in self.trials if trial.status == "complete"]
        return max(found, key=lambda trial: (trial.score or 0.0, -trial.number), default=None)

    @property
    def usage(self) -> Usage:
        """What the questions of all trials took, each counted as if it was alone."""
        return Usage.total(Usage(**trial.usage) for trial in self.trials)

    @property
    def paid(self) -> Usage:
        """What of that was paid."""
        return Usage.total(Usage(**trial.paid) for trial in self.trials)

    @property
    def calls_alone(self) -> float:
        """Model calls of the trials if each had been evaluated alone: all questions, nothing shared."""
        return sum(trial.questions * trial.cost.calls for trial in self.trials if trial.cost is not None)


def read_findings(store: StudyStore) -> Findings:
    """What the records of a study say.

    Raises:
        LogError: There is no study, or it cannot be read.
    """
    study, trials, stages = store.study(), store.trials(), store.stages()
    decided = stages[-1]
    # After what names them: so all that is named is there, also while the study runs.
    entries, rows = store.entries(), store.rows()
    winner = entries.get(decided["winner"]) if "winner" in decided else None
    if any(name not in entries for name in _named(decided)):
        winner = None  # the file of architectures lost some; the next start writes them again
    selection = store.items("selection")
    finalists: dict[str, Difference] = {}
    summary = held_out = None
    gains: tuple[Gain, ...] = ()
    pruned = None
    if winner is not None:
        others = [name for name in decided["finalists"] if name != winner.fingerprint]
        finalists = _against(winner.fingerprint, others, selection, rows)
        names = _unique({name: entries[name].name for name in decided["finalists"]})
        summary = _summary(store, study, names, selection, rows, baseline=names[winner.fingerprint])
        gains = _gains(winner, decided.get("variants", ()), selection, rows)
        without = decided.get("pruned")
        pruned = entries.get(without["fingerprint"]) if without else None
        if "baselines" in decided:
            held_out = _held_out(store, study, winner, pruned, baselines=decided["baselines"], rows=rows)
    phase: Phase = (
        "done"
        if decided.get("done")
        else "holdout"
        if "baselines" in decided
        else "selection"
        if "finalists" in decided
        else "search"
    )
    found = Findings(
        phase=phase,
        trials=tuple(trials),
        entries=entries,
        ranking=tuple(decided.get("ranking", ())),
        winner=winner,
        finalists=finalists,
        selection=summary,
        gains=gains,
        pruned=pruned,
        held_out=held_out,
        verdict=Verdict(kind="unfinished", sentences=()),
        looks=sum("baselines" in stage for stage in stages[:-1]),
    )
    return replace(found, verdict=judge(found))


def _named(decided: Mapping[str, Any]) -> list[str]:
    """The fingerprints of all architectures that decisions name."""
    variants = [each["fingerprint"] for each in decided.get("variants", ())]
    return [*decided.get("finalists", ()), *variants, *decided.get("baselines", {}).values()]


def flipped(difference: Difference) -> Difference:
    """The same difference, seen from the other side."""

    def minus(value: float | None) -> float | None:
        return None if value is None else -value or 0.0  # never -0.0, which is told with its sign

    return replace(
        difference,
        first=difference.second,
        second=difference.first,
        mean=minus(difference.mean),
        low=minus(difference.high),
        high=minus(difference.low),
        wins=difference.losses,
        losses=difference.wins,
        family_low=minus(difference.family_high),
        family_high=minus(difference.family_low),
    )


Rows = Mapping[tuple[str, str], Row]


def _scores(fingerprint: str, items: Sequence[Item], rows: Rows) -> list[Value]:
    found = (rows.get((fingerprint, item.id)) for item in items)
    return [UNSCORED if row is None else row.score.value for row in found]


def _against(base: str, others: Sequence[str], items: Sequence[Item], rows: Rows) -> dict[str, Difference]:
    """Each of the others minus the base; the intervals hold all together."""
    if not others:
        return {}
    scores = {name: _scores(name, items, rows) for name in (base, *others)}
    compared = compare(scores, baseline=base, clusters=[item.unit for item in items])
    return {difference.first: difference for difference in compared.differences}


def _gains(
    winner: Entry, variants: Sequence[Mapping[str, Any]], items: Sequence[Item], rows: Rows
) -> tuple[Gain, ...]:
    differences = _against(winner.fingerprint, [each["fingerprint"] for each in variants], items, rows)
    return tuple(
        Gain(
            what=each["what"],
            without=tuple(each["without"]),
            difference=flipped(differences[each["fingerprint"]]),
            calls=_more_calls(winner.fingerprint, each["fingerprint"], items, rows),
        )
        for each in variants
    )


def _more_calls(one: str, other: str, items: Sequence[Item], rows: Rows) -> float | None:
    """How many more calls a question the one takes than the other, on average over those that both have done."""
    pairs = [(rows.get((one, item.id)), rows.get((other, item.id))) for item in items]
    more = [
        Usage(**first.usage).calls - Usage(**second.usage).calls for first, second in pairs if first and second
    ]
    return sum(more) / len(more) if more else None


def _held_out(
    store: StudyStore,
    study: Mapping[str, Any],
    winner: Entry,
    pruned: Entry | None,
    *,
    baselines: Mapping[str, str],
    rows: Rows,
) -> HeldOut | None:
    items = store.items("holdout")
    prints = {WINNER: winner.fingerprint, **{name: baselines[name] for name in BASELINES}}
    if pruned is not None:
        prints[PRUNED] = pruned.fingerprint
    names: dict[str, str] = {}
    for name, fingerprint in prints.items():
        names.setdefault(fingerprint, name)
    if not any((winner.fingerprint, item.id) in rows for item in items):
        return None
    summary, evaluation = _summary_of(store, study, names, items, rows, baseline=WINNER)
    others = [fingerprint for fingerprint in names if fingerprint != winner.fingerprint]
    differences = _against(winner.fingerprint, others, items, rows)
    return HeldOut(
        summary=summary,
        differences={names[name]: flipped(each) for name, each in differences.items()},
        questions=len(items),
        evaluation=evaluation,
        alike={name: names[fingerprint] for name, fingerprint in prints.items() if names[fingerprint] != name},
    )


def _summary(
    store: StudyStore,
    study: Mapping[str, Any],
    names: Mapping[str, str],
    items: Sequence[Item],
    rows: Rows,
    *,
    baseline: str,
) -> Summary:
    return _summary_of(store, study, names, items, rows, baseline=baseline)[0]


def _summary_of(
    store: StudyStore,
    study: Mapping[str, Any],
    names: Mapping[str, str],
    items: Sequence[Item],
    rows: Rows,
    *,
    baseline: str,
) -> tuple[Summary, Evaluation]:
    entries = store.entries()
    evaluation = Evaluation(
        directory=store.directory,
        run={
            **study,
            "benchmark": study["data"]["holdout"],
            "architectures": [
                {
                    "name": name,
                    "fingerprint": fingerprint,
                    "config": entries[fingerprint].config,
                    "calls": entries[fingerprint].calls,
                    "mermaid": entries[fingerprint].mermaid,
                    "prompts": {},
                }
                for fingerprint, name in names.items()
            ],
        },
        items=tuple(items),
        rows=tuple(
            replace(row, architecture=name)
            for fingerprint, name in names.items()
            for item in items
            if (row := rows.get((fingerprint, item.id))) is not None
        ),
        paid=Usage(),
    )
    return compare_architectures(evaluation, baseline=baseline), evaluation


def _unique(names: Mapping[str, str]) -> dict[str, str]:
    """The names, those that are there twice told apart by their fingerprints."""
    said = list(names.values())
    return {key: name if said.count(name) == 1 else f"{name} ({key[:6]})" for key, name in names.items()}
