"""Which backend is used, and that nothing runs where none works."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archon_graph.sandbox import (
    UNSAFE,
    Backend,
    Job,
    Limits,
    Outcome,
    Probe,
    Process,
    Sandbox,
    SandboxError,
    SandboxUnavailableError,
    check_sync,
    probe,
    probing,
    register_backend,
)
from archon_graph.sandbox.bare import Bare
from archon_graph.sandbox.namespaces import host, launcher
from archon_graph.sandbox.namespaces.host import Namespaces
from tests.sandbox.conftest import TIGHT, works_here


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered from before, and nothing of this is remembered later."""
    monkeypatch.setattr(probing, "_backends", dict(probing._backends))
    monkeypatch.setattr(probing, "_probed", {})


class Claims(Bare):
    """Says that it isolates, and does not."""

    name = "claims"
    isolates = True


class Tuned(Namespaces):
    """A backend of somebody's own."""

    name = "tuned"

    def __init__(self) -> None:
        self.started: list[Job] = []

    def start(self, job: Job, stdin: int, stdout: int, stderr: int) -> Process:
        self.started.append(job)
        return super().start(job, stdin, stdout, stderr)


@works_here
def test_what_is_tried_is_told() -> None:
    found = probe()
    assert (found.backend, found.works, found.isolates, found.problem) == ("namespaces", True, True, "")
    assert set(found.facts) == {
        "no files of the host",
        "no files written",
        "no network",
        "no processes of the host",
        "no root",
        "no variables of the environment",
        "few processes",
    }
    assert probe() is found


