"""Root and ordinary users: both get the same sandbox, and no program in it is either of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from archon_graph.sandbox import Sandbox
from archon_graph.sandbox.python_files import python_files
from tests.sandbox.attacks import ATTACKS
from tests.sandbox.conftest import TIGHT, until, works_here

pytestmark = [works_here, pytest.mark.usefixtures("nothing_left")]

NOBODY = 65_534
_ROOT = Path(__file__).parents[2]

# An ordinary user may not be able to reach the Python of root; ours is imported without the packages it leans on.
_AS_NOBODY = """
import os, sys, types
module = sys.modules["archon_graph"] = types.ModuleType("archon_graph")
module.__path__ = [{package!r}]
sys.dont_write_bytecode = True
from archon_graph.sandbox import Limits, Sandbox, check_sync, probe
assert os.getuid() == {user}, os.getuid()
assert probe().works, probe()
assert probe().backend == "namespaces"
TIGHT = Limits(wall_seconds=4, cpu_seconds=2, memory_mb=160, processes=6, output_bytes=4096, scratch_mb=4)
sandbox = Sandbox(concurrency=1)
"""


def _python_for_all() -> str | None:
    """A Python of a version that we support, which everybody may run."""
    for path in (python_files().executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        real = Path(path).resolve()
        if real.exists() and all(folder.stat().st_mode & 0o005 == 0o005 for folder in (real, *real.parents)):
            program = "import sys; sys.exit(sys.version_info < (3, 11))"
            if subprocess.run([real, "-c", program], check=False).returncode == 0:
                return str(real)
    return None


as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
python_for_all = _python_for_all()
has_python = pytest.mark.skipif(python_for_all is None, reason="no Python that everybody may run")


def as_nobody(program: str) -> str:
    """What a program prints that runs as nobody, with a sandbox at hand."""
    head = _AS_NOBODY.format(package=str(_ROOT / "archon_graph"), user=NOBODY)
    done = subprocess.run(
        [str(python_for_all), "-c", head + textwrap.dedent(program)],
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        env={"PLANTED_API_KEY": "planted"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@as_root
@has_python
def test_an_ordinary_user_has_the_same_sandbox() -> None:
    printed = as_nobody("""
        program = "import os\\nprint(os.getuid(), os.geteuid(), os.getgid(), os.getgroups())"
        outcome = sandbox.run_python_sync(program)
        print(outcome.stdout, outcome.stderr)
        print(check_sync(sandbox, "def f(x): return x * x", "assert f(3) == 9", limits=TIGHT).passed)
        print(check_sync(sandbox, "import os\\ndef f(x): os._exit(0)", "assert f(3) == 9", limits=TIGHT).passed)
    """)
    assert printed.split("\n")[0].startswith("1000 1000 1000 [")
    assert printed.split("\n")[-3:] == ["True", "False", ""]


@as_root
@has_python
def test_every_attack_fails_for_an_ordinary_user_too() -> None:
    # Those that wait for their limit are the same for both; the others take a twentieth of a second each.
    attacks = {name: attack for name, attack in ATTACKS.items() if "timeout" not in attack.ends}
    text = {
        name: attack.source.format(secret=__file__, outside=str(_ROOT), port=1, host=os.getpid())
        for name, attack in attacks.items()
    }
    printed = as_nobody(f"""
        attacks = {text!r}
        for name, program in attacks.items():
            outcome = sandbox.run_python_sync(program, limits=TIGHT)
            print(name, outcome.status, "ESCAPED" in outcome.stdout, sep="|")
    """)
    results = {
        name: (status, escaped) for name, status, escaped in (line.split("|") for line in printed.splitlines())
    }
    assert list(results) == list(attacks)
    for name, (status, escaped) in results.items():
        assert escaped == "False", name
        assert status in attacks[name].ends, name


@as_root
@has_python
@pytest.mark.parametrize(
    "name", ["floods: processes", "stays: as a daemon", "kills: everything", "stays: as zombies"]
)
def test_nothing_of_an_ordinary_users_run_is_left(name: str) -> None:
    program = ATTACKS[name].source.format(secret="", outside="", port=1, host=1)
    as_nobody(f"print(sandbox.run_python_sync({program!r}, limits=TIGHT).status)")
    assert until(lambda: not [one for one in Path("/proc").glob("[0-9]*") if _owner(one) == NOBODY])


def _owner(process: Path) -> int:
    try:
        return process.stat().st_uid if ") Z" not in (process / "stat").read_text() else -1
    except OSError:
        return -1


_LOCKED = """
import sys, types
module = sys.modules["archon_graph"] = types.ModuleType("archon_graph")
module.__path__ = [sys.argv[1]]
from archon_graph.sandbox import Sandbox, SandboxUnavailableError, probe
print(probe().works, probe().problem)
try:
    Sandbox().run_python_sync("print('ran')")
except SandboxUnavailableError:
    print("refused")
"""


@as_root
@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed")
@pytest.mark.parametrize(
    ("switch", "problem"),
    [
        ("echo 0 > /proc/sys/user/max_user_namespaces", "user namespaces are switched off"),
        ("echo 0 > /proc/sys/user/max_net_namespaces", "could not be set up: OSError: [Errno 28] unshare"),
        # Root as the only user of a namespace stays the one root whose processes the kernel does not count.
        ("true", "it does not keep its word: few processes"),
    ],
)
def test_a_machine_that_allows_too_little_is_refused(switch: str, problem: str) -> None:
    python = [python_files().executable, "-B", "-c", _LOCKED, str(_ROOT / "archon_graph")]
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", f'{switch}; exec "$@"', "sh", *python]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False namespaces: ")
    assert problem in done.stdout
    assert done.stdout.endswith("refused\n")


def test_the_program_is_a_user_who_owns_nothing(sandbox: Sandbox) -> None:
    program = (
        "import os, time\n"
        "print(os.getuid(), os.geteuid(), os.getgid(), os.getgroups())\n"
        "print(os.stat('/').st_uid, os.stat(os.__file__).st_uid, os.stat('/scratch').st_uid)\n"
    )
    outcome = sandbox.run_python_sync(program, limits=TIGHT)
    who, owners = outcome.stdout.splitlines()
    assert who.startswith("1000 1000 1000 [")
    assert owners.split()[2] == "1000"


@as_root
def test_for_root_the_program_is_an_unused_user_of_the_host(sandbox: Sandbox) -> None:
    """Root ignores the limit on processes, and owns every file that a hole would show."""
    seen: set[int] = set()

    def look() -> bool:
        for one in Path("/proc").glob("[0-9]*"):
            try:
                if (one / "cmdline").read_bytes().split(b"\0")[-2:-1] == [b"program.py"]:
                    seen.add(one.stat().st_uid)
            except OSError:
                pass
        return bool(seen)

    watcher = threading.Thread(target=until, args=(look,))
    watcher.start()
    sandbox.run_python_sync("import time\ntime.sleep(0.5)", limits=TIGHT)
    watcher.join()
    assert seen
    assert all(user >= 65_536 for user in seen)


def test_the_python_of_a_virtual_environment_is_the_one_it_borrows_from() -> None:
    files = python_files()
    assert Path(files.executable).is_relative_to(Path(sys.base_prefix).resolve())
    if sys.prefix != sys.base_prefix:
        assert not [path for path in (*files.shown, *files.hidden) if Path(path).is_relative_to(sys.prefix)]
    assert not any("site-packages" in shown for shown in files.shown)
