"""In the place of a chat model: one stream, one sum of usage, and the candidates behind the answer."""

import os

from archon_graph import Fuser, Generator

MODEL = os.environ.get("ARCHON_GRAPH_MODEL", "local:coder-0.5b")

chat = (Generator(MODEL, samples=3) | Fuser(MODEL)).as_chat_model()

whole = None
for piece in chat.stream("Why does ice float?"):
    print(piece.text, end="", flush=True)
    whole = piece if whole is None else whole + piece
print()

assert whole is not None
print(whole.usage_metadata)
for row in whole.response_metadata["candidates"]:
    print(f"{row['id']:>14}  {row['content'][:60]!r}")
