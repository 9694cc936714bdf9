"""AlpacaEval's recorded annotations of four models, against the published rows of those models.

What is recorded lies outside this repository; where it is missing, these tests are skipped.
"""

from __future__ import annotations

import csv
from functools import cache
from typing import Any

import pytest

from archon_graph.evals.benchmarks.alpaca_eval import alpaca_eval
from archon_graph.evals.judges.alpaca_eval import AlpacaPrompt, is_switched, preference_of, win_rate
from archon_graph.evals.judges.alpaca_files import read_annotations
from archon_graph.evals.judges.length_control import lc_win_rate_from_weights, length_controlled_win_rate
from archon_graph.evals.judges.length_files import load_difficulties, load_gamed_baselines, load_length_weights
from tests.evals.shared import SHARED, needs_shared, rows

pytestmark = needs_shared

SET = SHARED / "benchmarks" / "alpaca_eval"
REPLAY = SHARED / "replay" / "alpaca_eval"
MODELS = ("alpaca-7b", "claude-2", "text_davinci_001", "NullModel")
BASELINE = SET / "gpt4_1106_preview_model_outputs.json"
DIFFICULTIES = SET / "instruction_difficulty_reconstructed.csv"

each_model = pytest.mark.parametrize("model", MODELS)


@cache
def recorded(model: str) -> list[dict[str, Any]]:
    return rows(f"replay/alpaca_eval/{model}.jsonl")


@cache
def published(model: str) -> dict[str, str]:
    with (REPLAY / "published_leaderboard_rows.csv").open(encoding="utf-8", newline="") as file:
        return next(row for row in csv.DictReader(file) if row["model"] == model)


def lengths(model: str) -> dict[str, list[int]]:
    return {
        "lengths": [row["len_output_2"] for row in recorded(model)],
        "baseline_lengths": [row["len_output_1"] for row in recorded(model)],
    }


def test_the_evaluation_set():
    items = alpaca_eval(BASELINE).items
    assert len(items) == 805
    assert {item.metadata["baseline_model"] for item in items} == {"gpt4_1106_preview"}
    for row in recorded("alpaca-7b"):
        metadata = items[row["index"]].metadata
        assert metadata["dataset"] == row["dataset"]
        assert len(metadata["baseline"]) == row["len_output_1"]


@each_model
def test_win_rates(model: str):
    """In all digits; of one model the recorded preferences are rounded more than those its row was made of."""
    found, row = win_rate([one["preference"] for one in recorded(model)]), published(model)
    counts = ("n_wins", "n_wins_base", "n_draws", "n_total")
    assert [getattr(found, name) for name in counts] == [int(row[name]) for name in counts]
    assert found.discrete_win_rate == pytest.approx(float(row["discrete_win_rate"]), rel=1e-15)
    exact = 1e-11 if model == "NullModel" else 1e-15
    assert found.win_rate == pytest.approx(float(row["win_rate"]), rel=exact)
    assert found.standard_error == pytest.approx(float(row["standard_error"]), rel=exact)


@each_model
def test_preferences_and_their_order(model: str):
    """From the probabilities of the judge's first token; the order from the instruction."""
    items = alpaca_eval(BASELINE).items
    judged = [row for row in recorded(model) if row["top_logprobs"] is not None]
    assert len(judged) >= 800
    for row in judged:
        switched = is_switched(str(items[row["index"]].input))
        assert switched == row["is_switched_outputs"]
        found = preference_of(row["top_logprobs"], switched=switched)
        assert found == pytest.approx(row["preference"], abs=1e-6)
    # Whom no judge was asked about are draws: the two outputs were the same.
    assert {row["preference"] for row in recorded(model) if row["top_logprobs"] is None} <= {1.5}


def test_annotations_as_they_were_written():
    """The preference follows from the instruction and from what the provider returned."""
    annotations = read_annotations(REPLAY / "annotations_original_format_alpaca-7b_first25.json")
    assert len(annotations) == 25
    for one in annotations:
        assert one.top_logprobs is not None
        found = preference_of(one.top_logprobs, switched=is_switched(one.instruction))
        assert found == pytest.approx(one.preference, abs=1e-6)


def test_the_published_words():
    """What the judge is told is the published template with the texts in place of its three placeholders."""
    path = SET / "alpaca_eval_clf.txt"
    told = AlpacaPrompt.load(path).messages("Ask {it}?", "one {output_2} $1", "two\n", switched=True)
    text = path.read_text(encoding="utf-8")
    for name, value in (("instruction", "Ask {it}?"), ("output_1", "two\n"), ("output_2", "one {output_2} $1")):
        before, after = text.split("{" + name + "}")
        text = before + value + after
    assert [message.type for message in told] == ["system", "human"]
    assert "".join(
        f"<|im_start|>{one}\n<|im_end|>" for one in ("system\n" + told[0].text, "user\n" + told[1].text)
    ) == (text.replace("<|im_end|>\n<|im_start|>", "<|im_end|><|im_start|>"))


@each_model
def test_predicted_length_controlled_win_rates(model: str):
    """From the published weights. Of one model the published weights do not give the published figure."""
    weights = load_length_weights(REPLAY / "published_glm_weights_rows.csv")[model]
    difficulties = load_difficulties(DIFFICULTIES)[: len(recorded(model))]
    found = lc_win_rate_from_weights(weights, difficulties=difficulties)
    exact = 0.14 if model == "NullModel" else 1e-6
    assert found == pytest.approx(float(published(model)["length_controlled_winrate"]), abs=exact)


@each_model
def test_fitted_length_controlled_win_rates(model: str):
    """Within a tenth of a point: the labels of the gamed rows are not the published ones."""
    found = length_controlled_win_rate(
        [row["preference"] for row in recorded(model)],
        **lengths(model),
        difficulties=load_difficulties(DIFFICULTIES),
        gamed=load_gamed_baselines(SET / "gamed_baseline_surrogate.csv"),
    )
    assert found.n_gamed == 1610
    assert found.win_rate == pytest.approx(float(published(model)["length_controlled_winrate"]), abs=0.1)


def test_the_published_difficulties_go_by_position():
    """A model that lacks two rows: 9.03 is published, and by question it would be 6.48."""
    model = "text_davinci_001"
    assert len(recorded(model)) == 803
    found = length_controlled_win_rate(
        [row["preference"] for row in recorded(model)],
        **lengths(model),
        difficulties=load_difficulties(DIFFICULTIES),
        gamed=load_gamed_baselines(SET / "gamed_baseline_surrogate.csv"),
        difficulty_by="question",
        indices=[row["index"] for row in recorded(model)],
    )
    assert found.win_rate == pytest.approx(6.48, abs=0.01)
    assert float(published(model)["length_controlled_winrate"]) == pytest.approx(9.03, abs=0.01)
