"""What can be wrong with a benchmark's data: every problem found, each with its file, line, field and way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from archon_graph.models import ConfigurationError

_MOST_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class DataProblem:
    """One thing wrong with a benchmark's data, and the way out."""

    file: str
    """The file, or the data set on the hub."""
    line: int | None
    """Line of the file, from 1; of a list in a JSON file and of a data set on the hub the row; ``None``: none."""
    field: str | None
    """The field of the line; ``None`` if it is the line as a whole."""
    message: str
    """What is wrong, with the value received."""
    way_out: str
    """What to do about it."""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {f'{self.field}: ' if self.field else ''}{self.message}. {self.way_out}"


class BenchmarkError(ConfigurationError, ValueError):
    """A benchmark's data cannot be used; all of its problems are reported at once.

    Args:
        problems: Every problem found. The message shows the first 20, `problems` has all.
    """

    def __init__(self, problems: Sequence[DataProblem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        shown = [f"- {problem}" for problem in self.problems[:_MOST_SHOWN]]
        if count > _MOST_SHOWN:
            shown.append(f"- and {count - _MOST_SHOWN} more")
        head = "one problem" if count == 1 else f"{count} problems"
        super().__init__(f"{head} in the benchmark's data:\n" + "\n".join(shown))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems,)


class UnknownBenchmarkError(ConfigurationError, LookupError):
    """No benchmark, split, item or field goes by this name; the message gives the nearest one that does."""


@dataclass
class Draft:
    """What was found wrong so far while a file is read to its end."""

    file: str
    problems: list[DataProblem] = field(default_factory=list)

    def add(self, line: int | None, field: str | None, message: str, way_out: str) -> None:
        """Note a problem and read on."""
        self.problems.append(DataProblem(file=self.file, line=line, field=field, message=message, way_out=way_out))

    def raise_if_any(self) -> None:
        """End the reading if anything is wrong.

        Raises:
            BenchmarkError: There are problems; it carries all of them.
        """
        if self.problems:
            raise BenchmarkError(sorted(self.problems, key=lambda problem: problem.line or 0))


def nearest(name: str, known: Iterable[str]) -> str:
    """``" (did you mean 'x'?)"``, or nothing if no known name is near."""
    close = difflib.get_close_matches(name, [*known], n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
