"""Racing: a trial that is shown to be worse than the incumbent is stopped before it has answered every question.

All trials of a study answer the same search questions in one random order, see `question_order`. After each block
of questions the trial is compared with the incumbent, the best trial so far that answered all of them, question by
question. `RacingRule.look` says whether to stop; `estimate_score` says what a stopped trial would have scored.

**The test.** Of the questions that both sides have a score for, let d be trial minus incumbent. The rule bets
against the trial: for several sizes of the bet, and for one question after the other, it multiplies

    1 - bet * (d - floor) / (1 - floor)

where ``floor`` is the least mean that the next d can have if the trial is *not* worse. The mean over the bets is
the e-value. If the trial is not worse it has an expectation of at most 1 wherever one stops, so the chance that it
ever reaches 1/alpha is at most alpha, however often one looks (Ville's inequality). A question on which both sides
do the same changes nothing while ``floor`` is 0: on right and wrong answers that is a sequential sign test.

Sources: Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting (J. R. Stat. Soc. B 86,
2024; arXiv 2010.09686); without replacement: Waudby-Smith and Ramdas (arXiv 2006.04347); the mixture over bets:
Robbins, Statistical methods related to the law of the iterated logarithm (Ann. Math. Stat. 41, 1970).

**What is promised**, see `RacingRule.about`, and docs/design/racing.md for the figures:

- ``these``: a trial that would end with at least the incumbent's mean *on the questions of this study* is stopped
  with a chance of at most alpha. Only the order of the questions has to be random: that the incumbent was chosen
  as the best of many on the very same questions does no harm. So the trial that would come out first without
  racing is lost with a chance of about alpha at most, for however many trials: it is raced once.
- ``all``: the same for the mean over all questions of the kind. This holds for an incumbent that was not chosen by
  its scores on these questions. One that was is lucky on them; `RacingRule.races` makes up for that.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from archon_graph.core.config import nearest
from archon_graph.evals.statistics.arrays import Floats, Values, as_floats

BETS: Final = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Sizes of the bets, as parts of the most that one can bet. On right and wrong answers the best is (losses - wins)
/ (losses + wins); where that is below 0.2, no study has questions enough to see it."""

