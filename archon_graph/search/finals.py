"""The end of a study: finalists, the winner, what each of its nodes adds, held-out questions against baselines.

Three sets of questions that never overlap: the search chose by the first, so its scores flatter whom it chose.
The finalists are scored again on the second, and the best there wins. What the winner is worth is said by the
third, on which nothing was chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from archon_graph.core import Architecture
from archon_graph.evals.benchmarks import Item
from archon_graph.evals.statistics import estimate_mean
from archon_graph.models import ModelLike
from archon_graph.models.providers import label
from archon_graph.search.ablation import variants, without
from archon_graph.search.baselines import equal_cost_baselines
from archon_graph.search.evaluating import Evaluator, side_by_side
from archon_graph.search.searching import Search, single_model
from archon_graph.search.spec import StudySpec
from archon_graph.search.store import StudyStore
from archon_graph.search.trial import Trial

OnPhase = Callable[[str], None]


class Finals:
    """What follows on a search that ranked the models, so that there is always somebody to choose.

    Args:
        spec: What was searched.
        store: The study's directory, held for writing.
        evaluator: Has architectures answer.
        search: The search, which is over.
        on_phase: Told what is being done.
    """

    def __init__(
        self,
        spec: StudySpec,
        store: StudyStore,
        evaluator: Evaluator,
        search: Search,
        *,
        on_phase: OnPhase = lambda _: None,
    ) -> None:
        self._spec = spec
        self._store = store
        self._evaluator = evaluator
        self._search = search
        self._on_phase = on_phase
        self._decided = store.decisions()

    async def go(self) -> None:
        """Come to a winner, take it apart, and hold it against the baselines.

        Raises:
            SpentError: The budget is spent; the next start goes on from here.
        """
        winner = await self._winner(self._finalists())
        pruned = await self._take_apart(winner) if self._spec.ablate else None
        await self._hold_out(winner, pruned)
        self._decide("done", is_=True)

    # --- finalists and winner ---------------------------------------------------------------------------------

    def _finalists(self) -> list[Architecture]:
        if "finalists" not in self._decided:
            chosen = finalists_of(list(self._search.trials.values()), self._spec.finalists, self._best_single())
            self._decide("finalists", chosen)
        entries = self._store.entries()
        return [entries[fingerprint].architecture for fingerprint in self._decided["finalists"]]

    async def _winner(self, finalists: Sequence[Architecture]) -> Architecture:
        self._on_phase(f"{len(finalists)} finalists on the selection questions")
        items = self._items("selection")
        means = await side_by_side(self._mean(each, items) for each in finalists)
        if "winner" not in self._decided:
            # The best; of equal ones the cheapest, then the one that did better in the search.
            ranked = sorted(
                range(len(finalists)), key=lambda place: (-means[place], finalists[place].max_calls, place)
            )
            self._decide("winner", finalists[ranked[0]].fingerprint)
        return next(each for each in finalists if each.fingerprint == self._decided["winner"])

    def _best_single(self) -> str:
        """The fingerprint of the model that did best alone."""
        return single_model(self._best_model()).fingerprint

    def _best_model(self) -> ModelLike:
        models = {label(model): model for model in self._spec.space.models}
        return models[self._decided["ranking"][0]]

    # --- what each node adds ----------------------------------------------------------------------------------

    async def _take_apart(self, winner: Architecture) -> Architecture | None:
        """Evaluate the winner without each of its parts; return it without those that add nothing."""
        items = self._items("selection")
        parts = variants(winner)
        self._on_phase(f"what each of {len(parts)} parts of the winner adds")
        full = await self._mean(winner, items)
        means = await side_by_side(self._mean(part.architecture, items) for part in parts)
        self._decide(
            "variants",
            [
                {"without": list(part.without), "what": part.what, "fingerprint": part.architecture.fingerprint}
                for part in parts
            ],
        )
        order = sorted(range(len(parts)), key=lambda place: -means[place])
        removed: list[str] = []
        pruned: Architecture | None = None
        best = full
        for place in order:
            part = parts[place]
            if means[place] < full:
                break
            if part.what != " and ".join(part.without) or set(part.without) & set(removed):
                continue  # fewer samples are no node less
            left = without(winner, [*removed, *part.without])
            # Without who chose, more may reach those who pay for each candidate.
            if left is None or left.max_calls >= (pruned or winner).max_calls:
                continue
            # Two nodes may each add nothing and yet not both be spared, so what is left is measured as a whole.
            mean = await self._mean(left, items)
            if mean < best:
                continue
            removed, pruned, best = [*removed, *part.without], left, mean
        self._decide("pruned", None if pruned is None else {"fingerprint": pruned.fingerprint, "without": removed})
        return pruned

    # --- held out ---------------------------------------------------------------------------------------------

    async def _hold_out(self, winner: Architecture, pruned: Architecture | None) -> None:
        baselines = equal_cost_baselines(self._best_model(), winner.max_calls)
        for architecture in baselines.values():
            self._evaluator.keep(architecture)
        self._decide("baselines", {name: each.fingerprint for name, each in baselines.items()})
        items = self._items("holdout")
        compared = {each.fingerprint: each for each in (winner, *baselines.values())}
        if pruned is not None:
            compared.setdefault(pruned.fingerprint, pruned)
        self._on_phase(f"{len(compared)} architectures on {len(items)} held-out questions")
        # Question by question, so that all have answered the same ones if it ends early.
        await side_by_side(self._evaluator.answers(each, [item]) for item in items for each in compared.values())

    # --- what all of it needs ---------------------------------------------------------------------------------

    def _items(self, split: str) -> list[Item]:
        return list(self._spec.data[split].items)

    async def _mean(self, architecture: Architecture, items: Sequence[Item]) -> float:
        rows = await self._evaluator.answers(architecture, items)
        mean = estimate_mean([row.score.value for row in rows]).mean
        return -1.0 if mean is None else mean

    def _decide(self, about: str, is_: object) -> None:
        if about not in self._decided:
            self._store.decide(about, is_)
            self._decided[about] = is_


def finalists_of(trials: Sequence[Trial], most: int, single: str | None) -> list[str]:
    """The fingerprints of the trials that are scored again: those with the highest scores, or estimates of them.

    A trial that racing stopped takes part by its estimate, see `archon_graph.search.racing`: who is behind on the
    search questions need not be on others, and now and then it is the truly best one. The best single model is
    always among the finalists, so that it can win.

    Args:
        trials: All trials.
        most: How many, the single model not counted if it is not one of the best.
        single: The fingerprint of the best single model.
    """
    known = [trial for trial in trials if trial.status != "failed" and trial.score is not None]
    # What was measured to the end is known better than by an estimate of the same architecture.
    whole = {trial.fingerprint for trial in known if trial.status == "complete"}
    known = [trial for trial in known if trial.status == "complete" or trial.fingerprint not in whole]
    ranked = sorted(
        known, key=lambda trial: (-(trial.score or 0.0), trial.cost.calls if trial.cost else 0.0, trial.number)
    )
    # The best come first: `ascending` once kept the worst.
    chosen = list(dict.fromkeys(trial.fingerprint for trial in ranked))[:most]
    if single is not None and single not in chosen and any(trial.fingerprint == single for trial in known):
        chosen.append(single)
    return chosen
