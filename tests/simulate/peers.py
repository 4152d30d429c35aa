"""Other judges on the same requests: ranks of per-minute quantiles, and ranks of requests."""

import math

import numpy as np
from scipy.stats import norm

from pipeline.stats.cells import Floats, Range, Side
from tests.simulate import kayenta

_NANO_A_MS = 1e6


def kayenta_high(baseline: Side, canary: Side, quantiles: tuple[float, ...]) -> list[bool]:
    """Tell at which quantiles a Kayenta-style judge calls the canary's minutes High."""
    buckets = Range.of(baseline, canary)
    minutes = [buckets.histograms(side, side.minute, side.minutes) for side in (baseline, canary)]
    found = []
    for p in quantiles:
        sides = [np.exp(each.log_quantile(p)) / _NANO_A_MS for each in minutes]
        # Minutes without requests are removed per side, as it removes NaN.
        control, experiment = (side[np.isfinite(side)] for side in sides)
        found.append(kayenta.classify(control, experiment) == kayenta.HIGH)
    return found


def requests_p_value(baseline: Side, canary: Side) -> float:
    """Give the p-value of Mann and Whitney's test on requests as if all were independent.

    By the normal distribution with ties; there are thousands of requests.
    """
    buckets = Range.of(baseline, canary)
    control, experiment = (
        buckets.histograms(side, None, 1).counts[0] for side in (baseline, canary)
    )
    return _ranked(control, experiment)


def _ranked(control: Floats, experiment: Floats) -> float:
    """Give the one-sided p-value of counts by value, the values ascending."""
    n, m = float(experiment.sum()), float(control.sum())
    beaten = float((experiment * (np.cumsum(control) - control / 2)).sum())
    ties = control + experiment
    tied = float((ties**3 - ties).sum()) / ((n + m) * (n + m - 1))
    deviation = math.sqrt(n * m / 12 * (n + m + 1 - tied))
    return float(norm.sf((beaten - n * m / 2) / deviation))
