"""Values of bpftrace's maps as columns."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from collectors.bpftrace_object import whole_number

_INT64_LEAST, _INT64_MOST = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class Values:
    """Values that are numbers.

    Attributes:
        places: which of those given; None for all.
        whole, double: as many; either is NULL.
        others: places of those that are no numbers.
    """

    places: list[int] | None
    whole: pa.Array
    double: pa.Array
    others: list[int]


def read_values(values: Sequence[object], warnings: Counter[str]) -> Values:
    """Read values: numbers, which may be quoted.

    Args:
        values: the values.
        warnings: gains value_beyond_int64, which is stored as a double, and value_not_finite,
            which is dropped.
    """
    try:
        whole = pa.array(values, pa.int64())
        if not whole.null_count and float not in set(map(type, values)):
            return Values(None, whole, pa.nulls(len(whole), pa.float64()), [])
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        pass
    places: list[int] = []
    others: list[int] = []
    numbers: list[int | None] = []
    doubles: list[float | None] = []
    for place, value in enumerate(values):
        number = _number(value)
        if number is None:
            others.append(place)
            continue
        if isinstance(number, int) and not _INT64_LEAST <= number <= _INT64_MOST:
            warnings["value_beyond_int64"] += 1
            number = float(number) if abs(number) < 2**1000 else math.inf
        if isinstance(number, float) and not math.isfinite(number):
            warnings["value_not_finite"] += 1
            continue
        places.append(place)
        numbers.append(number if isinstance(number, int) else None)
        doubles.append(number if isinstance(number, float) else None)
    return Values(places, pa.array(numbers, pa.int64()), pa.array(doubles, pa.float64()), others)


def _number(value: object) -> int | float | None:
    """Give a number; None if it is none."""
    if isinstance(value, float):
        return value
    number = whole_number(value)
    if number is None and isinstance(value, str) and len(value) < 400:
        try:
            return float(value) if value[-1:].isdigit() and "_" not in value else None
        except ValueError:
            return None
    return number
