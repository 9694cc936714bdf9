"""A kit that cannot fail proves nothing: each of these components breaks one law, and its test has to see it."""

from __future__ import annotations

import asyncio
import inspect
import random
import re
import time
import uuid
from dataclasses import replace

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from pydantic.dataclasses import dataclass

from archon_graph import Fuser, Generator, ModelError, Ranker
from archon_graph.components.reviser import Reviser
from archon_graph.components.voter import Voter
from archon_graph.core import COMPONENT_CONFIG, Component
from archon_graph.testing import ComponentConformance

pytest_plugins = ["pytester"]

LAWS = {
    name for name, _ in inspect.getmembers(ComponentConformance, inspect.isfunction) if name.startswith("test_")
}

BROKEN: dict[str, list[tuple[type[Component], str]]] = {}
"""By law: the components that break it, and what the message says of them."""


def breaks(law: str, said: str):
    """Enter a component as one that breaks a law."""

    def enter(cls: type[Component]) -> type[Component]:
        BROKEN.setdefault(law, []).append((cls, said))
        return cls

    return enter


# None of these names a technique of its own, or it would be known to every other test. What they have instead of
# one is their parent's.

# --- what becomes of candidates -------------------------------------------------------------------------------


@breaks("test_nothing_given_is_changed", "source:0 was changed in: message")
class ChangesAMessage(Voter):
    async def run(self, context):
        for candidate in context.candidates:
            candidate.message.additional_kwargs["seen"] = True
        return context.candidates[:1]


@breaks("test_nothing_given_is_changed", "user's messages are never changed")
class ChangesTheQuestion(Voter):
    async def run(self, context):
        context.question[-1].content[0]["text"] += " Be brief."
        return context.candidates[:1]


@breaks("test_nothing_given_is_changed", "other nodes will read")
class ChangesTheConversation(Voter):
    async def run(self, context):
        context.question[0].content = "You are a voter."
        return context.candidates[:1]


@breaks("test_nothing_given_is_changed", "source:1 was changed in: critiques")
class ChangesACritique(Voter):
    async def run(self, context):
        context.candidates[1].critiques[0]["strengths"] = "none"
        return context.candidates[:1]


@breaks("test_nothing_given_is_changed", "a component is frozen")
class RemembersInItself(Voter):
    async def run(self, context):
        object.__setattr__(self, "winner", context.candidates[0].id)
        return context.candidates[:1]


@breaks("test_candidates_are_passed_on_as_they_are", "of 4 candidates it passed on 3, though fewest_out(4) is 4")
class LosesOne(Ranker):
    async def run(self, context):
        return context.candidates[1:]


@breaks("test_candidates_are_passed_on_as_they_are", "source:0 came more than once")
class Duplicates(Ranker):
    async def run(self, context):
        return [*context.candidates, context.candidates[0]]


@breaks("test_candidates_are_passed_on_as_they_are", "it passed on tested:0")
class MakesCandidatesInSecret(Ranker):
    async def run(self, context):
        return [replace(candidate, id=f"tested:{n}") for n, candidate in enumerate(context.candidates)]


@breaks("test_candidates_are_passed_on_as_they_are", "source:0 came out with another message")
class RewritesInPlace(Reviser):
    async def run(self, context):
        return [replace(candidate, message=AIMessage("better")) for candidate in context.candidates]


@breaks("test_candidates_are_passed_on_as_they_are", "came in with {'node': 'critic_9'")
class DropsCritiques(Ranker):
    async def run(self, context):
        return [replace(candidate, critiques=()) for candidate in context.candidates]


@breaks("test_new_candidates_know_where_they_come_from", "tested:0 has no parents")
class ForgetsParents(Fuser):
    async def run(self, context):
        return [replace(candidate, parents=()) for candidate in await super().run(context)]


@breaks("test_new_candidates_know_where_they_come_from", "tested:0 names 'nobody:7'")
class NamesStrangers(Fuser):
    async def run(self, context):
        return [replace(candidate, parents=("nobody:7",)) for candidate in await super().run(context)]


@breaks("test_new_candidates_know_where_they_come_from", "The id of a new candidate is its node and a number")
class RandomIds(Generator):
    async def run(self, context):
        return [replace(candidate, id=str(uuid.uuid4())) for candidate in await super().run(context)]


@breaks("test_any_number_of_candidates_will_do", "1 candidates, with a model that offers text only: IndexError")
class NeedsTwo(Ranker):
    async def run(self, context):
        first, second = context.candidates[0], context.candidates[1]
        return [first, second, *context.candidates[2:]]


@breaks("test_any_number_of_candidates_will_do", "candidates with hostile text, without a model: KeyError")
class ReadsCandidatesAsFormats(Voter):
    async def run(self, context):
        for candidate in context.candidates:
            candidate.content.format_map({})
        return context.candidates[:1]


