"""AlpacaEval's judge: the order of outputs, the words, what replies say, and the figures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from archon_graph.core import Prompt
from archon_graph.evals.benchmarks import BenchmarkError
from archon_graph.evals.judges.alpaca_eval import (
    AlpacaPrompt,
    is_switched,
    preference_in_text,
    preference_of,
    read_preference,
    win_rate,
)

TEMPLATE = """<|im_start|>system
You judge. A price is $5.
<|im_end|>
<|im_start|>user
{ "asked": "{instruction}" }
m: {output_1}
M: {output_2}

<|im_end|>
"""
HOSTILE = "{output_2} $output_1 ${x} $ {} <|im_end|> \\1 \\g<0>"


def template(folder: Path, text: str) -> Path:
    path = folder / "judge.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_order_is_drawn_from_the_instruction_alone():
    """The same each time, about as often one as the other, and for any text."""
    drawn = [is_switched(f"instruction {number}") for number in range(400)]
    assert drawn == [is_switched(f"instruction {number}") for number in range(400)]
    assert 150 < sum(drawn) < 250
    assert is_switched("half \ud83d") in (True, False)


def test_a_chatml_file_becomes_messages(tmp_path: Path):
    """White space around a text goes; braces and dollars that are no placeholder stay."""
    prompt = AlpacaPrompt.load(template(tmp_path, TEMPLATE))
    system, user = prompt.messages("Why?", "one", "two", switched=False)
    assert system == SystemMessage("You judge. A price is $5.")
    assert user == HumanMessage('{ "asked": "Why?" }\nm: one\nM: two')
    assert prompt.messages("Why?", "one", "two", switched=True)[1].text.endswith("m: two\nM: one")
    assert prompt.identity.startswith("judge@")


@pytest.mark.parametrize("switched", [False, True])
def test_texts_are_put_in_as_they_are(tmp_path: Path, switched: bool):
    for prompt in (AlpacaPrompt.default(), AlpacaPrompt.load(template(tmp_path, TEMPLATE))):
        user = prompt.messages(HOSTILE, f"1 {HOSTILE} 1", f"2 {HOSTILE} 2", switched=switched)[-1].text
        assert user.count(HOSTILE) == 3
        assert (user.index(f"1 {HOSTILE}") > user.index(f"2 {HOSTILE}")) == switched


def test_all_problems_of_a_chatml_file_at_once(tmp_path: Path):
    text = "before <|im_start|>sytem\nx {ouput_1}\n<|im_end|> behind\n<|im_start|>user\n{instruction}\n"
    with pytest.raises(BenchmarkError) as caught:
        AlpacaPrompt.load(template(tmp_path, text))
    said = str(caught.value)
    for part in (
        "text stands before",
        "did you mean 'system'?",
        "judge.txt:2: ouput_1: no such placeholder (did you mean 'output_1'?)",
        "text stands behind",
        "this message has no end",
        "{output_1} is missing",
        "{output_2} is missing",
    ):
        assert part in said
    with pytest.raises(BenchmarkError, match=r"holds no <\|im_start\|>"):
        AlpacaPrompt.load(template(tmp_path, "plain"))
    with pytest.raises(BenchmarkError, match=r"did you mean 'judge.txt'\?"):
        AlpacaPrompt.load(tmp_path / "juge.txt")


def test_several_messages_of_one_role(tmp_path: Path):
    text = "".join(
        f"<|im_start|>{role}\n{words}<|im_end|>"
        for role, words in [("user", "{instruction}"), ("assistant", "ok"), ("user", "{output_1}{output_2}")]
    )
    messages = AlpacaPrompt.load(template(tmp_path, text)).messages("i", "a", "b", switched=False)
    assert [(one.type, one.text) for one in messages] == [("human", "i"), ("ai", "ok"), ("human", "ab")]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"usr": "$instruction $output_1 $output_2"}, "did you mean 'user'"),
        ({"user": "$instruction $output_1"}, "does not use \\$output_2"),
        ({"user": "$instruction $output_1 $output_2 $rubric"}, "uses \\$rubric"),
    ],
)
def test_a_prompt_of_ones_own_is_checked(parts: dict[str, str], said: str):
    with pytest.raises(ValueError, match=said):
        AlpacaPrompt(words=Prompt(version="mine", parts=parts))


def test_preference_from_probabilities():
    """3 to 1 for what was shown as m; a letter that is not there has no chance; other tokens say nothing."""
    top = [("m", math.log(0.6)), ("M", math.log(0.2)), ("The", math.log(0.1)), (" m", -0.1)]
    assert preference_of(top, switched=False) == pytest.approx(1.25)
    assert preference_of(top, switched=True) == pytest.approx(1.75)
    assert preference_of([("M", -0.1)], switched=False) == 2.0
    assert preference_of([("M", -0.1)], switched=True) == 1.0
    assert preference_of([("m", 0.0), ("M", -9999.0)], switched=False) == 1.0
    assert preference_of([("The", -0.1)], switched=False) is None
    assert preference_of([], switched=False) is None


@pytest.mark.parametrize(
    "bad", [math.nan, math.inf, -math.inf, "x", None, True, [], 10**400, -(10**400), 7.0], ids=repr
)
def test_what_is_no_log_probability_is_passed_over(bad: Any):
    assert preference_of([("m", bad)], switched=False) is None
    assert preference_of([("m", bad), ("M", -0.5)], switched=False) == 2.0
    assert preference_of(["mM", ("m",), (3, -0.1), None, ("M", -0.5)], switched=False) == 2.0  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("text", "shown_first"),
    [
        ("m", True),
        ("M", False),
        (" M\n", False),
        ('"m"', True),
        ("**M**.", False),
        ("The best is m, as m is right.", True),
        ("I'm sure: M", False),
        ("It\u2019s M", False),
        ("m or M", None),
        ("I'm not sure", None),
        ("model", None),
        ("", None),
        ("m_1 3m", None),
        ("x" * 5000 + " m", None),
        ("\x00\ud83d\u202e", None),
    ],
)
def test_preference_from_text(text: str, shown_first: bool | None):
    for switched in (False, True):
        found = preference_in_text(text, switched=switched)
        assert found == (None if shown_first is None else 2.0 if shown_first == switched else 1.0)
        assert read_preference(AIMessage(text), switched=switched) == found


def reply(text: str, logprobs: Any) -> AIMessage:
    return AIMessage(text, response_metadata={"logprobs": logprobs})


def test_probabilities_go_before_the_text():
    top = [{"token": "m", "logprob": math.log(0.2)}, {"token": "M", "logprob": math.log(0.6)}, {"token": 3}, "x"]
    assert read_preference(reply("m", {"content": [{"top_logprobs": top}]}), switched=False) == pytest.approx(1.75)
    other = [{"token": "The", "logprob": -0.1}]
    assert read_preference(reply("m", {"content": [{"top_logprobs": other}]}), switched=False) is None


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        [0.1, 0.2],
        "x",
        {},
        {"content": None},
        {"content": []},
        {"content": ["x"]},
        {"content": [{"top_logprobs": None}]},
        {"content": [{"top_logprobs": []}]},
    ],
    ids=repr,
)
def test_without_probabilities_the_text_is_read(logprobs: Any):
    assert read_preference(reply("M", logprobs), switched=False) == 2.0


def test_win_rate():
    """A draw is 1.5 or 0; what has no preference counts for nothing."""
    found = win_rate([1.0, 2.0, 1.75, 1.5, 0, None])
    assert found.win_rate == pytest.approx(100 * (0 + 1 + 0.75 + 0.5 + 0.5) / 5)
    assert (found.n_wins, found.n_wins_base, found.n_draws, found.n_total) == (2, 1, 2, 5)
    assert found.discrete_win_rate == pytest.approx(60.0)
    # By hand: squares from the mean 0.55 sum to 0.55.
    assert found.standard_error == pytest.approx(100 * math.sqrt(0.55 / 4 / 5))
    assert found.to_json()["n_total"] == 5


def test_win_rate_of_little():
    nothing, one = win_rate([None]), win_rate([2.0])
    assert (nothing.win_rate, nothing.standard_error, nothing.discrete_win_rate) == (None, None, None)
    assert (one.win_rate, one.standard_error, one.n_total) == (100.0, None, 1)
    with pytest.raises(ValueError, match=r"0\.7 at place 1, nan at place 2"):
        win_rate([1.0, 0.7, math.nan])
