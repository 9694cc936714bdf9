"""A hard cap: the best answer so far comes back, and what was not done is on record."""

import os

from archon_graph import Budget, Fuser, Generator

MODEL = os.environ.get("ARCHON_GRAPH_MODEL", "local:coder-0.5b")

architecture = Generator(MODEL, samples=3) | Fuser(MODEL)
result = architecture.run("Name a prime number above 100.", budget=Budget(calls=3))

print(result.answer)
print(f"stopped by: {result.stopped}; calls paid: {result.paid.calls}")
for loss in result.losses:
    print(loss)
