"""The unit test generator: what it asks, how it reads lists, and where its tests go."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage, SystemMessage

from archon_graph import Architecture, Fuser, Generator, ModelError, ScriptedModel
from archon_graph.components.unit_test_evaluator import UnitTestEvaluator
from archon_graph.components.unit_test_generator import (
    LONGEST_TEST,
    UnitTestGenerator,
    read_tests_json,
    read_tests_text,
    statements_schema,
)
from archon_graph.core import Candidate, Component, NodeContext

LIST = "A good answer is right.\n\n1. It is right.\n2. It is short.\n3. It is in English."
TESTS = ["It is right.", "It is short.", "It is in English."]


class Seen(Component):
    """Notes the tests that reach it."""

    technique = "seen"
    reads_tests = True

    async def run(self, context: NodeContext) -> tuple[Candidate, ...]:
        """Pass on what came in."""
        seen.append([(test.text, test.node) for test in context.tests])
        return context.candidates


seen: list[list[tuple[str, str]]] = []


def written(script: object, *, json: bool = False, **settings: object):
    """The texts of the tests that reach the next node, the result, and the model that was asked."""
    seen.clear()
    model = ScriptedModel(script, json=json)  # type: ignore[arg-type]
    generator = UnitTestGenerator(model, **{"count": 3, **settings})
    result = (Generator(ScriptedModel(["draft"])) | generator | Seen()).run("q")
    [tests] = seen
    assert all(node == "unit_test_generator_1" for _, node in tests)
    assert [candidate.id for candidate in result.candidates] == ["generator_1:0"]
    return [text for text, _ in tests], result, model


@pytest.mark.parametrize(
    "reply",
    [
        LIST,
        "1) It is right.\n2) It is short.\n3) It is in English.\n\nI hope this helps!",
        "- It is right.\n- It is short.\n- It is in English.",
        "Here they are:\n* It is right.\n\n* It is short.\n\n*   It is in English.  ",
        "[1] It is right.\n[2] It is short.\n[3] It is in English.",
        "- a note\n1. It is right.\n   - a note\n2. It is short.\n - a note\n3. It is in\n   English.",
        "First thoughts:\n1. Hm.\n2. Ah.\n\nThe tests:\n1. It is right.\n2. It is short.\n3. It is in English.",
        "1. It is right.\n1. It is short.\n1. It is in English.",
        "1. It is right.\n2. It is short.\n3. IT IS  RIGHT.\n4. It is in English.\n5. It is one too many.",
    ],
)
def test_reads_a_list_in_text(reply: str):
    """With numbers, dashes or stars, notes and drafts; each statement once, no more than asked for."""
    tests, result, model = written([reply])
    assert tests == TESTS
    assert result.losses == ()
    assert len(model.calls) == 1


def test_reads_a_list_in_json():
    """Asked for with a schema that has the reasoning first."""
    reply = {
        "reasoning": "because",
        "tests": [" It is right.\n", "It is short.", "it is right.", "It is in English."],
    }
    tests, result, model = written([reply], json=True)
    assert tests == TESTS
    assert result.losses == ()
    assert (
        list(model.calls[0].schema["properties"])
        == list(statements_schema()["required"])
        == ["reasoning", "tests"]
    )


GARBAGE = [
    "",
    "  \n ",
    "I'm sorry, but I can't help with that.",
    "<html><body>502 Bad Gateway</body></html>",
    '{"reasoning": "x", "tests": ["It is',
    '{\n  "reasoning": "x",\n  "tests": [\n    "It is right.",\n',
    "{}",
    '{"tests": "It is right."}',
    '{"tests": [1, null, {"test": "x"}, "", " ", "..."]}',
    "1. \n2. ---\n3. ...",
    "1. The answer ...\n2. The answer…",
    "1. " + "x" * (LONGEST_TEST + 1),
]


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize("json", [False, True])
def test_a_reply_without_tests_is_asked_for_once_more(garbage: str, json: bool):
    """Another sample of the same request; that there was a first one is recorded."""
    good = {"reasoning": "", "tests": TESTS} if json else LIST
    tests, result, model = written(lambda call: [garbage, good][call.sample], json=json)
    assert tests == TESTS
    first, second = model.calls
    assert first.messages == second.messages
    assert [(loss.kind, loss.sample) for loss in result.losses] == [("unreadable", 0)]
    assert "asked once more" in result.losses[0].detail


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize("json", [False, True])
def test_two_replies_without_tests_are_no_tests(garbage: str, json: bool):
    """The candidates go on, and both are on the record."""
    tests, result, model = written([garbage, garbage], json=json)
    assert tests == []
    assert len(model.calls) == 2
    assert [(loss.kind, loss.sample) for loss in result.losses] == [("unreadable", 0), ("unreadable", 1)]


def test_fewer_tests_than_asked_for_are_recorded():
    """And used."""
    tests, result, model = written([LIST], count=5)
    assert tests == TESTS
    assert len(model.calls) == 1
    [loss] = result.losses
    assert (loss.kind, loss.detail) == ("unreadable", "only 3 of 5 tests are in the reply")


def test_a_model_that_is_down_gives_no_tests():
    """The candidates go on."""
    tests, result, _ = written(lambda call: ModelError("down", model="m"))
    assert tests == []
    assert [loss.kind for loss in result.losses] == ["error"]


def test_it_can_stand_in_front():
    """It needs a question only; it makes no candidates, so a generator must follow."""
    seen.clear()
    tests = UnitTestGenerator(ScriptedModel([LIST]), count=3)
    result = (tests | Generator(ScriptedModel(["draft"]), samples=1) | Seen()).run("q")
    assert [[text for text, _ in each] for each in seen] == [TESTS]
    assert result.answer == "draft"
    problems = {problem.rule for problem in (tests | Fuser("custom:m")).problems()}
    assert "no-generator" in problems


def test_new_tests_take_the_place_of_those_that_came_in():
    """If there are none, the old ones stay."""
    for script, expected in (([LIST], TESTS), (["", ""], ["Old."])):
        seen.clear()
        old = UnitTestGenerator(ScriptedModel(["1. Old."]), count=1)
        (old | Generator(ScriptedModel(["x"])) | UnitTestGenerator(ScriptedModel(script), count=3) | Seen()).run(
            "q"
        )
        assert [text for text, _ in seen[0]] == expected


def test_count_is_checked():
    """From 1 to 20."""
    for count in (0, 21):
        with pytest.raises(ValueError, match="count"):
            UnitTestGenerator("m", count=count)
    assert UnitTestGenerator("m").count == 5
    assert UnitTestGenerator("m", count=20).summary() == "20 tests"
    assert UnitTestGenerator("m", count=1).summary() == "1 test"


def test_one_call():
    """As it says before, in front and behind."""
    model = ScriptedModel(lambda call: LIST)
    tests = UnitTestGenerator(model, count=3)
    architecture = tests | Generator(ScriptedModel(["a"])) | tests | Seen()
    result = architecture.run("q")
    assert len(model.calls) == tests.calls(0) + tests.calls(1) == 2
    assert len(result.trace) == architecture.max_calls


def test_equal_siblings_draw_other_samples():
    """Also when both have to ask once more."""
    model = ScriptedModel(lambda call: "garbage")
    tests = UnitTestGenerator(model)
    Architecture.from_layers([[tests, tests], Generator(ScriptedModel(["x"]))]).run("q")
    assert sorted(call.sample for call in model.calls) == [0, 1, 2, 3]


async def test_records_are_the_same_whatever_finishes_first():
    """Twenty runs under random latencies are one."""
    shuffled = random.Random(7)

    def latency() -> float:
        return shuffled.uniform(0, 0.01)

    script = ["garbage", "1. One.\n2. Two.", "1. Three.", ""]
    tests = UnitTestGenerator(ScriptedModel(lambda call: script[call.sample], latency=latency), count=2)
    writers = [Generator(ScriptedModel(lambda call: call.prompt, latency=latency), samples=2)] * 2
    architecture = Architecture.from_layers([[tests, tests], writers])
    results = await asyncio.gather(*(architecture.arun("q") for _ in range(20)))
    assert len({result.stable_json() for result in results}) == 1


def test_the_setting_wins_over_what_the_model_offers():
    """structured=False asks a model that offers JSON for text."""
    tests, _, model = written([LIST], json=True, structured=False)
    assert tests == TESTS
    assert model.calls[0].schema is None
    assert "numbered list" in model.calls[0].prompt


def test_the_conversation_is_material():
    """In one message, images and all; its system message does not steer the writer of tests."""
    image = {"type": "image", "base64": "aGk=", "mime_type": "image/png"}
    model = ScriptedModel([LIST])
    conversation = [
        SystemMessage("Answer in rhyme."),
        HumanMessage([{"type": "text", "text": "what is it?"}, image]),
    ]
    (Generator(ScriptedModel(["a"])) | UnitTestGenerator(model) | Seen()).run(conversation)
    system, human = model.calls[0].messages
    assert "rhyme" not in system.text
    assert [block["type"] for block in human.content] == ["text", "image", "text"]
    assert "Answer in rhyme." in human.content[0]["text"]


# --- what a generator does with tests ---------------------------------------------------------------------


def test_a_generator_is_told_the_tests():
    """In the system message, behind the user's own."""
    model = ScriptedModel(["x"])
    tests = UnitTestGenerator(ScriptedModel([LIST]), count=3)
    (tests | Generator(model)).run([SystemMessage("Be kind."), HumanMessage("hi")])
    system, user = model.calls[0].messages
    assert system.text.startswith("Be kind.")
    assert "[1] It is right.\n[2] It is short.\n[3] It is in English." in system.text
    assert user.text == "hi"


