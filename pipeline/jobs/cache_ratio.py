"""How often lookups hit, whole and in parts, with intervals over instances and minutes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.jobs.cache_rows import MINUTE_NANO, CacheRows
from pipeline.stats.bootstrap import Floats, Interval
from pipeline.stats.cells import Side
from pipeline.stats.hit_ratio import hit_ratio, side_of

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Ratio:
    """How often a part of the lookups hit.

    Attributes:
        name: of the part: an operation or a class of keys; empty for all.
        lookups: weighted; each key of a lookup of several counts.
        hit_ratio: with a 90 % interval that lets instances and minutes differ.
    """

    name: str
    lookups: float
    hit_ratio: Interval


def side_of_rows(rows: CacheRows, chosen: Bools, first: int | None = None) -> Side:
    """Give some lookups of a cache as a side, on a clock that starts in a minute."""
    minute = rows.frame["start_time_unix_nano"].to_numpy()[chosen] // MINUTE_NANO
    weight = rows.floats("weight")[chosen]
    asked = rows.asked[chosen]
    return side_of(rows.codes("service_instance_id")[chosen], minute, asked, weight * asked, first)


def whole(rows: CacheRows) -> Ratio:
    """Give the hit ratio of all lookups."""
    return _ratio(rows, np.ones(rows.frame.height, dtype=np.bool_), "")


def parts(rows: CacheRows, column: str) -> tuple[Ratio, ...]:
    """Give the hit ratio by a column, the largest part first."""
    names = rows.frame[column].fill_null("").to_numpy()
    found = [_ratio(rows, names == name, str(name)) for name in np.unique(names)]
    return tuple(sorted(found, key=lambda part: (-part.lookups, part.name)))


def _ratio(rows: CacheRows, chosen: Bools, name: str) -> Ratio:
    side = side_of_rows(rows, chosen)
    return Ratio(name, side.total, hit_ratio(side, rows.found[chosen]))


def course(rows: CacheRows) -> tuple[Floats, Floats]:
    """Give the minutes with lookups, and their hit ratios."""
    minute = rows.frame["start_time_unix_nano"].to_numpy() // MINUTE_NANO
    minutes, place = np.unique(minute, return_inverse=True)
    ratios = np.bincount(place, rows.found) / np.bincount(place, rows.asked)
    return minutes.astype(np.float64), ratios
