"""``Item``: one question of a benchmark, with what it takes to score an answer to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from langchain_core.messages import BaseMessage, message_to_dict

KINDS: Final = ("exact", "numeric", "math", "choice", "code", "format", "open")
"""How an answer is scored: as text, as a number, as mathematics, as a letter, by running it, by rules about its
form, or (``open``) by no rule at all, so that only a judge can."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One question of a benchmark.

    Frozen, and meant to be shared: nobody changes the metadata or the messages of an item.
    """

    id: str
    """Name of the item, unique in its benchmark."""
    input: str | tuple[BaseMessage, ...] = field(hash=False)
    """The question: a text, or a conversation whose last message is to be answered."""
    target: str | tuple[str, ...] | None = None
    """The right answer; of several, any one is right."""
    tests: tuple[str, ...] = ()
    """For code: Python that raises if the answer's program is wrong, run after it as one text."""
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Plain data to filter by, and what the scorer of this kind needs besides the target."""
    cluster: str | None = None
    """Items that stand or fall together (questions on one text, one task reworded) have the same cluster: they go
    to the same split, and intervals treat them as one draw. ``None``: the item stands alone."""
    kind: str
    """How an answer is scored, see `KINDS`; a scorer of your own may know other kinds."""
    follow_ups: tuple[str, ...] = ()
    """What is asked next in the conversation, each once the answer before it is there; empty for a single turn."""

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError("an item's id is empty; give it a name that is unique in its benchmark")
        if not self.input or (isinstance(self.input, str) and not self.input.strip()):
            raise ValueError(f"the input of item {self.id!r} is empty; ask something")
        if not all(one.strip() for one in self.follow_ups):
            raise ValueError(f"a follow-up of item {self.id!r} is empty; ask something, or leave it out")

    @property
    def targets(self) -> tuple[str, ...]:
        """All right answers; empty if there is no target."""
        if self.target is None:
            return ()
        return (self.target,) if isinstance(self.target, str) else self.target

    @property
    def question(self) -> str | list[BaseMessage]:
        """The question in the form `Architecture.arun` takes it; messages are copies."""
        if isinstance(self.input, str):
            return self.input
        return [message.model_copy() for message in self.input]

    @property
    def unit(self) -> str:
        """What is drawn as a whole: the item's cluster, or the item itself if it stands alone."""
        return f"item:{self.id}" if self.cluster is None else f"cluster:{self.cluster}"

    def to_json(self) -> dict[str, Any]:
        """The item as plain data."""
        messages = self.input if isinstance(self.input, str) else [message_to_dict(one) for one in self.input]
        return {
            "id": self.id,
            "input": messages,
            "target": list(self.target) if isinstance(self.target, tuple) else self.target,
            "tests": list(self.tests),
            "metadata": dict(self.metadata),
            "cluster": self.cluster,
            "kind": self.kind,
            # Left out where there is none: items of a single turn keep their fingerprint.
            **({"follow_ups": list(self.follow_ups)} if self.follow_ups else {}),
        }

    @property
    def fingerprint(self) -> str:
        """Digest of everything in the item: whoever kept an answer to it can tell whether it is still the same."""
        text = json.dumps(self.to_json(), sort_keys=True, ensure_ascii=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
