"""The line between a program and its test: one asks, the other does it and answers, and may ask back meanwhile.

A message is a length in four bytes and JSON:

    ["ask", what, [on, argument, ...], cells]            do something with an object
    ["answer", value, cells, changed, cells, printed]    what came of it; containers it changed; text it printed
    ["raise", error, printed]                            the exception that came of it, see ``_describe``
"""

from __future__ import annotations

import builtins
import json
import os
import struct
import threading
from collections.abc import Callable
from typing import Any

from archon_graph.sandbox.inside.atoms import UNREADABLE, MalformedError
from archon_graph.sandbox.inside.codec import Codec, Exchange

_LONGEST = 16 * 1024 * 1024
_HEAD = struct.Struct("<I")


class LinkBrokenError(BaseException):
    """The other side is gone, or does not keep to the form. No ``except Exception`` of a test may swallow it."""


class Link:
    """One end of the line.

    Args:
        source: File descriptor to read from.
        sink: File descriptor to write to.
        codec: This end's memory of objects.
        do: Does what the other side asks: gets the word, the object it is about, and the arguments.
        printed: Gives what was printed since the last answer; it travels with the next.
        show: Takes what the other side printed.
    """

    def __init__(
        self,
        source: int,
        sink: int,
        codec: Codec,
        do: Callable[[str, Any, list[Any]], Any],
        *,
        printed: Callable[[], str] = lambda: "",
        show: Callable[[str], Any] = lambda _: None,
    ) -> None:
        self.codec = codec
        self.broken = ""
        """Why the line is dead; empty while it is not."""
        self.exceptions: dict[str, type[BaseException]] = {}
        """Exception classes of the other side's that have a counterpart here, by name."""
        self.asked = 0
        """How many requests were sent from here."""
        self._source = source
        self._sink = sink
        self._do = do
        self._printed = printed
        self._show = show
        self._turn = threading.RLock()

    def ask(self, what: str, on: Any, *arguments: Any) -> Any:
        """Have the other side do something with an object (of either side), and return what comes back.

        Raises:
            BaseException: What it raised over there, as the built-in exception nearest to it.
            LinkBrokenError: There is no answer.
        """
        with self._turn:
            exchange = Exchange(self.codec)
            written, cells = exchange.write([on, *arguments])
            self.send(["ask", what, written, cells])
            self.asked += 1
            while True:
                message = self.receive()
                if message[0] == "ask":
                    self._serve(message)
                    continue
                try:
                    result, error = self._read_answer(exchange, message)
                except UNREADABLE as problem:
                    raise self._break(f"an answer that cannot be read: {problem}") from problem
                if error is not None:
                    raise error
                return result

    def serve_for_ever(self) -> None:
        """Do what the other side asks until it is gone."""
        while True:
            self._serve(self.receive())

    def send(self, message: list[Any]) -> None:
        """Write one message.

        Raises:
            ValueError: It is too long.
            LinkBrokenError: Nobody reads.
        """
        if self.broken:
            raise LinkBrokenError(self.broken)
        data = json.dumps(message).encode()
        if len(data) > _LONGEST:
            raise ValueError(
                f"a value of {len(data)} bytes is too large to be handed over; {_LONGEST} is the most"
            )
        data = _HEAD.pack(len(data)) + data
        try:
            while data:
                data = data[os.write(self._sink, data) :]
        except OSError as error:
            raise self._break(str(error)) from error

    def receive(self) -> list[Any]:
        """Read one message.

        Raises:
            LinkBrokenError: None comes any more, or none that can be read.
        """
        if self.broken:
            raise LinkBrokenError(self.broken)
        length = _HEAD.unpack(self._read(_HEAD.size))[0]
        if length > _LONGEST:
            raise self._break("a message that is too long")
        try:
            message = json.loads(self._read(length))
        except (ValueError, RecursionError) as error:
            raise self._break("a message that is no JSON") from error
        if not isinstance(message, list) or not message or not isinstance(message[0], str):
            raise self._break("a message of no known form")
        return message

    def _read(self, length: int) -> bytes:
        parts = []
        while length:
            part = os.read(self._source, min(length, 1 << 20))
            if not part:
                raise self._break("the other side is gone")
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def _break(self, why: str) -> LinkBrokenError:
        self.broken = self.broken or why
        return LinkBrokenError(self.broken)

    def _read_answer(self, exchange: Exchange, message: list[Any]) -> tuple[Any, BaseException | None]:
        kind, *rest = message
        if kind == "raise":
            described, text = rest
            error = self._error(described)
            self._show(str(text))
            return None, error
        if kind != "answer":
            raise MalformedError(f"{kind!r} is no answer")
        value, cells, changed, more, text = rest
        exchange.apply(changed, more)
        result = exchange.read(value, cells)
        self._show(str(text))
        return result, None

    def _serve(self, message: list[Any]) -> None:
        exchange = Exchange(self.codec)
        try:
            kind, what, written, cells = message
            if kind != "ask" or not isinstance(what, str):
                raise MalformedError(f"{kind!r} is no request")
            on, *arguments = exchange.read(written, cells)
        except UNREADABLE as error:
            raise self._break(f"a request that cannot be read: {error}") from error
        try:
            result = self._do(what, on, arguments)
            changed, more = exchange.changes()
            # What a class makes is an object to the one who asked for it, even if the class is a kind of list.
            made = what == "call" and isinstance(on, type) and on.__module__ != "builtins"
            value, cells = (self.codec.handle(result), []) if made else exchange.write(result)
            answer = ["answer", value, cells, changed, more, self._printed()]
            self.send(answer)
        except LinkBrokenError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, the other side has asked for it
            self.send(["raise", self._describe(error), self._printed()])

    def _describe(self, error: BaseException) -> dict[str, Any]:
        """An exception as the other side can raise it."""
        plain = (bool, int, float, str, bytes, type(None))
        attributes = {
            name: self.codec.atom(value)
            for name, value in vars(error).items()
            if isinstance(value, plain) and not name.startswith("_")
        }
        back = getattr(error, "_from_other_side", None)
        return {
            "types": [kind.__name__ for kind in type(error).__mro__],
            "arguments": [self.codec.atom(one if isinstance(one, plain) else repr(one)) for one in error.args],
            "text": str(error),
            "attributes": attributes,
            "number": self.codec.number(error) if back is None else None,
            "back": back,
        }

    def _error(self, described: dict[str, Any]) -> BaseException:
        """The exception that ``described`` is: our own one come back, a counterpart, or a built-in one."""
        if described["back"] is not None:
            ours = self.codec.mine(described["back"])
            if not isinstance(ours, BaseException):
                raise MalformedError("what is raised is no exception")
            return ours
        arguments = [self.codec.read_atom(one) for one in described["arguments"]]
        text = str(described["text"])
        error: BaseException = RuntimeError(text)
        for name in described["types"]:
            kind = self.exceptions.get(name) or getattr(builtins, name, None)
            if isinstance(kind, type) and issubclass(kind, BaseException):
                made = _make(kind, arguments) or _make(kind, [text])
                if made is not None:
                    error = made
                    break
        for name, value in described["attributes"].items():
            error.__dict__.setdefault(name, self.codec.read_atom(value))
        error.__dict__["_from_other_side"] = described["number"]
        return error


def _make(kind: type[BaseException], arguments: list[Any]) -> BaseException | None:
    try:
        return kind(*arguments)
    except Exception:  # noqa: BLE001 - a class may do what it likes with arguments that are not for it
        return None
