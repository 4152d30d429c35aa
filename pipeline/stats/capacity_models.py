"""Models of latency against load, each fitted to many draws at once by weights of observations.

Source: Allen (1990), Probability, Statistics and Queueing Theory, section 5.3, for waits in M/M/m
and the correction of Allen and Cunneen; Gunther (2007), Guerrilla Capacity Planning, chapter 6, for
response time by the universal scalability law.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pipeline.stats.bootstrap import Floats
from pipeline.stats.capacity_draws import Moments
from pipeline.stats.queueing import erlang_c
from pipeline.stats.usl import Usl, fit_usl, fit_usl_draws, why_not_usl

# Simplest first: of models that predict as well, the first is taken.
CONSTANT, QUEUE, GENERAL_QUEUE = "constant", "M/M/m queue", "Allen-Cunneen"
CURVE, SATURATION, SCALABILITY = "latency curve", "saturation curve", "USL"
MODELS = (CONSTANT, QUEUE, GENERAL_QUEUE, CURVE, SATURATION, SCALABILITY)

_POWERS = (0.5, 1.0, 2.0, 4.0, 8.0)
# Where work that no CPU time tells of may be full, as multiples of the highest load seen.
_FULL = (1.02, 1.05, 1.1, 1.15, 1.2, 1.3, 1.4, 1.6, 2.0, 3.0, 5.0)
MOST_UTILISATION = 0.99
_TABLE = 512
_DRAW_TOLERANCE = 1e-6
_LEAST_LOADS = 3


@dataclass(frozen=True)
class LoadPoints:
    """n blocks of time in their order, each of one instance.

    Attributes:
        throughput: requests a second, above 0.
        concurrency: requests in flight, above 0.
        latency_s: a quantile.
        core_seconds, background: what a request costs, and busy cores without any; NaN for unknown.
        cores: of an instance; 0 for unknown.
        moments: when and of whom they are; None for one instance and one moment after another.
        quantile: that latency is.
        variation: half the sum of the squared coefficients of variation of the times between
            arrivals and of service; NaN for unknown.
    """

    throughput: Floats
    concurrency: Floats
    latency_s: Floats
    core_seconds: float
    background: float
    cores: float
    moments: Moments | None = None
    quantile: float = 0.95
    variation: float = float("nan")

    def utilisation(self, throughput: Floats) -> Floats:
        """Give busy cores as a share of all, below 1."""
        share = (self.background + self.core_seconds * throughput) / self.cores
        result: Floats = np.clip(share, 0.0, MOST_UTILISATION)
        return result

    @property
    def has_utilisation(self) -> bool:
        """Tell whether utilisation is known."""
        return self.cores > 0 and bool(np.isfinite(self.core_seconds) and self.core_seconds > 0)

    @property
    def when(self) -> Moments:
        """Give when and of whom the blocks are."""
        count = len(self.throughput)
        alone = Moments(np.arange(count, dtype=np.float64), np.zeros(count, np.int64))
        return self.moments or alone


# From weights d x n and loads g to latencies d x g.
Model = Callable[[Floats, Floats], Floats]
Shapes = Callable[[Floats], Floats]


def models_of(points: LoadPoints, level: Floats) -> dict[str, Model]:
    """Give the models that these data can be asked for, the simplest first.

    Args:
        points: n observations.
        level: n latencies about which they scatter, by a share of each.
    """

    def linear(shapes: Shapes, offset: Shapes | None = None) -> Model:
        return lambda weights, loads: _linear(points, level, weights, loads, shapes, offset)

    found = {CONSTANT: linear(lambda loads: np.zeros((len(loads), 1)))}
    if points.has_utilisation:
        servers = max(1, round(points.cores))
        found[QUEUE] = linear(lambda x: _waits(servers, points.utilisation(x))[:, None])
        if np.isfinite(points.variation):
            found[GENERAL_QUEUE] = linear(
                lambda x: np.zeros((len(x), 1)), lambda x: _general(points, servers, x)
            )
        found[CURVE] = linear(lambda x: _powers(points.utilisation(x)[:, None]))
    most = float(points.throughput.max())
    full = most * np.array(_FULL)
    found[SATURATION] = linear(lambda x: _powers(np.clip(x[:, None] / full, 0, MOST_UTILISATION)))
    if not why_not_usl(points.concurrency):
        found[SCALABILITY] = lambda weights, loads: _by_usl(points, weights, loads)
    return found


def _powers(rho: Floats) -> Floats:
    """Give rho^k / (1 - rho) for every power k and column."""
    found = [rho**power / (1 - rho) for power in _POWERS]
    return np.concatenate(found, axis=1)


def _linear(
    points: LoadPoints,
    level: Floats,
    weights: Floats,
    loads: Floats,
    shapes: Shapes,
    offset: Shapes | None,
) -> Floats:
    """Latency = A + B x shape, A and B not below 0, of the shape that fits a draw best.

    Errors count as shares of ``level``, not of what was measured: a fit to shares of measured
    values would follow those that happen to be small.
    """
    shape, above = shapes(points.throughput), shapes(loads)
    y = points.latency_s - (offset(points.throughput) if offset else 0.0)
    w = weights / level**2
    s, sy, syy = w.sum(axis=1)[:, None], (w @ y)[:, None], (w @ y**2)[:, None]
    sx, sxx, sxy = w @ shape, w @ shape**2, w @ (shape * y[:, None])
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = s * sxx - sx**2
        slope = np.where(spread > 1e-12 * s * sxx, (s * sxy - sx * sy) / spread, 0.0)
        slope = np.maximum(slope, 0.0)
        base = (sy - slope * sx) / s
        alone = np.where(sxx > 0, np.maximum(sxy, 0) / sxx, 0.0)
    slope, base = np.where(base < 0, alone, slope), np.maximum(base, 0.0)
    error = syy - 2 * base * sy - 2 * slope * sxy
    error = error + base**2 * s + 2 * base * slope * sx + slope**2 * sxx
    best = np.argmin(error, axis=1)
    rows = np.arange(len(weights))
    found: Floats = base[rows, best][:, None] + slope[rows, best][:, None] * above[:, best].T
    return found + (offset(loads) if offset else 0.0)


@lru_cache(maxsize=64)
def _wait_table(servers: int) -> tuple[Floats, Floats, Floats]:
    """Give mean waits in M/M/m in times of service, and who waits, by utilisation."""
    rho = np.linspace(0, MOST_UTILISATION, _TABLE)
    waiting = np.array([erlang_c(servers, float(each)) for each in rho])
    return rho, waiting / (servers * (1 - rho)), waiting


def _waits(servers: int, rho: Floats) -> Floats:
    known, mean, _ = _wait_table(servers)
    result: Floats = np.interp(rho, known, mean)
    return result


def _general(points: LoadPoints, servers: int, loads: Floats) -> Floats:
    """Give the quantile of the wait that theory alone expects, corrected for general times."""
    rho = points.utilisation(loads)
    known, _, waiting = _wait_table(servers)
    share = np.interp(rho, known, waiting)
    with np.errstate(divide="ignore"):
        tail = np.maximum(np.log(share / (1 - points.quantile)), 0.0)
    result: Floats = points.variation * tail * points.core_seconds / (servers * (1 - rho))
    return result


def _by_usl(points: LoadPoints, weights: Floats, loads: Floats) -> Floats:
    """Latency in proportion to N / X(N); NaN where no concurrency gives the throughput."""
    load, throughput = points.concurrency, points.throughput
    start = fit_usl(load, throughput, _DRAW_TOLERANCE)
    found = np.full((len(weights), len(loads)), np.nan)
    fits = fit_usl_draws(load, throughput, weights, start)
    for row, (fit, own) in enumerate(zip(fits, weights, strict=True)):
        drawn = own > 0
        if len(np.unique(load[drawn])) < _LEAST_LOADS:
            continue
        ratio = float(np.median(points.latency_s[drawn] / fit.response_time(load[drawn])))
        found[row] = ratio * _response(fit, loads)
    return found


def _response(fit: Usl, throughput: Floats) -> Floats:
    """Give the least time in the system at which a throughput is reached."""
    a = fit.beta * throughput
    b = (fit.alpha - fit.beta) * throughput - fit.gamma
    c = throughput * (1 - fit.alpha)
    with np.errstate(invalid="ignore", divide="ignore"):
        # The lower root, in the form that loses no digits where a is small.
        load = 2 * c / (-b + np.sqrt(b * b - 4 * a * c))
        result: Floats = load / throughput
    result[b >= 0] = np.nan
    result[throughput <= 0] = max(1 - fit.alpha, 1e-12) / fit.gamma
    return result
