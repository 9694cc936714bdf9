"""Reading files: every problem at once, with its place and the nearest known word."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon_graph import Architecture, ArchitectureError
from archon_graph.core.config import read_config

RESOURCES = Path(__file__).parent.parent / "resources"


def problems_of(data: object) -> dict[str, str]:
    """Place and words of everything found wrong in a configuration."""
    return {problem.where: problem.message for problem in read_config(data).problems}


def test_broken_json_names_line_and_column():
    """So that an editor can go there."""
    with pytest.raises(ArchitectureError, match=r"broken_comma\.json:3:\d+: this is not valid JSON"):
        Architecture.load(RESOURCES / "broken_comma.json")


def test_broken_yaml_names_line_and_column(tmp_path: Path):
    """The same for YAML."""
    path = tmp_path / "a.yaml"
    path.write_text("layers:\n  - [technique: generator\n")
    with pytest.raises(ArchitectureError, match=r"a\.yaml:\d+:\d+: this is not valid YAML"):
        Architecture.load(path)


def test_misspelt_keys_and_techniques_are_all_named():
    """With the nearest known word for each."""
    with pytest.raises(ArchitectureError) as caught:
        Architecture.load(RESOURCES / "misspelt_keys.yaml")
    text = str(caught.value)
    assert "layers[0].smaples: unknown key 'smaples' (did you mean 'samples'?)" in text
    assert "layers[1]: no technique is called 'fusr' (did you mean 'fuser'?)" in text
    assert "unknown key 'nmae' (did you mean 'name'?)" in text


def test_lenient_warns_of_unknown_keys_and_goes_on(tmp_path: Path):
    """For files that were written for a later version."""
    config = {"layers": [{"technique": "generator", "model": "openai:a", "smaples": 5}]}
    with pytest.warns(UserWarning, match="did you mean 'samples'"):
        architecture = Architecture.from_config(config, lenient=True)
    assert architecture.max_calls == 1


def test_missing_file_names_its_neighbour(tmp_path: Path):
    """A typing mistake in the path is the most common one."""
    (tmp_path / "best.yaml").write_text("layers: []")
    with pytest.raises(ArchitectureError, match=r"Did you mean .*best\.yaml\?"):
        Architecture.load(tmp_path / "bset.yaml")


@pytest.mark.parametrize(
    ("data", "where", "words"),
    [
        ([], "the top level", "must be a mapping"),
        (None, "the top level", "must be a mapping, got nothing"),
        ({}, "the top level", "neither layers nor nodes"),
        ({"archon_graph": 99, "layers": []}, "archon_graph", "format 99"),
        ({"layers": "x"}, "layers", "must be a list"),
        ({"layers": [[]]}, "layers[0]", "empty list"),
        ({"layers": ["generator"]}, "layers[0]", "must be a mapping"),
        ({"layers": [{"model": "m"}]}, "layers[0]", "which technique"),
        ({"layers": [{"technique": "generator"}]}, "layers[0].model", "missing"),
        (
            {"layers": [[{"technique": "generator", "model": "m", "samples": "many"}]]},
            "layers[0][0].samples",
            "valid integer",
        ),
        (
            {"layers": [{"technique": "ranker", "model": "m", "prompt": {"version": "1", "parts": {"tusk": ""}}}]},
            "layers[0]",
            "unknown prompt part 'tusk'",
        ),
        ({"nodes": {"g": {"technique": "generator", "model": "m"}}, "edges": [["g"]]}, "edges[0]", "a pair"),
        ({"nodes": [], "edges": []}, "nodes", "must map names"),
        ({"layers": [], "nodes": {}}, "layers", "either layers, or nodes"),
    ],
)
def test_each_mistake_has_its_place(data: object, where: str, words: str):
    """And says what was received."""
    assert words in problems_of(data)[where]


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["layers", "nodes", "edges", "technique", "model", "samples", "name", "archon_graph"])
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(junk)
def test_no_configuration_can_crash_the_reader(data: object):
    """Whatever was parsed from a file, the outcome is an architecture or one clear error."""
    try:
        Architecture.from_config(data)  # type: ignore[arg-type]
    except ArchitectureError as error:
        assert error.problems
