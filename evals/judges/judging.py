"""``judged``: a benchmark whose answers a model judges, by one of the protocols."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from archon_graph.evals.benchmarks.problems import nearest
from archon_graph.evals.judges.answer_files import read_answers
from archon_graph.evals.judges.baselines import with_baseline
from archon_graph.evals.judges.judge import JudgeScorer
from archon_graph.evals.judges.protocol import Protocol
from archon_graph.evals.judges.turns import with_references
from archon_graph.evals.scorers.by_kind import ByKind
from archon_graph.models import ConfigurationError

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.benchmark import Benchmark
    from archon_graph.models.request import ModelLike

PROTOCOLS: Mapping[str, str] = MappingProxyType(
    {
        "pairwise": "archon_graph.evals.judges.pairwise:five_labels",
        "rating": "archon_graph.evals.judges.rating:rating",
        "mt_bench": "archon_graph.evals.judges.rating:rating",
        "mt_bench_pair": "archon_graph.evals.judges.pairwise:three_labels",
        "arena_hard": "archon_graph.evals.judges.pairwise:five_labels",
        "alpaca_eval": "archon_graph.evals.judges.preference:weighted_preference",
        "mixeval": "archon_graph.evals.judges.closed_form:closed_form",
    }
)
"""The function that makes each protocol, given the file of its prompts or ``None``, as ``module:function``."""

_OF_BENCHMARK = {"mixeval_hard": "mixeval"}


@dataclass(frozen=True, kw_only=True)
class Judging:
    """Who judges, and how."""

    model: ModelLike
    """The judge."""
    protocol: str | None = None
    """A name of `PROTOCOLS`; ``None`` for the benchmark's own, and for questions of yours ``pairwise`` where there
    is something to compare with, else ``rating``."""
    prompts: str | Path | None = None
    """A file of published prompts, in the protocol's own form; ``None`` for the package's own words."""
    against: str | Path | None = None
    """Answers to compare with, see `read_answers`; ``None`` for those that the items hold."""

    references: str | Path | None = None
    """Right answers that the judge is shown, in the same forms; questions without one are judged without."""

    @classmethod
    def from_config(cls, data: Mapping[str, Any] | str, *, folder: Path | None = None) -> Self:
        """Read it from plain data: a model's spec, or a mapping with ``model`` and what else is wanted.

        Args:
            data: As it stands in a study's file.
            folder: What the paths in it start from.

        Raises:
            ConfigurationError: A key that is not known, or no model.
        """
        if not isinstance(data, str | Mapping):
            raise ConfigurationError(
                f"a judge is a model, or a mapping with one, such as {{model: openai:gpt-4o}}, got {data!r:.60}"
            )
        given: dict[str, Any] = {"model": data} if isinstance(data, str) else dict(data)
        known = [each.name for each in fields(cls)]
        if unknown := [key for key in given if key not in known]:
            raise ConfigurationError(
                f"a judge has no {unknown[0]!r}{nearest(str(unknown[0]), known)}; it has {', '.join(known)}"
            )
        if not isinstance(given.get("model"), str):
            raise ConfigurationError(
                f"a judge needs a model, such as model: openai:gpt-4o, got {given.get('model')!r}"
            )
        if not isinstance(given.get("protocol"), str | None):
            raise ConfigurationError(
                f"protocol is a name, one of {', '.join(PROTOCOLS)}, got {given['protocol']!r:.60}"
            )
        for key in ("prompts", "against", "references"):
            if given.get(key) is not None:
                given[key] = (folder or Path()) / str(given[key])
        return cls(**given)


def judged(benchmark: Benchmark, judging: Judging) -> Benchmark:
    """The benchmark with its answers judged by a model.

    If some of its items are ``open`` and others not, the others keep the rule of their kind.

    Args:
        benchmark: The questions.
        judging: Who judges, and how.

    Raises:
        ConfigurationError: No such protocol, its prompts cannot be read, or what was given does not go with it.
        BenchmarkError: The answers to compare with cannot be read, or some are missing.
    """
    kinds = {item.kind for item in benchmark.items}
    mixed = isinstance(benchmark.scorer, ByKind) and "open" in kinds and len(kinds) > 1
    if judging.against is not None:
        answers = read_answers(judging.against, benchmark)
        benchmark = with_baseline(
            benchmark,
            answers.by_item,
            source=str(judging.against),
            model=answers.model,
            kinds=["open"] if mixed else None,
        )
    if judging.references is not None:
        right = read_answers(judging.references, benchmark).by_item
        if not any(item.id in right for item in benchmark.items):
            raise ConfigurationError(f"{judging.references} holds a right answer to none of the questions")
        benchmark = with_references(benchmark, right)
    protocol = find_protocol(_protocol_name(benchmark, judging), prompts=judging.prompts)
    if judging.against is not None and not protocol.compares:
        raise ConfigurationError(
            f"the protocol {protocol.name} rates answers by themselves, and {judging.against} is for comparing; "
            f"take pairwise or mt_bench_pair, or leave it out"
        )
    judge = JudgeScorer(model=judging.model, protocol=protocol)
    if isinstance(benchmark.scorer, ByKind) and mixed:
        return replace(benchmark, scorer=ByKind({**benchmark.scorer.scorers, "open": judge}))
    return replace(benchmark, scorer=judge)


def find_protocol(name: str, *, prompts: str | Path | None = None) -> Protocol:
    """The protocol of this name.

    Args:
        name: A name of `PROTOCOLS`, with ``-`` or ``_``.
        prompts: A file of published prompts, in the protocol's own form.

    Raises:
        ConfigurationError: There is none of this name, or the file cannot be read.
    """
    known = name.lower().replace("-", "_")
    if known not in PROTOCOLS:
        raise ConfigurationError(
            f"no protocol is called {name!r}{nearest(known, PROTOCOLS)}; known are {', '.join(PROTOCOLS)}"
        )
    module, _, function = PROTOCOLS[known].partition(":")
    make: Callable[[Path | None], Protocol] = getattr(import_module(module), function)
    return make(None if prompts is None else Path(prompts))


def _protocol_name(benchmark: Benchmark, judging: Judging) -> str:
    if judging.protocol is not None:
        return judging.protocol
    own = _OF_BENCHMARK.get(benchmark.name, benchmark.name)
    if own == "mt_bench" and judging.against is not None:
        return "mt_bench_pair"
    if own in PROTOCOLS:
        return own
    return "pairwise" if any("baseline" in item.metadata for item in benchmark.items) else "rating"
