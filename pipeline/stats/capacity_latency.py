"""Latency against load: the model that predicts buckets best that it has not seen, and its limit.

Source: Allen (1990), section 5.3, for waits in M/M/m; Gunther (2007), chapter 6, for response time
by the universal scalability law; Burman, Chow and Nolan (1994), Biometrika 81(2), for held-out
blocks of a series.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import nnls

from pipeline.stats.bootstrap import Floats, Interval, Ints, block_bootstrap, percentiles
from pipeline.stats.capacity_draws import BLOCK, spread, widening
from pipeline.stats.queueing import erlang_c
from pipeline.stats.usl import Usl, fit_usl, why_not_usl

LEAST_BUCKETS = 20
FOLDS = 5
# Simplest first: of models that predict as well, the first is taken.
CONSTANT, QUEUE, CURVE, SCALABILITY = "constant", "M/M/m queue", "latency curve", "USL"
MODELS = (CONSTANT, QUEUE, CURVE, SCALABILITY)
_AS_WELL = 1.02
_POWERS = (0.5, 1.0, 2.0, 4.0, 8.0)
_GRID = 300
_PARAMETERS = 3
# Of the load that was seen: no model is asked for more.
_MOST_REACH = 3.0
_MOST_UTILISATION = 0.99
_DRAW_TOLERANCE = 1e-6

Model = Callable[[Ints], Callable[[Floats], Floats]]


@dataclass(frozen=True)
class LoadPoints:
    """n buckets in the order of time, each of one instance.

    Attributes:
        throughput: requests a second, above 0.
        concurrency: requests in flight, above 0.
        latency_s: a quantile.
        core_seconds, background: what a request costs, and busy cores without any; NaN for unknown.
        cores: of an instance; 0 for unknown.
    """

    throughput: Floats
    concurrency: Floats
    latency_s: Floats
    core_seconds: float
    background: float
    cores: float

    def utilisation(self, throughput: Floats) -> Floats:
        """Give busy cores as a share of all, below 1."""
        share = (self.background + self.core_seconds * throughput) / self.cores
        result: Floats = np.clip(share, 0.0, _MOST_UTILISATION)
        return result

    @property
    def has_utilisation(self) -> bool:
        """Tell whether utilisation is known."""
        return self.cores > 0 and bool(np.isfinite(self.core_seconds) and self.core_seconds > 0)


@dataclass(frozen=True)
class LatencyFit:
    """How latency grows.

    Attributes:
        reason: why it is not identified; empty where it is.
        model: one of MODELS; empty for none.
        held_out: mean absolute error of its logarithm on buckets that a model has not seen.
        throughput: g loads, rising from 0.
        estimate, low, high: g latencies with their 90 % band, in seconds.
        limit: most throughput that holds the objective; NaN without one, infinite where latency
            does not rise with load.
    """

    reason: str
    model: str
    held_out: Mapping[str, float]
    throughput: Floats
    estimate: Floats
    low: Floats
    high: Floats
    limit: Interval


def fit_latency(points: LoadPoints, objective_s: float, key: tuple[str, ...]) -> LatencyFit:
    """Choose a model by held-out error and find where it meets an objective.

    Args:
        points: n buckets.
        objective_s: the latency that must be held; 0 for none.
        key: what they are of; draws depend on it alone.
    """
    count = len(points.throughput)
    unknown = Interval(np.nan, np.nan, np.nan)
    if count < LEAST_BUCKETS:
        reason = f"{count} buckets with a latency, {LEAST_BUCKETS} are needed: watch longer"
        empty = np.zeros(0)
        return LatencyFit(reason, "", {}, empty, empty, empty, empty, unknown)
    models = _models(points)
    held_out = {name: _held_out(points, model) for name, model in models.items()}
    least = min(held_out.values())
    chosen = next(name for name in models if held_out[name] <= _AS_WELL * least)
    grid = _loads(points)
    fit = models[chosen]
    drawn = block_bootstrap(lambda places: fit(places)(grid), count, BLOCK, (*key, "latency"))
    estimate = fit(np.arange(count))(grid)
    # Latency is above 0 and errs by factors: its logarithm is what is spread.
    with np.errstate(divide="ignore"):
        logs = spread(np.log(estimate), np.log(drawn), widening(count, BLOCK, _PARAMETERS))
    drawn = np.exp(logs)
    known = np.isfinite(drawn).any(axis=0)
    low, high = np.full(_GRID, np.nan), np.full(_GRID, np.nan)
    low[known], high[known] = np.nanquantile(drawn[:, known], [0.05, 0.95], axis=0)
    limit = unknown
    if objective_s > 0:
        reached = np.array([_reach(grid, row, objective_s) for row in drawn])
        limit = percentiles(_reach(grid, estimate, objective_s), reached)
        if chosen == CONSTANT:
            held = estimate[0] <= objective_s
            limit = Interval(*(3 * [np.inf if held else 0.0]))
    return LatencyFit("", chosen, held_out, grid, estimate, low, high, limit)


def _models(points: LoadPoints) -> dict[str, Model]:
    """Give the models that these data can be asked for, the simplest first."""
    found: dict[str, Model] = {CONSTANT: lambda places: _constant(points, places)}
    if points.has_utilisation:
        servers = max(1, round(points.cores))
        found[QUEUE] = lambda places: _waiting(points, places, (lambda rho: _waits(servers, rho),))
        found[CURVE] = lambda places: _waiting(
            points, places, tuple(_power(power) for power in _POWERS)
        )
    if not why_not_usl(points.concurrency):
        found[SCALABILITY] = lambda places: _by_usl(points, places)
    return found


def _constant(points: LoadPoints, places: Ints) -> Callable[[Floats], Floats]:
    """Latency that does not depend on load."""
    level = float(np.exp(np.median(np.log(points.latency_s[places]))))
    return lambda throughput: np.full(len(throughput), level)


def _power(power: float) -> Callable[[Floats], Floats]:
    return lambda rho: rho**power / (1 - rho)


@lru_cache(maxsize=64)
def _wait_table(servers: int) -> tuple[Floats, Floats]:
    """Give mean waits in M/M/m by utilisation, in times of service."""
    rho = np.linspace(0, _MOST_UTILISATION, 512)
    waits = [erlang_c(servers, float(each)) / (servers * (1 - float(each))) for each in rho]
    return rho, np.array(waits)


def _waits(servers: int, rho: Floats) -> Floats:
    result: Floats = np.interp(rho, *_wait_table(servers))
    return result


def _waiting(
    points: LoadPoints, places: Ints, shapes: tuple[Callable[[Floats], Floats], ...]
) -> Callable[[Floats], Floats]:
    """Latency = S + B x shape(utilisation), of the shape that fits best; relative errors count."""
    latency = points.latency_s[places]
    rho = points.utilisation(points.throughput[places])
    best, least = (shapes[0], np.zeros(2)), np.inf
    for shape in shapes:
        design = np.column_stack([np.ones(len(rho)), shape(rho)]) / latency[:, None]
        found, error = nnls(design, np.ones(len(rho)))
        if error < least - 1e-12:
            best, least = (shape, found), error
    shape, (base, slope) = best
    return lambda throughput: base + slope * shape(points.utilisation(throughput))


def _by_usl(points: LoadPoints, places: Ints) -> Callable[[Floats], Floats]:
    """Latency in proportion to N / X(N); NaN where no concurrency gives the throughput."""
    load, throughput = points.concurrency[places], points.throughput[places]
    if len(np.unique(load)) < 3:
        return lambda wanted: np.full(len(wanted), np.nan)
    fit = fit_usl(load, throughput, _DRAW_TOLERANCE)
    ratio = float(np.median(points.latency_s[places] / fit.response_time(load)))

    def predict(wanted: Floats) -> Floats:
        found = np.array([fit.load(each) if each > 0 else np.nan for each in wanted.tolist()])
        with np.errstate(invalid="ignore", divide="ignore"):
            times = found / wanted
        times[wanted <= 0] = _alone(fit)
        result: Floats = ratio * times
        return result

    return predict


def _alone(fit: Usl) -> float:
    """Give the response time as concurrency comes near to none."""
    return max(1 - fit.alpha, 1e-12) / fit.gamma


def _held_out(points: LoadPoints, model: Model) -> float:
    """Give a model's error on blocks of buckets that it was not fitted to."""
    place = np.arange(len(points.throughput))
    fold = (place // BLOCK) % FOLDS
    errors = []
    for each in range(FOLDS):
        out = fold == each
        if not out.any() or out.all():
            continue
        predicted = model(place[~out])(points.throughput[out])
        far = np.abs(np.log(np.maximum(predicted, 1e-12) / points.latency_s[out]))
        # What a model cannot tell at all is as far off as a factor of ten.
        errors.append(np.where(np.isfinite(far), far, np.log(10)))
    return float(np.concatenate(errors).mean())


def _loads(points: LoadPoints) -> Floats:
    """Give loads to look at: up to full cores, at most some times what was seen."""
    most = _MOST_REACH * float(points.throughput.max())
    if points.has_utilisation:
        full = (_MOST_UTILISATION * points.cores - points.background) / points.core_seconds
        most = min(most, max(full, float(points.throughput.max())))
    return np.linspace(0.0, most, _GRID)


def _reach(grid: Floats, latency: Floats, objective_s: float) -> float:
    """Give the last load before the first whose latency is above an objective."""
    above = ~(latency <= objective_s)
    if not above.any():
        return float(grid[-1])
    first = int(np.argmax(above))
    return float(grid[first - 1]) if first else 0.0
