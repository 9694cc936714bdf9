"""The report of a study: the verdict first, by itself, at any stage, and nothing in it is ever more than text."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import shutil
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archon_graph import Architecture, Fuser, Generator, Ranker, Reviser
from archon_graph.core.component import Style
from archon_graph.evals import LogError
from archon_graph.evals.report import page as evaluation_page
from archon_graph.models import MissingExtraError, ScriptedModel
from archon_graph.search import Study
from archon_graph.search.baselines import BEST_OF_N, SELF_CONSISTENCY, SINGLE
from archon_graph.search.findings import WINNER
from archon_graph.search.report import choices, save_choices, write_study_report
from archon_graph.search.report.diagram import Note, draw_svg_diagram
from archon_graph.search.report.page import savings_of
from archon_graph.search.report.plots import pace_of
from archon_graph.search.store import StudyStore
from tests.evals.pages import HOSTILE, Page, browse, in_browser, require_harmless
from tests.search import studying
from tests.search.test_importance import trial

pytest.importorskip("jinja2", reason="the extra 'report' is not installed")
pytest.importorskip("matplotlib", reason="the extra 'report' is not installed")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a small study; nobody writes to it."""
    studying.Models()
    folder = tmp_path_factory.mktemp("finished")
    return asyncio.run(studying.study(folder)).directory


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(finished, tmp_path / "study"))


