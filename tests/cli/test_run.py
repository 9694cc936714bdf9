"""``archon-graph run``: the answer alone on standard output, everything else beside it."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from archon_graph.cli import app
from archon_graph.models import Client, Request, ScriptedModel, register_model
from tests.cli.command import Command

Script = Callable[..., str]
PROGRAM = Path(sys.executable).with_name("archon-graph")

AWKWARD = {
    "markup": "[bold]not bold[/bold] [/] [link=x] a[0] [red]",
    "emoji": ":smile: and :warning:",
    "tabs": "all:\n\tcc -o x\n\n\n",
    "long line": "word " * 400 + "end",
    "long word": "x" * 5_000,
    "escapes": "\x1b[31mred\x1b[0m and \x07 and \r\n",
    "unicode": "naïve 数学 🎲 \u202eright\u202c ≤",
    "leading space": "   indented\n  twice  ",
    "backslashes": "\\n \\[ \\\\[bold]",
}


@pytest.mark.parametrize("answer", AWKWARD.values(), ids=AWKWARD.keys())
def test_the_answer_arrives_as_the_model_wrote_it(command: Command, script: Script, answer: str):
    """No markup is read, no line broken, no tab widened, no character taken out."""
    ran = command("run", "single", "q", "--model", script(answer))
    assert ran.out == f"{answer}\n"
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize("answer", AWKWARD.values(), ids=AWKWARD.keys())
def test_json_and_details_hold_the_same_answer(command: Command, script: Script, answer: str):
    ran = command("run", "single", "q", "--model", script(answer), "--json")
    assert json.loads(ran.out)["answer"] == answer
    ran = command("run", "single", "q", "--model", script(answer), "--details")
    assert f"\n{answer}\n" in ran.out


def test_json_has_candidates_parents_usage_and_losses(command: Command, script: Script):
    replies = script("draft one", "", "draft three", "the fused answer")
    graph = {
        "layers": [
            {"technique": "generator", "model": "openai:unused", "samples": 3},
            {"technique": "fuser", "model": "openai:unused"},
        ]
    }
    file = Path(replies.removeprefix("scripted:")).with_name("graph.json")
    file.write_text(json.dumps(graph))
    ran = command("run", str(file), "why?", "-m", replies, "--json")
    data = json.loads(ran.out)
    [final] = data["candidates"]
    assert (data["answer"], final["content"]) == ("the fused answer", "the fused answer")
    assert final["parents"] == ["generator_1:0", "generator_1:2"]
    assert (data["usage"]["calls"], data["usage"]["unmetered_calls"]) == (4, 0)
    assert data["usage"]["completion_tokens"] == 7
    assert [(loss["node"], loss["kind"], loss["sample"]) for loss in data["losses"]] == [
        ("generator_1", "empty", 1)
    ]
    assert [node["technique"] for node in data["nodes"]] == ["generator", "fuser"]
    assert len(data["trace"]) == 4
    assert (ran.code, ran.err) == (0, "")


def test_details_show_the_diagram_every_candidate_and_the_cost(command: Command, script: Script):
    model = script(*(f"draft {number}" for number in range(5)), "[3] > [1] > [2] > [4] > [5]", "fused")
    ran = command("run", "ensemble-rank-fuse", "q", "-m", model, "--details")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert "flowchart TB" in lines
    assert "  generator_1 --> ranker_1" in lines
    assert "5. generator_1:4  draft 4" in lines
    assert "1. generator_1:2  kept" in lines
    assert "1. fuser_1:0  fused  (from generator_1:2, generator_1:0, generator_1:1)" in lines
    assert lines[lines.index(next(line for line in lines if line.startswith("answer "))) + 1] == "fused"
    assert any(line.split()[:2] == ["all", "7"] for line in lines)


def test_losses_are_told_beside_the_answer(command: Command):
    spec = register_model(
        "shaky", ScriptedModel(lambda call: "fine" if call.sample else ValueError("too bad " * 30))
    )
    ran = command("run", "best-of-n", "q", "-m", spec)
    assert (ran.code, ran.out) == (0, "fine\n")
    [first, *_] = ran.err.splitlines()
    assert first.startswith("lost: generator_1 sample 0: custom:shaky failed with ValueError: too bad")
    assert "too bad " * 25 in first, "a line in a pipe is not broken"


def test_a_node_that_is_tried_again_is_followed(command: Command):
    """The progress display counts nodes that begin and end; a second beginning must not confuse it."""
    tries: list[int] = []

    def answer(call: Any) -> Any:
        tries.append(1)
        return TimeoutError("not yet") if len(tries) < 2 else "at last"

    ran = command("run", "single", "q", "-m", register_model("late", ScriptedModel(answer)))
    assert (ran.code, ran.out, ran.err) == (0, "at last\n", "")


def test_the_question_comes_from_standard_input(script: Script):
    model = ScriptedModel(lambda call: f"<{call.prompt}>")
    ran = CliRunner().invoke(
        app,
        ["run", "single", "-", "-m", register_model("echo", model)],
        input="two\nlines [b]",
        catch_exceptions=False,
    )
    assert ran.stdout == "<two\nlines [b]>\n"


def test_a_question_that_is_no_text_is_refused(command: Command, script: Script, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe\xfa"), encoding="utf-8"))
    ran = command("run", "single", "-", "-m", script("unused"))
    assert (ran.code, ran.out) == (2, "")
    assert "not readable as text" in ran.err


def test_system_message_and_seed_get_through(command: Command, monkeypatch: pytest.MonkeyPatch):
    seeds: list[int] = []
    original = Client.draw

    async def draw(self: Client, request: Request, indices: Any, **more: Any) -> Any:
        seeds.append(request.replicate)
        return await original(self, request, indices, **more)

    monkeypatch.setattr(Client, "draw", draw)
    model = ScriptedModel(lambda call: " | ".join(message.type for message in call.messages))
    spec = register_model("types", model)
    ran = command("run", "single", "q", "-m", spec, "--system", "be brief", "--seed", "7")
    assert (ran.out, seeds) == ("system | human\n", [7])


def test_the_model_may_come_from_the_environment(
    command: Command, script: Script, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ARCHON_GRAPH_MODEL", script("from the environment"))
    assert command("run", "single", "q").out == "from the environment\n"


# --- what goes wrong ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["singel", "q"], "'singel' is neither a ready-made architecture nor a file (did you mean 'single'?)"),
        (["bestofn", "q"], "did you mean 'best-of-n'?"),
        (["x" * 5_000, "single"], "is neither a ready-made architecture nor a file"),
        (["missing.yaml", "q"], "missing.yaml"),
        (["single", "q", "-m", "openai:gpt-4o"], "set the environment variable OPENAI_API_KEY"),
        (["single", "q", "-m", "opnai:gpt-4o"], "did you mean 'openai'?"),
        (["single", "q", "-m", "gpt-4o"], "a spec is provider:name"),
        (["single", "q", "-m", "scripted:/nowhere.yaml"], "cannot be read"),
        (["single", "  ", "-m", "scripted"], "the question is empty"),
        (["single", "\udcff", "-m", "scripted"], "not readable as text"),
    ],
)
def test_what_the_user_can_mend_is_one_message_and_code_2(command: Command, arguments: list[str], says: str):
    ran = command("run", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert ran.err.startswith("error: ")
    assert "Traceback" not in ran.err
    assert ran.err.count("error: ") == 1
    assert len(ran.err) < 600


def test_every_missing_key_is_named_at_once(command: Command, tmp_path: Path):
    file = tmp_path / "two.yaml"
    file.write_text(
        "layers:\n- {technique: generator, model: openai:a, samples: 2}\n- {technique: fuser, model: together:b}\n"
    )
    ran = command("run", str(file), "q")
    assert ran.code == 2
    assert "OPENAI_API_KEY" in ran.err
    assert "TOGETHER_API_KEY" in ran.err


def test_an_architecture_that_breaks_rules_is_refused_before_any_call(command: Command, tmp_path: Path):
    file = tmp_path / "bad.yaml"
    file.write_text("layers:\n- {technique: fuser, model: openai:b}\n")
    ran = command("run", str(file), "q")
    assert (ran.code, ran.out) == (2, "")
    assert "[first-layer]" in ran.err


def test_no_answer_is_code_1_and_tells_the_reasons(command: Command):
    model = ScriptedModel(lambda call: ValueError("[red]key[/red] :boom:"))
    ran = command("run", "single", "q", "-m", register_model("broken", model), "--json")
    assert (ran.code, ran.out) == (1, "")
    assert "no candidate is left" in ran.err
    assert "ValueError: [red]key[/red] :boom:" in ran.err
    assert "Traceback" not in ran.err


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch):
    from archon_graph.cli import main, run

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(run, "load_architecture", broken)
    monkeypatch.setattr(sys, "argv", ["archon-graph", "run", "single", "q"])
    with pytest.raises(ZeroDivisionError):
        main()


# --- as a program ------------------------------------------------------------------------------------------------


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, **more}


def test_as_a_program_the_answer_alone_is_on_standard_output(script: Script):
    ran = subprocess.run(
        [PROGRAM, "run", "single", "-", "-m", script(AWKWARD["escapes"] + AWKWARD["unicode"])],
        input="naïve?".encode(),
        capture_output=True,
        timeout=60,
        check=True,
        env=environment(COLUMNS="20", FORCE_COLOR="", PYTHONUTF8="1"),
    )
    assert ran.stdout.decode() == AWKWARD["escapes"] + AWKWARD["unicode"] + "\n"
    assert ran.stderr == b""


def test_an_answer_the_terminal_cannot_show_is_not_lost(script: Script):
    ran = subprocess.run(
        [PROGRAM, "run", "single", "q", "-m", script("42 ≤ x")],
        capture_output=True,
        timeout=60,
        check=True,
        env=environment(PYTHONIOENCODING="ascii"),
    )
    assert ran.stdout == b"42 \\u2264 x\n"


def test_an_interrupt_leaves_with_130_and_gives_the_cursor_back(tmp_path: Path):
    """On a real terminal: the display hides the cursor while it runs."""
    code = """
import sys
from archon_graph import ScriptedModel, register_model
from archon_graph.cli import main
register_model("slow", ScriptedModel(lambda call: "late", latency=60))
sys.argv = ["archon-graph", "run", "single", "q", "-m", "custom:slow"]
main()
"""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs, env=environment(TERM="xterm")
    )
    os.close(theirs)
    shown = b""
    deadline = time.monotonic() + 30
    while b"generator_1" not in shown and time.monotonic() < deadline:
        shown += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert process.returncode == 130
    assert out == b""
    assert b"Traceback" not in shown
    assert shown.rfind(b"\x1b[?25h") > shown.rfind(b"\x1b[?25l") >= 0
