"""In a LangChain pipe, for one question and for several."""

import os

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from archon_graph import Generator, Ranker

MODEL = os.environ.get("ARCHON_GRAPH_MODEL", "local:coder-0.5b")

chat = (Generator(MODEL, samples=3) | Ranker(MODEL, top_k=1)).as_chat_model()
prompt = ChatPromptTemplate.from_messages([("system", "Answer in one sentence."), ("human", "What is {topic}?")])
line = prompt | chat | StrOutputParser()

print(line.invoke({"topic": "rust"}))
for answer in line.batch([{"topic": "a prime number"}, {"topic": "a glacier"}]):
    print("-", answer)
