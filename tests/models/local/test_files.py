import hashlib
import json
import os
from pathlib import Path

import pytest

from archon_graph.models.errors import ModelFileError, UnknownModelError
from archon_graph.models.local import LocalModel, files, find, models_dir, path_of, sha256_of
from tests.models.local.mirror import CONTENT


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every hashing of a file is noted."""
    calls: list[str] = []
    real = hashlib.file_digest

    def note(file: object, digest: str) -> object:
        calls.append(digest)
        return real(file, digest)

    monkeypatch.setattr(files.hashlib, "file_digest", note)
    return calls


def put(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_without_a_word_from_the_user_models_live_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARCHON_GRAPH_MODELS")
    assert models_dir().parts[-2:] == ("archon-graph", "models")


def test_a_missing_model_names_the_command_that_fetches_it(tiny: LocalModel) -> None:
    with pytest.raises(ModelFileError, match="archon-graph models pull tiny"):
        find("tiny")


def test_a_verified_file_is_hashed_once(tiny: LocalModel, hashed: list[str]) -> None:
    path = put(path_of(tiny))
    assert [find("tiny"), find("tiny"), find("tiny")] == [path] * 3
    assert len(hashed) == 1


def test_a_changed_file_is_hashed_again_and_refused(tiny: LocalModel, hashed: list[str]) -> None:
    path = put(path_of(tiny))
    find("tiny")
    put(path, CONTENT[:-1] + b"?")
    os.utime(path, ns=(1, 1))
    with pytest.raises(ModelFileError, match=tiny.sha256) as caught:
        find("tiny")
    assert hashlib.sha256(path.read_bytes()).hexdigest() in str(caught.value)
    assert "move or delete it" in str(caught.value)
    assert path.exists()
    assert len(hashed) == 2


def test_half_a_file_is_refused_without_hashing(tiny: LocalModel, hashed: list[str]) -> None:
    put(path_of(tiny), CONTENT[:100])
    with pytest.raises(ModelFileError, match=r"100 bytes instead of 10,244"):
        find("tiny")
    assert hashed == []


def test_a_note_that_cannot_be_read_is_made_anew(tiny: LocalModel, hashed: list[str]) -> None:
    path = put(path_of(tiny))
    find("tiny")
    for text in ("{", "[]", json.dumps({"sha256": 7})):
        path.with_name("tiny.gguf.sum").write_text(text)
        assert find("tiny") == path
    assert len(hashed) == 4


def test_a_folder_that_cannot_be_written_costs_time_only(
    tiny: LocalModel, monkeypatch: pytest.MonkeyPatch, hashed: list[str]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files, "_write", refuse)
    path = put(path_of(tiny))
    assert [find("tiny"), find("tiny")] == [path, path]
    assert len(hashed) == 2


def test_any_gguf_file_can_be_named_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path / "mine" / "my.gguf")
    monkeypatch.chdir(path.parent)
    assert find(str(path)) == find("my.gguf") == find("./my.gguf") == find("../mine/my.gguf").resolve() == path


def test_a_file_of_the_user_gets_no_note_beside_it(home: Path, tmp_path: Path, hashed: list[str]) -> None:
    path = put(tmp_path / "mine" / "my.gguf")
    assert sha256_of(path) == sha256_of(path) == hashlib.sha256(CONTENT).hexdigest()
    assert len(hashed) == 1
    assert list(path.parent.iterdir()) == [path]
    assert len(list((home / "sums").iterdir())) == 1


def test_what_is_no_gguf_file_is_said_before_loading(tmp_path: Path) -> None:
    path = put(tmp_path / "page.gguf", b"<html>not found</html>")
    with pytest.raises(ModelFileError, match=r"begins with b'<htm' instead of b'GGUF'"):
        find(str(path))


def test_a_path_to_nothing_is_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="there is no file") as caught:
        find(str(tmp_path / "nothing.gguf"))
    assert isinstance(caught.value, ModelFileError)
    with pytest.raises(ModelFileError):
        find(str(tmp_path))


def test_a_name_is_not_taken_for_a_path() -> None:
    with pytest.raises(UnknownModelError):
        find("coder-0.6b")


def test_a_file_that_vanishes_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="cannot read"):
        sha256_of(tmp_path / "gone.gguf")