# --- what passes between it and its model ---------------------------------------------------------------------


@breaks("test_the_conversation_reaches_the_model", "there was the system message, an earlier question")
class AsksAboutTheLastWordsOnly(Ranker):
    async def run(self, context):
        await context.draw(self, [HumanMessage(str(context.question[-1].text))])
        return context.candidates


@breaks("test_any_reply_is_survived", "every reply is nothing, with a model that offers text only: ValueError")
class CrashesOnGarbage(Ranker):
    async def run(self, context):
        [draw] = await context.draw(self, self._messages(context, as_json=False))
        best = int(draw.message.text.strip("[")[0]) if "[" in draw.message.text else float(draw.message.text)
        return [*context.candidates[int(best) - 1 :], *context.candidates[: int(best) - 1]]


@breaks("test_any_reply_is_survived", "JSON whose 'ranking' is null, with a model that offers JSON: TypeError")
class TrustsJson(Ranker):
    async def run(self, context):
        [draw] = await context.draw(self, self._messages(context, as_json=True), schema={"title": "r", **SCHEMA})
        if not draw.data:
            context.lose("unreadable", "no ranking")
        numbers = (draw.data or {}).get("ranking", [])
        return [*context.candidates, *[None for _ in numbers if False]]


SCHEMA = {
    "type": "object",
    "properties": {"ranking": {"type": "array", "items": {"type": "integer", "enum": [1, 2, 3, 4]}}},
}


@breaks("test_any_reply_is_survived", "calls brought nothing, and no loss is on record")
class SwallowsEmptyReplies(Ranker):
    async def run(self, context):
        await context.draw(self, self._messages(context, as_json=False))
        return context.candidates


@breaks("test_any_reply_is_survived", "of 4 candidates none was passed on")
class DropsAllOnGarbage(Fuser):
    async def run(self, context):
        return [candidate for candidate in await super().run(context) if candidate.node == context.node]


@breaks("test_a_failing_model_is_survived", "of 4 candidates none was passed on")
class SwallowsErrorsIntoNothing(Fuser):
    async def run(self, context):
        try:
            return await super().run(context)
        except ModelError:
            return ()


@breaks("test_a_failing_model_is_survived", "the record says: it did not work")
class HidesTheCause(Ranker):
    async def run(self, context):
        try:
            return await super().run(context)
        except ModelError:
            context.lose("error", "it did not work")
            return context.candidates


@breaks("test_a_failing_model_is_survived", "call 1 ends in an error that will last")
class ReadsFailuresAsReplies(Reviser):
    async def run(self, context):
        outcomes = await context.for_each(list(enumerate(context.candidates)), self._rewrite)
        return [replace(outcome, score=1.0) for outcome in outcomes]


@breaks("test_a_spent_budget_is_survived", "1 calls were made")
class PassesTheDoorBy(Ranker):
    async def run(self, context):
        await self.model.ainvoke(self._messages(context, as_json=False))
        return context.candidates


@breaks("test_a_spent_budget_is_survived", "of 4 candidates none was passed on")
class GivesUpWithTheBudget(Fuser):
    def degrade(self, context, error):
        return ()


@breaks("test_cancelling_ends_the_calls", "it ended as if it had not been cancelled")
class CatchesEverything(Ranker):
    async def run(self, context):
        try:
            return await super().run(context)
        except BaseException:  # noqa: BLE001 - the fault
            return context.candidates


@breaks("test_cancelling_ends_the_calls", "tasks go on")
class StartsAndForgets(Ranker):
    async def run(self, context):
        work = asyncio.ensure_future(super().run(context))
        return await asyncio.shield(work)


@breaks("test_calls_and_candidates_are_counted", "2 in fact; calls(2) is 1, fewest_calls(2) is 1")
class MiscountsCalls(Reviser):
    def calls(self, incoming):
        return min(incoming, 1)


@breaks("test_calls_and_candidates_are_counted", "4 in fact, calls_in_a_row(4) is 1")
class OneAfterTheOther(Reviser):
    async def run(self, context):
        return [await self._rewrite(context, item) for item in enumerate(context.candidates)]


@breaks("test_calls_and_candidates_are_counted", "2 in fact; candidates_out(1) is 1")
class MiscountsCandidates(Fuser):
    async def run(self, context):
        draws = await context.draw(self, self._messages(context), samples=2)
        return [context.candidate(self, draw, parents=context.candidates) for draw in draws]

    def calls(self, incoming):
        return 2


@breaks("test_calls_and_candidates_are_counted", "the model was called 1 times, the record has 0")
class CallsBehindTheBack(Ranker):
    async def run(self, context):
        await self.model.ainvoke(list(context.question))
        return context.candidates

    def calls(self, incoming):
        return 1


