"""Parts of a benchmark: filters, splits and samples, none of which depends on the order of the items."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon_graph.evals.benchmarks import SPLITS, Benchmark, BenchmarkError, Item, UnknownBenchmarkError

ROOT = Path(__file__).parents[2]


def made(ids: list[str], **common: object) -> Benchmark:
    items = tuple(Item(id=name, input=f"{name}?", target="x", kind="exact") for name in ids)
    return Benchmark(name="made", items=items, **common)  # type: ignore[arg-type]


NUMBERED = made([f"q{number}" for number in range(200)])
IDS = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=40, unique=True)


def ids(benchmark: Benchmark) -> list[str]:
    return [item.id for item in benchmark]


@given(IDS, st.integers(1, 50), st.integers(1, 50), st.integers(0, 5))
def test_the_smaller_of_two_samples_is_part_of_the_larger(names: list[str], one: int, other: int, seed: int):
    """And both keep the order of the items."""
    benchmark = made(names)
    small, large = (ids(benchmark.sample(size, seed=seed)) for size in sorted((one, other)))
    assert set(small) <= set(large)
    assert len(large) == min(max(one, other), len(names))
    assert [name for name in names if name in large] == large


@given(IDS, st.integers(1, 20), st.randoms(use_true_random=False))
def test_a_sample_does_not_depend_on_the_order_of_the_file(names: list[str], size: int, random):
    shuffled = [*names]
    random.shuffle(shuffled)
    assert {*ids(made(names).sample(size))} == {*ids(made(shuffled).sample(size))}


def test_another_seed_draws_another_sample():
    assert len({tuple(ids(NUMBERED.sample(20, seed=seed))) for seed in range(5)}) == 5
    with pytest.raises(ValueError, match="at least one"):
        NUMBERED.sample(0)


def test_the_same_sample_in_another_process():
    """Under another hash seed: Python's own hash has no part in it."""
    code = (
        "from tests.evals.test_benchmark import NUMBERED, ids;"
        "print(*ids(NUMBERED.sample(5)), *ids(NUMBERED.in_split('holdout')))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7"},
        cwd=ROOT,
    )
    assert ran.stdout.split() == [*ids(NUMBERED.sample(5)), *ids(NUMBERED.in_split("holdout"))]


@given(IDS)
def test_splits_cover_everything_and_do_not_overlap(names: list[str]):
    benchmark = made(names)
    found: list[str] = []
    for split in SPLITS:
        try:
            found += ids(benchmark.in_split(split))
        except ValueError as error:
            assert "is in the split" in str(error)
    assert sorted(found) == sorted(names)


def test_splits_have_about_their_shares():
    shares = Counter(split for split in SPLITS for _ in NUMBERED.in_split(split))
    assert shares == {"search": 102, "selection": 42, "holdout": 56}


def test_an_item_stays_in_its_split_whatever_comes_or_goes():
    """Sampled, filtered or extended before: what is held out stays held out."""
    held = {*ids(NUMBERED.in_split("holdout"))}
    assert {*ids(NUMBERED.sample(50).in_split("holdout"))} <= held
    assert {*ids(NUMBERED.where(span=(100, 200)).in_split("holdout"))} <= held
    assert held <= {*ids(made([f"q{number}" for number in range(-50, 250)]).in_split("holdout"))}


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=30))
def test_a_cluster_is_never_torn_apart(clusters: list[str]):
    """Questions on one text must not be searched on and held out at once."""
    items = tuple(
        Item(id=f"{place}", input="?", target="x", cluster=cluster, kind="exact")
        for place, cluster in enumerate(clusters)
    )
    benchmark = Benchmark(name="made", items=items)
    seen: dict[str, str] = {}
    for split in SPLITS:
        try:
            part = benchmark.in_split(split)
        except ValueError:
            continue
        for item in part:
            assert seen.setdefault(item.unit, split) == split


