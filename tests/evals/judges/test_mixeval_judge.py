"""What MixEval's judge is told, and what its replies say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage, SystemMessage

from archon_graph.core import Prompt
from archon_graph.evals.benchmarks import BenchmarkError
from archon_graph.evals.judges.mixeval import (
    choice_messages,
    free_form_messages,
    gold_answers,
    judge_prompt,
    read_choice,
    read_score,
)
from archon_graph.evals.judges.mixeval_published import read_judge_prompts
from tests.evals.items import item

PUBLISHED = r"""
# A file of our own in the form of the published one.
import os
raise SystemExit("this file is run")
gpt_judge_for_closeended_freeform = lambda prompt, gold_ans, response: [
{"role": "system", "content": f"Grade it."},
{"role": "user", "content": f'''As in \"[[0.5]]\", $5 for it.
Q: {prompt}
Key: {gold_ans}
A: {response}
Grade: \n'''}
]
gpt_judge_for_closeended_multiplechoice = lambda prompt, options, response: [
{"role": "system", "content": "Find it."},
{"role": "user", "content": f'''{prompt}
{options}
{{so}} {response}'''}
]
"""
SHORT = item(("Oslo", "Kristiania"), kind="mixeval_free_form", question="Which town?", context="A text.")
PICK = item("B", kind="mixeval_choice", question="Which town?", context="A text.", options=["Bergen", "Oslo"])


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("It agrees. [[0.7]]", 0.7),
        ("[[1]] and later [[0.2]]", 1.0),
        ("[0.3] first, but [[0.4]]", 0.4),
        ("only [0.3]", 0.3),
        ("[[0.]]", 0.0),
        ("[[01]]", 1.0),
        ("[[1.5]]", None),
        ("[[7]] and [[0.5]]", None),
        ("[[-0.5]]", None),
        ("[[score]]", None),
        ("[[ 0.5 ]]", None),
        ("0.5", None),
        ("[[٠.٥]]", None),
        ("", None),
    ],
)
def test_grades(reply: str, score: float | None):
    """The first in double brackets, else in single ones; outside of 0 to 1 it is none."""
    assert read_score(reply) == score


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("It is [[B]]. Not [[A]].", "B"),
        ("[A], I mean [[B]]", "B"),
        ("only [A]", "A"),
        ("[[AB]]", None),
        ("[[b]]", None),
        ("B", None),
        ("", None),
    ],
)
def test_letters(reply: str, letter: str | None):
    assert read_choice(reply) == read_choice(reply, ["x", "y"]) == letter


def test_a_letter_without_an_option_is_no_verdict_if_options_are_told():
    assert read_choice("[[C]]") == "C"
    assert read_choice("[[C]]", ["x", "y"]) is None
    assert read_choice("[[C]]", ["x", "y", "z"]) == "C"


@given(st.text(alphabet=st.sampled_from([*"[]01.9AZ -\n", "\ud800", "é"]), max_size=80))
def test_no_reply_makes_the_parsers_raise(reply: str):
    score = read_score(reply)
    assert score is None or 0.0 <= score <= 1.0
    assert read_choice(reply, ["x"]) in (None, "A")


@pytest.mark.parametrize("reply", ["[" * 300_000, "[[" + "1" * 300_000, "[[1." + "1" * 300_000, "[[1" * 100_000])
def test_long_replies_are_read(reply: str):
    """In one pass: with more work for each place, this would run for minutes."""
    assert read_score(reply) is None
    assert read_choice(reply) is None


def test_gold_answers_are_numbered():
    assert gold_answers(["Oslo", "Kristiania"]) == "<answer 1> Oslo; <answer 2> Kristiania"
    assert gold_answers(["Oslo"]) == "<answer 1> Oslo"


def test_the_judge_of_short_answers_sees_question_key_and_answer():
    """Not the context; and nothing in the answer is read as a placeholder."""
    system, user = free_form_messages(SHORT, "In $answers, or ${question}?")
    assert isinstance(system, SystemMessage)
    assert isinstance(user, HumanMessage)
    for text in ("Which town?", "<answer 1> Oslo; <answer 2> Kristiania", "In $answers, or ${question}?"):
        assert user.text.count(text) == 1
    assert "A text." not in user.text
    assert "[[1.0]]" in user.text


def test_the_judge_of_choices_is_not_told_which_is_right():
    """Whatever the target is, it sees the same."""
    _, user = choice_messages(PICK, "Oslo, I think.")
    assert "Question: Which town?\nOptions:\nA. Bergen\nB. Oslo\nModel: Oslo, I think." in user.text
    assert "A text." not in user.text
    other = item("A", kind="mixeval_choice", **PICK.metadata)
    assert choice_messages(other, "Oslo, I think.")[1].text == user.text


def test_other_words_for_the_judge():
    prompt = Prompt(version="mine", parts={"choice": "$response of $options to $question"})
    system, user = choice_messages(PICK, "B", prompt=prompt)
    assert user.text == "B of A. Bergen\nB. Oslo to Which town?"
    assert system.text == judge_prompt().parts["choice_system"]
    with pytest.raises(ValueError, match=r"uses \$answers"):
        choice_messages(PICK, "B", prompt=Prompt(version="mine", parts={"choice": "$answers"}))
    with pytest.raises(ValueError, match="unknown prompt part"):
        choice_messages(PICK, "B", prompt=Prompt(version="mine", parts={"choices": ""}))


def test_published_words_are_read_from_their_file_and_not_run(tmp_path: Path):
    path = tmp_path / "judge_prompts.py"
    path.write_text(PUBLISHED)
    prompt = read_judge_prompts(path)
    system, user = free_form_messages(SHORT, "Oslo {prompt}", prompt=prompt)
    assert system.text == "Grade it."
    key = "<answer 1> Oslo; <answer 2> Kristiania"
    assert user.text == f'As in "[[0.5]]", $5 for it.\nQ: Which town?\nKey: {key}\nA: Oslo {{prompt}}\nGrade: \n'
    system, user = choice_messages(PICK, "B", prompt=prompt)
    assert (system.text, user.text) == ("Find it.", "Which town?\nA. Bergen\nB. Oslo\n{so} B")
    assert prompt.version.startswith("published-")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "gpt_judge_for_closeended_freeform =",
            "gpt_judge_for_closeended_free_form =",
            r"did you mean '.*free_form'",
        ),
        ("lambda prompt, gold_ans, response: [", "[", "should be a lambda, got List"),
        ("lambda prompt, gold_ans, response", "lambda prompt, response", "should take 3 parameters"),
        ('{"role": "system", "content": f"Grade it."},', "", "one system and one user message, got user"),
        ('"content": f"Grade it."', '"text": ""', "should have a role and a content, got role, text"),
        ("{gold_ans}", "{gold_ans.upper()}", "no other expression"),
        ("{gold_ans}", "{gold_ans!r}", "has a format"),
        ("{gold_ans}", "{gold}", r"'gold' is no parameter"),
        ("{gold_ans}", "", "does not hold the parameter for the answers"),
        ('f"Grade it."', "open('x').read()", "should be a text, got Call"),
        ("lambda prompt, gold_ans", "lambda prompt gold_ans", "this is not Python"),
    ],
)
def test_a_file_in_another_form_is_named(tmp_path: Path, old: str, new: str, told: str):
    path = tmp_path / "judge_prompts.py"
    assert old in PUBLISHED
    path.write_text(PUBLISHED.replace(old, new, 1))
    with pytest.raises(BenchmarkError, match=told) as caught:
        read_judge_prompts(path)
    (problem,) = caught.value.problems
    assert problem.file == str(path)
    assert problem.way_out


def test_all_problems_of_a_file_are_told_at_once(tmp_path: Path):
    path = tmp_path / "judge_prompts.py"
    path.write_text("x = 1\n")
    with pytest.raises(BenchmarkError) as caught:
        read_judge_prompts(path)
    assert len(caught.value.problems) == 2
    with pytest.raises(BenchmarkError, match="cannot be read"):
        read_judge_prompts(tmp_path / "nowhere.py")
