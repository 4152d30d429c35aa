"""A canary against other times: several earlier windows, or values that were kept with intervals.

Nothing is paired with the same minutes of the other side, so each earlier window is one
observation; of a single one no test is known to hold its level.

Source: Student's prediction interval of one more observation, Hahn and Meeker (1991), Statistical
Intervals, section 4.7.
"""

import math
from collections.abc import Sequence

import numpy as np

from pipeline.stats.cells import Floats, Range, Side
from pipeline.stats.clusters import ratio_variance
from pipeline.stats.distributions import normal_isf
from pipeline.stats.level import quantile_level
from pipeline.stats.share_shift import EXPECTED_LEAST, ShareShift
from pipeline.stats.shift import Estimate, Shift

# Fewer windows tell too little of how they differ by themselves.
LEAST_WINDOWS = 7


def windows_shift(canary: Side, windows: Sequence[Side], p: float) -> Shift:
    """Compare a quantile with the same of D earlier windows.

    Args:
        canary: requests with a duration.
        windows: as many sides with such requests as LEAST_WINDOWS, or more.
        p: the quantile, between 0 and 1.
    """
    sides = (*windows, canary)
    whole = [Range.of(side).histograms(side, None, 1) for side in sides]
    logs = np.array([float(each.log_quantile(p)[0]) for each in whole])
    effect, error, df = _prediction(logs[:-1], float(logs[-1]))
    found = Estimate("windows", effect, error, df)
    constant = all((each.counts > 0).sum() == 1 for each in whole)
    return Shift(found, None, (float(logs[:-1].mean()), float(logs[-1])), constant)


def windows_share(
    canary: tuple[float, float], shares: Floats, effective: float, pooled: float
) -> ShareShift:
    """Compare a share of requests with those of D earlier windows.

    Args:
        canary: its share, and the requests that tell of it.
        shares: D shares.
        effective: requests of all windows, as if unweighted.
        pooled: share of both sides together.
    """
    share, n = canary
    _, error, df = _prediction(shares, share)
    least = pooled * (1 - pooled) * (1 / n + 1 / effective)
    inflation = max(1.0, error**2 / least) if least > 0 else 1.0
    reached = (effective / inflation, n / inflation)
    few = n * pooled < EXPECTED_LEAST
    error = max(error, math.sqrt(least))
    return ShareShift((float(shares.mean()), share), error, df, inflation, reached, few)


def _prediction(earlier: Floats, now: float) -> tuple[float, float, float]:
    """Give by how much a value is above earlier ones, its error and degrees of freedom."""
    count = len(earlier)
    error = float(earlier.std(ddof=1)) * math.sqrt(1 + 1 / count)
    return now - float(earlier.mean()), error, count - 1.0


def kept_shift(canary: Side, value: float, interval: tuple[float, float], p: float) -> Shift:
    """Compare a quantile with one that was kept.

    Args:
        canary: requests with a duration.
        value: the kept quantile, in the canary's unit.
        interval: half-width of the kept interval's logarithm, and its confidence, 0 to 1.
        p: the quantile, between 0 and 1.
    """
    level = quantile_level(canary, p)
    kept = interval[0] / normal_isf((1 - interval[1]) / 2)
    effect = level.log_effect - math.log(value)
    found = Estimate("kept", effect, math.hypot(level.error, kept), level.df)
    return Shift(found, None, (math.log(value), level.log_effect))


def kept_share(canary: Side, above: Floats, share: float, requests: float) -> ShareShift:
    """Compare a share of requests with one that was kept.

    Args:
        canary: all requests.
        above: those that count, by cell, instances x minutes.
        share: the kept one.
        requests: those that it was of.
    """
    now = float(above.sum()) / canary.total
    variance, df = ratio_variance([canary], [above])
    least = now * (1 - now) / canary.effective
    inflation = max(1.0, variance / least) if least > 0 else 1.0
    error = math.sqrt(variance + inflation * share * (1 - share) / requests)
    both = requests + canary.effective
    pooled = (share * requests + now * canary.effective) / both
    few = min(requests, canary.effective) * pooled < EXPECTED_LEAST
    reached = (requests / inflation, canary.effective / inflation)
    return ShareShift((share, now), error, df, inflation, reached, few)
