"""Laws about candidates: what a component may do to those it is given, and how it makes new ones."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import fields
from itertools import zip_longest
from typing import Any

from langchain_core.messages import BaseMessage

from archon_graph.core import Candidate, Component
from archon_graph.testing._bench import TESTED, ComponentFactory, GoodReply, Run, benches, broken
from archon_graph.testing._material import candidates, conversation, hostile_candidates

_COUNTS = (1, 2, 3, 7)
_IDENTITY = ("message", "node", "model", "parents", "usage")
_RECORDS = ("critiques", "verdicts", "test_results")


class CandidateLaws:
    """What becomes of candidates."""

    def test_candidates_are_passed_on_as_they_are(
        self, component: ComponentFactory, good_reply: GoodReply
    ) -> None:
        """A candidate that is passed on keeps its id, message, maker and records, and comes once.

        A component that makes no candidates passes on some of those it was given, and all of them where it
        does not say that it drops some (`candidates_out`, `fewest_out`).
        """
        for bench in benches(component, good_reply):
            check_selection(bench.component, bench.run())

    def test_new_candidates_know_where_they_come_from(
        self, component: ComponentFactory, good_reply: GoodReply
    ) -> None:
        """The id of a new candidate is its node and a number, unique; its parents are among those given.

        Only a component that `starts` may leave the parents out: its candidates are first drafts. From any
        other one, the way through the parents leads back to a first draft.
        """
        for bench in benches(component, good_reply):
            runs = [bench.run(situation=f"{bench.count} candidates")]
            if bench.component.starts:
                runs.append(bench.run(alone=True, situation="in the first layer"))
            for run in runs:
                check_making(bench.component, run)

    def test_nothing_given_is_changed(self, component: ComponentFactory, good_reply: GoodReply) -> None:
        """The user's messages, the candidates given and the component itself are after a run as before."""
        for bench in benches(component, good_reply):
            question, incoming = conversation(), candidates(bench.count)
            asked = _dumped(question)
            # The graph runs a copy of its own, with the name of the node.
            running = bench.graph()[0].components[TESTED]
            itself = _looks(running)
            run = bench.run(incoming, question=question)
            way_out = "Make a copy: dataclasses.replace(candidate, ...), message.model_copy(...), [*their_list]"
            if seen := _first_difference(asked, _dumped(question)):
                broken("The user's messages are never changed.", seen, way_out)
            if run.state and (seen := _first_difference(asked, _dumped(run.state["messages"][: len(question)]))):
                broken("The messages that other nodes will read are never changed.", seen, way_out)
            for before, *afterwards in zip(run.given, incoming, run.given_after, strict=True):
                for after in afterwards:
                    if differing := _differing(before, after, [field.name for field in fields(Candidate)]):
                        seen = f"{before.id} was changed in: {', '.join(differing)}"
                        broken("The candidates given are never changed.", seen, way_out)
            if seen := _first_difference(itself, _looks(running)):
                broken(
                    "A component is frozen: runs share it, and leave nothing in it.",
                    seen,
                    "Keep what belongs to a run in local variables of run()",
                )

    def test_any_number_of_candidates_will_do(self, component: ComponentFactory, good_reply: GoodReply) -> None:
        """No candidate, one, or more than it was promised; and candidates that try to be something else.

        Fewer candidates than planned come whenever something before it was lost.
        """
        for bench in benches(component, good_reply):
            empty = bench.run((), situation="no candidate")
            if not bench.component.starts and empty.passed_on:
                ids = ", ".join(candidate.id for candidate in empty.passed_on)
                broken(
                    "What needs candidates makes none out of nothing.",
                    f"given no candidate, it passed on {ids}",
                    "Set `starts` if it can do without candidates",
                )
            for count in _COUNTS:
                run = bench.run(candidates(count), situation=f"{count} candidates")
                check_selection(bench.component, run)
                check_making(bench.component, run)
            hostile = bench.run(hostile_candidates(), situation="candidates with hostile text")
            check_selection(bench.component, hostile)
            check_making(bench.component, hostile)


