"""``choices``: what to take of a study, what the verdict advises first; ``save_choices`` writes their files."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from archon_graph.core import Architecture
from archon_graph.evals.directory import LogError
from archon_graph.search.baselines import BEST_OF_N, SELF_CONSISTENCY, SINGLE
from archon_graph.search.findings import PRUNED, WINNER
from archon_graph.search.study import Study

BEST = "best.yaml"
"""The file of the winner; before there is one, of the best trial so far."""

FILES = {
    WINNER: BEST,
    PRUNED: "pruned.yaml",
    SINGLE: "single.yaml",
    BEST_OF_N: "best-of-n.yaml",
    SELF_CONSISTENCY: "self-consistency.yaml",
}
"""The file of each choice, by what it is."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """An architecture that one may take from a study."""

    what: str
    """What it is: ``winner``, ``pruned winner``, the name of a baseline, or ``best trial so far``."""
    file: str
    """The name of its file in the study's directory."""
    architecture: Architecture
    """The architecture itself."""
    why: str
    """In a sentence, why one would take it."""


def choices(study: Study) -> tuple[Choice, ...]:
    """What to take of a study, the one that the verdict advises first; empty while no trial is complete.

    The winner and the pruned winner are always among them. A single model, or a baseline that takes as many calls,
    is where the verdict says to take it instead.
    """
    found = study.findings
    if found.winner is None:
        best = found.best_trial
        if best is None:
            return ()
        why = "It has the best score on the search questions so far. The search is not over."
        architecture = found.entries[best.fingerprint].architecture
        return (Choice(what="best trial so far", file=BEST, architecture=architecture, why=why),)
    offered = {WINNER: found.winner}
    if found.pruned is not None:
        offered[PRUNED] = found.pruned
    whys = {
        WINNER: "It won on the selection questions.",
        PRUNED: "It is the winner without what added nothing on the selection questions.",
        SINGLE: "Nothing is shown to be better, and it is the cheapest.",
    }
    instead = found.verdict.instead
    advised = instead or (SINGLE if found.verdict.kind in {"not shown", "worse"} else WINNER)
    if instead is not None:
        whys[instead] = "It is shown to be better than the winner, with as many calls."
    if advised not in offered and found.held_out is not None:
        run = found.held_out.evaluation.run
        prints = {each["name"]: each["fingerprint"] for each in run["architectures"]}
        offered[advised] = found.entries[prints[advised]]
        # Pruned, a winner can come to be the single model itself.
        if PRUNED in offered and offered[PRUNED].fingerprint == offered[advised].fingerprint:
            del offered[PRUNED]
    order = sorted(offered, key=lambda name: name != advised)
    return tuple(
        Choice(what=name, file=FILES[name], architecture=offered[name].architecture, why=whys[name])
        for name in order
    )


def save_choices(study: Study, found: Iterable[Choice] | None = None) -> dict[str, Path]:
    """Write the files of a study's `choices` into its directory, and remove those of earlier ones.

    Args:
        study: The study.
        found: Its choices, if they are known already.

    Returns:
        The files, by what they are, in the order of the choices.

    Raises:
        LogError: One cannot be written.
    """
    chosen = tuple(choices(study) if found is None else found)
    files = {each.what: study.directory / each.file for each in chosen}
    try:
        for each in chosen:
            each.architecture.save(files[each.what])
        for stale in set(FILES.values()) - {each.file for each in chosen}:
            (study.directory / stale).unlink(missing_ok=True)
    except OSError as error:
        raise LogError(f"nothing can be written to {study.directory}: {error.strerror or error}") from error
    return files


def deploy_command(study: Study, choice: Choice) -> str:
    """The command that answers a question with a choice."""
    return f'archon-graph run {shlex.quote(str(study.directory / choice.file))} "your question"'
