"""Files: written as a whole or not at all, with an error that says what to do; and Mermaid itself as the judge."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from typer.testing import CliRunner

from archon_graph import Architecture, ConfigurationError, Generator, Ranker
from archon_graph.cli import app
from archon_graph.core import rendering
from archon_graph.core.rendering import RenderingError, render
from archon_graph.graphs import READY_MADE
from tests.core.test_drawing import BAD_NAMES, HOSTILE, Odd, bad_names, crossing, cyclic, hundreds, skipping

DIAGRAM = READY_MADE["best-of-n"]().draw_mermaid()


@pytest.fixture
def no_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with neither mermaid-cli nor a browser."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv(rendering.COMMAND_VARIABLE, raising=False)
    monkeypatch.delenv("PUPPETEER_EXECUTABLE_PATH", raising=False)


@pytest.fixture
def fake_mmdc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a script of ours in the place of mermaid-cli; it is told the target as ``target``."""

    def put(body: str) -> None:
        script = tmp_path / "mmdc.py"
        script.write_text(
            "import json, pathlib, subprocess, sys, time\n"
            "options = dict(zip(sys.argv[1::2], sys.argv[2::2]))\n"
            f"target = pathlib.Path(options['--output'])\n{body}"
        )
        monkeypatch.setenv(rendering.COMMAND_VARIABLE, shlex.join([sys.executable, str(script)]))

    return put


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a picture is to be written; it holds an older one."""
    place = tmp_path / "pictures of mine"
    place.mkdir()
    (place / "old.svg").write_text("old")
    return place


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_text_is_written_as_it_is(folder: Path):
    render("flowchart TB", folder / "a.mmd")
    render("flowchart TB", folder / "a.md")
    assert contents(folder) == {
        "old.svg": "old",
        "a.mmd": "flowchart TB\n",
        "a.md": "```mermaid\nflowchart TB\n```\n",
    }


def test_another_ending_is_refused(folder: Path):
    with pytest.raises(RenderingError, match=r"\.svg, \.png, \.mmd, \.md, not to .*picture\.jpg"):
        render(DIAGRAM, folder / "picture.jpg")


@pytest.mark.usefixtures("no_tools")
def test_without_mermaid_cli_the_error_says_how_to_install(folder: Path):
    with pytest.raises(ConfigurationError) as caught:
        render(DIAGRAM, folder / "old.svg")
    for part in ("PUPPETEER_SKIP_DOWNLOAD=1 npm install -g @mermaid-js/mermaid-cli", "chromium", ".mmd", "GitHub"):
        assert part in str(caught.value)
    assert contents(folder) == {"old.svg": "old"}


@pytest.mark.parametrize("value", ["no-such-command --flag", "  "])
def test_a_wrong_command_is_named(value: str, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv(rendering.COMMAND_VARIABLE, value)
    with pytest.raises(RenderingError, match="no-such-command" if value.strip() else "mmdc"):
        render(DIAGRAM, folder / "new.svg")


def test_the_picture_takes_the_place_of_the_old_one(folder: Path, fake_mmdc):
    fake_mmdc("target.write_text('<svg>' + pathlib.Path(options['--input']).read_text() + '</svg>')")
    render("flowchart TB", folder / "old.svg")
    assert contents(folder) == {"old.svg": "<svg>flowchart TB</svg>"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("target.write_text('half'); sys.exit('Parse error on line 3')", "exit code 1.*Parse error on line 3"),
        ("print('done')", "exit code 0.*done"),
    ],
    ids=["fails", "writes nothing"],
)
def test_a_failure_leaves_the_old_picture(body: str, said: str, folder: Path, fake_mmdc):
    fake_mmdc(body)
    with pytest.raises(RenderingError, match=f"(?s){said}"):
        render(DIAGRAM, folder / "old.svg")
    assert contents(folder) == {"old.svg": "old"}


def test_a_folder_that_is_not_there(tmp_path: Path):
    with pytest.raises(RenderingError, match=r"nowhere.a\.mmd cannot be written: No such file"):
        render(DIAGRAM, tmp_path / "nowhere" / "a.mmd")


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="processes have no groups here")
def test_one_that_hangs_is_ended_with_its_browser(folder: Path, tmp_path: Path, fake_mmdc, monkeypatch):
    """The browser is a child of the command; were it left alone, it would write its file later."""
    sign = tmp_path / "alive"
    child = f"import time; time.sleep(2); open({str(sign)!r}, 'w')"
    fake_mmdc(f"subprocess.Popen([sys.executable, '-c', {child!r}])\ntime.sleep(60)")
    monkeypatch.setattr(rendering, "_TIMEOUT_SECONDS", 1)
    started = time.monotonic()
    with pytest.raises(RenderingError, match="did not finish within 1 s"):
        render(DIAGRAM, folder / "old.svg")
    assert time.monotonic() - started < 10
    time.sleep(2)
    assert not sign.exists()
    assert contents(folder) == {"old.svg": "old"}


@pytest.mark.parametrize(("user", "arguments"), [(0, ["--no-sandbox"]), (1000, None)])
def test_the_sandbox_is_left_out_for_root_alone(
    user: int, arguments: object, folder: Path, fake_mmdc, monkeypatch
):
    monkeypatch.setattr(os, "geteuid", lambda: user, raising=False)
    monkeypatch.setenv("PUPPETEER_EXECUTABLE_PATH", "/opt/browser")
    fake_mmdc("target.write_text(pathlib.Path(options['--puppeteerConfigFile']).read_text())")
    render(DIAGRAM, folder / "new.svg")
    config = json.loads((folder / "new.svg").read_text())
    assert config["executablePath"] == "/opt/browser"
    assert config.get("args") == arguments


def test_the_command_line_prints_the_text_alone():
    result = CliRunner().invoke(app, ["draw", "best-of-n"])
    assert (result.exit_code, result.stdout, result.stderr) == (0, DIAGRAM + "\n", "")


def test_the_command_line_writes_a_file(tmp_path: Path):
    path = tmp_path / "a.mmd"
    options = ["--direction", "lr", "--collapse", "--model", "openai:gpt-4o", "-o", str(path)]
    result = CliRunner().invoke(app, ["draw", "mixture-of-agents", *options])
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"wrote {path}" in result.stderr
    drawn = READY_MADE["mixture-of-agents"]().with_model("openai:gpt-4o")
    assert path.read_text() == drawn.draw_mermaid(direction="LR", collapse=True) + "\n"


def _has_tools() -> bool:
    command = os.environ.get(rendering.COMMAND_VARIABLE, "mmdc").split()
    return bool(command and shutil.which(command[0]) and rendering._browser())


needs_tools = pytest.mark.skipif(
    not _has_tools(), reason=f"mermaid-cli (or {rendering.COMMAND_VARIABLE}) and Chromium are not installed"
)


@needs_tools
def test_mermaid_draws_every_one_of_them(tmp_path: Path):
    """One call and one browser for all: ready-made, odd, broken and hostile ones."""
    architectures: dict[str, Architecture] = {
        **{name: make() for name, make in READY_MADE.items()},
        "skipping": skipping(),
        "crossing": crossing(),
        "cyclic": cyclic(),
        "bad names": bad_names(),
        "plug-in": Generator("openai:gpt-4o") | Odd(),
        "hundreds": hundreds(),
        "empty": Architecture.from_layers([]),
    }
    hostile = Architecture.from_layers([[Generator(text[:40]) for text in HOSTILE], Ranker("m", top_k=1)])
    diagrams = {
        **{name: architecture.draw_mermaid() for name, architecture in architectures.items()},
        "left to right": READY_MADE["mixture-of-agents"]().draw_mermaid(direction="LR"),
        "collapsed": hundreds().draw_mermaid(collapse=True, direction="LR"),
        "hostile": hostile.draw_mermaid(),
    }
    source = tmp_path / "all.md"
    source.write_text("".join(f"```mermaid\n{diagram}\n```\n\n" for diagram in diagrams.values()))
    rendering.run_mermaid_cli(source, tmp_path / "out.md")

    texts = {}
    for number, name in enumerate(diagrams, start=1):
        svg = (tmp_path / f"out-{number}.svg").read_text()
        assert "Syntax error" not in svg, name
        root = ET.fromstring(svg)  # noqa: S314 - drawn here
        assert not {"script", "img", "i", "math", "code", "em", "strong"} & {
            element.tag.rpartition("}")[2] for element in root.iter()
        }, name
        texts[name] = [" ".join("".join(label.itertext()).split()) for label in _labels(root)]
    for name, architecture in architectures.items():
        for node in architecture.components:
            assert any(text.startswith(node) for text in texts[name]), (name, node, texts[name])
    assert any(text.startswith("generator \N{MULTIPLICATION SIGN}100") for text in texts["collapsed"])
    assert set(BAD_NAMES) <= {text.removesuffix("openai:gpt-4o") for text in texts["bad names"]}
    for number, text in enumerate(HOSTILE, start=1):
        label = next(label for label in texts["hostile"] if label.startswith(f"generator_{number}"))
        plain = "".join(
            char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in " ".join(text[:40].split())
        )
        shown = label.removeprefix(f"generator_{number}").replace("\N{WORD JOINER}", "")
        assert shown == plain


def _labels(root: ET.Element) -> list[ET.Element]:
    """The elements that hold a label's text."""
    return [element for element in root.iter() if "nodeLabel" in element.get("class", "").split()]


@needs_tools
def test_a_png_is_a_png(tmp_path: Path):
    render(DIAGRAM, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
