"""AlpacaEval 2.0: which of two outputs a judge prefers, how surely, and the win rate that comes of it.

Two outputs that are the same text are a draw (`DRAW`), and no judge is asked. Otherwise `is_switched` says in
which order they are shown, `AlpacaPrompt` what the judge is told, and `read_preference` what its reply says.

Source: Dubois et al., Length-controlled AlpacaEval (arXiv 2404.04475), and the annotator
``weighted_alpaca_eval_gpt4_turbo`` of the public repository tatsu-lab/alpaca_eval.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template
from typing import Any, Final

import numpy as np
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from numpy.typing import NDArray
from scipy.special import expit  # type: ignore[import-untyped,unused-ignore]

from archon_graph.core import Prompt, load_prompt
from archon_graph.evals.benchmarks.problems import nearest
from archon_graph.evals.judges.chatml import read_chatml

DRAW: Final = 1.5
"""The preference where neither output is better; published files also write 0 for it."""
TOP_LOGPROBS: Final = 5
"""How many of the likeliest tokens the published judge gives for the one token it writes."""

_FIRST, _SECOND = "m", "M"
_MADE: Final = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
_FIELDS = ("instruction", "output_1", "output_2")
_LETTER = re.compile(r"(?<![\w'\u2019])[mM](?![\w'\u2019])")
_MOST_READ = 4000  # a reply that needs more room than this to name a letter is not one that obeys


def is_switched(instruction: str) -> bool:
    """Whether the judge is shown the model's output first, and the baseline's second.

    A draw with even chances that is seeded by the instruction: the same for every model and in every run.

    Args:
        instruction: The instruction as the published file has it, to the character.
    """
    # Half a character cannot be encoded for the seed; no published instruction has one, and this must not raise.
    seed = f"is_switched_outputs{instruction}0".encode(errors="replace").decode()
    return random.Random(seed).choices([False, True], k=1)[0]  # noqa: S311


@dataclass(frozen=True, kw_only=True)
class AlpacaPrompt:
    """What the judge is told.

    Raises:
        ValueError: A part's name does not start with a role, a text has a placeholder that is not known here, or
            one of the three is nowhere used.
    """

    words: Prompt
    """A part for each message, in order; its name starts with the role: ``system``, ``user``, ``assistant``. They
    may use ``$instruction``, ``$output_1`` (shown as m) and ``$output_2`` (shown as M)."""

    def __post_init__(self) -> None:
        used: set[str] = set()
        for name, text in self.words.parts.items():
            role = (name.split() or [""])[0]
            if role not in _MADE:
                raise ValueError(
                    f"prompt part {name!r} starts with no role{nearest(role, _MADE)}; roles are {', '.join(_MADE)}"
                )
            self.words.render(name, **dict.fromkeys(_FIELDS, ""))
            used |= set(Template(text).get_identifiers())
        if missing := [f"${name}" for name in _FIELDS if name not in used]:
            raise ValueError(
                f"the judge's prompt does not use {', '.join(missing)}; put it where the text belongs"
            )

    @classmethod
    def default(cls) -> AlpacaPrompt:
        """The package's own words. Figures that are to be held against published ones need the published ones."""
        return cls(words=load_prompt(__package__, "alpaca_eval"))

    @classmethod
    def load(cls, path: str | Path) -> AlpacaPrompt:
        """The words in a file of messages with ChatML marks, such as the published ``alpaca_eval_clf.txt``.

        Each message is ``<|im_start|>``, its role, a line break, its text, ``<|im_end|>``; white space around the
        text is no part of it. The texts have the placeholders ``{instruction}``, ``{output_1}``, ``{output_2}``;
        other braces stand for themselves.

        Raises:
            BenchmarkError: The file cannot be read as that; all problems are reported.
        """
        return cls(words=read_chatml(path, _FIELDS))

    @property
    def identity(self) -> str:
        """Version and digest of the words."""
        return self.words.identity

    def messages(self, instruction: str, output_1: str, output_2: str, *, switched: bool) -> list[BaseMessage]:
        """What the judge is told about two outputs.

        The texts are put in as they are: nothing in them is read as a placeholder or as a mark of a message.

        Args:
            instruction: What the models were asked.
            output_1: The baseline's output.
            output_2: The model's output.
            switched: Whether the model's output goes by the name m and stands first, see `is_switched`.
        """
        first, second = (output_2, output_1) if switched else (output_1, output_2)
        return [
            _MADE[name.split()[0]](
                self.words.render(name, instruction=instruction, output_1=first, output_2=second)
            )
            for name in self.words.parts
        ]


def preference_of(top_logprobs: Iterable[Sequence[Any]], *, switched: bool) -> float | None:
    """How far the judge prefers the model's output, by the probabilities of its first token.

    P(m) / (P(m) + P(M)) is the chance that it prefers what was shown as m; a letter that is not among the tokens
    has probability 0. What is no pair of a text and a number at most 0 (or a rounding error above) is passed over.

    Args:
        top_logprobs: The likeliest first tokens with their log probabilities (natural logarithm).
        switched: Whether the model's output was shown as m.

    Returns:
        From 1 (the baseline's output is better) to 2 (the model's is); ``None`` if neither letter is among the
        tokens, where the published files have no number.
    """
    found = {_FIRST: -math.inf, _SECOND: -math.inf}
    for token, number in _pairs(top_logprobs):
        if token in found:
            found[token] = max(found[token], number)
    if max(found.values()) == -math.inf:
        return None
    share = float(expit(found[_FIRST] - found[_SECOND]))
    return 1.0 + share if switched else 2.0 - share


