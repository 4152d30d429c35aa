"""Series from elsewhere: a CSV with values, and where it has them times and attributes."""

import csv
import math
from collections.abc import Iterable

import numpy as np

from pipeline.errors import BadWindow, UsageError
from pipeline.jobs.changes_request import Series, better_of
from pipeline.jobs.windows import parse_time

_TIMES = ("time", "timestamp", "date")
_MISSING = ("", "nan", "null", "na", "none")


def read_csv(
    lines: Iterable[str],
    source: str,
    time: str | None = None,
    values: tuple[str, ...] = (),
    better: str | None = None,
) -> list[Series]:
    """Read series of a CSV, one a column of values.

    Args:
        lines: the text; its first line names the columns.
        source: what it is called in errors.
        time: the column to order by; None for one called time, timestamp or date, else the order
            of the lines stands.
        values: columns of values; none takes every column with nothing but numbers, or gaps.
        better: ``up`` or ``down``; None for down.

    Returns:
        A series a column of values, the other columns as attributes. What is empty or NaN is left
        out, never filled in.

    Raises:
        UsageError: not such a CSV; the error names the line.
    """
    numbers, rows, names = _rows(lines, source, [*values, *([] if time is None else [time])])
    if time is None:
        time = next((name for name in names if name.lower() in _TIMES), None)
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    chosen = values or tuple(name for name in names if name != time and _is_numeric(columns[name]))
    if not chosen:
        raise UsageError(f"{source}: no column of numbers; name one with --value")
    order = list(range(len(rows)))
    if time is not None:
        stamps = _stamps(columns[time], numbers, f"{source}: column {time}")
        order.sort(key=lambda place: stamps[place])
    called = tuple(columns[time][place] if time else str(place + 1) for place in order)
    attributes = tuple(
        (name, tuple(columns[name][place] for place in order))
        for name in names
        if name not in chosen and name != time
    )

    def read(name: str) -> Series:
        cells = columns[name]
        known = [_number(cells[place], f"{source}:{numbers[place]}", name) for place in order]
        way = better_of(name, better)
        return Series((("series", name),), name, "", way, np.array(known), called, attributes)

    return [read(name) for name in chosen]


def _rows(
    lines: Iterable[str], source: str, wanted: list[str]
) -> tuple[list[int], list[list[str]], list[str]]:
    """Read the rows, the line that each ends on, and the names of the columns."""
    numbers, rows = [], []
    reader = csv.reader(lines, strict=True)
    try:
        names = [name.strip() for name in next(reader, [])]
        for row in reader:
            if not row:
                continue
            if len(row) != len(names):
                raise UsageError(
                    f"{source}:{reader.line_num}: {len(row)} cells under {len(names)} names; "
                    "give each line as many as the first"
                )
            numbers.append(reader.line_num)
            rows.append([cell.strip() for cell in row])
    except csv.Error as error:
        raise UsageError(f"{source}:{reader.line_num}: {error}; close its quotes") from None
    if not names:
        raise UsageError(f"{source}: empty; its first line names the columns")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"{source}: column {twice[0]} stands twice; name each once")
    for name in wanted:
        if name not in names:
            raise UsageError(f"{source}: no column {name}; known: {', '.join(names)}")
    return numbers, rows, names


def _is_numeric(cells: list[str]) -> bool:
    """Tell whether a column has numbers, and nothing else but gaps."""
    known = [cell for cell in cells if cell.lower() not in _MISSING]
    try:
        return bool(known) and all(math.isfinite(float(cell)) for cell in known)
    except ValueError:
        return False


def _number(cell: str, where: str, name: str) -> float:
    if cell.lower() in _MISSING:
        return math.nan
    try:
        return float(cell)
    except ValueError:
        raise UsageError(f"{where}: {name}: {cell!r} is no number; leave gaps empty") from None


def _stamps(cells: list[str], numbers: list[int], where: str) -> list[float]:
    """Read times: numbers such as seconds since the epoch, or dates and times; never both."""
    if _is_numeric(cells) and all(cells):
        return [float(cell) for cell in cells]
    stamps = []
    for cell, number in zip(cells, numbers, strict=True):
        if not cell[:4].isdigit() or "-" not in cell:
            raise UsageError(f"{where}, line {number}: {cell!r} is no time such as 2026-03-01")
        try:
            stamps.append(float(parse_time(cell, 0)))
        except BadWindow as error:
            raise UsageError(f"{where}, line {number}: {error}") from None
    return stamps