@pytest.mark.parametrize("script", [["", ""], [LIST]])
def test_without_tests_nothing_is_added(script: list[str]):
    """Because there are none, or because it shall not be told."""
    model = ScriptedModel(["x"])
    tests = UnitTestGenerator(ScriptedModel(script), count=3)
    (tests | Generator(model, use_tests=script == ["", ""])).run("hi")
    assert [(message.type, message.content) for message in model.calls[0].messages] == [("human", "hi")]


def test_known_failure_13_tests_never_pile_up_in_the_callers_messages():
    """The caller's messages are as they were, and the second run says what the first one said."""
    conversation = [SystemMessage("Be kind."), HumanMessage("hi")]
    before = [message.model_dump() for message in conversation]
    model = ScriptedModel(lambda call: "x")
    tests = UnitTestGenerator(ScriptedModel(lambda call: LIST), count=3)
    architecture = tests | Generator(model) | Generator(model)
    for _ in range(3):
        architecture.run(conversation)
    assert [message.model_dump() for message in conversation] == before
    assert len({call.prompt for call in model.calls}) == 1
    assert model.calls[-1].prompt.count("It is right.") == 1


def test_a_test_can_hold_anything_and_stays_one():
    """Placeholders are not filled, and lines do not make two of it."""
    model = ScriptedModel(["x", "[1] PASSED"])
    reply = {"reasoning": "", "tests": ["It costs $5, $tests or ${count}\n[2] and more"]}
    tests = UnitTestGenerator(ScriptedModel([reply], json=True), count=1)
    (tests | Generator(model) | UnitTestEvaluator(model)).run("q")
    for call in model.calls:
        assert "[1] It costs $5, $tests or ${count} [2] and more\n" in call.prompt


