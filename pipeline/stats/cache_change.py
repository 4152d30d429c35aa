"""What changed of a cache between two sides, and how much of it requests feel.

Minutes are drawn whole, with all their instances: what makes a minute slow does so for all of them.
Where the sides ran at the same time both get the same minutes, and what they share cancels out.
Everything is worked out anew on every draw; only what each miss would have saved stays, scaled by
the penalty that is drawn.

Source: Cameron, Gelbach and Miller (2008), Review of Economics and Statistics 90(3), for the
bootstrap of clusters; Kitagawa (1955), JASA 50(272), for the parts of a difference.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.stats.bootstrap import (
    DRAWS,
    Floats,
    Interval,
    generator,
    percentiles,
)
from pipeline.stats.miss_penalty import (
    Lookups,
    Penalty,
    drawn_penalties,
    kept_strata,
    widening,
)

Ints = NDArray[np.int64]

# Buckets of durations an octave: 0.5 % wide, and quantiles lie between their edges.
_AN_OCTAVE = 128
_QUANTILE = 0.95
# Fewer blocks do not tell how blocks differ.
LEAST_CLUSTERS = 6


@dataclass(frozen=True)
class CacheSide:
    """One side: n lookups and the r requests that they were for.

    Attributes:
        lookups: as for a penalty.
        penalty: what a miss costs, found of all of them.
        asked, hits: n keys asked for and found, weighted.
        cluster: n numbers from 0 of minutes, or of blocks of them.
        duration: r, of requests, in ns.
        weight: r requests that each stands for.
        saving: r, what they would have saved without misses, in ns.
        request_cluster: r numbers of clusters.
        clusters: how many numbers there are; the same on both sides where they share a clock.
        is_paired: whether the numbers are those of a clock that the sides share.
    """

    lookups: Lookups
    penalty: Penalty
    asked: Floats
    hits: Floats
    cluster: Ints
    duration: Floats
    weight: Floats
    saving: Floats
    request_cluster: Ints
    clusters: int
    is_paired: bool

    @property
    def seen(self) -> int:
        """Give how many clusters have lookups."""
        return len(np.unique(self.cluster))


@dataclass(frozen=True)
class Moved:
    """A figure of both sides, and canary less baseline.

    Attributes:
        baseline, canary: the figure.
        change: canary less baseline, with its 90 % interval; NaN where it is not known.
    """

    baseline: float
    canary: float
    change: Interval


@dataclass(frozen=True)
class CacheChange:
    """What changed, durations in ns.

    Attributes:
        hit_ratio, penalty: of lookups.
        mean, p95: of requests.
        mean_by_rate, mean_by_cost: what more or fewer misses, and dearer or cheaper ones, changed
            of the mean.
        p95_by_misses: change of the 95th percentile that is not there when no request misses.
    """

    hit_ratio: Moved
    penalty: Moved
    mean: Moved
    p95: Moved
    mean_by_rate: Interval
    mean_by_cost: Interval
    p95_by_misses: Interval


def cache_change(baseline: CacheSide, canary: CacheSide, key: tuple[str, ...]) -> CacheChange:
    """Compare two sides, each with lookups.

    Args:
        baseline, canary: the sides.
        key: what they are of; draws depend on it alone.
    """
    sides = (baseline, canary)
    known = [_Figures.of(each, np.ones((1, each.clusters))) for each in sides]
    fewest = min(each.seen for each in sides)
    drawn = [
        _Figures.of(each, _times(each.clusters, (*key, "both" if each.is_paired else name)))
        for each, name in zip(sides, ("baseline", "canary"), strict=True)
    ]

    def told(values: Floats, draws: Floats) -> Interval:
        estimate = float(values[0])
        if fewest < LEAST_CLUSTERS:
            return Interval(estimate, np.nan, np.nan)
        return percentiles(estimate, estimate + widening(fewest, fewest - 1) * (draws - estimate))

    def moved(name: str) -> Moved:
        before, after = (getattr(each, name) for each in known)
        first, second = (getattr(each, name) for each in drawn)
        return Moved(float(before[0]), float(after[0]), told(after - before, second - first))

    rate, rate_drawn = _by_rate(*known), _by_rate(*drawn)
    cost, cost_drawn = _by_cost(*known), _by_cost(*drawn)
    tail, tail_drawn = _by_misses(*known), _by_misses(*drawn)
    return CacheChange(
        moved("hit_ratio"),
        moved("penalty"),
        moved("mean"),
        moved("p95"),
        told(rate, rate_drawn),
        told(cost, cost_drawn),
        told(tail, tail_drawn),
    )


@dataclass(frozen=True)
class _Figures:
    """d draws of a side's figures; rate is misses a request and cost what one saves it."""

    hit_ratio: Floats
    penalty: Floats
    mean: Floats
    p95: Floats
    p95_without: Floats
    rate: Floats
    cost: Floats

    @classmethod
    def of(cls, side: CacheSide, times: Floats) -> "_Figures":
        """Work out all figures for d x k times that clusters were drawn."""
        clusters = side.clusters

        def added(cluster: Ints, values: Floats) -> Floats:
            sums: Floats = times @ np.bincount(cluster, values, clusters)
            return sums

        missed = side.lookups.weight * ~side.lookups.hit
        penalty = _penalties(side, times)
        requests = added(side.request_cluster, side.weight)
        misses = added(side.cluster, missed)
        saved = added(side.request_cluster, side.weight * side.saving)
        with np.errstate(invalid="ignore", divide="ignore"):
            scale = penalty / side.penalty.mean.estimate
            return cls(
                added(side.cluster, side.hits) / added(side.cluster, side.asked),
                penalty,
                added(side.request_cluster, side.weight * side.duration) / requests,
                _quantiles(side.duration, side, times),
                _quantiles(np.maximum(side.duration - side.saving, 1.0), side, times),
                misses / np.where(requests > 0, requests, np.nan),
                np.where(misses > 0, saved / misses * scale, np.nan),
            )


