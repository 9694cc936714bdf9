"""A user's own questions: read as they stand, and every problem of a file told at once."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archon_graph.evals.benchmarks import BenchmarkError, jsonl, load_benchmark
from archon_graph.evals.scorers import Exact


def write(folder: Path, *lines: Any, name: str = "questions.jsonl") -> Path:
    """A file with these lines; what is no text is written as JSON."""
    path = folder / name
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path, **options: Any) -> list[tuple[int | None, str | None]]:
    """Line and field of each problem."""
    with pytest.raises(BenchmarkError) as caught:
        jsonl(path, **options)
    assert all(problem.way_out and problem.message for problem in caught.value.problems)
    return [(problem.line, problem.field) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ({"input": "1 + 1?", "target": 2}, "numeric"),
        ({"input": "1 + 1?", "target": "2.0"}, "numeric"),
        ({"input": "1/2 + 1/4?", "target": ["3/4", 0.75]}, "numeric"),
        ({"input": "A or B?", "target": "B"}, "choice"),
        ({"input": "Half?", "target": r"\frac{1}{2}"}, "math"),
        ({"input": "Capital of France?", "target": "Paris"}, "exact"),
        ({"input": "Add.", "tests": ["assert add(1, 1) == 2"]}, "code"),
        ({"input": "Add.", "tests": "assert add(1, 1) == 2"}, "code"),
        ({"input": "A poem, please.", "kind": "open"}, "open"),
        ({"input": "Capital of France?", "target": "7", "kind": "exact"}, "exact"),
        (
            {
                "input": "Three words.",
                "kind": "format",
                "metadata": {"check": [{"rule": "word_count", "count": 3}]},
            },
            "format",
        ),
    ],
)
def test_a_line_tells_how_it_is_scored(tmp_path: Path, line: dict[str, Any], kind: str):
    """By its own kind, or by what it holds."""
    (item,) = jsonl(write(tmp_path, line))
    assert item.kind == kind
    assert item.input == line["input"]


def test_everything_in_a_line_is_kept(tmp_path: Path):
    line = {
        "id": 7,
        "input": "Which?",
        "target": ["a", "b"],
        "metadata": {"level": 3, "deep": {"x": [1]}},
        "cluster": "text 1",
    }
    (item,) = jsonl(write(tmp_path, line))
    assert (item.id, item.targets, item.cluster) == ("7", ("a", "b"), "text 1")
    assert item.metadata == line["metadata"]


def test_a_conversation_is_a_question(tmp_path: Path):
    """Content blocks included; the caller's copy is not the item's."""
    blocks = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    line = {
        "input": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": blocks}],
        "target": "nothing",
    }
    (item,) = jsonl(write(tmp_path, line))
    question = item.question
    assert not isinstance(question, str)
    assert [(message.type, message.content) for message in question] == [
        ("system", "Be brief."),
        ("human", blocks),
    ]
    question[0].content = "changed"
    assert item.question[0].content == "Be brief."  # type: ignore[union-attr]


def test_blank_lines_a_mark_at_the_start_and_a_separator_within_a_text_are_no_problem(tmp_path: Path):
    """U+2028 is a line end to Python, and not to JSON lines."""
    path = tmp_path / "questions.jsonl"
    line = json.dumps({"input": "a\u2028b", "target": "x"}, ensure_ascii=False)
    path.write_bytes(b"\xef\xbb\xbf\r\n" + line.encode() + b"\r\n\r\n")
    (item,) = jsonl(path)
    assert item.input == "a\u2028b"


def test_a_list_in_a_json_file_and_a_gzipped_file_hold_the_same(tmp_path: Path):
    lines = [{"input": "1?", "target": 1}, {"input": "2?", "target": 2}]
    plain = jsonl(write(tmp_path, *lines))
    listed = jsonl(write(tmp_path, json.dumps(lines), name="questions.json"))
    packed = tmp_path / "questions.jsonl.gz"
    packed.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    assert plain.items == listed.items == jsonl(packed).items
    assert plain.name == jsonl(packed).name == "questions"


def test_an_id_of_its_own_making_stays_when_lines_come_and_go(tmp_path: Path):
    """So the item stays in its split."""
    one, two = {"input": "1?", "target": 1}, {"input": "2?", "target": 2}
    before = jsonl(write(tmp_path, one, two))
    after = jsonl(write(tmp_path, two))
    assert after.items[0].id == before.items[1].id


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ('{"input": "x", "target": "y"', None),
        ("[1, 2]", None),
        ('"text"', None),
        ('{"input": "x", "target": NaN}', None),
        ('{"input": "x", "input": "y", "target": "z"}', "input"),
        ("[" * 100_000, None),
        ({"target": "y"}, "input"),
        ({"input": "  ", "target": "y"}, "input"),
        ({"input": 3, "target": "y"}, "input"),
        ({"input": [], "target": "y"}, "input"),
        ({"input": [{"role": "user"}], "target": "y"}, "input"),
        ({"input": [{"role": "poet", "content": "x"}], "target": "y"}, "input"),
        ({"input": [{"role": "assistant", "content": "x"}], "target": "y"}, "input"),
        ({"input": "x"}, "target"),
        ({"input": "x", "target": None}, "target"),
        ({"input": "x", "target": ""}, "target"),
        ({"input": "x", "target": []}, "target"),
        ({"input": "x", "target": True}, "target"),
        ({"input": "x", "target": {"a": 1}}, "target"),
        ('{"input": "x", "target": 1e999}', "target"),
        ('{"input": "x", "target": "\\ud83d"}', "target"),
        ('{"input": "\\ud83d", "target": "x"}', "input"),
        ({"input": "x", "target": "many", "kind": "numeric"}, "target"),
        ({"input": "x", "target": "z", "kind": "choice"}, "target"),
        ({"input": "x", "target": "C", "metadata": {"choices": ["a", "b"]}}, "target"),
        ({"input": "x", "target": "A", "metadata": {"choices": "ab"}}, "metadata.choices"),
        ({"input": "x", "target": 1, "metadata": {"tolerance": "a bit"}}, "metadata.tolerance"),
        ({"input": "x", "target": "y", "kind": "numerc"}, "kind"),
        ({"input": "x", "target": "y", "kind": "code"}, "tests"),
        ({"input": "x", "tests": [1]}, "tests"),
        ({"input": "x", "tests": []}, "tests"),
        ({"input": "x", "kind": "format"}, "metadata.check"),
        ({"input": "x", "kind": "format", "metadata": {"check": [{"rule": "wordcount"}]}}, "metadata.check"),
        ({"input": "x", "target": "y", "metadata": [1]}, "metadata"),
        ({"input": "x", "target": "y", "id": ["a"]}, "id"),
        ({"input": "x", "target": "y", "taget": "z"}, "taget"),
    ],
)
def test_a_bad_line_is_named_with_its_field(tmp_path: Path, line: Any, field: str | None):
    """The good lines around it have no say."""
    good = [{"input": "1?", "target": 1}, {"input": "2?", "target": 2}]
    assert problems(write(tmp_path, good[0], line, good[1])) == [(2, field)]


def test_all_problems_of_a_file_are_told_at_once(tmp_path: Path):
    """Those of one line, too, and the message has file, line, field, the nearest name and the way out."""
    path = write(
        tmp_path,
        {"input": "", "taget": "x"},
        "{",
        {"id": "a", "input": "1?", "target": 1},
        {"id": "a", "input": "2?", "target": 2},
    )
    assert problems(path) == [(1, "taget"), (1, "input"), (1, "target"), (2, None), (4, "id")]
    with pytest.raises(BenchmarkError) as caught:
        jsonl(path)
    message = str(caught.value)
    assert message.startswith("5 problems in the benchmark's data:")
    assert f"{path}:1: taget: no such field (did you mean 'target'?)" in message
    assert f"{path}:2: this is not valid JSON" in message
    assert f"{path}:4: id: 'a' is the id of line 3 already. Give each line an id" in message


def test_an_id_is_taken_by_a_line_that_has_other_problems(tmp_path: Path):
    """Else it would come to light only when those are mended."""
    whole = {"id": "a", "input": "1?", "target": 1}
    assert problems(write(tmp_path, {"id": "a", "input": "2?"}, whole)) == [(1, "target"), (2, "id")]
    assert problems(write(tmp_path, whole, {"id": "a", "target": 2})) == [(2, "input"), (2, "id")]
    assert problems(write(tmp_path, {"id": 7, "input": "2?"}, {**whole, "id": "7"})) == [(1, "target"), (2, "id")]
    no_ids = [{"id": "", "input": "2?", "target": 2}, {"id": True, "input": "3?", "target": 3}]
    assert problems(write(tmp_path, *no_ids, *no_ids)) == [(line, "id") for line in (1, 2, 3, 4)]


def test_the_same_question_twice_is_a_problem(tmp_path: Path):
    """It would count twice, and could be searched on and held out at once."""
    line = {"input": "1?", "target": 1}
    assert problems(write(tmp_path, line, {"input": "2?", "target": 2}, line)) == [(3, "id")]


def test_hundreds_of_problems_do_not_flood_the_screen(tmp_path: Path):
    path = write(tmp_path, *["{"] * 300)
    with pytest.raises(BenchmarkError, match="and 280 more") as caught:
        jsonl(path)
    assert len(caught.value.problems) == 300


def test_files_that_cannot_be_read(tmp_path: Path):
    """No such file (with the nearest), a folder, nothing in it, no UTF-8, a broken archive."""
    write(tmp_path, {"input": "1?", "target": 1}, name="questions.jsonl")
    with pytest.raises(BenchmarkError, match=r"did you mean 'questions\.jsonl'"):
        jsonl(tmp_path / "question.jsonl")
    with pytest.raises(BenchmarkError, match=r"there is no folder"):
        jsonl(tmp_path / "nowhere" / "question.jsonl")
    with pytest.raises(BenchmarkError, match=r"this is a folder.*questions\.jsonl"):
        jsonl(tmp_path)
    assert problems(write(tmp_path, "", name="empty.jsonl")) == [(None, None)]
    latin = tmp_path / "latin.jsonl"
    latin.write_bytes(b'{"input": "1?", "target": 1}\n{"input": "na\xefve", "target": 1}')
    assert problems(latin) == [(2, None)]
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(gzip.compress(b"{}" * 1000)[:-10])
    assert problems(broken) == [(None, None)]


def test_an_error_survives_the_way_to_another_process(tmp_path: Path):
    import pickle

    with pytest.raises(BenchmarkError) as caught:
        jsonl(write(tmp_path, "{"))
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert (str(copy), copy.problems) == (str(caught.value), caught.value.problems)


def test_one_kind_or_one_scorer_for_all_lines(tmp_path: Path):
    path = write(tmp_path, {"input": "1?", "target": "1"}, {"input": "2?", "target": "x", "kind": "math"})
    assert [item.kind for item in jsonl(path, kind="exact")] == ["exact", "math"]
    with pytest.raises(ValueError, match="did you mean 'exact'"):
        jsonl(path, kind="exakt")
    scorer = Exact(strict=True)
    assert jsonl(path, kind="my own", scorer=scorer).scorer is scorer


def test_a_path_is_enough_to_load_a_part_of_it(tmp_path: Path):
    lines = [{"input": f"{n}?", "target": n, "metadata": {"level": n % 2}} for n in range(40)]
    path = write(tmp_path, *lines)
    part = load_benchmark(str(path), where={"level": 1}, split="search", limit=3)
    assert len(part) == 3
    assert part.split == "search"
    assert all(item.metadata["level"] == 1 for item in part)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELD = st.sampled_from(["input", "target", "tests", "metadata", "id", "kind", "cluster", "x"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.dictionaries(FIELD, JSON, max_size=5), max_size=4))
def test_any_file_loads_or_tells_its_problems(tmp_path: Path, lines: list[dict[str, Any]]):
    """Nothing else is raised, whatever the fields hold."""
    path = write(tmp_path, *lines)
    try:
        assert len(jsonl(path)) == len(lines)
    except BenchmarkError as error:
        assert error.problems


def test_a_conversation_has_its_next_questions(tmp_path: Path):
    lines = [
        {"input": "Name a river.", "kind": "open", "follow_ups": ["And its length.", "In miles."]},
        {"input": "3 doubled?", "target": "12", "follow_ups": "And that again?"},
    ]
    first, second = jsonl(write(tmp_path, *lines))

    assert first.follow_ups == ("And its length.", "In miles.")
    assert second.follow_ups == ("And that again?",)


@pytest.mark.parametrize("given", [3, [], ["a", 1], ["a", " "]])
def test_next_questions_that_are_none(tmp_path: Path, given: object):
    assert problems(write(tmp_path, {"input": "a", "kind": "open", "follow_ups": given})) == [(1, "follow_ups")]
