"""What a page draws of one side of a cache: its ratio, a miss's penalty, how long reads take."""

from dataclasses import dataclass

import numpy as np

from pipeline.jobs.cache_ratio import course, side_of_rows
from pipeline.jobs.cache_rows import CacheRows
from pipeline.stats.bootstrap import Floats, Interval
from pipeline.stats.hit_ratio import hit_ratio
from pipeline.stats.miss_penalty import Lookups, Penalty

# Shares of lookups at which a distribution is drawn.
_SHARES = 200
_UNKNOWN = Interval(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class Distribution:
    """How long some lookups take, read through.

    Attributes:
        lookups: how many, as rows.
        shares: k shares of them, rising from 0 to 1; none without lookups.
        nanos: k durations that so many take at most.
    """

    lookups: int
    shares: Floats
    nanos: Floats


@dataclass(frozen=True)
class CachePicture:
    """One side of a cache.

    Attributes:
        hit_ratio: with its 90 % interval.
        penalty: of a miss, in ns, with its 90 % interval; NaN where it is not identified.
        reason: why it is not; empty where it is.
        hits, misses: how long they take.
        minutes, ratios: m minutes since the epoch, and the hit ratios of them.
    """

    hit_ratio: Interval
    penalty: Interval
    reason: str
    hits: Distribution
    misses: Distribution
    minutes: Floats
    ratios: Floats


def picture_of(rows: CacheRows, found: Lookups, penalty: Penalty) -> CachePicture:
    """Give what is drawn of one side.

    Args:
        rows: its lookups.
        found: the same, as the statistics take them.
        penalty: what a miss costs.
    """
    side, hits = side_of_rows(rows)
    minutes, ratios = course(rows)
    return CachePicture(
        hit_ratio(side, hits),
        _UNKNOWN if penalty.reason else penalty.mean,
        penalty.reason,
        _distribution(found.duration[found.hit], found.weight[found.hit]),
        _distribution(found.duration[~found.hit], found.weight[~found.hit]),
        minutes,
        ratios,
    )


def _distribution(nanos: Floats, weight: Floats) -> Distribution:
    """Give the weighted distribution of durations, at evenly spread shares."""
    if not len(nanos):
        return Distribution(0, np.zeros(0), np.zeros(0))
    order = np.argsort(nanos, kind="stable")
    reached = np.cumsum(weight[order])
    shares = np.linspace(0.0, 1.0, _SHARES)
    places = np.searchsorted(reached, shares * reached[-1] * (1 - 1e-12))
    return Distribution(len(nanos), shares, nanos[order][np.minimum(places, len(nanos) - 1)])
