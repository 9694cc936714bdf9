"""Laws about models: what reaches them, what becomes of their replies, and how calls are counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from langchain_core.messages import messages_to_dict

from archon_graph.core.sync import run_sync
from archon_graph.models import ModelError, ScriptedCall
from archon_graph.models.scripted import Reply
from archon_graph.testing import _replies
from archon_graph.testing._bench import (
    MODEL_NAME,
    TESTED,
    Bench,
    ComponentFactory,
    GoodReply,
    Run,
    asking_benches,
    benches,
    broken,
)
from archon_graph.testing._candidate_laws import check_making, check_selection
from archon_graph.testing._material import MARKS, candidates, conversation
from archon_graph.testing._timing import longest_chain, still_going_on

_CAUSE = "closed for repairs"
_FAILURES: Mapping[str, Exception] = {
    "an error that will last": ModelError(_CAUSE, model=MODEL_NAME),
    "an error that may pass": ModelError(_CAUSE, model=MODEL_NAME, retryable=True),
    "a ValueError of the provider": ValueError(_CAUSE),
}
_COUNTS = (1, 2, 3, 5, 8)
_MOST_SINGLE_CALLS = 8
"""At so many calls, the failure of each one is tried."""
_LONGEST_READING = 10.0
"""Seconds. What takes milliseconds has a hundredfold reserve on a busy machine; what is squared has none."""


class ModelLaws:
    """What passes between a component and its model."""

    def test_the_conversation_reaches_the_model(self, component: ComponentFactory, good_reply: GoodReply) -> None:
        """System message, earlier turns, tool calls, images and the last question are in some prompt."""
        for bench in asking_benches(component, good_reply):
            run = bench.run(question=conversation(), situation="a conversation with everything in it")
            sent = json.dumps([messages_to_dict(list(call.messages)) for call in run.calls], default=str)
            if run.calls and (missing := [what for what, mark in MARKS.items() if mark not in sent]):
                broken(
                    "The whole conversation reaches the model.",
                    f"{run.situation}: in none of {len(run.calls)} prompts there was {', '.join(missing)}",
                    "Send context.question: with_task(context.question, task) for a model that answers, "
                    "as_material(text, context.question) for one that judges",
                )

    def test_any_reply_is_survived(self, component: ComponentFactory, good_reply: GoodReply) -> None:
        """No reply of a model, however strange, crashes a run or costs a candidate that it does not concern.

        A reply that says nothing at all is recorded as a loss. The same holds where a single reply is bad.
        """
        for bench in asking_benches(component, good_reply):
            for situation, reply in bench.bad_replies():
                run = bench.run(reply=_replies.always(reply), situation=f"every reply is {situation}")
                _check_bad_run(bench, run, silent=situation in _replies.EMPTY)
            for number in range(1, 1 + min(len(bench.run().calls), _MOST_SINGLE_CALLS)):
                run = bench.run(reply=_at(bench, number, ""), situation=f"reply {number} is empty")
                _check_bad_run(bench, run, silent=False)

    def test_a_failing_model_is_survived(self, component: ComponentFactory, good_reply: GoodReply) -> None:
        """A model that fails, always or once, costs what it was asked for, and the cause is on record.

        A component that was given candidates passes some on, unless it says that it may pass on none
        (`fewest_out`), or starts afresh from the question.
        """
        for bench in asking_benches(component, good_reply):
            count = len(bench.run().calls)
            for what, error in _FAILURES.items():
                run = bench.run(reply=_replies.always(error), situation=f"every call ends in {what}")
                _check_failed_run(bench, run, must_tell=bool(run.calls))
                for number in range(1, 1 + min(count, _MOST_SINGLE_CALLS)):
                    run = bench.run(reply=_at(bench, number, error), situation=f"call {number} ends in {what}")
                    # An error that may pass has passed at the next attempt, and then nothing is lost.
                    _check_failed_run(bench, run, must_tell="may" not in what and len(run.calls) >= number)
            if bench.component.starts:
                run = bench.run(
                    alone=True,
                    reply=_replies.always(_FAILURES["an error that will last"]),
                    situation="in the first layer, with every call failing",
                )
                _check_failed_run(bench, run, must_tell=bool(run.calls))

    def test_a_spent_budget_is_survived(self, component: ComponentFactory, good_reply: GoodReply) -> None:
        """A budget that does not reach for every call is kept, and what it was missing for is on record.

        As with a model that fails, a component that was given candidates passes some on.
        """
        for bench in asking_benches(component, good_reply):
            count = len(bench.run().calls)
            for most in range(min(count, _MOST_SINGLE_CALLS)):
                situation = f"with a budget of {most} of the {count} calls it takes"
                run = bench.run(most_calls=most, situation=situation)
                _check_something_left(bench, run)
                if len(run.calls) > most:
                    broken(
                        "A budget is never exceeded.",
                        f"{run.situation}: {len(run.calls)} calls were made",
                        "Ask models through context.draw alone",
                    )
                if not any(loss.kind == "budget" for loss in run.losses):
                    broken(
                        "What the budget was missing for is on record.",
                        f"{run.situation}: no loss of the kind 'budget'; losses: {list(map(str, run.losses))}",
                        "Ask models through context.draw alone, and let ModelError pass or record it with "
                        "context.lose_to(error, 'what was done instead')",
                    )

    def test_cancelling_ends_the_calls(self, component: ComponentFactory, good_reply: GoodReply) -> None:
        """A run that is cancelled during a call, the first or the last, ends at once and calls no more."""
        for bench in asking_benches(component, good_reply):
            count = len(bench.run().calls)
            for number in sorted({1, count} - {0}):
                if seen := run_sync(still_going_on(bench, number)):
                    broken(
                        "A cancelled run ends, and nothing goes on behind it.",
                        f"cancelled during call {number} of {count}, {bench.mode}: {seen}",
                        "Let asyncio.CancelledError pass (no bare except), and await what you start: "
                        "context.for_each, asyncio.gather or a TaskGroup",
                    )

    def test_calls_and_candidates_are_counted(self, component: ComponentFactory, good_reply: GoodReply) -> None:
        """`calls`, `calls_in_a_row` and `candidates_out` say beforehand what a run without losses is.

        Exactly, unless `fewest_calls` and `fewest_out` say that it may be less. Every call is on record. With
        good replies of your own (`good_reply`) nothing may be lost; where only the kit's are there and one is
        not understood, nothing can be said.
        """
        counted = False
        for bench in benches(component, good_reply):
            alone = [0] if bench.component.starts else []
            for count in (*alone, *_COUNTS):
                run = bench.run(candidates(count), alone=not count, situation=f"{count} candidates, good replies")
                if run.losses and any(good_reply(call) is not None for call in run.calls):
                    broken(
                        "A good reply is understood.",
                        f"{run.situation}: {'; '.join(map(str, run.losses))}",
                        "Mend the fixture `good_reply`, or what reads it",
                    )
                if not run.losses:
                    counted = True
                    _check_counts(bench, run, count)
            _check_chain(bench)
        if not counted:
            pytest.skip("no reply of the kit's was understood; give a fixture `good_reply` to have calls counted")

    def test_equal_siblings_draw_different_samples(
        self, component: ComponentFactory, good_reply: GoodReply
    ) -> None:
        """Two equal components side by side never make the same call, which would get the same answer.

        They are kept apart by `sample_count`, which therefore counts every sample of one request.
        """
        pairs = zip(asking_benches(component, good_reply), asking_benches(component, good_reply), strict=True)
        for left, right in pairs:
            behind = not left.component.starts or not left.component.makes_candidates
            graph = left.compile(left.architecture(behind=behind, more={"sibling": right.component}))
            for situation, reply in {"good replies": None, "empty replies": _replies.always("")}.items():
                for bench in (left, right):
                    bench.set_up(supply=candidates(bench.count), reply=reply)
                left.attempt(graph, [{"role": "user", "content": "What is 2 + 2?"}], situation)
                if shared := {_key(call) for call in left.calls} & {_key(call) for call in right.calls}:
                    samples = sorted(sample for _, sample in shared)
                    broken(
                        "Equal components side by side never make the same call.",
                        f"{situation}, {left.mode}: both asked the same for the samples {samples}, with "
                        f"sample_count {left.component.sample_count}",
                        "Override sample_count: as many as context.draw(samples=..., first=...) reaches",
                    )


def _at(bench: Bench, number: int, bad: Reply) -> Callable[[ScriptedCall], Reply]:
    return lambda call: bad if len(bench.calls) == number else bench.good(call)


def _check_bad_run(bench: Bench, run: Run, *, silent: bool) -> None:
    _check_something_left(bench, run)
    fewest = bench.component.fewest_out(len(run.given))
    if len(run.passed_on) < fewest and not run.losses:
        broken(
            "Whatever is lost is recorded.",
            f"{run.situation}: {len(run.passed_on)} candidates came out, {fewest} at least were planned, and "
            f"nothing was said about it",
            "Record it: context.lose('unreadable', 'what could not be read, and what was done instead')",
        )
    if run.seconds > _LONGEST_READING:
        broken(
            "A reply is read in a time that grows with its length, and no faster.",
            f"{run.situation}: it took {run.seconds:.0f} s",
            "Bound every repeat in your patterns: [ ]{0,4} in place of [ ]*",
        )
    if silent and run.calls and not run.losses:
        broken(
            "A reply that says nothing is recorded as a loss.",
            f"{run.situation}: {len(run.calls)} calls brought nothing, and no loss is on record",
            "Record it: context.lose('empty', 'what was done instead'); is_empty(message) tells an empty reply",
        )


def _check_failed_run(bench: Bench, run: Run, *, must_tell: bool) -> None:
    _check_something_left(bench, run)
    told = " ".join(loss.detail for loss in run.losses)
    if must_tell and _CAUSE not in told:
        broken(
            "The cause of a failure is on record.",
            f"{run.situation} ({_CAUSE!r}); the record says: {told or 'nothing'}",
            "Let ModelError pass, or put it into the record: context.lose('error', f'{error}; and then ...')",
        )


def _check_something_left(bench: Bench, run: Run) -> None:
    component = bench.component
    if run.given and not run.passed_on and not component.starts and component.fewest_out(len(run.given)):
        broken(
            "Candidates that were given are not lost with the model.",
            f"{run.situation}: of {len(run.given)} candidates none was passed on",
            "Pass on those you were given, in degrade() or in run(); or let fewest_out() say that none is left",
        )
    check_selection(component, run)
    check_making(component, run)


def _check_counts(bench: Bench, run: Run, count: int) -> None:
    component, made = bench.component, len(run.calls)
    for what, number, least, most in (
        ("calls", made, component.fewest_calls(count), component.calls(count)),
        ("candidates_out", len(run.passed_on), component.fewest_out(count), component.candidates_out(count)),
    ):
        if not least <= number <= most:
            fewest = "fewest_calls" if what == "calls" else "fewest_out"
            broken(
                "What a run takes and gives is known beforehand.",
                f"{run.situation}: {number} in fact; {what}({count}) is {most}, {fewest}({count}) is {least}",
                f"Override {what}() to give the most, and {fewest}() to give the least if it depends on replies",
            )
    rows = [row for row in run.result.trace if row["node"] == TESTED] if run.result is not None else None
    recorded = made if rows is None else sum(row["calls"] for row in rows)
    if recorded != made:
        broken(
            "Every call is on record.",
            f"{run.situation}: the model was called {made} times, the record has {recorded}",
            "Ask models through context.draw alone",
        )


def _check_chain(bench: Bench) -> None:
    declared = bench.component.calls_in_a_row(bench.count)
    # A busy machine can hold up a call that should have begun with the others; hardly three times running.
    measured = next((chain for _ in range(3) if (chain := longest_chain(bench)) <= declared), None)
    if measured is None:
        broken(
            "How many calls wait for each other is known beforehand.",
            f"{bench.count} candidates, {bench.mode}: {longest_chain(bench)} in fact, "
            f"calls_in_a_row({bench.count}) is {declared}",
            "Let calls run side by side (context.for_each), or override calls_in_a_row()",
        )


def _key(call: ScriptedCall) -> tuple[str, int]:
    messages: Any = [message.model_dump(exclude={"id"}) for message in call.messages]
    return json.dumps(messages, sort_keys=True, default=str), call.sample
