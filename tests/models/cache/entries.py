"""Requests, identities and entries, of any kind that Hypothesis thinks of."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from archon_graph.models.cache import Entry, Identity, identify
from archon_graph.models.request import Request, Sampling, Usage

texts = st.text(max_size=30)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(texts, plain, max_size=4)
blocks = st.lists(
    texts | st.fixed_dictionaries({"type": texts}, optional={"text": texts, "image_url": objects}), max_size=3
)
contents = texts | blocks
tool_calls = st.lists(
    st.fixed_dictionaries({"name": texts, "args": objects, "id": st.none() | texts, "type": st.just("tool_call")}),
    max_size=2,
)
counts = st.integers(0, 10**9)
metered = st.none() | st.fixed_dictionaries(
    {"input_tokens": counts, "output_tokens": counts, "total_tokens": counts},
    optional={"output_token_details": st.fixed_dictionaries({"reasoning": counts})},
)


@st.composite
def answers(draw: st.DrawFn) -> AIMessage:
    """What a model may say, raw tool calls that LangChain has not parsed among it."""
    message = AIMessage(content=draw(contents), name=draw(st.none() | texts), usage_metadata=draw(metered))
    return message.model_copy(
        update={
            "tool_calls": draw(tool_calls),
            "additional_kwargs": draw(objects),
            # Headers are never kept; see the tests of secrets.
            "response_metadata": draw(
                objects.map(lambda items: {k: v for k, v in items.items() if k != "headers"})
            ),
            "id": draw(st.none() | texts),
        }
    )


usages = st.builds(
    Usage,
    calls=counts,
    prompt_tokens=counts,
    completion_tokens=counts,
    reasoning_tokens=counts,
    unmetered_calls=counts,
    money=st.floats(0, 1e6),
    unpriced_calls=counts,
    seconds=st.floats(0, 1e6),
)
entries = st.builds(Entry, message=answers(), data=st.none() | objects, usage=usages, model=texts)

samplings = st.builds(
    Sampling,
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    max_tokens=st.none() | st.integers(1, 10**6),
    stop=st.lists(texts, max_size=2).map(tuple),
)
asked: st.SearchStrategy[BaseMessage] = st.one_of(
    st.builds(HumanMessage, contents, name=st.none() | texts),
    st.builds(SystemMessage, contents),
    st.builds(ToolMessage, contents, tool_call_id=texts, status=st.sampled_from(["success", "error"])),
    answers(),
)
requests = st.builds(
    Request,
    model=st.sampled_from(["openai:a", "openai:b", "together:a", "anthropic:a", "custom:a", "local:coder-0.5b"]),
    messages=st.lists(asked, max_size=3).map(tuple),
    sampling=samplings,
    schema=st.none() | objects,
    prompt_version=texts,
)


def asking(text: str = "What is 6 times 7?", **changes: Any) -> Request:
    """A request with one message."""
    return Request(**{"model": "openai:a", "messages": (HumanMessage(text),), **changes})


def identity(text: str = "What is 6 times 7?", **changes: Any) -> Identity:
    """The identity of such a request."""
    found = identify(asking(text, **changes))
    assert found is not None
    return found


def entry(text: str = "42", **changes: Any) -> Entry:
    """A short answer."""
    message = AIMessage(
        text,
        usage_metadata={"input_tokens": 7, "output_tokens": 1, "total_tokens": 8},
        response_metadata={"model_name": "a-2026", "finish_reason": "stop"},
    )
    usage = Usage(calls=1, prompt_tokens=7, completion_tokens=1, unpriced_calls=1, seconds=0.25)
    return Entry(**{"message": message, "data": None, "usage": usage, "model": "openai:a", **changes})
