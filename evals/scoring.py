"""``score_answer``: one answer scored, whatever the scorer does."""

from __future__ import annotations

from archon_graph.evals.benchmarks import Item
from archon_graph.evals.scorers import Score, Scorer
from archon_graph.models import ConfigurationError
from archon_graph.sandbox import SandboxUnavailableError


async def score_answer(scorer: Scorer, item: Item, answer: str) -> Score:
    """The score of an answer; unscored if the scorer fails, with the reason.

    Raises:
        ConfigurationError: The scorer cannot work here at all: an extra is missing, nothing isolates programs.
    """
    try:
        return await scorer.score(item, answer)
    except ConfigurationError:
        raise
    except SandboxUnavailableError as error:
        raise ConfigurationError(str(error)) from error
    except Exception as error:  # noqa: BLE001 - of the user's own scorer: its bug says nothing of the answer
        return Score.unscored(f"the scorer {scorer.name} failed: {type(error).__name__}: {error}")
