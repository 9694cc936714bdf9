"""What the server costs: times of many requests at once, memory over thousands, and answers to wrong requests.

    python benchmarks/serve.py [--at-once 200] [--questions 5000] [--wrong 2000]

Server, clients and the fake model behind it are three processes. The graph is ten samples, a ranking and a fusion;
each of its calls takes 50 ms. Needs the extra: serve.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from common import Report
from loopback import serving
from malformed import Asker, cases

from archon_graph import Fuser, Generator, Ranker

LATENCY = 0.05
MODEL = "openai:fake"
BODY_LIMIT_MB = 1


@contextmanager
def served(at_once: int) -> Iterator[tuple[str, int]]:
    """The server in a process of its own: the root of its API, and its id."""
    architecture = Generator(MODEL, samples=10) | Ranker(MODEL) | Fuser(MODEL)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "line.yaml"
        architecture.save(file)
        command = [sys.executable, "-c", "from archon_graph.cli import main; main()", "serve", str(file)]
        options = ["--port", "0", "--quiet", "--max-running", str(2 * at_once), "--max-body", str(BODY_LIMIT_MB)]
        with (
            (Path(folder) / "log").open("w+", encoding="utf-8") as log,
            subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=log, text=True) as process,  # noqa: S603
        ):
            try:
                assert process.stdout is not None  # noqa: S101
                url = next((word for word in process.stdout.readline().split() if word.startswith("http")), None)
                if url is None:
                    log.seek(0)
                    raise RuntimeError(f"the server did not start: {log.read()}")
                yield url, process.pid
            finally:
                process.terminate()


def megabytes(process: int) -> float:
    """What a process holds of the machine's memory."""
    with contextlib.suppress(OSError):
        statm = Path(f"/proc/{process}/statm").read_text(encoding="ascii")
        return int(statm.split()[1]) * resource.getpagesize() / 1e6
    listed = subprocess.run(["ps", "-o", "rss=", "-p", str(process)], check=True, capture_output=True)  # noqa: S603, S607
    return int(listed.stdout) / 1e3


async def ask(http: httpx.AsyncClient, url: str, number: int) -> float:
    """The seconds of one request; an answer that is none is an error."""
    body = {"model": "line", "messages": [{"role": "user", "content": f"question {number}"}]}
    started = time.perf_counter()
    reply = await http.post(f"{url}/chat/completions", json=body)
    took = time.perf_counter() - started
    reply.raise_for_status()
    return took


async def ask_many(url: str, numbers: range, at_once: int) -> list[float]:
    """The seconds of many requests, so many at once at any time."""
    left = iter(numbers)
    times: list[float] = []
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
    async with httpx.AsyncClient(timeout=600, trust_env=False, limits=limits) as http:

        async def keep_asking() -> None:
            for number in left:
                times.append(await ask(http, url, number))  # noqa: PERF401 - others add to it meanwhile

        await asyncio.gather(*(keep_asking() for _ in range(at_once)))
    return times


def bursts(report: Report, url: str, at_once: int, rounds: int) -> None:
    """So many requests at the same moment, again and again."""
    asyncio.run(ask_many(url, range(at_once), at_once))  # opens connections and models
    ratios, medians = [], []
    for number in range(1, rounds + 1):
        times = sorted(asyncio.run(ask_many(url, range(number * at_once, (number + 1) * at_once), at_once)))
        median, last = statistics.median(times), times[int(0.99 * (len(times) - 1))]
        ratios.append(last / median)
        medians.append(median)
    report.at_most(
        f"{at_once} requests at once, 99th percentile over the median",
        statistics.median(ratios),
        3,
        detail=f"median {statistics.median(medians):.2f} s for 12 calls of which 3 must follow each other",
    )


def memory(report: Report, url: str, process: int, questions: int, at_once: int) -> None:
    """Memory of the server after a tenth of the requests, and after all."""
    early = max(at_once, questions // 10)
    asyncio.run(ask_many(url, range(early), at_once))
    before = megabytes(process)
    started = time.perf_counter()
    asyncio.run(ask_many(url, range(early, questions), at_once))
    took, after = time.perf_counter() - started, megabytes(process)
    report.at_most(
        "memory of the server, growth in percent",
        (after / before - 1) * 100,
        5,
        unit=" %",
        detail=f"{before:.1f} MB after {early:,} requests, {after:.1f} MB after {questions:,}; "
        f"{(questions - early) / took:.0f} requests a second",
    )


def wrong(report: Report, url: str, process: int, count: int) -> None:
    """Wrong requests: what came back that should not, and what stayed behind."""
    before = megabytes(process)
    asker = Asker(url)
    for case in cases("line", count, seed=0, limit=BODY_LIMIT_MB * 1024 * 1024):
        asker.ask(case)
    asker.close()
    for said in asker.wrong[:10]:
        report.note(said)
    report.at_most(f"wrong answers to {count:,} wrong requests", len(asker.wrong), 0)
    report.note(f"memory {before:.1f} MB before them, {megabytes(process):.1f} MB after")


def main() -> int:
    """Measure; 1 if a figure was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="bursts that are timed (default: 5)")
    parser.add_argument("--at-once", type=int, default=200, help="requests side by side (default: 200)")
    parser.add_argument("--questions", type=int, default=5000, help="for the memory (default: 5000)")
    parser.add_argument("--wrong", type=int, default=2000, help="wrong requests (default: 2000)")
    given = parser.parse_args()
    report = Report(given.rounds)
    with serving(LATENCY), served(given.at_once) as (url, process):
        bursts(report, url, given.at_once, given.rounds)
        memory(report, url, process, given.questions, given.at_once)
        wrong(report, url, process, given.wrong)
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main())
