"""Reads the JSON configs of Archon's first implementation, and says of every key what became of it.

    {"name": "old", "layers": [[{"type": "generator", "model": "gpt-4o", "model_type": "OpenAI_API",
                                 "temperature": 0.7, "max_tokens": 2048, "samples": 5}]]}

A layer is a list of components, or in older files a mapping with the list as its ``models``. What a file asks for
is done. A key that has no effect, or that is taken differently, is noted: one warning for all the places in which
the same is to be said. What cannot be done is an error that says what to do instead. ``docs/migrate.md`` has the
whole table.

Source: the configs and the behaviour of the repository ScalingIntelligence/Archon; the code is our own.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from archon_graph.core.config import Draft, is_list, kind, nearest, reason, unknown_keys
from archon_graph.core.errors import Problem
from archon_graph.core.registry import find_component
from archon_graph.core.validation import component_at, counts_into

if TYPE_CHECKING:
    from archon_graph.core.component import Component

NOTES = "notes"
"""Attribute of the graph under which the notes are kept: the warnings about what was read."""

_PROVIDERS = {
    "Together_API": "together",
    "OpenAI_API": "openai",
    "Anthropic_API": "anthropic",
    "Groq_API": "groq",
    "Google_API": "google_genai",
    "Bedrock_API": "bedrock_converse",
}
_MODEL_TYPES = (*_PROVIDERS, "vLLM", "tgi")

_FOR_ALL = ("type", "model", "model_type", "temperature", "max_tokens", "samples", "no_system")
_READ: dict[str, tuple[str, ...]] = {
    "generator": _FOR_ALL,
    "ranker": (*_FOR_ALL, "top_k", "use_critiques", "ranker_batch_size"),
    # It never read use_critiques, but the key can only mean one thing, and ours has the setting.
    "fuser": (*_FOR_ALL, "use_critiques", "length_control"),
    "critic": _FOR_ALL,
    "verifier": (*_FOR_ALL, "first_k"),
    "unit_test_generator": (*_FOR_ALL, "unit_test_cap"),
    "unit_test_evaluator": (
        *_FOR_ALL,
        "top_k",
        "first_k",
        "first_pass",
        "unit_test_cap",
        "remove_unit_tests_from_prompt",
    ),
}
# They stand in its own files, and it does not read them.
_NEVER_READ = ("batch_num", "checkpoint", "fuse_generations_count", "ranker_config", "top_k_generations")
_KNOWN = frozenset(_NEVER_READ).union(*_READ.values())
_SAMPLED = ("generator", "fuser")

_PAIR_RANKER = "llm-blender/PairRM"
# What it asked of Anthropic whatever a file said; some of its files have more than any model there could write.
_ANTHROPIC_MAX_TOKENS = 4096
_WITHOUT_SAMPLING = ("o1-preview-2024-09-12", "o1-mini-2024-09-12")


def is_config(data: Mapping[Any, Any]) -> bool:
    """Whether this is a config of the first implementation: its components have a ``model_type``."""
    if "archon_graph" in data or not is_list(data.get("layers")):
        return False
    parts = [part for layer in data["layers"] for part in _parts(layer) or () if isinstance(part, Mapping)]
    # A misspelt one counts, so that it is reported as such.
    return not any("technique" in part for part in parts) and any(
        difflib.get_close_matches("model_type", map(str, part), n=1, cutoff=0.8) for part in parts
    )


def read(data: Mapping[Any, Any], *, name: str, lenient: bool) -> Draft:
    """Read a config of the first implementation.

    What is wrong becomes a problem of the draft, and reading goes on. Notes are there too, as warnings, and in the
    graph's attribute `NOTES`.
    """
    return _Reader(data, name=name, lenient=lenient).read()


class _Reader:
    def __init__(self, data: Mapping[Any, Any], *, name: str, lenient: bool) -> None:
        self._data = data
        self._lenient = lenient
        self._draft = Draft(name=data["name"] if isinstance(data.get("name"), str) else name)
        self._paths: dict[str, str] = {}
        self._notes: dict[tuple[str, str, str, str], list[str]] = {}

    def read(self) -> Draft:
        draft, numbers = self._draft, dict.fromkeys(_READ, 0)
        unknown_keys(draft, self._data, ("name", "layers", "custom"), "", lenient=self._lenient)
        before: list[str] = []
        for number, layer in enumerate(self._data["layers"]):
            where = f"layers[{number}]"
            nodes = []
            for place, part in self._layer(layer, where).items():
                component = self._component(part, place)
                technique = part.get("type") if isinstance(part, Mapping) else None
                stem = technique if isinstance(technique, str) and technique in _READ else "component"
                numbers[stem] = numbers.get(stem, 0) + 1
                node = f"{stem}_{numbers[stem]}"
                draft.graph.add_node(node, component=component)
                self._paths[node] = place
                nodes.append(node)
            self._mixed(nodes, where)
            draft.graph.add_edges_from((earlier, node) for node in nodes for earlier in before)
            before = nodes or before
        self._clamp()
        notes = tuple(self._note_problems())
        draft.graph.graph[NOTES] = notes
        draft.problems.extend(notes)
        return draft

    def _layer(self, layer: object, where: str) -> dict[str, Any]:
        """The components of a layer by their places in the file."""
        parts = _parts(layer)
        if parts is None:
            message = f"a layer is a list of components, got {kind(layer)}"
            self._draft.add("bad-config", where, message, "Put its components into a list")
            return {}
        if isinstance(layer, Mapping):
            known = ("models", "branches")
            unknown_keys(self._draft, layer, known, f"{where}.", lenient=self._lenient)
            if layer.get("branches"):
                self._never_read(f"{where}.branches", "a layer", "branches")
            where += ".models"
        if not parts:
            self._draft.add("empty-layer", where, "it is an empty list", "Put a component into it")
        return {f"{where}[{number}]": part for number, part in enumerate(parts)}

    def _component(self, part: object, where: str) -> Component | None:
        """The component, or ``None`` and a problem for everything wrong with it."""
        add = self._draft.add
        if not isinstance(part, Mapping):
            add("bad-config", where, f"a component is a mapping, got {kind(part)}", 'Write {"type": ...}')
            return None
        technique = part.get("type")
        if not isinstance(technique, str) or technique not in _READ:
            hint = nearest(technique, _READ) if isinstance(technique, str) else ""
            add(
                "unknown-technique",
                f"{where}.type",
                f"there is no technique {technique!r}{hint}" if "type" in part else "it is missing",
                f"Known are {', '.join(_READ)}; write one of your own as a subclass of archon_graph's Component",
            )
            return None
        self._keys(part, technique, where)
        model = self._model(part, where)
        settings, sources = self._settings(part, technique, where)
        if model is None:
            # The other settings are looked at all the same, so that everything wrong is reported at once.
            self._make(technique, "openai:unknown", settings, sources, where)
            return None
        return self._make(technique, model, settings, sources, where)

    def _make(
        self, technique: str, model: str, settings: dict[str, Any], sources: dict[str, str], where: str
    ) -> Component | None:
        try:
            return find_component(technique)(model=model, **settings)  # type: ignore[call-arg]
        except ValidationError as error:
            for part in error.errors(include_url=False):
                key = sources.get(str(part["loc"][0]), str(part["loc"][0])) if part["loc"] else technique
                self._draft.add("bad-setting", f"{where}.{key}", reason(part), f"Mend {key}")
        return None

    def _keys(self, part: Mapping[Any, Any], technique: str, where: str) -> None:
        """Report the keys that nothing is known of, and note those that were never read."""
        known = _READ[technique]
        unless_noted = {key: value for key, value in part.items() if key in known or key not in _KNOWN}
        unknown_keys(self._draft, unless_noted, known, f"{where}.", lenient=self._lenient)
        for key, value in part.items():
            # Empty, it says nothing that could be lost.
            if key in _KNOWN and key not in known and value not in (None, "", False, [], {}):
                self._never_read(f"{where}.{key}", f"a {technique}", key)

    def _model(self, part: Mapping[Any, Any], where: str) -> str | None:
        """The model's spec; ``None`` and a problem if there is none."""
        add, path = self._draft.add, f"{where}.model_type"
        model, provider = part.get("model"), part.get("model_type")
        if not isinstance(model, str) or not model:
            said = f"it must be a model's name, got {kind(model)}" if "model" in part else "it is missing"
            add("bad-setting", f"{where}.model", said, "Name a model")
            return None
        if model == _PAIR_RANKER:
            add(
                "no-pair-ranker",
                f"{where}.model",
                f"{model} is a model that only compares pairs of answers, and is not supported",
                'Take a language model as the ranker: "model": "gpt-4o", "model_type": "OpenAI_API"',
            )
            return None
        if isinstance(provider, str) and provider in _PROVIDERS:
            name = model.removeprefix("bedrock/") if provider == "Bedrock_API" else model
            return f"{_PROVIDERS[provider]}:{name}"
        own = self._data.get("custom") is True and isinstance(provider, str) and provider not in _MODEL_TYPES
        if provider == "vLLM" or own:
            if ":" not in model:
                spec = f"custom:{model}"
                self._note(
                    path,
                    "taken-differently",
                    f"no spec can say how to reach a model of {provider}, so it became {spec!r}",
                    f"Before a run, give a chat model that name: models.register_model({model!r}, chat)",
                )
                return spec
            said = f"a model cannot be registered as {model!r}: there is a colon in it"
            add("unknown-provider", f"{where}.model", said, "Choose a name without one")
        elif provider == "tgi":
            add(
                "unknown-provider",
                path,
                f"the server at {model!r} cannot be named in a file",
                "Name it with models.register_model('NAME', ChatOpenAI(base_url=...)), and write this config in "
                "archon-graph's own form with model: custom:NAME",
            )
        else:
            hint = nearest(provider, _MODEL_TYPES) if isinstance(provider, str) else ""
            add(
                "unknown-provider",
                path,
                f"there is no provider {provider!r}{hint}" if "model_type" in part else "it is missing",
                f'Known are {", ".join(_MODEL_TYPES)}; with "custom": true at the top, it may be any other',
            )
        return None

    def _settings(
        self, part: Mapping[Any, Any], technique: str, where: str
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """Our settings, and the key in the file that each comes from where that has another name."""
        same = ("temperature", "max_tokens", "top_k", "first_k", "use_critiques")
        settings = {key: part[key] for key in same if key in part and key in _READ[technique]}
        sources: dict[str, str] = {}
        self._sampling(part, technique, settings, where)
        if technique == "ranker" and part.get("ranker_batch_size") is not None:
            message = f"it is a setting of {_PAIR_RANKER}; a language model sees all candidates at once"
            self._note(f"{where}.ranker_batch_size", "no-effect", message, "Remove it")
        elif technique == "fuser":
            if part.get("length_control"):
                settings["length_control"] = part["length_control"]
        elif technique == "verifier":
            # What the first implementation passed on if none was verified.
            settings["keep"] = "all"
            settings["first_k"] = settings.get("first_k") or None
        elif technique == "unit_test_generator" and part.get("unit_test_cap") is not None:
            settings["count"], sources["count"] = part["unit_test_cap"], "unit_test_cap"
        elif technique == "unit_test_evaluator":
            self._evaluator(part, settings, sources, where)
        return settings, sources

    def _sampling(self, part: Mapping[Any, Any], technique: str, settings: dict[str, Any], where: str) -> None:
        """How a model is asked: as the file says, but for what was never sent and would be refused."""
        if "samples" in part and technique in _SAMPLED:
            settings["samples"] = part["samples"]
        elif part.get("samples", 1) != 1:
            message = f"of several samples of a {technique} only the first was ever used, so one is drawn"
            self._note(f"{where}.samples", "no-effect", message, "Remove it")
        if part.get("no_system"):
            self._note(
                f"{where}.no_system",
                "no-effect",
                "no system message is added to a question here; one that the conversation has, or that a "
                "technique needs to say its task, goes to every model",
                "For a model that takes none, ask without one",
            )
        provider, model, most = part.get("model_type"), part.get("model"), part.get("max_tokens")
        if provider == "Anthropic_API" and isinstance(most, int) and most > _ANTHROPIC_MAX_TOKENS:
            settings["max_tokens"] = _ANTHROPIC_MAX_TOKENS
            self._note(
                f"{where}.max_tokens",
                "taken-differently",
                f"it is {most} and became {_ANTHROPIC_MAX_TOKENS}, which is what the first implementation asked "
                "Anthropic for whatever a file said",
                "If your model can write more, convert the file and raise it there",
            )
        if provider == "OpenAI_API" and model in _WITHOUT_SAMPLING:
            for key in ("temperature", "max_tokens"):
                if settings.pop(key, None) is not None:
                    self._note(
                        f"{where}.{key}", "no-effect", f"{model} takes none and was never sent it", "Remove it"
                    )

    def _evaluator(
        self, part: Mapping[Any, Any], settings: dict[str, Any], sources: dict[str, str], where: str
    ) -> None:
        first = part.get("first_k")
        if first is None and part.get("first_pass"):
            first, sources["first_k"] = 1, "first_pass"
        settings["first_k"] = first or None
        if settings["first_k"] is not None:
            top = settings.pop("top_k", None)
            if top != first:
                self._note(
                    f"{where}.top_k",
                    "taken-differently",
                    f"first_k is {first}, and that many are kept; in the first implementation it was "
                    f"{'all' if top is None else top} if fewer passed every test",
                    "To keep the best by score alone, convert the file and set top_k in place of first_k",
                )
        if part.get("unit_test_cap") is not None:
            self._never_read(f"{where}.unit_test_cap", "a unit_test_evaluator", "unit_test_cap")
        if part.get("remove_unit_tests_from_prompt", True) is not True:
            self._note(
                f"{where}.remove_unit_tests_from_prompt",
                "no-effect",
                "tests are never written into the question, so there is nothing to leave in",
                "Remove it",
            )

    def _mixed(self, nodes: list[str], where: str) -> None:
        """Note a layer in which our way of running, side by side on the same input, gives something else."""
        components = (component_at(self._draft.graph, node) for node in nodes)
        names = list(dict.fromkeys(component.technique for component in components if component is not None))
        passing = [name for name in names if name in {"critic", "unit_test_generator"}]
        if passing and len(names) > 1:
            others = " and ".join(name for name in names if name != passing[0])
            self._note(
                where,
                "taken-differently",
                f"the {passing[0]} runs side by side with the {others}: they see nothing of its work, and the "
                "candidates it was given go on next to theirs",
                f"Put the {passing[0]} into a layer of its own",
            )

    def _clamp(self) -> None:
        """Make what is kept no more than what comes in: there that was all, in our rules it is an error."""
        for node, incoming in counts_into(self._draft.graph).items():
            component = component_at(self._draft.graph, node)
            if component is None or not incoming:
                continue
            for key in ("top_k", "first_k"):
                wanted = getattr(component, key, None)
                if wanted is not None and wanted > incoming:
                    setting: dict[str, Any] = {key: incoming}
                    component = replace(component, **setting)
                    self._draft.graph.nodes[node]["component"] = component
                    self._note(
                        f"{self._paths[node]}.{key}",
                        "taken-differently",
                        f"it is {wanted} and only {incoming} candidates come in, so it became {incoming}",
                        "Lower it, or draw more samples before it",
                    )

    def _never_read(self, where: str, what: str, key: str) -> None:
        self._note(where, "no-effect", f"the first implementation does not read {key} in {what}", "Remove it")

    def _note(
        self, where: str, rule: Literal["no-effect", "taken-differently"], message: str, way_out: str
    ) -> None:
        key = where.rpartition(".")[2]
        self._notes.setdefault((key, rule, message, way_out), []).append(where)

    def _note_problems(self) -> list[Problem]:
        return [
            Problem(
                rule=rule,
                where=places[0] if len(places) == 1 else f"{places[0]} and {len(places) - 1} more",
                message=message,
                way_out=way_out,
                severity="warning",
            )
            for (_, rule, message, way_out), places in self._notes.items()
        ]


def _parts(layer: object) -> list[Any] | None:
    """The components of a layer in either form; ``None`` if it has neither."""
    models = layer.get("models") if isinstance(layer, Mapping) else layer
    return list(models) if is_list(models) else None
