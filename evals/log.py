"""``EvaluationLog``: a directory with everything that is needed to rebuild an evaluation, and to go on with one.

    run.json           what was evaluated: architectures, models, benchmark, seed, versions, every start
    items.jsonl        the questions, with what it takes to score an answer to them
    answers.jsonl      a line for each question that an architecture was done with, in the order in which they came
    candidates.jsonl   scores of single candidates, once curves were asked for
    report.html        the report

Each line is written at once and whole, so a process that is killed loses what was under way and nothing else.
Values that are known to be secret are blanked out of every line.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from langchain_core.messages import messages_from_dict

from archon_graph.evals.benchmarks import Item
from archon_graph.evals.scorers import Score
from archon_graph.models import ConfigurationError
from archon_graph.models.local.locks import locked
from archon_graph.models.redact import blank, secret_values

_RUN, _ITEMS, _ANSWERS, _CANDIDATES = "run.json", "items.jsonl", "answers.jsonl", "candidates.jsonl"
_FORM = 1


class LogError(ConfigurationError, OSError):
    """A log cannot be read or written, is in use, or is of another evaluation; what is there is left as it is."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """How one architecture did on one question."""

    architecture: str
    """Name of the architecture."""
    item: str
    """Id of the item."""
    cluster: str
    """What the item stands or falls with; itself, if it stands alone."""
    score: Score
    """What the answer is worth."""
    answer: str | None
    """The text of the answer; ``None`` if there was none."""
    seconds: float
    """How long the answer was waited for, in this run: next to nothing for one that is recorded."""
    usage: Mapping[str, Any]
    """What it took, whether or not it was paid now."""
    paid: Mapping[str, Any]
    """What of that was paid now."""
    at: str
    """When it was done, in UTC."""
    error: str | None = None
    """Why there is no answer."""
    result: Mapping[str, Any] = field(default_factory=dict)
    """The whole run as `Result.to_dict` gives it; of one without an answer its losses alone."""

    @property
    def losses(self) -> Sequence[Mapping[str, Any]]:
        """What did not come through."""
        return tuple(self.result.get("losses", ()))

    @property
    def stopped(self) -> str | None:
        """Why the run ended early: ``budget``; ``None`` if it went to its end."""
        return self.result.get("stopped")

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "score": self.score.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Row:
        """Read back what `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError: It did not write this.
        """
        return cls(**{**data, "score": Score.from_json(data["score"])})


class EvaluationLog:
    """The log of one evaluation.

    Args:
        directory: Where it is, or will be.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        """Where it is."""

    @property
    def report_path(self) -> Path:
        """Where the report is put, if it is not told otherwise."""
        return self.directory / "report.html"

    @contextlib.contextmanager
    def writing(self, run: Mapping[str, Any], items: Iterable[Item]) -> Iterator[None]:
        """Hold the log for the length of a ``with`` block, to write to it.

        A new one is begun; one of the same evaluation is gone on with, and the new start is written down.

        Args:
            run: What is evaluated; its ``identity`` decides whether it is the same, its ``starts`` are this start.
            items: The questions.

        Raises:
            LogError: Another process is writing to it, it is of another evaluation, or it cannot be written.
                Nothing was changed.
        """
        with self._held():
            if (self.directory / _RUN).exists():
                before = self.run()
                self._require_same(before["identity"], _blanked(_plain(run["identity"]), secret_values()))
                self._mend(_ANSWERS)
                self._write_run({**before, "starts": [*before["starts"], *run["starts"]]})
            else:
                if (self.directory / _ANSWERS).exists():
                    raise LogError(f"{self.directory} holds {_ANSWERS} and no {_RUN}; give another --out")
                self._write(_ITEMS, "".join(_line(item.to_json()) for item in items))
                # Last: with it, the log is one.
                self._write_run({"form": _FORM, **run})
            yield

    def run(self) -> dict[str, Any]:
        """What was evaluated.

        Raises:
            LogError: There is no evaluation, or it cannot be read.
        """
        path = self.directory / _RUN
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise LogError(
                f"{self.directory} holds no evaluation: it has no {_RUN}; archon-graph eval makes one"
            ) from None
        except (OSError, ValueError) as error:
            raise LogError(f"{path} cannot be read: {error}") from error
        form = data.get("form") if isinstance(data, dict) else None
        if form != _FORM:
            raise LogError(f"{path} is not an evaluation of this version: its form is {form!r}, not {_FORM}")
        return dict(data)

    def items(self) -> list[Item]:
        """The questions, in their order.

        Raises:
            LogError: They cannot be read.
        """
        return list(self._read(_ITEMS, _item))

    def rows(self) -> list[Row]:
        """All rows; of several for one question of an architecture, the last. A line that is cut short is no row.

        Raises:
            LogError: A line that is whole cannot be read.
        """
        rows = {(row.architecture, row.item): row for row in self._read(_ANSWERS, Row.from_json)}
        return list(rows.values())

    def append(self, row: Row) -> None:
        """Add a row, which is there for good when this returns.

        Raises:
            LogError: It cannot be written.
        """
        self._append(_ANSWERS, row.to_json())

    @contextlib.contextmanager
    def keeping_candidates(self) -> Iterator[None]:
        """Hold the log for the length of a ``with`` block, to keep scores of candidates.

        Raises:
            LogError: Another process is writing to it.
        """
        with self._held():
            self._mend(_CANDIDATES)
            yield

    def candidate_scores(self, scorer: str) -> dict[tuple[str, str], Score]:
        """The scores of single candidates that were kept, by item and `digest` of the text.

        Args:
            scorer: Identity of the scorer; what another one said does not count.

        Raises:
            LogError: A line that is whole cannot be read.
        """
        lines = self._read(_CANDIDATES, lambda data: (data["scorer"], data["item"], data["text"], data["score"]))
        return {(item, text): Score.from_json(score) for by, item, text, score in lines if by == scorer and score}

    def keep_candidate(self, scorer: str, item: str, text: str, score: Score) -> None:
        """Keep the score of a candidate; ``text`` is its `digest`.

        Raises:
            LogError: It cannot be written.
        """
        self._append(_CANDIDATES, {"scorer": scorer, "item": item, "text": text, "score": score.to_json()})

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        with contextlib.ExitStack() as held:
            try:
                self.directory.mkdir(parents=True, exist_ok=True)
                held.enter_context(locked(self.directory / ".lock", waiting=self._refuse))
            except LogError:
                raise
            except OSError as error:
                raise LogError(f"nothing can be written to {self.directory}: {error.strerror or error}") from error
            yield

    def _refuse(self) -> NoReturn:
        raise LogError(f"another process is writing to {self.directory}; wait for it, or give another --out")

    def _require_same(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        differing = [name for name in now if before.get(name) != now[name]]
        if differing:
            told = "\n".join(
                f"- {name}: {_short(before.get(name))}, and now {_short(now[name])}" for name in differing
            )
            raise LogError(
                f"{self.directory} holds another evaluation; give another --out (what is recorded is not paid for "
                f"again), or remove it yourself. It differs in\n{told}"
            )

    def _write_run(self, run: Mapping[str, Any]) -> None:
        text = json.dumps(_blanked(_plain(run), secret_values()), indent=2, ensure_ascii=False)
        self._write(_RUN, f"{text}\n")

    def _write(self, name: str, text: str) -> None:
        """Write a file whole, or not at all."""
        draft = self.directory / f"{name}.new"
        try:
            draft.write_bytes(text.encode("utf-8", errors="backslashreplace"))
            draft.replace(self.directory / name)
        except OSError as error:
            raise LogError(f"{draft} cannot be written: {error.strerror or error}") from error

    def _append(self, name: str, data: Mapping[str, Any]) -> None:
        rest = memoryview(_line(data).encode("utf-8", errors="backslashreplace"))
        path = self.directory / name
        try:
            with path.open("ab", buffering=0) as file:
                # One call, as a rule: the system writes less only where the disk is full.
                while rest:
                    rest = rest[file.write(rest) or 0 :]
        except OSError as error:
            raise LogError(f"{path} cannot be written: {error.strerror}; mend that and start again") from error

    def _read(self, name: str, read: Any) -> Iterator[Any]:
        path = self.directory / name
        try:
            lines = path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        except OSError as error:
            raise LogError(f"{path} cannot be read: {error.strerror}") from error
        for number, line in enumerate(lines[:-1], start=1):
            try:
                yield read(json.loads(line))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise LogError(
                    f"{path}:{number}: this line cannot be read ({type(error).__name__}: {error}); take it out, "
                    f"and its question is asked again"
                ) from error

    def _mend(self, name: str) -> None:
        """Take away a last line that was cut short when its process was killed."""
        path = self.directory / name
        if not path.exists():
            return
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)


def digest(text: str) -> str:
    """A short name for a candidate's text."""
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()[:24]


def _item(data: Mapping[str, Any]) -> Item:
    asked, target = data["input"], data["target"]
    return Item(
        id=data["id"],
        input=asked if isinstance(asked, str) else tuple(messages_from_dict(asked)),
        target=tuple(target) if isinstance(target, list) else target,
        tests=tuple(data["tests"]),
        metadata=data["metadata"],
        cluster=data["cluster"],
        kind=data["kind"],
    )


def _line(data: Mapping[str, Any]) -> str:
    return json.dumps(_blanked(data, secret_values()), ensure_ascii=False, default=str) + "\n"


def _blanked(data: Any, secrets: Sequence[str]) -> Any:
    """The data without secrets in its texts; the names of its fields stay, whatever a secret looks like."""
    if isinstance(data, str):
        return blank(data, secrets)
    if isinstance(data, Mapping):
        return {name: _blanked(value, secrets) for name, value in data.items()}
    return [_blanked(value, secrets) for value in data] if isinstance(data, list | tuple) else data


def _plain(data: Any) -> Any:
    """What becomes of it in a file."""
    return json.loads(json.dumps(data, default=str))


def _short(data: Any) -> str:
    text = json.dumps(data, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}..."
