"""MixEval's rule parsers on recorded answers of Gemma-1.1-7B-IT to MixEval-Hard, beside the published figures.

Published are figures by a GPT-3.5 judge, whose verdicts are not; the rules land below them, and should:

- Choices: MMLU 34.6, published 39.0. The rules know no ``**A**`` and no ``**A.**``, and all 47 answers of 500
  that they cannot read are of this form. (The authors would draw a random letter, which is right in one of four;
  we do not.) Our own reader of letters, which knows the form, gives 38.1.
- Short answers: TriviaQA 14.2 and DROP 34.7, published 30.3 and 55.1. The judge gives grades between 0 and 1, and
  takes a name in other words; the rules look for the very words of a target, and only behind the last "is", "so"
  and the like of a line. The words are anywhere in 18.7 % of the answers to TriviaQA, and in 43.1 % to DROP.
- Overall: 26.8, published 39.1.

Held once against the authors' own program, the verdicts on these 1000 answers were the same, each one.
"""

from __future__ import annotations

from collections import Counter

import pytest

from archon_graph.core import Prompt
from archon_graph.evals.benchmarks.mixeval import mixeval, mixeval_hard
from archon_graph.evals.scorers import Choice
from archon_graph.evals.scorers.mixeval_rules import MixEvalRules
from tests.evals.items import item
from tests.evals.shared import SHARED, expected, needs_shared, rows

pytestmark = needs_shared
SIZES = {
    "mixeval": {"TriviaQA": 1247, "DROP": 496, "GSM8k": 142, "BBH": 88, "MATH": 20, "MMLU": 855, "AGIEval": 130},
    "mixeval_hard": {"TriviaQA": 267, "DROP": 167, "GSM8k": 22, "BBH": 16, "MATH": 16, "MMLU": 231, "AGIEval": 83},
}
FILES = {
    "free-form": "replay/mixeval/gemma_11_7b_instruct_freeform_hard_responses.jsonl",
    "multiple-choice": "replay/mixeval/gemma_11_7b_instruct_multichoice_hard_responses.jsonl",
}


@pytest.fixture(scope="module")
def hard():
    return mixeval_hard(SHARED / "benchmarks/mixeval_hard")


@pytest.fixture(scope="module")
def answers():
    return {part: rows(name) for part, name in FILES.items()}


@pytest.mark.parametrize(
    ("load", "each", "clusters", "repeats"),
    [(mixeval, 2000, 2988, 815), (mixeval_hard, 500, 430, 554)],
    ids=["mixeval", "mixeval_hard"],
)
def test_the_release_loads(load, each: int, clusters: int, repeats: int):
    """With the published numbers of questions; far fewer are on texts of their own."""
    benchmark = load(SHARED / "benchmarks" / load.__name__)
    assert Counter(one.kind for one in benchmark) == {"mixeval_free_form": each, "mixeval_choice": each}
    sizes = Counter(one.metadata["benchmark_name"] for one in benchmark)
    assert SIZES[load.__name__].items() <= sizes.items()
    assert len({one.cluster for one in benchmark}) == clusters
    assert len(benchmark) - len({one.input for one in benchmark}) == repeats


@pytest.mark.parametrize("part", FILES)
def test_questions_are_put_together_as_recorded(answers, part: str):
    """With the requests of the recorded run as the prompt, letter by letter."""
    lines = answers[part]
    plain = next(one for one in lines if one["benchmark_name"] in ("DROP", "MMLU"))["formated_input"]
    short = plain.rpartition("\n")[2]
    steps = next((one["formated_input"] for one in lines if one["benchmark_name"] == "GSM8k"), "\n")
    steps = "\n".join(steps.rsplit("\n", 2)[1:])
    parts = {
        "free_form": f"Question: $question\n{short}",
        "free_form_steps": f"Question: $question\n{steps}",
        "choice": f"$question\n$choices\n{short}",
    }
    asked = mixeval_hard(SHARED / "benchmarks/mixeval_hard", prompt=Prompt(version="recorded", parts=parts))
    differing = [
        line["id"] for line in lines if asked[f"{part}/{line['id']}"].input != line["formated_input"].strip()
    ]
    assert differing == []


async def test_the_rules_land_below_the_published_judge(hard, answers):
    scorer = MixEvalRules()
    scored = []
    for part, lines in answers.items():
        for line in lines:
            one = hard[f"{part}/{line['id']}"]
            scored.append((one, await scorer.score(one, line["response"])))
    figures = scorer.figures(scored)
    published = expected("mixeval")["Gemma-1.1-7B-IT published with the GPT-3.5 judge"]
    found = {
        "MixEval-Hard": figures["overall"],
        "TriviaQA-Hard": figures["TriviaQA"],
        "MMLU-Hard": figures["MMLU"],
        "DROP-Hard": figures["DROP"],
    }
    assert found == {"MixEval-Hard": 0.268, "TriviaQA-Hard": 0.142, "MMLU-Hard": 0.346, "DROP-Hard": 0.347}
    assert (figures["free-form"], figures["multiple-choice"]) == (0.204, 0.332)
    assert all(100 * value < published[name] for name, value in found.items())


async def test_a_reader_that_knows_bold_letters_comes_close_on_choices(hard, answers):
    """To the judge's 39.0 on MMLU; every answer without a letter by the rules has it between asterisks."""
    values, unread = [], []
    for line in answers["multiple-choice"]:
        one = hard[f"multiple-choice/{line['id']}"]
        if (await MixEvalRules().score(one, line["response"])).extracted is None:
            unread.append(line["response"])
        if line["benchmark_name"] == "MMLU":
            asked = item(one.target, kind="choice", choices=one.metadata["options"])
            values.append((await Choice().score(asked, line["response"])).value)
    published = expected("mixeval")["Gemma-1.1-7B-IT published with the GPT-3.5 judge"]["MMLU-Hard"]
    assert 100 * sum(values) / len(values) == pytest.approx(published, abs=1.0)
    assert len(unread) == 47
    assert all(answer.startswith("**") for answer in unread)
