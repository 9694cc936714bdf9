"""A study from its first question to its verdict: what is asked, of whom, when, and what it is paid with."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from archon_graph import Architecture
from archon_graph.models import Budget, ConfigurationError, Usage, providers
from archon_graph.search import STRATEGIES, Cost, Progress, Study, find_strategy
from archon_graph.search.evaluating import UnansweredError
from archon_graph.search.findings import PRUNED, WINNER
from archon_graph.search.store import StudyStore
from tests.search.studying import (
    GOOD,
    HOLDOUT,
    SEARCH,
    SELECTION,
    WEAK,
    Models,
    came_out,
    data,
    lines,
    space,
    spec,
    study,
)


@dataclass
class Done:
    """A study that is over, and the calls that it made."""

    folder: Path
    study: Study
    models: Models

    @property
    def store(self) -> StudyStore:
        return StudyStore(self.study.directory)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    """For tests that only read it."""
    folder, models = tmp_path_factory.mktemp("done"), Models()
    yield Done(folder, asyncio.run(study(folder)), models)
    for name in ("good", "weak"):
        providers._custom.pop(name, None)


def kinds(architecture: Architecture) -> list[set[str]]:
    """The techniques of its layers."""
    return [{architecture.components[node].technique for node in layer} for layer in architecture.layers]


# --- from beginning to end ---------------------------------------------------------------------------------


def test_it_comes_to_a_verdict(done: Done):
    found = done.study.findings
    assert (found.phase, done.study.stopped) == ("done", None)
    assert [trial.number for trial in found.trials] == list(range(1, 8))
    assert [trial.round for trial in found.trials] == [0, 0, 1, 1, 2, 2, 3]
    assert found.winner is not None
    assert found.held_out is not None
    assert found.held_out.finished
    assert found.verdict.kind in {"better", "not shown", "worse", "single"}
    assert done.study.best() == found.winner.architecture
    assert {trial.status for trial in found.trials} <= {"complete", "dropped"}


def test_the_best_architecture_within_limits(done: Done):
    complete = [trial for trial in done.study.trials if trial.status == "complete" and trial.cost]
    for most in sorted({trial.cost.calls for trial in complete if trial.cost}):
        within = [trial for trial in complete if trial.cost and trial.cost.calls <= most]
        best = max(within, key=lambda trial: trial.score or 0.0)
        taken = done.study.best(max_calls=most).fingerprint
        assert best.score == next(trial.score for trial in within if trial.fingerprint == taken)


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"max_calls": 0.5}, "within 0.5 calls a question; the cheapest takes 1 call a question"),
        ({"max_tokens": 1}, "within 1 token a question; the cheapest takes 40 tokens a question"),
        ({"max_seconds": 0.25}, "within 0.25 seconds a question; the cheapest takes 1 second a question"),
        ({"max_money": 1}, "within 1 USD a question; how much money a question takes is not known of any trial"),
        (
            {"max_calls": 5, "max_money": 0.1},
            "within 5 calls and 0.1 USD a question; how much money a question takes is not known of any trial",
        ),
        (
            {"max_calls": 0, "max_tokens": 2},
            (
                "within 0 calls and 2 tokens a question; the cheapest takes 1 call a question, and the cheapest "
                "takes 40 tokens a question"
            ),
        ),
        (
            {"max_calls": 1, "max_seconds": 1},
            (
                "within 1 call and 1 second a question; each limit is kept by some trial, and no trial keeps all "
                "of them"
            ),
        ),
    ],
)
def test_where_nothing_is_within_the_limits_it_is_told_why(
    done: Done, monkeypatch: pytest.MonkeyPatch, limits: dict[str, float], told: str
):
    """Of each cost in its own words: the one that no trial keeps, or that is not known."""
    costs = [
        Cost(calls=1.0, tokens=1_200.0, money=None, seconds=2.0),
        Cost(calls=3.0, tokens=40.0, money=None, seconds=1.0),
    ]
    complete = next(trial for trial in done.study.trials if trial.status == "complete")
    trials = tuple(replace(complete, cost=cost) for cost in costs)
    ended = Study(done.study.directory)
    monkeypatch.setattr(ended, "findings", replace(ended.findings, trials=trials))
    with pytest.raises(ConfigurationError) as error:
        ended.best(**limits)
    assert str(error.value) == f"no trial of {ended.directory} is {told}"


def test_the_front_holds_what_nothing_beats_in_score_and_cost(done: Done):
    complete = {str(trial.number): trial for trial in done.study.trials if trial.status == "complete"}
    kept = {entry.key for entry in done.study.front().entries}
    for name, trial in complete.items():
        beaten = any(
            other.score >= trial.score
            and other.cost.calls <= trial.cost.calls
            and (other.score > trial.score or other.cost.calls < trial.cost.calls)
            for other in complete.values()
        )
        assert (name not in kept) or not beaten


async def test_known_failure_1_the_search_runs_and_adds_fusion_layers(tmp_path: Path):
    """From the first question to a verdict, over architectures with two layers of fusers and more."""
    Models()
    wanted = spec(space=space(fusion_layers=[2], samples=[1], final=["fuser"]), trials=2, racing=None)
    ended = await study(tmp_path, wanted)
    assert ended.findings.phase == "done"
    tried = [ended.findings.entries[trial.fingerprint].architecture for trial in ended.trials if trial.round]
    assert len(tried) == 2
    for architecture in tried:
        assert kinds(architecture) == [{"generator"}, {"fuser"}, {"fuser"}, {"fuser"}]
        architecture.validate("archon")
    assert all(trial.score is not None and trial.scored == 12 for trial in ended.trials)


@pytest.mark.parametrize("name", STRATEGIES)
async def test_known_failure_2_every_strategy_runs_a_study(tmp_path: Path, name: str):
    Models()
    wanted = spec(strategy=find_strategy(name), trials=3, ablate=False, data=data(search=range(1, 7)))
    ended = await study(tmp_path, wanted)
    assert ended.findings.phase == "done"
    assert len(ended.trials) == 2 + 3
    assert ended.about["strategy"]["name"] == name


async def test_known_failure_3_equal_architectures_are_evaluated_once(tmp_path: Path):
    """All of the space, to its end: each architecture is one trial, and no question is answered twice."""
    models = Models()
    whole = space(samples=[1, 2], fusion_layers=[0], ranker=["none", "first"], rank_top_k=[1, 2, 3])
    ended = await study(tmp_path, spec(space=whole, trials=1_000, parallel=4, ablate=False))
    size = whole.size()
    assert size is not None
    fingerprints = [trial.fingerprint for trial in ended.trials]
    assert len(fingerprints) == len(set(fingerprints))
    # The best model alone is a point of the space, and was measured before; the other one is none.
    assert len(fingerprints) == size + 1
    answered = Counter((line["architecture"], line["item"]) for line in lines(ended.directory, "answers.jsonl"))
    assert set(answered.values()) == {1}
    assert models.repeated() == {}


async def test_known_failure_4_points_over_budget_never_appear(tmp_path: Path):
    Models()
    ended = await study(tmp_path, spec(space=space(max_calls=4), trials=1_000, ablate=False))
    assert max(entry.calls for entry in ended.findings.entries.values()) <= 4
    assert all(trial.score is not None and 0 <= trial.score <= 1 for trial in ended.trials)


# --- which questions, when, and to whom ----------------------------------------------------------------------


def test_known_failure_5_search_selection_and_held_out_questions_never_mix(done: Done):
    """None of the others is asked before the search is over, and the held-out ones come last of all."""
    splits = [number // 100 for number in done.models.numbers]
    assert splits == sorted(splits)
    assert set(done.models.numbers) == {*SEARCH, *SELECTION, *HOLDOUT}


def test_known_failure_5_finalists_are_scored_on_selection_questions_alone(done: Done):
    found, decided = done.study.findings, done.store.decisions()
    selection = {item.id for item in done.store.items("selection")}
    asked = {fingerprint for fingerprint, item in done.store.rows() if item in selection}
    parts = {each["fingerprint"] for each in decided["variants"]}
    assert set(decided["finalists"]) <= asked
    assert {trial.fingerprint for trial in found.trials} & asked <= {*decided["finalists"], *parts}
    assert found.selection is not None
    assert {standing.questions for standing in found.selection.standings} == {len(SELECTION)}
    best = max(found.selection.standings, key=lambda standing: standing.score.mean or 0.0)
    assert best.score.mean == found.selection.standings[0].score.mean


def test_known_failure_5_held_out_questions_go_to_the_winner_its_baselines_and_the_pruned_one(done: Done):
    decided = done.store.decisions()
    held_out = {item.id for item in done.store.items("holdout")}
    asked = {fingerprint for fingerprint, item in done.store.rows() if item in held_out}
    pruned = [decided["pruned"]["fingerprint"]] if decided["pruned"] else []
    assert asked == {decided["winner"], *decided["baselines"].values(), *pruned}
    found = done.study.findings.held_out
    assert found is not None
    assert {standing.architecture for standing in found.summary.standings} >= {
        WINNER,
        *([PRUNED] if pruned else []),
    }


# --- shared and raced ----------------------------------------------------------------------------------------


def test_what_architectures_share_is_paid_once(done: Done):
    """Side by side too: no call was made twice."""
    rows = done.store.rows().values()
    alone = sum(Usage(**row.usage).calls for row in rows)
    assert done.models.repeated() == {}
    assert done.store.paid().calls == done.models.count < 0.8 * alone
    found = done.study.findings
    assert found.paid.calls < found.usage.calls <= found.calls_alone


async def test_without_a_cache_it_ends_the_same_and_costs_more(done: Done, tmp_path: Path):
    models = Models()
    ended = await study(tmp_path, cache=False)
    assert came_out(ended.directory) == came_out(done.study.directory)
    assert models.count == sum(Usage(**row.usage).calls for row in done.store.rows().values())
    assert models.repeated()


async def test_racing_changes_no_score_of_a_trial_that_ends(done: Done, tmp_path: Path):
    Models()
    ended = await study(tmp_path, spec(racing=None))
    assert {trial.status for trial in ended.trials} == {"complete"}
    raced = {trial.fingerprint: trial for trial in done.study.trials}
    assert {trial.status for trial in raced.values()} == {"complete", "dropped"}, "or this shows nothing"
    for trial in ended.trials:
        other = raced[trial.fingerprint]
        if other.status == "complete":
            assert (other.score, other.error) == (trial.score, trial.error)
        else:
            assert other.asked < trial.asked == len(SEARCH)


async def test_the_best_model_is_told_to_the_strategy_at_its_place(done: Done, tmp_path: Path):
    """The point of one sample means the best model, once they are ranked: its score, and no other model's."""
    Models()
    told: list[Any] = []

    class Listening(type(find_strategy("random"))):  # type: ignore[misc]
        def ask(self, space, observations, **settings):
            told.append((space, list(observations)))
            return super().ask(space, observations, **settings)

    ended = await study(tmp_path, spec(strategy=Listening(), trials=1))
    ranked, [first] = told[0]
    alone = {trial.fingerprint: trial for trial in ended.trials}[ranked.decode(first.point).fingerprint]
    assert alone.score == first.score == max(trial.score or 0.0 for trial in ended.trials[:2])
    assert ended.findings.ranking[0] == ranked.model_names[0]