def rewrite(directory: Path, name: str, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change each line of a file."""
    file = directory / name
    told = [change(json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in told), encoding="utf-8")


def test_the_verdict_comes_first_and_everything_is_there(finished: Path, tmp_path: Path):
    study = Study(finished)
    found = study.findings
    page = Page.of(write_study_report(study, tmp_path / "report.html"))
    require_harmless(page)
    text = page.all_text()
    for sentence in found.verdict.sentences:
        assert sentence in text
    heads = "\n".join(page.text["h2"]).splitlines()
    assert text.index(found.verdict.sentences[0]) < text.index(heads[0])
    assert heads[:3] == ["What to take", "On held-out questions", "Quality and cost"]
    assert [a["aria-label"] for tag, a in page.elements if tag == "figure"] == [
        "Held-out scores with their intervals",
        "The winner against each baseline",
        "Score over cost of every trial",
        "The winner, layer by layer, with what each node costs and adds",
        "What each part adds, with intervals",
        "Best score so far by trials",
        "Best score so far by calls paid",
        "How much each axis matters",
    ]
    for each in found.trials:
        assert each.name in text
    assert found.winner is not None
    assert found.winner.mermaid.rstrip() in text
    assert found.held_out is not None
    for standing in found.held_out.summary.standings:
        assert f"{standing.score.mean:.3f}" in text
    for gain in found.gains:
        assert gain.what in text
    # The questions that were held out, and no others.
    assert [a["data-id"] for tag, a in page.elements if a.get("class") == "item"] == [
        f"q{n}" for n in studying.HOLDOUT
    ]
    assert "What is 201 doubled?" in text
    for version in study.about["starts"][0]["versions"].values():
        assert version in text


def test_a_part_that_saves_calls_is_said_to(copied: Path):
    """Without one that drops candidates, those behind it may have more to do: it costs less than no calls."""
    [first, *_] = StudyStore(copied).decisions()["variants"]
    winner = StudyStore(copied).decisions()["winner"]

    def more(row: dict[str, Any]) -> dict[str, Any]:
        calls = {winner: 4, first["fingerprint"]: 6}.get(row["architecture"], row["usage"]["calls"])
        return {**row, "usage": {**row["usage"], "calls": calls}}

    rewrite(copied, "answers.jsonl", more)
    study = Study(copied)
    gain = study.findings.gains[0]
    assert (gain.what, gain.calls) == (first["what"], -2.0)
    text = Page.of(write_study_report(study)).all_text()
    assert "saves 2" in text


def test_the_calls_of_a_part_are_those_of_questions_that_both_have_done(copied: Path):
    """While it runs, one of them is ahead of the other, and its questions may be dear ones."""
    [first, *_] = StudyStore(copied).decisions()["variants"]
    winner, ahead = StudyStore(copied).decisions()["winner"], f"q{studying.SELECTION[0]}"

    def dear(row: dict[str, Any]) -> dict[str, Any]:
        calls = 1_000 if row["item"] == ahead else {winner: 9, first["fingerprint"]: 6}.get(row["architecture"], 1)
        return {**row, "usage": {**row["usage"], "calls": calls}}

    rewrite(copied, "answers.jsonl", dear)
    kept = [
        row
        for row in studying.lines(copied, "answers.jsonl")
        if (row["architecture"], row["item"]) != (first["fingerprint"], ahead)
    ]
    (copied / "answers.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in kept), encoding="utf-8")
    assert Study(copied).findings.gains[0].calls == 3.0


def test_it_goes_into_the_study_with_the_files_that_it_names(copied: Path):
    study = Study(copied)
    page = Page.of(write_study_report(study))
    named = [
        line.split()[2] for pre in page.text["pre"] for line in pre.splitlines() if "archon-graph run" in line
    ]
    assert named
    assert {Path(name).parent for name in named} == {copied}
    assert all(Architecture.load(name) for name in named)
    assert Architecture.load(copied / "best.yaml") == study.best()


def test_equal_studies_have_equal_reports(finished: Path, tmp_path: Path):
    one = write_study_report(Study(finished), tmp_path / "one.html")
    other = write_study_report(Study(finished), tmp_path / "other.html")
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("decided", [None, "ranking", "finalists", "winner", "variants", "baselines"])
def test_an_unfinished_study_has_a_report_too(copied: Path, decided: str | None):
    """Cut off after each thing that is decided, or before there was any."""
    before: list[dict[str, Any]] = []
    for line in studying.lines(copied, "decisions.jsonl"):
        if decided is None:
            break
        before.append(line)
        if line["about"] == decided:
            break
    (copied / "decisions.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in before))
    if decided is None:
        (copied / "trials.jsonl").unlink()
    study = Study(copied)
    page = Page.of(write_study_report(study))
    require_harmless(page)
    text = page.all_text()
    assert study.findings.verdict.sentences[0] in text
    assert "finished" not in page.text["strong"]
    assert ("All trials" in text) == (decided is not None)
    assert (copied / "best.yaml").exists() == (decided is not None)


def test_while_held_out_questions_are_answered_that_is_said(copied: Path):
    def keep(row: dict[str, Any]) -> bool:
        return row["item"] not in {"q205", "q206"}

    rows = [row for row in studying.lines(copied, "answers.jsonl") if keep(row)]
    (copied / "answers.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    text = Page.of(write_study_report(Study(copied))).all_text()
    assert "not all answered yet" in text
    assert "4 of 6 held-out questions are done" in text


def make_hostile(directory: Path) -> None:
    """Hostile text in every place that a study has for one."""
    clean = HOSTILE.replace("\x00", "").replace("\ud83d", "")

    def entry(data: dict[str, Any]) -> dict[str, Any]:
        config = json.loads(json.dumps(data["config"]).replace('"custom:good"', json.dumps(f"custom:{clean}")))
        named = f"{HOSTILE} {data['fingerprint']}"
        return {**data, "name": named, "mermaid": HOSTILE, "config": {**config, "name": clean}}

    def row(data: dict[str, Any]) -> dict[str, Any]:
        loss = {"node": HOSTILE, "sample": 0, "kind": HOSTILE, "detail": HOSTILE}
        score = {**data["score"], "detail": HOSTILE, "extracted": HOSTILE}
        nodes = [{**node, "node": f"{HOSTILE} {node['node']}"} for node in data["result"].get("nodes", ())]
        return {**data, "answer": HOSTILE, "score": score, "result": {"losses": [loss], "nodes": nodes}}

    def decision(data: dict[str, Any]) -> dict[str, Any]:
        if data["about"] == "variants":
            return {**data, "is": [{**each, "what": f"{HOSTILE} {n}"} for n, each in enumerate(data["is"])]}
        return {**data, "is": [HOSTILE]} if data["about"] == "ranking" else data

    rewrite(directory, "architectures.jsonl", entry)
    rewrite(directory, "answers.jsonl", row)
    rewrite(directory, "decisions.jsonl", decision)
    rewrite(directory, "items.jsonl", lambda data: {**data, "input": HOSTILE, "target": HOSTILE, "kind": HOSTILE})
    rewrite(
        directory,
        "trials.jsonl",
        lambda data: {
            **data,
            "name": HOSTILE,
            "point": {**data["point"], HOSTILE: f"{HOSTILE} {data['number'] % 2}"},
        },
    )
    about = json.loads((directory / "study.json").read_text())
    for split in about["data"].values():
        split |= {"name": HOSTILE, "source": HOSTILE, "prompt": HOSTILE}
    about["scorer"] = about["strategy"]["name"] = about["budget_per_question"] = HOSTILE
    about["space"] |= {"models": [HOSTILE], HOSTILE: [HOSTILE]}
    about["starts"][0] |= {"command": [HOSTILE], "versions": {"python": HOSTILE}}
    (directory / "study.json").write_text(json.dumps(about))


def test_what_a_model_says_is_never_more_than_text(copied: Path):
    make_hostile(copied)
    page = Page.of(write_study_report(Study(copied)))
    require_harmless(page)
    text = page.all_text()
    assert text.count("<script>document.title = 'owned'</script>") > 60
    assert "{{ 7 * 7 }}" in text
    assert "\u202e" not in text
    assert "[U+202E]" in text


def test_what_is_too_long_is_cut_and_said_so(finished: Path, tmp_path: Path):
    page = Page.of(write_study_report(Study(finished), tmp_path / "r.html", transcripts=2))
    assert "The first 2 of 6 questions; all are in the log." in page.all_text()
    assert len([1 for _, a in page.elements if a.get("class") == "item"]) == 2


def test_without_the_extra_the_way_out_is_told(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(evaluation_page, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"archon-graph\[report\]"):
        write_study_report(Study(finished), tmp_path / "report.html")


def test_a_place_that_cannot_be_written_is_told(finished: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LogError, match="cannot be written"):
        write_study_report(Study(finished), tmp_path / "file" / "report.html")


# --- what to take ---------------------------------------------------------------------------------------


def with_verdict(directory: Path, **verdict: Any) -> Study:
    study = Study(directory)
    study.findings = replace(study.findings, verdict=replace(study.findings.verdict, **verdict))
    return study


@pytest.mark.parametrize(
    ("verdict", "advised", "file"),
    [
        ({"kind": "better", "instead": None}, WINNER, "best.yaml"),
        ({"kind": "single", "instead": None}, WINNER, "best.yaml"),
        ({"kind": "not shown", "instead": None}, SINGLE, "single.yaml"),
        ({"kind": "worse", "instead": None}, SINGLE, "single.yaml"),
        ({"kind": "better", "instead": SELF_CONSISTENCY}, SELF_CONSISTENCY, "self-consistency.yaml"),
        ({"kind": "not shown", "instead": SELF_CONSISTENCY}, SELF_CONSISTENCY, "self-consistency.yaml"),
    ],
)
def test_what_the_verdict_advises_comes_first(copied: Path, verdict: dict[str, Any], advised: str, file: str):
    study = with_verdict(copied, **verdict)
    offered = choices(study)
    assert (offered[0].what, offered[0].file) == (advised, file)
    assert WINNER in [each.what for each in offered]
    assert study.findings.held_out is not None
    run = study.findings.held_out.evaluation.run
    prints = {each["name"]: each["fingerprint"] for each in run["architectures"]}
    assert offered[0].architecture.fingerprint == prints[advised]


def test_files_of_an_earlier_verdict_are_gone(copied: Path):
    before = save_choices(with_verdict(copied, kind="better", instead=SELF_CONSISTENCY))
    assert (copied / "self-consistency.yaml").is_file()
    after = save_choices(with_verdict(copied, kind="better", instead=None))
    assert not (copied / "self-consistency.yaml").exists()
    assert before[WINNER] == after[WINNER] == copied / "best.yaml"
    assert all(file.is_file() for file in after.values())
    assert BEST_OF_N not in after


# --- what it is made of ---------------------------------------------------------------------------------


def test_what_was_saved_adds_up(finished: Path):
    found = Study(finished).findings
    saved = savings_of(found)
    assert saved["alone"] - saved["raced"] - saved["shared"] == saved["paid"] == found.paid.calls
    assert saved["raced"] > 0
    assert saved["shared"] > 0


def test_the_order_of_chance_is_the_mean_over_all_orders():
    def made(number: int, round_: int, score: float, status: str) -> Any:
        made = trial(number, {}, score, round=round_, status=status)
        return replace(made, usage={"calls": 10}, paid={"calls": 3})

    single = made(1, 0, 0.5, "complete")
    others = [
        made(2, 1, 0.4, "dropped"),
        made(3, 1, 0.7, "complete"),
        made(4, 2, 0.6, "complete"),
        made(5, 2, 0.9, "complete"),
    ]
    pace = pace_of([single, *others])
    assert pace.best == [0.5, 0.5, 0.7, 0.7, 0.9]
    assert pace.trials == [1, 2, 3, 4, 5]
    assert pace.paid == [3, 6, 9, 12, 15]
    assert pace.chance_trials == [1, 2, 3, 4, 5]
    for count in range(1, 5):
        orders = [max(0.5, *(each.score for each in some)) for some in itertools.combinations(others, count)]
        assert pace.chance[count] == pytest.approx(statistics.mean(orders))
    assert pace.chance[0] == 0.5


@pytest.mark.parametrize("count", [0, 1])
def test_a_search_that_has_hardly_begun_has_no_pace(count: int):
    pace = pace_of([trial(1, {}, 0.5, round=0, paid={})][:count])
    assert len(pace.best) == len(pace.chance) == count


def test_the_diagram_has_each_node_and_each_arrow():
    model = ScriptedModel(["x"], label="m")
    architecture = [Generator(model, samples=2), Generator(model)] | Ranker(model, top_k=2) | Fuser(model)
    drawn = draw_svg_diagram(architecture, {"ranker_1": [Note("adds +0.100", "gain")]})
    for node in architecture.components:
        assert f"<title>{node}</title>" in drawn
    assert 'class="gain"' in drawn
    # question, frame of two generators, ranker, fuser, answer
    assert drawn.count('class="frame"') == 1
    assert drawn.count('class="arrow"') == 4


def test_the_diagram_of_any_graph_has_all_its_edges():
    model = ScriptedModel(["x"], label="m")
    parts = {"a": Generator(model), "b": Generator(model), "c": Reviser(model), "d": Fuser(model)}
    architecture = Architecture.from_edges(parts, [("a", "c"), ("c", "d"), ("b", "d"), ("a", "d")])
    # two from the question, four edges, one to the answer
    assert draw_svg_diagram(architecture, {}).count('class="arrow"') == 7


def test_a_wide_layer_stands_in_rows():
    model = ScriptedModel(["x"], label="m")
    architecture = [Generator(model) for _ in range(10)] | Fuser(model)
    drawn = draw_svg_diagram(architecture, {})
    places = [float(x) for x in re.findall(r'<rect x="([-\d.]+)"', drawn)]
    assert len(places) == 11
    assert min(places) >= 0
    assert max(places) + 200 <= 900


def test_nothing_in_the_diagram_is_more_than_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    model = ScriptedModel(["x"], label=HOSTILE)
    monkeypatch.setattr(Fuser, "style", Style("rectangle", '#fff"/><script>'))
    architecture = Architecture.from_edges({HOSTILE: Generator(model), "b": Fuser(model)}, [(HOSTILE, "b")])
    file = tmp_path / "d.html"
    svg = draw_svg_diagram(architecture, {HOSTILE: [Note(HOSTILE, "gain")]})
    file.write_text(svg, encoding="utf-8")
    page = Page.of(file)
    assert {tag for tag, _ in page.elements} == {"svg", "rect", "text", "title", "path", "polygon"}
    assert all(not name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "<script>" in page.all_text()


# --- in a real browser ----------------------------------------------------------------------------------


@in_browser
def test_a_browser_runs_our_scripts_and_nothing_else(copied: Path):
    make_hostile(copied)
    dom = browse(write_study_report(Study(copied)), "--dump-dom")
    [title] = re.findall(r"<title>(.*?)</title>", dom, flags=re.DOTALL)[:1]
    assert not title.startswith("owned")
    assert dom.count("<script>") == 1
    assert not re.search(r"<img|<link|<base", dom)
    # Ours ran: heads can be pressed, and the questions are counted.
    assert re.search(r'<th class="word"><button type="button">status</button>', dom)
    assert "6 of 6" in dom


@in_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_browser_draws_it(finished: Path, tmp_path: Path, scheme: str):
    image = pytest.importorskip("PIL.Image", reason="Pillow, which comes with matplotlib, is not installed")
    picture = tmp_path / f"{scheme}.png"
    browse(
        write_study_report(Study(finished), tmp_path / "report.html"),
        f"--screenshot={picture}",
        "--window-size=1000,5000",
        f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}",
    )
    pixels = image.open(picture).convert("RGB")
    colours = {colour for _, colour in pixels.getcolors(maxcolors=2**24)}
    paper = {"light": (255, 255, 255), "dark": (0x14, 0x17, 0x1B)}[scheme]
    series = {
        "light": [(0x00, 0x67, 0xA3), (0xC0, 0x4E, 0x00), (0x00, 0x79, 0x5A)],
        "dark": [(0x5C, 0xB3, 0xEA), (0xFF, 0x9A, 0x5C), (0x3E, 0xCF, 0xA4)],
    }[scheme]
    assert pixels.getpixel((2, 2)) == paper
    assert set(series) <= colours
    # The boxes of the diagram: the colour of generators.
    assert (0xCF, 0xE8, 0xFF) in colours
