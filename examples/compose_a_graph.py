"""Compose an architecture, look at it, predict what it takes, run it, and keep it."""

import os

from archon_graph import Architecture, Fuser, Generator, Ranker

MODEL = os.environ.get("ARCHON_GRAPH_MODEL", "local:coder-0.5b")

# A list is a layer: its members run side by side.
layer = [Generator(MODEL, samples=2), Generator(MODEL, samples=2, prompt_style="plan_first")]
architecture = layer | Ranker(MODEL, top_k=2) | Fuser(MODEL)

print(architecture.draw_mermaid())
forecast = architecture.preflight("Why is the sky blue?")
print(f"{forecast.calls} calls, {forecast.calls_in_a_row} of them one after the other")

result = architecture.run("Why is the sky blue?")
print(result.answer)
print(f"paid: {result.paid.calls} calls, {result.paid.tokens} tokens")

architecture.save("sky.yaml")
assert Architecture.load("sky.yaml") == architecture
