"""Budgets on latency, errors and rate: every operation by itself, or against its baseline."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pipeline.errors import NotSaved, UsageError
from pipeline.gate.budget_keys import QUANTILE_OF_METRIC
from pipeline.gate.budgets import Budget
from pipeline.gate.judgement import LEAST_BEYOND, LEAST_INSTANCES, Tolerance, judge
from pipeline.gate.limits import Interval, begin, decided, limit_measure, nothing
from pipeline.gate.verdict import INCONCLUSIVE, NO_DATA, Check
from pipeline.jobs.judge import run as compare
from pipeline.jobs.judge_request import JudgeRequest
from pipeline.jobs.levels import Level
from pipeline.lake import Lake

_NANO_A_MS = 1e6
_PER_CENT = 100.0
Window = tuple[int | None, int | None]


def absolute(budget: Budget, found: Sequence[Level], alpha: float) -> Iterator[Check]:
    """Check each operation that a budget is for.

    Args:
        budget: the budget.
        found: the levels of all operations that its ``where`` leaves.
        alpha: how sure a fail or a pass is, one-sided, between 0 and 1.
    """
    chosen = [each for each in found if budget.concerns(each.service_name, each.operation)]
    if not chosen:
        yield _no_requests(budget)
    for level in chosen:
        check = begin(budget, level.service_name, level.operation)
        value = _value(budget.metric, level, alpha)
        if isinstance(value, str):
            yield replace(check, verdict=INCONCLUSIVE, reason=value)
            continue
        measure = limit_measure(budget, value, level.counts.effective)
        yield decided(replace(check, measure=measure), budget)


def _no_requests(budget: Budget) -> Check:
    """Say that there are no requests that a budget is for."""
    what = f"no requests of service {budget.service}, operation {budget.operation}"
    return nothing(budget, what)


def _value(metric: str, level: Level, alpha: float) -> Interval | str:
    """Give a metric's value and bounds, or why there is none."""
    if metric == "requests_per_second":
        rate = level.requests_per_second
        return rate, rate, rate
    if level.counts.instances < LEAST_INSTANCES - 1:
        return "instance_effect_unknown: one instance tells nothing of how instances differ"
    if metric == "error_percent":
        share, low, high = (_PER_CENT * each for each in level.errors)
        return share, low, high
    p = QUANTILE_OF_METRIC[metric]
    if level.counts.effective * (1 - p) < LEAST_BEYOND or p not in level.quantiles:
        needed = math.ceil(LEAST_BEYOND / (1 - p))
        return f"too_few_requests: {level.counts.effective:.0f}, {needed} are needed"
    estimate = level.quantiles[p]
    bounds = estimate.bounds(alpha)
    value, low, high = (math.exp(each) / _NANO_A_MS for each in (estimate.log_effect, *bounds))
    return value, low, high


def relative(budget: Budget, lake: Lake, alpha: float, window: Window) -> Iterator[Check]:
    """Check each operation that a budget is for against its baseline.

    Raises:
        UsageError: the sides cannot be compared.
        LakeError: a file cannot be read.
    """
    quantile = QUANTILE_OF_METRIC.get(budget.metric)
    quantiles = (quantile,) if quantile else (0.5,)
    try:
        request = JudgeRequest(
            budget.baseline, budget.where, *window, quantiles=quantiles, services=False
        )
        yield from beside(budget, lake, request, alpha)
    except NotSaved as error:
        # It stops no other budget, and is no sign that the canary's requests vanished.
        check = begin(budget, budget.service, budget.operation)
        yield replace(check, verdict=NO_DATA, reason=str(error))
    except UsageError as error:
        raise UsageError(f"budget {budget.name}: {error}") from error


def beside(budget: Budget, lake: Lake, request: JudgeRequest, alpha: float) -> Iterator[Check]:
    """Check each operation that a budget is for, between the sides of a request.

    Raises:
        LakeError: a file cannot be read.
    """
    quantile = QUANTILE_OF_METRIC.get(budget.metric)
    errors = budget.increase / _PER_CENT
    tolerance = Tolerance(alpha, budget.increase_ratio, budget.increase, errors or 0.01)
    judged = judge(compare(lake, request), tolerance)
    wanted = "error_ratio" if quantile is None else budget.metric.removesuffix("_ms")
    found = [
        check
        for check in judged.checks
        if check.metric == wanted and budget.concerns(check.service_name, check.operation)
    ]
    if not found:
        yield _no_requests(budget)
    for check in found:
        critical = budget.critical and check.critical
        yield replace(check, critical=critical, name=budget.name, weight=budget.weight)
