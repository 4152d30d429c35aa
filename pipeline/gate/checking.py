"""Checking budgets against a lake: every budget is a check, and all of them an exit status."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from pipeline.errors import BadQuery
from pipeline.gate import latency_checks
from pipeline.gate.budget_keys import ABSOLUTE, LATENCY_METRICS, QUANTILE_OF_METRIC, SLO, SQL
from pipeline.gate.budgets import Budget
from pipeline.gate.limits import begin, limit_measure, nothing
from pipeline.gate.metric_checks import absolute_checks, relative_checks
from pipeline.gate.slo_checks import slo_checks
from pipeline.gate.verdict import FAIL, NO_DATA, PASS, WARN, Check, settle
from pipeline.jobs.judge_request import Pairs
from pipeline.jobs.levels import Level, levels
from pipeline.lake import Lake
from pipeline.lake.query import ask

Window = tuple[int | None, int | None]


@dataclass(frozen=True)
class Checked:
    """What became of budgets.

    Attributes:
        checks: in the order of the budgets, by service and operation within each.
        minutes_version: of latency_minutes in the lake; -1 where none was read.
    """

    checks: tuple[Check, ...]
    minutes_version: int


def check_budgets(
    lake: Lake,
    budgets: Sequence[Budget],
    alpha: float,
    window: Window = (None, None),
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Checked:
    """Check every budget.

    Args:
        lake: the lake.
        budgets: the budgets.
        alpha: how sure a fail or a pass is, one-sided, between 0 and 1.
        window: since and until, in ns; None for open.
        on_progress: told how many budgets are done.

    Raises:
        BadQuery: a budget's SQL is none, or gives no number.
        UsageError: the sides of a relative budget cannot be compared.
        LakeError: a file cannot be read.
    """
    checks: list[Check] = []
    known: dict[Pairs, list[Level]] = {}
    version = -1
    for number, budget in enumerate(budgets):
        if budget.kind == ABSOLUTE:
            if budget.metric in LATENCY_METRICS and budget.where not in known:
                quantiles = tuple(QUANTILE_OF_METRIC.values())
                found, version = levels(lake, budget.where, quantiles, 1 - 2 * alpha, window)
                known[budget.where] = found
            checks += _absolute(lake, budget, known.get(budget.where, []), alpha, window)
        else:
            checks += _other(lake, budget, alpha, window)
        on_progress(number + 1, len(budgets))
    return Checked(tuple(checks), version)


def _absolute(
    lake: Lake, budget: Budget, found: Sequence[Level], alpha: float, window: Window
) -> Iterable[Check]:
    """Check a metric between limits."""
    if budget.metric in LATENCY_METRICS:
        return latency_checks.absolute(budget, found, alpha)
    return absolute_checks(budget, lake, alpha, window)


def _other(lake: Lake, budget: Budget, alpha: float, window: Window) -> Iterable[Check]:
    """Check a budget that is not a metric between limits."""
    if budget.kind == SQL:
        return [_by_sql(lake, budget)]
    if budget.kind == SLO:
        return slo_checks(budget, lake, alpha, window)
    if budget.for_judge:
        check = begin(budget, budget.service, budget.operation)
        reason = "it has no baseline of its own; tailgate judge --config gives it one"
        return [replace(check, verdict=NO_DATA, reason=reason, critical=False)]
    if budget.metric in LATENCY_METRICS:
        return latency_checks.relative(budget, lake, alpha, window)
    sides = (budget.baseline, budget.where)
    return settle(list(relative_checks(budget, lake, sides, alpha, window)), alpha)


def _by_sql(lake: Lake, budget: Budget) -> Check:
    """Check a statement's number, which is exact."""
    try:
        with ask(lake, budget.sql) as answer:
            rows = [row for batch in answer.batches for row in batch.to_pylist()]
    except BadQuery as error:
        raise BadQuery(f"budget {budget.name}: {error}") from error
    if len(rows) != 1 or len(rows[0]) != 1:
        raise BadQuery(f"budget {budget.name}: gives {len(rows)} rows; give one row of one number")
    (value,) = rows[0].values()
    check = begin(budget)
    if value is None:
        return nothing(budget, "the statement gives NULL", check)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise BadQuery(f"budget {budget.name}: {value!r} is no number") from None
    if math.isnan(number):
        return nothing(budget, "the statement gives NaN", check)
    measure = limit_measure(budget, (number, number, number), method="exact")
    if not budget.least <= number <= budget.most:
        return replace(check, measure=measure, verdict=FAIL)
    if number > budget.warn_most:
        reason = f"above warn_max, {budget.warn_most:g}"
        return replace(check, measure=measure, verdict=WARN, reason=reason)
    return replace(check, measure=measure, verdict=PASS)
