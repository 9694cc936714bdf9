"""The word problems worked out exactly, by counting and trying where the obvious way is the model's too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import count

Number = int | Fraction


def _first(found: Iterator[Number]) -> Number:
    return next(found)


def _boxes_of_eggs() -> int:
    left, boxes = 174 - 6, 0
    while left >= 12:
        left, boxes = left - 12, boxes + 1
    return boxes


def _minutes_until_full() -> int:
    litres, minutes = 240 // 4, 0
    while litres < 240:
        litres, minutes = litres + 12, minutes + 1
    return minutes


def _packs_of_tiles() -> int:
    tiles = (420 // 30) * (360 // 30)
    return _at_least(tiles, 25)


def _at_least(wanted: int, size: int) -> int:
    return next(packs for packs in count() if packs * size >= wanted)


SOLUTIONS: dict[str, Callable[[], Number]] = {
    "arithmetic-plum-crates": lambda: sum([14] * 6),
    "arithmetic-free-seats": lambda: len(range(37, 52)),
    "arithmetic-cut-ribbon": lambda: Fraction(96, 8),
    "arithmetic-film-minutes": lambda: 60 + 60 + 25,
    "arithmetic-rice-grams": lambda: Fraction("3.5") * 1000,
    "arithmetic-brush-count": lambda: 18 + 7 - 5,
    "arithmetic-zoo-tickets": lambda: sum([9, 9, 4]),
    "arithmetic-half-price-lamp": lambda: 48 - Fraction(48, 2),
    "arithmetic-garden-bed": lambda: sum(1 for _ in range(7) for _ in range(4)),
    "arithmetic-postcard-album": lambda: sum([9] * 12) - 15,
    "arithmetic-train-journey": lambda: (13 * 60 + 15) - (9 * 60 + 40),
    "arithmetic-coat-discount": lambda: 80 * Fraction(100 - 15, 100),
    "arithmetic-bottle-machine": lambda: sum(45 for _ in range(60)),
    "arithmetic-saved-money": lambda: sum([12] * 9) - 35,
    "arithmetic-bakery-rolls": lambda: 240 - (95 + 80),
    "arithmetic-ferry-cars": lambda: sum([18] * 5) + sum([18] * 3),
    "arithmetic-cyclist-average": lambda: Fraction(54 + 26, 3 + 1),
    "arithmetic-wall-paint": lambda: Fraction(12 * 4, 8),
    "arithmetic-stationery-change": lambda: 20 - (3 * Fraction("2.40") + Fraction("1.80")),
    "arithmetic-field-wire": lambda: sum([60, 35, 60, 35]) * 4,
    "arithmetic-egg-boxes": _boxes_of_eggs,
    "arithmetic-flour-for-ten": lambda: Fraction(300, 4) * 10,
    "arithmetic-two-ages": lambda: _first(nora for nora in range(48) if nora == 3 * (48 - nora)),
    "arithmetic-filling-tank": _minutes_until_full,
    "arithmetic-up-and-down-price": lambda: 200 * Fraction(120, 100) - 30,
    "arithmetic-dripping-tap": lambda: Fraction(2 * 60 * 10, 20),
    "arithmetic-mixed-syrup": lambda: 100 * (Fraction(20, 100) * 600 + Fraction(45, 100) * 400) / 1000,
    "arithmetic-fence-posts": lambda: 6 * len(range(0, 8400 + 1, 350)),
    "arithmetic-three-shares": lambda: _first(2 * bo for bo in range(156) if 2 * bo + bo + bo + 12 == 156),
    "arithmetic-tile-packs": _packs_of_tiles,
}
"""By task: a function that gives the target."""
