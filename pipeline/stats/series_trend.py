"""Whether a level grows: the median slope of all pairs of minutes, where minutes are alike.

Source: Sen (1968), JASA 63(324), for the slope and its interval; Kendall (1975), Rank Correlation
Methods, for the variance with ties; Yue and Wang (2004), Water Resources Management 18(3), for how
much more it varies where neighbours are alike.
"""

import math

import numpy as np

from pipeline.stats.bootstrap import UNKNOWN, Floats, Interval
from pipeline.stats.distributions import normal_isf

# Below it, an interval of slopes says nothing.
LEAST_POINTS = 10
# More minutes are averaged in equal runs: pairs grow with the square.
_MOST_POINTS = 720
_MOST_CORRELATION = 0.95


def trend(time: Floats, level: Floats, confidence: float = 0.9) -> Interval:
    """Give the slope of a level in time.

    Args:
        time: n times, rising.
        level: n levels; those that are NaN are left out.
        confidence: of the interval, between 0 and 1.

    Returns:
        Level a unit of time; NaN for fewer than LEAST_POINTS known levels.

    >>> trend(np.arange(20.0), 3.0 * np.arange(20.0)).estimate
    3.0
    """
    known = np.isfinite(level)
    x, y = _thinned(time[known], level[known])
    n = len(x)
    if n < LEAST_POINTS:
        return UNKNOWN
    earlier, later = np.triu_indices(n, 1)
    slopes = np.sort((y[later] - y[earlier]) / (x[later] - x[earlier]))
    slope = float(np.median(slopes))
    reach = normal_isf((1 - confidence) / 2) * math.sqrt(_variance(x, y, slope))
    low = min(max(math.floor((len(slopes) - reach) / 2), 0), len(slopes) // 2)
    return Interval(slope, float(slopes[low]), float(slopes[-1 - low]))


def _thinned(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Average equal runs where there are more points than pairs can be made of."""
    run = -(-len(x) // _MOST_POINTS)
    if run <= 1:
        return x, y
    starts = np.arange(0, len(x), run)
    counts = np.diff(np.append(starts, len(x)))
    return np.add.reduceat(x, starts) / counts, np.add.reduceat(y, starts) / counts


def _variance(x: Floats, y: Floats, slope: float) -> float:
    """Give the variance of Kendall's score, for neighbours as alike as those of what is left."""
    n = len(x)
    _, ties = np.unique(y, return_counts=True)
    variance = (n * (n - 1) * (2 * n + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18
    rest = y - slope * x
    rest = rest - rest.mean()
    total = float((rest**2).sum())
    alike = float((rest[1:] * rest[:-1]).sum()) / total if total > 0 else 0.0
    alike = min(max(alike, 0.0), _MOST_CORRELATION)
    return variance * (1 + alike) / (1 - alike)
