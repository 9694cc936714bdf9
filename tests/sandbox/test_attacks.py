"""Programs that want out, or to do harm: all are contained, and nothing of them is left."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from archon_graph.sandbox import Sandbox
from tests.sandbox.attacks import ATTACKS
from tests.sandbox.conftest import SHORT, TIGHT, works_here

pytestmark = [works_here, pytest.mark.usefixtures("nothing_left")]


class Host:
    """What a program outside of a sandbox could reach: a secret, a folder, a port, a socket, a key."""

    def __init__(self, folder: Path, port: int) -> None:
        self.outside = folder / "outside"
        self.outside.mkdir()
        self.outside.chmod(0o777)
        self.secret = folder / "secret"
        self.secret.write_text("planted")
        self.secret.chmod(0o644)
        self.port = port

    def program(self, text: str) -> str:
        return text.format(secret=self.secret, outside=self.outside, port=self.port, host=os.getpid())


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as nameless,
    ):
        nameless.bind(f"\0archon-graph-{os.getpid()}")
        nameless.listen()
        patch.setenv("PLANTED_API_KEY", "planted")
        Path(folder).chmod(0o755)
        yield Host(Path(folder), server.getsockname()[1])


@pytest.mark.parametrize("name", ATTACKS)
async def test_it_is_contained(sandbox: Sandbox, host: Host, name: str) -> None:
    attack = ATTACKS[name]
    limits = SHORT if "timeout" in attack.ends else TIGHT
    outcome = await sandbox.run_python(host.program(attack.source), limits=limits)
    assert "ESCAPED" not in outcome.stdout
    assert outcome.status in attack.ends, outcome
    assert len(outcome.stdout) + len(outcome.stderr) <= TIGHT.output_bytes
    assert outcome.detail or outcome.status == "ok"
    assert host.secret.read_text() == "planted"
    assert list(host.outside.iterdir()) == []


def test_the_attacks_are_real(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The harmless ones among them get what they want where nothing shuts them in."""
    bare = Sandbox("none-and-I-accept-the-risk")
    names = [
        "reads: a planted secret",
        "reads: by a symbolic link",
        "writes: outside",
        "talks: to a port of the host",
        "talks: to a socket of the host without a file",
        "rises: by a shell",
        "rises: by a pickle",
    ]
    for name in names:
        outcome = bare.run_python_sync(host.program(ATTACKS[name].source), limits=TIGHT)
        assert "ESCAPED" in outcome.stdout, name
    for path in host.outside.iterdir():
        path.unlink()


def test_there_are_enough_of_them() -> None:
    assert len(ATTACKS) >= 60
