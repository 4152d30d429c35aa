"""Latency against load: the model that predicts blocks best that it has not seen, and its limit.

Source: Breiman (1996), Out-of-bag estimation, for judging a draw's model by what was not drawn;
Barlow et al. (1972), Statistical Inference under Order Restrictions, for the fit that only rises.
"""

from collections.abc import Mapping

import numpy as np
from scipy.optimize import isotonic_regression

from pipeline.stats.bootstrap import CONFIDENCE, UNKNOWN, Floats, Interval, Ints, percentiles
from pipeline.stats.capacity_choice import counted, errors, folds, simplest
from pipeline.stats.capacity_draws import spread, spreading
from pipeline.stats.capacity_latency_fit import LatencyFit, no_latency, why_not
from pipeline.stats.capacity_limits import EXTRAPOLATED
from pipeline.stats.capacity_models import CONSTANT, SEEN_ALONE, Model, models_of
from pipeline.stats.capacity_points import LoadPoints
from pipeline.stats.capacity_reach import Question
from pipeline.stats.queue_tables import MOST_UTILISATION

_BUSY = 0.75
_GRID = 300
_PARAMETERS = 3
# Of the logarithm of latency: a model that errs so much, and more than a constant, tells nothing.
_FAR_OFF, _WORSE = float(np.log(1.2)), 1.15
# Of the load that was seen: no model is asked for more.
_MOST_REACH = 3.0
# Where so many blocks were above the objective, the load that broke it was seen.
_LEAST_ABOVE = 3
# Of what slots bear: in some draws they bear more.
_BEYOND_FULL = 1.3
# Of draws: with more that have no answer, there is none.
MOST_UNANSWERED = 0.2
_DRAWS_AT_ONCE = 50
# Of the longest latency seen: so far do models go that know of no servers.
_LITTLE = 1.5


def fit_latency(points: LoadPoints, objective_s: float, key: tuple[str, ...]) -> LatencyFit:
    """Choose a model by held-out error and find where it meets an objective.

    A model whose curve ends before the objective is met has no answer, and is not chosen; nor is
    one without servers that are known, where so long a latency was not seen.

    Args:
        points: n blocks.
        objective_s: the latency that must be held; 0 for none.
        key: what they are of; draws depend on it alone.
    """
    reason = why_not(points.throughput)
    if reason:
        return no_latency(reason)
    rising = isotonic(points)
    models = models_of(points, rising)
    parts = folds(len(points.throughput))
    erring = {name: errors(points, model, parts) for name, model in models.items()}
    held_out = {name: float(each.sum() / counted(points).sum()) for name, each in erring.items()}
    whole = np.ones((1, len(points.throughput)))
    grid, never = _loads(points)
    curves = {name: model(whole, grid)[0] for name, model in models.items()}
    question, barred = _asked(points, rising, (grid, never), objective_s, key)
    choice = [
        name
        for name, curve in curves.items()
        if name not in barred and question.is_answered(curve[None, :])[0]
    ]
    if not choice:
        return no_latency(_why_none(rising, question))
    out = counted(points)[None, :]
    stacked = np.array([erring[each].sum(axis=0, keepdims=True) for each in choice])
    name = choice[int(simplest(stacked, out, choice, question.by_chance)[0])]
    if held_out[name] > max(_FAR_OFF, _WORSE * held_out[CONSTANT]):
        return no_latency(_far_off(name, held_out[name]))
    drawn, chosen = _drawn(points, {each: models[each] for each in choice}, question, key)
    model, estimate = models[name], curves[name]
    apart = model(_left_out(points), grid)
    low, high = _band(points, estimate, drawn, apart)
    return LatencyFit(
        *("", name, held_out, chosen),
        float(np.abs(np.log(model(whole, points.throughput)[0] / rising)).mean()),
        _seen_limit(points, rising, objective_s),
        *(grid, estimate, low, high),
        _limit(points, question, (estimate, drawn, apart), name),
    )


def _far_off(name: str, error: float) -> str:
    """Say that no model tells what it has not seen."""
    return (
        f"the best model that rises with load ({name}) is {np.expm1(error):.0%} off what it has "
        "not seen, and worse than a constant: watch each step of the load for longer"
    )


def _asked(
    points: LoadPoints,
    rising: Floats,
    loads: tuple[Floats, float],
    objective_s: float,
    key: tuple[str, ...],
) -> tuple[Question, set[str]]:
    """Give what curves must answer, and the models that cannot be asked that."""
    seen = float(rising.max())
    # Slots that are known tell what comes beyond the latency that was seen; shapes alone do not,
    # but a little way.
    far = bool(points.busy_servers) and objective_s > seen
    passed = objective_s > 0 and int((rising > objective_s).sum()) >= _LEAST_ABOVE
    most = EXTRAPOLATED * float(points.throughput.max()) if passed else np.inf
    barred = set(SEEN_ALONE) if far or objective_s > _LITTLE * seen else set()
    # Slots fill up, whether latency has begun to rise or not.
    if points.busy_servers or rises(points, key):
        barred.add(CONSTANT)
    return Question(loads[0], objective_s, most, loads[1], far), barred


