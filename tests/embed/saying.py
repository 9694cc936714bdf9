"""Architectures whose models say what a test wants them to."""

from __future__ import annotations

from collections.abc import Callable

from archon_graph import Architecture, Fuser, Generator, Ranker, ScriptedModel
from archon_graph.models import ScriptedCall

FUSED = "the one answer made of all"


def say(call: ScriptedCall) -> str:
    """A different draft for each sample, a ranking that turns them round, and one fused answer."""
    if "draft answers" in call.prompt:
        return FUSED
    if "impartial judge" in call.prompt:
        return "[3] > [2] > [1]"
    return f"draft {call.sample}"


def fusing(script: Callable[[ScriptedCall], object] = say, *, samples: int = 3) -> Architecture:
    """Generates, and fuses."""
    model = ScriptedModel(script)  # type: ignore[arg-type]
    return Generator(model, samples=samples) | Fuser(model)


def selecting(script: Callable[[ScriptedCall], object] = say, *, samples: int = 3) -> Architecture:
    """Generates, and takes the best."""
    model = ScriptedModel(script)  # type: ignore[arg-type]
    return Generator(model, samples=samples) | Ranker(model, top_k=1)
