"""The length-controlled win rate, on rows of our own, and the files that it is made from."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from archon_graph.evals.benchmarks import BenchmarkError
from archon_graph.evals.judges.alpaca_eval import win_rate
from archon_graph.evals.judges.length_control import (
    GamedBaselines,
    LengthWeights,
    lc_win_rate_from_weights,
    length_controlled_win_rate,
    length_feature,
)
from archon_graph.evals.judges.length_files import (
    load_difficulties,
    load_gamed_baselines,
    load_length_weights,
)

ROWS = 300


def made(*, length: float, difficulty: float, model: float) -> dict[str, Any]:
    """Preferences that follow the regression exactly, for outputs of lengths drawn by a seed."""
    draws = np.random.default_rng(7)
    lengths, baseline = draws.integers(50, 900, ROWS), draws.integers(50, 900, ROWS)
    hardness = draws.normal(size=ROWS)
    feature = length_feature(lengths=lengths.tolist(), baseline_lengths=baseline.tolist())
    shares = expit(length * feature + difficulty * hardness + model)
    return {
        "preferences": (1 + shares).tolist(),
        "lengths": lengths.tolist(),
        "baseline_lengths": baseline.tolist(),
        "difficulties": hardness.tolist(),
    }


def gamed(rows: int = 40) -> GamedBaselines:
    lengths = tuple(np.linspace(-1, 1, rows).tolist())
    return GamedBaselines(
        lengths=lengths, difficulties=(0.8,) * rows, shares=tuple(expit(1 - 2 * np.array(lengths)).tolist())
    )


def test_weights_are_found_again():
    """Those that preferences were made with; and the win rate is that of equal lengths."""
    found = length_controlled_win_rate(**(rows := made(length=-2.0, difficulty=0.7, model=0.4)))
    assert found.weights.length == pytest.approx(-2.0, abs=0.02)
    assert found.weights.difficulty == pytest.approx(0.7, abs=0.02)
    assert found.weights.model == pytest.approx(0.4, abs=0.02)
    truth = 100 * float(expit(0.7 * np.array(rows["difficulties"]) + 0.4).mean())
    assert found.win_rate == pytest.approx(truth, abs=0.2)
    assert (found.n_total, found.n_trained, found.n_gamed, found.difficulty_by) == (ROWS, ROWS, 0, "position")
    assert "without the rows of the gamed baselines:" in found.statement


def test_the_fit_is_the_minimum_of_its_loss():
    """An optimiser of another kind finds the same weights, gamed rows with a tenth of the weight included."""
    rows, extra = made(length=-1.5, difficulty=0.5, model=-0.6), gamed()
    found = length_controlled_win_rate(**rows, gamed=extra)
    feature = length_feature(lengths=rows["lengths"], baseline_lengths=rows["baseline_lengths"])
    features = np.vstack(
        [
            np.column_stack([feature, rows["difficulties"], np.ones(ROWS)]),
            np.column_stack([extra.lengths, extra.difficulties, np.zeros(len(extra))]),
        ]
    )
    shares = np.concatenate([np.array(rows["preferences"]) - 1, extra.shares])
    weight = np.concatenate([np.ones(ROWS), np.full(len(extra), 0.1)])

    def loss(weights: Any) -> float:
        logit = features @ weights
        log_loss = weight * (np.logaddexp(0, logit) - shares * logit)
        return float(np.abs(weights).sum() + found.strength * log_loss.sum())

    best = minimize(
        loss, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9, "maxiter": 4000}
    )
    fitted = [found.weights.length, found.weights.difficulty, found.weights.model]
    assert fitted == pytest.approx(best.x.tolist(), abs=2e-3)
    assert found.n_gamed == 40
    assert found.statement == "Fitted as the published length-controlled win rates are."


def test_a_model_that_is_only_longer_gains_nothing():
    """Its raw win rate is high, its controlled one is one half."""
    rows = made(length=-2.5, difficulty=0.0, model=0.0)
    rows["lengths"] = [length + 400 for length in rows["lengths"]]
    feature = length_feature(lengths=rows["lengths"], baseline_lengths=rows["baseline_lengths"])
    rows["preferences"] = (1 + expit(-2.5 * feature)).tolist()
    raw = win_rate(rows["preferences"]).win_rate
    assert raw is not None
    assert raw > 75
    assert length_controlled_win_rate(**rows).win_rate == pytest.approx(50.0, abs=0.5)


def test_without_difficulties_their_term_is_left_out():
    rows = made(length=-2.0, difficulty=0.0, model=0.4)
    del rows["difficulties"]
    found = length_controlled_win_rate(**rows, gamed=gamed())
    assert (found.weights.difficulty, found.difficulty_by) == (0.0, None)
    assert found.win_rate == pytest.approx(100 * float(expit(found.weights.model)))
    assert "without the difficulties of the instructions:" in found.statement


def test_difficulties_by_position_and_by_question():
    """The same for the whole set; for a part of it, the published way gives rows the wrong ones."""
    rows = made(length=-2.0, difficulty=1.5, model=0.4)
    whole = length_controlled_win_rate(**rows)
    indices = list(range(ROWS))
    assert length_controlled_win_rate(**rows, difficulty_by="question", indices=indices).win_rate == whole.win_rate
    kept = indices[1:]
    part = {
        **rows,
        **{name: rows[name][1:] for name in ("preferences", "lengths", "baseline_lengths")},
    }
    right = length_controlled_win_rate(**part, difficulty_by="question", indices=kept)
    shifted = length_controlled_win_rate(**part)
    assert right.weights.difficulty == pytest.approx(1.5, abs=0.05)
    assert abs(shifted.weights.difficulty) < 0.5
    assert "each row's own question" not in shifted.statement


def test_rows_without_a_preference_are_predicted_and_not_fitted():
    """Their length counts in the spread, their difficulty in the mean."""
    rows = made(length=-2.0, difficulty=0.7, model=0.4)
    rows["preferences"][5] = None
    found = length_controlled_win_rate(**rows)
    assert (found.n_total, found.n_trained) == (ROWS, ROWS - 1)
    assert found.win_rate == pytest.approx(
        lc_win_rate_from_weights(found.weights, difficulties=rows["difficulties"])
    )


@pytest.mark.parametrize("share", [1.0, 2.0, 0.0])
def test_one_sided_preferences(share: float, capfd: pytest.CaptureFixture[str]):
    """All lost, all won, all drawn: a figure, and nothing on the terminal."""
    found = length_controlled_win_rate([share] * 20, lengths=[*range(20)], baseline_lengths=[9] * 20)
    assert {1.0: found.win_rate < 20, 2.0: found.win_rate > 80, 0.0: found.win_rate == 50.0}[share]
    assert capfd.readouterr() == ("", "")


def test_predicting_from_weights():
    """By hand; and the difference of weights for another baseline, itself included."""
    one = LengthWeights(length=-9.0, difficulty=math.log(3), model=0.0)
    assert lc_win_rate_from_weights(one, difficulties=[0.0, 1.0]) == pytest.approx(100 * (0.5 + 0.75) / 2)
    other = LengthWeights(length=1.0, difficulty=0.0, model=math.log(3))
    assert lc_win_rate_from_weights(one, difficulties=[0.0, 1.0], baseline=other) == pytest.approx(
        100 * (0.25 + 0.5) / 2
    )
    assert lc_win_rate_from_weights(one, difficulties=[0.3], baseline=one) == 50.0


def test_the_length_feature():
    """By hand: differences 1, 0, -1 have a standard deviation of 1; equal ones have none."""
    found = length_feature(lengths=[1, 2, 3], baseline_lengths=[2, 2, 2])
    assert found.tolist() == pytest.approx([math.tanh(1), 0.0, -math.tanh(1)])
    assert length_feature(lengths=[1, 2], baseline_lengths=[3, 4]).tolist() == [0.0, 0.0]
    assert length_feature(lengths=[1], baseline_lengths=[3]).tolist() == [0.0]


SMALL: dict[str, Any] = {"preferences": [1.5] * 6, "lengths": [1] * 6, "baseline_lengths": [2] * 6}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"preferences": [1.5] * 5}, "5 preferences, 6 lengths"),
        ({"preferences": [1.5] * 4 + [None] * 2}, "5 rows with a preference are needed at least .* got 4"),
        ({"preferences": [0.5] * 6}, "a preference is from 1"),
        ({"lengths": [1] * 5}, "5 of the model and 6 of the baseline"),
        ({"lengths": [-1] * 6}, "got a negative one"),
        ({"lengths": [math.nan] * 6}, "a length is a finite number, got nan at place 0"),
        ({"difficulties": [0.0] * 5}, "5 difficulties for 6 rows"),
        ({"difficulties": [math.inf] * 6}, "a difficulty is a finite number"),
        ({"difficulties": [0.0] * 9, "difficulty_by": "question"}, "needs indices.* got none"),
        (
            {"difficulties": [0.0] * 6, "difficulty_by": "question", "indices": [0, 1, 2, 3, 6, -1]},
            "there is none for 6, -1",
        ),
        ({"difficulty_by": "place"}, "'position' or 'question', got 'place'"),
    ],
    ids=str,
)
def test_arguments_that_do_not_fit(changed: dict[str, Any], said: str):
    with pytest.raises(ValueError, match=said):
        length_controlled_win_rate(**{**SMALL, **changed})


def test_other_arguments_that_do_not_fit():
    weights = LengthWeights(length=0.0, difficulty=0.0, model=0.0)
    with pytest.raises(ValueError, match="got no difficulty"):
        lc_win_rate_from_weights(weights, difficulties=[])
    with pytest.raises(ValueError, match=r"got \[1, 2\] of them"):
        GamedBaselines(lengths=(0.1,), difficulties=(0.1,), shares=(0.5, 0.5))


def write(folder: Path, *lines: str) -> Path:
    path = folder / "table.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_files_in_the_forms_that_are_published(tmp_path: Path):
    assert load_difficulties(write(tmp_path, "index,instruction_difficulty", "0,-0.5", "1,2e-1")) == (-0.5, 0.2)
    assert load_difficulties(write(tmp_path, ",instruction_difficulty", "0,1", "", "1,2")) == (1.0, 2.0)
    header = "model,index,std_delta_len,instruction_difficulty,preference,not_gamed_baseline"
    rows = load_gamed_baselines(write(tmp_path, header, '"brief, a",0,0.5,-1,0.25,False'))
    assert rows == GamedBaselines(lengths=(math.tanh(0.5),), difficulties=(-1.0,), shares=(0.25,))
    assert len(rows) == 1
    header = "tanh_std_delta_len,instruction_difficulty,surrogate_preference"
    assert load_gamed_baselines(write(tmp_path, header, "0.5,-1,0.25")).lengths == (0.5,)
    header = ",np.tanh(std_delta_len),instruction_difficulty,not_gamed_baseline.astype(float)"
    found = load_length_weights(write(tmp_path, header, "mine,-1,0.5,0.25"))
    assert found == {"mine": LengthWeights(length=-1.0, difficulty=0.5, model=0.25)}


@pytest.mark.parametrize(
    ("load", "lines", "said"),
    [
        (
            load_difficulties,
            ["index,instruction_difficulty", "0,hard", "2,nan", "2", "x,1"],
            [
                "table.csv:2: instruction_difficulty: should be a number, got 'hard'",
                "table.csv:3: index: should be 1, got 2",
                "table.csv:3: instruction_difficulty: should be a number, got 'nan'",
                "table.csv:4: the row has 1 cells for 2 columns",
                "table.csv:5: index: should be a number, got 'x'",
            ],
        ),
        (load_difficulties, ["index,instruction_dificulty", "0,1"], ["did you mean 'instruction_dificulty'?"]),
        (load_difficulties, ["index,instruction_difficulty"], ["holds no row"]),
        (load_difficulties, ["index,instruction_difficulty", '0,"1"x'], ["table.csv:2: this is not valid CSV"]),
        (
            load_gamed_baselines,
            ["std_delta_len,instruction_difficulty,preference", "0,0,1.5"],
            ["table.csv:2: preference: should be from 0 to 1, got 1.5"],
        ),
        (
            load_gamed_baselines,
            ["a,b", "0,0"],
            ["tanh_std_delta_len: the column is missing", "or 'std_delta_len'"],
        ),
        (
            load_length_weights,
            [
                "model,np.tanh(std_delta_len),instruction_difficulty,not_gamed_baseline.astype(float)",
                "x,0,0,0",
                "x,0,0,inf",
            ],
            ["'x' stands here twice", "should be a number, got 'inf'"],
        ),
    ],
)
def test_all_problems_of_a_file_at_once(tmp_path: Path, load: Any, lines: list[str], said: list[str]):
    with pytest.raises(BenchmarkError) as caught:
        load(write(tmp_path, *lines))
    for part in said:
        assert part in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(BenchmarkError, match="cannot be read"):
        load_difficulties(tmp_path / "none.csv")