# --- more trials ---------------------------------------------------------------------------------------------


async def test_with_more_trials_it_goes_on_as_if_they_had_been_wanted_at_once(done: Done, tmp_path: Path):
    """Though it was over. Finalists are chosen anew, and it is told that held-out results were known before."""
    models = Models()
    first = await study(tmp_path, spec(trials=3))
    assert (first.findings.phase, first.findings.looks) == ("done", 0)
    more = await study(tmp_path, spec(trials=5))
    wanted, ended = came_out(done.study.directory), came_out(more.directory)
    assert (ended["trials"], ended["rounds"]) == (wanted["trials"], wanted["rounds"])
    for name in ("ranking", "finalists", "winner", "variants", "pruned", "baselines", "done"):
        assert ended["decisions"][name] == wanted["decisions"][name]
    assert more.findings.looks == 1
    assert any("went on after held-out questions had been answered (once)" in each for each in ended["verdict"][1])
    assert models.repeated() == {}
    count = models.count
    fewer = await study(tmp_path, spec(trials=2))
    assert (len(fewer.trials), fewer.findings.looks, models.count) == (7, 1, count), "fewer change nothing"


# --- budgets -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [0, 10, 60, 200])
async def test_a_budget_is_never_exceeded_and_more_of_it_goes_on(done: Done, tmp_path: Path, most: int):
    """However often it is started: and with more of a budget it comes to the end it would have come to."""
    models = Models(latency=0.002)  # so that there are always calls under way
    for _ in range(3):
        ended = await study(tmp_path, spec(budget=Budget(calls=most)))
        assert (ended.stopped == "budget") == (ended.findings.phase != "done")
        assert models.count <= most
    searched = sum(number < 100 for number in models.numbers)
    assert searched <= most // 2, "the rest is kept for what follows"
    went_on = await study(tmp_path)
    assert went_on.stopped is None
    wanted, got = came_out(done.study.directory), came_out(went_on.directory)
    for name in ("trials", "rounds", "phase"):
        assert got[name] == wanted[name], name
    for name in ("ranking", "finalists", "winner", "variants", "pruned", "baselines", "done"):
        assert got["decisions"][name] == wanted["decisions"][name]
    assert models.repeated() == {}
    assert StudyStore(went_on.directory).paid().calls == models.count


