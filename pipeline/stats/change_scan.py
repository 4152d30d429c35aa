"""Is there a step somewhere in a series: a scan over all places, and how sure that is.

The null knows that neighbours in time are alike: it is the same scan over simulated AR(1) series.

Source: Hawkins (1977), JASA 72(357), for the statistic.
"""

import hashlib
import math
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import lfilter
from scipy.stats import norm, rankdata

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Simulated series behind a p-value, and the values each is run in by.
_SIMULATED, _RUN_IN = 1999, 50
# Beyond this share of the simulated ones, p-values follow the tail fitted to it.
_TAIL = 0.1
_LEAST_P = 1e-12
# Ranks of fewer points than this cannot reach 1 %: those are taken as they are.
_SCORED_LEAST = 15
# Normal scores of Gaussian series this long are as good as the series: ranking them is half the
# time of a simulation and moves the 1 % point of independent values by 0.02 at most.
_SCORED_MOST = 60
# The critical values of longer series grow by less than the error of the simulation.
_SIMULATED_LONGEST = 500
_LENGTH_STEP = 1.07
_RHO_STEP, RHO_MOST = 0.05, 0.9

# 1 % points of the scan over independent normal values, simulated; a test simulates them again.
_CRITICAL_LENGTHS = (10, 15, 20, 30, 50, 100, 200, 500, 1000)
_CRITICAL_1_PERCENT = (4.40, 3.99, 3.85, 3.76, 3.69, 3.67, 3.68, 3.72, 3.74)


def shortest(n: int) -> int:
    """Give how many points each side of a change must have, in a series of n.

    >>> [shortest(n) for n in (6, 14, 15, 200)]
    [3, 3, 4, 4]
    """
    return 3 if n < 15 else 4


def normal_scores(values: ArrayLike) -> Floats:
    """Replace values by the normal quantiles of their ranks; equal values get equal scores.

    Args:
        values: any shape; each row of the last axis is ranked by itself.

    Returns:
        Scores of the same shape.

    Source: Blom (1958), Statistical Estimates and Transformed Beta-Variables.

    >>> normal_scores([5.0, 1e9, -3.0]).round(2).tolist()
    [0.0, 0.87, -0.87]
    """
    ranks = rankdata(values, axis=-1)
    return np.asarray(norm.ppf((ranks - 0.375) / (ranks.shape[-1] + 0.25)), dtype=np.float64)


def scannable(values: Floats) -> Floats:
    """Give what the scan looks at: normal scores, against heavy tails, of all but the shortest.

    Args:
        values: any shape; a series is a row of the last axis.
    """
    return normal_scores(values) if values.shape[-1] >= _SCORED_LEAST else values


def scan(values: ArrayLike) -> tuple[Floats, Integers]:
    """Find where two means tell most: the greatest t statistic over all places.

    Args:
        values: series x n, n at least twice ``shortest(n)``.

    Returns:
        The statistic of each series, infinite where both sides are constant and differ, 0 where
        nothing varies; and how many points lie before the place.
    """
    rows = np.atleast_2d(np.asarray(values, dtype=np.float64))
    n = rows.shape[1]
    edge = shortest(n)
    centred = rows - rows.mean(axis=1, keepdims=True)
    before = np.arange(edge, n - edge + 1)
    sums = np.cumsum(centred, axis=1)[:, before - 1]
    # The sum of squares between both means; t grows with it, so the greatest is t's greatest.
    between = sums * sums * (n / (before * (n - before)))
    place = np.argmax(between, axis=1)
    most = np.take_along_axis(between, place[:, None], axis=1)[:, 0]
    total = np.einsum("ij,ij->i", centred, centred)
    # Rounding leaves some 1e-16 of the total where nothing is left.
    within = np.where(total - most > 1e-12 * total, total - most, 0.0)
    varies = total > 1e-24 * n * np.square(rows).mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.sqrt(most / within * (n - 2))
    return np.where(varies, t, 0.0), before[place]


def about_two_means(values: Floats, places: Integers) -> Floats:
    """Give what is left of each series, series x n, by the means before and after its place."""
    n = values.shape[1]
    before = np.arange(n)[None, :] < places[:, None]
    sums = np.where(before, values, 0.0).sum(axis=1)
    first = sums / places
    second = (values.sum(axis=1) - sums) / (n - places)
    return np.asarray(values - np.where(before, first[:, None], second[:, None]))


