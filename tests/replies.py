"""A scripted model that answers every technique as it asks to be answered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from archon_graph import ScriptedModel
from archon_graph.models import ScriptedCall


def good_reply(call: ScriptedCall) -> str | Mapping[str, Any]:
    """The reply the schema asks for; to a question, an answer that differs from sample to sample."""
    title = call.schema["title"] if call.schema else None
    numbers = range(1, len(set(re.findall(r"<answerx*_(\d+)>", call.prompt))) + 1)
    if title == "ranking":
        return {"reasoning": "", "ranking": list(reversed(numbers))}
    if title == "critiques":
        return {
            "critiques": [
                {"answer": number, "strengths": f"good {number}", "weaknesses": f"bad {number}"}
                for number in numbers
            ]
        }
    if title == "verdict":
        return {"summary": "", "correct": len(call.prompt) % 2 == 0}
    if title == "tests":
        # As many as can be asked for; a component takes as many as it wants.
        return {"reasoning": "", "tests": [f"Statement {number} holds." for number in range(1, 21)]}
    if title == "results":
        tests = [int(number) for number in re.findall(r"^\[(\d+)\] Statement", call.prompt, flags=re.MULTILINE)]
        return {"results": [{"test": test, "reasoning": "", "passed": test % 2 == 1} for test in tests]}
    return f"#### {call.sample % 3} of {len(call.prompt)}"


def good_model() -> ScriptedModel:
    """A model with JSON whose every reply is as asked for."""
    return ScriptedModel(good_reply, json=True)
