"""The rules by which many combinations of values become one canonical point, or none.

An axis may mean something only if those before it say so, and different values may come to the same graph. Each
rule here says for one axis, given what is settled before it: it is *inactive*, the combination is *invalid*, or
which of its values stands for all that come to the same. Both reading a point and listing all points use them, so
that there is one truth. The tests prove them equal to what the decoded graphs say of themselves.

What is left out because it could change no answer: an evaluation layer, a ranker, and a final ranker or voter that
would get a single candidate. What is clamped: a ``top_k`` larger than what comes in keeps all. What is invalid:

| combination | reason |
| --- | --- |
| ``final: none`` behind several candidates and no evaluation layer | the answer would merely be the first |
| more candidates into one prompt than ``most_candidates`` | models lose track, and context windows end |
| ``temperature: 0`` with several samples | they would all be the same |
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archon_graph.search.axes import DECIDING, NAMES, RANKED
from archon_graph.search.point import Value

if TYPE_CHECKING:
    from archon_graph.search.axes import Axis


class Verdict(enum.Enum):
    """What becomes of an axis that has no value."""

    INACTIVE = "inactive"
    INVALID = "invalid"


INACTIVE, INVALID = Verdict.INACTIVE, Verdict.INVALID

Settled = dict[str, Any]
"""The values settled so far, of active axes only."""


class Rules:
    """The rules of one space: its axes, its models and its bound on prompts.

    Args:
        axes: Every axis by name.
        models: Labels of the space's models, the best first.
        most_candidates: How many candidates may go into one prompt.
    """

    def __init__(self, axes: Mapping[str, Axis], models: Sequence[str], most_candidates: int) -> None:
        self._values = {name: axes[name].values for name in NAMES}
        self._models = tuple(models)
        self._most = most_candidates
        self._rules: dict[str, Callable[[Settled, Any], Value | Verdict]] = {
            "temperature": self._temperature,
            "revisions": self._revisions,
            "fusion_layers": self._fusion_layers,
            "fusers": self._fusers,
            "evaluation": self._evaluation,
            "final": self._final,
            "eval_top_k": self._eval_top_k,
            "critic": self._critic,
            "ranker": self._ranker,
            "rank_top_k": self._rank_top_k,
            "judge_model": self._judge_model,
            "fuser_model": self._fuser_model,
        }

    def settle(self, name: str, settled: Settled, value: Value) -> Value | Verdict:
        """What a value of an axis comes to, given what is settled of the axes before it."""
        rule = self._rules.get(name)
        return value if rule is None else rule(settled, value)

    def canonical(self, values: Mapping[str, Value]) -> Settled | None:
        """The canonical values; ``None`` if the combination is invalid. An axis that is missing has its first."""
        settled: Settled = {}
        for name in NAMES:
            value = self.settle(name, settled, values.get(name, self._values[name][0]))
            if value is INVALID:
                return None
            if value is not INACTIVE:
                settled[name] = value
        return settled

    def walk(
        self,
        choices: Callable[[str], Iterable[Value]],
        fits: Callable[[Settled], bool] = lambda settled: True,  # noqa: ARG005
    ) -> Iterator[Settled]:
        """All canonical values that come of these values of each axis, each once, in order.

        Args:
            choices: Which values an axis may take.
            fits: Whether to go on, asked once what decides the calls is settled.

        Yields:
            What is settled; it is changed between two steps, so copy what you keep.
        """
        settled: Settled = {}
        offered = [tuple(choices(name)) for name in NAMES]
        # Not recursive: a hundred thousand points through a dozen generators each would take three times as long.
        open_: list[Iterator[Value | Verdict]] = [iter(self._outcomes(0, settled, offered))]
        while open_:
            depth = len(open_) - 1
            settled.pop(NAMES[depth], None)
            outcome = next(open_[-1], INVALID)
            if outcome is INVALID:
                open_.pop()
                continue
            if outcome is not INACTIVE:
                settled[NAMES[depth]] = outcome
            if depth + 1 == DECIDING and not fits(settled):
                continue
            if depth + 1 == len(NAMES):
                yield settled
            else:
                open_.append(iter(self._outcomes(depth + 1, settled, offered)))

    def _outcomes(self, depth: int, settled: Settled, offered: Sequence[Sequence[Value]]) -> list[Value | Verdict]:
        """What the values of an axis come to, each once, the invalid ones left out."""
        name, values = NAMES[depth], offered[depth]
        rule = self._rules.get(name)
        if rule is None:
            return list(values)
        outcomes = dict.fromkeys(rule(settled, value) for value in values)
        outcomes.pop(INVALID, None)
        return list(outcomes)

    def alike(self, name: str, settled: Mapping[str, Any]) -> list[Value]:
        """The values of an axis that come to what it is settled to; all of them if it is inactive."""
        before: Settled = {}
        for other in NAMES:
            if other == name:
                break
            if other in settled:
                before[other] = settled[other]
        wanted = settled.get(name, INACTIVE)
        return [value for value in self._values[name] if same(self.settle(name, before, value), wanted)]

    # --- one rule for each axis -----------------------------------------------------------------------------

    def _temperature(self, settled: Settled, value: Any) -> Value | Verdict:
        found: Value | Verdict = INVALID if value == 0.0 and settled["samples"] > 1 else value
        return found

    def _revisions(self, settled: Settled, value: Any) -> Value | Verdict:
        found: Value | Verdict = INVALID if value and drawn(settled) > self._most else value
        return found

    def _fusion_layers(self, settled: Settled, value: Any) -> Value | Verdict:
        found: Value | Verdict = INVALID if value and drawn(settled) > self._most else value
        return found

    def _fusers(self, settled: Settled, value: Any) -> Value | Verdict:
        if not settled["fusion_layers"]:
            return INACTIVE
        # Whatever reads them next, be it fusers or a ranker, sees all of them; a voter or a verifier does not,
        # but a layer that wide is no use to anybody.
        found: Value | Verdict = value if value <= self._most else INVALID
        return found

    def _evaluation(self, settled: Settled, value: Any) -> Value | Verdict:
        found: Value | Verdict = INACTIVE if merged(settled) < 2 else value
        return found

    def _final(self, settled: Settled, value: Any) -> Value | Verdict:
        count = merged(settled)
        if count == 1:
            # One candidate is the answer, whatever would choose among one: they all come to the same.
            idle = ["fuser"] if value == "fuser" else [one for one in self._values["final"] if one != "fuser"]
            return "none" if "none" in idle else idle[0]
        judged = settled.get("evaluation", "none")
        if value == "none" and judged == "none":
            return INVALID
        # What unit tests pass on is bounded by eval_top_k; whatever else goes on is all there is.
        if value in {"fuser", "ranker"} and judged in {"none", "verifier"} and count > self._most:
            return INVALID
        kept: Value = value
        return kept

    def _eval_top_k(self, settled: Settled, value: Any) -> Value | Verdict:
        if settled.get("evaluation", "none") in {"none", "verifier"} or settled["final"] == "none":
            return INACTIVE
        if min(value, merged(settled)) > self._most and settled["final"] != "voter":
            return INVALID
        return self._clamped("eval_top_k", value, merged(settled))

    def _critic(self, settled: Settled, value: Any) -> Value | Verdict:
        steps = read_by(settled)
        if not steps:
            return INACTIVE
        return self._alike_place("critic", value, lambda place: places(place, len(steps)))

    def _ranker(self, settled: Settled, value: Any) -> Value | Verdict:
        counts = fused(settled)
        if not any(count > 1 for count in counts):
            return INACTIVE
        return self._alike_place("ranker", value, lambda place: ranked(place, counts))

    def _rank_top_k(self, settled: Settled, value: Any) -> Value | Verdict:
        counts = fused(settled)
        sees = [counts[place] for place in ranked(settled.get("ranker", "none"), counts)]
        return self._clamped("rank_top_k", value, max(sees)) if sees else INACTIVE

    def _judge_model(self, settled: Settled, value: Any) -> Value | Verdict:
        asked = settled["revisions"] or (settled["final"] == "ranker" and merged(settled) > 1)
        asked = asked or settled.get("evaluation", "none") in {"verifier", "tests", "executed"}
        asked = asked or settled.get("critic", "none") != "none"
        counts = fused(settled)
        if not asked and not ranked(settled.get("ranker", "none"), counts):
            return INACTIVE
        return self._named("judge_model", value)

    def _fuser_model(self, settled: Settled, value: Any) -> Value | Verdict:
        several = settled["fusion_layers"] and len(self._models) > 1
        if several:
            found: Value = value
            return found
        asked = settled["fusion_layers"] or settled["final"] == "fuser" or settled["revisions"]
        return self._named("fuser_model", value) if asked else INACTIVE

    # --- which value stands for all that come to the same -----------------------------------------------------

    def _clamped(self, name: str, value: Any, most: int) -> Value:
        if value < most:
            kept: Value = value
            return kept
        return next(other for other in self._values[name] if isinstance(other, int) and other >= most)

    def _alike_place(self, name: str, value: Any, meaning: Callable[[Any], tuple[int, ...]]) -> Value:
        wanted = meaning(value)
        return next(other for other in self._values[name] if meaning(other) == wanted)

    def _named(self, name: str, value: Any) -> Value:
        best = self._models[0]
        wanted = best if value == RANKED else value
        return next(other for other in self._values[name] if (best if other == RANKED else other) == wanted)


def same(one: object, other: object) -> bool:
    """Whether two values are one and the same; ``1`` and ``True`` are not."""
    return type(one) is type(other) and one == other


# --- how many candidates there are where ------------------------------------------------------------------------


def drawn(settled: Mapping[str, Any]) -> int:
    """How many candidates the generators make."""
    count: int = settled["generators"] * settled["samples"]
    return count


def merged(settled: Mapping[str, Any]) -> int:
    """How many candidates there are after all fusion layers: what the evaluation layer gets."""
    count: int = settled["fusers"] if settled["fusion_layers"] else drawn(settled)
    return count


def left(settled: Mapping[str, Any]) -> int:
    """How many candidates the final step gets at most."""
    kept = settled.get("eval_top_k")
    return merged(settled) if kept is None else min(kept, merged(settled))


def fused(settled: Mapping[str, Any]) -> tuple[int, ...]:
    """How many candidates reach each fusion, before any ranker: the layers, and then the final fuser."""
    layers = settled["fusion_layers"]
    counts = [drawn(settled), *[settled["fusers"]] * (layers - 1)] if layers else []
    return (*counts, left(settled)) if settled["final"] == "fuser" else tuple(counts)


def read_by(settled: Mapping[str, Any]) -> tuple[int, ...]:
    """How many candidates reach each step that reads critiques: the fusions, and the final ranker."""
    final = settled["final"] == "ranker" and merged(settled) > 1
    return (*fused(settled), left(settled)) if final else fused(settled)


def places(where: str, steps: int) -> tuple[int, ...]:
    """Before which of these steps a critic stands."""
    return tuple(range({"none": 0, "first": 1, "every": steps}[where]))


def ranked(where: str, counts: Sequence[int]) -> tuple[int, ...]:
    """Before which fusions a ranker stands: not where a single candidate comes in."""
    return tuple(place for place in places(where, len(counts)) if counts[place] > 1)
