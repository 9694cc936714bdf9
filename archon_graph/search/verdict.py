"""``judge``: what a study comes to, in words; that a single model wins is one of the things it can say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from archon_graph.evals.comparison import Standing, family_interval
from archon_graph.search.baselines import BASELINES, BEST_OF_N, SELF_CONSISTENCY, SINGLE

if TYPE_CHECKING:
    from archon_graph.evals.statistics import Difference
    from archon_graph.search.findings import Findings, HeldOut

Kind = Literal["better", "single", "not shown", "worse", "unfinished"]
"""``better``: the winner is shown to be better than the best single model. ``single``: a single model is the
winner. ``not shown``: the held-out questions do not tell the winner apart from the best single model. ``worse``:
it is shown to be worse there. ``unfinished``: there are no held-out results yet."""

SAVE = "Save your money: take the single model."
"""What is advised where nothing is shown to be better."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a study comes to."""

    kind: Kind
    """In a word."""
    sentences: tuple[str, ...]
    """In sentences, the most important first."""
    instead: str | None = None
    """The baseline of equal cost that is shown to be better than the winner and is to be taken instead."""

    @property
    def single_model_wins(self) -> bool:
        """Whether the advice is to take a single model."""
        return self.kind in {"single", "not shown", "worse"}


def judge(found: Findings) -> Verdict:
    """The verdict on what was found. It rests on held-out questions alone; only the winner is chosen elsewhere."""
    if found.winner is None:
        best = found.best_trial
        told = (
            []
            if best is None
            else [f"So far {best.name} is ahead on the search questions, with {_score(best.score)}."]
        )
        return Verdict(kind="unfinished", sentences=("The search is not over.", *told))
    held_out = found.held_out
    if held_out is None:
        return Verdict(
            kind="unfinished",
            sentences=(
                f"{found.winner.name} won on the selection questions. What it is worth has not been measured yet.",
                *_tied(found),
            ),
        )
    kind, first = _against_single(found, held_out)
    instead = _better_baseline(held_out)
    sentences = [
        first,
        *_instead(held_out, instead),
        *_against_equal_cost(held_out, told=instead),
        *_alike(held_out),
        *_tied(found),
        *_looks(found),
        *_parts(found),
    ]
    if not held_out.finished:
        done = min(standing.questions for standing in held_out.summary.standings)
        sentences.append(
            f"Not finished: {done} of {held_out.questions} held-out questions are done; the same command goes on."
        )
    return Verdict(kind=kind, sentences=tuple(sentences), instead=instead)


def _against_single(found: Findings, held_out: HeldOut) -> tuple[Kind, str]:
    assert found.winner is not None  # noqa: S101 - the caller saw to it
    name, winner = found.winner.name, held_out.summary.standings[0]
    difference = held_out.differences.get(SINGLE)
    if difference is None:
        # The winner *is* the best single model.
        return "single", (
            f"A single model wins: {name}, with {_score(winner.score.mean)} on {winner.score.n} held-out "
            f"questions. Nothing that was tried did better on the selection questions. {SAVE}"
        )
    single = next(each for each in held_out.summary.standings if each.architecture == SINGLE)
    shown = f"{family_interval(difference)} on {difference.n} held-out questions{_price(winner, single)}"
    scores = f"{_score(winner.score.mean)} against {_score(single.score.mean)}"
    if difference.mean is None:
        return "unfinished", f"{name} and the best single model have no held-out question with a score in common."
    if difference.tied:
        return "not shown", (
            f"A single model wins for what it costs: {name} is not shown to be better than the best single model "
            f"({scores}; {shown}). {SAVE}"
        )
    if difference.mean < 0:
        return (
            "worse",
            f"A single model wins: {name} is worse than the best single model ({scores}; {shown}). {SAVE}",
        )
    return "better", f"{name} is better than the best single model: {scores}, {shown}."


def _better_baseline(held_out: HeldOut) -> str | None:
    """The baseline of equal cost that is shown to be better than the winner; of several the one furthest ahead."""
    behind = {
        name: difference.mean
        for name in (BEST_OF_N, SELF_CONSISTENCY)
        if (difference := held_out.differences.get(name)) is not None
        and difference.mean is not None
        and difference.mean < 0
        and not difference.tied
    }
    return min(behind, key=behind.__getitem__, default=None)


def _instead(held_out: HeldOut, name: str | None) -> list[str]:
    if name is None:
        return []
    standings = {each.architecture: each for each in held_out.summary.standings}
    winner, other = held_out.summary.standings[0], standings[name]
    scores = f"{_score(other.score.mean)} against {_score(winner.score.mean)}"
    told = (
        f"But take {name} instead: with the best single model and as many calls it is better than what was found, "
        f"{scores}; the winner minus it is {family_interval(held_out.differences[name])}{_price(winner, other)}."
    )
    return [told]


def _looks(found: Findings) -> list[str]:
    if not found.looks:
        return []
    times = "once" if found.looks == 1 else f"{found.looks} times"
    told = (
        f"The search went on after held-out questions had been answered ({times}). Who goes on until the result "
        f"pleases will be pleased: questions that nobody has seen tell for certain."
    )
    return [told]


def _against_equal_cost(held_out: HeldOut, *, told: str | None) -> list[str]:
    sentences = []
    standings = {each.architecture: each for each in held_out.summary.standings}
    winner = held_out.summary.standings[0]
    for name, difference in held_out.differences.items():
        if name in (SINGLE, told) or difference.mean is None:
            continue
        sentences.append(
            f"Against {name} it is {_word(difference)}: {family_interval(difference)}"
            f"{_price(winner, standings[name])}."
        )
    return sentences


def _alike(held_out: HeldOut) -> list[str]:
    """Why something that is always measured has no line in the table."""
    told = []
    for name, other in held_out.alike.items():
        ours, theirs = (name, other) if other in BASELINES else (other, name)
        told.append(
            f"The {ours} is the same architecture as the baseline {theirs}: among the held-out results, both are "
            f"in the line of {other}."
        )
    return told


def _tied(found: Findings) -> list[str]:
    tied = found.tied
    if not tied:
        return []
    names = ", ".join(entry.name for entry in tied)
    return [f"Not told apart from it on the selection questions: {names}."]


def _parts(found: Findings) -> list[str]:
    told = []
    useless = [gain.what for gain in found.gains if gain.useless]
    if useless:
        told.append(f"On the selection questions it does as well without: {', '.join(useless)}.")
    if found.pruned is not None:
        told.append(
            f"Pruned of what adds nothing it is {found.pruned.name}, with at most {found.pruned.calls} "
            f"{'call' if found.pruned.calls == 1 else 'calls'}."
        )
    return told


def _word(difference: Difference) -> str:
    return "not told apart" if difference.tied else "better" if (difference.mean or 0.0) > 0 else "worse"


def _price(winner: Standing, other: Standing) -> str:
    if not other.calls:
        return ""
    parts = [f"{winner.calls / other.calls:.1f} times the calls"]
    if winner.tokens and other.tokens:
        parts.append(f"{winner.tokens / other.tokens:.1f} times the tokens")
    return f", with {' and '.join(parts)}"


def _score(value: float | None) -> str:
    return "no score" if value is None else f"{value:.3f}"
