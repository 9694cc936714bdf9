"""The form of a tape: one JSON object on each line, in an order that gives small differences in git.

A header, what is known about models, the requests, the answers; no times. A name that ends in ``.gz`` is
compressed, always to the same bytes.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from archon_graph.models.cache.entry import Packed, unpack
from archon_graph.models.cache.plain import written
from archon_graph.models.cache.rows import FactRow, RequestRow, ResponseRow
from archon_graph.models.errors import CacheError

VERSION = 1
_MARK = "archon_graph_tape"
_ENDINGS = (".jsonl", ".jsonl.gz")
_DIGEST_LENGTH = 64
_MOST = 2**63


@dataclass
class Contents:
    """All that is on a tape."""

    facts: dict[str, FactRow] = field(default_factory=dict)
    requests: dict[str, RequestRow] = field(default_factory=dict)
    responses: dict[str, dict[tuple[int, int], Packed]] = field(default_factory=dict)
    hashes_only: bool = False

    def rows(self) -> Iterator[ResponseRow]:
        """The answers in the order in which they are written."""
        for digest, samples in self.responses.items():
            for (replicate, sample), packed in samples.items():
                yield ResponseRow(digest, replicate, sample, packed)

    @property
    def count(self) -> int:
        """How many answers there are."""
        return sum(map(len, self.responses.values()))


def is_tape_name(path: Path) -> bool:
    """Whether a file of this name is a tape."""
    return path.name.endswith(_ENDINGS)


def write(
    path: Path,
    *,
    facts: Iterable[FactRow],
    requests: Iterable[RequestRow],
    responses: Iterable[ResponseRow],
    counts: tuple[int, int],
    hashes_only: bool,
) -> None:
    """Write a tape aside and move it to its place; the rows come in the order in which they shall stand.

    Raises:
        CacheError: Something that is no tape is in that place, or it cannot be written.
    """
    if not is_tape_name(path):
        raise CacheError(f"a tape's name ends in .jsonl or .jsonl.gz, got {str(path)!r}")
    try:
        if path.exists():
            _require_tape(path)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    aside = Path(name)
    try:
        with os.fdopen(handle, "wb") as raw, _compressed(raw, path) as file:
            for line in _lines(facts, requests, responses, counts, hashes_only):
                file.write(f"{line}\n".encode())
        aside.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        aside.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> CacheError:
    return CacheError(f"the tape {path} cannot be written: {error.strerror or error}")


@contextlib.contextmanager
def _compressed(raw: IO[bytes], path: Path) -> Iterator[IO[bytes]]:
    if path.suffix != ".gz":
        yield raw
        return
    # Without name and time in it, equal contents are equal files.
    with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as file:
        yield cast("IO[bytes]", file)


def _lines(
    facts: Iterable[FactRow],
    requests: Iterable[RequestRow],
    responses: Iterable[ResponseRow],
    counts: tuple[int, int],
    hashes_only: bool,  # noqa: FBT001 - `write` names it
) -> Iterator[str]:
    yield written({_MARK: VERSION, "hashes_only": hashes_only, "requests": counts[0], "responses": counts[1]})
    for fact in facts:
        yield written({"fact": fact.model, "label": fact.label, "offers_json": fact.offers_json})
    for row in requests:
        form: dict[str, Any] = {"request": row.digest, "label": row.label, "parts": row.parts}
        if row.record is not None and not hashes_only:
            form["record"] = row.record
        yield written(form)
    for answer in responses:
        packed = answer.packed
        form = {"response": answer.digest, "replicate": answer.replicate, "sample": answer.sample}
        form |= {"message": json.loads(packed.message)}
        if packed.data is not None:
            form["data"] = json.loads(packed.data)
        yield written(form | {"usage": json.loads(packed.usage), "model": packed.model})


def read(path: Path) -> Contents:
    """Read a tape, and see that every line of it can be used.

    Raises:
        CacheError: It cannot; names the line and the field.
    """
    reader = _Reader(path)
    try:
        with _opened(path) as file:
            for number, line in enumerate(file, start=1):
                reader.take(number, line)
    except CacheError:
        raise
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CacheError(f"the tape {path} is damaged or cut short: {error}; record or fetch it again") from error
    except OSError as error:
        raise CacheError(f"the tape {path} cannot be read: {error.strerror or error}") from error
    return reader.finished()


def _opened(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _require_tape(path: Path) -> None:
    """See that what is to be overwritten is a tape, and no file that somebody needs."""
    try:
        with _opened(path) as file:
            _Reader(path).take(1, file.readline(100_000))
    except (CacheError, EOFError, zlib.error, OSError) as error:
        raise CacheError(f"{path} is there and is no tape; it is left as it is: give another path") from error


class _Reader:
    """Takes a tape line by line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = str(path)
        self._contents = Contents()
        self._promised: tuple[int, int] | None = None

    def take(self, number: int, line: bytes) -> None:
        self._place = f"{self._path}:{number}"
        try:
            form = json.loads(line)
        except (ValueError, RecursionError) as error:
            form = error
        if self._promised is None:
            self._take_header(form)
            return
        if not isinstance(form, dict):
            reason = form if isinstance(form, Exception) else f"a {type(form).__name__} instead of an object"
            raise self._error(f"no JSON object: {reason}")
        kinds: dict[str, Callable[[dict[str, Any]], None]] = {
            "fact": self._take_fact,
            "request": self._take_request,
            "response": self._take_response,
        }
        kind = next((kind for kind in kinds if kind in form), None)
        if kind is None:
            raise self._error(f"a line has one of the fields {', '.join(kinds)}; this one has {', '.join(form)}")
        try:
            kinds[kind](form)
        except RecursionError:
            raise self._error("nested too deeply") from None

    def finished(self) -> Contents:
        if self._promised is None:
            raise CacheError(f"{self._path} is empty, and a tape never is")
        found = (len(self._contents.requests), self._contents.count)
        if found != self._promised:
            raise CacheError(
                f"the tape {self._path} is not whole: its first line promises {self._promised[0]} requests and "
                f"{self._promised[1]} answers, and it has {found[0]} and {found[1]}; record or fetch it again"
            )
        return self._contents

    def _take_header(self, form: Any) -> None:
        version = form.get(_MARK) if isinstance(form, dict) else None
        if not isinstance(version, int) or isinstance(version, bool):
            raise CacheError(f"{self._path} is no tape: its first line has no field {_MARK!r}")
        if version > VERSION:
            raise CacheError(
                f"the tape {self._path} was written by a newer archon-graph (form {version}, this one knows "
                f"{VERSION}); update archon-graph"
            )
        self._contents.hashes_only = self._field(form, "hashes_only", bool)
        self._promised = (self._field(form, "requests", int), self._field(form, "responses", int))

    def _take_fact(self, form: dict[str, Any]) -> None:
        model = self._digest(form, "fact")
        label, offers = self._field(form, "label", str), self._field(form, "offers_json", bool)
        self._contents.facts[model] = FactRow(model, label, offers)

    def _take_request(self, form: dict[str, Any]) -> None:
        digest = self._digest(form, "request")
        if digest in self._contents.requests:
            raise self._error("field 'request': this request stands on an earlier line, too")
        parts = self._field(form, "parts", dict)
        if not all(isinstance(part, str) for part in parts.values()):
            raise self._error("field 'parts': must be an object of texts")
        record = self._field(form, "record", dict) if "record" in form else None
        self._contents.requests[digest] = RequestRow(digest, self._field(form, "label", str), parts, record)

    def _take_response(self, form: dict[str, Any]) -> None:
        digest = self._digest(form, "response")
        if digest not in self._contents.requests:
            raise self._error("field 'response': its request is on no earlier line")
        packed = Packed(
            message=written(self._field(form, "message", dict)),
            data=written(self._field(form, "data", dict)) if "data" in form else None,
            usage=written(self._field(form, "usage", dict)),
            model=self._field(form, "model", str),
        )
        try:
            unpack(packed)
        except ValueError as error:
            raise self._error(f"field {error}") from None
        place = (self._number(form, "replicate"), self._number(form, "sample"))
        samples = self._contents.responses.setdefault(digest, {})
        if place in samples:
            raise self._error("field 'sample': this sample stands on an earlier line, too")
        samples[place] = packed

    def _digest(self, form: dict[str, Any], name: str) -> str:
        digest: str = self._field(form, name, str)
        if len(digest) != _DIGEST_LENGTH or set(digest) - set("0123456789abcdef"):
            raise self._error(f"field {name!r}: must be a sha256 in hex, got {digest!r:.80}")
        return digest

    def _field(self, form: dict[str, Any], name: str, kind: type) -> Any:
        if name not in form:
            raise self._error(f"field {name!r}: is missing")
        value = form[name]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self._error(f"field {name!r}: must be {_NAMES[kind]}, got {value!r:.40}")
        return value

    def _number(self, form: dict[str, Any], name: str) -> int:
        number: int = self._field(form, name, int)
        if not -_MOST <= number < _MOST:
            raise self._error(f"field {name!r}: must be a number of 64 bits, got {number!r:.40}")
        return number

    def _error(self, problem: str) -> CacheError:
        return CacheError(f"{self._place}: {problem}")


_NAMES = {str: "a text", int: "a whole number", bool: "true or false", dict: "an object"}
