"""``compare_architectures``: scores and costs side by side, paired differences, and a verdict in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from archon_graph.evals.asking import judge_failed
from archon_graph.evals.benchmarks import Item
from archon_graph.evals.benchmarks.problems import nearest
from archon_graph.evals.judges.audit import Audit, audit
from archon_graph.evals.log import Row
from archon_graph.evals.runner import Evaluation
from archon_graph.evals.scorers import UNSCORED, Score, Scorer, Value
from archon_graph.evals.statistics import Comparison, Difference, Estimate, compare, estimate_mean
from archon_graph.models import ConfigurationError, Usage

# A width that is written as 0.00 comes of differences that are all the same, and tells nothing of others.
_TOLD_FROM_NONE = 0.005


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How one architecture did."""

    architecture: str
    """Its name."""
    score: Estimate
    """The mean of its scores, with an interval; what is unscored is left out and counted."""
    questions: int
    """How many questions it was done with, unscored ones included."""
    answered: int
    """Those of them that cost what they cost: without the ones that are to be asked again."""
    usage: Usage
    """What these took together, whether or not it was paid now; as if this architecture had been alone."""
    judging: Usage
    """What judging these took, recorded or not; nothing where a rule scored."""
    figures: Mapping[str, Any]
    """What the benchmark's authors would print, by name (`Scorer.figures`); empty where that is the mean score, or
    where the scorer is not known any more."""
    audit: Audit | None
    """What the verdicts say of the judge; ``None`` where a rule scored."""
    disturbed: int
    """How many answers came about with losses: calls that failed, replies that could not be read."""
    cut_short: int
    """How many answers were cut short by the budget of a question."""

    @property
    def calls(self) -> float:
        """Model calls for each question."""
        return self._each(self.usage.calls)

    @property
    def tokens(self) -> float | None:
        """Tokens for each question, sent and received; ``None`` if some calls were not counted."""
        return None if self.usage.unmetered_calls else self._each(self.usage.tokens)

    @property
    def money(self) -> float | None:
        """US dollars for each question; ``None`` if the price of some calls is not known."""
        return None if self.usage.unpriced_calls else self._each(self.usage.money)

    @property
    def seconds(self) -> float:
        """Seconds in calls for each question, when they were made; calls side by side count in full."""
        return self._each(self.usage.seconds)

    def to_json(self) -> dict[str, Any]:
        """As plain data; costs are for each question."""
        return {
            "architecture": self.architecture,
            "score": self.score.to_json(),
            "questions": self.questions,
            "answered": self.answered,
            "calls": self.calls,
            "tokens": self.tokens,
            "money": self.money,
            "seconds": self.seconds,
            **({} if self.audit is None else {"judging": asdict(self.judging), "audit": self.audit.to_json()}),
            **({"figures": dict(self.figures)} if self.figures else {}),
            "disturbed": self.disturbed,
            "cut_short": self.cut_short,
        }

    def _each(self, sum_: float) -> float:
        return sum_ / self.answered if self.answered else 0.0


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What an evaluation says."""

    standings: tuple[Standing, ...]
    """The architectures, in the order given."""
    baseline: str
    """The one that the others are compared with."""
    comparison: Comparison
    """Each of the others against the baseline, on the questions that both have a score for."""
    verdict: tuple[str, ...]
    """The same in sentences, the most important first."""

    @property
    def differences(self) -> tuple[Difference, ...]:
        """The paired differences to the baseline, in the order of the architectures."""
        return self.comparison.differences

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "standings": [standing.to_json() for standing in self.standings],
            "baseline": self.baseline,
            "differences": [difference.to_json() for difference in self.differences],
            "statement": self.comparison.statement,
            "verdict": list(self.verdict),
        }


def compare_architectures(
    evaluation: Evaluation, *, baseline: str | None = None, level: float = 0.95, scorer: Scorer | None = None
) -> Summary:
    """Compare the architectures of an evaluation with one of them.

    Args:
        evaluation: It may be unfinished: each question that was done counts.
        baseline: Name of the one to compare with; the first by default.
        level: Confidence level of the intervals.
        scorer: Who scored, for the figures that its authors would print.

    Raises:
        ConfigurationError: There is no such architecture; names the nearest.
        ValueError: The level is none.
    """
    names = evaluation.architectures
    against = check_baseline(baseline, names)
    rows = {name: {row.item: row for row in evaluation.of(name)} for name in names}
    models = {entry["name"]: _models(entry.get("config")) for entry in evaluation.run["architectures"]}
    standings = tuple(
        _standing(
            name,
            list(rows[name].values()),
            level,
            figures=_figures(scorer, evaluation, rows[name]),
            models=models[name],
        )
        for name in names
    )
    clusters = [item.unit for item in evaluation.items]
    scores = {name: [_value(rows[name].get(item.id)) for item in evaluation.items] for name in names}
    comparison = compare(scores, baseline=against, clusters=clusters, level=level)
    return Summary(
        standings=standings,
        baseline=against,
        comparison=comparison,
        verdict=tuple(_verdict(evaluation, standings, against, comparison.differences)),
    )


def family_interval(difference: Difference) -> str:
    """A difference with the interval that holds together with those of the whole family."""
    if difference.mean is None:
        return "no common score"
    low, high = difference.family_low, difference.family_high
    between = "" if low is None or high is None else f" [{low:+.3f}, {high:+.3f}]"
    return f"{difference.mean:+.3f}{between}"


def outcome(difference: Difference) -> str:
    """What a difference says of the first side: ``better``, ``worse``, ``not told apart`` or ``not compared``."""
    if difference.mean is None:
        return "not compared"
    return "not told apart" if difference.tied else "better" if difference.mean > 0 else "worse"


def shortened(text: str, most: int = 200) -> str:
    """The text in one line, and no longer than this."""
    flat = " ".join(text.split())
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"


def check_baseline(baseline: str | None, names: Sequence[str]) -> str:
    """The architecture to compare with: the one that is named, or the first.

    Raises:
        ConfigurationError: There is none of this name; names the nearest.
    """
    if baseline is None:
        return names[0]
    if baseline not in names:
        raise ConfigurationError(
            f"the baseline {baseline!r} is none of the architectures{nearest(baseline, names)}; they are "
            f"{', '.join(names)}"
        )
    return baseline


def _figures(scorer: Scorer | None, evaluation: Evaluation, rows: Mapping[str, Row]) -> Mapping[str, Any]:
    if scorer is None:
        return {}
    scored: list[tuple[Item, Score]] = [
        (item, rows[item.id].score) for item in evaluation.items if item.id in rows
    ]
    try:
        return scorer.figures(scored) if scored else {}
    except Exception as error:  # noqa: BLE001 - what was paid for is told, whatever a scorer makes of it
        return {"figures": f"cannot be made: {type(error).__name__}: {error}"}


def _models(config: Any) -> list[str]:
    """Every model that a configuration names."""
    if isinstance(config, Mapping):
        own = [config["model"]] if isinstance(config.get("model"), str) else []
        return [*own, *(model for value in config.values() for model in _models(value))]
    return [model for each in config for model in _models(each)] if isinstance(config, list | tuple) else []


def _standing(
    name: str, rows: Sequence[Row], level: float, *, figures: Mapping[str, Any], models: Sequence[str]
) -> Standing:
    answered = [row for row in rows if row.answer is not None or row.score.scored]
    return Standing(
        architecture=name,
        score=estimate_mean(
            [row.score.value for row in rows], clusters=[row.cluster for row in rows], level=level
        ),
        questions=len(rows),
        answered=len(answered),
        usage=Usage.total(Usage(**row.usage) for row in answered),
        judging=Usage.total(
            Usage(**row.score.judgment["usage"]) for row in rows if row.score.judgment is not None
        ),
        figures=figures,
        audit=audit([row.score for row in rows], models=models),
        disturbed=sum(any(loss["kind"] != "budget" for loss in row.losses) for row in rows),
        cut_short=sum(row.stopped == "budget" for row in rows),
    )


def _value(row: Row | None) -> Value:
    return UNSCORED if row is None else row.score.value


def _verdict(
    evaluation: Evaluation, standings: Sequence[Standing], baseline: str, differences: Sequence[Difference]
) -> list[str]:
    by_name = {standing.architecture: standing for standing in standings}
    base = by_name[baseline]
    told = [_one(base)] if len(standings) == 1 else _several(by_name, base, differences)
    if evaluation.missing:
        done = len(evaluation.rows)
        told.append(
            f"The evaluation is not finished: {done} of {done + evaluation.missing} questions are done; the same "
            f"command goes on with it."
        )
    for standing in standings:
        name = standing.architecture
        if standing.score.unscored:
            unscored = [row.score for row in evaluation.of(name) if not row.score.scored]
            # What a judge said is recorded, and would be the same again.
            final = all(_heard(score) for score in unscored)
            again = "" if final else "; the same command tries them again"
            told.append(
                f"{name}: {_questions(standing.score.unscored)} unscored, left out and not counted as wrong"
                f"{again}. The first: {shortened(unscored[0].detail)}"
            )
        if standing.audit is not None:
            told.append(f"The judge of {name}: {'; '.join(standing.audit.sentences)}.")
        if standing.cut_short:
            told.append(f"{name}: {_questions(standing.cut_short)} cut short by the budget of a question.")
    return told


def _heard(score: Score) -> bool:
    """Whether a judge was heard out."""
    return score.judgment is not None and not judge_failed(score)


def _one(standing: Standing) -> str:
    score = standing.score
    if score.mean is None:
        return f"{standing.architecture} has no score yet."
    between = (
        f", {100 * score.level:g} % interval {score.low:.3f} to {score.high:.3f}" if score.low is not None else ""
    )
    return f"{standing.architecture} scores {score.mean:.3f} on {_questions(score.n)}{between}."


def _several(by_name: Mapping[str, Standing], base: Standing, differences: Sequence[Difference]) -> list[str]:
    known = [difference for difference in differences if difference.mean is not None]

    def told_of(each: Difference) -> str:
        return f"{family_interval(each)}{_at_a_cost(by_name[each.first], base)}"

    if not known:
        return [f"Nothing can be compared: no question has a score for {base.architecture} and for another one."]
    better = sorted((each for each in known if not each.tied and _mean(each) > 0), key=_mean, reverse=True)
    told = [f"{each.first} is better than {base.architecture}: {told_of(each)}." for each in better]
    if len(better) > 1:
        told.append("Those were compared with the baseline, and not with each other.")
    if not better:
        count = max(each.n for each in known)
        told.append(f"Nothing is shown to be better than {base.architecture} on {_questions(count)}.")
        if all(_costs_more(by_name[each.first], base) for each in known):
            told[-1] += (
                f" Everything else costs more: {base.architecture} is the one to take, as far as this can tell."
            )
    for each in known:
        if each.tied:
            told.append(f"{each.first} is not told apart from {base.architecture}: {told_of(each)}.")
        elif _mean(each) < 0:
            told.append(f"{each.first} is worse than {base.architecture}: {told_of(each)}.")
    widths = [
        (each.family_high - each.family_low) / 2
        for each in known
        if each.tied and each.family_low is not None and each.family_high is not None
    ]
    if widths and max(widths) >= _TOLD_FROM_NONE:
        told.append(
            f"With so many questions, a difference of less than about {max(widths):.2f} cannot be told from none; "
            f"four times as many would halve that."
        )
    return told


def _mean(difference: Difference) -> float:
    return difference.mean or 0.0


def _at_a_cost(standing: Standing, base: Standing) -> str:
    """How many times the calls, and the money or else the tokens, it takes."""
    parts = []
    if base.calls:
        parts.append(f"{standing.calls / base.calls:.1f} times the calls")
    if base.money and standing.money is not None:
        parts.append(f"{standing.money / base.money:.1f} times the money")
    elif base.tokens and standing.tokens is not None:
        parts.append(f"{standing.tokens / base.tokens:.1f} times the tokens")
    return f", with {' and '.join(parts)}" if parts else ""


def _costs_more(standing: Standing, base: Standing) -> bool:
    if standing.money and base.money:
        return standing.money > base.money
    if standing.tokens and base.tokens:
        return standing.tokens > base.tokens
    return standing.calls > base.calls


def _questions(count: int) -> str:
    return f"{count:,} question" if count == 1 else f"{count:,} questions"
