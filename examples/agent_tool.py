"""An architecture as a tool: a quick agent that asks a slower, more careful one."""

import asyncio
import os

from langchain.agents import create_agent

from archon_graph import Fuser, Generator

MODEL = os.environ.get("ARCHON_GRAPH_MODEL", "local:coder-0.5b")

careful = Generator(MODEL, samples=3) | Fuser(MODEL)
quick = Generator(MODEL).alone()


async def think(question: str) -> str:
    """Think about a hard question with care, and answer it."""
    return (await careful.arun(question)).answer


async def main() -> None:
    agent = create_agent(quick.as_chat_model(max_tokens=200), [think])
    question = "Use the tool to find out why the sky is blue."
    state = await agent.ainvoke({"messages": [("user", question)]}, {"recursion_limit": 8})
    for message in state["messages"]:
        message.pretty_print()


if __name__ == "__main__":
    asyncio.run(main())