_HIGHEST_FLOOR = 1.0 - 1e-6
_MOST_WEALTH = 1e100
"""Keeps numbers finite; less wealth never stops a trial that more would not."""
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a look at a trial says."""

    dropped: bool
    """Whether the trial is to be stopped. It stays so, whatever comes after."""
    reason: str
    """``worse`` if the evidence sufficed, ``out of reach`` if nothing to come could make up for it, else empty."""
    dropped_at: int | None
    """How many questions had been answered at the look that stopped it."""
    e_value: float
    """The evidence that the trial is worse: the largest e-value at any look up to here, 1 before the first."""
    needed: float
    """The evidence that stops a trial."""
    n: int
    """Questions seen that both sides have a score for."""
    difference: float | None
    """Mean of trial minus incumbent on them; ``None`` if there is none."""
    unscored: int
    """Questions seen that were left out because a side has no score."""

    @property
    def p_value(self) -> float:
        """The chance, at most, of so much evidence at any look if the trial is not worse."""
        return min(1.0, 1.0 / self.e_value)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    def __str__(self) -> str:
        seen = "no question yet" if self.difference is None else f"{self.difference:+.3f} on {self.n} questions"
        evidence = f"evidence {self.e_value:.3g} of {self.needed:g}"
        return f"stopped, {self.reason}: {seen}, {evidence}" if self.dropped else f"goes on: {seen}, {evidence}"


@dataclass(frozen=True, kw_only=True)
class RacingRule:
    """When a trial is stopped.

    Raises:
        ValueError: A setting is out of its range; the message says which.
    """

    alpha: float = 0.05
    """The chance, at most, that a race stops a trial which is not worse than its incumbent."""
    block: int = 5
    """Questions between two looks. Looking more often is no less safe, and saves more."""
    min_questions: int = 10
    """No trial is stopped before so many questions with both scores: its estimate would be worth too little."""
    margin: float = 0.0
    """A trial whose mean is lower by no more than this is not worse. Above 0, near misses are finished too."""
    about: Literal["these", "all"] = "these"
    """Which mean is meant: that of *these* search questions, or that over *all* questions of their kind.

    ``these`` never stops, but for alpha, what would have come out first of the search, and saves most. ``all``
    also spares a trial that is behind on these questions by bad luck; take it if questions may be added later."""
    races: int = 1
    """Races that alpha is spent over, each with alpha / races (Bonferroni).

    With 1, the best trial is safe in its one race. With the number of trials, so are all that are not worse than
    their incumbents, together; and for ``all``, the best one is safe however luckily its incumbent was chosen. It
    costs most of what racing saves."""

    def __post_init__(self) -> None:
        checks = [
            ("alpha", _number(self.alpha) and 0.0 < self.alpha < 1.0, "lies between 0 and 1"),
            ("block", _whole(self.block), "is a whole number from 1"),
            ("min_questions", _whole(self.min_questions), "is a whole number from 1"),
            ("margin", _number(self.margin) and 0.0 <= self.margin < 1.0, "lies between 0 and 1, and may be 0"),
            ("about", self.about in ("these", "all"), "is 'these' or 'all'"),
            ("races", _whole(self.races), "is a whole number from 1"),
        ]
        for name, fine, rule in checks:
            if not fine:
                raise ValueError(f"{name} of a racing rule {rule}, got {getattr(self, name)!r}")

    def to_config(self) -> dict[str, Any]:
        """The rule as plain data."""
        return asdict(self)

    @classmethod
    def from_config(cls, data: Mapping[str, Any]) -> RacingRule:
        """A rule from plain data, as `to_config` gives it; what is missing has its default.

        Raises:
            ValueError: There is no such setting, or a value is out of its range.
        """
        known = [one.name for one in fields(cls)]
        for name in data:
            if name not in known:
                hint = nearest(str(name), known)
                raise ValueError(f"a racing rule has no {name!r}{hint}; it has {', '.join(known)}")
        return cls(**data)

    @property
    def needed(self) -> float:
        """The e-value that stops a trial."""
        return self.races / self.alpha

    def look(self, trial: Values, incumbent: Values, *, questions: int | None = None) -> Look:
        """What the answers so far say about a trial.

        Depends on nothing but its arguments: a study that is resumed decides as before. It looks where the rule
        says, after each block, and not after the last question, where there is nothing left to save. Answers
        beyond a look that stops the trial change nothing about it.

        Args:
            trial: Its scores so far, from 0 to 1, in the order in which all trials answer.
            incumbent: The scores of the incumbent in the same order; more of them than of the trial, usually all.
            questions: How many questions there are; by default as many as the incumbent has answered.

        Raises:
            ValueError: A score is not from 0 to 1, or the numbers of scores do not fit together.
        """
        mine, mine_there = _scores(trial, "the trial")
        theirs, theirs_there = _scores(incumbent, "the incumbent")
        total = _checked_sizes(len(mine), len(theirs), questions)
        seen = len(mine)
        there = mine_there & theirs_there[:seen]
        differences = (mine - theirs[:seen])[there]
        # Questions ahead count as ones that will have both scores, unless the incumbent has none.
        may_count = np.ones(total, dtype=bool)
        may_count[: len(theirs)] = theirs_there
        ahead = np.cumsum(may_count[::-1])[::-1][:seen][there].astype(np.float64)
        room = np.where(may_count, 1.0, 0.0)
        room[: len(theirs)] -= np.where(theirs_there, theirs, 0.0)
        evidence = _evidence(differences[None, :], ahead if self.about == "these" else None, self.margin)[0]
        largest, reason, dropped_at = 1.0, "", None
        for place in self._looks(seen, total):
            count = int(there[:place].sum())
            if count < self.min_questions:
                continue
            largest = max(largest, float(evidence[count - 1]))
            if largest >= self.needed:
                reason = "worse"
            elif self.about == "these":
                best = math.fsum(differences[:count]) + math.fsum(room[place:])
                pool = count + int(may_count[place:].sum())
                reason = "out of reach" if best < -self.margin * pool - _ROUNDING else ""
            if reason:
                dropped_at = place
                break
        size = len(differences)
        return Look(
            dropped=dropped_at is not None,
            reason=reason,
            dropped_at=dropped_at,
            e_value=largest,
            needed=self.needed,
            n=size,
            difference=math.fsum(differences) / size if size else None,
            unscored=seen - size,
        )

    def race(self, trials: Floats, incumbents: Floats) -> NDArray[np.intp]:
        """How many questions each of many trials answers: all of them, or as many as when it is stopped.

        The same as `look` after each question, for many races at once, which simulations need.

        Args:
            trials: In each row all scores of a trial, none of them unscored.
            incumbents: In each row those of its incumbent.
        """
        differences = np.asarray(trials, dtype=np.float64) - incumbents
        total = differences.shape[1]
        these = self.about == "these"
        evidence = _evidence(differences, np.arange(total, 0.0, -1.0) if these else None, self.margin)
        sums = np.cumsum(differences, axis=1)
        room = np.cumsum((1.0 - np.asarray(incumbents, dtype=np.float64))[:, ::-1], axis=1)[:, ::-1]
        answered = np.full(len(differences), total, dtype=np.intp)
        for place in self._looks(total, total):
            if place >= self.min_questions:
                stopped = evidence[:, place - 1] >= self.needed
                if these:
                    stopped |= sums[:, place - 1] + room[:, place] < -self.margin * total - _ROUNDING
                answered = np.where(stopped & (answered == total), place, answered)
        return answered

    def _looks(self, seen: int, total: int) -> range:
        """After how many questions one looks."""
        return range(self.block, min(seen, total - 1) + 1, self.block)


@dataclass(frozen=True, kw_only=True)
class Estimated:
    """What a trial scores on all search questions, as far as one can tell."""

    mean: float | None
    """The estimate; ``None`` if there is no score to make one from."""
    standard_error: float | None
    """Its standard error as an estimate for all questions of the kind; ``None`` for fewer than two scores."""
    n: int
    """Scores of the trial that it is made from."""
    unscored: int
    """Questions seen that were left out because there is no score."""
    method: Literal["complete", "raced"]
    """``complete``: the mean over all questions. ``raced``: the incumbent's mean plus the paired difference."""

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def estimate_score(
    trial: Values, incumbent: Values = (), *, questions: int, prior_questions: float = 10.0
) -> Estimated:
    """What a trial scores on all questions, also if it was stopped.

    A trial that answered every question scores its mean. For one that was stopped, the mean so far would say as
    much about the questions seen as about the trial. Its estimate is the incumbent's mean on all questions plus
    the paired difference: as it is on the questions seen, and on the others as if ``prior_questions`` more had
    been seen without a difference. Trials are stopped where they look worst, so the plain difference is too low.
    The estimate is cut to lie from 0 to 1.

    Source: a difference estimator (Cochran, Sampling techniques, 1977, section 7.10, with a slope of 1) that
    predicts what was not seen with a normal prior around 0, as James and Stein's shrinkage does.

    Args:
        trial: Its scores so far, from 0 to 1, in the order in which all trials answer.
        incumbent: All scores of the incumbent in the same order; not needed for a trial that is complete.
        questions: How many questions there are.
        prior_questions: The strength of the prior; 0 for the plain paired difference.

    Raises:
        ValueError: A score is not from 0 to 1, there are more scores than questions, a trial that is not complete
            is given without all scores of the incumbent, or the prior is negative.
    """
    mine, mine_there = _scores(trial, "the trial")
    theirs, theirs_there = _scores(incumbent, "the incumbent")
    seen = len(mine)
    if seen > questions or len(theirs) > questions:
        most = max(seen, len(theirs))
        raise ValueError(f"there are {questions} questions, and {most} scores; give the number of all questions")
    if not (math.isfinite(prior_questions) and prior_questions >= 0.0):
        raise ValueError(f"prior_questions is a finite number from 0, got {prior_questions!r}")
    if seen == questions:
        x = mine[mine_there]
        size = len(x)
        return Estimated(
            mean=math.fsum(x) / size if size else None,
            standard_error=math.sqrt(float(x.var(ddof=1)) / size) if size > 1 else None,
            n=size,
            unscored=seen - size,
            method="complete",
        )
    if len(theirs) < questions:
        raise ValueError(
            f"the score of a trial stopped after {seen} of {questions} questions is estimated from all scores of "
            f"its incumbent, got {len(theirs)}; give all {questions}"
        )
    there = mine_there & theirs_there[:seen]
    other, base = theirs[theirs_there], theirs[:seen][there]
    differences = mine[there] - base
    size, every = len(differences), len(other)
    mean: float | None = None
    error: float | None = None
    if size:
        # How much of the mean difference counts: all of it on what was seen, less of it on the rest.
        weight = (size + (every - size) * size / (size + prior_questions)) / every
        mean = min(1.0, max(0.0, math.fsum(other) / every + weight * math.fsum(differences) / size))
        if size > 1:
            shared = float(np.cov(base, differences)[0, 1])
            variance = float(other.var(ddof=1)) / every + 2 * weight * shared / every
            variance += weight * float(differences.var(ddof=1)) / size
            error = math.sqrt(max(0.0, variance))
    return Estimated(mean=mean, standard_error=error, n=size, unscored=seen - size, method="raced")


