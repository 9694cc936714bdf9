"""Mathematics compared in a process that can be killed: equal is equal, and no answer can hang or harm."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from archon_graph.evals.scorers import MathEquivalence, Score, math_process
from archon_graph.models import ConfigurationError, MissingExtraError
from tests.evals.items import item


def has_math_verify() -> bool:
    try:
        math_process.require_math_verify()
    except MissingExtraError:
        return False
    return True


needs_math_verify = pytest.mark.skipif(not has_math_verify(), reason="the extra 'math' is not installed")
# As little as ends the hostile ones soon; an honest comparison takes about 0.02 s.
QUICK = MathEquivalence(seconds=1.0)


async def score(target: object, answer: str, scorer: MathEquivalence = QUICK) -> Score:
    return await scorer.score(item(target, kind="math"), answer)


@needs_math_verify
@pytest.mark.parametrize(
    ("target", "answer", "right"),
    [
        (r"\frac{1}{2}", r"It is $\boxed{0.5}$.", True),
        (r"\frac{1}{2}", r"\boxed{\frac12}", True),
        (r"\frac{1}{2}", r"First \boxed{2}, but no: \boxed{1/2}", True),
        (r"\frac{1}{2}", r"First \boxed{1/2}, but no: \boxed{2}", False),
        (r"\frac{1}{3}", r"\boxed{0.333}", False),
        (r"\left( 3, \frac{\pi}{2} \right)", r"\boxed{(3,\pi/2)}", True),
        (r"\{1,2,3\}", r"\boxed{\{3,1,2\}}", True),
        (r"90^\circ", r"\boxed{90}", True),
        ("5", r"\boxed{x=5}", True),
        ("x^2+2x+1", r"\boxed{(x+1)^2}", True),
        (r"\text{Evelyn}", r"\boxed{\text{Evelyn}}", True),
        ("(0,1]", r"\boxed{[0,1]}", False),
        ("10000", r"\boxed{10{,}000}", True),
        ("14", "So the answer is 14.", True),
        ("14", "So the answer is $15$.", False),
        ("14", "I cannot tell.", False),
        ("14", "", False),
        ("14", r"\boxed{}", False),
        ("14", r"\boxed{14", False),  # cut off: who knows how it goes on
        ("14", "\ud800 \x00 so it is 14", True),
        (("1", "2"), r"\boxed{2.0}", True),
        (("1", "2"), r"\boxed{3}", False),
        # A target that is no mathematics can still be met letter by letter.
        ("4:30p..", r"\boxed{4:30p..}", True),
        ("4:30p..", r"\boxed{4:30}", False),
    ],
)
async def test_equal_is_equal(target: object, answer: str, right: bool):
    found = await score(target, answer)
    assert (found.value, found.scored) == (float(right), True), found


HOSTILE = [
    r"\boxed{10^{10^{10}}}",
    "it is 9**9**9**9",
    r"\boxed{(x+y+z)^{3000}}",
    r"\boxed{\sum_{n=1}^{10^9} \sin n}",
    rf"\boxed{{{'(' * 450}x{')' * 450}}}",
    rf"\boxed{{{'9' * 5000}}}",
    r"\boxed{\frac{1}{" * 60 + "}" * 120,
    "$" * 3000,
    "1-" * 2000,
    r"\boxed{" * 500,
    r"\boxed{__import__('os').system('exit')}",
]


@needs_math_verify
async def test_hostile_expressions_are_wrong_and_end():
    """All at once, in more of them than there are processes; and an honest one is still right among them."""
    answers = [*HOSTILE, r"\boxed{5.0}"]
    scorer = MathEquivalence(seconds=0.3)
    found = await asyncio.gather(*(score("5", answer, scorer) for answer in answers))
    assert [one.value for one in found] == [0.0] * len(HOSTILE) + [1.0]
    assert found[0].detail == "could not be compared within the limit of processor time"


@needs_math_verify
async def test_a_process_that_dies_is_replaced(monkeypatch: pytest.MonkeyPatch):
    """Killed from outside, it is tried once more; if that does not help, it is the answer's doing."""
    pool = ThreadPoolExecutor(max_workers=1)
    monkeypatch.setattr(math_process, "_threads", lambda: pool)
    assert (await score("1/2", r"\boxed{0.5}")).value == 1.0
    first = pool.submit(lambda: math_process._here.process).result()
    first._process.kill()
    first._process.wait()
    assert (await score("1/2", r"\boxed{0.5}")).value == 1.0
    assert pool.submit(lambda: math_process._here.process).result() is not first
    monkeypatch.setattr(math_process._Process, "compare", lambda *_: "crash")
    found = await score("1/2", r"\boxed{0.5}")
    assert (found.value, found.detail) == (0.0, "comparing it ended its process, twice")
    pool.submit(lambda: math_process._here.process).result().kill()
    pool.shutdown()


