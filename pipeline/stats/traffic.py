"""How requests are split between two sides, with blocks of time as clusters.

Source: Cochran (1977), Sampling Techniques, 3rd edition, section 6.3, for the error of a ratio.
"""

import math

import numpy as np

from pipeline.stats.cells import Floats
from pipeline.stats.distributions import student_isf, student_sf

_BLOCK_MINUTES = 5
_LEAST_BLOCKS = 2
# Of each side in the larger third: fewer cannot tell a half from chance.
_LEAST_REQUESTS = 100.0


def split_of(baseline: Floats, canary: Floats) -> tuple[float, float, float]:
    """Give the canary's share of requests, its standard error and degrees of freedom.

    Args:
        baseline, canary: requests by minute of a shared clock, together with some.

    Returns:
        The error is NaN for fewer than 2 blocks of 5 minutes.

    >>> share, error, df = split_of(np.full(10, 95.0), np.full(10, 5.0))
    >>> (share, error, df)
    (0.05, 0.0, 1.0)
    """
    both = baseline + canary
    share = float(canary.sum() / both.sum())
    starts = np.arange(0, len(both), _BLOCK_MINUTES)
    blocks = len(starts)
    if blocks < _LEAST_BLOCKS:
        return share, math.nan, 1.0
    influence = np.add.reduceat(canary - share * both, starts) / both.sum()
    variance = blocks / (blocks - 1) * float((influence**2).sum())
    return share, math.sqrt(variance), blocks - 1.0


def change_of_split(baseline: Floats, canary: Floats) -> float:
    """Give by how many times the ratio of canary to baseline grew from first third to last.

    Args:
        baseline, canary: requests by minute of a shared clock.

    Returns:
        1 for a steady split, 0 for a canary that got nothing at last, infinity for such a
        baseline; NaN where there is too little to tell.

    >>> change_of_split(np.full(9, 100.0), np.array([100.0] * 6 + [25.0] * 3))
    0.25
    """
    third = len(baseline) // 3
    if not third:
        return math.nan
    first = [float(side[:third].sum()) for side in (baseline, canary)]
    last = [float(side[-third:].sum()) for side in (baseline, canary)]
    if min(first) < _LEAST_REQUESTS or max(last) < _LEAST_REQUESTS:
        return math.nan
    if not last[0]:
        return math.inf
    return (last[1] / last[0]) / (first[1] / first[0])


def split_reach(error: float, df: float, alpha: float) -> float:
    """Give the half-width of a share's interval, at one-sided level alpha each way."""
    return student_isf(alpha, df) * error


def split_p_value(beyond: float, error: float, df: float) -> float:
    """Give the p-value, either way, of a share that is so far beyond what is let through."""
    if error == 0.0:
        return 0.0 if beyond > 0 else 1.0
    return min(1.0, 2 * student_sf(beyond / error, df))