def test_metadata_names_the_split():
    items = [
        Item(id=str(n), input="?", target="x", metadata={"split": "dev" if n % 3 else "test"}, kind="exact")
        for n in range(9)
    ]
    benchmark = Benchmark(name="made", items=tuple(items))
    assert ids(benchmark.in_split("test")) == ["0", "3", "6"]
    with pytest.raises(UnknownBenchmarkError, match=r"no split 'tset' \(did you mean 'test'\?\).*metadata"):
        benchmark.in_split("tset")
    bare = Item(id="bare", input="?", target="x", kind="exact")
    with pytest.raises(ValueError, match=r"9 of the 10 items.*'bare'"):
        Benchmark(name="made", items=(*items, bare)).in_split("dev")


def test_filters():
    """By metadata, by a function, by ids, by positions, and all together."""
    items = tuple(
        Item(
            id=f"q{n}",
            input="?",
            target="x",
            metadata={"level": n % 5, "subject": "even" if n % 2 == 0 else "odd"},
            kind="exact",
        )
        for n in range(20)
    )
    benchmark = Benchmark(name="made", items=items)
    assert ids(benchmark.where({"level": 3})) == ids(benchmark.where({"level": "3"})) == ["q3", "q8", "q13", "q18"]
    assert len(benchmark.where({"level": [3, 4]})) == len(benchmark.where({"level": range(3, 5)})) == 8
    assert ids(benchmark.where({"level": 3, "subject": "odd"})) == ["q3", "q13"]
    assert ids(benchmark.where(lambda item: item.id.endswith("7"))) == ["q7", "q17"]
    assert ids(benchmark.where(ids=["q9", "q2"])) == ["q2", "q9"]
    assert ids(benchmark.where({"subject": "odd"}, span=(4, 8))) == ["q5", "q7"]


def test_filters_that_can_only_be_mistakes():
    benchmark = Benchmark(
        name="made", items=(Item(id="q1", input="?", target="x", metadata={"level": 1}, kind="exact"),)
    )
    with pytest.raises(UnknownBenchmarkError, match=r"'levle' \(did you mean 'level'\?\)"):
        benchmark.where({"levle": 1})
    with pytest.raises(UnknownBenchmarkError, match=r"'q11' \(did you mean 'q1'\?\)"):
        benchmark.where(ids=["q11"])
    with pytest.raises(UnknownBenchmarkError, match="did you mean 'q1'"):
        benchmark["q11"]
    with pytest.raises(ValueError, match="level is 1"):
        benchmark.where({"level": 9})
    with pytest.raises(ValueError, match="3 to 1"):
        benchmark.where(span=(3, 1))
    assert benchmark["q1"] is benchmark.items[0]


def test_two_items_of_one_name_are_refused():
    with pytest.raises(BenchmarkError, match="'a' is the id of more than one item"):
        made(["a", "b", "a"])


def test_a_fingerprint_tells_whether_anything_changed():
    """In an item, or in which items there are."""
    one = Item(id="a", input="?", target="x", metadata={"level": 1}, kind="exact")
    other = Item(id="a", input="?", target="x", metadata={"level": 2}, kind="exact")
    assert one.fingerprint != other.fingerprint
    assert one.fingerprint == Item(**{**one.to_json(), "tests": ()}).fingerprint
    prints = {made(names).fingerprint for names in (["a"], ["a", "b"], ["b", "a"])}
    assert len(prints) == 3
    assert made(["a"]).describe()["fingerprint"] == made(["a"]).fingerprint


@pytest.mark.parametrize("wrong", [{"id": ""}, {"input": ""}, {"input": " "}, {"input": ()}])
def test_an_item_without_name_or_question_is_none(wrong: dict[str, object]):
    with pytest.raises(ValueError, match="empty"):
        Item(**{"id": "a", "input": "?", "target": "x", "kind": "exact", **wrong})  # type: ignore[arg-type]
