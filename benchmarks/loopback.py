"""An OpenAI-compatible server on loopback that answers after a fixed time, in a process of its own.

    python benchmarks/loopback.py LATENCY

It prints its port, and ends when its standard input does. A GET is answered with the number of answers given.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

REPLY = "[2] > [1] > [3]"


@dataclass(frozen=True)
class Served:
    """A server that runs."""

    port: int

    @property
    def url(self) -> str:
        """The root of its OpenAI API."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def answers(self) -> int:
        """How many answers it has given; each of several in one response counts."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/")
            return int(json.loads(connection.getresponse().read())["answers"])


@contextmanager
def serving(latency: float) -> Iterator[Served]:
    """Run the server, and let ``openai:`` specs of this process lead to it."""
    command = [sys.executable, __file__, str(latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018
        served = Served(int(process.stdout.readline()))
        ours = {"OPENAI_BASE_URL": served.url, "OPENAI_API_KEY": "none"}
        before = {name: os.environ.get(name) for name in ours}
        os.environ.update(ours)
        try:
            yield served
        finally:
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})
            process.stdin.close()


async def _serve(latency: float) -> None:
    answers = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answers
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := (await reader.readuntil(b"\r\n\r\n")).lower():
                body: dict[str, object] = {"answers": answers}
                if head.startswith(b"post"):
                    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
                    asked = json.loads(await reader.readexactly(length))
                    await asyncio.sleep(latency)
                    count = asked.get("n") or 1
                    answers += count
                    body = _completion(asked["model"], count)
                data = json.dumps(body).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
                writer.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    # It shall not outlive who started it, however that ends.
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    await server.serve_forever()


def _completion(model: str, count: int) -> dict[str, object]:
    message = {"role": "assistant", "content": REPLY}
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": index, "finish_reason": "stop", "message": message} for index in range(count)],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5 * count, "total_tokens": 10 + 5 * count},
    }


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1])))
