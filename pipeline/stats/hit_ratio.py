"""A ratio of hits with an interval: instances differ, minutes differ, and there are few of either.

The clusters are instances and blocks of minutes at once, which is never narrower than drawing
instance-minutes; the bounds are Wilson's, spread by Student's t for as few clusters as there were.

Source: Cameron, Gelbach and Miller (2011), JBES 29(2), for two-way clusters; Wilson (1927), JASA
22(158), for the bounds; Satterthwaite (1946), Biometrics 2(6), for degrees of freedom; MacKinnon
and White (1985), Journal of Econometrics 29(3), for leaving out in turn.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.stats.bootstrap import CONFIDENCE, Interval
from pipeline.stats.cells import Floats, Side
from pipeline.stats.clusters import ratio_variance
from pipeline.stats.distributions import normal_isf, student_isf
from pipeline.stats.proportions import wilson_interval

Ints = NDArray[np.int64]

# Fewer do not tell how a single instance's minutes differ.
LEAST_MINUTES = 6


def side_of(
    instance: Ints,
    minute: Ints,
    count: Floats,
    count_squared: Floats,
    first: int | None = None,
) -> Side:
    """Give n counts as a side: any numbers of instances and minutes do.

    Args:
        instance, minute: n numbers each.
        count: n lookups, weighted; 1 or more rows.
        count_squared: n sums of squared weights.
        first: the minute that the clock starts in; None takes the first of these.
    """
    instances, place = np.unique(instance, return_inverse=True)
    first = int(minute.min()) if first is None else first
    return Side(
        instance=place.astype(np.int64),
        minute=(minute - first).astype(np.int64),
        bucket=np.zeros(len(count), dtype=np.int64),
        count=count,
        count_squared=count_squared,
        instances=len(instances),
        minutes=int(minute.max()) - first + 1,
    )


def on_one_clock(baseline: Side, canary: Side) -> tuple[Side, Side]:
    """Give both sides with as many minutes."""
    minutes = max(baseline.minutes, canary.minutes)
    return replace(baseline, minutes=minutes), replace(canary, minutes=minutes)


def clock_starts(baseline: Ints, canary: Ints) -> tuple[int, int]:
    """Give the minute that each side's clock starts in: one for both, where they overlap.

    >>> clock_starts(np.array([3, 9]), np.array([5])), clock_starts(np.array([1]), np.array([7]))
    ((3, 3), (1, 7))
    """
    starts = int(baseline.min()), int(canary.min())
    if max(starts) <= min(int(baseline.max()), int(canary.max())):
        return min(starts), min(starts)
    return starts


def hit_ratio(side: Side, hits: Floats, confidence: float = CONFIDENCE) -> Interval:
    """Give the share of hits, all over all; without bounds where too little tells of chance.

    Args:
        side: lookups, with some.
        hits: of each row of the side, n.
        confidence: of the interval.

    >>> two = side_of(np.array([0, 1]), np.array([0, 0]), np.full(2, 100.0), np.full(2, 100.0))
    >>> hit_ratio(two, np.array([80.0, 80.0])).estimate
    0.8
    """
    above = side.add_up(hits)
    share = float(min(above.sum() / side.total, 1.0))
    minutes = int((side.requests.sum(axis=0) > 0).sum())
    if side.instances == 1 and minutes < LEAST_MINUTES:
        return Interval(share, np.nan, np.nan)
    variance, df = ratio_variance([side], [above])
    least = share * (1 - share) / side.effective
    wide = _spread(variance, least, df, (1 - confidence) / 2) if least > 0 else 1.0
    low, high = wilson_interval([share], [side.effective / wide], confidence)
    return Interval(share, float(low[0]), float(high[0]))


def clustered_share(counted: Floats, total: Floats, confidence: float = CONFIDENCE) -> Interval:
    """Give a share of what comes in k clusters that are independent of each other.

    Args:
        counted, total: k sums each, those that count and all; all of some clusters.
        confidence: of the interval.

    >>> round(clustered_share(np.array([0.0, 9, 1]), np.array([10.0, 10, 10])).estimate, 3)
    0.333
    """
    everything = float(total.sum())
    share = float(min(counted.sum() / everything, 1.0))
    clusters = len(total)
    if clusters <= 1:
        return Interval(share, np.nan, np.nan)
    # No cluster is worth more than one: where none or all count nothing else is known.
    size = everything**2 / float((total**2).sum())
    # As if each were left out in turn: a large cluster pulls the share towards itself.
    apart = (counted - share * total) / (1 - total / everything)
    variance = (clusters - 1) / clusters * float((apart**2).sum()) / everything**2
    if variance > 0:
        size = min(share * (1 - share) / variance, everything)
    freedom, alpha = freedom_of(apart), (1 - confidence) / 2
    wide = (student_isf(alpha, freedom) / normal_isf(alpha)) ** 2
    low, high = wilson_interval([share], [size / wide], confidence)
    return Interval(share, float(low[0]), float(high[0]))


def freedom_of(parts: Floats) -> float:
    """Give the degrees of freedom of a variance that is the sum of k squared parts.

    Parts that are spread as the normal distribution give k - 1; where a few are far larger than
    the rest, the variance is guessed from those few.

    >>> freedom_of(np.array([1.0, -1, 1, -1])), round(freedom_of(np.array([9.0, -9] + [1] * 98)), 1)
    (3.0, 10.8)
    """
    squares = parts**2
    total, k = float(squares.sum()), len(parts)
    if total == 0.0 or k <= 1:
        return max(k - 1.0, 1.0)
    kurtosis = k * float((squares**2).sum()) / total**2
    return max(min(2 * k / max(kurtosis - 1, 1e-9), k - 1.0), 1.0)


def _spread(variance: float, least: float, df: float, alpha: float) -> float:
    """Give how many times wider, squared, an interval is than that of independent lookups.

    Their own chance is known; a variance above it is guessed from as few clusters as there are.
    """
    if variance <= least:
        return 1.0
    return variance / least * float((student_isf(alpha, df) / normal_isf(alpha)) ** 2)