def _costs(baseline: _Figures, canary: _Figures) -> tuple[Floats, Floats]:
    """Give the cost of a miss on both sides; a side without misses takes the other's."""
    return (
        np.where(baseline.rate == 0, canary.cost, baseline.cost),
        np.where(canary.rate == 0, baseline.cost, canary.cost),
    )


def _by_rate(baseline: _Figures, canary: _Figures) -> Floats:
    """Give what a change of the misses a request does, at the mean cost of one."""
    first, second = _costs(baseline, canary)
    rate = canary.rate - baseline.rate
    return np.where(rate == 0, 0.0, rate * (first + second) / 2)


def _by_cost(baseline: _Figures, canary: _Figures) -> Floats:
    """Give what a change of the cost of a miss does, at the mean rate."""
    first, second = _costs(baseline, canary)
    rate = canary.rate + baseline.rate
    return np.where(rate == 0, 0.0, rate * (second - first) / 2)


def _by_misses(baseline: _Figures, canary: _Figures) -> Floats:
    """Give what of the percentile's change goes when no request misses."""
    return (canary.p95 - canary.p95_without) - (baseline.p95 - baseline.p95_without)


def _times(clusters: int, key: tuple[str, ...]) -> Floats:
    """Draw as many clusters as there are, again and again; how often each was drawn."""
    even = np.full(clusters, 1 / clusters)
    drawn: Floats = generator(*key).multinomial(clusters, even, DRAWS).astype(np.float64)
    return drawn


def _penalties(side: CacheSide, times: Floats) -> Floats:
    """Give the matched penalty of each draw; NaN where it is not identified."""
    if side.penalty.reason:
        return np.full(len(times), np.nan)
    kept = kept_strata(side.lookups.stratum, side.lookups.hit)
    return drawn_penalties(side.lookups, side.cluster, kept, times)


def _quantiles(duration: Floats, side: CacheSide, times: Floats) -> Floats:
    """Give the 95th percentile of each draw, between the edges of the bucket that holds it."""
    if not len(duration):
        return np.full(len(times), np.nan)
    logs = _AN_OCTAVE * np.log2(np.maximum(duration, 1.0))
    bucket = np.floor(logs).astype(np.int64)
    low = int(bucket.min())
    width = int(bucket.max()) - low + 1
    flat = side.request_cluster * width + bucket - low
    table = np.bincount(flat, side.weight, side.clusters * width).reshape(-1, width)
    rising = np.cumsum(times @ table, axis=1)
    rank = _QUANTILE * rising[:, -1]
    place = np.minimum((rising < rank[:, None]).sum(axis=1), width - 1)
    row = np.arange(len(times))
    below = np.where(place > 0, rising[row, place - 1], 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.clip((rank - below) / (rising[row, place] - below), 0.0, 1.0)
    found: Floats = 2.0 ** ((low + place + share) / _AN_OCTAVE)
    return found
