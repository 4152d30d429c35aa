"""Budgets on named metrics: each service or operation by itself, or beside its baseline."""

import math
from collections.abc import Iterator
from dataclasses import replace

from pipeline.errors import UsageError
from pipeline.gate.budgets import Budget
from pipeline.gate.judgement import LEAST_INSTANCES
from pipeline.gate.limits import Interval, begin, decided, joined, limit_measure, nothing
from pipeline.gate.named_sides import (
    STUCK,
    Sides,
    no_level,
    not_comparable,
    sides_of,
    too_little,
    too_short,
)
from pipeline.gate.verdict import FAIL, INCONCLUSIVE, PASS, WARN, Check
from pipeline.gate.worse import Shifted, worse_measure
from pipeline.jobs.cache_metric import is_of_server, to_send
from pipeline.jobs.judge_request import Pairs
from pipeline.jobs.metric_cells import Group, log_unit, read_groups
from pipeline.jobs.metric_rows import MetricRequest, Window
from pipeline.jobs.named_metrics import (
    DECREASE,
    GAUGE,
    RATIO,
    SHARE,
    NamedMetric,
    named_metric,
)
from pipeline.lake import Lake
from pipeline.stats.cells import Side
from pipeline.stats.hit_ratio import hit_ratio, side_of
from pipeline.stats.level import quantile_level
from pipeline.stats.series_shift import (
    Series,
    SeriesShift,
    gauge_shift,
    ratio_level,
    ratio_shift,
)
from pipeline.stats.shift import Pair

_MILLION, _HOUR_S = 1e6, 3600.0


def absolute(budget: Budget, lake: Lake, alpha: float, window: Window) -> Iterator[Check]:
    """Check each service or operation that a budget is for.

    Raises:
        LakeError: a file cannot be read.
    """
    groups, metric = read_groups(lake, request_of(budget, (budget.where,), window))
    if not groups:
        yield _nothing(budget)
    for group in groups:
        check = begin(budget, group.service_name, group.operation, unit=group.unit)
        sides = sides_of(group, metric)
        if sides is None:
            if any(group.stuck):
                yield _without_end(check, budget, group)
            else:
                yield nothing(budget, no_level(group, metric), check)
            continue
        # A server that counts its whole keyspace is no sample of servers.
        is_all = is_of_server(group.names[0]) if group.names else False
        value = _level(sides, alpha, may_be_one=is_all)
        if isinstance(value, str):
            yield replace(check, verdict=INCONCLUSIVE, reason=joined(value, *group.notes))
            continue
        measure = limit_measure(budget, value, sides.series[0].effective)
        note = joined(_ALONE if is_all and group.instances[0] == 1 else "", sides.note)
        yield decided(replace(check, measure=measure, reason=note), budget)


def relative(
    budget: Budget, lake: Lake, sides: tuple[Pairs, Pairs], alpha: float, window: Window
) -> Iterator[Check]:
    """Check each service or operation that a budget is for, between two sides; not yet settled.

    Raises:
        LakeError: a file cannot be read.
    """
    groups, metric = read_groups(lake, request_of(budget, sides, window))
    if not groups:
        yield _nothing(budget)
    for group in groups:
        check = begin(budget, group.service_name, group.operation, unit=group.unit)
        missing = [name for name, side in zip(_NAMES, group.sides, strict=True) if side is None]
        both = sides_of(group, metric)
        if group.stuck[-1:] == (True,) or (any(group.stuck) and group.sides[-1]):
            yield _without_end(check, budget, group)
            continue
        if missing or both is None:
            what = f"no data of {budget.metric} on the {' and '.join(missing)} side"
            yield nothing(budget, joined(what, *group.notes), check)
            continue
        why = group.mismatch or not_comparable(both)
        if why:
            yield replace(check, verdict=INCONCLUSIVE, reason=why)
            continue
        yield _measured(replace(check, reason=both.note), budget, both, alpha)


_NAMES = ("baseline", "canary")
_ALONE = "one instance: how instances differ is not known"


def _without_end(check: Check, budget: Budget, group: Group) -> Check:
    """Judge a wait without end: it is beyond any limit, and worse than any that has an end."""
    reason = joined(STUCK, *group.notes)
    why = too_short(group)
    if len(group.sides) == 1:
        verdict = FAIL if math.isfinite(budget.most) else PASS
    else:
        verdict = FAIL if budget.direction != DECREASE else PASS
        if not why and (group.stuck[0] or group.sides[0] is None):
            why = "not_comparable: the baseline has no wait that ends"
        few = sum(group.instances) < LEAST_INSTANCES and not group.is_watched
        if few and verdict == FAIL:
            verdict, reason = WARN, joined("instance_effect_unknown", reason)
    return replace(check, verdict=INCONCLUSIVE if why else verdict, reason=joined(why, reason))


def request_of(budget: Budget, sides: tuple[Pairs, ...], window: Window) -> MetricRequest:
    """Make the question that a budget asks.

    Raises:
        UsageError: its metric is not known.
    """
    metric = named_metric(budget.metric)
    if metric is None:
        raise UsageError(f"budget {budget.name}: metric {budget.metric} is not known")
    if metric.needs == "cpu_price":
        # From seconds of a core and a request to the price of a million of them.
        metric = replace(metric, factor=budget.cpu_price * _MILLION / _HOUR_S)
    patterns = (budget.service, budget.operation)
    asked = MetricRequest(metric, sides, *patterns, budget.attributes, budget.call, window)
    return replace(asked, cache=budget.cache, cache_names=budget.cache_names)


