"""Studies to test with: numbers to double, models of known power, and what can be compared of two studies."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import threading
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from archon_graph.evals import Benchmark
from archon_graph.evals.directory import Directory
from archon_graph.models import Client, ModelError, ScriptedCall, ScriptedModel, register_model
from archon_graph.search import RacingRule, SearchSpace, StudySpec, find_strategy, run_study
from archon_graph.search.store import StudyStore
from archon_graph.search.study import Study
from tests.evals.doubling import item
from tests.replies import good_reply

GOOD, WEAK = "custom:good", "custom:weak"
MODELS = (GOOD, WEAK)
POWERS = {"good": 60, "weak": 40}
"""Answers of a hundred that are right."""

SEARCH, SELECTION, HOLDOUT = range(1, 13), range(101, 107), range(201, 207)


def part(numbers: Iterable[int], **settings: Any) -> Benchmark:
    """The questions to double these."""
    return Benchmark(name="doubling", items=tuple(item(number) for number in numbers), **settings)


def data(**numbers: Iterable[int]) -> dict[str, Benchmark]:
    """The three splits."""
    given = {"search": SEARCH, "selection": SELECTION, "holdout": HOLDOUT, **numbers}
    return {name: part(each, split=name) for name, each in given.items()}


def space(**settings: Any) -> SearchSpace:
    """Two models, and a few architectures of them: best-of-n, fusions, fusion layers."""
    given: dict[str, Any] = {
        "generators": [1, 2],
        "samples": [1, 3],
        "temperature": [None],
        "prompt_style": ["direct"],
        "revisions": [0],
        "fusion_layers": [0, 1],
        "fusers": [2],
        "evaluation": ["none"],
        "final": ["ranker", "fuser"],
        "critic": ["none"],
        "ranker": ["none"],
        "judge_model": ["ranked"],
        "fuser_model": ["ranked"],
    }
    return SearchSpace(settings.pop("models", MODELS), **{**given, **settings})


def spec(**settings: Any) -> StudySpec:
    """A small study."""
    given: dict[str, Any] = {
        "space": space() if "space" not in settings else None,
        "data": data(),
        "strategy": find_strategy("random"),
        "trials": 5,
        "parallel": 2,
        "racing": RacingRule(block=3, min_questions=3, alpha=0.3),
        "finalists": 2,
    }
    return StudySpec(**{**given, **settings})


def asked_number(prompt: str) -> int:
    """The number that a prompt is about."""
    return int(re.findall(r"What is (\d+) doubled", prompt)[-1])


def chance(*of: object) -> int:
    """0 to 99, the same each time."""
    return zlib.crc32(" ".join(map(str, of)).encode()) % 100


def key(name: str, call: ScriptedCall) -> str:
    """What names a call: who was asked, the words, the sample."""
    return f"{name}-{zlib.crc32(call.prompt.encode()):08x}-{call.sample}"


def reply(name: str, power: int, call: ScriptedCall) -> Any:
    """An answer that is right as often as the power says, by question and sample, and names its call.

    Judgements of answers are right; a fusion is as good as the best of what it reads, mostly.
    """
    number, told = asked_number(call.prompt), f"[{key(name, call)}]"
    title = call.schema["title"] if call.schema else None
    shown = re.findall(r"<answerx*_\d+>\n(.*?)\n</answer", call.prompt, flags=re.DOTALL)
    right = [bool(re.search(rf"#### {2 * number}\b", text)) for text in shown]
    if title == "ranking":
        order = sorted(range(len(right)), key=lambda place: not right[place])
        return {"reasoning": told, "ranking": [place + 1 for place in order]}
    if title == "verdict":
        return {"summary": told, "correct": right[0]}
    if title is not None:
        made = good_reply(call)
        return {**made, "reasoning": told} if isinstance(made, Mapping) and "reasoning" in made else made
    good = any(right) and chance(number, len(shown)) < 90 if shown else chance(name, number, call.sample) < power
    return f"{told} #### {2 * number + (0 if good else 1 + call.sample % 2)}"


class Models:
    """The models ``custom:good`` and ``custom:weak``, whose calls are counted."""

    def __init__(self, **settings: Any) -> None:
        self.keys: list[str] = []
        self.prompts: list[str] = []
        self.failing: set[str | int] = set()
        for name, power in POWERS.items():
            register_model(name, self._model(name, power, **settings))

    def _model(self, name: str, power: int, **settings: Any) -> ScriptedModel:
        def answer(call: ScriptedCall) -> Any:
            self.keys.append(key(name, call))
            self.prompts.append(call.prompt)
            self.note(self.keys[-1])
            if name in self.failing or asked_number(call.prompt) in self.failing:
                return ModelError("the provider is down", model=name)
            return reply(name, power, call)

        return ScriptedModel(answer, json=True, label=name, cache_id=name, **settings)

    def note(self, name: str) -> None:
        """Told of each call."""

    @property
    def count(self) -> int:
        """Calls that were made so far."""
        return len(self.keys)

    @property
    def numbers(self) -> list[int]:
        """The question of each of them."""
        return [asked_number(prompt) for prompt in self.prompts]

    def repeated(self) -> dict[str, int]:
        """Calls that were made more than once, and how often."""
        return {name: times for name, times in Counter(self.keys).items() if times > 1}


async def study(folder: Path, wanted: StudySpec | None = None, *, name: str = "study", **settings: Any) -> Study:
    """Run a study in a folder that has a cache of its own."""
    client = Client(cache=folder / "cache.sqlite") if settings.pop("cache", True) else Client()
    try:
        return await run_study(wanted or spec(), out=folder / name, client=client, **settings)
    finally:
        client.close()


def came_out(directory: Path) -> dict[str, Any]:
    """Everything that has to be equal of two studies that ended alike."""
    store = StudyStore(directory)
    found = Study(directory).findings
    trials = [trial.to_json() for trial in store.trials()]
    for each in trials:
        del each["paid"]  # who asks first pays
        each["cost"] = {**(each["cost"] or {}), "seconds": None}
        each["usage"] = {**each["usage"], "seconds": None}
    return {
        "trials": trials,
        "rounds": [[point.to_json() for point in points] for points in store.rounds()],
        "scores": {key: row.score.to_json() for key, row in sorted(store.rows().items())},
        "decisions": store.decisions(),
        "entries": {name: entry.config for name, entry in sorted(store.entries().items())},
        "items": [[item.to_json() for item in store.items(split)] for split in ("search", "selection", "holdout")],
        "verdict": (found.verdict.kind, found.verdict.sentences),
        "phase": found.phase,
    }


def lines(directory: Path, name: str) -> Iterator[dict[str, Any]]:
    """The lines of a file of a study."""
    for text in (directory / name).read_text(encoding="utf-8").splitlines():
        yield json.loads(text)


def child(folder: str, life: int | None, delay: float) -> None:
    """Run the study of a folder in this process, and kill it without warning after so many events, and a while.

    Events are model calls and lines that are written. Each call is a line of the file ``calls``.
    """
    events = 0

    def happened() -> None:
        nonlocal events
        if events == life:
            threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
        events += 1

    def append(self: Directory, name: str, told: Mapping[str, Any]) -> None:
        happened()
        whole_append(self, name, told)

    class Counted(Models):
        def note(self, name: str) -> None:
            happened()
            with Path(folder, "calls").open("a", encoding="utf-8") as file:
                file.write(f"{name}\n")

    whole_append = Directory.append
    Directory.append = append
    Counted(latency=0.002)
    happened()
    asyncio.run(study(Path(folder), concurrency=CONCURRENCY))


CONCURRENCY = 2
"""Questions at once of a study in a process of its own."""
