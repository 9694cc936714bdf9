"""Answers as objects of a class: the schema holds through sampling and fusion."""

import os

from pydantic import BaseModel, Field

from archon_graph import Fuser, Generator

MODEL = os.environ.get("ARCHON_GRAPH_MODEL", "local:coder-0.5b")


class City(BaseModel):
    """A city."""

    name: str = Field(description="Its name")
    country: str = Field(description="The country it lies in")


chat = (Generator(MODEL, samples=2) | Fuser(MODEL)).as_chat_model(max_tokens=200)
city = chat.with_structured_output(City).invoke("Tell me of a city by the sea.")
assert isinstance(city, City)
print(city)
