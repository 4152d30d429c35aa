"""What a series looks like beside a step: its noise, its outliers, a drift, where a step may lie.

Source: Hampel (1974), JASA 69(346), for outliers; Hansen (2000), Econometrica 68(3), for places.
"""

import math

import numpy as np
from scipy.stats import t as student

from pipeline.stats.change_scan import Floats, Integers, inflation, shortest
from pipeline.stats.distributions import MAD_TO_SIGMA

_MEDIAN_OF = 7
_OUTLIER_SIGMAS = 5.0
# 95 % point of the likelihood ratio of a place: -2 ln(1 - sqrt(0.95)).
_PLACE_RATIO = 7.35
# Knots of a broken line that are tried, at most.
_KNOTS = 64


def running_median(values: Floats) -> Floats:
    """Give the median of the seven points about each; of fewer at the ends.

    >>> running_median(np.array([1.0, 1.0, 9.0, 1.0, 1.0])).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    reach = _MEDIAN_OF // 2
    padded = np.pad(values, reach, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, _MEDIAN_OF)
    inner = windows[reach : len(values) - reach]
    middle = np.sort(inner, axis=1)[:, reach] if len(inner) else np.zeros(0)
    ends = [np.nanmedian(window) for window in (*windows[:reach], *windows[len(values) - reach :])]
    if not len(inner):
        return np.array([np.nanmedian(window) for window in windows])
    return np.concatenate([ends[:reach], middle, ends[reach:]])


def noise(values: Floats) -> tuple[float, Integers]:
    """Measure how much a series scatters, and find the points that stand alone.

    Args:
        values: n, finite.

    Returns:
        Sigma about the running median, robust; 0 where more than half of the points lie on it. And
        the places of outliers: more than five sigmas off, neither neighbour so.
    """
    off = np.abs(values - running_median(values))
    sigma = MAD_TO_SIGMA * float(np.median(off))
    if sigma <= 1e-12 * float(np.abs(values).max()):
        return 0.0, np.zeros(0, dtype=np.int64)
    far = np.pad(off > _OUTLIER_SIGMAS * sigma, 1)
    return sigma, np.flatnonzero(far[1:-1] & ~far[:-2] & ~far[2:]).astype(np.int64)


def best_split(values: Floats) -> tuple[int, float]:
    """Split a series in two by least squares.

    Args:
        values: n, at least twice ``shortest(n)``.

    Returns:
        How many points lie before, and the sum of squares about both means.
    """
    squares = split_squares(values)
    place = int(np.argmin(squares))
    return place + shortest(len(values)), float(squares[place])


def split_squares(values: Floats) -> Floats:
    """Give the sum of squares about both means for every place, from ``shortest(n)`` on."""
    n = len(values)
    before = np.arange(shortest(n), n - shortest(n) + 1)
    centred = values - values.mean()
    sums = np.cumsum(centred)[before - 1]
    between = sums * sums * (n / (before * (n - before)))
    return np.asarray(np.maximum(float(centred @ centred) - between, 0.0))


def likely_places(values: Floats, rho: float) -> tuple[int, int]:
    """Bound where a step lies, with 95 % confidence.

    Args:
        values: of both sides of it, n.
        rho: autocorrelation.

    Returns:
        The least and the greatest number of points before it.
    """
    n, squares = len(values), split_squares(values)
    least = float(squares.min())
    allowed = least * (1 + _PLACE_RATIO * float(inflation(rho)) ** 2 / (n - 2))
    places = np.flatnonzero(squares <= allowed) + shortest(n)
    return int(places[0]), int(places[-1])


def information(squares: float, n: int, parameters: int) -> float:
    """Give Schwarz's criterion of a fit; the least is the best.

    Source: Schwarz (1978), Annals of Statistics 6(2).
    """
    return n * math.log(max(squares / n, 1e-300)) + parameters * math.log(n)


def line(values: Floats) -> tuple[float, Floats]:
    """Fit a line by least squares; give its rise a point and the residuals."""
    time = np.arange(len(values)) - (len(values) - 1) / 2
    centred = values - values.mean()
    slope = float(time @ centred) / float(time @ time)
    return slope, centred - slope * time


def broken_line(values: Floats) -> tuple[int, float, float, float]:
    """Fit a line that bends once, by least squares.

    Args:
        values: n, at least 12.

    Returns:
        Points before the bend, the rise a point before it and after it, the sum of squares.
    """
    n = len(values)
    _, rest = line(values)
    knots = np.unique(np.linspace(4, n - 5, min(_KNOTS, n - 8)).astype(np.int64))
    time = np.arange(n, dtype=np.float64)
    bends = np.maximum(time[None, :] - knots[:, None], 0.0)
    basis = np.stack([np.ones(n), time - time.mean()])
    basis /= np.linalg.norm(basis, axis=1, keepdims=True)
    free = bends - (bends @ basis.T) @ basis
    power = np.einsum("ij,ij->i", free, free)
    told = free @ rest
    best = int(np.argmax(told * told / power))
    bend = float(told[best] / power[best])
    slope, _ = line(values - bend * bends[best])
    squares = max(float(rest @ rest) - float(told[best] ** 2 / power[best]), 0.0)
    return int(knots[best]), slope, slope + bend, squares


def slope_p_value(slope: float, residuals: Floats, rho: float) -> float:
    """Give how often noise alone rises or falls as steeply as a line does."""
    n = len(residuals)
    power = float(residuals @ residuals)
    if power <= 0:
        return 0.0 if slope else 1.0
    error = math.sqrt(power / (n - 2) / (n * (n * n - 1) / 12)) * float(inflation(rho))
    # Neighbours that are alike leave fewer degrees of freedom for the scatter, too.
    df = max((n - 2) / float(inflation(rho)) ** 2, 1.0)
    return float(2 * student.sf(abs(slope) / error, df))
