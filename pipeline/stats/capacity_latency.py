"""Latency against load: the model that predicts blocks best that it has not seen, and its limit.

Source: Burman, Chow and Nolan (1994), Biometrika 81(2), for held-out blocks of a series; Breiman
(1996), Out-of-bag estimation, for judging a draw's model by what was not drawn; Barlow et al.
(1972), Statistical Inference under Order Restrictions, for the fit that only rises.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression

from pipeline.stats.bootstrap import Floats, Interval, percentiles
from pipeline.stats.capacity_draws import spread, spreading
from pipeline.stats.capacity_models import (
    CONSTANT,
    GENERAL_QUEUE,
    MODELS,
    MOST_UTILISATION,
    QUEUE,
    LoadPoints,
    Model,
    models_of,
)

__all__ = ["CONSTANT", "GENERAL_QUEUE", "MODELS", "QUEUE", "LatencyFit", "LoadPoints"]

LEAST_BUCKETS = 20
FOLDS = 5
LEAST_VARIATION = 0.2
_AS_WELL = 1.02
_BUSY = 0.75
_GRID = 300
_PARAMETERS = 3
# Of the load that was seen: no model is asked for more.
_MOST_REACH = 3.0


@dataclass(frozen=True)
class LatencyFit:
    """How latency grows.

    Attributes:
        reason: why it is not identified; empty where it is.
        model: one of MODELS; empty for none.
        held_out: mean absolute error of its logarithm on blocks that a model has not seen.
        chosen: share of draws that each model predicted best.
        isotonic_gap: mean absolute logarithm of the model beside the fit that only rises.
        isotonic_limit: highest load seen at which that fit holds the objective; NaN for none.
        throughput: g loads, rising from 0.
        estimate, low, high: g latencies with their 90 % band, in seconds.
        limit: most throughput that holds the objective; NaN without one, infinite where latency
            does not rise with load.
    """

    reason: str
    model: str
    held_out: Mapping[str, float]
    chosen: Mapping[str, float]
    isotonic_gap: float
    isotonic_limit: float
    throughput: Floats
    estimate: Floats
    low: Floats
    high: Floats
    limit: Interval


def fit_latency(points: LoadPoints, objective_s: float, key: tuple[str, ...]) -> LatencyFit:
    """Choose a model by held-out error and find where it meets an objective.

    Args:
        points: n blocks.
        objective_s: the latency that must be held; 0 for none.
        key: what they are of; draws depend on it alone.
    """
    reason = _why_not(points)
    if reason:
        nan, empty = np.nan, np.zeros(0)
        unknown = Interval(nan, nan, nan)
        return LatencyFit(reason, "", {}, {}, nan, nan, empty, empty, empty, empty, unknown)
    rising = isotonic(points)
    models = models_of(points, rising)
    folds = _folds(len(points.throughput))
    held_out = {name: _error(points, model, folds)[0] for name, model in models.items()}
    barred = {CONSTANT} if rises(points, key) else set()
    choice = {name: model for name, model in models.items() if name not in barred}
    name = _simplest({each: held_out[each] for each in choice})
    whole = np.ones((1, len(points.throughput)))
    grid = _loads(points)
    drawn, chosen = _drawn(points, choice, grid, key)
    model = models[name]
    estimate = model(whole, grid)[0]
    apart = model(_left_out(points), grid)
    low, high = _band(points, estimate, drawn, apart)
    return LatencyFit(
        *("", name, held_out, chosen),
        float(np.abs(np.log(model(whole, points.throughput)[0] / rising)).mean()),
        _seen_limit(points, rising, objective_s),
        *(grid, estimate, low, high),
        _limit(points, (grid, estimate, drawn, apart), objective_s, name),
    )


def isotonic(points: LoadPoints) -> Floats:
    """Give n latencies that only rise with load, as near to those measured as can be."""
    order = np.argsort(points.throughput, kind="stable")
    found = np.empty(len(order))
    found[order] = isotonic_regression(points.latency_s[order]).x
    return found


def rises(points: LoadPoints, key: tuple[str, ...]) -> bool:
    """Tell whether latency in the busiest quarter is above that in the quietest half for sure.

    A curve that is flat until it bends is near to a constant everywhere but where it matters.
    """
    logs, load = np.log(points.latency_s), points.throughput
    busy, quiet = load >= np.quantile(load, _BUSY), load <= np.median(load)
    drawn = []
    for places in points.when.draws((*key, "rises")):
        above, below = logs[places[busy[places]]], logs[places[quiet[places]]]
        drawn.append(above.mean() - below.mean() if len(above) and len(below) else np.nan)
    return bool(np.nanquantile(drawn, 0.05) > 0)


def _why_not(points: LoadPoints) -> str:
    """Say why latency against load is not identified; empty where it is."""
    count = len(points.throughput)
    if count < LEAST_BUCKETS:
        return (
            f"{count} spans of time with enough requests for their latency, "
            f"{LEAST_BUCKETS} are needed: watch longer"
        )
    load = points.throughput
    variation = float(load.std() / load.mean())
    if variation < LEAST_VARIATION:
        return (
            f"load varies by {100 * variation:.0f} % about its mean, "
            f"{100 * LEAST_VARIATION:.0f} are needed: ramp the load"
        )
    return ""


def _folds(count: int) -> Floats:
    """Give FOLDS x n weights that leave out blocks by turns."""
    fold = (np.arange(count) * FOLDS * 2 // max(count, 1)) % FOLDS
    weights: Floats = (fold != np.arange(FOLDS)[:, None]).astype(np.float64)
    return weights


def _error(points: LoadPoints, model: Model, weights: Floats) -> tuple[float, Floats]:
    """Give a model's mean error over what was left out, and that of every row of weights.

    Of the busier half alone: a limit is about that, and where there is no wait all are alike.
    """
    out = (weights == 0) & (points.throughput >= np.median(points.throughput))
    with np.errstate(divide="ignore", invalid="ignore"):
        predicted = np.maximum(model(weights, points.throughput), 1e-12)
        far = np.abs(np.log(predicted / points.latency_s))
    # What a model cannot tell at all is as far off as a factor of ten.
    far = np.where(np.isfinite(far), far, np.log(10)) * out
    return float(far.sum() / max(out.sum(), 1)), far.sum(axis=1) / np.maximum(out.sum(axis=1), 1)


def _simplest(errors: Mapping[str, float]) -> str:
    """Give the first of the models that predict as well as any."""
    least = min(errors.values())
    return next(name for name, error in errors.items() if error <= _AS_WELL * least)


def _drawn(
    points: LoadPoints, models: Mapping[str, Model], grid: Floats, key: tuple[str, ...]
) -> tuple[Floats, dict[str, float]]:
    """Give d x g latencies, each by the model that tells best what its draw left out, and shares.

    That the data could have chosen another model is part of what is not known.
    """
    count = len(points.throughput)
    draws = points.when.draws((*key, "latency"))
    weights = np.array([np.bincount(row, minlength=count) for row in draws], dtype=np.float64)
    errors = np.array([_error(points, model, weights)[1] for model in models.values()])
    good = errors <= _AS_WELL * errors.min(axis=0)
    best = np.argmax(good, axis=0)
    found = np.full((len(weights), len(grid)), np.nan)
    for place, model in enumerate(models.values()):
        rows = best == place
        if rows.any():
            found[rows] = model(weights[rows], grid)
    shares = {name: float((best == place).mean()) for place, name in enumerate(models)}
    return found, shares


def _left_out(points: LoadPoints) -> Floats:
    """Give weights that leave out each instance in turn; none of one alone."""
    count = len(points.throughput)
    rows = [np.bincount(each, minlength=count) for each in points.when.left_out()]
    return np.array(rows, dtype=np.float64).reshape(len(rows), count)


def _band(
    points: LoadPoints, estimate: Floats, drawn: Floats, apart: Floats
) -> tuple[Floats, Floats]:
    """Give the 90 % band: latency is above 0 and errs by factors, so its logarithm is spread."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs, centre = np.log(drawn), np.log(estimate)
        factor = spreading(logs, np.log(apart), points.when, _PARAMETERS)
        wide = np.exp(spread(centre, logs, float(np.nanmedian(factor))))
    known = np.isfinite(wide).any(axis=0)
    low, high = np.full(_GRID, np.nan), np.full(_GRID, np.nan)
    low[known], high[known] = np.nanquantile(wide[:, known], [0.05, 0.95], axis=0)
    return low, high