@breaks(
    "test_equal_siblings_draw_different_samples", "both asked the same for the samples [1], with sample_count 1"
)
class MiscountsSamples(Fuser):
    async def run(self, context):
        draws = await context.draw(self, self._messages(context), samples=2)
        return [context.candidate(self, draw, parents=context.candidates) for draw in draws]


# --- what stays of it -----------------------------------------------------------------------------------------


@breaks("test_state_can_be_kept", "came back as")
class KeepsObjects(Ranker):
    async def run(self, context):
        entry = {"node": context.node, "weaknesses": HumanMessage("long"), "strengths": (1, 2)}
        return [replace(each, critiques=(*each.critiques, entry)) for each in context.candidates]


@breaks("test_turns_do_not_mix", "expected")
class RemembersInItsClass(Ranker):
    turns: list[int] = []  # noqa: RUF012 - the fault

    async def run(self, context):
        self.turns.append(1)
        return [replace(candidate, score=float(len(self.turns))) for candidate in context.candidates]


@breaks("test_equal_runs_are_equal", "the first call is the slowest")
class FirstComeFirstServed(Reviser):
    async def run(self, context):
        work = [self._rewrite(context, item) for item in enumerate(context.candidates)]
        return [await done for done in asyncio.as_completed(work)]


@breaks("test_equal_runs_are_equal", "Break ties by place")
class DrawsByLot(Ranker):
    async def run(self, context):
        return random.sample(context.candidates, len(context.candidates))


@breaks("test_settings_survive_a_file", "Voter(name=None, answers='auto', top_k=1)")
class HasNoTechniqueOfItsOwn(Voter):
    def to_config(self):
        return {"technique": "voter"}


@breaks("test_settings_survive_a_file", "as json: TypeError: Object of type frozenset is not JSON serializable")
@dataclass(frozen=True, config=COMPONENT_CONFIG)
class SettingsNoFileHolds(Voter):
    words: frozenset[str] = frozenset()

    def to_config(self):
        return {"technique": "voter", "words": self.words}


@breaks("test_it_presents_itself", "the technique 'voter' leads to")
class GoesByAnothersName(Voter):
    """Votes."""


# --- the proof ------------------------------------------------------------------------------------------------


def outcome(law: str, cls: type[Component], tmp_path) -> str:
    """What the test of a law says of a component; empty if it passes."""
    test = getattr(ComponentConformance(), law)
    more = {"tmp_path": tmp_path} if "tmp_path" in inspect.signature(test).parameters else {}
    make = cls if "model" in cls.__dataclass_fields__ else lambda model: cls()
    try:
        test(make, lambda call: None, **more)
    except pytest.fail.Exception as failure:
        return str(failure)
    return ""


@pytest.mark.parametrize(
    ("law", "cls", "said"),
    [pytest.param(law, cls, said, id=cls.__name__) for law, cases in BROKEN.items() for cls, said in cases],
)
def test_a_broken_component_is_caught(law, cls, said, tmp_path):
    """By the test of its law, in a message that says what was seen and what to do."""
    message = outcome(law, cls, tmp_path)
    assert said.lower() in message.lower()
    assert re.fullmatch(r".+\n\nSeen: .+\nTo do: .+", message, re.DOTALL)


def test_every_law_can_be_broken():
    """No law is without a component that breaks it."""
    assert set(BROKEN) == LAWS


def test_reading_that_takes_too_long_is_caught(monkeypatch, tmp_path):
    """A reply of a hundred thousand characters may not take seconds."""

    class ReadsSlowly(Ranker):
        async def run(self, context):
            [draw] = await context.draw(self, self._messages(context, as_json=False))
            time.sleep(2.0 if len(draw.message.text) > 10_000 else 0.0)  # noqa: ASYNC251 - as a pattern would
            context.lose("unreadable", "no ranking")
            return context.candidates

    monkeypatch.setattr("archon_graph.testing._model_laws._LONGEST_READING", 2.0)
    message = outcome("test_any_reply_is_survived", ReadsSlowly, tmp_path)
    assert "every reply is a hundred thousand characters, with a model that offers text only: it took" in message


def test_a_kit_without_a_component_says_what_is_missing(pytester):
    """The message shows the fixture to write."""
    pytester.makepyfile(
        """
        from archon_graph.testing import ComponentConformance

        class TestMine(ComponentConformance):
            pass
        """
    )
    ran = pytester.runpytest_inprocess("-p", "no:asyncio", "-k", "presents")
    ran.assert_outcomes(errors=1)
    ran.stdout.fnmatch_lines(["TestMine has to say what is tested*", "*return lambda model: MyComponent(model)"])
