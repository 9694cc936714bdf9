"""Configs of the first implementation: every key is taken over, noted or refused, and none is passed over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from archon_graph import Architecture, ArchitectureError
from archon_graph.components import (
    Critic,
    Fuser,
    Generator,
    Ranker,
    UnitTestEvaluator,
    UnitTestGenerator,
    Verifier,
)
from archon_graph.core import Problem, first_implementation
from archon_graph.core.config import read_config
from archon_graph.models import providers

THEIRS = Path(__file__).parents[3] / "shared" / "data" / "reference_configs"
M = "openai:m"


def part(technique: str = "generator", **keys: Any) -> dict[str, Any]:
    """A component as it stands in such a file."""
    return {"type": technique, "model": "m", "model_type": "OpenAI_API", **keys}


def config(*layers: list[dict[str, Any]], **top: Any) -> dict[str, Any]:
    """A config of these layers."""
    return {"name": "old", "layers": list(layers), **top}


def last(technique: str, **keys: Any) -> dict[str, Any]:
    """A valid config that ends with this component, six candidates coming in."""
    return config([part("unit_test_generator")], [part(samples=6)], [part(technique, **keys)])


def notes_of(data: dict[str, Any]) -> list[Problem]:
    """The warnings about what was read."""
    notes = [problem for problem in read_config(data).problems if problem.severity == "warning"]
    assert list(Architecture.from_config(data).graph.graph[first_implementation.NOTES]) == notes
    return notes


def errors_of(data: dict[str, Any]) -> dict[str, Problem]:
    """What is wrong with a config, by place."""
    with pytest.raises(ArchitectureError) as caught:
        Architecture.from_config(data)
    return {problem.where: problem for problem in caught.value.problems}


def test_both_forms_of_layers_give_the_same_architecture():
    layers = [[part(), part(model="n")], [part("fuser")]]
    by_lists = Architecture.from_config(config(*layers))
    by_models = Architecture.from_config({"name": "old", "layers": [{"models": layer} for layer in layers]})
    assert by_lists == by_models == [Generator(M), Generator("openai:n")] | Fuser(M)
    assert by_lists.name == by_models.name == "old"
    assert by_lists.layers == (("generator_1", "generator_2"), ("fuser_1",))


def test_a_file_in_yaml_will_do_and_gives_the_name_if_there_is_none(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"layers": [[part()]]}))
    architecture = Architecture.load(tmp_path / "mine.yaml")
    assert architecture.name == "mine"
    assert architecture == Generator(M).alone()


@pytest.mark.parametrize(
    ("model_type", "model", "spec"),
    [
        ("OpenAI_API", "gpt-4o", "openai:gpt-4o"),
        ("Together_API", "Qwen/Qwen2-72B-Instruct", "together:Qwen/Qwen2-72B-Instruct"),
        ("Anthropic_API", "claude-3-opus-20240229", "anthropic:claude-3-opus-20240229"),
        ("Groq_API", "llama-3.1-70b-versatile", "groq:llama-3.1-70b-versatile"),
        ("Google_API", "gemini-1.5-pro-001", "google_genai:gemini-1.5-pro-001"),
        ("Bedrock_API", "bedrock/meta.llama3-70b-instruct-v1:0", "bedrock_converse:meta.llama3-70b-instruct-v1:0"),
    ],
)
def test_every_provider_has_a_spec_and_none_is_opened(
    model_type: str, model: str, spec: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    def refuse(*_: object) -> None:
        raise AssertionError("a model was opened")

    monkeypatch.setattr(providers, "open_model", refuse)
    data = config([part(model=model, model_type=model_type)])
    architecture = Architecture.from_config(data)
    assert architecture == Generator(spec).alone()
    assert notes_of(data) == []
    architecture.compile()
    architecture.draw_mermaid()
    architecture.save(tmp_path / "a.yaml")
    assert Architecture.load(tmp_path / "a.yaml") == architecture


@pytest.mark.parametrize("model_type", ["vLLM", "Mine_API"])
def test_a_model_that_no_spec_can_reach_gets_a_name_to_register(model_type: str):
    data = config([part(model="org/m", model_type=model_type)], custom=True)
    assert Architecture.from_config(data) == Generator("custom:org/m").alone()
    [note] = notes_of(data)
    assert note.where == "layers[0][0].model_type"
    assert "register_model('org/m', chat)" in note.way_out


@pytest.mark.parametrize(
    ("data", "ours"),
    [
        (
            config([part(samples=3, temperature=0.7, max_tokens=2048)]),
            Generator(M, samples=3, temperature=0.7, max_tokens=2048),
        ),
        (last("ranker", top_k=3, use_critiques=False, samples=1), Ranker(M, top_k=3, use_critiques=False)),
        (last("ranker"), Ranker(M)),
        (last("fuser", samples=2, temperature=0.0), Fuser(M, samples=2, temperature=0.0)),
        (last("fuser", use_critiques=False, checkpoint=""), Fuser(M, use_critiques=False)),
        (last("critic", samples=1, max_tokens=8192), Critic(M, max_tokens=8192)),
        (last("verifier", first_k=2), Verifier(M, keep="all", first_k=2)),
        (last("verifier"), Verifier(M, keep="all")),
        (config([part("unit_test_generator", unit_test_cap=10)], [part()]), UnitTestGenerator(M, count=10)),
        (last("unit_test_evaluator", top_k=1), UnitTestEvaluator(M, top_k=1)),
        (last("unit_test_evaluator", top_k=1, first_pass=True), UnitTestEvaluator(M, first_k=1)),
        (last("unit_test_evaluator", top_k=2, first_pass=False, first_k=2), UnitTestEvaluator(M, first_k=2)),
        (last("unit_test_evaluator", remove_unit_tests_from_prompt=True), UnitTestEvaluator(M)),
    ],
)
def test_settings_are_taken_over(data: dict[str, Any], ours: Any):
    """Exactly, and with nothing to be said."""
    components = Architecture.from_config(data).components.values()
    assert [component for component in components if component.technique == ours.technique] == [ours]
    assert notes_of(data) == []


@pytest.mark.parametrize(
    ("data", "where", "words"),
    [
        (config([part(top_k=1)]), "layers[0][0].top_k", "does not read top_k in a generator"),
        (config([part(no_system=True)]), "layers[0][0].no_system", "no system message is added"),
        (last("ranker", samples=4), "layers[2][0].samples", "only the first was ever used"),
        (last("ranker", ranker_batch_size=16), "layers[2][0].ranker_batch_size", "setting of llm-blender/PairRM"),
        (last("critic", ranker_batch_size=16), "layers[2][0].ranker_batch_size", "in a critic"),
        (last("fuser", checkpoint="x"), "layers[2][0].checkpoint", "does not read checkpoint"),
        (last("fuser", ranker_config={"a": 1}), "layers[2][0].ranker_config", "does not read ranker_config"),
        (last("fuser", top_k_generations=2), "layers[2][0].top_k_generations", "does not read top_k_generations"),
        (last("fuser", fuse_generations_count=1), "layers[2][0].fuse_generations_count", "does not read"),
        (last("fuser", remove_unit_tests_from_prompt=True), "layers[2][0].remove_unit_tests_from_prompt", "fuser"),
        (last("verifier", batch_num=3), "layers[2][0].batch_num", "does not read batch_num"),
        (last("unit_test_evaluator", unit_test_cap=5), "layers[2][0].unit_test_cap", "in a unit_test_evaluator"),
        (
            last("unit_test_evaluator", remove_unit_tests_from_prompt=False),
            "layers[2][0].remove_unit_tests_from_prompt",
            "never written into the question",
        ),
        (last("unit_test_evaluator", first_k=3, top_k=1), "layers[2][0].top_k", "it was 1 if fewer passed"),
        (last("unit_test_evaluator", first_k=3), "layers[2][0].top_k", "it was all if fewer passed"),
        (last("ranker", top_k=9), "layers[2][0].top_k", "it is 9 and only 6 candidates come in"),
        (last("verifier", first_k=9), "layers[2][0].first_k", "so it became 6"),
        (
            {"layers": [{"branches": 5, "models": [part()]}]},
            "layers[0].branches",
            "does not read branches in a layer",
        ),
        (config([part()], [part("critic"), part()], [part("fuser")]), "layers[1]", "runs side by side"),
    ],
)
def test_what_has_no_effect_or_another_one_is_noted_once(data: dict[str, Any], where: str, words: str):
    [note] = notes_of(data)
    assert note.where == where
    assert words in note.message


def test_a_note_counts_the_places_it_is_about():
    data = config([part(top_k=1), part(top_k=2), part(top_k=1)], [part("fuser", top_k=1)])
    assert [note.where for note in notes_of(data)] == ["layers[0][0].top_k and 2 more", "layers[1][0].top_k"]


def test_length_control_is_not_lost():
    """It is a setting of the fuser, or there is a note that it is not."""
    data = last("fuser", length_control=True)
    [fuser] = [each for each in Architecture.from_config(data).components.values() if each.technique == "fuser"]
    noted = [note.where for note in notes_of(data)]
    assert fuser.to_config().get("length_control") is True or noted == ["layers[2][0].length_control"]


def test_what_was_never_sent_to_a_provider_is_not_sent_by_us():
    claude = part(model="claude", model_type="Anthropic_API", max_tokens=200000)
    thinker = part(model="o1-preview-2024-09-12", temperature=0.7, max_tokens=2048)
    data = config([claude, thinker])
    assert Architecture.from_config(data) == Architecture.from_layers(
        [[Generator("anthropic:claude", max_tokens=4096), Generator("openai:o1-preview-2024-09-12")]]
    )
    assert [note.where for note in notes_of(data)] == [
        "layers[0][0].max_tokens",
        "layers[0][1].temperature",
        "layers[0][1].max_tokens",
    ]


@pytest.mark.parametrize(
    ("data", "where", "words"),
    [
        (config([part(smaples=3)]), "layers[0][0].smaples", "did you mean 'samples'?"),
        (last("fuser", length_contorl=True), "layers[2][0].length_contorl", "did you mean 'length_control'?"),
        (config([part()], nmae="x"), "nmae", "did you mean 'name'?"),
        ({"layers": [{"branchs": 1, "models": [part()]}]}, "layers[0].branchs", "did you mean 'branches'?"),
        ({"layers": [{"models": [part(), part("fusr")]}]}, "layers[0].models[1].type", "did you mean 'fuser'?"),
        (config([{"model": "m", "model_type": "OpenAI_API"}]), "layers[0][0].type", "is missing"),
        (config([part(model_type="OpenAI_AIP")]), "layers[0][0].model_type", "did you mean 'OpenAI_API'?"),
        (config([part(model_type=["x"])]), "layers[0][0].model_type", "no provider ['x']"),
        (config([part()], [{"type": "fuser", "model": "m"}]), "layers[1][0].model_type", "is missing"),
        (config([part(model_type="tgi", model="http://a:1")]), "layers[0][0].model_type", "cannot be named"),
        (config([part(model_type="vLLM", model="a:b")]), "layers[0][0].model", "there is a colon in it"),
        (config([part(model=None)]), "layers[0][0].model", "got nothing"),
        (config([{"type": "generator", "model_type": "OpenAI_API"}]), "layers[0][0].model", "is missing"),
        (config([part(samples=0)]), "layers[0][0].samples", "greater than or equal to 1"),
        (config([part(temperature="hot")]), "layers[0][0].temperature", "got 'hot'"),
        (
            config([part("unit_test_generator", unit_test_cap=0)], [part()]),
            "layers[0][0].unit_test_cap",
            "greater than or equal to 1",
        ),
        (last("ranker", model="llm-blender/PairRM"), "layers[2][0].model", "only compares pairs"),
        (config([part()], []), "layers[1]", "empty list"),
        (config([part()], ["x"]), "layers[1][0]", "a component is a mapping"),  # type: ignore[list-item]
        (config([part()], part("fuser")), "layers[1]", "a layer is a list"),  # type: ignore[arg-type]
        (config([part("ranker")]), "ranker_1", "in the first layer there are none"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(data: dict[str, Any], where: str, words: str):
    assert words in errors_of(data)[where].message


def test_everything_wrong_is_reported_at_once():
    data = config([part(model_type="x", smaples=1, samples=0)], [part("fusr")], nmae="x")
    assert list(errors_of(data)) == [
        "nmae",
        "layers[0][0].smaples",
        "layers[0][0].model_type",
        "layers[0][0].samples",
        "layers[1][0].type",
    ]


def test_a_ranker_that_is_no_language_model_names_what_to_take_instead():
    problem = errors_of(last("ranker", model="llm-blender/PairRM", model_type=""))["layers[2][0].model"]
    assert problem.rule == "no-pair-ranker"
    assert '"model_type": "OpenAI_API"' in problem.way_out


def test_lenient_warns_of_misspelt_keys_and_leaves_them_out():
    with pytest.warns(UserWarning, match=r"layers\[2\]\[0\]\.length_contorl: .*did you mean 'length_control'"):
        architecture = Architecture.from_config(last("fuser", length_contorl=True), lenient=True)
    assert architecture == Architecture.from_config(last("fuser"))


def test_a_misspelt_model_type_does_not_hide_what_form_it_is():
    errors = errors_of({"layers": [[{"type": "generator", "model": "m", "model_tpye": "OpenAI_API"}]]})
    assert "did you mean 'model_type'?" in errors["layers[0][0].model_tpye"].message


@pytest.mark.parametrize(
    "data",
    [
        {"layers": [{"technique": "generator", "model": M, "model_type": "OpenAI_API"}]},
        {"archon_graph": 1, "layers": [[part()]]},
        {"layers": [{"type": "generator", "model": M}]},
    ],
)
def test_our_own_form_is_never_taken_for_theirs(data: dict[str, Any]):
    assert not first_implementation.is_config(data)


values = st.none() | st.booleans() | st.integers(-2, 30) | st.sampled_from(["", "m", "OpenAI_API", "generator"])
junk = st.dictionaries(
    st.sampled_from([*first_implementation._KNOWN, "smaples"]),
    values | st.lists(values, max_size=2) | st.dictionaries(st.text(max_size=2), values, max_size=1),
    max_size=6,
)
parts = st.builds(
    lambda keys, technique: {**part(technique), **keys}, junk, st.sampled_from([*first_implementation._READ])
)
layers_of = st.lists(
    values | st.lists(parts, max_size=3) | st.builds(lambda models: {"models": models}, values), max_size=3
)


@given(layers_of)
def test_no_config_can_crash_the_reader(layers: list[Any]):
    """Whatever is in it, the outcome is an architecture or one clear error."""
    try:
        architecture = Architecture.from_config({"layers": [[part()], *layers]})
    except ArchitectureError as error:
        assert error.problems
    else:
        assert Architecture.from_config(architecture.to_config()) == architecture


@pytest.mark.skipif(not THEIRS.is_dir(), reason="the first implementation's own configs are not on this machine")
class TestTheirOwn:
    """The 205 configs that the first implementation came with, which are not in this repository."""

    def test_every_file_loads_unless_it_is_broken_misspelt_or_needs_a_pair_ranker(self):
        refused: dict[str, list[str]] = {}
        files = sorted(THEIRS.rglob("*.json"))
        for path in files:
            try:
                Architecture.load(path)
            except ArchitectureError as error:
                [rule] = {problem.rule for problem in error.problems}
                refused.setdefault(rule, []).append(path.name)
        assert len(files) == 205
        assert {rule: len(names) for rule, names in refused.items()} == {
            "broken-file": 2,
            "unknown-key": 3,
            "no-pair-ranker": 3,
        }
        assert all("pairrm" in name.lower() for name in refused["no-pair-ranker"])

    def test_the_misspelt_ones_load_when_lenient(self):
        paths = [path for path in THEIRS.rglob("*.json") if "length_contorl" in path.read_text()]
        for path in paths:
            with pytest.warns(UserWarning, match="length_contorl") as warned:
                Architecture.load(path, lenient=True)
            assert len(warned) == 8
        assert len(paths) == 3

    def test_broken_files_are_named_with_line_and_column(self):
        name = "archon-1-110bFuser-1-110bRanker5-8-70BM.json"
        with pytest.raises(ArchitectureError, match=rf"{name}:71:40: this is not valid JSON"):
            Architecture.load(THEIRS / name)

    def test_every_file_that_loads_has_each_candidate_and_key_of_the_file(self):
        """Counted from the file itself, and not by the reader."""
        for path, architecture in accepted():
            layers = [layer["models"] if isinstance(layer, dict) else layer for layer in raw(path)["layers"]]
            assert [len(layer) for layer in layers] == [len(layer) for layer in architecture.layers]
            for parts_, nodes in zip(layers, architecture.layers, strict=True):
                for theirs, node in zip(parts_, nodes, strict=True):
                    ours = architecture.components[node].to_config()
                    assert ours["technique"] == theirs["type"]
                    assert ours["model"].partition(":")[2] == theirs["model"]
                    if theirs["type"] in {"generator", "fuser"}:
                        assert ours.get("samples", 1) == theirs.get("samples", 1)

    def test_no_key_of_any_file_is_passed_over_in_silence(self):
        """Without it there is another architecture, or a note less; if not, it says what is the case anyway."""
        says_nothing = {
            ("samples", 1),
            ("checkpoint", ""),
            ("use_critiques", True),
            ("unit_test_cap", 5),
            ("remove_unit_tests_from_prompt", True),
        }
        seen = set()
        for path, _ in accepted():
            data = raw(path)
            layers = [layer for layer in data["layers"] if isinstance(layer, dict)]
            found = [
                part_ for layer in data["layers"] for part_ in (layer["models"] if layer in layers else layer)
            ]
            for mapping in [*layers, *found]:
                for key in set(mapping) - {"type", "model", "model_type", "models"}:
                    case = (mapping.get("type"), mapping.get("model_type"), key, repr(mapping[key]))
                    if case in seen:
                        continue
                    seen.add(case)
                    value, before = mapping[key], outcome(data)
                    del mapping[key]
                    assert outcome(data) != before or (key, value) in says_nothing, (path, case)
                    mapping[key] = value
        assert len(seen) > 50

    def test_every_file_that_loads_compiles_draws_and_survives_saving(self, tmp_path: Path):
        for path, architecture in accepted():
            architecture.compile()
            assert architecture.draw_mermaid().startswith("flowchart")
            architecture.save(tmp_path / "new.yaml")
            again = Architecture.load(tmp_path / "new.yaml")
            assert again.fingerprint == architecture.fingerprint, path
            assert (again.name, again.layers) == (architecture.name, architecture.layers)


def outcome(data: dict[str, Any]) -> tuple[str, Any]:
    """What became of a config, in the architecture and in words."""
    architecture = Architecture.from_config(data)
    return architecture.fingerprint, architecture.graph.graph[first_implementation.NOTES]


def raw(path: Path) -> dict[str, Any]:
    """What stands in a file."""
    data: dict[str, Any] = json.loads(path.read_text())
    return data


def accepted() -> list[tuple[Path, Architecture]]:
    """Every file of theirs that loads."""
    loaded = []
    for path in sorted(THEIRS.rglob("*.json")):
        try:
            loaded.append((path, Architecture.load(path)))
        except ArchitectureError:
            continue
    return loaded
