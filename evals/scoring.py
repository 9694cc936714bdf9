"""``score_answer``: one answer scored, whatever the scorer does."""

from __future__ import annotations

from collections.abc import Sequence

from archon_graph.evals.benchmarks import Item
from archon_graph.evals.scorers import Score, Scorer
from archon_graph.models import Client, ConfigurationError, TapeMissError
from archon_graph.sandbox import SandboxUnavailableError


async def score_answer(
    scorer: Scorer, item: Item, answer: str, *, earlier: Sequence[str] = (), client: Client | None = None
) -> Score:
    """The score of an answer; unscored if the scorer fails, with the reason.

    Model calls: those of a judge, if the scorer is one.

    Args:
        scorer: Says what the answer is worth.
        item: The question.
        answer: The last answer.
        earlier: The answers to the turns before it.
        client: What a judge draws through; without it, only rules can score.

    Raises:
        ConfigurationError: The scorer cannot work here at all: an extra is missing, nothing isolates programs.
        TapeMissError: A strict replay does not have what a judge said.
    """
    try:
        if client is None:
            return await scorer.score(item, answer)
        return await scorer.score_turns(item, [*earlier, answer], client)
    except (ConfigurationError, TapeMissError):
        raise
    except SandboxUnavailableError as error:
        raise ConfigurationError(str(error)) from error
    except Exception as error:  # noqa: BLE001 - of the user's own scorer: its bug says nothing of the answer
        return Score.unscored(f"the scorer {scorer.name} failed: {type(error).__name__}: {error}")
