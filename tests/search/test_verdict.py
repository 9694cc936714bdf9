"""What a study comes to, in words: on scores that are made up, without a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from archon_graph.core import Architecture
from archon_graph.models import Usage
from archon_graph.search import Study, Verdict
from archon_graph.search.baselines import BASELINES, BEST_OF_N, SELF_CONSISTENCY, SINGLE, equal_cost_baselines
from archon_graph.search.findings import PRUNED, WINNER
from archon_graph.search.searching import single_model
from archon_graph.search.store import REOPENED, Entry, StudyStore
from archon_graph.search.verdict import SAVE
from tests.evals.made import row
from tests.search.studying import GOOD, Models, data, space, spec

COUNT = 40
HELD_OUT = range(1001, 1001 + COUNT)
POINT = {"generators": 2, "samples": 3, "final": "ranker"}


@pytest.fixture(autouse=True)
def models() -> Models:
    return Models()


def found() -> Architecture:
    """The architecture that won."""
    made = space()
    point = next(p for p in made.points() or () if made.decode(p).name == "2x3 samples, ranker 1")
    return made.decode(point)


def share(part: float) -> list[float]:
    """Scores of which this part is 1, spread alike."""
    return [float(int((place + 1) * part) > int(place * part)) for place in range(COUNT)]


def verdict(
    folder: Path,
    *,
    winner: Architecture | None = None,
    others: Sequence[Architecture] = (),
    scores: Mapping[str, Sequence[Any]] | None = None,
    looks: int = 0,
    pruned: Architecture | None = None,
    usage: Mapping[str, Usage] | None = None,
) -> Verdict:
    """What is said of these held-out scores: of the ``winner``, and of baselines by name."""
    store, wanted = StudyStore(folder / "study"), spec(data=data(holdout=HELD_OUT))
    won = winner or found()
    baselines = equal_cost_baselines(GOOD, won.max_calls)
    with store.writing({"identity": wanted.identity, **wanted.describe(), "starts": []}, wanted.data):
        made = [won, *others, *baselines.values(), *([] if pruned is None else [pruned])]
        for each in {each.fingerprint: each for each in made}.values():
            store.add_entry(Entry.of(each))
        store.decide("ranking", [GOOD])
        for item in wanted.data["selection"].items:
            for each in (won, *others):
                store.add_row(row(each.fingerprint, item.id, 1.0))
        for _ in range(looks):
            store.decide("baselines", {})
            store.decide(REOPENED, {})
        store.decide("finalists", [won.fingerprint, *(each.fingerprint for each in others)])
        store.decide("winner", won.fingerprint)
        store.decide("variants", [])
        store.decide("pruned", None if pruned is None else {"fingerprint": pruned.fingerprint, "without": []})
        if scores is not None:
            store.decide("baselines", {name: each.fingerprint for name, each in baselines.items()})
            placed = {"winner": won, **baselines}
            for name, values in scores.items():
                for item, value in zip(wanted.data["holdout"].items, values, strict=False):
                    if value is not ...:
                        spent = (usage or {}).get(name, Usage(calls=placed[name].max_calls))
                        store.add_row(row(placed[name].fingerprint, item.id, value, usage=spent))
    return Study(folder / "study").findings.verdict


def even(winner: float, single: float, best_of_n: float, vote: float) -> dict[str, list[float]]:
    parts = {"winner": winner, SINGLE: single, BEST_OF_N: best_of_n, SELF_CONSISTENCY: vote}
    return {name: share(part) for name, part in parts.items()}


def test_better_is_said_where_it_is_shown(tmp_path: Path):
    said = verdict(tmp_path, scores=even(0.9, 0.4, 0.6, 0.6))
    assert (said.kind, said.single_model_wins, said.instead) == ("better", False, None)
    first, *rest = said.sentences
    assert first.startswith(
        "2x3 samples, ranker 1 is better than the best single model: 0.900 against 0.400, +0.500 ["
    )
    assert "on 40 held-out questions, with 7.0 times the calls" in first
    assert any(each.startswith(f"Against {BEST_OF_N} it is better") for each in rest)
    assert SAVE not in " ".join(said.sentences)


def test_a_single_model_wins_where_nothing_better_is_shown(tmp_path: Path):
    """Also where the winner is ahead, by less than could be chance."""
    said = verdict(tmp_path, scores=even(0.5, 0.45, 0.5, 0.5))
    assert (said.kind, said.single_model_wins, said.instead) == ("not shown", True, None)
    assert said.sentences[0].startswith(
        "A single model wins for what it costs: 2x3 samples, ranker 1 is not shown"
    )
    assert said.sentences[0].endswith(SAVE)


def test_a_single_model_wins_where_it_is_better(tmp_path: Path):
    said = verdict(tmp_path, scores=even(0.3, 0.9, 0.3, 0.3))
    assert (said.kind, said.single_model_wins) == ("worse", True)
    assert said.sentences[0].startswith("A single model wins: 2x3 samples, ranker 1 is worse than the best single")
    assert said.sentences[0].endswith(SAVE)


def test_a_single_model_wins_where_it_is_the_winner(tmp_path: Path):
    single = single_model(GOOD)
    said = verdict(tmp_path, winner=single, scores=even(0.5, 0.5, 0.5, 0.5))
    assert (said.kind, said.single_model_wins) == ("single", True)
    assert said.sentences[0].startswith(f"A single model wins: {GOOD} alone, with 0.500 on 40 held-out questions.")
    assert said.sentences[0].endswith(SAVE)


@pytest.mark.parametrize("name", [SINGLE, BEST_OF_N, SELF_CONSISTENCY])
def test_a_baseline_that_is_the_winner_does_not_vanish_without_a_word(tmp_path: Path, name: str):
    """It has no line of its own in the table, as one architecture is measured once."""
    winner = equal_cost_baselines(GOOD, 5)[name]
    said = verdict(tmp_path, winner=winner, scores=even(0.5, 0.5, 0.5, 0.5))
    told = f"The winner is the same architecture as the baseline {name}: among the held-out results, both are in"
    assert [each for each in said.sentences if "same architecture" in each] == [f"{told} the line of winner."]
    held_out = Study(tmp_path / "study").findings.held_out
    assert held_out is not None
    assert {name for name in BASELINES if name not in held_out.differences} == {name}
    assert held_out.alike == {name: WINNER}


def test_a_pruned_winner_that_is_a_baseline_is_told_of_as_well(tmp_path: Path):
    said = verdict(tmp_path, pruned=single_model(GOOD), scores=even(0.9, 0.4, 0.6, 0.6))
    [told] = [each for each in said.sentences if "same architecture" in each]
    assert told.startswith(f"The {PRUNED} is the same architecture as the baseline {SINGLE}: ")
    assert told.endswith(f"both are in the line of {SINGLE}.")
    assert said.sentences[-1].endswith("with at most 1 call.")


def test_where_all_are_different_nothing_is_said_of_it(tmp_path: Path):
    said = verdict(tmp_path, scores=even(0.9, 0.4, 0.6, 0.6))
    assert not [each for each in said.sentences if "same architecture" in each]


@pytest.mark.parametrize(
    ("scores", "kind", "instead"),
    [
        (even(0.7, 0.2, 0.5, 1.0), "better", SELF_CONSISTENCY),
        (even(0.5, 0.1, 0.9, 1.0), "better", SELF_CONSISTENCY),
        (even(0.5, 0.1, 1.0, 0.9), "better", BEST_OF_N),
        (even(0.4, 0.4, 0.4, 1.0), "not shown", SELF_CONSISTENCY),
        (even(0.3, 0.9, 0.9, 0.3), "worse", BEST_OF_N),
        (even(0.9, 0.4, 0.95, 0.95), "better", None),
    ],
)
def test_a_baseline_of_equal_cost_that_is_better_is_to_be_taken_instead(
    tmp_path: Path, scores: dict[str, list[float]], kind: str, instead: str | None
):
    """What is found by searching has to beat what is had without, for the same money."""
    said = verdict(tmp_path, scores=scores)
    assert (said.kind, said.instead) == (kind, instead)
    if instead is None:
        assert not any("instead" in each for each in said.sentences)
        return
    assert said.sentences[1].startswith(
        f"But take {instead} instead: with the best single model and as many calls"
    )
    assert "1.0 times the calls" in said.sentences[1]
    assert not any(each.startswith(f"Against {instead}") for each in said.sentences), "it is said once"


def test_nothing_is_said_before_held_out_questions_are_answered(tmp_path: Path):
    said = verdict(tmp_path)
    assert (said.kind, said.single_model_wins) == ("unfinished", False)
    assert said.sentences[0].endswith(
        "won on the selection questions. What it is worth has not been measured yet."
    )


def test_what_is_half_done_is_called_so(tmp_path: Path):
    scores = {**even(0.9, 0.4, 0.6, 0.6), SINGLE: [*share(0.4)[:30], *[...] * 10]}
    said = verdict(tmp_path, scores=scores)
    assert said.sentences[-1].startswith("Not finished: 30 of 40 held-out questions are done; the same command")


def test_unscored_questions_of_all_leave_it_open(tmp_path: Path):
    scores = {**even(0.9, 0.4, 0.6, 0.6), SINGLE: [None] * COUNT}
    assert verdict(tmp_path, scores=scores).kind == "unfinished"


def test_finalists_that_are_not_told_apart_are_named(tmp_path: Path):
    said = verdict(tmp_path, others=[single_model(GOOD)], scores=even(0.9, 0.4, 0.6, 0.6))
    assert f"Not told apart from it on the selection questions: {GOOD} alone." in said.sentences


@pytest.mark.parametrize(("looks", "told"), [(1, "(once)"), (3, "(3 times)")])
def test_a_search_that_went_on_after_its_result_was_known_says_so(tmp_path: Path, looks: int, told: str):
    said = verdict(tmp_path, looks=looks, scores=even(0.9, 0.4, 0.6, 0.6))
    [sentence] = [each for each in said.sentences if "went on after held-out" in each]
    assert told in sentence


def test_an_unfinished_search_names_who_is_ahead(tmp_path: Path):
    store, wanted = StudyStore(tmp_path / "study"), spec()
    with store.writing({"identity": wanted.identity, **wanted.describe(), "starts": []}, wanted.data):
        pass
    said = Study(tmp_path / "study").findings.verdict
    assert (said.kind, said.sentences) == ("unfinished", ("The search is not over.",))