@works_here
@pytest.mark.parametrize(
    ("name", "value"), [("PYTHONPATH", "/somewhere"), ("PYTHONHASHSEED", "0"), ("OMP_NUM_THREADS", "1")]
)
def test_it_does_not_depend_on_the_users_environment(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert probe().problem == ""


def test_a_backend_that_does_not_keep_its_word_is_found_out() -> None:
    register_backend(Claims())
    found = probe("claims")
    assert not found.works
    assert found.problem.startswith("it does not keep its word: no files of the host, ")
    assert "no network" in found.problem
    with pytest.raises(SandboxUnavailableError, match="does not keep its word"):
        Sandbox("claims").run_python_sync("open('ran', 'w')")


@works_here
def test_a_backend_of_ones_own_comes_first() -> None:
    tuned = Tuned()
    register_backend(tuned)
    assert probe().backend == "tuned"
    assert Sandbox().run_python_sync("print(1)", limits=TIGHT).stdout == "1\n"
    assert check_sync(Sandbox("tuned"), "def f(): return 1", "assert f() == 1", limits=TIGHT).passed
    assert len(tuned.started) == 4
    assert isinstance(tuned, Backend)


@works_here
def test_one_that_does_not_work_is_passed_over() -> None:
    register_backend(Claims())
    assert probe().backend == "namespaces"


class Nothing:
    """Works nowhere."""

    name = "nothing"
    isolates = True

    def missing(self) -> str | None:
        return "the moon is not full"

    def start(self, job: Job, stdin: int, stdout: int, stderr: int) -> Process:
        raise AssertionError


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which nothing isolates."""
    monkeypatch.setattr(Namespaces, "missing", lambda _: "namespaces are a thing of Linux, and this is darwin")
    register_backend(Nothing())


@pytest.mark.usefixtures("nowhere")
async def test_without_isolation_nothing_runs(tmp_path: Path) -> None:
    assert probe() == Probe(
        "auto",
        works=False,
        isolates=False,
        problem="nothing: the moon is not full; namespaces: namespaces are a thing of Linux, and this is darwin",
    )
    with pytest.raises(SandboxUnavailableError) as caught:
        await Sandbox().run_python(f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert not (tmp_path / "ran").exists()
    for part in ("nothing shuts it in", "the moon is not full", "this is darwin", UNSAFE, "docs/sandbox.md"):
        assert part in str(caught.value)
    with pytest.raises(SandboxUnavailableError):
        check_sync(Sandbox(), "", "")


@pytest.mark.usefixtures("nowhere")
def test_in_so_many_words_it_runs() -> None:
    assert UNSAFE == "none-and-I-accept-the-risk"
    sandbox = Sandbox(UNSAFE)
    assert sandbox.run_python_sync("print(2)").stdout == "2\n"
    assert check_sync(sandbox, "def f(): return 1", "assert f() == 1").passed
    assert not check_sync(sandbox, "import os\ndef f(): os._exit(0)", "assert f() == 1").passed
    assert not probe(UNSAFE).isolates


@pytest.mark.parametrize("name", ["auto", UNSAFE, "namespaces"])
def test_names_with_a_meaning_are_not_to_be_had(name: str) -> None:
    backend = Nothing()
    backend.name = name
    with pytest.raises(ValueError, match="has a meaning already"):
        register_backend(backend)


def test_what_is_no_backend_is_refused() -> None:
    with pytest.raises(TypeError, match="a backend has name, isolates"):
        register_backend(object())  # type: ignore[arg-type]


def test_what_namespaces_need(monkeypatch: pytest.MonkeyPatch) -> None:
    def uname(release: str, machine: str) -> os.uname_result:
        return os.uname_result(("Linux", "here", release, "1", machine))

    monkeypatch.setattr(os, "uname", lambda: uname("5.13.0-generic", "x86_64"))
    assert "Linux 5.14 or newer is needed" in (Namespaces().missing() or "")
    monkeypatch.setattr(os, "uname", lambda: uname("6.1.0", "riscv64"))
    assert "knows x86_64 and aarch64, and this is riscv64" in (Namespaces().missing() or "")
    monkeypatch.setattr(os, "uname", lambda: uname("6.1.0", "aarch64"))
    assert Namespaces().missing() is None
    monkeypatch.setattr(host.sys, "platform", "darwin")
    assert "a thing of Linux, and this is darwin" in (Namespaces().missing() or "")


@works_here
def test_a_sandbox_that_cannot_be_set_up_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """And its program was not run: it did neither pass nor fail."""
    sandbox = Sandbox()
    assert sandbox.run_python_sync("").status == "ok"
    files = host.python_files()
    monkeypatch.setattr(host, "python_files", lambda: type(files)(files.executable, ("/not/there",), (), ()))
    with pytest.raises(SandboxError, match=r"could not be set up: .*/not/there"):
        sandbox.run_python_sync("print(1)")
    with pytest.raises(SandboxError, match=r"could not be set up: .*/not/there"):
        check_sync(sandbox, "def f(): return 1", "assert f() == 1")


def test_a_probe_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_LAUNCH", "raise SystemExit('no launch today')")
    found = probe("namespaces")
    assert not found.works
    assert found.problem == "the sandbox's launcher ended with exit code 1"


def test_an_unused_user_is_one_that_the_system_knows_nothing_of() -> None:
    number = launcher._unused("uid")
    known = {line.split(":")[2] for line in Path("/etc/passwd").read_text(encoding="utf-8").splitlines()}
    assert number is None or str(number) not in known


class TestBare:
    """What is left without isolation: the limits on each process, and the end."""

    def test_it_is_never_chosen_by_itself(self) -> None:
        assert probe().backend != UNSAFE

    def test_the_environment_is_empty(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PLANTED_API_KEY", "planted")
        outcome = Sandbox(UNSAFE).run_python_sync("import os\nprint(dict(os.environ))")
        assert outcome.status == "ok"
        assert "planted" not in outcome.stdout

    @pytest.mark.parametrize(
        ("program", "status"),
        [
            ("x = bytearray(10**9)", "memory"),
            ("import time\ntime.sleep(1000)", "timeout"),
            ("while True: print('x' * 1000)", "output"),
            ("import os\nif os.fork() == 0:\n    import time; time.sleep(1000)\n", "ok"),
            ("import os\nos.abort()", "killed"),
            ("1 / 0", "error"),
        ],
    )
    def test_limits_and_ends(self, program: str, status: str) -> None:
        outcome: Outcome = Sandbox(UNSAFE).run_python_sync(program, limits=Limits(wall_seconds=1, memory_mb=160))
        assert outcome.status == status

    def test_its_folder_is_removed(self) -> None:
        outcome = Sandbox(UNSAFE).run_python_sync("import os\nopen('left', 'w')\nprint(os.getcwd())")
        assert not Path(outcome.stdout.strip()).exists()
