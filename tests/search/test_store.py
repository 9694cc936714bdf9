"""The directory of a study: cut anywhere it ends the same, one writer, one study, readable at any time."""

from __future__ import annotations

import asyncio
import inspect
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archon_graph.evals.directory import LogError
from archon_graph.models import Budget, ConfigurationError, providers
from archon_graph.search import RacingRule, Study, StudySpec, find_strategy
from archon_graph.search.report.choices import FILES as FILES_OF_CHOICES
from archon_graph.search.report.page import REPORT
from archon_graph.search.store import REOPENED, StudyStore
from tests.search.studying import GOOD, HOLDOUT, Models, came_out, data, space, spec, study

FILES = ("items", "architectures", "rounds", "answers", "trials", "decisions")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a study that is over, and its cache; copied by whoever changes it."""
    folder = tmp_path_factory.mktemp("done")
    Models()
    asyncio.run(study(folder))
    yield folder
    for name in ("good", "weak"):
        providers._custom.pop(name, None)


@pytest.fixture
def copy(done: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(done, tmp_path / "copy"))


def content(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir()}


def test_every_file_of_a_study_is_told_of(done: Path):
    """Also those that only some verdicts leave behind."""
    told = inspect.getdoc(inspect.getmodule(StudyStore)) or ""
    finished = {file.name for file in (done / "study").iterdir() if not file.name.startswith(".")}
    for name in {*finished, REPORT, *FILES_OF_CHOICES.values()}:
        assert name in told, name
    assert {f"{name}.jsonl" for name in FILES} <= finished


@pytest.mark.parametrize("name", FILES)
async def test_cut_anywhere_it_comes_to_the_same_end(done: Path, tmp_path: Path, name: str):
    """As a crash of the machine may leave it, file by file. Nothing is asked for that the cache has."""
    models = Models()
    wanted = came_out(done / "study")
    if name == "answers":
        # What went into a trial that is on record is not needed any more.
        needed = {
            item.id for split in ("selection", "holdout") for item in StudyStore(done / "study").items(split)
        }
        wanted["scores"] = {key: score for key, score in wanted["scores"].items() if key[1] in needed}
    whole = (done / "study" / f"{name}.jsonl").read_bytes()
    last = whole[:-1].rfind(b"\n") + 1
    places = [0, last, random.Random(name).randrange(last), len(whole) - 1]
    for number, place in enumerate(places):
        folder = Path(shutil.copytree(done, tmp_path / str(number)))
        (folder / "study" / f"{name}.jsonl").write_bytes(whole[:place])
        assert Study(folder / "study").findings.trials is not None, "it can be read as it lies"
        await study(folder)
        ended = came_out(folder / "study")
        ended["scores"] = {key: score for key, score in ended["scores"].items() if key in wanted["scores"]}
        assert ended == wanted, f"{name}.jsonl cut at {place}"
    assert models.count == 0


async def test_started_again_it_writes_nothing_and_asks_nothing(copy: Path):
    models = Models()
    before = content(copy / "study")
    again = await study(copy)
    after = content(copy / "study")
    del before["study.json"], after["study.json"]
    assert (models.count, after) == (0, before)
    assert len(again.about["starts"]) == 2


async def test_it_can_be_read_while_it_runs(tmp_path: Path):
    """By anybody, at any time, without waiting; what was told once is not taken back."""
    Models()
    seen: list[tuple[str, int, str]] = []

    def look(progress: Any) -> None:
        if progress.answers % 7 == 0 or progress.phase == "done":
            found = Study(tmp_path / "study").findings
            seen.append((found.phase, len(found.trials), found.verdict.kind))

    await study(tmp_path, on_progress=look)
    phases = list(dict.fromkeys(phase for phase, _, _ in seen))
    assert phases == ["search", "selection", "holdout", "done"]
    counts = [count for _, count, _ in seen]
    assert counts == sorted(counts)
    assert all(kind == "unfinished" for phase, _, kind in seen if phase in {"search", "selection"})


async def test_two_writers_are_one_too_many(tmp_path: Path):
    """Who comes second is refused, and who was first is none the worse."""
    models = Models(latency=0.001)
    ends = await asyncio.gather(study(tmp_path), study(tmp_path), return_exceptions=True)
    [refused] = [end for end in ends if isinstance(end, BaseException)]
    [first] = [end for end in ends if isinstance(end, Study)]
    assert isinstance(refused, LogError)
    assert "another process is writing to" in str(refused)
    assert first.findings.phase == "done"
    assert models.repeated() == {}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"seed": 1}, "- seed: 0, and now 1"),
        ({"parallel": 3}, "- parallel: 2, and now 3"),
        ({"finalists": 3}, "- finalists: 2, and now 3"),
        ({"racing": None}, "- racing: {"),
        ({"racing": RacingRule(block=2)}, "- racing: {"),
        ({"strategy": find_strategy("grid")}, "- strategy: {"),
        ({"budget_per_question": Budget(calls=50)}, '- budget_per_question: null, and now "50 calls"'),
        ({"space": space(samples=[1, 2])}, "- space: {"),
        ({"data": data(holdout=[*HOLDOUT, 300])}, "- data: {"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_another_study_in_the_same_place_is_refused(copy: Path, settings: dict[str, Any], told: str):
    models = Models()
    before = content(copy / "study")
    with pytest.raises(LogError, match="holds another study; give another --out") as error:
        await study(copy, spec(**settings))
    assert told in str(error.value)
    assert len(str(error.value).splitlines()) == 2, "nothing else differs"
    assert (models.count, content(copy / "study")) == (0, before)


async def test_what_changes_no_answer_may_differ(copy: Path):
    models = Models()
    wanted = came_out(copy / "study")
    await study(copy, spec(budget=Budget(calls=10_000), cost="tokens", search_share=0.9), concurrency=3)
    assert came_out(copy / "study") == wanted
    assert models.count == 0
    about = Study(copy / "study").about
    assert (about["cost"], about["budget"]["calls"]) == ("tokens", 10_000)


@pytest.mark.parametrize("form", [0, 2, None])
async def test_a_study_of_another_version_is_left_alone(copy: Path, form: int | None):
    models = Models()
    file = copy / "study" / "study.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "form": form}))
    before = content(copy / "study")
    with pytest.raises(LogError, match=f"is not of this version: its form is {form}, not 1"):
        await study(copy)
    with pytest.raises(LogError, match="is not of this version"):
        Study(copy / "study")
    assert (models.count, content(copy / "study")) == (0, before)


def test_what_is_no_study_is_named(tmp_path: Path):
    with pytest.raises(LogError, match=r"holds no study: it has no study\.json; archon-graph search makes one"):
        Study(tmp_path)


async def test_answers_of_something_else_are_not_taken_over(copy: Path):
    Models()
    (copy / "study" / "study.json").unlink()
    with pytest.raises(LogError, match=r"holds answers\.jsonl and no study\.json"):
        await study(copy)


def test_a_line_that_is_whole_and_broken_is_named(copy: Path):
    with (copy / "study" / "trials.jsonl").open("a") as file:
        file.write('{"number": 1}\n')
    with pytest.raises(LogError, match=r"trials\.jsonl:\d+: this line cannot be read .* the trial is made anew"):
        Study(copy / "study")


def test_what_was_decided_before_a_search_went_on_counts_no_more(tmp_path: Path):
    store = StudyStore(tmp_path / "study")
    wanted: StudySpec = spec()
    about = {"identity": wanted.identity, **wanted.describe(), "starts": []}
    with store.writing(about, wanted.data):
        store.decide("ranking", [GOOD])
        store.decide("winner", "one")
        store.decide("baselines", {})
        store.decide(REOPENED, {"trials": 9})
        assert store.decisions() == {"ranking": [GOOD], REOPENED: {"trials": 9}}
        store.decide("winner", "other")
    assert [stage["winner"] for stage in store.stages()] == ["one", "other"]


async def test_nothing_is_made_where_a_model_cannot_be_used(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="no model is registered as 'nobody'"):
        await study(tmp_path, spec(space=space(models=["custom:nobody", "custom:none"])))
    assert not (tmp_path / "study").exists()
