"""Who may ask, and by which name."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai import OpenAI

from archon_graph.embed.server import ServerSettings, create_app
from archon_graph.models import ConfigurationError
from archon_graph.models.redact import redact
from tests.embed.saying import FUSED, fusing
from tests.embed.server.conftest import KEY
from tests.embed.server.serving import QUESTION, Serving


class TestKey:
    def test_the_right_one(self, start: Callable[..., Serving]):
        server = start(fusing(), api_key=KEY)
        with OpenAI(base_url=server.url, api_key=KEY, max_retries=0) as client:
            reply = client.chat.completions.create(model="m", messages=QUESTION)
        assert reply.choices[0].message.content == FUSED

    def test_another_one(self, start: Callable[..., Serving]):
        server = start(fusing(), api_key=KEY)
        with (
            OpenAI(base_url=server.url, api_key=KEY + "x", max_retries=0) as client,
            pytest.raises(openai.AuthenticationError) as caught,
        ):
            client.chat.completions.create(model="m", messages=QUESTION)
        assert caught.value.code == "invalid_api_key"

    @pytest.mark.parametrize(
        "value", ["", "Bearer", f"Basic {KEY}", KEY, f"Bearer {KEY[:-1]}", f"Bearer {KEY} {KEY}", "Bearer \xff"]
    )
    def test_what_is_none(self, start: Callable[..., Serving], value: str):
        server = start(fusing(), api_key=KEY)
        reply = server.post(headers={"Authorization": value.encode("latin-1")})
        assert reply.status_code == 401
        assert reply.headers["www-authenticate"] == "Bearer"
        assert KEY not in reply.text

    def test_everything_but_health_needs_it(self, start: Callable[..., Serving]):
        server = start(fusing(), api_key=KEY)
        bearer = {"Authorization": f"bearer {KEY}"}
        assert server.get("/health").status_code == 200
        for path in ("/ready", "/metrics", "/v1/models", "/v1/models/m"):
            assert server.get(path).status_code == 401
            assert server.get(path, headers=bearer).status_code == 200
        assert server.get("/elsewhere").status_code == 401

    def test_it_is_in_no_log_and_no_text(self, start: Callable[..., Serving], caplog: pytest.LogCaptureFixture):
        caplog.set_level(logging.DEBUG)
        server = start(fusing(), api_key=KEY)
        bearer = {"Authorization": f"Bearer {KEY}"}
        server.post(headers=bearer)
        told = server.get(f"/v1/models/{KEY}?key={KEY}", headers=bearer)
        assert told.status_code == 404
        server.post(model=KEY, headers=bearer)
        assert "/v1/chat/completions" in caplog.text
        assert KEY not in told.text
        assert KEY not in "\n".join(record.getMessage() for record in caplog.records if record.name != "httpx")
        assert KEY not in redact(KEY)
        assert KEY not in repr(ServerSettings(api_key=KEY))


class TestHostNames:
    """Against pages on the web that make their own name lead to this machine."""

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1234", "LOCALHOST:80", "[::1]:8000", "localhost."])
    def test_names_of_this_machine(self, server: Serving, host: str):
        assert server.get("/v1/models", headers={"Host": host}).status_code == 200

    @pytest.mark.parametrize(
        "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil:80", "", "[", "[::2]"]
    )
    def test_other_names(self, server: Serving, host: str):
        reply = server.get("/v1/models", headers={"Host": host})
        assert reply.status_code == 403
        assert reply.json()["error"]["code"] == "host_not_allowed"
        assert server.get("/health", headers={"Host": host}).status_code == 200

    def test_a_name_that_a_proxy_uses(self, start: Callable[..., Serving]):
        server = start(fusing(), allowed_hosts=("Models.Example",))
        assert server.get("/v1/models", headers={"Host": "models.example"}).status_code == 200
        assert server.get("/v1/models", headers={"Host": "other.example"}).status_code == 403

    def test_with_a_key_any_name_will_do(self, start: Callable[..., Serving]):
        server = start(fusing(), api_key=KEY)
        headers = {"Host": "models.example", "Authorization": f"Bearer {KEY}"}
        assert server.get("/v1/models", headers=headers).status_code == 200


class TestPages:
    """What a page of another origin can send without asking first does nothing here."""

    @pytest.mark.parametrize(
        "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
    )
    def test_only_json_is_taken(self, server: Serving, kind: str):
        reply = server.post(headers={"Content-Type": kind})
        assert reply.status_code == 415

    def test_no_origin_is_invited(self, server: Serving):
        with server.http() as http:
            asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
            reply = http.options("/v1/chat/completions", headers=asked)
        assert reply.status_code == 405
        assert not [name for name in reply.headers if name.startswith("access-control")]

    @pytest.mark.parametrize(
        "headers",
        [{"Content-Encoding": "gzip"}, {"Content-Type": "application/json; charset=latin-1"}],
    )
    def test_only_plain_utf_8(self, server: Serving, headers: dict[str, str]):
        assert server.post(headers=headers).status_code == 415

    def test_utf_8_by_name(self, server: Serving):
        assert server.post(headers={"Content-Type": 'application/json; charset="UTF-8"'}).status_code == 200


class TestSettings:
    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.com"])  # noqa: S104
    def test_others_are_not_served_without_a_key(self, host: str):
        with pytest.raises(ConfigurationError, match="--no-auth"):
            ServerSettings(host=host)
        ServerSettings(host=host, api_key=KEY)
        ServerSettings(host=host, no_auth=True)

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
    def test_this_machine_is(self, host: str):
        assert ServerSettings(host=host).host_names

    @pytest.mark.parametrize(
        ("wrong", "says"),
        [
            ({"api_key": "short"}, "at least 16"),
            ({"api_key": "schlüssel-schlüssel"}, "ASCII"),
            ({"api_key": "two lines\nof a key"}, "ASCII"),
            ({"port": 70000}, "65535"),
            ({"max_n": 0}, "max_n"),
            ({"time_limit": 0}, "time_limit"),
            ({"grace": -1}, "grace"),
        ],
    )
    def test_values_that_are_none(self, wrong: dict[str, Any], says: str):
        with pytest.raises(ConfigurationError, match=says) as caught:
            ServerSettings(**wrong)
        assert str(wrong.get("api_key")) not in str(caught.value)

    @pytest.mark.parametrize("name", ["", "a b", "a\nb", "-a", "a" * 129, "a?b", "ä"])
    def test_names_that_cannot_be_asked_for(self, name: str):
        with pytest.raises(ConfigurationError, match="name of a model"):
            create_app({name: fusing()})

    def test_nothing_to_serve(self):
        with pytest.raises(ConfigurationError, match="nothing to serve"):
            create_app({})
