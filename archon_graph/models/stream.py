"""``AnswerStream``: takes an answer as the model writes it, for whoever wants to show it before it is whole."""

from __future__ import annotations

from collections.abc import Callable

from langchain_core.messages import AIMessageChunk


class AnswerStream:
    """Hands on the pieces of one answer as they come.

    What was handed on cannot be taken back: from the first piece on, the call is neither repeated nor made by
    another model.

    Args:
        listener: Is given each piece, in the event loop of the call. It must not block.
    """

    def __init__(self, listener: Callable[[AIMessageChunk], None]) -> None:
        self._listener = listener
        self.text = ""
        """The text that was handed on so far."""

    @property
    def started(self) -> bool:
        """Whether anything that can be seen was handed on."""
        return bool(self.text.strip())

    def push(self, chunk: AIMessageChunk) -> None:
        """Hand on a piece."""
        self.text += str(chunk.text)
        self._listener(chunk)