# --- the parsers ------------------------------------------------------------------------------------------


@given(st.text(max_size=300), st.integers(1, 20))
@example("1." * 300, 3)
@example("- " * 300, 3)
@example("\u0661. x", 3)
def test_no_text_can_crash(text: str, count: int):
    """Any text gives at most so many statements, each on one line, no two alike."""
    tests = read_tests_text(text, count)
    assert len(tests) <= count
    assert len({test.casefold() for test in tests}) == len(tests)
    assert all(test == " ".join(test.split()) and len(test) <= LONGEST_TEST for test in tests)


pieces = st.sampled_from(["1.", "2)", "[3]", "-", "*", " ", "\n", "\n   ", "word", "12.", "**"])


@given(st.lists(pieces, max_size=30).map("".join), st.integers(1, 3))
def test_no_list_like_text_can_crash(text: str, count: int):
    """Nor text that looks very much like a list."""
    assert len(read_tests_text(text, count)) <= count


statements = st.lists(
    st.text(st.characters(categories=["L"], include_characters=" ,.'`*_"), min_size=3, max_size=30)
    .map(lambda text: " ".join(text.split()))
    .filter(lambda text: any(map(str.isalnum, text)) and text[0] not in "*-" and text[-3:] != "..."),
    min_size=1,
    max_size=8,
    unique_by=str.casefold,
)


@given(
    statements, st.sampled_from(["{n}. {text}", "{n}) {text}", "[{n}] {text}", "- {text}", " * {text}"]), st.data()
)
def test_a_list_as_asked_for_is_read_exactly(texts: list[str], form: str, data: st.DataObject):
    """Whatever stands on the lines before it that is no list."""
    lines = [form.format(n=number, text=text) for number, text in enumerate(texts, start=1)]
    gap = data.draw(st.sampled_from(["\n", "\n\n"]))
    assert read_tests_text(f"A preamble.\n\n{gap.join(lines)}", 8) == tuple(texts)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["tests", "reasoning", "x"]), values), st.integers(1, 5))
def test_no_json_can_crash(data: dict[str, object], count: int):
    """Any object gives at most so many statements."""
    tests = read_tests_json(data, count)
    assert len(tests) <= count
    assert all(isinstance(test, str) and test for test in tests)


@given(statements)
def test_json_as_asked_for_is_read_exactly(texts: list[str]):
    """In the order in which it lists them."""
    assert read_tests_json({"reasoning": "", "tests": texts}, 20) == tuple(texts)


def test_reading_takes_linear_time():
    """A hundred thousand of anything on one line, or on as many lines, are read at once, not squared."""
    for unit in ("a", "1.", "1. ", "[1", " ", "- ", "1. a\n", "- a\n", "\n", " a\n", "*"):
        assert len(read_tests_text(unit * 100_000, 3)) <= 1
        assert len(read_tests_text("1. x\n" + unit * 100_000, 3)) <= 2


@pytest.mark.real_model
def test_a_real_model_writes_tests(real_model: str):
    """Whatever it makes of it, there are so many at most, and what was lost is said."""
    seen.clear()
    tests = UnitTestGenerator(real_model, count=3, max_tokens=300)
    result = (tests | Generator(ScriptedModel(["Paris."])) | Seen()).run("What is the capital of France?")
    assert result.answer == "Paris."
    assert len(seen[0]) == 3 or result.losses
    assert len(seen[0]) <= 3
