"""``AnswerForm``: what form the caller of a graph wants the answer in: tools it may call, a schema, where it ends.

The form holds for components that answer the user (generators, fusers, revisers). Those that judge keep to their
own, and see a tool call of a candidate as text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from archon_graph.core.conversation import with_task
from archon_graph.core.prompt import Prompt, load_prompt
from archon_graph.models import ConfigurationError, Request, Sampling

# A schema as texts hold it: alone, or in a fence with words around it.
_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class AnswerForm:
    """What form the answer shall have. Everything left out is up to the architecture and its models.

    Raises:
        ConfigurationError: A schema is none, or ``tool_choice`` names a tool that is not there.
    """

    tools: tuple[Mapping[str, Any], ...] = ()
    """Tools that the answer may call, in OpenAI's form."""
    tool_choice: str | None = None
    """``any`` for a call of some tool, or the name of one; ``None`` leaves it to the model."""
    parallel_tool_calls: bool | None = None
    """Whether one answer may call several tools."""
    schema: Mapping[str, Any] | None = None
    """A JSON schema: an answer in text shall be JSON of this form."""
    strict: bool = False
    """Whether the schema keeps to what providers hold a model to word for word."""
    stop: tuple[str, ...] = ()
    """Strings that end the answer where they appear."""
    temperature: float | None = None
    """Spread of the samples, over that of the components."""
    top_p: float | None = None
    """Share of the probability mass that is sampled from, over that of the components."""
    max_tokens: int | None = None
    """Most tokens of an answer, over that of the components."""

    def __post_init__(self) -> None:
        if not self.tools and self.schema is None and self.tool_choice is None:
            return
        # Imported where there is a schema: importing archon-graph must stay fast.
        from jsonschema.exceptions import SchemaError
        from jsonschema.validators import validator_for

        for what, schema in self._schemas():
            try:
                validator_for(schema).check_schema(dict(schema))
            except SchemaError as error:
                where = "/".join(map(str, error.absolute_path)) or "its root"
                raise ConfigurationError(f"{what} is not a JSON schema: at {where}: {error.message}") from None
        if self.tool_choice not in (None, "any") and self.tool_choice not in self._parameters:
            raise ConfigurationError(
                f"tool_choice is {self.tool_choice!r}, and no tool has this name; there are "
                f"{', '.join(self._parameters) or 'none'}"
            )
        if self.tool_choice == "any" and not self.tools:
            raise ConfigurationError("tool_choice is 'any', and there are no tools; give tools, or leave it out")

    @property
    def _parameters(self) -> dict[str, Mapping[str, Any]]:
        """The schemas of the tools' arguments, by name."""
        functions = [tool.get("function", tool) for tool in self.tools]
        return {str(one.get("name", "")): one.get("parameters") or {"type": "object"} for one in functions}

    def _schemas(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        for name, parameters in self._parameters.items():
            yield f"'parameters' of the tool {name!r}", parameters
        if self.schema is not None:
            yield "the schema of the answer", self.schema

    @property
    def is_free(self) -> bool:
        """Whether any text will do, so that pieces of it can be shown before it is whole."""
        return self.schema is None and self.tool_choice is None

    def after(self, parents: Iterable[AIMessage]) -> AnswerForm:
        """The form of an answer that is made from these: where all of them call tools, so does it.

        A model that merges calls likes to write about them instead, and the caller's loop would end there.
        """
        if not self.tools or self.tool_choice is not None or not all(parent.tool_calls for parent in parents):
            return self
        return replace(self, tool_choice="any")

    def of_request(self, request: Request, *, offers_json: bool) -> Request:
        """The request with the form asked for: as the model offers it, or in words where it does not."""
        messages: Sequence[BaseMessage] = request.messages
        version = request.prompt_version
        if self.schema is not None and not offers_json:
            words = form_words()
            messages = with_task(messages, words.render("schema", schema=json.dumps(self.schema)))
            version = f"{version}+{words.identity}"
        schema = self.schema if offers_json else None
        return replace(
            request,
            messages=tuple(messages),
            prompt_version=version,
            sampling=self._over(request.sampling),
            schema={"title": "answer", **schema} if schema is not None else None,
            strict=self.strict,
            tools=self.tools,
            tool_choice=self.tool_choice,
            parallel_tool_calls=self.parallel_tool_calls,
        )

    def fitted(self, message: AIMessage) -> AIMessage | str:
        """An answer in the form that was wanted, or in words what is wrong with it.

        JSON that stands in a text is taken out of it. Calls of tools that cannot be made are left out, if there is
        an answer without them.
        """
        wrong = [*self._wrong_calls(message)]
        if wrong and (message.tool_calls or not str(message.text).strip() or self.tool_choice is not None):
            return "; ".join(wrong)
        if wrong:
            message = message.model_copy(update={"invalid_tool_calls": []})
        if message.tool_calls:
            return message
        if self.tool_choice is not None:
            return f"it calls no tool, and {self.tool_choice!r} was wanted"
        return message if self.schema is None else self._as_json(message)

    def _wrong_calls(self, message: AIMessage) -> Iterable[str]:
        for broken in message.invalid_tool_calls:
            yield f"its call of {broken.get('name') or 'a tool'} cannot be read"
        known = self._parameters
        for call in message.tool_calls:
            name = call["name"]
            if not self.tools:
                continue  # whatever a conversation without tools holds is the model's own affair
            if name not in known:
                yield f"it calls {name!r}, which is none of the tools ({', '.join(known)})"
            elif self.tool_choice not in (None, "any", name):
                yield f"it calls {name!r}, and {self.tool_choice!r} was wanted"
            elif problem := _problem(call["args"], known[name]):
                yield f"its call of {name!r} does not fit: {problem}"

    def _as_json(self, message: AIMessage) -> AIMessage | str:
        schema = self.schema or {}
        text, problem = str(message.text).strip(), "it is not JSON"
        for found in (text, *_FENCED.findall(text)):
            try:
                data = json.loads(found)
            except (ValueError, RecursionError):
                continue
            problem = _problem(data, schema)
            if not problem:
                return message if found == text else message.model_copy(update={"content": found.strip()})
        return problem

    def _over(self, sampling: Sampling) -> Sampling:
        made = {
            name: value
            for name in ("temperature", "top_p", "max_tokens")
            if (value := getattr(self, name)) is not None
        }
        return replace(sampling, stop=self.stop or sampling.stop, **made)


FREE = AnswerForm()
"""Any answer will do."""


def form_words() -> Prompt:
    """How a form is told in words."""
    return load_prompt("archon_graph.core", "answer_form")


def _problem(data: Any, schema: Mapping[str, Any]) -> str:
    """What about the data does not keep to a schema; empty if nothing."""
    from jsonschema.exceptions import best_match
    from jsonschema.validators import validator_for

    try:
        error = best_match(validator_for(schema)(schema).iter_errors(data))
    except RecursionError:
        return "it is nested too deeply"
    except Exception as failure:  # noqa: BLE001 - a reference that leads nowhere has many errors of its library's
        return f"it cannot be held against the schema: {failure}"[:200]
    if error is None:
        return ""
    return f"{'.'.join(map(str, error.absolute_path)) or 'the object'}: {error.message}"[:300]
