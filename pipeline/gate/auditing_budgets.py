"""What budgets are worth on history: how often each breaks without cause, and what breaks it."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.gate.auditing import POWER, Audit, audit
from pipeline.gate.auditing_counts import ERROR_RATIO, metric_of
from pipeline.gate.budget_keys import ABSOLUTE, QUANTILE_OF_METRIC, RELATIVE
from pipeline.gate.budgets import Budget
from pipeline.gate.judgement import LEAST_BEYOND, LEAST_INSTANCES, Tolerance
from pipeline.jobs.audit import AuditRequest, History
from pipeline.jobs.audit import run as history_of
from pipeline.jobs.audit_harm import ERRORS, SLOWER
from pipeline.jobs.audit_splits import BY_REQUEST
from pipeline.jobs.judge_cells import Part, counts_of, floats, side_of
from pipeline.jobs.judge_request import SAVED
from pipeline.lake import Lake
from pipeline.stats.injection import share_to_exceed
from pipeline.stats.level import quantile_level, share_level
from pipeline.stats.replay_rate import NO_RATE, Rate, rate_of

_NANO_A_MS = 1e6
_PER_CENT = 100.0
ERROR_PERCENT = "error_percent"

_BLIND = "instance_effect_unknown: too few instances, so requests were dealt out"


@dataclass(frozen=True)
class BudgetAudit:
    """One budget on one operation.

    Attributes:
        name, metric, unit: of the budget.
        service_name, operation: its patterns where ``reason`` says why it was not replayed.
        kind: absolute or relative.
        limit: what the value must not exceed, or by how much of the baseline it may grow, a share.
        value: the metric, the median of the windows; NaN for a relative budget.
        false_fails: windows, or replays, that break it although nothing changed.
        undecided: those with too few requests or instances to tell.
        breaks_from: slowdown, or added errors (a share of requests), from which POWER of the
            windows or replays break it; 0 where they do so already, infinite for none tried.
        largest: the largest that was tried; 0 where it is worked out instead.
        reason: why it was not replayed, or what its figures do not see.
    """

    name: str
    metric: str
    unit: str
    service_name: str
    operation: str
    kind: str
    limit: float
    value: float = math.nan
    false_fails: Rate = NO_RATE
    undecided: int = 0
    breaks_from: float = math.inf
    largest: float = 0.0
    reason: str = ""


def audit_budgets(
    lake: Lake,
    budgets: Sequence[Budget],
    request: AuditRequest,
    alpha: float,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[BudgetAudit, ...]:
    """Audit every budget on latency or errors; the others are told with why not.

    Args:
        lake: the lake.
        budgets: the budgets.
        request: the history, how it is cut, and the harm; a budget's own requests take the place
            of ``where``.
        alpha: how sure a fail is, one-sided, between 0 and 1.
        on_progress: told how many budgets are done.

    Raises:
        NotEnoughData: too little history for a budget; says what is needed.
        LakeError: a file cannot be read.
    """
    found: list[BudgetAudit] = []
    for number, budget in enumerate(budgets):
        reason = _not_audited(budget)
        if reason:
            found.append(replace(_named(budget), reason=reason))
        else:
            lines = list(
                (_absolute if budget.kind == ABSOLUTE else _relative)(lake, budget, request, alpha)
            )
            nothing = replace(_named(budget), reason="no requests that it is for")
            found += lines or [nothing]
        on_progress(number + 1, len(budgets))
    return tuple(found)


def _named(budget: Budget, service: str = "", operation: str = "") -> BudgetAudit:
    """Begin the line of a budget."""
    limit = budget.increase_ratio if budget.kind == RELATIVE else budget.most
    if budget.kind == RELATIVE and budget.metric == ERROR_PERCENT:
        limit = budget.increase / _PER_CENT
    return BudgetAudit(
        name=budget.name,
        metric=budget.metric or budget.kind,
        unit=budget.unit,
        service_name=service or budget.service,
        operation=operation or budget.operation,
        kind=budget.kind,
        limit=limit,
    )


def _not_audited(budget: Budget) -> str:
    """Say why a budget cannot be replayed; empty when it can."""
    if budget.metric not in (*QUANTILE_OF_METRIC, ERROR_PERCENT):
        return "only budgets on latency and errors are replayed"
    if budget.kind == RELATIVE and not budget.baseline:
        return "its sides are the judge's: give --where and --tolerance instead of --config"
    if SAVED in dict(budget.baseline):
        return "a saved baseline has no history to replay"
    if budget.kind == ABSOLUTE and not math.isfinite(budget.most):
        return "only an upper limit is replayed"
    return ""


def _absolute(
    lake: Lake, budget: Budget, request: AuditRequest, alpha: float
) -> Iterator[BudgetAudit]:
    """Check a limit in every window of history."""
    history = history_of(lake, replace(request, where=budget.where))
    for series in history.series:
        if not budget.concerns(series.service_name, series.operation):
            continue
        line = _named(budget, series.service_name, series.operation)
        yield _windows(line, series.rows, history, alpha)


def _windows(
    line: BudgetAudit, rows: dict[int, Part], history: History, alpha: float
) -> BudgetAudit:
    """Sum up the windows of one operation."""
    numbers, broken, values, needed = [], [], [], []
    undecided = 0
    for number, clock in sorted(history.windows.items()):
        if number not in rows:
            continue
        level = _level(line, rows[number], clock, alpha)
        if level is None:
            undecided += 1
            continue
        value, room = level
        numbers.append(number)
        values.append(value)
        needed.append(room)
        broken.append(room < 0)
    if not numbers:
        return replace(line, undecided=undecided, reason="too few requests or instances to tell")
    place = math.ceil(POWER * len(needed)) - 1
    return replace(
        line,
        value=float(np.median(values)),
        false_fails=rate_of(broken, numbers),
        undecided=undecided,
        breaks_from=max(sorted(needed)[place], 0.0),
    )


def _level(
    line: BudgetAudit, rows: Part, clock: tuple[int, int], alpha: float
) -> tuple[float, float] | None:
    """Give a window's value, and how much worse all requests must be to break the limit.

    Returns:
        None where a check would be inconclusive for want of requests or instances.
    """
    counts = counts_of(rows)
    if counts.instances < LEAST_INSTANCES - 1:
        return None
    if line.metric == ERROR_PERCENT:
        side = side_of(rows, *clock, timed=False)
        failed = side.add_up(floats(rows["errors"]))
        confidence = 1 - 2 * alpha
        share, low, _ = share_level(side, failed, confidence)
        least = share_to_exceed(line.limit / _PER_CENT, share, low, counts.effective, confidence)
        return _PER_CENT * share, least - share
    p = QUANTILE_OF_METRIC[line.metric]
    side = side_of(rows, *clock, timed=True)
    if not side.total or counts.effective * (1 - p) < LEAST_BEYOND:
        return None
    # Slower by a share moves the logarithm of the quantile and both its bounds alike.
    estimate = quantile_level(side, p)
    low, _ = estimate.bounds(alpha)
    room = math.log(line.limit * _NANO_A_MS) - low if line.limit > 0 else -math.inf
    return math.exp(estimate.log_effect) / _NANO_A_MS, math.expm1(room)


def _relative(
    lake: Lake, budget: Budget, request: AuditRequest, alpha: float
) -> Iterator[BudgetAudit]:
    """Replay the baseline against itself with the budget's tolerance."""
    quantile = QUANTILE_OF_METRIC.get(budget.metric)
    own = replace(
        request,
        where=budget.baseline,
        quantiles=(quantile or 0.5,),
        tail_slowdowns=(),
        slowdowns=request.slowdowns if quantile else (),
        added_errors=() if quantile else request.added_errors,
    )
    errors = budget.increase / _PER_CENT or 0.01
    tolerance = Tolerance(alpha, budget.increase_ratio, budget.increase, errors)
    found = audit(history_of(lake, own), tolerance)
    wanted = metric_of(quantile) if quantile else ERROR_RATIO
    kind = SLOWER if quantile else ERRORS
    yield from _replayed(found, budget, wanted, kind)


def _replayed(found: Audit, budget: Budget, wanted: str, kind: str) -> Iterator[BudgetAudit]:
    """Give the lines of a relative budget."""
    for each in found.operations:
        if not budget.concerns(each.service_name, each.operation):
            continue
        metric = next(metric for metric in each.metrics if metric.metric == wanted)
        verdicts = metric.verdicts
        yield replace(
            _named(budget, each.service_name, each.operation),
            false_fails=metric.false_fails,
            undecided=verdicts["inconclusive"] + verdicts["no_data"],
            breaks_from=each.smallest(kind, wanted),
            reason=_BLIND if each.way == BY_REQUEST else "",
            largest=max((harm.size for harm in each.caught if harm.kind == kind), default=0.0),
        )