def _nothing(budget: Budget) -> Check:
    """Say that nobody sends what a budget is for."""
    what = f"no data of {budget.metric}, service {budget.service}"
    metric = named_metric(budget.metric)
    return nothing(budget, joined(what, to_send(metric) if metric else ""))


def measured_level(group: Group, metric: NamedMetric, alpha: float) -> tuple[Interval | str, str]:
    """Measure a group of one side; of one instance alone, with what minutes tell.

    Returns:
        A value and its bounds, or why there is none; and what a reader must know of it.
    """
    sides = sides_of(group, metric)
    if sides is None and any(group.stuck) and not too_short(group):
        return (math.inf, math.inf, math.inf), no_level(group, metric)
    if sides is None:
        return no_level(group, metric), ""
    alone = group.instances[0] == 1 and not group.is_watched
    return _level(sides, alpha, may_be_one=True), joined(_ALONE if alone else "", sides.note)


def level_of(group: Group, metric: NamedMetric) -> tuple[SeriesShift | str, str]:
    """Measure a group of one side, as a shift from nothing with its standard error.

    Returns:
        The level, or why there is none; and what a reader must know of it.
    """
    sides = sides_of(group, metric)
    if sides is None:
        return no_level(group, metric), ""
    why = too_little(sides, may_be_one=True)
    if why:
        return why, sides.note
    (side,) = sides.series
    if isinstance(side, Series):
        return ratio_level(side, is_share=metric.kind == SHARE), sides.note
    found = quantile_level(side, metric.quantile)
    value = math.exp(found.log_effect - log_unit(metric))
    # The error of a logarithm is a share of the value.
    level = SeriesShift((0.0, value), value, False, found.error * value, found.df, found.method)
    return level, sides.note


def _level(sides: Sides, alpha: float, may_be_one: bool = False) -> Interval | str:
    """Give a value and its bounds, or why there is none."""
    (side,), metric = sides.series, sides.metric
    why = too_little(sides, may_be_one)
    if why:
        return why
    if isinstance(side, Side):
        found = quantile_level(side, metric.quantile)
        logs = (found.log_effect, *found.bounds(alpha))
        value, low, high = (math.exp(each - log_unit(metric)) for each in logs)
        return value, low, high
    if metric.kind == SHARE:
        cells = side_of(side.instance, side.minute, side.below, side.side.count_squared)
        share = hit_ratio(cells, side.top, 1 - 2 * alpha)
        return share.estimate, share.low, share.high
    level = ratio_level(side)
    return level.effect, *level.bounds(alpha)


def _measured(check: Check, budget: Budget, sides: Sides, alpha: float) -> Check:
    """Measure both sides of a budget."""
    shifts = _shifts(sides)
    if shifts is None:
        return replace(check, reason="too_short: fewer than 6 minutes that both sides have")
    few = sum(sides.group.instances) < LEAST_INSTANCES and not sides.group.is_watched
    n = (sides.series[0].effective, sides.series[1].effective)
    note = joined("instance_effect_unknown" if few else "", check.reason)
    check = replace(check, reason=note)
    return measured(check, budget, shifts, n, alpha, sides.metric, may_fail=not few)


def measured(
    check: Check,
    budget: Budget,
    shifts: Shifted,
    n: tuple[float, float],
    alpha: float,
    metric: NamedMetric,
    may_fail: bool,
) -> Check:
    """Give a check its measure; not yet settled.

    Args:
        check: with what a reader must know of it as its reason.
        budget: gives what is let through.
        shifts: what was found.
        n: effective observations of baseline and canary.
        alpha: one-sided, between 0 and 1.
        metric: what was measured.
        may_fail: whether it may fail, or warn at most.
    """
    scale = "difference" if metric.kind == SHARE else "ratio"
    found = worse_measure(budget, shifts, n, alpha, scale)
    note = check.reason
    if isinstance(found, str):
        return replace(check, verdict=INCONCLUSIVE, reason=joined(found, note))
    measure, scale = found
    check = replace(check, measure=measure, scale=scale, most=FAIL if may_fail else WARN)
    # Calls are counted, so they may be constant; of all else nothing tells how sure it is.
    judged = budget.exact or metric.kind == RATIO
    if measure.low != measure.high:
        return check
    if measure.p_value == 1.0:
        # Known exactly, so that it may lie on the margin; an interval must end before it.
        return replace(check, verdict=PASS)
    if not judged:
        reason = joined("constant_series: set exact = true to judge it", note)
        return replace(check, verdict=INCONCLUSIVE, reason=reason)
    return check


def _shifts(sides: Sides) -> Shifted | None:
    """Compare two sides, up and down; None where they share too few minutes."""
    baseline, canary = sides.series
    if isinstance(baseline, Side) and isinstance(canary, Side):
        up = Pair(baseline, canary).shift(sides.metric.quantile)
        values = [math.exp(each - log_unit(sides.metric)) for each in up.log_quantiles]
        return Shifted.of_quantile(up, (values[0], values[1]))
    found: SeriesShift | None = None
    if isinstance(baseline, Series) and isinstance(canary, Series):
        if sides.metric.kind == GAUGE:
            found = gauge_shift(baseline, canary)
        else:
            found = ratio_shift(baseline, canary, is_share=sides.metric.kind == SHARE)
    return None if found is None else Shifted.of_series(found)