def question_order(ids: Sequence[str], seed: int) -> list[str]:
    """The order in which every trial of a study answers its questions.

    It looks drawn, depends on nothing but the ids and the seed, and is the same on every machine. A question that
    is added takes some place among the others, whose order stays.

    Raises:
        ValueError: An id stands there twice.
    """
    repeated = [name for name, count in Counter(ids).items() if count > 1]
    if repeated:
        raise ValueError(f"every question is asked once, got {repeated[0]!r} more than once")
    return sorted(ids, key=lambda name: (hashlib.sha256(f"race\0{seed}\0{name}".encode()).digest(), name))


def _evidence(differences: Floats, ahead: Floats | None, margin: float) -> Floats:
    """The e-value after each question, for many races at once, one in each row.

    ``ahead`` says for each question how many are left with it; ``None`` if there is no end of them. Products and
    sums are taken one after the other, so that the same scores give the same bits, alone or among others.
    """
    rows, size = differences.shape
    wealth = [np.ones(rows) for _ in BETS]
    total = np.zeros(rows)
    evidence = np.empty((rows, size))
    for place in range(size):
        now = differences[:, place]
        if ahead is None:
            floor = np.full(rows, -margin)
        else:
            left = float(ahead[place])
            floor = np.clip((-margin * (place + left) - total) / left, -1.0, _HIGHEST_FLOOR)
        surplus = (now - floor) / (1.0 - floor)
        mixed = np.zeros(rows)
        for number, bet in enumerate(BETS):
            wealth[number] = np.minimum(wealth[number] * (1.0 - bet * surplus), _MOST_WEALTH)
            mixed = mixed + wealth[number]
        evidence[:, place] = mixed / len(BETS)
        total = total + now
    return evidence


def _scores(values: Values, whose: str) -> tuple[Floats, NDArray[np.bool_]]:
    array, there = as_floats(values)
    outside = np.flatnonzero(there & ((array < 0.0) | (array > 1.0)))
    if len(outside):
        place = int(outside[0])
        raise ValueError(
            f"racing needs scores from 0 to 1, got {array[place]} at place {place} of {whose}; rescale the scorer"
        )
    return array, there


def _checked_sizes(seen: int, known: int, questions: int | None) -> int:
    total = known if questions is None else questions
    if not seen <= known <= total:
        raise ValueError(
            f"the incumbent has answered what the trial has, and no more than all questions; got {seen} scores of "
            f"the trial and {known} of the incumbent for {total} questions"
        )
    return total


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 1
