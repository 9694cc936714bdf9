"""Finding the final answer in a text, in a form in which equal answers are equal."""

from archon_graph.answers.code import CodeBlock, code_blocks, defines, extract_code
from archon_graph.answers.extraction import (
    EXTRACTORS,
    Extraction,
    boxed_answer,
    extract_answer,
    extract_choice,
    stated_answer,
)
from archon_graph.answers.numbers import parse_number

__all__ = [
    "EXTRACTORS",
    "CodeBlock",
    "Extraction",
    "boxed_answer",
    "code_blocks",
    "defines",
    "extract_answer",
    "extract_choice",
    "extract_code",
    "parse_number",
    "stated_answer",
]