def _limit(
    points: LoadPoints,
    curves: tuple[Floats, Floats, Floats, Floats],
    objective_s: float,
    model: str,
) -> Interval:
    """Give the load at which an objective is met, with what is not known of it."""
    grid, estimate, drawn, apart = curves
    if not objective_s > 0:
        return Interval(np.nan, np.nan, np.nan)
    if model == CONSTANT:
        return Interval(*(3 * [np.inf if estimate[0] <= objective_s else 0.0]))
    own = _reach(grid, estimate[None, :], objective_s)
    reached = _reach(grid, drawn, objective_s)[:, None]
    without = _reach(grid, apart, objective_s)[:, None]
    factor = spreading(reached, without, points.when, _PARAMETERS)
    wide = np.maximum(spread(own, reached, factor)[:, 0], 0.0)
    return percentiles(float(own[0]), wide)


def _loads(points: LoadPoints) -> Floats:
    """Give loads to look at: up to full cores, at most some times what was seen."""
    most = _MOST_REACH * float(points.throughput.max())
    if points.has_utilisation:
        full = (MOST_UTILISATION * points.cores - points.background) / points.core_seconds
        most = min(most, max(full, float(points.throughput.max())))
    return np.linspace(0.0, most, _GRID)


def _reach(grid: Floats, latency: Floats, objective_s: float) -> Floats:
    """Give for each of d curves the load at which it first leaves an objective."""
    above = ~(latency <= objective_s)
    first = np.argmax(above, axis=1)
    rows = np.arange(len(latency))
    before = np.maximum(first - 1, 0)
    low, high = latency[rows, before], latency[rows, first]
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.clip((objective_s - low) / (high - low), 0.0, 1.0)
    part = np.where(np.isfinite(part), part, 0.0)
    found = grid[before] + part * (grid[first] - grid[before])
    result: Floats = np.where(above.any(axis=1), np.where(first == 0, 0.0, found), grid[-1])
    return result


def _seen_limit(points: LoadPoints, rising: Floats, objective_s: float) -> float:
    """Give the highest load seen at which the fit that only rises holds the objective."""
    held = rising <= objective_s
    return float(points.throughput[held].max()) if objective_s > 0 and held.any() else np.nan
