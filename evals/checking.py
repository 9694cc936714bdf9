"""What has to be right before an evaluation makes its first call; every problem is found, not only the first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from archon_graph.components import Generator
from archon_graph.core import Architecture
from archon_graph.core.component import ModelComponent
from archon_graph.core.scope import check_caps
from archon_graph.evals.benchmarks import Benchmark, Item
from archon_graph.evals.scorers import SCORERS, ByKind, Scorer
from archon_graph.evals.scoring import score_answer
from archon_graph.models import Budget, Client, ConfigurationError

# It holds something for each of our scorers to take up, so that they need all that they ever need.
_REHEARSAL = "```python\npass\n```\n\\boxed{0}"


async def find_problems(
    architectures: Mapping[str, Architecture],
    benchmark: Benchmark | None,
    client: Client,
    *,
    budgets: Iterable[Budget] = (),
    total: Budget | None = None,
) -> list[ConfigurationError]:
    """Everything that would end the evaluation, as far as it can be known without a model call.

    Each kind of item is scored once with an answer that is none, by the scorers that follow a rule: one that
    cannot work here (no sandbox, a package that is not installed) shall say so before anything is paid for.

    Args:
        architectures: What is to be evaluated, by name.
        benchmark: The questions; ``None`` if they cannot be read, which is a problem of its own.
        client: What will be drawn through.
        budgets: Caps that are to hold for architectures.
        total: The cap that a judge is paid from, too.
    """
    found: list[ConfigurationError] = []
    sound = {}
    for name, architecture in architectures.items():
        try:
            architecture.validate()
        except ConfigurationError as error:
            found.append(ConfigurationError(f"{name}: {error}"))
        else:
            sound[name] = architecture
    models = {name: _models(architecture) for name, architecture in sound.items()}
    try:
        # The first look at a provider imports its package, which takes a second.
        await asyncio.to_thread(client.check, [part.model for parts in models.values() for part in parts.values()])
    except ConfigurationError as error:
        found.append(error)
    else:
        for name, parts in models.items():
            for budget in budgets:
                try:
                    check_caps(parts, budget, client.prices)
                except ConfigurationError as error:
                    found.append(ConfigurationError(f"{name}: {error}"))
    if benchmark is not None:
        found += await _rehearse(benchmark)
        found += [ConfigurationError(problem) for problem in benchmark.scorer.problems(benchmark.items)]
        judges = benchmark.scorer.models
        try:
            await asyncio.to_thread(client.check, judges)
            if total is not None:
                # What a judge may write is bounded by its protocol.
                parts = {
                    f"judge {number}": Generator(model, max_tokens=1) for number, model in enumerate(judges, 1)
                }
                check_caps(parts, total, client.prices)
        except ConfigurationError as error:
            found.append(ConfigurationError(f"the judge: {error}"))
    return found


def raise_all(problems: Sequence[ConfigurationError]) -> None:
    """Raise what was found, together; nothing if it is nothing.

    Raises:
        ConfigurationError: The one problem, or one that lists all.
    """
    told = list(dict.fromkeys(str(problem).removeprefix("- ") for problem in problems))
    if len(told) > 1:
        # One that is a list itself stays together.
        listed = "\n".join("- " + problem.replace("\n", "\n  ") for problem in told)
        raise ConfigurationError(f"{len(told)} problems, and nothing was called:\n{listed}")
    if problems:
        raise problems[0]


def _models(architecture: Architecture) -> dict[str, ModelComponent]:
    components = architecture.components.items()
    return {node: component for node, component in components if isinstance(component, ModelComponent)}


async def _rehearse(benchmark: Benchmark) -> list[ConfigurationError]:
    if not benchmark.items:
        return [
            ConfigurationError(f"the benchmark {benchmark.name} has no items; there is nothing to evaluate on")
        ]
    found = []
    for item in {item.kind: item for item in reversed(benchmark.items)}.values():
        scorer = _rule_for(benchmark.scorer, item)
        if scorer is None:
            continue
        try:
            await score_answer(scorer, item, _REHEARSAL)
        except ConfigurationError as error:
            found.append(ConfigurationError(f"answers of the kind {item.kind!r} cannot be scored here: {error}"))
    return found


def _rule_for(scorer: Scorer, item: Item) -> Scorer | None:
    """What scores an item by a rule of ours; ``None`` if something else does, which might call a model."""
    if isinstance(scorer, ByKind):
        made = SCORERS.get(item.kind)
        inner = scorer.scorers.get(item.kind)
        return (made() if made is not None else None) if inner is None else _rule_for(inner, item)
    if scorer.models:
        return None
    return scorer if type(scorer).__module__.startswith("archon_graph.evals.") else None
