"""Several processes, and processes that end in every way there is: what was committed stays."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from archon_graph.models.cache import ResponseCache
from tests.models.cache.entries import entry, identity
from tests.models.cache.test_store import texts

ROOT = Path(__file__).parents[3]

# What every child begins with; its own code comes after it.
PREAMBLE = """
import asyncio, os, sys, warnings
from tests.models.cache.entries import entry, identity
from archon_graph.models.cache import ResponseCache

cache = ResponseCache(sys.argv[1])
"""


def start(path: Path, code: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    return subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + code, str(path), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    )


def run(path: Path, code: str, *arguments: str) -> str:
    child = start(path, code, *arguments)
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    return out


WRITING = """
import json
name = sys.argv[2]

async def main():
    stands = {}
    async def one(number):
        mine = await cache.add(identity(f"{name} {number}"), 0, {0: entry(f"{name} {number}")})
        assert mine[0].message.content == f"{name} {number}"
        shared = await cache.add(identity(f"shared {number}"), 0, {0: entry(f"by {name}")})
        stands[number] = shared[0].message.content
    await asyncio.gather(*(one(number) for number in range(100)))
    print(json.dumps(stands))

asyncio.run(main())
"""


def test_processes_that_write_at_once_lose_nothing_and_agree(tmp_path: Path):
    """They make the file at the same moment, too."""
    path = tmp_path / "responses.sqlite"
    names = ["a", "b", "c"]
    children = [start(path, WRITING, name) for name in names]
    said = [json.loads(child.communicate(timeout=60)[0]) for child in children]
    assert [child.returncode for child in children] == [0, 0, 0]
    assert said[0] == said[1] == said[2]
    with ResponseCache(path) as cache:
        for number in range(100):
            for name in names:
                assert texts(cache.find(identity(f"{name} {number}"), 0, [0])) == {0: f"{name} {number}"}
            found = texts(cache.find(identity(f"shared {number}"), 0, [0]))
            assert found == {0: said[0][str(number)]}
        assert cache.stats().entries == 400


ENDLESS = """
async def main():
    number = 0
    while True:
        await asyncio.gather(*(
            cache.add(identity(f"q{number + n}"), 0, {0: entry(f"answer {number + n}")}) for n in range(4)
        ))
        number += 4
        print(number, flush=True)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="nothing there kills like SIGKILL")
def test_what_was_committed_survives_the_end_of_the_process_at_any_moment(tmp_path: Path):
    path = tmp_path / "responses.sqlite"
    committed = 0
    for lines in (1, 40):
        child = start(path, ENDLESS.replace("number = 0", f"number = {committed}"))
        assert child.stdout is not None
        said = [next(child.stdout) for _ in range(lines)]
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().split()
        child.wait(timeout=30)
        child.stdout.close()
        committed = int(rest[-1] if rest else said[-1])
        with ResponseCache(path) as cache:
            for number in range(committed):
                assert texts(cache.find(identity(f"q{number}"), 0, [0])) == {0: f"answer {number}"}


LEAVING = """
async def main():
    for number in range(50):
        asyncio.ensure_future(cache.add(identity(f"q{number}"), 0, {0: entry()}))
    cache.note_fact(identity(), True)
    await asyncio.sleep(0)
    HOW

asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["return", "cache.close()"])
def test_what_is_queued_when_a_process_ends_is_written(tmp_path: Path, how: str):
    path = tmp_path / "responses.sqlite"
    run(path, LEAVING.replace("HOW", how))
    assert not path.with_name("responses.sqlite-wal").exists()
    with ResponseCache(path) as cache:
        assert all(cache.find(identity(f"q{number}"), 0, [0]) for number in range(50))
        assert cache.fact(identity()) is True


FORKING = """
warnings.simplefilter("ignore", DeprecationWarning)  # to fork beside threads is what is tested

async def add(name):
    await cache.add(identity(name), 0, {0: entry(name)})

asyncio.run(add("before"))
child = os.fork()
name = "parent" if child else "child"
assert cache.find(identity("before"), 0, [0])
for number in range(20):
    asyncio.run(add(f"{name} {number}"))
    assert cache.find(identity(f"{name} {number}"), 0, [0])
if not child:
    HOW
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
asyncio.run(add("after"))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("how", ["os._exit(0)", "sys.exit(0)"])
def test_a_forked_child_has_hands_of_its_own(tmp_path: Path, how: str):
    path = tmp_path / "responses.sqlite"
    run(path, FORKING.replace("HOW", how))
    with ResponseCache(path) as cache:
        names = ["before", "after", *(f"{who} {n}" for who in ("parent", "child") for n in range(20))]
        assert all(texts(cache.find(identity(name), 0, [0])) == {0: name} for name in names)
        assert cache.stats().entries == len(names)


ORPHANED = """
import time
warnings.simplefilter("ignore", DeprecationWarning)
closed, closing = os.pipe()
asyncio.run(cache.add(identity("before"), 0, {0: entry()}))
child = os.fork()
if child:
    os.close(closed)
    cache.close()
    with ResponseCache(sys.argv[1]) as again:
        asyncio.run(again.add(identity("between"), 0, {0: entry()}))
    os.write(closing, b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
else:
    asyncio.run(cache.add(identity("first"), 0, {0: entry()}))
    os.read(closed, 1)
    for number in range(20):
        asyncio.run(cache.add(identity(f"later {number}"), 0, {0: entry()}))
    os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_what_a_child_adds_stays_though_its_parent_has_closed(tmp_path: Path):
    """With the parent's connections open in the child, SQLite would lock nothing there."""
    path = tmp_path / "responses.sqlite"
    run(path, ORPHANED)
    with ResponseCache(path) as cache:
        names = ["before", "first", "between", *(f"later {number}" for number in range(20))]
        assert [name for name in names if not cache.find(identity(name), 0, [0])] == []


BUSY = """
import threading
warnings.simplefilter("ignore", DeprecationWarning)

async def work(name):
    for number in range(300):
        await cache.add(identity(f"{name} {number}"), 0, {0: entry()})
        cache.find(identity(f"{name} {number}"), 0, [0])

threads = [threading.Thread(target=lambda n=n: asyncio.run(work(f"thread {n}"))) for n in range(3)]
for thread in threads:
    thread.start()
children = []
for number in range(5):
    child = os.fork()
    if not child:
        asyncio.run(cache.add(identity(f"child {number}"), 0, {0: entry()}))
        os._exit(0)
    children.append(child)
assert all(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 for child in children)
for thread in threads:
    thread.join()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_process_may_fork_while_it_writes(tmp_path: Path):
    path = tmp_path / "responses.sqlite"
    run(path, BUSY)
    with ResponseCache(path) as cache:
        names = [f"child {n}" for n in range(5)] + [f"thread {t} {n}" for t in range(3) for n in range(300)]
        assert [name for name in names if not cache.find(identity(name), 0, [0])] == []


def test_a_second_process_sees_at_once_what_was_committed(tmp_path: Path):
    path = tmp_path / "responses.sqlite"
    with ResponseCache(path) as cache:

        async def add(**changes: Any) -> None:
            await cache.add(identity(), 0, {0: entry(**changes)})

        asyncio.run(add())
        out = run(path, "print(cache.find(identity(), 0, [0])[0].message.content)")
    assert out == "42\n"
