"""A request for chat completions: read from its body, checked, and as the chat model takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from langchain_core.messages import BaseMessage
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from archon_graph.embed.forms import FORM_ARGUMENTS, read_form
from archon_graph.embed.server.errors import RequestError, bad_request, public
from archon_graph.embed.server.messages import WireMessage, as_messages
from archon_graph.embed.server.parameters import without_unsupported
from archon_graph.embed.server.plain import read_json
from archon_graph.embed.server.schemas import check_schema
from archon_graph.models import ConfigurationError

_MOST_MESSAGES = 2_000
_Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
_UNIONS = frozenset({"response_format", "tool_choice"})


class _Wire(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class _Function(_Wire):
    name: _Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _Tool(_Wire):
    type: Literal["function"]
    function: _Function


class _ChosenFunction(_Wire):
    name: _Name


class _Chosen(_Wire):
    type: Literal["function"]
    function: _ChosenFunction


class _Schema(_Wire):
    name: _Name
    description: str | None = None
    schema_: Annotated[dict[str, Any], Field(alias="schema")]
    strict: bool | None = None


class _PlainForm(_Wire):
    type: Literal["text", "json_object"]


class _SchemaForm(_Wire):
    type: Literal["json_schema"]
    json_schema: _Schema


class _StreamOptions(_Wire):
    include_usage: bool = False


def _ends(value: Any) -> list[str]:
    """Strings that end an answer; a single one may stand for itself."""
    ends = [value] if isinstance(value, str) else value
    if not isinstance(ends, list) or len(ends) > 4 or not all(isinstance(end, str) and end for end in ends):
        raise PydanticCustomError("stop", "must be a text, or up to 4 texts, none of them empty")
    return ends


class _Request(_Wire):
    """The parameters that this server has."""

    model: Annotated[str, Field(min_length=1)]
    messages: Annotated[list[WireMessage], Field(min_length=1, max_length=_MOST_MESSAGES)]
    n: Annotated[int, Field(ge=1)] = 1
    stream: bool = False
    stream_options: _StreamOptions = _StreamOptions()
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Annotated[Any, AfterValidator(_ends)] = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    # What no model has is refused by none but overflows where it is reserved.
    max_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    tools: Annotated[list[_Tool], Field(max_length=128)] | None = None
    tool_choice: Literal["auto", "none", "required"] | _Chosen | None = None
    parallel_tool_calls: bool | None = None
    response_format: Annotated[_PlainForm | _SchemaForm, Field(discriminator="type")] | None = None


# What pydantic says of its own affairs.
_WORDS = {
    "missing": "is missing",
    "union_tag_not_found": "must be an object with a 'role', or a 'type', that says what it is",
    "model_attributes_type": "must be an object",
    "model_type": "must be an object",
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a client asks for."""

    model: str
    """The name of the model."""
    messages: list[BaseMessage]
    """The conversation."""
    arguments: Mapping[str, Any]
    """How the chat model is called: what is not asked for is not in it."""
    seed: int | None
    """Namespace of the samples."""
    n: int
    """How many answers."""
    stream: bool
    """Whether in pieces."""
    usage_in_stream: bool
    """Whether a last piece tells what it took."""


def read_request(body: bytes) -> Asked:
    """What a body asks for.

    Raises:
        RequestError: It is no request, or asks for what this server does not have.
    """
    known = without_unsupported(read_json(body), _Request.model_fields)
    try:
        request = _Request.model_validate(known)
    except ValidationError as error:
        raise _first_of(error) from None
    if request.max_tokens and request.max_completion_tokens not in (None, request.max_tokens):
        raise bad_request(
            "max_tokens and max_completion_tokens are two names for one limit; give one of them", "max_tokens"
        )
    return Asked(
        model=request.model,
        messages=as_messages(request.messages),
        arguments=_arguments(request),
        seed=request.seed,
        n=request.n,
        stream=request.stream,
        usage_in_stream=request.stream_options.include_usage,
    )


def _arguments(request: _Request) -> dict[str, Any]:
    """The rest of the request under the names that a chat model has for it."""
    plain = request.model_dump(
        include={"stop", "tools", "tool_choice", "response_format", *FORM_ARGUMENTS},
        exclude_none=True,
        by_alias=True,
    )
    if request.max_completion_tokens is not None:
        plain["max_tokens"] = request.max_completion_tokens
    if not plain.get("stop"):
        plain.pop("stop", None)
    if not plain.get("tools"):
        plain.pop("tools", None)
        plain.pop("parallel_tool_calls", None)
        if plain.pop("tool_choice", "auto") not in ("auto", "none"):
            raise bad_request("tool_choice needs tools", "tool_choice")
    _check_form(plain)
    return plain


def _check_form(plain: Mapping[str, Any]) -> None:
    """See that tools and schema can be used: the run would find out only later, when it looks like our fault."""
    names = [tool["function"]["name"] for tool in plain.get("tools", ())]
    if len(set(names)) < len(names):
        raise bad_request("two tools have the same name", "tools")
    for place, tool in enumerate(plain.get("tools", ())):
        check_schema(tool["function"].get("parameters", {}), f"tools[{place}].function.parameters")
    if schema := plain.get("response_format", {}).get("json_schema"):
        check_schema(schema["schema"], "response_format.json_schema.schema")
    try:
        read_form({name: value for name, value in plain.items() if name != "stop"}, plain.get("stop"))
    except ConfigurationError as error:
        raise bad_request(public(str(error))) from None
    except Exception:  # noqa: BLE001 - a schema can break the library that checks it in many ways, recursion included
        raise bad_request("a schema in tools or response_format cannot be used; is it a JSON schema?") from None


def _first_of(error: ValidationError) -> RequestError:
    """The first thing that is wrong, and where."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    loc = list(first["loc"])
    # pydantic puts the branch of a union behind its name, which no client knows.
    if loc[:1] == ["messages"] and len(loc) > 2:
        del loc[2]
    elif loc and loc[0] in _UNIONS and len(loc) > 1:
        del loc[1]
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")
    said = _WORDS.get(first["type"], first["msg"])
    return bad_request(f"{where or 'the body'}: {said[:1].lower()}{said[1:]}", where or None)
