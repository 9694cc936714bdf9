"""Racing: what is promised holds exactly where it can be counted, and in simulated studies where it cannot."""

from __future__ import annotations

import itertools
import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon_graph.evals.scorers import UNSCORED
from archon_graph.search.racing import (
    BETS,
    RacingRule,
    _evidence,
    estimate_score,
    question_order,
)
from tests.scripts import load

SCORES = st.sampled_from([0.0, 1.0]) | st.floats(0, 1)
PAIRS = st.lists(st.tuples(SCORES, SCORES), min_size=1, max_size=60)
RULES = st.builds(
    RacingRule,
    alpha=st.sampled_from([0.05, 0.2]),
    block=st.integers(1, 7),
    min_questions=st.integers(1, 12),
    margin=st.sampled_from([0.0, 0.03]),
    about=st.sampled_from(["these", "all"]),
    races=st.sampled_from([1, 3]),
)
# Busy machines are slow at times.
steady = settings(deadline=None)


def sides(pairs):
    return [one for one, _ in pairs], [other for _, other in pairs]


def ends_ahead(differences: list[float], margin: float) -> bool:
    return math.fsum(differences) >= -margin * len(differences)


# --- what a look depends on -------------------------------------------------------------------------------------


@steady
@given(RULES, PAIRS)
def test_once_stopped_always_stopped(rule: RacingRule, pairs):
    """And at the same look, so a study that is resumed decides as before; before it, nothing is stopped."""
    trial, incumbent = sides(pairs)
    looks = [rule.look(trial[:seen], incumbent) for seen in range(len(pairs) + 1)]
    evidence = [look.e_value for look in looks]
    assert evidence == sorted(evidence)
    whole = looks[-1]
    for seen, look in enumerate(looks):
        assert look.dropped == (whole.dropped_at is not None and seen >= whole.dropped_at)
        if look.dropped:
            assert (look.dropped_at, look.reason) == (whole.dropped_at, whole.reason)
    if whole.dropped_at is not None:
        assert whole.dropped_at % rule.block == 0
        assert rule.min_questions <= whole.dropped_at < len(pairs)


@steady
@given(RULES, st.lists(PAIRS, min_size=1, max_size=3))
def test_many_races_at_once_are_decided_as_one(rule: RacingRule, races):
    """What is simulated below is the very rule that decides."""
    size = min(map(len, races))
    trials, incumbents = zip(*(sides(pairs[:size]) for pairs in races), strict=True)
    found = rule.race(np.array(trials), np.array(incumbents))
    for trial, incumbent, answered in zip(trials, incumbents, found, strict=True):
        assert (rule.look(trial, incumbent).dropped_at or size) == answered


@steady
@given(RULES, PAIRS, st.data())
def test_pairs_without_both_scores_say_nothing(rule: RacingRule, pairs, data):
    """A question that the incumbent has no score for is as if it was not there."""
    trial, incumbent = sides(pairs)
    places = data.draw(st.lists(st.integers(0, len(pairs)), max_size=5))
    more, other = list(trial), list(incumbent)
    for place in sorted(places, reverse=True):
        more.insert(place, 1.0)
        other.insert(place, data.draw(st.sampled_from([UNSCORED, None])))
    one = RacingRule(alpha=rule.alpha, block=1, margin=rule.margin, about=rule.about)
    plain, found = one.look(trial, incumbent), one.look(more, other)
    assert (found.unscored, found.n, found.difference) == (len(places), plain.n, plain.difference)
    if plain.dropped:
        assert found.dropped
        assert found.e_value == plain.e_value


def test_a_trial_without_a_score_is_not_wrong():
    """It is left out on either side; only the block's count of questions goes on."""
    found = RacingRule().look([UNSCORED] * 30 + [0.0] * 4, [1.0] * 100)
    assert (found.dropped, found.n, found.unscored, found.difference) == (False, 4, 30, -1.0)
    found = RacingRule().look([UNSCORED] * 30, [1.0] * 100)
    assert (found.dropped, found.n, found.difference, found.e_value, found.p_value) == (False, 0, None, 1.0, 1.0)
    assert str(found) == "goes on: no question yet, evidence 1 of 20"


