"""``Scope``: what the nodes of one turn share beside the state: a budget, and quorums.

Both live in memory and change from call to call, so they cannot lie in the state, which is plain data. There
lies a token, by which every node finds the scope of its turn.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from archon_graph.core.component import ModelComponent
from archon_graph.core.quorum import Quorums
from archon_graph.models import Budget, ConfigurationError, Gate, Ledger, ModelLike, Prices
from archon_graph.models.providers import label, open_model

_MOST_SCOPES = 10_000  # of turns that never ended: crashed, cancelled, or interrupted and not taken up again


_NO_GATE = nullcontext()


@dataclass(frozen=True)
class Scope:
    """What the nodes of one turn share."""

    ledger: Ledger | None = None
    """What the turn may spend; ``None`` if that is not limited."""
    quorums: Quorums | None = None
    """Who has a quorum by now; ``None`` if every node waits for all."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to share, so that no scope is needed."""
        return self.ledger is None and self.quorums is None

    def watch(self, node: str, *, by_draw: bool) -> AbstractContextManager[Gate | None]:
        """See `Quorums.watch`."""
        return _NO_GATE if self.quorums is None else self.quorums.watch(node, by_draw=by_draw)

    def ended(self, node: str, candidates: int) -> None:
        """See `Quorums.ended`."""
        if self.quorums is not None:
            self.quorums.ended(node, candidates)


NO_SCOPE = Scope()
"""Of a turn that shares nothing."""


class Scopes:
    """The scopes of the turns under way in one compiled graph, by token. Thread-safe."""

    def __init__(self) -> None:
        self._scopes: OrderedDict[str, Scope] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, scope: Scope) -> str:
        """Keep a scope, and give the token it is found by."""
        token = uuid.uuid4().hex
        self.find(token, lambda: scope)
        return token

    def find(self, token: str, make: Callable[[], Scope]) -> Scope:
        """The scope of a turn; made anew where a run is taken up again in another process."""
        with self._lock:
            scope = self._scopes.get(token)
            if scope is None:
                scope = self._scopes[token] = make()
                if len(self._scopes) > _MOST_SCOPES:
                    self._scopes.popitem(last=False)
            else:
                self._scopes.move_to_end(token)
            return scope

    def close(self, token: str) -> None:
        """Forget the scope of a turn that is over."""
        with self._lock:
            self._scopes.pop(token, None)


def as_ledger(budget: Budget | Ledger | None) -> Ledger | None:
    """A ledger as it is, and a fresh one for a budget."""
    return Ledger(budget) if isinstance(budget, Budget) else budget


def check_budget(budget: object) -> None:
    """See that what was given as a budget is one.

    Raises:
        TypeError: It is something else.
    """
    if budget is not None and not isinstance(budget, Budget | Ledger):
        raise TypeError(
            f"a budget is a Budget or a Ledger, got {type(budget).__name__}: {budget!r:.60}; "
            f"write, for example, Budget(calls=10)"
        )


def check_caps(components: Mapping[str, ModelComponent], budget: Budget, prices: Prices) -> None:
    """See that a cap on tokens or money can be hard: what a call takes at worst has to be known beforehand.

    Raises:
        ConfigurationError: It is not, for some nodes; all of these are named.
    """
    if not budget.caps_volume:
        return
    endless = {node: part.model for node, part in components.items() if not _is_bound(part)}
    unpriced = {
        node: part.model
        for node, part in components.items()
        if budget.money is not None and prices.cost_of(label(part.model), 1, 1) is None
    }
    problems = []
    if endless:
        problems.append(
            f"nothing bounds the length of the answers of {_named(endless)}: set max_tokens there, or limit calls "
            f"or seconds instead"
        )
    if unpriced:
        problems.append(
            f"the price is not known of {_named(unpriced)}: give it in US dollars for a million tokens, as in "
            f"Client(prices={{'provider:name': {{'prompt': 1.0, 'completion': 2.0}}}}), or limit calls, tokens or "
            f"seconds instead"
        )
    if problems:
        raise ConfigurationError(f"the budget of {budget} cannot be kept for certain; {'; '.join(problems)}")


def _named(models: Mapping[str, ModelLike]) -> str:
    return ", ".join(f"{node} ({label(model)})" for node, model in models.items())


def _is_bound(component: ModelComponent) -> bool:
    model = component.model
    if component.max_tokens is not None or (isinstance(model, str) and model.startswith("local:")):
        return True
    # A model of the user's own may bring a bound along; opening one takes nothing.
    own = not isinstance(model, str) or model.startswith("custom:")
    return own and open_model(model, component.sampling).max_tokens is not None
