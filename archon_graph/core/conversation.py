"""How a conversation and its candidates are shown to a model that is to judge or merge them.

Two ways, for two kinds of technique. One that *answers* (a fuser) gets the conversation itself, with its task
added to the system message: turns keep alternating, and what the user demanded stays in force. One that
*judges* (a ranker) gets the conversation as material inside a single message, so that a system message such
as "answer in rhyme" cannot steer the judge. Images and other content blocks go along untouched in both.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, SystemMessage, ToolMessage

from archon_graph.core.state import Candidate, Candidates, UnitTest

Block = dict[str, Any]

CONVERSATION = "\0conversation\0"
"""Stands for the conversation in a text until its content blocks are put in. No model writes a NUL character,
so a candidate cannot hold it."""

_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}


def with_task(conversation: Sequence[BaseMessage], task: str) -> tuple[BaseMessage, ...]:
    """The conversation with a task added to its system message; nothing given is mutated.

    The user's own system text comes first. Without a system message, one is put in front.
    """
    head, *rest = conversation
    if not isinstance(head, SystemMessage):
        return (SystemMessage(content=task), *conversation)
    content = _joined([*_blocks(head.content), _text_block(f"\n\n{task}")])
    return (SystemMessage(content=content), *rest)


def as_material(text: str, conversation: Sequence[BaseMessage]) -> Any:
    """Message content made of a text in which `CONVERSATION` stands for the whole conversation.

    Returns:
        A string, or a list of content blocks if the conversation holds anything but text.
    """
    before, _, after = text.partition(CONVERSATION)
    return _joined([_text_block(before), *_transcript(conversation), _text_block(after)])


def show_candidates(candidates: Sequence[Candidate], *, around: str = "", critiques: bool = True) -> str:
    """The candidates numbered from 1, each in tags of its own, with the critiques they carry if wanted.

    A candidate may hold any text, also text that looks like our tags. The tag's name is therefore lengthened
    until no candidate, nor the text ``around`` them, contains it.
    """
    if isinstance(candidates, Candidates):
        return candidates.once((around, critiques), lambda: _numbered(candidates, around, critiques=critiques))
    return _numbered(candidates, around, critiques=critiques)


def _numbered(candidates: Sequence[Candidate], around: str, *, critiques: bool) -> str:
    tag = "answer"
    texts = [_candidate_text(candidate, critiques=critiques) for candidate in candidates]
    haystack = "\n".join([around, *texts])
    while f"<{tag}_" in haystack or f"</{tag}_" in haystack:
        tag += "x"
    return "\n\n".join(
        f"<{tag}_{number}>\n{text}\n</{tag}_{number}>" for number, text in enumerate(texts, start=1)
    )


def show_tests(tests: Sequence[UnitTest]) -> str:
    """The unit tests numbered from 1, each on one line, so that none can pass for two."""
    return "\n".join(f"[{number}] {' '.join(test.text.split())}" for number, test in enumerate(tests, start=1))


def conversation_text(conversation: Sequence[BaseMessage]) -> str:
    """The text of a whole conversation, for looking things up in it."""
    return "\n".join(str(message.text) for message in conversation)


def _candidate_text(candidate: Candidate, *, critiques: bool) -> str:
    parts = [candidate.content.strip(), *_tool_calls(candidate.message)]
    for critique in candidate.critiques if critiques else ():
        said = "\n".join(f"{name}: {value}" for name, value in critique.items() if name != "node")
        parts.append(f"Critique of this answer:\n{said}")
    return "\n\n".join(part for part in parts if part)


def _transcript(conversation: Sequence[BaseMessage]) -> list[Block]:
    """One ``[role]`` paragraph a message; blocks that are not text keep their place between the texts."""
    blocks: list[Block] = []
    for message in conversation:
        role = _ROLES.get(message.type, message.type)
        if isinstance(message, ToolMessage) and message.name:
            role = f"tool {message.name}"
        blocks.append(_text_block(f"[{role}]\n"))
        blocks.extend(_blocks(message.content))
        if isinstance(message, AIMessage):
            blocks.extend(_text_block(f"\n{call}") for call in _tool_calls(message))
        blocks.append(_text_block("\n\n"))
    return blocks


def _tool_calls(message: AIMessage) -> list[str]:
    return [
        f"Tool call: {call['name']}({json.dumps(call['args'], ensure_ascii=False, sort_keys=True)})"
        for call in message.tool_calls
    ]


def _blocks(content: Any) -> list[Block]:
    if isinstance(content, str):
        return [_text_block(content)]
    return [_text_block(block) if isinstance(block, str) else dict(block) for block in content]


def _text_block(text: str) -> Block:
    return {"type": "text", "text": text}


def _joined(blocks: Sequence[Block]) -> Any:
    """Neighbouring texts in one; a plain string if there is nothing else."""
    merged: list[Block] = []
    for block in blocks:
        if set(block) == {"type", "text"} and block["type"] == "text":
            if not block["text"]:
                continue
            if merged and merged[-1].get("type") == "text" and set(merged[-1]) == {"type", "text"}:
                merged[-1] = _text_block(merged[-1]["text"] + block["text"])
                continue
        merged.append(block)
    if len(merged) == 1 and set(merged[0]) == {"type", "text"}:
        return merged[0]["text"]
    return merged or ""
