"""The report: complete, by itself, and nothing in it that a model said is ever more than text."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from archon_graph import Critic, Generator, Ranker, ScriptedModel, Voter
from archon_graph.evals import (
    Benchmark,
    Evaluation,
    Item,
    LogError,
    Score,
    Scorer,
    compare_architectures,
    evaluate,
    sample_curves,
)
from archon_graph.evals.report import page as report_page
from archon_graph.evals.report import require_report_extra, write_report
from archon_graph.evals.report.transcripts import cut, visible
from archon_graph.graphs import best_of_n, self_consistency, single
from archon_graph.models import Client, MissingExtraError, ModelError, ScriptedCall, Usage
from tests.evals import doubling
from tests.evals.doubling import benchmark
from tests.evals.made import evaluation as made
from tests.evals.pages import HOSTILE, Page, browse, in_browser, require_harmless
from tests.replies import good_reply

pytest.importorskip("jinja2", reason="the extra 'report' is not installed")
pytest.importorskip("matplotlib", reason="the extra 'report' is not installed")


async def hostile_evaluation(folder: Path) -> Evaluation:
    """Hostile text in every place that a log has for one."""

    class Repeating(Scorer):
        name: ClassVar[str] = f"repeating {HOSTILE}"

        async def score(self, item: Item, answer: str) -> Score:
            return Score(value=0.25, detail=HOSTILE, extracted=HOSTILE)

    def reply(call: ScriptedCall) -> Any:
        if call.schema is not None and call.schema["title"] == "critiques":
            return {"critiques": [{"answer": 1, "strengths": HOSTILE, "weaknesses": HOSTILE}]}
        if call.schema is not None:
            return good_reply(call)
        if call.sample == 2:
            return ModelError(HOSTILE, model="m")
        blocks = [{"type": "text", "text": f"{HOSTILE} {call.sample}"}]
        called = [{"name": HOSTILE, "args": {HOSTILE: HOSTILE}, "id": "1", "type": "tool_call"}]
        return AIMessage(content=blocks, tool_calls=called) if call.sample else f"{HOSTILE} {call.sample}"

    model = ScriptedModel(reply, json=True, label=HOSTILE.replace("\x00", ""), cache_id=None)
    items = (
        Item(id=HOSTILE, input=HOSTILE, target=(HOSTILE, "x"), metadata={"area": HOSTILE}, kind=HOSTILE),
        Item(
            id="messages",
            input=(SystemMessage(HOSTILE), HumanMessage([{"type": "text", "text": HOSTILE}])),
            tests=(HOSTILE,),
            cluster=HOSTILE,
            kind="open",
        ),
    )
    architectures = {
        HOSTILE: single(model),
        f"critic {HOSTILE}": Generator(model, samples=4) | Critic(model) | Ranker(model),
    }
    questions = Benchmark(name=HOSTILE, items=items, source=HOSTILE, scorer=Repeating(), prompt=HOSTILE)
    await evaluate(architectures, questions, out=folder, client=Client())
    await sample_curves(folder, scorer=Repeating())
    return Evaluation.read(folder)


def test_what_a_model_says_is_never_more_than_text(tmp_path: Path):
    evaluation = asyncio.run(hostile_evaluation(tmp_path / "log"))
    page = Page.of(write_report(evaluation))
    require_harmless(page)
    text = page.all_text()
    # All of it is there, as it was said: nobody can hide something behind a tag.
    assert text.count("<script>document.title = 'owned'</script>") > 30
    assert "{{ 7 * 7 }}" in text
    assert "\u202e" not in text
    assert "[U+202E]" in text
    assert "\u2400" in text
    assert "[U+D83D]" in text


hostile_texts = st.text(st.characters(codec=None), max_size=20) | st.sampled_from(
    [HOSTILE, "</pre>", "<script>", "-->", "&", "'", '"', "{{x}}", "$\\frac{$", "\N{GRINNING FACE}", "日本語"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10, deadline=None)
@given(names=st.lists(hostile_texts, min_size=2, max_size=2, unique=True), said=hostile_texts)
def test_no_name_and_no_answer_breaks_the_page(tmp_path_factory: Any, names: list[str], said: str):
    evaluation = made({names[0]: [1.0, 0.5], names[1]: [0.0, None]})
    page = Page.of(write_report(evaluation, tmp_path_factory.mktemp("report") / f"r{len(said)}.html"))
    require_harmless(page)
    assert visible(names[0]).strip() in page.all_text().replace("\n", " ") or not names[0].isprintable()


async def evaluated(folder: Path, count: int = 4) -> Evaluation:
    model = doubling.model()
    architectures = {
        "single": single(model),
        "best-of-n": best_of_n(model, samples=3),
        "vote": self_consistency(model, samples=4),
    }
    await evaluate(architectures, benchmark(count), out=folder, client=Client())
    await sample_curves(folder)
    return Evaluation.read(folder)


def test_it_shows_everything(tmp_path: Path):
    """Verdict, table, differences, plots, curves, each question with its answers, and how it was run."""
    evaluation = asyncio.run(evaluated(tmp_path / "log"))
    summary = compare_architectures(evaluation)
    file = write_report(evaluation)
    assert file == tmp_path / "log" / "report.html"
    page = Page.of(file)
    require_harmless(page)
    text = page.all_text()
    for sentence in summary.verdict:
        assert sentence in text
    assert summary.comparison.statement in text
    plots = [attributes["aria-label"] for tag, attributes in page.elements if tag == "figure"]
    assert plots == [
        "Scores with their intervals",
        "Paired differences with their intervals",
        "Score over cost for each question",
        "Score over the number of samples",
        "Score over the number of samples",
    ]
    assert len([tag for tag, _ in page.elements if tag == "svg"]) == len(plots)
    for number in range(1, 5):
        assert f"What is {number} doubled?" in text
        for sample in range(4):
            assert doubling.answer(number, sample) in text
    assert [a["data-id"] for tag, a in page.elements if a.get("class") == "item"] == ["q1", "q2", "q3", "q4"]
    for entry in evaluation.run["architectures"]:
        assert entry["mermaid"].rstrip() in text
        assert entry["fingerprint"] in text
    for version in evaluation.run["starts"][0]["versions"].values():
        assert version in text


def test_plots_take_the_colours_of_the_page_and_ids_are_their_own(tmp_path: Path):
    html = write_report(asyncio.run(evaluated(tmp_path / "log"))).read_text()
    plots = re.findall(r"<svg .*?</svg>", html, flags=re.DOTALL)
    assert len(plots) == 5
    for plot in plots:
        assert "#0102" not in plot
        assert "var(--ink)" in plot
        assert "<style" not in plot
        assert "DejaVu" not in plot
        for reference in re.findall(r"url\(#([^)]+)\)|href=\"#([^\"]+)\"", plot):
            assert f'id="{"".join(reference)}"' in plot
    clips = [set(re.findall(r'<clipPath id="([^"]+)"', plot)) for plot in plots]
    assert sum(map(len, clips)) == len(set().union(*clips))


def test_equal_evaluations_have_equal_reports(tmp_path: Path):
    evaluation = asyncio.run(evaluated(tmp_path / "log"))
    one, other = write_report(evaluation, tmp_path / "one.html"), write_report(evaluation, tmp_path / "other.html")
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    "scores",
    [
        {"a": [1.0]},
        {"a": [None, None]},
        {"a": [...], "b": [...]},
        {"a": [1.0, ...], "b": [None, 0.0]},
        {f"architecture {number}": [0.5, number / 12] for number in range(12)},
        {"a": [-3.0, 250.0], "b": [0.001, 1e6]},
    ],
    ids=["one", "unscored", "nothing", "unfinished", "many", "any numbers"],
)
def test_whatever_there_is_makes_a_report(tmp_path: Path, scores: dict[str, Sequence[Any]]):
    evaluation = made(scores)
    page = Page.of(write_report(evaluation, tmp_path / "new" / "report.html"))
    require_harmless(page)
    assert ("answers are missing yet" in page.all_text()) == (evaluation.missing > 0)


def test_a_dollar_in_a_name_is_a_dollar(tmp_path: Path):
    """And no formula, broken or not."""
    names = ["$\\frac{$", "$5 or $6"]
    text = Page.of(write_report(made({name: [1.0, 0.0] for name in names}), tmp_path / "r.html")).text["text"]
    assert set(names) <= set(text)


@pytest.mark.parametrize("times", [2, 10, 40, 100_000])
def test_costs_are_labelled_in_plain_numbers(tmp_path: Path, times: int):
    usage = {"a": Usage(calls=1, prompt_tokens=3), "b": Usage(calls=1, prompt_tokens=3 * times)}
    file = write_report(made({"a": [1.0], "b": [0.0]}, usage=usage), tmp_path / "r.html")
    labels = Page.of(file).text["text"]
    assert "tokens for each question" in labels
    assert not [label for label in labels if "$" in label or "\\" in label]


def test_what_is_too_long_is_cut_and_said_so(tmp_path: Path):
    evaluation = made({"a": [1.0] * 5})
    page = Page.of(write_report(evaluation, tmp_path / "report.html", transcripts=2))
    assert "The first 2 of 5 questions; all are in the log." in page.all_text()
    assert [a["data-id"] for tag, a in page.elements if a.get("class") == "item"] == ["q1", "q2"]
    assert cut("x" * 20_000) == "x" * 20_000
    assert cut("x" * 21_500).endswith("x\n[1,500 more characters are in the log]")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n\tü 日本 \N{GRINNING FACE}", "plain\n\tü 日本 \N{GRINNING FACE}"),
        ("\x00\x1b[31m", "\u2400\u241b[31m"),
        ("a\u200bb\u202ec\ud800", "a[U+200B]b[U+202E]c[U+D800]"),
        ("a\u00a0b\u2003c", "a b c"),
        ("\x7f", "[U+007F]"),
    ],
)
def test_what_cannot_be_seen_is_made_visible(text: str, shown: str):
    assert visible(text) == shown


def test_without_the_extra_the_way_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(report_page, "find_spec", lambda name: None if name == "matplotlib" else object())
    with pytest.raises(MissingExtraError, match=r"archon-graph\[report\]"):
        write_report(made({"a": [1.0]}), tmp_path / "report.html")
    with pytest.raises(MissingExtraError):
        require_report_extra()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LogError, match="cannot be written"):
        write_report(made({"a": [1.0]}), tmp_path / "file" / "report.html")


# --- in a real browser ----------------------------------------------------------------------------------


@in_browser
def test_a_browser_runs_our_script_and_nothing_else(tmp_path: Path):
    evaluation = asyncio.run(hostile_evaluation(tmp_path / "log"))
    dom = browse(write_report(evaluation), "--dump-dom")
    [title] = re.findall(r"<title>(.*?)</title>", dom, flags=re.DOTALL)
    assert not title.startswith("owned")
    assert "&lt;script&gt;" in title
    assert dom.count("<script>") == 1
    assert not re.search(r"<img|<link|<base", dom)
    # Ours ran: it shows the choice and counts.
    assert re.search(r'id="filter">', dom)
    assert "2 of 2" in dom


@in_browser
def test_the_browser_shows_the_questions_that_are_asked_for(tmp_path: Path):
    evaluation = made({"a": [1.0, 0.0, 1.0, None], "b": [1.0, 1.0, 0.0, 1.0]})
    file = write_report(evaluation, tmp_path / "report.html")

    def shown(fragment: str) -> list[str]:
        dom = browse(file, "--dump-dom", fragment=fragment)
        found = re.findall(r'<details class="item" data-id="([^"]+)"[^>]*>', dom)
        hidden = re.findall(r'<details class="item" data-id="([^"]+)"[^>]* hidden[^>]*>', dom)
        assert len(found) == 4
        return [each for each in found if each not in hidden]

    assert shown("") == ["q1", "q2", "q3", "q4"]
    assert shown("#show=differ") == ["q2", "q3"]
    assert shown("#show=unscored") == ["q4"]
    assert shown("#text=3%20doubled") == ["q3"]
    assert shown("#show=<script>") == ["q1", "q2", "q3", "q4"]


@in_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_browser_draws_it(tmp_path: Path, scheme: str):
    """Ink and paper of the scheme, and the colours of the plots, are all on the picture."""
    image = pytest.importorskip("PIL.Image", reason="Pillow, which comes with matplotlib, is not installed")
    evaluation = asyncio.run(evaluated(tmp_path / "log"))
    picture = tmp_path / f"{scheme}.png"
    # 0 is dark and 1 is light, in the words of the browser.
    browse(
        write_report(evaluation),
        f"--screenshot={picture}",
        "--window-size=1000,3000",
        f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}",
    )
    pixels = image.open(picture).convert("RGB")
    assert pixels.size == (1000, 3000)
    colours = {colour for _, colour in pixels.getcolors(maxcolors=2**24)}
    paper = {"light": (255, 255, 255), "dark": (0x14, 0x17, 0x1B)}[scheme]
    series = {
        "light": [(0x00, 0x67, 0xA3), (0xC0, 0x4E, 0x00), (0x00, 0x79, 0x5A)],
        "dark": [(0x5C, 0xB3, 0xEA), (0xFF, 0x9A, 0x5C), (0x3E, 0xCF, 0xA4)],
    }[scheme]
    assert pixels.getpixel((2, 2)) == paper
    assert set(series) <= colours


def test_a_critic_and_losses_are_in_the_transcript(tmp_path: Path):
    model = ScriptedModel(
        lambda call: ModelError("gone", model="m") if call.sample == 1 else doubling.reply(call), json=True
    )
    architecture = Generator(model, samples=3) | Critic(model) | Voter()
    evaluation = asyncio.run(evaluate({"it": architecture}, benchmark(1), out=tmp_path / "log", client=Client()))
    text = Page.of(write_report(evaluation)).all_text()
    assert "good 1" in text
    assert "critique of generator_1:0" in text
    assert re.search(r"Lost in generator_1, sample 1: .*gone.* \[error\]", text)