def preference_in_text(text: str, *, switched: bool) -> float | None:
    """The preference that a reply states, for judges that give no probabilities: 1 or 2, nothing between.

    The letters m and M count where they stand by themselves, also in quotes, marks of emphasis or a sentence. A
    reply that names both, or neither, states none. This is our own rule; the published judge is never read so.

    Args:
        text: The reply; its first 4000 characters are looked at.
        switched: Whether the model's output was shown as m.

    Returns:
        1 (the baseline's output is better), 2 (the model's is), or ``None``.
    """
    named = {match[0] for match in _LETTER.finditer(text[:_MOST_READ])}
    if len(named) != 1:
        return None
    return 2.0 if (named == {_FIRST}) == switched else 1.0


def read_preference(message: AIMessage, *, switched: bool) -> float | None:
    """The preference in a judge's reply: by its first token's probabilities, or else by its text.

    Args:
        message: The reply; probabilities are where LangChain's OpenAI models put them, in
            ``response_metadata["logprobs"]["content"][0]["top_logprobs"]``.
        switched: Whether the model's output was shown as m.

    Returns:
        See `preference_of` and `preference_in_text`.
    """
    top = first_top_logprobs(message.response_metadata.get("logprobs"))
    if top is not None:
        return preference_of(top, switched=switched)
    return preference_in_text(str(message.text), switched=switched)


def first_top_logprobs(logprobs: object) -> list[tuple[str, float]] | None:
    """The likeliest first tokens, of ``logprobs`` as OpenAI's API returns them; ``None`` if there are none."""
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    first = content[0] if isinstance(content, list) and content else None
    top = first.get("top_logprobs") if isinstance(first, Mapping) else None
    if not isinstance(top, list):
        return None
    kept = _pairs((one.get("token"), one.get("logprob")) for one in top if isinstance(one, Mapping))
    # Without any probability the reply was made by a provider that gives none; its text still says something.
    return kept or None


@dataclass(frozen=True, kw_only=True)
class WinRate:
    """How often a model's outputs are preferred to the baseline's, as the published tables give it."""

    win_rate: float | None
    """Mean share of a win, in percent; ``None`` without a preference."""
    standard_error: float | None
    """Of the win rate, in points of percent; ``None`` with fewer than two preferences."""
    n_wins: int
    """Questions on which the model's output is preferred, by however little."""
    n_wins_base: int
    """Questions on which the baseline's is."""
    n_draws: int
    """Questions on which neither is."""
    n_total: int
    """Questions with a preference."""
    discrete_win_rate: float | None
    """Wins and half of the draws, in percent of the questions with a preference; ``None`` without one."""

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def win_rate(preferences: Sequence[float | None]) -> WinRate:
    """The figures of a model's row in the published tables.

    Args:
        preferences: For each question from 1 (the baseline's output is better) to 2 (the model's is), or 0 for a
            draw; ``None`` where the judge's reply had none, which leaves the question out.

    Raises:
        ValueError: A preference is on another scale.
    """
    shares, there = as_shares(preferences)
    known = shares[there]
    count = len(known)
    wins, losses = int((known > 0.5).sum()), int((known < 0.5).sum())
    draws = count - wins - losses
    return WinRate(
        win_rate=float(known.mean()) * 100 if count else None,
        standard_error=float(known.std(ddof=1) / np.sqrt(count)) * 100 if count > 1 else None,
        n_wins=wins,
        n_wins_base=losses,
        n_draws=draws,
        n_total=count,
        discrete_win_rate=(wins + draws / 2) / count * 100 if count else None,
    )


def as_shares(preferences: Sequence[float | None]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Shares of a win from 0 to 1, and where there is one.

    Raises:
        ValueError: A preference is neither ``None``, 0, nor from 1 to 2; names the first ones.
    """
    there = np.array([one is not None for one in preferences], dtype=bool)
    scale = np.array([DRAW if one is None or one == 0 else one for one in preferences], dtype=np.float64)
    wrong = np.flatnonzero(~((scale >= 1) & (scale <= 2)))
    if len(wrong):
        told = ", ".join(f"{scale[place]} at place {place}" for place in wrong[:5])
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise ValueError(
            f"a preference is from 1 (baseline) to 2 (model), 0 for a draw, or None; got {told}{more}. "
            "Shares of a win from 0 to 1 become preferences by adding 1"
        )
    return scale - 1.0, there


def _pairs(found: Iterable[object]) -> list[tuple[str, float]]:
    return [
        (pair[0], float(pair[1]))
        for pair in found
        if isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str) and _is_logprob(pair[1])
    ]


def _is_logprob(number: object) -> bool:
    # Rounding puts a certain token's logarithm a hair above 0; more than that is none.
    return isinstance(number, int | float) and not isinstance(number, bool) and -1e300 < number < 1e-3