def autocorrelation(residuals: Floats) -> Floats:
    """Estimate how alike neighbours are, on the safe side: one standard error above.

    Args:
        residuals: of a fit with two means, series x n or n.

    Returns:
        One a series, between 0 and 0.9; 0 where nothing is left.

    Source: Kendall (1954), Biometrika 41(3/4), for the bias.
    """
    n = residuals.shape[-1]
    power = np.square(residuals).sum(axis=-1)
    products = (residuals[..., 1:] * residuals[..., :-1]).sum(axis=-1)
    first = np.divide(products, power, out=np.zeros_like(power), where=power > 0)
    rho = first + 2 * (1 + 4 * first) / n
    rho = rho + np.sqrt(np.maximum(1 - rho * rho, 0.0) / n)
    return np.asarray(np.clip(rho, 0.0, RHO_MOST))


def critical(n: int) -> float:
    """Give the 1 % point of the scan over n independent normal values.

    With autocorrelation it is higher, so what lies clearly below is no change at any.

    >>> [round(critical(n), 2) for n in (10, 25, 200, 5000)]
    [4.4, 3.8, 3.68, 3.74]
    """
    return float(np.interp(math.log(n), np.log(_CRITICAL_LENGTHS), _CRITICAL_1_PERCENT))


def inflation(rho: ArrayLike) -> Floats:
    """Give how much wider means spread where neighbours are alike.

    >>> inflation([0.0, 0.5]).round(4).tolist()
    [1.0, 1.7321]
    """
    given = np.asarray(rho, dtype=np.float64)
    return np.asarray(np.sqrt((1 + given) / (1 - given)))


def p_value(statistic: float, n: int, rho: float) -> float:
    """Give how often noise alone scans as high.

    Args:
        statistic: of ``scan``.
        n: of points.
        rho: autocorrelation, 0 to 0.9; the nearest twentieth is simulated.

    Returns:
        Between 1e-12 and 1. Below a tenth it follows the exponential tail of the simulated
        likelihood ratios, so it does not end at one over their number.

    Source: Knijnenburg et al. (2009), Bioinformatics 25(12), for the tail.
    """
    if math.isinf(statistic):
        # Two constants, which nothing tells from the throws of a coin but their number.
        return min(1.0, max(_LEAST_P, n * 2.0 ** (1 - n)))
    length = _simulated_length(n)
    null = _null(length, round(min(rho, RHO_MOST) / _RHO_STEP))
    ratio = float(_likelihood_ratio(statistic, rho, n))
    start = float(null[-round(_TAIL * len(null))])
    if ratio < start:
        above = len(null) - int(np.searchsorted(null, ratio))
        return (1 + above) / (1 + len(null))
    scale = float(np.mean(null[null >= start] - start))
    return max(_LEAST_P, _TAIL * math.exp(-(ratio - start) / scale))


def simulate(series: int, n: int, rho: float, rng: np.random.Generator) -> Floats:
    """Make AR(1) series with normal innovations.

    Returns:
        series x n.
    """
    noise = rng.standard_normal((series, n + _RUN_IN))
    return np.asarray(lfilter([1.0], [1.0, -rho], noise, axis=1)[:, _RUN_IN:])


def _simulated_length(n: int) -> int:
    """Give the length to simulate: n itself, or from 60 on the next of a few."""
    if n <= _SCORED_MOST:
        return n
    steps = math.ceil(math.log(n / _SCORED_MOST) / math.log(_LENGTH_STEP) - 1e-9)
    return min(round(_SCORED_MOST * _LENGTH_STEP**steps), _SIMULATED_LONGEST)


@cache
def _null(n: int, rho_steps: int) -> Floats:
    """Simulate the likelihood ratios of noise, ascending; the seed follows from what is asked."""
    key = f"changes {n} {rho_steps}".encode()
    seed = int.from_bytes(hashlib.sha256(key).digest()[:8], "little")
    rng = np.random.default_rng(seed)
    rows = simulate(_SIMULATED, n, rho_steps * _RHO_STEP, rng)
    rows = scannable(rows) if n <= _SCORED_MOST else rows
    statistic, places = scan(rows)
    rho = autocorrelation(about_two_means(rows, places))
    return np.sort(_likelihood_ratio(statistic, rho, n))


def _likelihood_ratio(statistic: ArrayLike, rho: ArrayLike, n: int) -> Floats:
    """Put the statistic on a scale that hardly depends on rho, where its tail is exponential."""
    plain = np.square(np.asarray(statistic)) / np.square(inflation(rho))
    return np.asarray((n - 2) * np.log1p(plain / (n - 2)))
