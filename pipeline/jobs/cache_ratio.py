"""How often lookups hit, whole and in parts, with intervals over instances and minutes."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.jobs.cache_cells import cells_of
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


def side_of_rows(
    rows: CacheRows, chosen: Bools | None = None, first: int | None = None
) -> tuple[Side, Floats]:
    """Give some lookups of a cache, or all, as a side, and the hits of its rows.

    Args:
        rows: the lookups.
        chosen: which of them; None for all.
        first: the minute that the clock starts in; None takes the first of these.
    """
    frame = rows.frame if chosen is None else rows.frame.filter(pl.Series(chosen))
    cells = cells_of(frame)
    instance = cells["service_instance_id"].rank("dense").cast(pl.Int64).to_numpy() - 1
    minute, asked, squared = (cells[name].to_numpy() for name in ("minute", "asked", "squared"))
    return side_of(instance, minute, asked, squared, first), cells["found"].to_numpy()


def whole(rows: CacheRows) -> Ratio:
    """Give the hit ratio of all lookups."""
    return _ratio(rows, None, "")


def parts(rows: CacheRows, column: str) -> tuple[Ratio, ...]:
    """Give the hit ratio by a column, the largest part first."""
    names = rows.frame[column].fill_null("").to_numpy()
    found = [_ratio(rows, names == name, str(name)) for name in np.unique(names)]
    return tuple(sorted(found, key=lambda part: (-part.lookups, part.name)))


def _ratio(rows: CacheRows, chosen: Bools | None, name: str) -> Ratio:
    side, hits = side_of_rows(rows, chosen)
    return Ratio(name, side.total, hit_ratio(side, hits))


def course(rows: CacheRows) -> tuple[Floats, Floats]:
    """Give the minutes with lookups, and their hit ratios."""
    minute = rows.frame["start_time_unix_nano"].to_numpy() // MINUTE_NANO
    minutes, place = np.unique(minute, return_inverse=True)
    ratios = np.bincount(place, rows.found) / np.bincount(place, rows.asked)
    return minutes.astype(np.float64), ratios
