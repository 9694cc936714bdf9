"""An agent whose every step is sampled, ranked and fused. Its tool calls come through whole."""

import os

from langchain.agents import create_agent

from archon_graph import Fuser, Generator, Ranker

MODEL = os.environ.get("ARCHON_GRAPH_MODEL", "local:coder-0.5b")


def temperature(city: str) -> str:
    """The temperature in a city, in degrees."""
    return f"It is 21 degrees in {city}."


chat = (Generator(MODEL, samples=3) | Ranker(MODEL, top_k=2) | Fuser(MODEL)).as_chat_model(max_tokens=200)
agent = create_agent(chat, [temperature])
state = agent.invoke({"messages": [("user", "How warm is it in Lyon? Use the tool.")]}, {"recursion_limit": 8})
for message in state["messages"]:
    message.pretty_print()
