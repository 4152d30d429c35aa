"""Several operations as one: each a stratum, or several, of what they are together.

Rows of many operations are added up by instance, minute and bucket, so that a service of a
thousand operations takes no more room than one of them with its traffic.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.jobs.judge_cells import Part, floats
from pipeline.jobs.judge_rows import FIRST_BUCKET, NO_BUCKET, PLACES, buckets_of
from pipeline.stats.cells import Floats, Ints

_COUNTS = ("requests", "requests_squared", "errors", "errors_5xx", "errors_4xx")


def strata_of(parts: Sequence[Part], most: int) -> list[Ints]:
    """Give each row's stratum: its operation, and its own stratum of ``most`` within that."""
    found = []
    for place, part in enumerate(parts):
        own = part.get("stratum_code")
        inside = np.zeros(len(part["minute"]), np.int64) if own is None else own.astype(np.int64)
        found.append(inside + place * most)
    return found


def most_strata(sides: Sequence[Sequence[Part]]) -> int:
    """Give how many strata an operation has at most."""
    highest = [
        int(part["stratum_code"].max())
        for parts in sides
        for part in parts
        if "stratum_code" in part and len(part["minute"])
    ]
    return 1 + max(highest, default=0)


def requests_of(parts: Sequence[Part], strata: Sequence[Ints], number: int) -> Floats:
    """Give the requests of each stratum."""
    total = np.zeros(number)
    for part, stratum in zip(parts, strata, strict=True):
        total += np.bincount(stratum, floats(part["requests"]), number)
    return total


def added_up(parts: Sequence[Part], factors: Sequence[Floats] | None = None) -> Part:
    """Add rows up by instance, minute and bucket.

    Args:
        parts: rows of one side of several operations.
        factors: what each row counts by, from 0; None for 1.

    Returns:
        The sums as rows, ordered; those without requests are left out.
    """
    minutes = [np.asarray(part["minute"], dtype=np.int64) for part in parts]
    low = min((int(each.min()) for each in minutes if len(each)), default=0)
    span = max((int(each.max()) for each in minutes if len(each)), default=0) - low + 1
    key = np.concatenate([_keys(part, low, span) for part in parts])
    rows, place = _distinct(key)
    del key
    made: Part = {}
    for name in _COUNTS:
        values = np.concatenate(_weighed(parts, name, factors))
        made[name] = np.bincount(place, values, len(rows)).astype(np.float64)
    there = floats(made["requests"]) > 0
    made = {name: column[there] for name, column in made.items()}
    cell, bucket = np.divmod(rows[there], PLACES)
    made["instance_code"], minute = np.divmod(cell, span)
    made["minute"] = minute + low
    made["bucket"] = buckets_of(bucket)
    none = bucket == NO_BUCKET
    if none.any():
        made["bucket"] = np.where(none, np.nan, made["bucket"])
    return made


def _keys(part: Part, low: int, span: int) -> Ints:
    """Number each row's instance, minute and bucket."""
    bucket = part["bucket"]
    if not np.issubdtype(bucket.dtype, np.integer):
        bucket = np.where(np.isfinite(floats(bucket)), bucket, NO_BUCKET - FIRST_BUCKET)
    place = np.maximum(bucket.astype(np.int64), -FIRST_BUCKET) + FIRST_BUCKET
    minute = np.asarray(part["minute"], dtype=np.int64) - low
    keys: Ints = (np.asarray(part["instance_code"], np.int64) * span + minute) * PLACES + place
    return keys


def _distinct(key: Ints) -> tuple[Ints, NDArray[np.integer]]:
    """Give the distinct keys in order, and each row's place among them."""
    most = int(key.max()) + 1 if len(key) else 0
    if most > 8 * len(key) + (1 << 20):
        rows, place = np.unique(key, return_inverse=True)
        return rows, place
    # Few cells for many rows: a table of all that there could be needs no sorting.
    seen = np.zeros(most, dtype=bool)
    seen[key] = True
    numbers = np.cumsum(seen, dtype=np.int32)
    return np.flatnonzero(seen), numbers[key] - 1


def _weighed(parts: Sequence[Part], name: str, factors: Sequence[Floats] | None) -> list[Floats]:
    """Give a count of each row times its factor, or that squared for squares of weights."""
    found = list[Floats]()
    for place, part in enumerate(parts):
        values = floats(part[name]) if name in part else np.zeros(len(part["minute"]))
        if factors is not None:
            factor = factors[place]
            values = values * (factor**2 if name == "requests_squared" else factor)
        found.append(values)
    return found
