"""A baseline for people: a table on a terminal, aligned columns in a pipe."""

import math
from collections.abc import Mapping
from typing import Any, BinaryIO

from pipeline.jobs.baseline import BaselineResult
from pipeline.report.tables import print_table
from pipeline.schema.baselines import quantile_name

# JSON and CSV have every quantile; these fit beside their intervals on a screen.
SHOWN_QUANTILES = (0.5, 0.95, 0.99)

UNBOUNDED = "…"
MISSING = "–"

_NANO_A_MILLI = 1e6
_DIGITS = 4


def write_baseline(result: BaselineResult, out: BinaryIO) -> None:
    """Write a baseline as a table with a line a group, then its notes.

    Durations are in ms, errors in percent of the requests; each has its interval, in which an
    ellipsis stands where the sample has no bound.

    Args:
        result: the baseline.
        out: where; a terminal gets rules, anything else columns two spaces apart.
    """
    names = result.request.grouped
    numbers = [
        "requests",
        "1/s",
        "errors %",
        *(f"{quantile_name(quantile)} ms" for quantile in SHOWN_QUANTILES),
    ]
    rows = [_cells(row) for row in result.table.to_pylist()]
    print_table([*names, *numbers], rows, [False] * len(names) + [True] * len(numbers), out)
    out.write("".join(f"note: {note}\n" for note in result.notes).encode())
    out.flush()


def significant(number: float, digits: int = _DIGITS) -> str:
    """Write a number with so many significant digits, never as a power of ten.

    >>> [significant(number) for number in (0, 0.012345, 1.5, 99.996, 123456.7)]
    ['0', '0.01235', '1.500', '100.0', '123457']
    """
    if number == 0:
        return "0"
    rounded = float(f"{number:.{digits - 1}e}")
    decimals = digits - 1 - math.floor(math.log10(abs(rounded)))
    return f"{number:.{max(decimals, 0)}f}"


def _cells(row: Mapping[str, Any]) -> list[str]:
    """Give a group as text, its names first."""
    return [
        *(MISSING if value is None else _printable(value) for _, value in row["dimensions"]),
        significant(row["requests"]) if row["requests"] % 1 else f"{row['requests']:.0f}",
        significant(row["requests_per_second"]),
        _interval(row, "error_ratio", 0.01),
        *(
            _interval(row, f"duration_nano_{quantile_name(quantile)}", _NANO_A_MILLI)
            for quantile in SHOWN_QUANTILES
        ),
    ]


def _interval(row: Mapping[str, Any], name: str, unit: float) -> str:
    """Write an estimate and its interval in a unit; a side without a bound is an ellipsis."""
    if row[name] is None:
        return MISSING
    low, high = (
        UNBOUNDED if bound is None else significant(bound / unit)
        for bound in (row[f"{name}_low"], row[f"{name}_high"])
    )
    return f"{significant(row[name] / unit)} [{low}, {high}]"


def _printable(text: str) -> str:
    """Show what would steer a terminal or break a line as its escape."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
