"""What the tests of the server share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from archon_graph import Architecture
from tests.embed.saying import fusing
from tests.embed.server.serving import Held, Serving

KEY = "server-key-5f0c2d9a7b3e"


@pytest.fixture
def start() -> Iterator[Callable[..., Serving]]:
    """Starts servers, and ends them."""
    with ExitStack() as servers:

        def begin(models: Any, **settings: Any) -> Serving:
            if isinstance(models, Architecture):
                models = {"m": models}
            return servers.enter_context(Serving(models, **settings))

        yield begin


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    """A server for many tests, whose model ``m`` generates three drafts and fuses them."""
    with Serving({"m": fusing()}) as serving:
        yield serving


@pytest.fixture
def held() -> Iterator[Held]:
    """A model that holds its calls; whatever happens, none is held for ever."""
    model = Held()
    yield model
    model.go()
