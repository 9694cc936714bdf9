"""The runtime: one llama.cpp server in this process for each model file, started at first use.

It speaks the OpenAI API on a loopback port that the system chooses. The servers of a process have a key that is
made anew in each: the port answers requests of any origin, so without a key every page that is open in a browser
on this machine could use it.
"""

from __future__ import annotations

import atexit
import contextlib
import http.client
import importlib.util
import os
import secrets
import socket
import stat
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from archon_graph.models.errors import MissingExtraError, ModelFileError
from archon_graph.models.local import files
from archon_graph.models.local.catalogue import catalogue
from archon_graph.models.local.settings import Settings

_HOST = "127.0.0.1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Where a local model answers."""

    base_url: str
    """Root of its OpenAI API, with the ``/v1``."""
    api_key: str = field(repr=False)
    """The key that every request must bear; made for this process, worthless in any other."""
    name: str
    """The model's name in requests and responses."""
    sha256: str
    """Checksum of its file: what identifies the model, wherever the file lies."""
    path: Path
    """Its file."""
    defaults: Mapping[str, float]
    """Sampling that holds where a request says nothing else; empty where only the runtime's own holds."""


_lock = threading.Lock()
_endpoints: dict[tuple[int, str], Endpoint] = {}
"""By process id and checksum: a forked child inherits the parent's entries, but not the threads behind them."""
_servers: dict[int, list[Any]] = {}
"""By process id. A child keeps what it inherited: to drop it would wait for threads that the child hasn't got."""
_keys: dict[int, str] = {}
"""By process id: what every request to its servers must bear."""


def check(model: str) -> None:
    """See that a local model could be started: its file and the runtime are there. Loads nothing.

    Raises:
        ConfigurationError: What `endpoint` would raise, as far as it can be known without loading.
    """
    files.find(model)
    if importlib.util.find_spec("xllamacpp") is None:
        raise MissingExtraError("a local model", "local")
    Settings.read(None)


def endpoint(model: str) -> Endpoint:
    """Start the model's server, unless it runs in this process, and say where it answers.

    Thread-safe; returns once the server answers. Loading holds the interpreter's lock for its whole length
    (0.5 s for smollm2-135m, 2 to 6 s for coder-1.5b), so other threads stand still, whichever thread it runs in.

    A child of ``os.fork`` starts a server of its own. Such a child must leave by ``os._exit``, as those of
    ``multiprocessing`` do: the runtime cannot be taken down in a process that lacks its threads.

    Args:
        model: A name in the catalogue, or the path of any GGUF file. The same bytes are one model, by whatever
            name, and are loaded once.

    Raises:
        UnknownModelError: It is neither a known name nor a path.
        ModelFileError: The file is missing, is not what it should be, or cannot be loaded.
        MissingExtraError: The runtime is not installed.
        ConfigurationError: An ``ARCHON_GRAPH_LOCAL_*`` variable is not a whole number above 0.
    """
    path = files.find(model)
    key = (os.getpid(), files.sha256_of(path))
    with _lock:
        if key not in _endpoints:
            _endpoints[key] = _start(path, key[1])
        return _endpoints[key]


def _start(path: Path, sha256: str) -> Endpoint:
    try:
        import xllamacpp
    except ImportError:
        raise MissingExtraError("a local model", "local") from None
    known = next((each for each in catalogue().values() if each.sha256 == sha256), None)
    name = known.name if known else path.stem
    # One for all servers of a process: `_close` has to know it, even where loading never came to its end.
    api_key = _keys.setdefault(os.getpid(), secrets.token_urlsafe(32))
    params = xllamacpp.CommonParams()
    settings = Settings.read(known)
    settings.apply(params)
    params.model.path = str(path)
    params.api_keys = [api_key]
    params.model_alias = {name}  # the name in responses, which would otherwise be the file's path
    params.hostnames = [_HOST]
    params.port = 0  # any free one
    mine = _servers.setdefault(os.getpid(), [])
    try:
        # No step of Python may lie between making the server and binding it: a Ctrl-C during loading is raised
        # at the next such step and would drop the server unbound, which at that moment never returns (`_close`).
        mine.extend(map(xllamacpp.Server, [params]))
    except RuntimeError as error:
        raise ModelFileError(
            f"{path} cannot be loaded: the runtime finds it broken, or of a kind it does not know"
        ) from error
    port = _port(mine[-1])
    _await_turning(port, api_key)
    return Endpoint(
        base_url=f"http://{_HOST}:{port}/v1",
        api_key=api_key,
        name=name,
        sha256=sha256,
        path=path,
        defaults=MappingProxyType(dict(settings.sampling)),
    )


def _port(server: Any) -> int:
    return int(server.listening_address.rpartition(":")[2])


def _await_turning(port: int, api_key: str) -> None:
    """Return once the server's own loop has answered something.

    ``/health`` is answered beside that loop, maybe before it turns, and a server that is dropped before hangs for
    good; what ``/slots`` says comes from inside.
    """
    # Any HTTP client but a configurable one: a proxy named in the environment must not see this.
    connection = http.client.HTTPConnection(_HOST, port, timeout=60)
    try:
        connection.request("GET", "/slots", headers={"Authorization": f"Bearer {api_key}"})
        connection.getresponse().read()
    finally:
        connection.close()


def _close() -> None:
    """Take this process's servers down at its end, requests in flight or not, within about a second.

    Left running, they would crash the process in two of three exits with a request in flight (4 of 6); dropped
    with a request in flight, or before they answered their first one, they would hang it for good. So: one
    answer, then every connection cut, then dropped.
    """
    pid = os.getpid()
    for key in [key for key in _endpoints if key[0] == pid]:
        del _endpoints[key]
    mine = _servers.get(pid, [])
    while mine:
        port = _port(mine[-1])
        with contextlib.suppress(OSError, http.client.HTTPException):
            _await_turning(port, _keys[pid])
        _cut(port)
        mine.pop()


def _cut(port: int) -> None:
    """Shut every socket of this process that is bound to the port: the listening one, and the server's ends."""
    descriptors = Path("/dev/fd")
    for name in [entry.name for entry in descriptors.iterdir()] if descriptors.is_dir() else []:
        with contextlib.suppress(OSError):
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            borrowed = socket.socket(fileno=int(name))
            try:
                if borrowed.getsockname()[:2] == (_HOST, port):
                    borrowed.shutdown(socket.SHUT_RDWR)
            finally:
                borrowed.detach()


def _forget_lock() -> None:
    global _lock  # noqa: PLW0603  another thread of the parent may hold it, and will never let go of it here
    _lock = threading.Lock()


atexit.register(_close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lock)