async def test_interrupted_again_and_again_a_budget_holds_but_for_what_was_under_way(tmp_path: Path):
    """What a question had paid when it was broken off is in no answer; there are few of them each time."""
    models, most, starts, at_once = Models(latency=0.001), 150, 0, 2

    def interrupt(progress: Progress) -> None:
        if progress.answers >= 15:
            raise InterruptedError

    over = False
    while not over:
        starts += 1
        with contextlib.suppress(InterruptedError):
            await study(tmp_path, spec(budget=Budget(calls=most)), concurrency=at_once, on_progress=interrupt)
            over = True
        assert starts < 100
    assert starts > 4
    assert models.count <= most + starts * at_once * 6, "two models of three samples each"
    assert len(models.repeated()) <= starts * at_once * 6
    assert StudyStore(tmp_path / "study").paid().calls <= most


async def test_what_the_search_leaves_goes_to_what_follows(tmp_path: Path):
    """A budget that suffices, and a share of it that is too small: finalists are chosen of what there is."""
    models = Models()
    ended = await study(tmp_path, spec(budget=Budget(calls=400), search_share=0.25))
    assert ended.stopped is None
    assert ended.findings.phase == "done"
    assert sum(number < 100 for number in models.numbers) <= 100
    assert len(ended.trials) < 7
    assert StudyStore(ended.directory).decisions()["searched"]["end"] == "budget"


