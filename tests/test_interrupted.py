"""A run that is killed and started again asks for nothing twice that it had written down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archon_graph.models.cache import ResponseCache
from tests.faults.answer_many import CONCURRENCY, DRAWS_PER_QUESTION
from tests.faults.behaviour import SILENT, Fault, Plan
from tests.faults.running import Server

QUESTIONS = 200
DRAWS = QUESTIONS * DRAWS_PER_QUESTION
QUICK = tuple(fault for fault in Fault if fault not in SILENT | {Fault.QUOTA, Fault.BAD_KEY, Fault.USAGE_TEXT})


class Runs:
    """Runs of one and the same command."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.cache = folder / "cache.db"
        self._folder = folder
        self._server = server
        self._number = 0

    def start(self) -> tuple[subprocess.Popen[bytes], Path]:
        """Start the command; it writes its results into a file at its end."""
        self._number += 1
        results = self._folder / f"results-{self._number}.json"
        options = {"cache": self.cache, "results": results, "questions": QUESTIONS}
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.answer_many", *(f"--{name}={options[name]}" for name in options)],
            env={**os.environ, "OPENAI_API_KEY": "sk-test-none-at-all", "OPENAI_BASE_URL": self._server.url},
        )
        return process, results

    def to_the_end(self) -> list[str]:
        """Run the command, and give its results."""
        process, results = self.start()
        assert process.wait(timeout=120) == 0
        written: list[str] = json.loads(results.read_text())
        assert len(written) == QUESTIONS
        return written

    def kill_after(self, answers: int) -> None:
        """Run the command, and kill it without warning once the server has given so many answers."""
        process, results = self.start()
        ends = time.monotonic() + 120
        while self._server.counts.answered < answers:
            assert process.poll() is None, "the command came to its end too early"
            assert time.monotonic() < ends
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=30) == -signal.SIGKILL
        assert not results.exists()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nothing kills a process so suddenly here")
def test_what_was_written_down_is_not_asked_again(tmp_path: Path):
    """Killed in the middle, run again, and once more: answers repeat that were under way, and no others."""
    plan = Plan(rate=0.05, seed=11, kinds=QUICK, latency=0.01, retry_after=0.01, keep_alive=True)
    with Server(plan) as server:
        runs = Runs(tmp_path, server)
        runs.kill_after(DRAWS // 2)
        # Whatever was sent off to the dead process is over.
        time.sleep(2 * plan.latency)
        at_the_kill = server.counts
        with ResponseCache(runs.cache) as cache:
            committed = cache.stats().entries
        under_way = at_the_kill.answered - committed
        assert committed > DRAWS // 3
        # Those on the way to the disk are among them, and how many that are is for the disk to say.
        assert 0 <= under_way <= DRAWS // 4

        second = runs.to_the_end()
        counts = server.counts
        assert counts.answered - at_the_kill.answered == DRAWS - committed
        repeated = {body: times for body, times in counts.answered_by_body.items() if times > 1}
        assert set(repeated.values()) <= {2}
        assert len(repeated) <= under_way
        assert set(repeated) <= set(at_the_kill.answered_by_body)
        assert counts.most_at_once <= CONCURRENCY

        assert runs.to_the_end() == second
        assert server.counts == counts
        with ResponseCache(runs.cache) as cache:
            assert cache.stats().entries == DRAWS
