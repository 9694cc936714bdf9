"""How soon a streamed answer begins: the first piece at a client over HTTP, as a share of the last node's time.

    python benchmarks/stream.py [--rounds 5] [--model coder-0.5b] [--max-tokens 128]

Needs the extra `serve`, the model's file (`archon-graph models pull coder-0.5b`) and a machine on which nothing
else runs. Three samples are fused by a real local model; the clock of the last node runs from the start of its
call to the end of it.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from typing import Any

import httpx
from common import Report, arguments
from langchain_core.callbacks import BaseCallbackHandler

from archon_graph import Fuser, Generator
from archon_graph.embed import ArchonChat
from archon_graph.embed.server import ServerSettings, create_app
from archon_graph.embed.server.running import Server
from archon_graph.models import ConfigurationError, local

QUESTION = "Explain to a beginner how a hash table works, and what happens when two keys have the same hash."
SAMPLES = 3


class Clock(BaseCallbackHandler):
    """When the newest call began and ended: of a graph that is through, that of the last node."""

    run_inline = True

    def __init__(self) -> None:
        self.calls = 0
        self.began = self.ended = 0.0

    def on_chat_model_start(self, *_: Any, **__: Any) -> None:
        """A call begins."""
        self.calls += 1
        self.began = time.perf_counter()

    def on_llm_end(self, *_: Any, **__: Any) -> None:
        """A call has ended."""
        self.ended = time.perf_counter()


def first_piece(url: str, seed: int) -> tuple[float, int]:
    """Ask for a stream: when its first text came, and how many pieces there were."""
    body = {"model": "fused", "messages": [{"role": "user", "content": QUESTION}], "stream": True, "seed": seed}
    first, pieces = 0.0, 0
    with httpx.stream("POST", f"{url}/chat/completions", json=body, timeout=1800, trust_env=False) as reply:
        reply.raise_for_status()
        for line in reply.iter_lines():
            data = line.removeprefix("data: ")
            if not line.startswith("data: ") or data == "[DONE]":
                continue
            event = json.loads(data)
            if "error" in event:
                raise RuntimeError(event["error"]["message"])
            if event["choices"] and event["choices"][0]["delta"].get("content"):
                first = first or time.perf_counter()
                pieces += 1
    return first, pieces


def main() -> int:
    """Measure; 1 if the figure was missed, 2 if the model is not there."""
    parser = arguments(__doc__, rounds=5)
    parser.add_argument("--model", default="coder-0.5b", help="a local model (default: coder-0.5b)")
    parser.add_argument("--max-tokens", type=int, default=128, help="length of an answer (default: 128)")
    given = parser.parse_args()
    try:
        local.endpoint(given.model)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    report, clock = Report(given.rounds), Clock()
    model = f"local:{given.model}"
    drafts = Generator(model, samples=SAMPLES, max_tokens=given.max_tokens)
    chat = ArchonChat(architecture=drafts | Fuser(model, max_tokens=given.max_tokens), listeners=[clock])
    settings = ServerSettings(port=0)
    server = Server(create_app({"fused": chat}, settings), settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    shares, waits, took, pieces = [], [], [], []
    try:
        first_piece(server.url, 0)  # opens the model
        for seed in range(1, given.rounds + 1):
            clock.calls = 0
            first, count = first_piece(server.url, seed)
            if clock.calls != SAMPLES + 1:
                raise RuntimeError(f"{SAMPLES + 1} calls were to be made, and {clock.calls} were")
            shares.append((first - clock.began) / (clock.ended - clock.began) * 100)
            waits.append(first - clock.began)
            took.append(clock.ended - clock.began)
            pieces.append(count)
    finally:
        server.stop()
        thread.join()
    middle = statistics.median
    report.at_most(
        "first piece at the client, in percent of the last node's time",
        middle(shares),
        60,
        unit=" %",
        detail=f"{middle(waits):.2f} s of {middle(took):.2f} s; {middle(pieces):.0f} pieces",
    )
    report.note(f"from {min(shares):.0f} % to {max(shares):.0f} %")
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main())
