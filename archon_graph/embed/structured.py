"""``with_structured_output`` of an architecture: answers as objects of a schema."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from langchain_core.output_parsers import BaseOutputParser, JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser, PydanticToolsParser
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

METHODS = ("json_schema", "function_calling", "json_mode")


def structured(
    chat: BaseChatModel,
    schema: dict[str, Any] | type,
    *,
    method: str,
    include_raw: bool,
    strict: bool | None,
    arguments: Mapping[str, Any],
) -> Runnable[Any, Any]:
    """See `ArchonChat.with_structured_output`."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    told = {"kwargs": {"method": method, "strict": strict}, "schema": schema}
    # Of pydantic's first version too, which LangChain goes on to take.
    is_class = isinstance(schema, type) and is_basemodel_subclass(schema)
    parser: Any
    if method == "function_calling":
        name = convert_to_openai_tool(schema)["function"]["name"]
        bound = chat.bind_tools(
            [schema], tool_choice=name, strict=strict, ls_structured_output_format=told, **arguments
        )
        parser = (
            PydanticToolsParser(tools=[schema], first_tool_only=True)
            if is_class
            else JsonOutputKeyToolsParser(key_name=name, first_tool_only=True)
        )
    else:
        form: dict[str, Any] = {"type": "json_object"}
        if method == "json_schema":
            described = convert_to_json_schema(schema)
            named = {"name": described.get("title", "answer"), "schema": described}
            form = {"type": "json_schema", "json_schema": {**named, "strict": bool(strict)}}
        bound = chat.bind(response_format=form, ls_structured_output_format=told, **arguments)
        parser = _parser(schema) if is_class else JsonOutputParser()
    if not include_raw:
        only: Runnable[Any, Any] = bound | parser
        return only
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    read: Runnable[Any, Any] = parsed.with_fallbacks([failed], exception_key="parsing_error")
    return RunnableMap(raw=bound) | read


def _parser(schema: Any) -> BaseOutputParser[Any]:
    return PydanticOutputParser(pydantic_object=schema)
