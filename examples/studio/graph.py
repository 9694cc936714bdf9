"""What ``langgraph dev`` shows: the architecture of the file beside this one."""

from pathlib import Path

from archon_graph import Architecture

graph = Architecture.load(Path(__file__).with_name("architecture.yaml")).compile()
