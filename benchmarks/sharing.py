"""Counts the model calls that a search pays, against evaluating each of its trials alone.

    python benchmarks/sharing.py
    python benchmarks/sharing.py --strategies bayesian --trials 40

The questions are those of `starter`'s search split that need no program to be run, and what generators say is on
a real tape: five samples of coder-0.5b for each question. What rankers, critics, fusers and judges say is not:
it would be another recording for every strategy. They say something in the right form that depends on nothing
but the call, and a fuser writes one of the answers it was shown. How many calls a trial makes does not depend on
what they say; when a race ends does.

Nothing is timed: the figures are counts, equal on every machine.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.stats import kendalltau

from archon_graph import Architecture, Generator, ScriptedModel
from archon_graph.evals import Benchmark, load_benchmark
from archon_graph.models import Client, ScriptedCall, register_model
from archon_graph.search import STRATEGIES, RacingRule, SearchSpace, Study, StudySpec, find_strategy, run_study

TAPE = Path(__file__).parent / "tapes" / "starter-coder-0.5b.jsonl.gz"
SAMPLES = 5
RECORDED = "local:coder-0.5b"


@dataclass(frozen=True)
class Counted:
    """What a study paid."""

    trials: int
    alone: float
    """Calls of its trials if each had been evaluated alone, on all questions."""
    used: int
    """Calls of the questions that were asked, nothing shared."""
    paid: int
    """Calls that were paid."""

    def __str__(self) -> str:
        return (
            f"{self.trials:3} trials: alone {self.alone:7,.0f} calls, paid {self.paid:6,} = "
            f"{self.paid / self.alone:.3f} (without sharing {self.used / self.alone:.3f})"
        )


async def recorded_samples(questions: Benchmark) -> dict[str, list[str]]:
    """The samples on the tape, by question."""
    pool = Architecture.from_layers([Generator(RECORDED, samples=SAMPLES)])
    client = Client(cache=TAPE, replay="strict")
    found = {}
    for item in questions:
        result = await pool.arun(item.question, client=client)
        found[str(item.input)] = [candidate.content for candidate in result.candidates]
    return found


def taped_model(samples: Mapping[str, Sequence[str]]) -> ScriptedModel:
    """A model that says to a question what is on the tape, and to everything else something in the right form."""

    def reply(call: ScriptedCall) -> Any:
        chance = zlib.crc32(f"{call.prompt} {call.sample}".encode())
        if call.schema is not None:
            return in_form(call, chance)
        own = samples.get(call.prompt)
        if own is not None:
            return own[call.sample % len(own)]
        shown = re.findall(r"<answerx*_\d+>\s*(.*?)\s*</answerx*_\d+>", call.prompt, flags=re.DOTALL)
        return shown[chance % len(shown)] if shown else "Answer: 0"

    return ScriptedModel(reply, json=True, cache_id="taped")


def in_form(call: ScriptedCall, chance: int) -> dict[str, Any]:
    """A reply that keeps to the schema."""
    title = call.schema["title"] if call.schema else ""
    count = len(set(re.findall(r"<answerx*_(\d+)>", call.prompt)))
    numbers = sorted(range(1, count + 1), key=lambda number: zlib.crc32(f"{chance} {number}".encode()))
    if title == "ranking":
        return {"reasoning": "", "ranking": numbers}
    if title == "critiques":
        return {"critiques": [{"answer": each, "strengths": "clear", "weaknesses": "short"} for each in numbers]}
    if title == "verdict":
        return {"summary": "", "correct": chance % 2 == 0}
    if title == "tests":
        return {"reasoning": "", "tests": [f"Statement {number} holds." for number in range(1, 21)]}
    tests = [int(number) for number in re.findall(r"^\[(\d+)\] Statement", call.prompt, flags=re.MULTILINE)]
    return {"results": [{"test": each, "reasoning": "", "passed": (chance >> each) % 2 == 0} for each in tests]}


async def search(spec: StudySpec, *, shared: bool) -> Study:
    """A study in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        client = Client(cache=Path(folder) / "cache.sqlite" if shared else None)
        try:
            return await run_study(spec, out=Path(folder) / "study", client=client, concurrency=16)
        finally:
            client.close()


def counted(study: Study) -> Counted:
    """What its search paid."""
    found = study.findings
    return Counted(len(found.trials), found.calls_alone, found.usage.calls, found.paid.calls)


def scores_by_architecture(study: Study) -> dict[str, float]:
    """The score of every trial that has one."""
    return {trial.fingerprint: trial.score for trial in study.trials if trial.score is not None}


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; 1 if the default strategy pays more than a fifth, or sharing changes a score."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--strategies", nargs="*", default=list(STRATEGIES), choices=sorted(STRATEGIES))
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(argv)
    whole = load_benchmark("starter", where={"area": ["arithmetic", "fact", "format"]})
    questions = whole.in_split("search")
    model = register_model("taped", taped_model(asyncio.run(recorded_samples(questions))))
    # The finals are not what is counted here: two questions each keep them short.
    data = {"search": questions, "selection": whole.in_split("selection").sample(2)}
    data["holdout"] = whole.in_split("holdout").sample(2)
    space = SearchSpace([model])
    print(f"{len(questions)} questions, {space.size()} architectures, {given.trials} trials, seed {given.seed}")
    missed = False
    for name in given.strategies:
        for rule in (None, RacingRule()):
            spec = StudySpec(
                space=space,
                data=data,
                strategy=find_strategy(name),
                trials=given.trials,
                racing=rule,
                finalists=1,
                ablate=False,
                seed=given.seed,
            )
            study = asyncio.run(search(spec, shared=True))
            figures = counted(study)
            print(f"{name:9} {'sharing and racing' if rule else 'sharing alone':18} {figures}", flush=True)
            if name == "bayesian" and rule is not None:
                missed |= figures.paid > figures.alone / 5
            if name == given.strategies[0] and rule is None:
                alone = scores_by_architecture(asyncio.run(search(spec, shared=False)))
                scores = scores_by_architecture(study)
                order = kendalltau([scores[key] for key in scores], [alone[key] for key in scores]).statistic
                print(f"{name:9} the same trials without sharing: scores equal {scores == alone}, tau {order:.3f}")
                missed |= scores != alone
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
