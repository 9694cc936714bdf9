"""What was evaluated, as plain data: enough to rebuild the run, and to tell whether another one is the same."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from archon_graph._version import __version__
from archon_graph.core import Architecture
from archon_graph.core.component import ModelComponent
from archon_graph.evals.benchmarks import Benchmark
from archon_graph.models import Budget, ConfigurationError, Request
from archon_graph.models.cache import identify
from archon_graph.models.providers import label

_PACKAGES = (
    "langchain",
    "langchain-core",
    "langchain-openai",
    "langchain-together",
    "langgraph",
    "latex2sympy2-extended",
    "math-verify",
    "numpy",
    "openai",
    "scipy",
    "sympy",
    "xllamacpp",
)


def describe(
    architectures: Mapping[str, Architecture],
    benchmark: Benchmark,
    *,
    seed: int,
    budget: Budget | None,
    concurrency: int,
) -> dict[str, Any]:
    """Everything needed to rebuild an evaluation, as plain data.

    Its ``identity`` is what decides whether two evaluations are the same: they have the same answers, and may
    share a log. The rest may differ when one is gone on with.

    Raises:
        ConfigurationError: A local model's file cannot be read.
    """
    about = benchmark.describe()
    identity = {
        "architectures": {name: architecture.fingerprint for name, architecture in architectures.items()},
        "models": _models(architectures),
        # Not its source: a file that was moved holds the same questions.
        "benchmark": {name: about[name] for name in ("name", "split", "fingerprint", "scorer")},
        "seed": seed,
        "budget": None if budget is None else str(budget),
    }
    return {
        "identity": identity,
        "architectures": [_architecture(name, architecture) for name, architecture in architectures.items()],
        "benchmark": about,
        "starts": [start_record(concurrency=concurrency)],
    }


def start_record(*, concurrency: int) -> dict[str, Any]:
    """One start of an evaluation or a search: when, by which command, of which revision and versions."""
    return {
        "at": now(),
        "command": sys.argv,
        "concurrency": concurrency,
        "git": _git_revision(),
        "versions": {
            "archon-graph": __version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
            **_versions(),
        },
    }


def default_name(run: Mapping[str, Any]) -> str:
    """A name for the directory of an evaluation, which the same evaluation finds again."""
    text = json.dumps(run["identity"], sort_keys=True, default=str)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", run["benchmark"]["name"]).strip(".-") or "evaluation"
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def now() -> str:
    """This second, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _architecture(name: str, architecture: Architecture) -> dict[str, Any]:
    return {
        "name": name,
        "fingerprint": architecture.fingerprint,
        "config": _config(architecture),
        "prompts": {
            node: component.prompt_identity
            for node, component in architecture.components.items()
            if isinstance(component, ModelComponent)
        },
        "calls": architecture.max_calls,
        "mermaid": architecture.draw_mermaid(),
    }


def _config(architecture: Architecture) -> dict[str, Any] | None:
    try:
        return architecture.to_config()
    except ConfigurationError:
        return None  # a model that is an object without a name: it runs, and no file can say what it was


def _models(architectures: Mapping[str, Architecture]) -> dict[str, Any]:
    """What each model is at bottom: of one in a file its digest, of one that is served its address."""
    found: dict[str, Any] = {}
    for architecture in architectures.values():
        for component in architecture.components.values():
            if isinstance(component, ModelComponent) and label(component.model) not in found:
                identity = identify(Request(model=component.model, messages=()))
                record = {} if identity is None else identity.record
                found[label(component.model)] = {
                    name: record.get(name) for name in ("provider", "model", "endpoint", "sampling")
                }
    return found


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _git_revision() -> str | None:
    """The revision of the directory this runs in, marked if there are changes; ``None`` outside of git."""
    try:
        told = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"],  # noqa: S607 - whichever git is in use
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout.strip() or None
