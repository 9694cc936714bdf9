"""Running programs: what they are given, what comes back, and that nothing is left however a run ends."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from archon_graph.sandbox import Limits, Sandbox, check, check_sync, installed_packages
from tests.sandbox.conftest import TIGHT, children, until, works_here

pytestmark = [works_here, pytest.mark.usefixtures("nothing_left")]

FOR_EVER = "import time\nprint('begun', flush=True)\ntime.sleep(1000)"


async def test_a_program_runs(sandbox: Sandbox) -> None:
    outcome = await sandbox.run_python("import sys\nprint(6 * 7)\nprint('no', file=sys.stderr)", limits=TIGHT)
    assert (outcome.status, outcome.exit_code, outcome.stdout, outcome.stderr) == ("ok", 0, "42\n", "no\n")
    assert outcome.detail == ""
    assert 0 < outcome.seconds < TIGHT.wall_seconds


async def test_an_exception_is_told(sandbox: Sandbox) -> None:
    outcome = await sandbox.run_python("def f():\n    raise ValueError('odd')\nf()", limits=TIGHT)
    assert (outcome.status, outcome.exit_code) == ("error", 1)
    assert outcome.detail == "ValueError: odd"
    assert 'File "/scratch/program.py", line 2, in f' in outcome.stderr


async def test_an_exit_code_is_told(sandbox: Sandbox) -> None:
    outcome = await sandbox.run_python("raise SystemExit(3)", limits=TIGHT)
    assert (outcome.status, outcome.exit_code, outcome.detail) == ("error", 3, "it ended with exit code 3")


async def test_standard_input(sandbox: Sandbox) -> None:
    outcome = await sandbox.run_python("import sys\nprint(sys.stdin.read())", stdin="zwölf\n", limits=TIGHT)
    assert outcome.stdout == "zwölf\n\n"


async def test_much_standard_input(sandbox: Sandbox) -> None:
    text = "0123456789" * 200_000
    program = "import sys, zlib\ndata = sys.stdin.buffer.read()\nprint(len(data))"
    assert (await sandbox.run_python(program, stdin=text, limits=TIGHT)).stdout == "2000000\n"


async def test_standard_input_that_nobody_reads(sandbox: Sandbox) -> None:
    outcome = await sandbox.run_python("print(input())", stdin="first\n" + "x" * 10**6, limits=TIGHT)
    assert (outcome.status, outcome.stdout) == ("ok", "first\n")


async def test_files(sandbox: Sandbox) -> None:
    program = "import helper\nprint(helper.x, open('data/table.csv').read())\nopen('data/new', 'w').close()"
    files = {"helper.py": "x = 1", "data/table.csv": "a,b"}
    assert (await sandbox.run_python(program, files=files, limits=TIGHT)).stdout == "1 a,b\n"


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../../b", "", ".", "a\0b"])
async def test_files_have_to_lie_within(sandbox: Sandbox, name: str) -> None:
    with pytest.raises(ValueError, match="has to be a relative path"):
        await sandbox.run_python("", files={name: ""})


async def test_each_run_begins_anew(sandbox: Sandbox) -> None:
    program = "import os\nprint(sorted(os.listdir()))\nopen('left', 'w').close()"
    for _ in range(2):
        assert (await sandbox.run_python(program, limits=TIGHT)).stdout == "['program.py']\n"


async def test_what_a_program_sees(sandbox: Sandbox) -> None:
    program = dedent("""
        import getpass, os, socket, sys, tempfile, time
        print(getpass.getuser(), os.getcwd(), socket.gethostname(), tempfile.gettempdir(), time.tzname[0])
        print(sys.argv, sys.flags.no_site, sys.flags.utf8_mode, os.path.expanduser("~"))
    """)
    outcome = await sandbox.run_python(program, limits=TIGHT)
    assert outcome.stdout == "sandbox /scratch sandbox /scratch UTC\n['program.py'] 1 1 /scratch\n"


async def test_the_usual_libraries_work(sandbox: Sandbox) -> None:
    program = dedent("""
        import asyncio, ctypes, decimal, hashlib, json, multiprocessing, sqlite3, ssl, subprocess, sys, zoneinfo
        from concurrent.futures import ThreadPoolExecutor
        asyncio.run(asyncio.sleep(0))
        print(list(ThreadPoolExecutor(2).map(abs, [-1, 2])))
        print(subprocess.run([sys.executable, "-S", "-c", "print(3)"], capture_output=True).stdout)
        with multiprocessing.get_context("fork").Pool(2) as pool: print(pool.map(abs, [-4]))
        print(sqlite3.connect("db").execute("select 5").fetchone())
    """)
    outcome = await sandbox.run_python(program, limits=replace(TIGHT, processes=12, memory_mb=400))
    assert outcome.stdout == "[1, 2]\nb'3\\n'\n[4]\n(5,)\n", outcome.stderr


async def test_packages_are_seen_if_they_are_asked_for() -> None:
    program = "import packaging, sys\nprint(packaging.__file__)\nopen(packaging.__file__, 'a')"
    sandbox = Sandbox(packages=installed_packages())
    outcome = await sandbox.run_python(program, limits=TIGHT)
    assert outcome.stdout.strip().endswith("packaging/__init__.py")
    assert outcome.detail.startswith(("OSError: [Errno 30]", "PermissionError"))
    assert (await sandbox.run_python("import attr", limits=TIGHT)).status == "ok"


async def test_several_run_at_once_but_no_more_than_may() -> None:
    sandbox = Sandbox(concurrency=2)
    runs = asyncio.gather(*(sandbox.run_python(f"import time\ntime.sleep(0.3)\nprint({n})") for n in range(5)))
    most = 0
    while not runs.done():
        most = max(most, len(children()))
        await asyncio.sleep(0.01)
    assert [outcome.stdout for outcome in await runs] == [f"{n}\n" for n in range(5)]
    assert most == 2


async def test_output_is_cut_where_the_limit_is(sandbox: Sandbox) -> None:
    outcome = await sandbox.run_python("while True: print('x' * 99)", limits=replace(TIGHT, output_bytes=1000))
    assert outcome.status == "output"
    assert outcome.stdout == ("x" * 99 + "\n") * 10
    assert outcome.exit_code is None


async def test_output_up_to_the_limit_is_fine(sandbox: Sandbox) -> None:
    outcome = await sandbox.run_python("print('x' * 99, end='')", limits=replace(TIGHT, output_bytes=99))
    assert (outcome.status, outcome.stdout) == ("ok", "x" * 99)


async def test_no_output_at_all_may_be_allowed(sandbox: Sandbox) -> None:
    none = replace(TIGHT, output_bytes=0)
    assert (await sandbox.run_python("", limits=none)).status == "ok"
    assert (await sandbox.run_python("print()", limits=none)).status == "output"


@pytest.mark.parametrize(
    ("limit", "program", "status"),
    [
        ({"wall_seconds": 0.4}, "import time\ntime.sleep(1000)", "timeout"),
        ({"cpu_seconds": 0.4}, "while True: pass", "timeout"),
        ({"memory_mb": 64}, "x = bytearray(10**8)", "memory"),
        ({"scratch_mb": 1}, "open('a', 'wb').write(bytes(2**21))", "error"),
        ({"processes": 1}, "import threading\nthreading.Thread(target=print).start()", "error"),
    ],
)
async def test_each_limit_holds(sandbox: Sandbox, limit: dict[str, float], program: str, status: str) -> None:
    limits = replace(TIGHT, **limit)  # type: ignore[arg-type]
    outcome = await sandbox.run_python(program, limits=limits)
    assert outcome.status == status or (status == "error" and outcome.status == "killed")
    assert outcome.detail


def test_limits_that_make_no_sense_are_all_named() -> None:
    with pytest.raises(
        ValueError, match=r"wall_seconds .* 0\b.*; memory_mb .* 47\b.*; processes .* 1\.5\b.*; scratch_mb"
    ):
        Limits(wall_seconds=0, memory_mb=47, processes=1.5, scratch_mb=True)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cpu_seconds"):
        Limits(cpu_seconds=float("nan"))


async def test_cancelling_leaves_nothing(sandbox: Sandbox) -> None:
    run = asyncio.create_task(sandbox.run_python(FOR_EVER))
    assert await asyncio.to_thread(until, children)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert children() == []


async def test_cancelling_twice_leaves_nothing(sandbox: Sandbox) -> None:
    run = asyncio.create_task(check(sandbox, FOR_EVER, "f()"))
    assert await asyncio.to_thread(until, lambda: len(children()) == 2)
    run.cancel()
    await asyncio.sleep(0)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert children() == []


async def test_cancelling_what_waits_for_its_turn(sandbox: Sandbox) -> None:
    first = asyncio.create_task(sandbox.run_python("import time\ntime.sleep(0.5)\nprint(1)"))
    await asyncio.sleep(0)
    second = asyncio.create_task(sandbox.run_python(FOR_EVER))
    await asyncio.sleep(0.1)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert (await first).stdout == "1\n"


async def test_a_timeout_of_the_callers(sandbox: Sandbox) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await sandbox.run_python(FOR_EVER)
    assert children() == []


def test_ctrl_c_leaves_nothing(sandbox: Sandbox) -> None:
    def interrupt() -> None:
        until(children)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        sandbox.run_python_sync(FOR_EVER)
    thread.join()
    assert children() == []


_HOST = """
import sys
sys.path.insert(0, {root!r})
from archon_graph.sandbox import Sandbox
Sandbox().run_python_sync("import os, time\\nos.fork()\\nos.fork()\\ntime.sleep(1000)")
"""


def test_nothing_is_left_when_the_host_is_killed() -> None:
    """Without a word, by ``kill -9``: who is inside must not outlive who wanted it."""
    root = str(Path(__file__).parents[2])
    with tempfile.TemporaryFile() as errors:
        host = subprocess.Popen([sys.executable, "-c", _HOST.format(root=root)], stderr=errors)
        try:
            assert until(lambda: len(family(host.pid)) >= 6, 60), errors.read()
            below = family(host.pid)
        finally:
            host.kill()
            host.wait()
    assert until(lambda: not any(map(alive, below)))


def family(process: int) -> list[int]:
    """All that descends from a process."""
    try:
        children = [
            int(child)
            for task in Path(f"/proc/{process}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:
        return []
    return children + [one for child in children for one in family(child)]


def alive(process: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


def test_it_may_be_used_from_any_loop_and_thread(sandbox: Sandbox) -> None:
    for _ in range(2):
        assert asyncio.run(sandbox.run_python("print(1)", limits=TIGHT)).stdout == "1\n"
    assert sandbox.run_python_sync("print(2)", limits=TIGHT).stdout == "2\n"


def test_it_travels_between_processes(sandbox: Sandbox) -> None:
    sandbox.run_python_sync("")
    copy = pickle.loads(pickle.dumps(sandbox))  # noqa: S301 - our own
    assert (copy.isolation, copy.packages, copy.concurrency) == ("auto", (), 1)
    assert copy.run_python_sync("print(3)", limits=TIGHT).stdout == "3\n"


def test_it_works_after_a_fork(sandbox: Sandbox) -> None:
    sandbox.run_python_sync("")
    child = os.fork()
    if child == 0:
        os._exit(0 if sandbox.run_python_sync("print(4)", limits=TIGHT).stdout == "4\n" else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"isolation": "namespace"}, "there is no isolation 'namespace', .*did you mean 'namespaces'"),
        ({"isolation": "none"}, "there is no isolation 'none', only 'auto', "),
        ({"concurrency": 0}, "concurrency has to be at least 1, and is 0"),
        ({"packages": ["/not/there"]}, "folders that are not there: /not/there"),
    ],
)
def test_settings_that_make_no_sense(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sandbox(**arguments)  # type: ignore[arg-type]


def test_a_check_without_a_loop(sandbox: Sandbox) -> None:
    assert check_sync(sandbox, "def f(): return 1", "assert f() == 1", limits=TIGHT).passed