@needs_math_verify
async def test_a_machine_without_time_is_not_the_answers_fault(monkeypatch: pytest.MonkeyPatch):
    """Nor is a target that nobody can read."""

    async def verdict(*_: object, **__: object) -> str:
        return "clock"

    monkeypatch.setattr("archon_graph.evals.scorers.math_equivalence.compare", verdict)
    found = await score("1/2", r"\boxed{0.5}")
    assert not found.scored

    async def unreadable(*_: object, **__: object) -> str:
        return "unreadable-gold"

    monkeypatch.setattr("archon_graph.evals.scorers.math_equivalence.compare", unreadable)
    found = await score("1/2", r"\boxed{0.5}")
    assert not found.scored
    assert "'1/2'" in found.detail


@needs_math_verify
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system cannot hold a process")
def test_the_clock_ends_what_uses_no_processor(monkeypatch: pytest.MonkeyPatch):
    """A process that only waits would never reach its limit of processor time."""
    monkeypatch.setattr(math_process, "_PATIENCE", 0.5)
    process = math_process._Process()
    try:
        os.kill(process._process.pid, signal.SIGSTOP)
        assert process.compare("$1$", "$1$", 1.0) == "clock"
        assert process._late
    finally:
        process.kill()
    assert not process.alive


@needs_math_verify
def test_works_in_threads_with_event_loops_of_their_own():
    """The library's own limit raises there."""
    found: list[Score] = []

    def work() -> None:
        found.append(asyncio.run(score("1/2", r"\boxed{0.5}")))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.value for one in found] == [1.0] * 4


@needs_math_verify
def test_no_key_reaches_the_process(monkeypatch: pytest.MonkeyPatch):
    """It reads what models wrote."""
    monkeypatch.setenv("OPENAI_API_KEY", "planted")
    process = math_process._Process()
    try:
        environment = f"/proc/{process._process.pid}/environ"
        if not os.path.exists(environment):  # noqa: PTH110
            pytest.skip("this system does not show a process's environment")
        with open(environment, "rb") as file:  # noqa: PTH123
            assert b"planted" not in file.read()
    finally:
        process.kill()


@needs_math_verify
def test_a_broken_installation_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path):
    """And not taken for wrong answers."""
    worker = tmp_path / "worker.py"
    worker.write_text('print(\'{"failed": "ImportError: no antlr"}\')')
    monkeypatch.setattr(math_process, "_WORKER", worker)
    with pytest.raises(ConfigurationError, match=r"no antlr.*--force-reinstall"):
        math_process._Process()
    worker.write_text("")
    with pytest.raises(ConfigurationError, match="its process ended"):
        math_process._Process()


async def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "math_verify", None)
    math_process.require_math_verify.cache_clear()
    try:
        with pytest.raises(MissingExtraError, match=r"archon-graph\[math\]"):
            await score("1", r"\boxed{1}")
    finally:
        math_process.require_math_verify.cache_clear()


@needs_math_verify
async def test_without_a_target_nothing_is_scored():
    assert not (await score(None, r"\boxed{1}")).scored


def test_a_limit_that_is_none_is_refused():
    with pytest.raises(ValueError, match="positive"):
        MathEquivalence(seconds=0)