# --- providers that fail -------------------------------------------------------------------------------------


async def test_a_model_that_answers_nothing_ends_it_and_nothing_is_lost(done: Done, tmp_path: Path):
    """Mended, it comes to the end it would have come to; what was answered is not asked again."""
    models = Models()
    models.failing = {"weak"}
    with pytest.raises(UnansweredError, match=rf"{WEAK} was asked has a score: .*the provider is down.*goes on"):
        await study(tmp_path)
    answered = [name for name in models.keys if name.startswith("good")]
    assert len(answered) == len(SEARCH)
    models.failing = set()
    ended = await study(tmp_path)
    assert came_out(ended.directory) == came_out(done.study.directory)
    assert set(models.repeated()) <= {name for name in models.keys if name.startswith("weak")}


async def test_a_dead_provider_is_given_up_after_some_questions(tmp_path: Path):
    models = Models()
    models.failing = {"good", "weak"}
    with pytest.raises(UnansweredError, match=r"20 questions in a row got no answer because calls failed"):
        await study(tmp_path, spec(data=data(search=range(1, 61))), concurrency=4)
    assert models.count <= 20 + 4
    assert Study(tmp_path / "study").findings.trials == ()


async def test_questions_whose_calls_failed_are_asked_again(tmp_path: Path):
    """Of trials while the search is on, of finalists and held-out ones always; nothing else is."""
    models = Models()
    wanted = spec(racing=None)
    undisturbed = await study(tmp_path, wanted, name="undisturbed", cache=False)
    models = Models()
    models.failing = {5, 103, 205}
    part = await study(tmp_path, spec(racing=None, budget=Budget(calls=100)))
    assert any(trial.scored == len(SEARCH) - 1 for trial in part.trials)
    assert GOOD in part.findings.ranking
    models.failing = {103, 205}
    over = await study(tmp_path, wanted)
    assert over.findings.phase == "done"
    assert all(trial.scored == len(SEARCH) for trial in over.trials)
    models.failing = set()
    count = models.count
    healed = await study(tmp_path, wanted)
    assert set(models.numbers[count:]) == {103, 205}
    assert came_out(healed.directory)["trials"] == came_out(undisturbed.directory)["trials"]
    assert healed.findings.held_out is not None
    assert {standing.score.n for standing in healed.findings.held_out.summary.standings} == {len(HOLDOUT)}