def _why_none(rising: Floats, question: Question) -> str:
    """Say why no model answers."""
    if np.isfinite(question.most):
        return (
            f"latency was seen above the objective, and no model leaves it below "
            f"{question.most:.3g} requests a second: watch each step of the load for longer"
        )
    return (
        f"latency of up to {1000 * float(rising.max()):.0f} ms was seen, and no model that fits it "
        "goes as far as the objective, nor are slots or CPU known that requests wait for: ramp the "
        "load until latency is near to the objective"
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


def _drawn(
    points: LoadPoints,
    models: Mapping[str, Model],
    question: Question,
    key: tuple[str, ...],
) -> tuple[Floats, dict[str, float]]:
    """Give d x g latencies, each by the model that tells best what its draw left out, and shares.

    That the data could have chosen another model is part of what is not known. A draw in which no
    model goes as far as the objective has NaN.
    """
    count = len(points.throughput)
    draws = points.when.draws((*key, "latency"))
    found, best = list[Floats](), list[Ints]()
    for start in range(0, len(draws), _DRAWS_AT_ONCE):
        rows = draws[start : start + _DRAWS_AT_ONCE]
        weights = np.array([np.bincount(row, minlength=count) for row in rows], dtype=np.float64)
        out = (weights == 0) & counted(points)
        curves = np.array([model(weights, question.grid) for model in models.values()])
        erring = np.array([errors(points, model, weights) for model in models.values()])
        answers = np.array([question.is_answered(each) for each in curves])
        erring[~answers] = np.inf
        chosen = simplest(erring, out, list(models), question.by_chance)
        best.append(np.where(answers.any(axis=0), chosen, -1))
        curve = curves[chosen, np.arange(len(weights))]
        curve[best[-1] < 0] = np.nan
        found.append(curve)
    places = np.concatenate(best)
    answered = max(int((places >= 0).sum()), 1)
    shares = {name: float((places == one).sum() / answered) for one, name in enumerate(models)}
    return np.concatenate(found), shares


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
    low[known], high[known] = np.nanquantile(
        wide[:, known], [0.05, 0.95], axis=0, method="inverted_cdf"
    )
    return low, high


def _limit(
    points: LoadPoints, question: Question, curves: tuple[Floats, Floats, Floats], model: str
) -> Interval:
    """Give the load at which an objective is met, with what is not known of it.

    NaN where too many draws have no answer: those that have one are then not what is known.
    """
    estimate, drawn, apart = curves
    if not question.objective_s > 0:
        return UNKNOWN
    if model == CONSTANT:
        return _all_or_nothing(points, question, drawn)
    own = question.reach(estimate[None, :])
    reached = question.reach(drawn)[:, None]
    if np.isnan(reached).mean() > MOST_UNANSWERED:
        return UNKNOWN
    factor = spreading(reached, question.reach(apart)[:, None], points.when, _PARAMETERS)
    # An endless estimate has nothing to spread draws about.
    wide = spread(own, reached, factor) if np.isfinite(own[0]) else reached
    found = percentiles(float(own[0]), np.maximum(wide[:, 0], 0.0))
    # That some load holds the objective, or none does, is no answer.
    return UNKNOWN if found.low == 0 < found.high else found


def _all_or_nothing(points: LoadPoints, question: Question, drawn: Floats) -> Interval:
    """Give endless or no load where latency does not rise, NaN where draws lie on both sides."""
    seen = int(np.searchsorted(question.grid, points.throughput.max()))
    above = float((drawn[:, min(seen, _GRID - 1)] > question.objective_s).mean())
    if min(above, 1 - above) > (1 - CONFIDENCE) / 2:
        return UNKNOWN
    return Interval(*(3 * [np.inf if above < 0.5 else 0.0]))


def _loads(points: LoadPoints) -> tuple[Floats, float]:
    """Give loads to look at, and what is said where a curve holds an objective at all of them.

    Up to full slots and full cores, else some times what was seen. No more than full cores can be
    had; of what comes after the rest nothing is known.
    """
    seen = float(points.throughput.max())
    most = max(_MOST_REACH * seen, _BEYOND_FULL * points.most_served)
    never = np.inf
    if points.has_utilisation:
        full = (MOST_UTILISATION * points.cores - points.background) / points.core_seconds
        if max(full, seen) <= most:
            most = never = max(full, seen)
    return np.linspace(0.0, most, _GRID), float(never)


def _seen_limit(points: LoadPoints, rising: Floats, objective_s: float) -> float:
    """Give the highest load seen at which the fit that only rises holds the objective."""
    held = rising <= objective_s
    return float(points.throughput[held].max()) if objective_s > 0 and held.any() else np.nan
