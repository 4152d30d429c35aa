"""Checking budgets against a lake: every budget is a check, and all of them an exit status."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from pipeline.errors import BadQuery, UsageError
from pipeline.gate.budgets import METRICS, QUANTILE_OF_METRIC, Budget
from pipeline.gate.judgement import LEAST_BEYOND, LEAST_INSTANCES, Tolerance, judge
from pipeline.gate.verdict import FAIL, INCONCLUSIVE, NO_DATA, PASS, WARN, Check, Measure
from pipeline.jobs.judge import run as compare
from pipeline.jobs.judge_request import JudgeRequest, Pairs
from pipeline.jobs.levels import Level, levels
from pipeline.lake import Lake
from pipeline.lake.query import ask

_NANO_A_MS = 1e6
_PER_CENT = 100.0
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
        if budget.sql:
            checks.append(_by_sql(lake, budget))
        elif budget.baseline:
            checks += _relative(lake, budget, alpha, window)
        else:
            if budget.where not in known:
                quantiles = tuple(QUANTILE_OF_METRIC.values())
                found, version = levels(lake, budget.where, quantiles, 1 - 2 * alpha, window)
                known[budget.where] = found
            checks += _absolute(budget, known[budget.where], alpha)
        on_progress(number + 1, len(budgets))
    return Checked(tuple(checks), version)


def _named(budget: Budget, service: str = "", operation: str = "") -> Check:
    """Begin a check of a budget."""
    unit = METRICS.get(budget.metric, "")
    metric = budget.metric or "sql"
    return Check(
        service, operation, metric, unit, "limit", budget.critical, reason="", name=budget.name
    )


def _nothing(budget: Budget) -> Check:
    """Say that nothing is there that a budget is for."""
    reason = f"no requests of service {budget.service}, operation {budget.operation}"
    check = _named(budget, budget.service, budget.operation)
    return replace(check, verdict=NO_DATA, reason=reason)


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
    check = _named(budget)
    if value is None:
        return replace(check, verdict=NO_DATA, reason="the statement gives NULL")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise BadQuery(f"budget {budget.name}: {value!r} is no number") from None
    if math.isnan(number):
        return replace(check, verdict=NO_DATA, reason="the statement gives NaN")
    inside = budget.least <= number <= budget.most
    measure = _limit_measure(budget, number, number, number, (0.0, 0.0), "exact")
    return replace(check, measure=measure, verdict=PASS if inside else FAIL)


def _absolute(budget: Budget, found: Sequence[Level], alpha: float) -> Iterator[Check]:
    """Check each operation that a budget is for."""
    chosen = [each for each in found if budget.concerns(each.service_name, each.operation)]
    if not chosen:
        yield _nothing(budget)
    for level in chosen:
        check = _named(budget, level.service_name, level.operation)
        value = _value(budget.metric, level, alpha)
        if isinstance(value, str):
            yield replace(check, verdict=INCONCLUSIVE, reason=value)
            continue
        n = (0.0, level.counts.effective)
        measure = _limit_measure(budget, *value, n, "exceedance")
        yield _decided(replace(check, measure=measure), budget)


def _value(metric: str, level: Level, alpha: float) -> tuple[float, float, float] | str:
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


def _limit_measure(
    budget: Budget, value: float, low: float, high: float, n: tuple[float, float], method: str
) -> Measure:
    """Give what a limit is checked by; the limit stands where a baseline would."""
    limit = budget.most if math.isfinite(budget.most) else budget.least
    return Measure(limit, value, n, value, low, high, limit, math.nan, (high - low) / 2, method)


def _decided(check: Check, budget: Budget) -> Check:
    """Decide by the interval: wholly outside fails, wholly inside passes."""
    measure = check.measure
    if measure is None:
        return check
    if measure.low > budget.most or measure.high < budget.least:
        return replace(check, verdict=FAIL)
    if measure.high <= budget.most and measure.low >= budget.least:
        return replace(check, verdict=PASS)
    if not budget.least <= measure.canary <= budget.most:
        return replace(check, verdict=WARN, reason="beyond the limit, perhaps by chance")
    return replace(check, verdict=INCONCLUSIVE, reason="the interval holds the limit")


def _relative(lake: Lake, budget: Budget, alpha: float, window: Window) -> Iterator[Check]:
    """Check each operation that a budget is for against its baseline."""
    quantile = QUANTILE_OF_METRIC.get(budget.metric)
    try:
        request = JudgeRequest(
            budget.baseline, budget.where, *window, quantiles=(quantile,) if quantile else (0.5,)
        )
    except UsageError as error:
        raise UsageError(f"budget {budget.name}: {error}") from error
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
        yield _nothing(budget)
    for check in found:
        critical = budget.critical and check.critical
        yield replace(check, critical=critical, name=budget.name)
