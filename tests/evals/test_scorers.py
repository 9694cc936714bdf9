"""Scorers by rule: text, numbers, choices; and the score that is none."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon_graph.evals.scorers import UNSCORED, ByKind, Choice, Exact, Numeric, Score, Scorer
from tests.evals.items import item

CHOICES = ("The bow", "The boat", "Neither", "Both bow and boat")


@pytest.mark.parametrize(
    ("target", "answer", "right"),
    [
        ("Paris", "Paris", True),
        ("Paris", "  paris.\n", True),
        ("Paris", "**Paris**", True),
        ("Paris", "It is on the Seine, so the answer is Paris.", True),
        ("Paris", "Answer: Lyon. No: the answer is \u201cParis\u201d", True),
        ("Paris", r"\boxed{Paris}", True),
        ("Paris", "The answer is Lyon, not Paris.", False),
        ("Paris", "Paris is in France.", False),
        ("Paris", "", False),
        ("New  York", "new york", True),
        (("Paris", "City of Light"), "city of light", True),
        (("Paris", "City of Light"), "city", False),
        ("...", "...", True),
        ("...", "", False),
        ("C++", "The answer is C++", True),
    ],
)
async def test_exact(target: object, answer: str, right: bool):
    score = await Exact().score(item(target), answer)
    assert (score.value, score.scored) == (float(right), True)


@pytest.mark.parametrize(
    ("answer", "right"), [("a\n b", True), ("\n a\n b \n", False), ("A\n b", False), ("a b", False), ("", False)]
)
async def test_strictly_exact(answer: str, right: bool):
    """Case and inner white space count; white space around does not."""
    assert (await Exact(strict=True).score(item(" a\n b\n"), answer)).value == float(answer.strip() == "a\n b")
    assert (answer.strip() == "a\n b") == (right or answer.startswith("\n a"))


@pytest.mark.parametrize(
    ("target", "answer", "right"),
    [
        ("1200", "3 * 400 = 1200 eggs.\n#### 1,200", True),
        ("1200", "The answer is $1,200.00.", True),
        ("1200", "The answer is 120.", False),
        ("18", "It is 180", False),
        ("18", "first 18, then 19", False),
        ("0.75", "The answer is 3/4.", True),
        ("3/4", "so it is 0.75", True),
        ("1/3", "0.3333", False),
        ("-2", "it drops by 5 to \u22122", True),
        ("6", "The answer is x = 18/3 = 6", True),
        ("50", "50%", True),
        (("0.5", "50"), "50 %", True),
        ("7", "seven", False),
        ("7", "", False),
        ("1e3", "1000", True),
    ],
)
async def test_numeric(target: object, answer: str, right: bool):
    score = await Numeric().score(item(target), answer)
    assert (score.value, score.scored) == (float(right), True)


async def test_a_tolerance_is_the_scorers_or_the_items_own():
    assert (await Numeric().score(item("3.14"), "3.1416")).value == 0.0
    assert (await Numeric(tolerance=0.01).score(item("3.14"), "3.1416")).value == 1.0
    assert (await Numeric(tolerance=1).score(item("3.14", tolerance=0.001), "3.1416")).value == 0.0
    assert (await Numeric(tolerance=0.25).score(item("1"), "1.25")).value == 1.0


async def test_a_target_that_is_no_number_is_not_the_answers_fault():
    score = await Numeric().score(item("many"), "7")
    assert score.value is UNSCORED
    assert "many" in score.detail


@pytest.mark.parametrize(
    ("target", "answer", "right"),
    [
        ("B", "B", True),
        ("B", "b", False),
        ("B", "Answer: b", True),
        ("B", "**Answer: (B)**", True),
        ("B", "A is wrong, C too. So it is (B).", True),
        ("B", "B. The boat", True),
        ("A", "A. The bow", True),
        ("B", r"\boxed{\text{B}}", True),
        ("B", "The boat.", True),
        ("B", "The answer is the boat", True),
        ("D", "Both bow and boat", True),
        ("B", "I do not know.", False),
        ("B", "", False),
        ("B", "Answer: E", False),
        (("A", "B"), "Answer: B", True),
    ],
)
async def test_choice(target: object, answer: str, right: bool):
    score = await Choice().score(item(target, kind="choice", choices=[*CHOICES]), answer)
    assert (score.value, score.scored) == (float(right), True)


async def test_a_choice_needs_no_list_of_choices():
    assert (await Choice().score(item("C"), "I choose C.")).value == 1.0


@pytest.mark.parametrize("scorer", [Exact(), Exact(strict=True), Numeric(), Choice()])
async def test_without_a_target_nothing_is_scored(scorer: Scorer):
    score = await scorer.score(item(None), "7")
    assert not score.scored
    assert score.detail


@given(st.text(max_size=300), st.sampled_from([Exact(), Exact(strict=True), Numeric(), Choice()]))
async def test_no_text_can_make_a_scorer_raise(text: str, scorer: Scorer):
    """And an answer, whatever it holds, is right or wrong, never unscored."""
    score = await scorer.score(item("7", choices=[*CHOICES]), text)
    assert score.value in (0.0, 1.0)
    assert Score.from_json(json.loads(json.dumps(score.to_json()))) == score


@given(st.text(min_size=1).filter(lambda text: text.strip() != ""))
async def test_the_target_itself_is_right(text: str):
    """Whatever it is made of."""
    for scorer in (Exact(), Exact(strict=True)):
        assert (await scorer.score(item(text), text)).value == 1.0


@given(st.fractions(-(10**12), 10**12, max_denominator=10**6), st.integers(-3, 3))
async def test_the_number_itself_is_right_and_its_neighbour_is_not(number, away: int):
    score = await Numeric().score(item(str(number)), f"I get {number + away}")
    assert score.value == float(away == 0)


async def test_each_kind_is_scored_in_its_own_way():
    by_kind = ByKind()
    assert (await by_kind.score(item("7", kind="numeric"), "7.0")).value == 1.0
    assert (await by_kind.score(item("7", kind="exact"), "7.0")).value == 0.0
    assert (await by_kind.score(item("B", kind="choice"), "Answer: (B)")).value == 1.0
    rules = [{"rule": "word_count", "count": 2}]
    assert (await by_kind.score(item(kind="format", check=rules), "two words")).value == 1.0
    assert (await by_kind.score(item(kind="format", check=rules), "no two words")).value == 0.0


async def test_open_questions_wait_for_a_judge():
    """Which is a scorer like any other."""

    class Judge(Scorer):
        name = "judge"

        async def score(self, item, answer):
            return Score(value=7.5, detail="well said")

    score = await ByKind().score(item(kind="open"), "A poem.")
    assert score.value is UNSCORED
    assert "'open'" in score.detail
    assert (await ByKind({"open": Judge()}).score(item(kind="open"), "A poem.")).value == 7.5
    assert '"open": "judge@1"' in ByKind({"open": Judge()}).identity


def test_the_identity_tells_settings_apart():
    """Two logs are comparable if it is the same."""
    assert Exact().identity == Exact().identity != Exact(strict=True).identity
    assert Numeric(tolerance=0.1).identity == 'numeric@1{"tolerance": 0.1}'
    assert ByKind().identity != ByKind({"exact": Exact(strict=True)}).identity


def test_unscored_is_not_zero():
    """Nothing takes it for a number or for a yes or no, and it survives JSON and pickle as what it is."""
    score = Score.unscored("the sandbox failed")
    assert not score.scored
    assert json.dumps(score.to_json()) == '{"value": null, "detail": "the sandbox failed", "extracted": null}'
    copy = Score.from_json(json.loads(json.dumps(score.to_json())))
    assert copy == score
    assert copy.value is UNSCORED
    assert pickle.loads(pickle.dumps(score)).value is UNSCORED  # noqa: S301
    assert UNSCORED != 0.0
    with pytest.raises(TypeError):
        bool(UNSCORED)
    with pytest.raises(TypeError):
        sum([1.0, UNSCORED])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        float(UNSCORED)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "bad", [{"value": float("nan")}, {"value": float("inf")}, {"value": True}, {"value": "1"}, {"value": UNSCORED}]
)
def test_what_is_no_score_is_refused(bad: dict[str, object]):
    """NaN least of all: it would spread through every mean. And an unscored answer needs a reason."""
    with pytest.raises((TypeError, ValueError), match=r"UNSCORED|says why"):
        Score(**bad)  # type: ignore[arg-type]


def test_a_lost_score_is_not_an_unscored_answer():
    with pytest.raises(KeyError):
        Score.from_json({"detail": "x"})
