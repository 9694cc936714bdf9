"""What an item's turns ask, and what is right: as judges are shown it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.item import Item

_ROLES = {"human": "User", "ai": "Assistant", "system": "System"}


def questions_of(item: Item) -> tuple[str, ...]:
    """What is asked in each turn; a conversation that comes before the first is told with it."""
    if isinstance(item.input, str):
        return (item.input, *item.follow_ups)
    if len(item.input) == 1:
        return (str(item.input[0].text), *item.follow_ups)
    talk = "\n\n".join(f"{_ROLES.get(one.type, one.type)}: {one.text}" for one in item.input)
    return (talk, *item.follow_ups)


def references_of(item: Item) -> tuple[str, ...]:
    """The right answers to the turns, as far as they are known: the metadata's ``reference``, or the target."""
    given = item.metadata.get("reference")
    if isinstance(given, str):
        return (given,)
    if isinstance(given, list | tuple):
        return tuple(str(one) for one in given)
    return item.targets[:1]
