"""Requests in flight: a sweep over their starts and ends.

Where a start and an end coincide, the end comes first. Over any stretch of time the mean is the
sum of the requests' times in it by its length: Little's law, exactly.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtrc

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Levels of weights that are no whole numbers are told to this many parts of one.
_PARTS = 1000


@dataclass(frozen=True)
class Sweep:
    """Requests in flight by bucket of time.

    Attributes:
        bucket: k numbers of buckets, rising without gaps; bucket b begins at b times its length.
        mean, peak: k, over the part of the bucket that is inside the window.
    """

    bucket: Ints
    mean: Floats
    peak: Floats


def sweep(
    started: Ints, ended: Ints, weight: Floats | None, length: int, window: tuple[int, int]
) -> Sweep:
    """Count requests in flight by bucket.

    Args:
        started, ended: n times in ns, each end at or after its start.
        weight: n requests that each stands for; None for 1.
        length: of a bucket, in ns; the mean is over all of it.
        window: since and until, in ns.

    Returns:
        From the bucket of the first start to that of the last end, within the window; empty for
        no requests in it.

    >>> found = sweep(np.array([0, 5]), np.array([10, 15]), None, 10, (0, 100))
    >>> found.mean.tolist(), found.peak.tolist()
    ([1.5, 0.5], [2.0, 1.0])
    """
    since, until = window
    first = max(int(started.min()), since) if len(started) else until
    last = min(int(ended.max()), until) if len(started) else since
    if first >= last:
        empty = np.empty(0)
        return Sweep(np.empty(0, dtype=np.int64), empty, empty)
    low, high = first // length, (last - 1) // length + 1
    buckets = int(high - low)
    at = low * length
    inside = np.clip(started, first, last) - at, np.clip(ended, first, last) - at
    lasting = inside[1] > inside[0]
    if not lasting.all():
        # What takes no time is in flight at no time.
        inside = inside[0][lasting], inside[1][lasting]
        weight = weight if weight is None else weight[lasting]
    mean = _integral(*inside, weight, length, buckets) / length
    peak = _peaks(*inside, weight, length, buckets)
    return Sweep(np.arange(low, high), mean, peak)


def _integral(start: Ints, end: Ints, weight: Floats | None, length: int, buckets: int) -> Floats:
    """Give the requests' times by bucket: what goes on from before, then what begins and ends."""
    going, within = np.zeros(buckets + 1), np.zeros(buckets + 1)
    for times, sign in ((start, 1.0), (end, -1.0)):
        # The last end may be the end of the last bucket.
        place, passed = np.divmod(times, length)
        left = (length - passed).astype(np.float64)
        if weight is not None:
            left *= weight
        going += sign * np.bincount(place, weight, buckets + 1)
        within += sign * np.bincount(place, left, buckets + 1)
    before = np.concatenate([[0.0], np.cumsum(going)[: buckets - 1]])
    return before * length + within[:buckets]


def _peaks(start: Ints, end: Ints, weight: Floats | None, length: int, buckets: int) -> Floats:
    """Give the most in flight at once in each bucket: after a start, or at its first moment."""
    starts, ends, opened, closed = _ordered(start, end, weight)
    level = opened[1:] - closed[np.searchsorted(ends, starts, side="right")]
    edges = np.arange(buckets) * length
    place = np.searchsorted(starts, edges)
    peak = opened[place] - closed[np.searchsorted(ends, edges, side="right")]
    filled = np.flatnonzero(np.diff(np.append(place, len(starts))))
    if len(filled):
        peak[filled] = np.maximum(peak[filled], np.maximum.reduceat(level, place[filled]))
    return peak


def _ordered(start: Ints, end: Ints, weight: Floats | None) -> tuple[Ints, Ints, Floats, Floats]:
    """Give starts and ends in order, and the weight of the first 0 to n of each."""
    if weight is None:
        # Sorting values is several times as fast as sorting places.
        many = np.arange(len(start) + 1, dtype=np.float64)
        return np.sort(start), np.sort(end), many, many
    by_start, by_end = np.argsort(start, kind="stable"), np.argsort(end, kind="stable")
    opened, closed = (
        np.concatenate([[0.0], np.cumsum(weight[order])]) for order in (by_start, by_end)
    )
    return start[by_start], end[by_end], opened, closed


def level_times(started: Ints, ended: Ints, weight: Floats | None = None) -> tuple[Floats, Floats]:
    """Give for how long how many requests were in flight, from the first start to the last end.

    Args:
        started, ended: n times in ns.
        weight: n requests that each stands for; None for 1.

    Returns:
        Levels, rising, and their times in seconds; those of no time are left out.

    >>> level_times(np.array([0, 5]), np.array([10, 15]))[0].tolist()
    [1.0, 2.0]
    """
    lasting = ended > started
    if not lasting.all():
        started, ended = started[lasting], ended[lasting]
        weight = weight if weight is None else weight[lasting]
    starts, ends, opened, closed = _ordered(started, ended, weight)
    count = len(starts)
    times = np.empty(2 * count, dtype=np.int64)
    level = np.empty(2 * count)
    ended_by = np.searchsorted(ends, starts, side="right")
    begun_by = np.searchsorted(starts, ends, side="left")
    order = np.arange(count)
    for place, moments, after in (
        (order + ended_by, starts, opened[1:] - closed[ended_by]),
        (order + begun_by, ends, opened[begun_by] - closed[1:]),
    ):
        times[place], level[place] = moments, after
    lasted = np.diff(times).astype(np.float64)
    parts = np.rint(level[:-1] if weight is None else level[:-1] * _PARTS).astype(np.int64)
    # Levels are small whole numbers, or few parts of them: a table of all needs no sorting.
    if len(parts) and int(parts.max()) <= len(parts) + _PARTS:
        seconds = np.bincount(parts, lasted) / 1e9
        known = np.arange(len(seconds))
    else:
        known, place = np.unique(parts, return_inverse=True)
        seconds = np.bincount(place, lasted, len(known)) / 1e9
    there = seconds > 0
    return known[there] / (1 if weight is None else _PARTS), seconds[there]


def exceeded_level(means: Floats, share: float) -> float:
    """Give the level of requests in flight that is exceeded a share of the time.

    Requests that come at random are in flight as many as Poisson has it about each mean.

    Args:
        means: of n times of equal length, 1 or more.
        share: of the time, above 0 and below 1.

    >>> exceeded_level(np.array([4.0]), 0.05), exceeded_level(np.array([4.0, 400.0]), 0.01)
    (8.0, 442.0)
    """
    low, high = -1, int(means.max() + 10 * np.sqrt(means.max()) + 10)
    while high - low > 1:
        middle = (low + high) // 2
        if float(pdtrc(middle, means).mean()) > share:
            low = middle
        else:
            high = middle
    return float(high)
