"""What an architecture is, and how it runs: components, graphs of them, rules, files, compiler, results."""

from archon_graph.core.answer_form import FREE, AnswerForm, form_words
from archon_graph.core.architecture import Architecture, Question
from archon_graph.core.component import (
    COMPONENT_CONFIG,
    Component,
    Count,
    ModelComponent,
    Style,
    warn_of_many,
)
from archon_graph.core.context import NodeContext
from archon_graph.core.conversation import (
    CONVERSATION,
    as_material,
    conversation_text,
    show_candidates,
    show_tests,
    with_task,
)
from archon_graph.core.errors import ArchitectureError, NoAnswerError, Problem, UnsavableModelError
from archon_graph.core.prompt import Prompt, load_prompt
from archon_graph.core.registry import UnknownTechniqueError, find_component, techniques
from archon_graph.core.result import NodeReport, Result
from archon_graph.core.state import Candidate, Loss, State, UnitTest, is_empty
from archon_graph.models import ModelError

__all__ = [
    "COMPONENT_CONFIG",
    "CONVERSATION",
    "FREE",
    "AnswerForm",
    "Architecture",
    "ArchitectureError",
    "Candidate",
    "Component",
    "Count",
    "Loss",
    "ModelComponent",
    "ModelError",
    "NoAnswerError",
    "NodeContext",
    "NodeReport",
    "Problem",
    "Prompt",
    "Question",
    "Result",
    "State",
    "Style",
    "UnitTest",
    "UnknownTechniqueError",
    "UnsavableModelError",
    "as_material",
    "conversation_text",
    "find_component",
    "form_words",
    "is_empty",
    "load_prompt",
    "show_candidates",
    "show_tests",
    "techniques",
    "warn_of_many",
    "with_task",
]
