"""``Prompt``: the words a technique uses, kept in a readable file, versioned, and yours to replace."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache, cached_property
from importlib import resources
from string import Template
from typing import Any

import yaml
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Prompt:
    """Named pieces of text with ``$placeholders``, and a version.

    To replace the words of one component, give it a prompt with the parts you want to change; parts you leave
    out keep the technique's own words: ``Ranker(m, prompt=Prompt(version="mine-1", parts={"task": "..."}))``.
    """

    version: str
    """Name of this wording; part of an architecture's fingerprint, as is the wording itself."""
    parts: Mapping[str, str]
    """The texts by name."""

    @cached_property
    def identity(self) -> str:
        """Version and a digest of the wording: a changed word is a changed prompt, whatever the version says."""
        digest = hashlib.sha256(json.dumps(dict(self.parts), sort_keys=True).encode()).hexdigest()
        return f"{self.version}@{digest[:12]}"

    def over(self, base: Prompt) -> Prompt:
        """This prompt with the parts it leaves out taken from another one.

        Raises:
            ValueError: It has a part that the other one does not know.
        """
        unknown = sorted(set(self.parts) - set(base.parts))
        if unknown:
            raise ValueError(f"unknown prompt part {unknown[0]!r}; this technique has {sorted(base.parts)}")
        return Prompt(version=self.version, parts={**base.parts, **self.parts})

    def render(self, part: str, **values: Any) -> str:
        """The text of a part with its placeholders filled; what is filled in is never read as a template.

        Raises:
            ValueError: The text has a placeholder for which there is no value.
        """
        try:
            return Template(self.parts[part]).substitute(values).strip()
        except KeyError as error:
            raise ValueError(
                f"prompt part {part!r} uses ${error.args[0]}, which is not known here; it may use "
                f"{', '.join(f'${name}' for name in sorted(values)) or 'no placeholder'} (a dollar sign is $$)"
            ) from None


@cache
def load_prompt(package: str, name: str) -> Prompt:
    """The prompt in ``prompts/NAME.yaml`` of a package: ``version``, then one entry for each part."""
    text = resources.files(package).joinpath("prompts", f"{name}.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    return Prompt(version=str(data.pop("version")), parts=data)
