"""``sample_curves``: what more samples would bring, from the log of an evaluation and at no further model calls.

The candidates of a generator are a pool of samples. Each is scored once by the benchmark's own scorer, and
the score is kept in the log. What n samples would bring is computed by `archon_graph.evals.statistics.curves`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage

from archon_graph.answers import Extraction, extract_answer
from archon_graph.evals.benchmarks import Item
from archon_graph.evals.benchmarks.problems import nearest
from archon_graph.evals.log import EvaluationLog, Row, digest
from archon_graph.evals.runner import Evaluation
from archon_graph.evals.scorers import UNSCORED, ByKind, Score, Scorer, Value
from archon_graph.evals.scoring import score_answer
from archon_graph.evals.statistics import Curve, Estimate, Pool, best_of_n_curve, oracle_curve, vote_curve
from archon_graph.models import ConfigurationError

_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class SampleCurves:
    """What more samples of one architecture's generator would bring."""

    architecture: str
    """Its name."""
    nodes: tuple[str, ...]
    """The nodes whose candidates are the pool."""
    samples: int
    """How many samples the pool of a question has."""
    one: Curve
    """The score of one sample, drawn by lot: the same for any number of them."""
    vote: Curve
    """The score of the final answer that most of n samples agree on."""
    oracle: Curve
    """The score of the best of n samples, chosen by who knows the scores: the most that selection can reach."""
    ranked: Mapping[str, Curve]
    """For each node that put the whole pool in order: the score of the sample it puts first among n."""
    questions: int
    """How many questions they are of."""
    left_out: int
    """Questions whose pool is not whole, because calls failed or a sample could not be scored."""

    @property
    def curves(self) -> dict[str, Curve]:
        """All of them, by what they are called in tables."""
        ranked = {f"best by {node}": curve for node, curve in self.ranked.items()}
        return {"one": self.one, "vote": self.vote, **ranked, "oracle": self.oracle}

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "architecture": self.architecture,
            "nodes": list(self.nodes),
            "samples": self.samples,
            "questions": self.questions,
            "left_out": self.left_out,
            "curves": {name: curve.to_json() for name, curve in self.curves.items()},
        }


