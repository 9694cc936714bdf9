"""What to say when a call is not recorded: which one comes nearest, and how it differs."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from archon_graph.models.cache.identity import Identity
from archon_graph.models.cache.plain import blanked, canonical
from archon_graph.models.cache.rows import RequestRow, ranges
from archon_graph.models.redact import redact, secret_values

# Of the requests that are equally near by their digests, so many are compared word by word.
_COMPARED = 200
_EXCERPT = 30
# Most characters of a value that is shown.
_SHOWN = 60

Samples = Callable[[str], Iterable[tuple[int, int]]]
"""From a request's digest to the replicates and samples that are recorded of it."""


def miss(
    asked: Identity, replicate: int, sample: int, *, where: str, rows: Iterable[RequestRow], samples: Samples
) -> str:
    """One sentence: what is missing, the nearest call that is recorded, and each difference.

    Args:
        asked: What was looked for.
        replicate: Its replicate.
        sample: Its sample.
        where: Where it was looked for, as in "on the tape FILE".
        rows: All that is recorded.
        samples: Gives what is recorded of a request.
    """
    of = f" of replicate {replicate}" if replicate else ""
    missing = f"sample {sample}{of} of this call to {asked.label} is not {where}; "
    own = list(samples(asked.digest))
    if own:
        return redact(f"{missing}the call itself is there, {_recorded(own, replicate)}")
    near = _nearest(asked, rows)
    if near is None:
        return f"{missing}nothing is recorded there"
    differences = "; ".join(_differences(asked, near)) or "nothing that digests of its fields tell"
    of_model = "" if near.label == asked.label else f" (to {near.label})"
    recorded = _recorded(list(samples(near.digest)), replicate)
    return redact(f"{missing}the nearest recorded call{of_model} differs in {differences}; {recorded}")


def _recorded(samples: Sequence[tuple[int, int]], asked: int) -> str:
    replicates = sorted({replicate for replicate, _ in samples})
    told = []
    for replicate in replicates:
        numbers = ranges(sample for other, sample in samples if other == replicate)
        told.append(numbers if replicates == [asked] == [0] else f"{numbers} of replicate {replicate}")
    return f"recorded samples: {', '.join(told) or 'none'}"


def _nearest(asked: Identity, rows: Iterable[RequestRow]) -> RequestRow | None:
    """The one that agrees in most fields, and among those the one whose messages stay equal for longest."""
    nearest = heapq.nsmallest(
        _COMPARED, rows, key=lambda row: (-_agreeing(asked, row), row.label != asked.label, row.digest)
    )
    if not nearest:
        return None
    most = _agreeing(asked, nearest[0])
    tied = [row for row in nearest if _agreeing(asked, row) == most]
    text = canonical(asked.record.get("messages"))
    return max(
        tied,
        key=lambda row: (
            row.label == asked.label,
            0 if row.record is None else _shared(text, canonical(row.record.get("messages"))),
        ),
    )


def _agreeing(asked: Identity, row: RequestRow) -> int:
    return sum(row.parts.get(name) == digest for name, digest in asked.parts.items())


def _shared(left: str, right: str) -> int:
    """How many characters the beginnings share."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _differences(asked: Identity, row: RequestRow) -> Iterable[str]:
    # Compared in the form in which it was kept.
    mine: Mapping[str, Any] = blanked(asked.record, secret_values())
    for name in dict.fromkeys([*asked.parts, *row.parts]):
        if asked.parts.get(name) == row.parts.get(name):
            continue
        if row.record is None:
            yield f"{name} (of which only a digest is kept)"
        elif name == "messages":
            yield _in_messages(mine.get(name) or [], row.record.get(name) or [])
        else:
            yield from _in_values(name, mine.get(name), row.record.get(name))


def _in_values(place: str, mine: Any, theirs: Any) -> Iterable[str]:
    """Each place in which two values differ."""
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        for key in dict.fromkeys([*mine, *theirs]):
            if key not in mine or key not in theirs or mine[key] != theirs[key]:
                yield from _in_values(f"{place}.{key}", mine.get(key), theirs.get(key))
    else:
        yield f"{place}: recorded {_short(theirs)}, asked {_short(mine)}"


def _in_messages(mine: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]) -> str:
    for number, (own, other) in enumerate(zip(mine, theirs, strict=False), start=1):
        if own == other:
            continue
        place = f"message {number} ({own.get('type')})"
        one, two = own.get("content"), other.get("content")
        if own.get("type") == other.get("type") and isinstance(one, str) and isinstance(two, str) and one != two:
            at = _shared(one, two)
            return f"{place} from character {at + 1} on: recorded {_around(two, at)}, asked {_around(one, at)}"
        return f"{place}: {'; '.join(_in_values('its fields', own, other))}"
    if len(mine) != len(theirs):
        return f"the number of messages: recorded {len(theirs)}, asked {len(mine)}, equal as far as both go"
    return "messages, only in what was blanked out as secret"


def _around(text: str, at: int) -> str:
    before, after = text[max(0, at - _EXCERPT) : at], text[at : at + _EXCERPT]
    return repr(f"{'…' if at > _EXCERPT else ''}{before}{after}{'…' if at + _EXCERPT < len(text) else ''}")


def _short(value: Any) -> str:
    if isinstance(value, Mapping) and "title" in value:
        return f"{value['title']!r}"
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
