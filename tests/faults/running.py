"""Starts the server that fails on purpose: in a thread (`Server`), or as a process (`ServerProcess`)."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.faults.behaviour import Plan
from tests.faults.server import Counts, Service

_START_SECONDS = 60.0


class Server:
    """A server in a thread with a loop of its own; a context manager."""

    def __init__(self, plan: Plan | None = None) -> None:
        self.service = Service(plan or Plan())
        self._ready = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),), name="faulty-server")
        self._thread.start()
        self._ready.wait()

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = await self.service.start()
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        # What is still under way is cancelled with the loop.
        server.close()

    @property
    def url(self) -> str:
        """What a client takes for its base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def counts(self) -> Counts:
        """A copy of the counts as they are now."""
        return asyncio.run_coroutine_threadsafe(self._snapshot(), self._loop).result()

    async def _snapshot(self) -> Counts:
        return Counts.from_json(self.service.dump())

    def close(self) -> None:
        """Stop serving."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ServerProcess:
    """A server in a process of its own, which takes no time from its client's; a context manager."""

    def __init__(self, folder: Path, plan: Plan | None = None) -> None:
        plan = plan or Plan()
        port_file, self.count_file = folder / "port", folder / "counts.json"
        options: Mapping[str, Any] = {
            "rate": plan.rate,
            "seed": plan.seed,
            "kinds": ",".join(plan.kinds),
            "latency": plan.latency,
            "port-file": port_file,
            "count-file": self.count_file,
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        arguments += ["--keep-alive"] if plan.keep_alive else []
        self._process = subprocess.Popen([sys.executable, "-m", "tests.faults.server", *arguments])
        ends = time.monotonic() + _START_SECONDS
        while not port_file.exists():
            if self._process.poll() is not None or time.monotonic() > ends:
                self.close()
                raise RuntimeError(f"the server did not start (exit code {self._process.returncode})")
            time.sleep(0.01)
        self.port = int(port_file.read_text())

    @property
    def url(self) -> str:
        """What a client takes for its base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def counts(self) -> Counts:
        """The counts as they are now."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/counts", timeout=10) as answer:
            return Counts.from_json(answer.read())

    def close(self) -> None:
        """Stop serving; once is enough."""
        self._process.terminate()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