async def sample_curves(
    directory: str | Path,
    *,
    architectures: Sequence[str] = (),
    nodes: Sequence[str] = (),
    answers: Extraction = "auto",
    scorer: Scorer | None = None,
    level: float = 0.95,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[SampleCurves]:
    """Curves over the number of samples, from the log of an evaluation.

    Model calls: none. Scores that are in the log are not made again.

    Args:
        directory: The log.
        architectures: Whose; by default all that drew several samples in a node.
        nodes: The generators whose candidates are the pool; needed where an architecture has several of them.
            Samples of several nodes are one pool, as if drawn by lot.
        answers: Where the final answer that is voted on is looked for in a sample.
        scorer: The benchmark's scorer; needed only for one of your own.
        level: Confidence level of the intervals.
        on_progress: Told how many candidates are scored, and of how many.

    Raises:
        ConfigurationError: There is no such log, architecture or node; no node drew several samples; a node stops
            drawing when a vote is settled, so that its pools say nothing about fewer samples; or the scorer is one
            of your own and was not given.
    """
    evaluation = Evaluation.read(directory)
    pools = _pools(evaluation, architectures, nodes)
    by = scorer if scorer is not None else _scorer_of(evaluation)
    if by.models:
        raise ConfigurationError(
            "a judge would be called for every sample, and curves call no model; they are for answers that a rule "
            "scores"
        )
    identity = evaluation.run["benchmark"]["scorer"]
    if by.identity != identity:
        raise ConfigurationError(f"the answers were scored by {identity}, and {by.identity} was given")
    log = EvaluationLog(directory)
    items = {item.id: item for item in evaluation.items}
    wanted = {
        (sampled.item, digest(text)): (items[sampled.item], text)
        for pool in pools
        for sampled in pool.sampled
        for text in sampled.texts
    }
    with log.keeping_candidates():
        scores = known_scores(evaluation)
        todo = {key: wanted[key] for key in wanted if key not in scores}
        done = len(wanted) - len(todo)
        on_progress(done, len(wanted))
        async for key, score in _scored(by, todo):
            scores[key] = score
            if score.scored:
                log.keep_candidate(identity, item=key[0], text=key[1], score=score)
            done += 1
            on_progress(done, len(wanted))
    return [pool.curves(scores, answers, level) for pool in pools]


def recorded_curves(
    evaluation: Evaluation, *, answers: Extraction = "auto", level: float = 0.95
) -> list[SampleCurves]:
    """The curves of an evaluation all of whose candidates are scored already; those of others are left out.

    Raises:
        LogError: The log cannot be read.
    """
    scores = known_scores(evaluation)
    found = []
    for name in evaluation.architectures:
        try:
            pools = _pools(evaluation, [name], ())
        except ConfigurationError:
            continue  # it has none, and nobody asked for them
        if all(
            (each.item, digest(text)) in scores for pool in pools for each in pool.sampled for text in each.texts
        ):
            found += [pool.curves(scores, answers, level) for pool in pools]
    return found


def known_scores(evaluation: Evaluation) -> dict[tuple[str, str], Score]:
    """What is known of candidates, by item and `digest` of the text: final answers are candidates, too.

    Raises:
        LogError: The log cannot be read.
    """
    log = EvaluationLog(evaluation.directory)
    known = log.candidate_scores(evaluation.run["benchmark"]["scorer"])
    for row in evaluation.rows:
        if row.answer is not None and row.score.scored:
            known[row.item, digest(row.answer)] = row.score
    return known


def shown_numbers(samples: int) -> list[int]:
    """The numbers of samples that a table shows: all small ones, then ever larger steps, and the last."""
    numbers = [n for n in range(1, samples + 1) if n <= 8 or (n <= 32 and n % 4 == 0) or n % 32 == 0]
    return numbers if not samples or samples in numbers else [*numbers, samples]


@dataclass(frozen=True, kw_only=True)
class _Sampled:
    """The samples of one question."""

    item: str
    cluster: str
    texts: tuple[str, ...]
    """What each sample says; an empty answer, which was dropped, is an empty text at the end."""
    ranks: Mapping[str, tuple[int, ...]]
    """For each node that passed all of them on in an order: higher is better."""


@dataclass(frozen=True, kw_only=True)
class _Pools:
    """The samples of one architecture for all questions."""

    architecture: str
    nodes: tuple[str, ...]
    samples: int
    sampled: tuple[_Sampled, ...]

    def curves(self, scores: Mapping[tuple[str, str], Score], answers: Extraction, level: float) -> SampleCurves:
        whole = [each for each in self.sampled if len(each.texts) == self.samples]
        # Who never puts anything in another order is a critic, or the like, and no ranker.
        rankers = [
            node
            for node in dict.fromkeys(node for each in whole for node in each.ranks)
            if all(node in each.ranks or not any(each.texts) for each in whole)
            and any(
                list(each.ranks.get(node, ())) != sorted(each.ranks.get(node, ()), reverse=True) for each in whole
            )
        ]
        pools = [self._pool(each, scores, answers) for each in self.sampled]
        # Where no sample scores less than 0 or more than 1, no mean does.
        shares = all(
            value is UNSCORED or value is None or 0.0 <= value <= 1.0 for pool in pools for value in pool.values
        )
        oracle = _within(oracle_curve(pools, level=level), shares=shares)
        first: tuple[Estimate, ...] = oracle.points[:1]
        ranked = {
            node: _within(
                best_of_n_curve([self._pool(each, scores, answers, node) for each in self.sampled], level=level),
                shares=shares,
            )
            for node in rankers
        }
        left_out = first[0].unscored if first else 0
        return SampleCurves(
            architecture=self.architecture,
            nodes=self.nodes,
            samples=self.samples,
            one=Curve(rule="one", points=first * self.samples),
            vote=_within(vote_curve(pools, level=level), shares=shares),
            oracle=oracle,
            ranked=ranked,
            questions=len(self.sampled) - left_out,
            left_out=left_out,
        )

    def _pool(
        self, sampled: _Sampled, scores: Mapping[tuple[str, str], Score], answers: Extraction, ranker: str = ""
    ) -> Pool:
        count = len(sampled.texts)
        whole = count == self.samples
        found = [scores.get((sampled.item, digest(text))) for text in sampled.texts]
        values: list[Value] = [UNSCORED if score is None else score.value for score in found]
        return Pool(
            # Of a pool that is not whole nothing is known: not its length either, which would end all curves.
            values=values if whole else [UNSCORED] * self.samples,
            answers=[extract_answer(text, answers) for text in sampled.texts] if whole else [None] * self.samples,
            ranks=sampled.ranks.get(ranker, (0,) * count) if whole else (0,) * self.samples,
            cluster=sampled.cluster,
        )


def _within(curve: Curve, *, shares: bool) -> Curve:
    """The curve without the part of its intervals where no score can be."""

    def cut(end: float | None) -> float | None:
        return None if end is None else min(1.0, max(0.0, end))

    if not shares:
        return curve
    return replace(
        curve, points=tuple(replace(each, low=cut(each.low), high=cut(each.high)) for each in curve.points)
    )


def _pools(evaluation: Evaluation, architectures: Sequence[str], nodes: Sequence[str]) -> list[_Pools]:
    for name in architectures:
        if name not in evaluation.architectures:
            raise ConfigurationError(
                f"the log has no architecture {name!r}{nearest(name, evaluation.architectures)}; it has "
                f"{', '.join(evaluation.architectures)}"
            )
    found = []
    for name in architectures or evaluation.architectures:
        rows = evaluation.of(name)
        chosen = _nodes(name, rows, nodes, required=bool(architectures))
        if chosen:
            _refuse_early_ends(name, rows, chosen)
            sampled = tuple(_sampled(row, chosen) for row in rows)
            size = max(len(each.texts) for each in sampled)
            found.append(_Pools(architecture=name, nodes=chosen, samples=size, sampled=sampled))
    if not found:
        wanted = f"has a generator {' and '.join(nodes)}" if nodes else "has just one generator that drew samples"
        raise ConfigurationError(
            f"no architecture in {evaluation.directory} {wanted}, so there is nothing to draw a curve of; "
            f"evaluate one that does, such as self-consistency or best-of-n, or name one with --architecture"
        )
    return found


def _nodes(name: str, rows: Iterable[Row], wanted: Sequence[str], *, required: bool) -> tuple[str, ...]:
    """The generators whose samples are the pool: those that are asked for, or the only one; none if none fit."""
    sizes: dict[str, int] = {}
    for row in rows:
        for report in _reports(row):
            if report["technique"] == "generator":
                node = report["node"]
                drawn = len(report["candidates"]) + _empty(row, [node])
                sizes[node] = max(drawn, sizes.get(node, 0))
    several = [node for node, size in sizes.items() if size > 1]
    lost = [node for node in wanted if node not in sizes]
    if not required:
        return () if lost else tuple(wanted) or (tuple(several) if len(several) == 1 else ())
    if lost:
        raise ConfigurationError(
            f"{name} has no generator {lost[0]!r} in its log{nearest(lost[0], sizes)}; it has "
            f"{', '.join(sizes) or 'none'}"
        )
    if not wanted and len(several) != 1:
        raise ConfigurationError(
            f"{name} has several generators that drew samples; say whose are the pool, with one or more of "
            f"{', '.join(f'--node {node}' for node in several)}"
            if several
            else f"no node of {name} drew several samples, so there is no curve of it"
        )
    return tuple(dict.fromkeys(wanted or several))


def _refuse_early_ends(name: str, rows: Iterable[Row], nodes: Sequence[str]) -> None:
    """A pool that ended because its samples agreed is no draw of so many samples."""
    for row in rows:
        for report in _reports(row):
            if report["node"] in nodes and any(note.startswith("stopped after") for note in report["notes"]):
                raise ConfigurationError(
                    f"{report['node']} of {name} stops drawing when a vote is settled, so its samples say nothing "
                    f"about fewer of them; evaluate it without stop_when"
                )


def _sampled(row: Row, nodes: Sequence[str]) -> _Sampled:
    reports = _reports(row)
    drawn = [each for report in reports if report["node"] in nodes for each in report["candidates"]]
    ids = [each["id"] for each in drawn]
    empty = _empty(row, nodes)
    ranks = {}
    for report in reports:
        order = [each["id"] for each in report["candidates"]]
        if report["node"] not in nodes and sorted(order) == sorted(ids):
            # Who drops nothing passes everything on, best first; what was empty never came so far.
            ranks[report["node"]] = (*(-order.index(each) for each in ids), *([-len(ids)] * empty))
    texts = (*(text_of(each["content"]) for each in drawn), *([""] * empty))
    return _Sampled(item=row.item, cluster=row.cluster, texts=texts, ranks=ranks)


def _empty(row: Row, nodes: Sequence[str]) -> int:
    """How many samples of these nodes were dropped because they said nothing."""
    return sum(loss["node"] in nodes and loss["kind"] == "empty" for loss in row.losses)


def _reports(row: Row) -> Sequence[Mapping[str, Any]]:
    """What each node did; nothing for a question without an answer."""
    return tuple(row.result.get("nodes", ()))


def text_of(content: Any) -> str:
    """The text of a candidate's content, which may be a list of blocks."""
    return content if isinstance(content, str) else str(AIMessage(content=content).text)


async def _scored(scorer: Scorer, todo: Mapping[tuple[str, str], tuple[Item, str]]) -> Any:
    """Score these texts, a few at a time; each as soon as it is done."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one(key: tuple[str, str]) -> tuple[tuple[str, str], Score]:
        async with turn:
            return key, await score_answer(scorer, *todo[key])

    tasks = [asyncio.create_task(one(key)) for key in todo]
    try:
        for done in asyncio.as_completed(tasks):
            yield await done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _scorer_of(evaluation: Evaluation) -> Scorer:
    """The scorer that the evaluation was scored by, if it is the usual one."""
    identity = evaluation.run["benchmark"]["scorer"]
    if ByKind().identity != identity:
        raise ConfigurationError(
            f"the answers were scored by {identity}, which a log cannot make again; "
            f"from Python: await sample_curves({str(evaluation.directory)!r}, scorer=...)"
        )
    return ByKind()
