"""Finding the final answer in a text, in a form in which equal answers are equal."""

from archon_graph.answers.extraction import EXTRACTORS, Extraction, extract_answer

__all__ = ["EXTRACTORS", "Extraction", "extract_answer"]
