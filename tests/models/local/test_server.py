import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from archon_graph.models.errors import ConfigurationError, MissingExtraError, ModelFileError, UnknownModelError
from archon_graph.models.local import Endpoint, check, endpoint
from archon_graph.models.local.settings import Settings
from tests.models.local.mirror import CONTENT

ROOT = str(Path(__file__).parents[3])


@pytest.fixture
def gguf(tmp_path: Path) -> str:
    """A file that begins as a model's does."""
    path = tmp_path / "broken.gguf"
    path.write_bytes(CONTENT)
    return str(path)


def ask(where: Endpoint, *, key: str | None = None, **body: Any) -> Any:
    request = urllib.request.Request(  # noqa: S310
        f"{where.base_url}/chat/completions",
        data=json.dumps({"max_tokens": 24, "seed": 1, **body}).encode(),
        headers={"Authorization": f"Bearer {key or where.api_key}", "Content-Type": "application/json"},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=120) as response:
        return json.load(response)


def says(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_without_the_runtime_the_extra_is_named(gguf: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(MissingExtraError, match=r"archon-graph\[local\]"):
        endpoint(gguf)
    with pytest.raises(MissingExtraError, match=r"archon-graph\[local\]"):
        check(gguf)


def test_a_file_is_looked_for_before_the_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ModelFileError, match=r"archon-graph models pull coder-0.5b"):
        endpoint("coder-0.5b")
    with pytest.raises(UnknownModelError):
        check("coder-0.6b")


def test_a_broken_file_is_said_in_our_words(gguf: str) -> None:
    pytest.importorskip("xllamacpp")
    with pytest.raises(ModelFileError, match="cannot be loaded: the runtime finds it broken"):
        endpoint(gguf)


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "²"])
def test_a_setting_that_is_no_number_is_said(gguf: str, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    pytest.importorskip("xllamacpp")
    monkeypatch.setenv("ARCHON_GRAPH_LOCAL_SLOTS", value)
    with pytest.raises(ConfigurationError, match=f"ARCHON_GRAPH_LOCAL_SLOTS .* not '{value}'"):
        check(gguf)


def test_by_default_one_long_request_fits_beside_three_short_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    default = Settings.read(None)
    assert (default.slots, default.context, default.pool) == (4, 20_480, 20_480 + 3 * 4_096)
    monkeypatch.setenv("ARCHON_GRAPH_LOCAL_SLOTS", "1")
    monkeypatch.setenv("ARCHON_GRAPH_LOCAL_CONTEXT", "8192")
    assert Settings.read(None).pool == 8_192


def test_importing_loads_no_optional_package() -> None:
    code = "import sys, archon_graph.models.local; print({'xllamacpp', 'huggingface_hub'} & set(sys.modules))"
    done = subprocess.run(  # noqa: PLW1510  the exit code is what is tested
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": ROOT}, capture_output=True, text=True
    )
    assert (done.stdout.strip(), done.stderr) == ("set()", "")


def test_a_key_is_not_shown_by_accident() -> None:
    where = Endpoint(
        base_url="http://127.0.0.1:1/v1", api_key="secret", name="x", sha256="0", path=Path("x"), defaults={}
    )
    assert "secret" not in repr(where)


@pytest.mark.real_model
class TestRealModel:
    def test_it_answers_under_its_name_and_hides_its_path(self, smollm: str) -> None:
        where = endpoint(smollm)
        answer = ask(where, messages=says("Say hello."))
        assert answer["choices"][0]["message"]["content"].strip()
        assert answer["model"] == where.name == smollm
        assert answer["usage"]["completion_tokens"] > 0
        assert str(where.path.parent) not in json.dumps(answer)
        assert str(where.path.resolve().parent) not in json.dumps(answer)

    def test_the_same_bytes_are_loaded_once(self, smollm: str) -> None:
        where = endpoint(smollm)
        assert endpoint(str(where.path)) is where
        assert endpoint(str(where.path.resolve())) is where

    def test_its_makers_sampling_holds_where_a_request_is_silent(self, smollm: str) -> None:
        where = endpoint(smollm)
        request = urllib.request.Request(  # noqa: S310
            f"{where.base_url.removesuffix('/v1')}/props", headers={"Authorization": f"Bearer {where.api_key}"}
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as response:
            default = json.load(response)["default_generation_settings"]
        assert where.defaults == {"temperature": 0.2, "top_p": 0.9}
        assert default["params"]["temperature"] == pytest.approx(0.2)
        assert default["params"]["top_p"] == pytest.approx(0.9)
        assert default["n_ctx"] == 8_192

    def test_it_keeps_to_a_json_schema(self, smollm: str) -> None:
        schema = {
            "type": "object",
            "properties": {"colour": {"enum": ["red", "blue"]}, "sure": {"type": "boolean"}},
            "required": ["colour", "sure"],
        }
        answer = ask(
            endpoint(smollm),
            messages=says("Name a colour."),
            max_tokens=60,
            response_format={"type": "json_schema", "json_schema": {"name": "colour", "schema": schema}},
        )
        found = json.loads(answer["choices"][0]["message"]["content"])
        assert found["colour"] in {"red", "blue"}
        assert isinstance(found["sure"], bool)

    async def test_four_requests_at_once_are_all_answered(self, smollm: str) -> None:
        where = endpoint(smollm)
        answers = await asyncio.gather(
            *(asyncio.to_thread(ask, where, messages=says(f"Count to {n}."), seed=n) for n in range(4))
        )
        assert all(answer["choices"][0]["message"]["content"] for answer in answers)

    def test_without_the_key_nothing_is_answered(self, smollm: str) -> None:
        with pytest.raises(urllib.error.HTTPError, match="401"):
            ask(endpoint(smollm), key="guessed", messages=says("Say hello."))

    def test_a_forked_child_starts_its_own(self, smollm: str) -> None:
        code = """
import multiprocessing, os
from archon_graph.models.local import endpoint
mine = endpoint("smollm2-135m")
def child():
    print(endpoint("smollm2-135m").base_url != mine.base_url, flush=True)
process = multiprocessing.get_context("fork").Process(target=child)
process.start(); process.join(60)
print(process.exitcode, endpoint("smollm2-135m") is mine)
"""
        out, error, code_ = run(code)
        assert out.split() == ["True", "0", "True"]
        assert code_ == 0
        assert "Error" not in error

    @pytest.mark.parametrize("busy", [False, True], ids=["idle", "request in flight"])
    def test_a_process_ends_quietly(self, smollm: str, busy: bool) -> None:
        code = f"""
import json, threading, time, urllib.request
from archon_graph.models.local import endpoint
where = endpoint("smollm2-135m")
def ask():
    body = {{"messages": [{{"role": "user", "content": "Tell a story."}}], "max_tokens": 4000, "ignore_eos": True}}
    request = urllib.request.Request(where.base_url + "/chat/completions", data=json.dumps(body).encode(),
        headers={{"Authorization": "Bearer " + where.api_key, "Content-Type": "application/json"}})
    try:
        urllib.request.urlopen(request)
    except OSError:
        pass
if {busy}:
    for _ in range(2):
        threading.Thread(target=ask, daemon=True).start()
    time.sleep(0.5)
print("done")
"""
        assert run(code) == ("done\n", "", 0)

    def test_a_process_that_is_interrupted_ends_too(self, smollm: str) -> None:
        code = """
import sys, time
from archon_graph.models.local import endpoint
print("starting", flush=True)
try:
    endpoint("smollm2-135m")
    time.sleep(60)
except KeyboardInterrupt:
    sys.exit(130)
"""
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": ROOT},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "starting\n"
        time.sleep(0.3)  # in the middle of loading, on most machines
        process.send_signal(signal.SIGINT)
        try:
            _, error = process.communicate(timeout=60)
        finally:
            process.kill()
        assert (process.returncode, error) == (130, "")


def run(code: str) -> tuple[str, str, int]:
    done = subprocess.run(  # noqa: PLW1510  the exit code is what is tested
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": ROOT},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout, done.stderr, done.returncode
