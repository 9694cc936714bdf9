"""A conversation as OpenAI has it: checked, and turned into LangChain's messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from langchain_core.messages import BaseMessage, convert_to_messages
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError, from_json

from archon_graph.embed.server.errors import bad_request

_CALL_NAME = r"^[a-zA-Z0-9_-]{1,64}$"


class _Wire(BaseModel):
    """Types as they are written: no number is read from a text. What else a message brings is left out."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("content", "{wrong}", {"wrong": message})


def _text_part(part: Mapping[str, Any]) -> bool:
    return isinstance(part.get("text"), str)


def _image_part(part: Mapping[str, Any]) -> bool:
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, Mapping) else None
    # Some provider's client opens what is named here: nothing but the network, and what was sent along.
    return isinstance(url, str) and url.lower().startswith(("data:", "https://", "http://"))


def _audio_part(part: Mapping[str, Any]) -> bool:
    audio = part.get("input_audio")
    return (
        isinstance(audio, Mapping) and isinstance(audio.get("data"), str) and isinstance(audio.get("format"), str)
    )


_PARTS = {
    "text": (_text_part, "a 'text'"),
    "refusal": (lambda part: isinstance(part.get("refusal"), str), "a 'refusal'"),
    "image_url": (_image_part, "an 'image_url' with a 'url' of https:, http: or data:"),
    "input_audio": (_audio_part, "an 'input_audio' with 'data' and 'format'"),
}


def _content_of(*kinds: str) -> AfterValidator:
    """A text, or parts of these kinds; parts stay as they are."""
    allowed = ", ".join(repr(kind) for kind in kinds)

    def check(value: Any) -> Any:
        if isinstance(value, str) or value is None:
            return value
        if not isinstance(value, list) or not value:
            raise _wrong("must be a text, or a list of parts")
        for place, part in enumerate(value):
            kind = part.get("type") if isinstance(part, dict) else None
            if not isinstance(kind, str) or kind not in kinds:
                raise _wrong(f"part {place} must be an object with a 'type' of {allowed}")
            fits, needs = _PARTS[kind]
            if not fits(part):
                raise _wrong(f"part {place} of type {kind!r} must have {needs}")
        return value

    return AfterValidator(check)


class _Instructions(_Wire):
    role: Literal["system", "developer"]
    content: Annotated[Any, _content_of("text")]
    name: str | None = None


class _User(_Wire):
    role: Literal["user"]
    content: Annotated[Any, _content_of("text", "image_url", "input_audio")]
    name: str | None = None


class _Function(_Wire):
    name: Annotated[str, Field(pattern=_CALL_NAME)]
    arguments: str


class _Call(_Wire):
    id: Annotated[str, Field(min_length=1, max_length=256)]
    type: Literal["function"] = "function"
    function: _Function


class _Assistant(_Wire):
    role: Literal["assistant"]
    content: Annotated[Any, _content_of("text", "refusal")] = None
    name: str | None = None
    tool_calls: Annotated[list[_Call], Field(max_length=256)] | None = None
    audio: None = None
    function_call: None = None


class _Tool(_Wire):
    role: Literal["tool"]
    content: Annotated[Any, _content_of("text")]
    tool_call_id: str


WireMessage = Annotated[_Instructions | _User | _Assistant | _Tool, Field(discriminator="role")]
"""A message of a request."""


def as_messages(given: Sequence[_Instructions | _User | _Assistant | _Tool]) -> list[BaseMessage]:
    """The conversation as LangChain has it.

    Raises:
        RequestError: A message has no content, arguments are no JSON object, or calls and results do not belong
            together: providers refuse all of these.
    """
    _check_calls(given)
    return list(convert_to_messages([_plain(message, place) for place, message in enumerate(given)]))


def _plain(message: _Instructions | _User | _Assistant | _Tool, place: int) -> dict[str, Any]:
    where = f"messages[{place}]"
    plain: dict[str, Any] = {"role": message.role, "content": message.content}
    if isinstance(message.content, list):
        plain["content"] = [_part(part) for part in message.content]
    if isinstance(message, _Tool):
        plain["tool_call_id"] = message.tool_call_id
    elif message.name:
        plain["name"] = message.name
    if isinstance(message, _Assistant):
        plain["content"] = plain["content"] or ""
        if message.tool_calls:
            plain["tool_calls"] = [
                _call(call, f"{where}.tool_calls[{number}]") for number, call in enumerate(message.tool_calls)
            ]
        elif message.content is None:
            raise bad_request(f"{where} of the assistant needs content or tool_calls", where)
    elif message.content is None:
        raise bad_request(f"{where}.content must be a text, or a list of parts", f"{where}.content")
    return plain


def _part(part: dict[str, Any]) -> dict[str, Any]:
    """A part as providers' packages know it."""
    if part["type"] == "refusal":
        return {"type": "text", "text": part["refusal"]}
    if part["type"] == "input_audio":
        # LangChain would do it, and give it another id each time: no recorded answer would be found.
        audio = part["input_audio"]
        return {"type": "audio", "base64": audio["data"], "mime_type": f"audio/{audio['format']}"}
    return part


def _call(call: _Call, where: str) -> dict[str, Any]:
    try:
        # Some models send nothing where there are no arguments.
        arguments = from_json(call.function.arguments) if call.function.arguments.strip() else {}
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise bad_request(
            f"{where}.function.arguments must be a JSON object in a text", f"{where}.function.arguments"
        )
    return {"name": call.function.name, "args": arguments, "id": call.id, "type": "tool_call"}


def _check_calls(given: Sequence[_Instructions | _User | _Assistant | _Tool]) -> None:
    open_calls: set[str] = set()
    for place, message in enumerate(given):
        where = f"messages[{place}]"
        if isinstance(message, _Tool):
            if message.tool_call_id not in open_calls:
                raise bad_request(
                    f"{where} answers the tool call {message.tool_call_id[:80]!r}, which the assistant's message "
                    f"before it does not make",
                    f"{where}.tool_call_id",
                )
            open_calls.remove(message.tool_call_id)
            continue
        _check_answered(open_calls, where)
        if isinstance(message, _Assistant) and message.tool_calls:
            ids = [call.id for call in message.tool_calls]
            open_calls = set(ids)
            if len(open_calls) < len(ids):
                raise bad_request(f"{where} has two tool calls with the same id", f"{where}.tool_calls")
    _check_answered(open_calls, f"messages[{len(given)}]")


def _check_answered(open_calls: set[str], where: str) -> None:
    if open_calls:
        named = ", ".join(repr(call[:80]) for call in sorted(open_calls)[:3])
        raise bad_request(f"a tool's message must answer {named} before {where}", "messages")
