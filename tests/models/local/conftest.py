"""Models folders of a test's own, and the real model where this machine has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from archon_graph.models.local import LocalModel, lookup, models_dir, path_of, sources
from tests.models.local.mirror import FakePip, install_catalogue, tiny_model

# Looked up before any test changes the folder: the user's own, which no test may write to.
_REAL = {name: path_of(lookup(name)) for name in ("smollm2-135m",)}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder of the test's own."""
    folder = tmp_path / "models"
    monkeypatch.setenv("ARCHON_GRAPH_MODELS", str(folder))
    for variable in ("SLOTS", "THREADS", "CONTEXT"):
        monkeypatch.delenv(f"ARCHON_GRAPH_LOCAL_{variable}", raising=False)
    assert models_dir() == folder
    return folder


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> LocalModel:
    """The only model of the catalogue, a few bytes large."""
    model = tiny_model()
    install_catalogue(model, monkeypatch.setattr)
    return model


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> FakePip:
    """Stands in for pip."""
    fake = FakePip()
    monkeypatch.setattr(sources, "_run_pip", fake)
    return fake


@pytest.fixture
def smollm(home: Path) -> str:
    """The name of a real model, whose file is linked into the test's own folder."""
    pytest.importorskip("xllamacpp", reason="the runtime of local models is not installed")
    real = _REAL["smollm2-135m"]
    if not real.is_file():
        pytest.skip("no real model here; fetch it with: archon-graph models pull smollm2-135m")
    home.mkdir()
    (home / "smollm2-135m.gguf").symlink_to(real)
    return "smollm2-135m"
