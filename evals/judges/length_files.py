"""Files that the length-controlled win rate is made from: difficulties, gamed rows and fitted weights, as CSV.

They are AlpacaEval's, and not part of this package. Columns that are not named here are passed over.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path

from archon_graph.evals.benchmarks.problems import Draft, nearest
from archon_graph.evals.benchmarks.reading import Row, read_text
from archon_graph.evals.judges.length_control import GamedBaselines, LengthWeights

_LENGTH, _DIFFICULTY = "np.tanh(std_delta_len)", "instruction_difficulty"
_MODEL = "not_gamed_baseline.astype(float)"


def load_difficulties(path: str | Path) -> tuple[float, ...]:
    """The difficulty of each instruction of the published set, in its order.

    Args:
        path: A CSV file with the columns ``index`` (or one without a name), the numbers from 0 in order, and
            ``instruction_difficulty``.

    Raises:
        BenchmarkError: The file cannot be read as that; all problems are reported.
    """
    draft = Draft(file=str(path))
    rows = _read(Path(path), {"index": ("index", ""), _DIFFICULTY: (_DIFFICULTY,)}, draft)
    found = []
    for place, row in enumerate(rows):
        if _number(row, "index", draft) not in (None, place):
            way_out = "Sort the rows by index, one for each instruction, none left out"
            draft.add(row.line, "index", f"should be {place}, got {row.data['index']}", way_out)
        found.append(_number(row, _DIFFICULTY, draft) or 0.0)
    draft.raise_if_any()
    return tuple(found)


def load_gamed_baselines(path: str | Path) -> GamedBaselines:
    """The rows of the gamed baselines.

    Args:
        path: A CSV file with the columns ``std_delta_len`` (the difference in standard deviations) or
            ``tanh_std_delta_len``, ``instruction_difficulty``, and ``preference`` or ``surrogate_preference``
            (the share of a win, from 0 to 1).

    Raises:
        BenchmarkError: The file cannot be read as that; all problems are reported.
    """
    draft = Draft(file=str(path))
    columns = {
        "length": ("tanh_std_delta_len", "std_delta_len"),
        "difficulty": (_DIFFICULTY,),
        "share": ("preference", "surrogate_preference"),
    }
    lengths, difficulties, shares = [], [], []
    for row in _read(Path(path), columns, draft):
        length = _number(row, "length", draft) or 0.0
        lengths.append(length if "tanh_std_delta_len" in row.data else math.tanh(length))
        difficulties.append(_number(row, "difficulty", draft) or 0.0)
        share = _number(row, "share", draft) or 0.0
        if not 0 <= share <= 1:
            way_out = "Write the share of a win; a preference from 1 to 2 less 1"
            draft.add(row.line, "preference", f"should be from 0 to 1, got {share}", way_out)
        shares.append(share)
    draft.raise_if_any()
    return GamedBaselines(lengths=tuple(lengths), difficulties=tuple(difficulties), shares=tuple(shares))


def load_length_weights(path: str | Path) -> dict[str, LengthWeights]:
    """The weights of models by name, as the published tool keeps them.

    Args:
        path: A CSV file with the columns ``model`` (or one without a name), ``np.tanh(std_delta_len)``,
            ``instruction_difficulty`` and ``not_gamed_baseline.astype(float)``.

    Raises:
        BenchmarkError: The file cannot be read as that; all problems are reported.
    """
    draft = Draft(file=str(path))
    columns = {"name": ("model", ""), _LENGTH: (_LENGTH,), _DIFFICULTY: (_DIFFICULTY,), _MODEL: (_MODEL,)}
    found: dict[str, LengthWeights] = {}
    for row in _read(Path(path), columns, draft):
        if row.data["name"] in found:
            draft.add(row.line, "model", f"{row.data['name']!r} stands here twice", "Remove one of the two rows")
        found[row.data["name"]] = LengthWeights(
            length=_number(row, _LENGTH, draft) or 0.0,
            difficulty=_number(row, _DIFFICULTY, draft) or 0.0,
            model=_number(row, _MODEL, draft) or 0.0,
        )
    draft.raise_if_any()
    return found


def _read(path: Path, columns: Mapping[str, tuple[str, ...]], draft: Draft) -> list[Row]:
    """The rows of a CSV file with a header, each cell under the key it is wanted by and under its own name."""
    text = read_text(path, draft)
    if text is None:
        return []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    header: list[str] = []
    places: dict[str, int] = {}
    start = 1
    try:
        for cells in reader:
            if not header:
                header = [cell.strip() for cell in cells]
                places = _places(header, columns, start, draft)
            elif len(cells) == len(header):
                own = dict(zip(header, cells, strict=True))
                rows.append(Row(start, {**own, **{key: cells[place].strip() for key, place in places.items()}}))
            elif cells:
                way_out = "Give it one cell for each column; quote a cell that holds a comma"
                draft.add(start, None, f"the row has {len(cells)} cells for {len(header)} columns", way_out)
            start = reader.line_num + 1
    except csv.Error as error:
        draft.add(start, None, f"this is not valid CSV: {error}", "Mend the quotes of this row")
    if not rows and not draft.problems:
        draft.add(
            None, None, "the file holds no row", f"Its columns are {', '.join(one[0] for one in columns.values())}"
        )
    # Without a column that is needed, every row would be reported for the same reason.
    return rows if len(places) == len(columns) else []


def _places(header: list[str], columns: Mapping[str, tuple[str, ...]], line: int, draft: Draft) -> dict[str, int]:
    places = {}
    for key, names in columns.items():
        name = next((name for name in names if name in header), None)
        if name is not None:
            places[key] = header.index(name)
            continue
        hint = nearest(names[0], [cell for cell in header if cell])
        message = f"the column is missing{hint}; the file has {', '.join(map(repr, header))}"
        draft.add(line, names[0], message, f"Add it{f', or {names[1]!r}' if len(names) > 1 else ''}")
    return places


def _number(row: Row, key: str, draft: Draft) -> float | None:
    cell = row.data[key]
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        draft.add(row.line, key, f"should be a number, got {cell[:40]!r}", "Write it with a point: -0.25")
        return None
    return number
