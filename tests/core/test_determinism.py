"""The same architecture, seed and model give the same result, whatever finishes first."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import textwrap

from archon_graph import Architecture, Fuser, Generator, Ranker, ScriptedModel

SCRIPT = textwrap.dedent(
    """
    import random, sys
    from archon_graph import Architecture, Fuser, Generator, Ranker, ScriptedModel

    def build(latency):
        def reply(call):
            if "impartial judge" in call.prompt:
                return "[3] > [1] > [2]"
            return f"{len(call.prompt)}/{call.sample}"
        model = ScriptedModel(reply, latency=latency)
        return Architecture.from_layers([
            [Generator(model, samples=3), Generator(model, samples=2), Generator(model, temperature=1.0)],
            [Ranker(model, top_k=3), Fuser(model, samples=2)],
            [Fuser(model), Fuser(model)],
            Ranker(model, top_k=1),
        ])
    """
)


def build(latency) -> Architecture:
    """The architecture of the script above."""
    scope: dict[str, object] = {}
    exec(SCRIPT, scope)  # noqa: S102 - our own text, shared with the fresh process
    return scope["build"](latency)  # type: ignore[operator,no-any-return]


async def test_fifty_runs_under_random_latencies_are_one():
    """Fifty at once, every call delayed by another random time."""
    shuffled = random.Random(7)
    architecture = build(lambda: shuffled.uniform(0, 0.02))
    results = await asyncio.gather(*(architecture.arun("the question") for _ in range(50)))
    assert len({result.stable_json() for result in results}) == 1


def test_a_fresh_process_gives_the_same():
    """With hash randomisation on."""
    here = build(0.0).run("the question").stable_json()
    code = SCRIPT + "\nsys.stdout.write(build(lambda: random.uniform(0, 0.01)).run('the question').stable_json())"
    for seed in ("1", "4242"):
        run = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
        )
        assert run.stdout == here


def test_another_seed_draws_other_samples():
    """The seed reaches the model, and nothing else decides."""
    seeds: list[int] = []

    class Seeded(ScriptedModel):
        async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
            seeds.append(kwargs["seed"])
            return await super()._agenerate(messages, stop, run_manager, **kwargs)

    architecture = Generator(Seeded(lambda call: "x"), samples=2) | Fuser(Seeded(lambda call: "y"))
    for seed in (0, 0, 1):
        architecture.run("q", seed=seed)
    assert seeds[0:3] == seeds[3:6]
    assert set(seeds[0:2]).isdisjoint(seeds[6:8])


async def test_stable_json_leaves_out_what_differs():
    """Times, message ids and cache status; nothing else."""
    slow = await Generator(ScriptedModel(["x"], latency=0.02)).alone().arun("q")
    fast = await Generator(ScriptedModel(["x"])).alone().arun("q")
    assert slow.stable_json() == fast.stable_json()
    other = await (Generator(ScriptedModel(["y"])) | Ranker(ScriptedModel())).arun("q")
    assert other.stable_json() != fast.stable_json()