def check_selection(component: Component, run: Run) -> None:
    """Fail unless the candidates that were passed on are as they were given."""
    given = {candidate.id: candidate for candidate in run.given}
    ids = [candidate.id for candidate in run.passed_on]
    if twice := sorted({id_ for id_ in ids if ids.count(id_) > 1}):
        broken(
            "No two candidates that are passed on have the same id.",
            f"{run.situation}: {', '.join(twice)} came more than once",
            "Pass each candidate on once; give new ones a number: context.candidate(..., number=...)",
        )
    if not component.makes_candidates and (strangers := [id_ for id_ in ids if id_ not in given]):
        broken(
            "A component that makes no candidates passes on those it was given.",
            f"{run.situation}: it passed on {', '.join(strangers)}, and was given {', '.join(given) or 'none'}",
            "Set `makes_candidates`, or return candidates of context.candidates",
        )
    for after in run.passed_on:
        if after.id in given:
            _check_unchanged(given[after.id], after, run)
    fewest = component.fewest_out(len(given))
    if not component.makes_candidates and given and len(ids) < fewest:
        broken(
            "No candidate is lost that the component has no reason to drop.",
            f"{run.situation}: of {len(given)} candidates it passed on {len(ids)}, though fewest_out("
            f"{len(given)}) is {fewest}",
            "Pass on the candidates you could not judge, too; if dropping them is the point, say so in "
            "fewest_out() and candidates_out()",
        )


def check_making(component: Component, run: Run) -> None:
    """Fail unless new candidates say where they come from."""
    given = {candidate.id for candidate in run.given}
    for candidate in run.passed_on:
        if candidate.id in given:
            continue
        if not re.fullmatch(rf"{TESTED}:\d+", candidate.id) or candidate.node != TESTED:
            broken(
                "The id of a new candidate is its node and a number, so that it is the same in every run.",
                f"{run.situation}: the node {TESTED!r} made {candidate.id!r}, whose node is {candidate.node!r}",
                "Make candidates with context.candidate(self, draw, ...), or dataclasses.replace(...) with "
                "id=f'{context.node}:{number}' and node=context.node",
            )
        if strangers := [parent for parent in candidate.parents if parent not in given]:
            broken(
                "The parents of a new candidate are ids of candidates that were given.",
                f"{run.situation}: {candidate.id} names {', '.join(map(repr, strangers))}",
                "Give the candidates themselves: context.candidate(self, draw, parents=[...])",
            )
        if not candidate.parents and not component.starts:
            broken(
                "The way through the parents leads back to a first draft.",
                f"{run.situation}: {candidate.id} has no parents",
                "Say what it was made from: context.candidate(self, draw, parents=context.candidates)",
            )


def _check_unchanged(before: Candidate, after: Candidate, run: Run) -> None:
    if differing := _differing(before, after, _IDENTITY):
        broken(
            "A candidate that is passed on keeps its id, message, maker, parents and usage.",
            f"{run.situation}: {after.id} came out with another {' and '.join(differing)}",
            "Pass on the candidate itself, or dataclasses.replace(candidate, score=...) to add to it; rewritten "
            "text is a new candidate, with an id of its own and parents",
        )
    for name in _RECORDS:
        if missing := [entry for entry in getattr(before, name) if entry not in getattr(after, name)]:
            broken(
                "A candidate never loses its critiques, verdicts and test results.",
                f"{run.situation}: {after.id} came in with {missing[0]} and went out without",
                f"Add to what is there: replace(candidate, {name}=(*candidate.{name}, entry))",
            )
    if before.score is not None and after.score is None:
        broken(
            "A candidate never loses its score; another one may take its place.",
            f"{run.situation}: {after.id} came in with {before.score} and went out with none",
            "Leave the score as it is",
        )


def _differing(before: Candidate, after: Candidate, names: Sequence[str]) -> list[str]:
    return [name for name in names if _plain(getattr(before, name)) != _plain(getattr(after, name))]


def _plain(value: Any) -> Any:
    return value.model_dump() if isinstance(value, BaseMessage) else value


def _dumped(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    # Without the ids that LangGraph gives to its own copies.
    return [copy.deepcopy(message.model_dump(exclude={"id"})) for message in messages]


def _looks(component: Component) -> list[str]:
    return [f"{name}={value!r}" for name, value in vars(component).items()]


def _first_difference(before: Sequence[Any], after: Sequence[Any]) -> str:
    """The first place where two lists differ; empty if they do not."""
    for one, other in zip_longest(before, after, fillvalue="nothing"):
        if one != other:
            return f"before: {one!s:.300}\n      after: {other!s:.300}"
    return ""