def test_a_worse_trial_is_stopped():
    found = RacingRule().look([0.0] * 20, [1.0] * 10 + [0.0] * 90)
    assert (found.dropped, found.reason, found.dropped_at) == (True, "worse", 10)
    found = RacingRule(about="all").look([0.0] * 15, [1.0] * 15 + [0.0, 1.0] * 40)
    assert (found.dropped, found.reason, found.dropped_at, found.n) == (True, "worse", 10, 15)
    assert str(found) == f"stopped, worse: -1.000 on 15 questions, evidence {found.e_value:.3g} of 20"
    assert found.p_value == 1 / found.e_value < 0.05
    assert json.loads(json.dumps(found.to_json()))["dropped_at"] == 10


def test_out_of_reach_is_when_no_answer_to_come_helps():
    """The trial is three behind, and only two questions are left that the incumbent got wrong."""
    incumbent = [1.0] * 3 + [0.0, 0.0] + [1.0] * 15
    rule = RacingRule(block=1, min_questions=3, alpha=1e-9)
    assert rule.look([0.0] * 3, incumbent).reason == "out of reach"
    assert not rule.look([0.0] * 3, [*incumbent[:-1], 0.0]).dropped
    assert not RacingRule(block=1, min_questions=3, alpha=1e-9, about="all").look([0.0] * 3, incumbent).dropped
    # A margin of 0.05 is one question of twenty.
    assert not RacingRule(block=1, min_questions=3, alpha=1e-9, margin=0.05).look([0.0] * 3, incumbent).dropped


def test_a_complete_trial_is_not_looked_at_once_more():
    """There is nothing left to save."""
    assert not RacingRule(min_questions=20).look([0.0] * 20, [1.0] * 20).dropped
    assert RacingRule(min_questions=20).look([0.0] * 20, [1.0] * 21).dropped


@steady
@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=50))
def test_for_right_and_wrong_it_is_a_sign_test(differences: list[float]):
    """Without an end, ties change nothing; the evidence is a mean of likelihood ratios against a fair coin."""
    losses, wins = differences.count(-1.0), differences.count(1.0)
    expected = np.mean([(1 + bet) ** losses * (1 - bet) ** wins for bet in BETS])
    assert _evidence(np.array([differences]), None, 0.0)[0, -1] == pytest.approx(expected)


# --- what is promised, counted exactly --------------------------------------------------------------------------

TABLES = st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), min_size=2, max_size=6)


@settings(max_examples=60, deadline=None)
@given(TABLES, st.sampled_from([0.0, 0.1]))
def test_in_random_order_the_evidence_is_one_at_most(differences: list[float], margin: float):
    """`these`: over all orders of questions on which the trial does not end lower, the bets win nothing."""
    if not ends_ahead(differences, margin):
        differences = [-one for one in differences]
    size = len(differences)
    orders = np.array(list(itertools.permutations(differences)))
    evidence = _evidence(orders, np.arange(size, 0.0, -1.0), margin)
    assert (evidence.mean(axis=0) <= 1 + 1e-9).all()
    for needed in (1.5, 2.0, 5.0):
        assert (evidence.max(axis=1) >= needed).mean() <= 1 / needed + 1e-9


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 8))
def test_for_all_questions_the_evidence_is_one_at_most(lose: int, win: int, size: int):
    """`all`: the same over all that independent questions may bring, if the trial wins no less than it loses."""
    lose, win, size = min(lose, win), max(lose, win), 1 + size % 6
    steps = [(-1.0, lose), (0.0, 1), (1.0, win)]
    paths = list(itertools.product(steps, repeat=size))
    chances = np.array(
        [float(Fraction(math.prod(w for _, w in path), (lose + win + 1) ** size)) for path in paths]
    )
    evidence = _evidence(np.array([[d for d, _ in path] for path in paths]), None, 0.0)
    assert (chances @ evidence <= 1 + 1e-9).all()
    assert chances @ (evidence.max(axis=1) >= 2.0) <= 0.5 + 1e-9


