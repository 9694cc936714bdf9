"""A subgraph that stops before its last node: a person looks at the drafts, and then it goes on."""

import os

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from archon_graph import Fuser, Generator

MODEL = os.environ.get("ARCHON_GRAPH_MODEL", "local:coder-0.5b")

inner = (Generator(MODEL, samples=2) | Fuser(MODEL)).compile(interrupt_before=["fuser_1"])
builder = StateGraph(MessagesState)
builder.add_node("answer", inner)
builder.add_edge(START, "answer")
graph = builder.compile(checkpointer=InMemorySaver())

config = {"configurable": {"thread_id": "1"}}
graph.invoke({"messages": [("user", "Name a river in France.")]}, config)

[task] = graph.get_state(config, subgraphs=True).tasks
for draft in task.state.values["out:generator_1"]["candidates"]:
    print("draft:", draft["message"].text)

state = graph.invoke(None, config)  # approved: nothing that was paid for is asked again
print("answer:", state["messages"][-1].text)
