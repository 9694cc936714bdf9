"""Whatever a client sends, it is told what is wrong, in OpenAI's form, and nothing about this machine."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon_graph.embed.server.errors import RequestError
from archon_graph.embed.server.wire import Asked, read_request
from tests.embed.saying import fusing
from tests.embed.server.serving import Serving, until
from tests.scripts import load

LIMIT = 200_000
malformed = load("malformed")


def ask_all(count: int, seed: int) -> None:
    with Serving({"m": fusing()}, max_body=LIMIT) as server:
        asker = malformed.Asker(server.url)
        try:
            for case in malformed.cases("m", count, seed, limit=LIMIT):
                asker.ask(case)
        finally:
            asker.close()
        assert asker.wrong == []
        # Of every kind, some were answered, and by all kinds of status.
        assert len({name.partition(":")[0] for name in asker.statuses}) == 11
        until(lambda: server.traffic.running == 0)
        assert server.post().status_code == 200


def test_some_hundred_wrong_requests():
    ask_all(330, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 6))
def test_thousands_of_wrong_requests(seed: int):
    ask_all(2000, seed)


def test_the_request_that_all_others_are_made_of_is_right():
    assert isinstance(read_request(json.dumps(malformed.good(random.Random(0), "m")).encode()), Asked)


_TEXTS = st.text(max_size=8)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXTS,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(_TEXTS, inside, max_size=3),
    max_leaves=8,
)
_NAMES = st.sampled_from(sorted(malformed.good(random.Random(0), "m")))


@given(st.dictionaries(_NAMES | _TEXTS, _JSON, max_size=4))
def test_any_object_is_a_request_or_is_refused(changes: dict[str, Any]):
    data = {**malformed.good(random.Random(0), "m"), **changes}
    try:
        asked = read_request(json.dumps(data).encode())
    except RequestError as error:
        assert error.status == 400
        json.dumps(error.body()).encode()
    else:
        assert isinstance(asked, Asked)


@given(st.binary(max_size=60) | _JSON.map(lambda data: json.dumps(data).encode()))
def test_any_bytes_are_refused(body: bytes):
    with pytest.raises(RequestError) as caught:
        read_request(body)
    assert caught.value.status == 400
