"""A node of a graph with messages: one clean stream of tokens, progress inside, and a thread that is kept."""

import asyncio
import os

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from archon_graph import Fuser, Generator

MODEL = os.environ.get("ARCHON_GRAPH_MODEL", "local:coder-0.5b")

chat = (Generator(MODEL, samples=2) | Fuser(MODEL)).as_chat_model()


async def answer(state: MessagesState) -> dict:
    return {"messages": [await chat.ainvoke(state["messages"])]}


builder = StateGraph(MessagesState)
builder.add_node(answer)
builder.add_edge(START, "answer")
graph = builder.compile(checkpointer=InMemorySaver())


async def main() -> None:
    config = {"configurable": {"thread_id": "1"}}
    for question in ("Name a river in France.", "And in which city does it end?"):
        turn = {"messages": [("user", question)]}
        async for mode, part in graph.astream(turn, config, stream_mode=["messages", "custom"]):
            if mode == "messages":
                print(part[0].text, end="", flush=True)
            else:
                print(f"[{part['archon_node']['node']} is done]")
        print()
    kept = await graph.aget_state(config)
    print(len(kept.values["messages"]), "messages are kept")


if __name__ == "__main__":
    asyncio.run(main())