def test_the_chance_of_stopping_an_equal_trial_exactly():
    """By counting paths: on right and wrong answers only how many differ counts, and which side is right there.

    Looking after every question, for 480 questions that differ: below the 5 % that is allowed."""
    most = 480
    counts = np.arange(most + 1)[:, None]
    total = np.arange(most + 1)[None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ratios = [counts * np.log1p(bet) + (total - counts) * np.log1p(-bet) for bet in BETS]
    stops = np.logaddexp.reduce(log_ratios) - math.log(len(BETS)) >= math.log(20)
    chance = np.zeros(most + 1)
    chance[0] = 1.0
    stopped = {}
    gone = 0.0
    for n in range(1, most + 1):
        chance = chance / 2 + np.concatenate([[0.0], chance[:-1] / 2])
        hit = stops[:, n] & (np.arange(most + 1) <= n)
        gone += float(chance[hit].sum())
        chance[hit] = 0.0
        stopped[n] = gone
    assert stopped[60] == pytest.approx(0.0324, abs=0.0005)
    assert stopped[480] == pytest.approx(0.0418, abs=0.0005)


# --- what is promised, simulated --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def racing():
    return load("racing")


def test_an_equal_trial_is_stopped_rarely(racing):
    """And by a t-test after every five questions, one time in five: why there is a rule of its own."""
    random = np.random.default_rng(1)
    questions = 120
    fair = racing.pairs(random, 3000, questions, 0.6, 0.6)
    share = {
        name: float((race(*fair) < questions).mean())
        for name, race in {"all": RacingRule(about="all").race, "t": racing.naive_t(0.05, sides=1)}.items()
    }
    assert share["all"] < 0.05
    assert 0.16 < share["t"] < 0.24
    ended = racing.ended_equal(random, 3000, questions, 20)
    assert (RacingRule().race(*ended) < questions).mean() < 0.05
    assert (RacingRule(about="all").race(*ended) < questions).mean() < 0.05
    assert (RacingRule(races=40).race(*ended) < questions).mean() < 0.005


def test_unscored_answers_stop_nobody_wrongly():
    """A fifth of the trial's answers has no score, which nobody knows beforehand."""
    random = np.random.default_rng(2)
    rule, stopped, rounds = RacingRule(), 0, 300
    trial = [1.0] * 12 + [0.0] * 36 + [None] * 12
    incumbent = [0.0] * 12 + [1.0] * 12 + [0.0] * 24 + [1.0, 0.0] * 6
    for _ in range(rounds):
        order = random.permutation(60)
        stopped += rule.look([trial[n] for n in order], [incumbent[n] for n in order]).dropped
    assert stopped / rounds < 0.05


@pytest.mark.parametrize("questions", [60, 120])
def test_the_search_ends_with_the_same_trial_and_saves_a_third(racing, questions: int):
    """Studies of 40 trials whose incumbents are chosen as the best so far on the very same questions."""
    random = np.random.default_rng(3)
    accuracies = racing.spread(random, 200, 0.35, 0.60, 0.62)
    found = racing.study(random, accuracies, questions, RacingRule().race)
    assert found.first_kept >= 0.98
    assert found.saved >= 0.30
    # The truly best one is a finalist about as often as without racing, and the finalists are worth as much.
    assert found.finalist >= found.finalist_unraced - 0.06
    assert found.finalist_worth >= found.finalist_worth_unraced - 0.003
    # The estimates of stopped trials are better than the two simpler ones.
    ours, plain, truncated = found.errors
    assert ours < 0.9 * truncated < plain
    assert abs(found.bias) < 0.02


def test_for_all_questions_the_truly_best_trial_is_finished(racing):
    """With 120 questions a third is saved, too; with 60 half of that."""
    random = np.random.default_rng(4)
    accuracies = racing.spread(random, 200, 0.35, 0.60, 0.62)
    for questions, saved in ((60, 0.12), (120, 0.27)):
        found = racing.study(random, accuracies, questions, RacingRule(about="all").race)
        assert found.best_kept >= 0.95
        assert found.first_kept >= 0.98
        assert found.saved >= saved


def test_near_misses_are_the_first_kept_too(racing):
    """39 trials of 0.60 and one of 0.62: which comes first is luck, and racing does not change it."""
    random = np.random.default_rng(5)
    accuracies = racing.spread(random, 200, 0.60, 0.60, 0.62)
    found = racing.study(random, accuracies, 90, RacingRule().race)
    assert found.first_kept >= 0.97
    # Bonferroni over the trials makes up for incumbents that are lucky.
    strict = racing.study(random, accuracies, 90, RacingRule(about="all", races=40).race)
    assert strict.best_kept >= 0.99


# --- the estimate -----------------------------------------------------------------------------------------------


@steady
@given(PAIRS, st.integers(0, 20))
def test_the_estimate_is_the_incumbents_mean_plus_the_difference(pairs, more: int):
    trial, incumbent = sides(pairs)
    incumbent = incumbent + [1.0, 0.0] * more + [0.5]
    size = len(incumbent)
    found = estimate_score(trial, incumbent, questions=size, prior_questions=0)
    expected = np.mean(incumbent) + np.mean(np.subtract(trial, incumbent[: len(trial)]))
    assert found.mean == pytest.approx(min(1.0, max(0.0, expected)))
    assert (found.method, found.n, found.unscored) == ("raced", len(trial), 0)
    # A prior brings it nearer to the incumbent.
    shrunk = estimate_score(trial, incumbent, questions=size)
    between = sorted([found.mean, float(np.mean(incumbent))])
    assert between[0] - 1e-9 <= shrunk.mean <= between[1] + 1e-9


@steady
@given(st.lists(SCORES, min_size=2, max_size=40))
def test_a_complete_trial_scores_its_mean(values: list[float]):
    found = estimate_score(values, questions=len(values))
    assert found.mean == pytest.approx(np.mean(values))
    assert found.standard_error == pytest.approx(np.std(values, ddof=1) / math.sqrt(len(values)))
    assert found.method == "complete"


def test_the_standard_error_is_that_of_the_mean_when_nearly_all_is_seen():
    """The three parts of the variance add up to it."""
    random = np.random.default_rng(6)
    incumbent = random.integers(0, 2, 2001).astype(float)
    trial = np.where(random.random(2001) < 0.7, incumbent, random.integers(0, 2, 2001))
    raced = estimate_score(trial[:-1], incumbent, questions=2001)
    complete = estimate_score(trial, questions=2001)
    assert raced.mean == pytest.approx(complete.mean, abs=1e-3)
    assert raced.standard_error == pytest.approx(complete.standard_error, rel=0.01)


def test_the_standard_error_says_how_far_off_it_is(racing):
    """From the truth, over stopped trials of many races: neither boasting nor useless."""
    random = np.random.default_rng(7)
    off, errors = [], []
    for worse in (0.1, 0.2, 0.3):
        trials, incumbents = racing.pairs(random, 150, 90, 0.6, 0.6 - worse)
        for trial, incumbent, seen in zip(trials, incumbents, RacingRule().race(trials, incumbents), strict=True):
            found = estimate_score(trial[:seen], incumbent, questions=90)
            off.append(found.mean - (0.6 - worse))
            errors.append(found.standard_error)
    assert 0.7 < np.sqrt(np.mean(np.square(off)) / np.mean(np.square(errors))) < 1.1


def test_scores_that_are_missing_are_counted():
    found = estimate_score([1, UNSCORED, 0, 1], [1, 1, UNSCORED, 0, 1, 0, None, 0], questions=8, prior_questions=0)
    assert (found.n, found.unscored, found.mean) == (2, 2, 1.0)
    assert found.mean == 0.5 + 0.5
    found = estimate_score([1, UNSCORED], questions=2)
    assert (found.mean, found.standard_error, found.n, found.unscored) == (1.0, None, 1, 1)
    found = estimate_score([UNSCORED], [1, 1], questions=2)
    assert (found.mean, found.standard_error, found.method) == (None, None, "raced")
    assert json.loads(json.dumps(found.to_json()))["mean"] is None


# --- the order --------------------------------------------------------------------------------------------------


@steady
@given(st.lists(st.text(max_size=5), unique=True, max_size=30), st.integers(0, 2**32))
def test_the_order_is_of_the_ids_alone(ids: list[str], seed: int):
    """However they come; and what is left out moves no other one."""
    order = question_order(ids, seed)
    assert sorted(order) == sorted(ids)
    assert question_order(ids[::-1], seed) == order
    assert question_order(ids[1:], seed) == [one for one in order if one != ids[0]] if ids else order == []


def test_the_order_is_the_same_on_every_machine_and_looks_drawn():
    ids = [f"q{n}" for n in range(8)]
    assert question_order(ids, 0) == ["q5", "q1", "q3", "q7", "q2", "q4", "q0", "q6"]
    assert question_order(ids, 1) != question_order(ids, 0)
    places = np.array([[question_order(ids, seed).index(one) for one in ids] for seed in range(800)])
    assert np.abs(places.mean(axis=0) - 3.5).max() < 0.35


# --- bad input --------------------------------------------------------------------------------------------------


def test_a_rule_is_plain_data():
    rule = RacingRule(alpha=0.1, margin=0.02, about="all", races=40)
    assert RacingRule.from_config(json.loads(json.dumps(rule.to_config()))) == rule
    assert RacingRule.from_config({}) == RacingRule()
    with pytest.raises(ValueError, match=r"no 'alhpa' \(did you mean 'alpha'\?\); it has alpha, block"):
        RacingRule.from_config({"alhpa": 0.1})


@pytest.mark.parametrize(
    "setting",
    [
        *({"alpha": one} for one in (0, 5, "0.05", math.nan)),
        *({"block": one} for one in (0, 2.5)),
        *({"margin": one} for one in (-0.1, 1, math.nan)),
        *({"races": one} for one in (0, True)),
        {"min_questions": 0},
        {"about": "some"},
    ],
)
def test_a_setting_out_of_range_is_named(setting):
    (name,) = setting
    with pytest.raises(ValueError, match=f"^{name} of a racing rule .*, got "):
        RacingRule(**setting)


def test_bad_scores_are_named():
    with pytest.raises(ValueError, match=r"from 0 to 1, got 7\.0 at place 1 of the trial"):
        RacingRule().look([0, 7], [1, 1, 1])
    with pytest.raises(ValueError, match="3 scores of the trial and 2 of the incumbent for 2 questions"):
        RacingRule().look([0, 1, 1], [1, 1])
    with pytest.raises(ValueError, match="for 2 questions"):
        RacingRule().look([0], [1, 1, 1], questions=2)
    with pytest.raises(ValueError, match=r"stopped after 1 of 3 questions .* got 2"):
        estimate_score([0], [1, 1], questions=3)
    with pytest.raises(ValueError, match="there are 1 questions, and 2 scores"):
        estimate_score([0, 1], questions=1)
    with pytest.raises(ValueError, match="prior_questions"):
        estimate_score([0], [0, 1], questions=2, prior_questions=-1)
    with pytest.raises(ValueError, match="got 'a' more than once"):
        question_order(["a", "b", "a"], 0)
