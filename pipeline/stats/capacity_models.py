"""Models of latency against load, each fitted to many draws at once by weights of observations.

What requests wait for is the CPU, or slots that are told: of threads, of connections. Whichever is
meant, it stands in the name of the model.

Source: Allen (1990), Probability, Statistics and Queueing Theory, section 5.3, for waits in M/M/m
and the correction of Allen and Cunneen; Gunther (2007), Guerrilla Capacity Planning, chapter 6, for
response time by the universal scalability law.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from pipeline.stats.bootstrap import Floats, Ints
from pipeline.stats.capacity_points import LoadPoints, Servers
from pipeline.stats.queue_tables import (
    MOST_UTILISATION,
    RANDOM,
    mean_waits,
    quantile_rises,
)
from pipeline.stats.usl import Usl, fit_usl, fit_usl_draws, why_not_usl

# Simplest first: of models that predict as well, the first is taken.
CONSTANT, QUEUE, GENERAL_QUEUE = "constant", "M/M/m queue", "Allen-Cunneen"
CURVE, SATURATION, SCALABILITY = "latency curve", "saturation curve", "USL"
MODELS = (CONSTANT, QUEUE, GENERAL_QUEUE, CURVE, SATURATION, SCALABILITY)
# Those that know of no servers: they tell nothing of latencies beyond those that were seen.
SEEN_ALONE = (SATURATION, SCALABILITY)
# What a wait is multiplied by: as theory has it, within a factor of two of that, by half a sum of
# squared coefficients of variation (0.5 for random arrivals of work that is all alike), and by
# anything.
_THEORY, _NEARLY, _VARIATION, _ANY = (1.0, 1.0), (0.5, 2.0), (0.5, 4.0), (0.0, np.inf)
# How long a slot is held, as multiples of what its use tells.
_HELD = np.geomspace(0.5, 2.0, 141)

_POWERS = (0.5, 1.0, 2.0, 4.0, 8.0)
# Where work that no CPU time tells of may be full, as multiples of the highest load seen.
_FULL = (1.02, 1.05, 1.1, 1.15, 1.2, 1.3, 1.4, 1.6, 2.0, 3.0, 5.0)
_DRAW_TOLERANCE = 1e-6
_LEAST_LOADS = 3


# From weights d x n and loads g to latencies d x g.
Model = Callable[[Floats, Floats], Floats]
# From loads to g x k shapes, infinite where work piles up without end.
Shapes = Callable[[Floats], Floats]


def models_of(points: LoadPoints, level: Floats) -> dict[str, Model]:
    """Give the models that these data can be asked for, the simplest first.

    Args:
        points: n observations.
        level: n latencies about which they scatter, by a share of each.
    """

    def linear(shapes: Shapes, slopes: tuple[float, float] = _ANY) -> Model:
        return lambda weights, loads: _linear(points, level, (weights, loads), shapes, slopes)

    found = {CONSTANT: linear(lambda loads: np.zeros((len(loads), 1)))}
    for servers in points.busy_servers:
        # Services that are known to be alike or not are not taken for exponential ones.
        known = servers.variation is not None
        of_theory = () if known else ((QUEUE, _THEORY),)
        for name, slopes in (*of_theory, (GENERAL_QUEUE, _NEARLY if known else _VARIATION)):
            whose = f"{name} of {servers.count} {servers.name}"
            found[whose] = partial(_by_slots, points, level, servers, slopes)
    of_slots = set(found) - {CONSTANT}
    if points.is_cpu_busy:
        cores = max(1, round(points.cores))
        found[QUEUE] = linear(
            lambda x: np.interp(points.utilisation(x), *mean_waits(cores))[:, None]
        )
        if points.variation:
            rises = quantile_rises(cores, points.quantile, points.variation)
            each = points.core_seconds
            found[GENERAL_QUEUE] = linear(
                lambda x: each * np.interp(points.utilisation(x), *rises)[:, None], _THEORY
            )
        found[CURVE] = linear(lambda x: _powers(points.utilisation(x)[:, None]))
    most = float(points.throughput.max())
    full = most * np.array(_FULL)
    found[SATURATION] = linear(lambda x: _powers(x[:, None] / full))
    if not why_not_usl(points.concurrency):
        found[SCALABILITY] = lambda weights, loads: _by_usl(points, weights, loads)
    return {
        name: model if name in of_slots else partial(_while_served, points, model)
        for name, model in found.items()
    }


def _while_served(points: LoadPoints, model: Model, weights: Floats, loads: Floats) -> Floats:
    """Latency by a model that knows of no slots, endless where all that are told are held."""
    found = model(weights, loads)
    if points.most_served:
        full = max(points.most_served, float(points.throughput.max()))
        found[:, loads > full] = np.inf
    return found


def _by_slots(
    points: LoadPoints,
    level: Floats,
    servers: Servers,
    slopes: tuple[float, float],
    weights: Floats,
    loads: Floats,
) -> Floats:
    """Latency by the wait for a slot, held in each draw as long as its use there tells."""
    middle = servers.usual_s(points.throughput)
    held = middle * _HELD
    rises = quantile_rises(servers.count, points.quantile, servers.variation or RANDOM)
    far = np.abs(_HELD[None, :] - (servers.held_s(points.throughput, weights) / middle)[:, None])
    # A draw without its use has the mean of all.
    own = np.argmin(np.where(np.isfinite(far), far, np.abs(_HELD - 1)), axis=1)

    def shapes(throughput: Floats) -> Floats:
        rho = throughput[:, None] * held / servers.count
        return np.where(rho <= MOST_UTILISATION, held * np.interp(rho, *rises), np.inf)

    return _linear(points, level, (weights, loads), shapes, slopes, own)


def _powers(rho: Floats) -> Floats:
    """Give rho^k / (1 - rho) for every power k and column; infinite where that is full."""
    within = np.minimum(rho, MOST_UTILISATION)
    found = [within**power / (1 - within) for power in _POWERS]
    full = np.tile(rho > MOST_UTILISATION, len(_POWERS))
    return np.where(full, np.inf, np.concatenate(found, axis=1))


def _linear(
    points: LoadPoints,
    level: Floats,
    asked: tuple[Floats, Floats],
    shapes: Shapes,
    slopes: tuple[float, float],
    own: Ints | None = None,
) -> Floats:
    """Latency = A + B x shape, A and B not below 0, of the shape that fits a draw best.

    Errors count as shares of ``level``, not of what was measured: a fit to shares of measured
    values would follow those that happen to be small.

    Args:
        points, level: n observations, and n latencies about which they scatter.
        asked: weights d x n and loads g.
        shapes: k of them; of what is full already, the longest wait seen counts.
        slopes: what B is between.
        own: d places of the shapes of draws, where they are known; None for those that fit best.
    """
    weights, loads = asked
    shape, above = shapes(points.throughput), shapes(loads)
    most = np.where(np.isfinite(shape), shape, 0.0).max(axis=0)
    shape = np.where(np.isfinite(shape), shape, most)
    w = weights / level**2
    y = points.latency_s
    s, sy, syy = w.sum(axis=1)[:, None], (w @ y)[:, None], (w @ y**2)[:, None]
    sx, sxx, sxy = w @ shape, w @ shape**2, w @ (shape * y[:, None])
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = s * sxx - sx**2
        slope = np.where(spread > 1e-12 * s * sxx, (s * sxy - sx * sy) / spread, 0.0)
        slope = np.clip(slope, *slopes)
        base = (sy - slope * sx) / s
        alone = np.clip(np.where(sxx > 0, sxy / sxx, 0.0), *slopes)
    slope, base = np.where(base < 0, alone, slope), np.maximum(base, 0.0)
    error = syy - 2 * base * sy - 2 * slope * sxy
    error = error + base**2 * s + 2 * base * slope * sx + slope**2 * sxx
    best = np.argmin(error, axis=1) if own is None else own
    rows = np.arange(len(weights))
    with np.errstate(invalid="ignore"):
        rise = slope[rows, best][:, None] * above[:, best].T
    rise = np.where(np.isnan(rise), 0.0, rise)
    found: Floats = base[rows, best][:, None] + rise
    return found


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
