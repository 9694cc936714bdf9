"""What can be wrong with an architecture, and what can end a run.

ArchonError
├── ConfigurationError
│   ├── ArchitectureError   (ValueError) an architecture breaks rules; carries every problem found
│   └── UnsavableModelError (ValueError) an architecture holds a model that no file can name
└── NoAnswerError           (RuntimeError) every candidate was lost; carries every loss
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from archon_graph.core.state import CallDict, Loss, usage_of
from archon_graph.models.errors import ArchonError, ConfigurationError
from archon_graph.models.request import Usage

if TYPE_CHECKING:
    from archon_graph.models.budget import Budget


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One rule that an architecture breaks, and the way out."""

    rule: str
    """Id of the rule, stable over versions."""
    where: str
    """The node, or the place in the file."""
    message: str
    """What is wrong, with the value received."""
    way_out: str
    """What to do about it."""
    severity: Literal["error", "warning"] = "error"
    """Errors stop the run before the first call; warnings are for the reader."""

    def __str__(self) -> str:
        return f"{self.where}: {self.message}. {self.way_out} [{self.rule}]"


class ArchitectureError(ConfigurationError, ValueError):
    """An architecture breaks one or more rules; all of them are reported at once.

    Args:
        problems: Every problem found.
        source: The file, if the architecture came from one.
    """

    def __init__(self, problems: Sequence[Problem], *, source: str | None = None) -> None:
        self.problems = tuple(problems)
        self.source = source
        count = len(self.problems)
        head = f"{'one problem' if count == 1 else f'{count} problems'} in {source or 'this architecture'}"
        super().__init__(f"{head}:\n" + "\n".join(f"- {problem}" for problem in self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        return _architecture_error, (self.problems, self.source)


class UnsavableModelError(ConfigurationError, ValueError):
    """An architecture holds a chat model instance that no file can name."""


class NoAnswerError(ArchonError, RuntimeError):
    """A run ended without a single candidate.

    Args:
        losses: Everything that was lost on the way, with the reasons.
        trace: Every model call as a row, as in `Result.trace`.
        budget: What it might have spent.
    """

    def __init__(
        self, losses: Sequence[Loss], trace: Sequence[CallDict] = (), budget: Budget | None = None
    ) -> None:
        self.losses = tuple(losses)
        self.trace = tuple(trace)
        self.usage = Usage.total(usage_of(call) for call in self.trace)
        """What the run took all the same."""
        self.paid = Usage.total(usage_of(call) for call in self.trace if not call["cached"])
        """What of that was paid now."""
        self.budget = budget
        self.stopped = why_stopped(self.losses)
        """Why the run ended early: ``budget``, or ``None``."""
        spent = f" within the budget of {budget}" if self.stopped == "budget" and budget is not None else ""
        reasons = "\n".join(f"- {loss}" for loss in self.losses) or "- no node produced a candidate"
        super().__init__(f"no candidate is left to answer with{spent}:\n{reasons}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.losses, self.trace, self.budget)


def why_stopped(losses: Iterable[Loss]) -> str | None:
    """Why a run ended early, told by what was lost: ``budget``, or ``None`` if it went to its end."""
    return "budget" if any(loss.kind == "budget" for loss in losses) else None


def _architecture_error(problems: Sequence[Problem], source: str | None) -> ArchitectureError:
    return ArchitectureError(problems, source=source)
