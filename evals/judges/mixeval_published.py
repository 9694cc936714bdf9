"""``read_judge_prompts``: the words of MixEval's judge from the file in which its authors publish them."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path
from typing import Final

from archon_graph.core import Prompt
from archon_graph.evals.benchmarks.problems import Draft, nearest
from archon_graph.evals.benchmarks.reading import read_text

# For each part of ours the name it has in the file, and for its parameters our placeholders.
_NAMES: Final = {
    "free_form": ("gpt_judge_for_closeended_freeform", ("question", "answers", "response")),
    "choice": ("gpt_judge_for_closeended_multiplechoice", ("question", "options", "response")),
}
_FORM = "lambda prompt, answers, response: [{'role': 'system', 'content': ...}, {'role': 'user', 'content': ...}]"
_MOST_BYTES = 1_000_000


class _OtherFormError(Exception):
    def __init__(self, node: ast.AST | None, message: str) -> None:
        super().__init__(message)
        self.line: int | None = getattr(node, "lineno", None)


def read_judge_prompts(path: str | Path) -> Prompt:
    """The published words for the judge, for `free_form_messages` and `choice_messages`.

    The file is ``mix_eval/prompts/judge_prompts.py`` of the repository Psycoy/MixEval. It is Python, and is read
    as text: nothing in it is imported or run.

    Args:
        path: The file.

    Raises:
        BenchmarkError: It cannot be read, or does not have the form of the published one; all problems at once.
    """
    draft = Draft(file=str(path))
    text = read_text(Path(path), draft)
    parts: dict[str, str] = {}
    tree = None if text is None else _parsed(text, draft)
    if tree is not None:
        assigned = {
            target.id: node
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for part, (name, placeholders) in _NAMES.items():
            if name not in assigned:
                there = f"; the file defines {', '.join(list(assigned)[:9])}" if assigned else ""
                told = f"is not defined in it{nearest(name, assigned)}{there}"
                draft.add(None, name, told, "Give the file judge_prompts.py of Psycoy/MixEval")
                continue
            try:
                system, user = _contents(assigned[name].value, placeholders)
            except _OtherFormError as error:
                way_out = f"The published form is {_FORM}; give that file, or write the words as a Prompt"
                draft.add(error.line, name, str(error), way_out)
            else:
                parts |= {f"{part}_system": system, part: user}
    draft.raise_if_any()
    digest = hashlib.sha256((text or "").encode()).hexdigest()[:8]
    return Prompt(version=f"published-{digest}", parts=parts)


def _parsed(text: str, draft: Draft) -> ast.Module | None:
    if len(text) > _MOST_BYTES:
        draft.add(None, None, f"the file has {len(text):,} characters", "Give the published file: it has 7,000")
        return None
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        reason = error.msg if isinstance(error, SyntaxError) else str(error) or type(error).__name__
        draft.add(line, None, f"this is not Python: {reason}", "Give the published file as it is")
        return None


def _contents(value: ast.expr, placeholders: tuple[str, ...]) -> tuple[str, str]:
    """The system message and the user message, with our placeholders for the parameters, in their order."""
    if not isinstance(value, ast.Lambda):
        raise _OtherFormError(value, f"should be a lambda, got {_kind(value)}")
    names = [argument.arg for argument in value.args.args]
    if len(names) != len(placeholders):
        raise _OtherFormError(
            value, f"should take {len(placeholders)} parameters, got {', '.join(names) or 'none'}"
        )
    if not isinstance(value.body, ast.List):
        raise _OtherFormError(value.body, f"should give a list of messages, got {_kind(value.body)}")
    ours = dict(zip(names, placeholders, strict=True))
    messages = dict(_message(node, ours) for node in value.body.elts)
    if len(value.body.elts) != len(messages) or set(messages) != {"system", "user"}:
        raise _OtherFormError(value.body, f"should be one system and one user message, got {', '.join(messages)}")
    missing = [name for name in placeholders if f"${{{name}}}" not in messages["user"]]
    if missing:
        raise _OtherFormError(value.body, f"the user message does not hold the parameter for the {missing[0]}")
    return messages["system"], messages["user"]


def _message(node: ast.expr, ours: dict[str, str]) -> tuple[str, str]:
    if not isinstance(node, ast.Dict):
        raise _OtherFormError(node, f"a message should be a dict, got {_kind(node)}")
    held = {
        key.value: value
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }
    role, content = held.get("role"), held.get("content")
    if not isinstance(role, ast.Constant) or not isinstance(role.value, str) or content is None:
        raise _OtherFormError(node, f"a message should have a role and a content, got {', '.join(held) or 'none'}")
    return role.value, _template(content, ours)


def _template(node: ast.expr, ours: dict[str, str]) -> str:
    """A literal as a template; an f-string may hold nothing but parameters."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.replace("$", "$$")
    if not isinstance(node, ast.JoinedStr):
        raise _OtherFormError(node, f"a content should be a text, got {_kind(node)}")
    text = ""
    for piece in node.values:
        if isinstance(piece, ast.Constant):
            text += str(piece.value).replace("$", "$$")
        elif not isinstance(piece, ast.FormattedValue) or not isinstance(piece.value, ast.Name):
            raise _OtherFormError(piece, "a content may hold parameters between braces, and no other expression")
        elif piece.format_spec is not None or piece.conversion != -1:
            raise _OtherFormError(piece, f"the parameter {piece.value.id!r} has a format, which is not read here")
        elif piece.value.id not in ours:
            known = nearest(piece.value.id, ours)
            raise _OtherFormError(piece, f"{piece.value.id!r} is no parameter{known}; it has {', '.join(ours)}")
        else:
            text += f"${{{ours[piece.value.id]}}}"
    return text


def _kind(node: ast.AST) -> str:
    return type(node).__name__
