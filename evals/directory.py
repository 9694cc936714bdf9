"""``Directory``: files of JSON that survive the end of their process, whenever it comes; one writer at a time."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from archon_graph.models import ConfigurationError
from archon_graph.models.local.locks import locked
from archon_graph.models.redact import blank, secret_values

T = TypeVar("T")


class LogError(ConfigurationError, OSError):
    """A log cannot be read or written, is in use, or is of something else; what is there is left as it is."""


class Directory:
    """A directory of records, each written at once and whole: a killed process loses nothing that was written.

    Values that are known to be secret are blanked out of everything that goes in.

    Args:
        path: Where it is, or will be.
        what: What it holds, in a word, for messages: ``evaluation``.
    """

    def __init__(self, path: str | Path, *, what: str) -> None:
        self.path = Path(path)
        """Where it is."""
        self._what = what

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Be its one writer for the length of a ``with`` block; it is made where it is missing.

        Raises:
            LogError: Another process is writing to it, or nothing can be written there.
        """
        with contextlib.ExitStack() as stack:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(self.path / ".lock", waiting=self._refuse))
            except LogError:
                raise
            except OSError as error:
                raise LogError(f"nothing can be written to {self.path}: {error.strerror or error}") from error
            yield

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return (self.path / name).exists()

    def read_object(self, name: str, *, form: int, makes: str) -> dict[str, Any]:
        """A file that holds one object.

        Args:
            name: Its name.
            form: The version of its form that can be read.
            makes: The command that makes one, for the message.

        Raises:
            LogError: There is none, it cannot be read, or it is of another version.
        """
        path = self.path / name
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise LogError(f"{self.path} holds no {self._what}: it has no {name}; {makes} makes one") from None
        except (OSError, ValueError) as error:
            raise LogError(f"{path} cannot be read: {error}") from error
        found = data.get("form") if isinstance(data, dict) else None
        if found != form:
            raise LogError(f"{path} is not of this version: its form is {found!r}, not {form}")
        return dict(data)

    def write_object(self, name: str, data: Mapping[str, Any]) -> None:
        """Write a file that holds one object, whole or not at all.

        Raises:
            LogError: It cannot be written.
        """
        text = json.dumps(blanked(as_plain(data)), indent=2, ensure_ascii=False)
        self.write_text(name, f"{text}\n")

    def write_text(self, name: str, text: str) -> None:
        """Write a file whole, or not at all.

        Raises:
            LogError: It cannot be written.
        """
        draft = self.path / f"{name}.new"
        try:
            draft.write_bytes(text.encode("utf-8", errors="backslashreplace"))
            draft.replace(self.path / name)
        except OSError as error:
            raise LogError(f"{draft} cannot be written: {error.strerror or error}") from error

    def append(self, name: str, data: Mapping[str, Any]) -> None:
        """Add a line, which is there for good when this returns.

        Raises:
            LogError: It cannot be written.
        """
        rest = memoryview(line(data).encode("utf-8", errors="backslashreplace"))
        path = self.path / name
        try:
            with path.open("ab", buffering=0) as file:
                # One call, as a rule: the system writes less only where the disk is full.
                while rest:
                    rest = rest[file.write(rest) or 0 :]
        except OSError as error:
            raise LogError(f"{path} cannot be written: {error.strerror}; mend that and start again") from error

    def read_lines(self, name: str, read: Callable[[Any], T], *, again: str) -> Iterator[T]:
        """What the lines of a file say; a last line that was cut short is none, a missing file has none.

        Args:
            name: Its name.
            read: Makes of a line's data what is wanted.
            again: What comes of taking a broken line out, for the message.

        Raises:
            LogError: A line that is whole cannot be read.
        """
        path = self.path / name
        try:
            lines = path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        except OSError as error:
            raise LogError(f"{path} cannot be read: {error.strerror}") from error
        for number, text in enumerate(lines[:-1], start=1):
            try:
                yield read(json.loads(text))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise LogError(
                    f"{path}:{number}: this line cannot be read ({type(error).__name__}: {error}); take it out, "
                    f"and {again}"
                ) from error

    def mend(self, name: str) -> None:
        """Take away a last line that was cut short when its process was killed."""
        path = self.path / name
        if not path.exists():
            return
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)

    def require_same(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """See that what is there is what is wanted.

        Raises:
            LogError: It is not; says in what it differs.
        """
        wanted = blanked(as_plain(now))
        differing = [name for name in wanted if before.get(name) != wanted[name]]
        if differing:
            told = "\n".join(
                f"- {name}: {_short(before.get(name))}, and now {_short(wanted[name])}" for name in differing
            )
            raise LogError(
                f"{self.path} holds another {self._what}; give another --out (what is recorded is not paid for "
                f"again), or remove it yourself. It differs in\n{told}"
            )

    def _refuse(self) -> NoReturn:
        raise LogError(f"another process is writing to {self.path}; wait for it, or give another --out")


def line(data: Mapping[str, Any]) -> str:
    """The data as one line of JSON, without secrets."""
    return json.dumps(blanked(data), ensure_ascii=False, default=str) + "\n"


def as_plain(data: Any) -> Any:
    """What becomes of it in a file."""
    return json.loads(json.dumps(data, default=str))


def blanked(data: Any) -> Any:
    """The data without secrets in its texts; the names of its fields stay, whatever a secret looks like."""
    return _blanked(data, secret_values())


def _blanked(data: Any, secrets: Sequence[str]) -> Any:
    if isinstance(data, str):
        return blank(data, secrets)
    if isinstance(data, Mapping):
        return {name: _blanked(value, secrets) for name, value in data.items()}
    return [_blanked(value, secrets) for value in data] if isinstance(data, list | tuple) else data


def _short(data: Any) -> str:
    text = json.dumps(data, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}..."
