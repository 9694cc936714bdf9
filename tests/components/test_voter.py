"""The voter: the majority wins, and ties are never drawn by lot."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from archon_graph import Generator, ScriptedModel
from archon_graph.components.voter import Voter


def vote(texts: list[str], **settings: object):
    """The result of voting on these texts."""
    return (Generator(ScriptedModel(texts), samples=len(texts)) | Voter(**settings)).run("q")


def test_the_majority_wins():
    """Represented by its first member, with its share of the votes."""
    result = vote(["The answer is 3.", "#### 4", "so 2 + 2 = 4. The answer is 4", "The answer is 4.0"])
    [winner] = result.candidates
    assert (winner.id, winner.score) == ("generator_1:1", 0.75)
    assert result.usage.calls == 4


def test_a_tie_goes_to_who_came_first():
    """Every time."""
    assert {vote(["#### 2", "#### 1", "#### 1", "#### 2"]).answer for _ in range(5)} == {"#### 2"}


def test_candidates_without_an_answer_do_not_vote():
    """And are on the record."""
    result = vote(["no idea", "#### 5"])
    assert (result.answer, result.candidates[0].score) == ("#### 5", 1.0)
    assert [loss.kind for loss in result.losses] == ["unreadable"]


def test_nobody_has_an_answer():
    """Then the first candidate is as good as any, and it is said."""
    result = vote(["no", "idea"])
    assert result.answer == "no"
    assert "no candidate holds a final answer" in result.losses[0].detail


def test_several_groups():
    """Largest first."""
    result = vote(["#### 1", "#### 2", "#### 2", "#### 3", "#### 3", "#### 3"], top_k=2)
    assert [candidate.content for candidate in result.candidates] == ["#### 3", "#### 2"]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_the_winner_is_a_mode(numbers: list[int]):
    """The most common answer, the earliest of those."""
    result = vote([f"#### {number}" for number in numbers])
    most = max(numbers.count(number) for number in numbers)
    assert result.answer == f"#### {next(n for n in numbers if numbers.count(n) == most)}"
    assert result.candidates[0].score == most / len(numbers)
