"""Error budgets: how much of one is left, and how fast it burns.

What is left is arithmetic on counts, so it is exact; whether a few failures are more than chance
is not, so few of them never fail a budget, and too few events never pass one.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from pipeline.gate.budgets import Budget
from pipeline.gate.limits import begin, joined, nothing
from pipeline.gate.verdict import FAIL, INCONCLUSIVE, PASS, Check, Measure
from pipeline.jobs.slo_counts import Events, SloRequest, Window, count_events
from pipeline.lake import Lake
from pipeline.stats.slo import LEAST_BAD, ErrorBudget, exceeds

BURN_RATE, BUDGET_LEFT = "burn_rate", "budget_left"
_PER_CENT = 100
# Of a window there may be so much less than all of it before that is told.
_COVERED = 0.99


def slo_checks(budget: Budget, lake: Lake, alpha: float, window: Window) -> Iterator[Check]:
    """Check an error budget of each service: what is left, and how fast it burns.

    Raises:
        LakeError: a file cannot be read.
    """
    if budget.target is None:
        return
    latency = math.isfinite(budget.threshold_ms)
    request = SloRequest(
        budget.service,
        budget.operation,
        budget.where,
        budget.threshold_ms if latency else None,
        budget.window_nano,
        window,
        budget.exact,
    )
    found = count_events(lake, request, 1 - 2 * alpha)
    if not found:
        what = f"no requests of service {budget.service}, operation {budget.operation}"
        check = begin(budget, budget.service, budget.operation, BUDGET_LEFT, "%")
        yield nothing(budget, what, check)
    for events in found:
        if math.isfinite(budget.least_left):
            yield _check(budget, budget.target, events, BUDGET_LEFT)
        if math.isfinite(budget.most_burn_rate):
            yield _check(budget, budget.target, events, BURN_RATE)


def _check(budget: Budget, target: Decimal, events: Events, metric: str) -> Check:
    """Check what is left of a budget, or how fast it burns."""
    found = ErrorBudget(events.total, events.bad, target)
    operation = "" if budget.operation == "*" else budget.operation
    unit = "%" if metric == BUDGET_LEFT else "x"
    check = begin(budget, events.service_name, operation, metric, unit)
    allowed = float(found.allowed_ratio)
    burns = [each / allowed for each in events.ratio]
    if metric == BURN_RATE:
        limit = budget.most_burn_rate
        value, low, high = float(found.burn_rate), burns[1], burns[2]
        most_burn = Decimal(repr(limit))
    else:
        limit = _PER_CENT * budget.least_left
        value = _PER_CENT * float(found.left)
        low, high = (_PER_CENT * (1 - burn) for burn in (burns[2], burns[1]))
        most_burn = 1 - Decimal(repr(budget.least_left))
    n = (0.0, events.effective)
    half = (high - low) / 2
    measure = Measure(limit, value, n, value, low, high, limit, math.nan, half, "counts")
    verdict, reason = _verdict(events, found, most_burn * found.allowed_ratio)
    said = joined(reason, _counts(events), _covered(events))
    return replace(check, measure=measure, verdict=verdict, reason=said)


def _verdict(events: Events, found: ErrorBudget, threshold: Decimal) -> tuple[str, str]:
    """Decide by the ratio of bad events, and say why where that is not all."""
    low = events.ratio[1]
    answers = {
        exceeds(bad / events.total, threshold, bad, low)
        for bad in (events.bad_least, events.bad_most)
    }
    if len(answers) > 1:
        return INCONCLUSIVE, "resolution_limited: the threshold's bucket decides; set exact = true"
    (answer,) = answers
    if answer is None:
        return INCONCLUSIVE, f"insufficient_events: fewer than {LEAST_BAD} bad, perhaps by chance"
    if answer:
        return FAIL, ""
    if not found.holds_one:
        needed = math.ceil(1 / found.allowed_ratio)
        return INCONCLUSIVE, f"insufficient_events: {events.total:f}, {needed} are needed"
    return PASS, ""


def _counts(events: Events) -> str:
    """Write the counts, with what buckets leave open."""
    if events.bad_least == events.bad_most:
        return f"{events.bad:f} of {events.total:f} bad"
    between = f"{events.bad_least:f} to {events.bad_most:f}"
    return f"{between} of {events.total:f} bad (buckets are 1.1 % wide)"


def _covered(events: Events) -> str:
    """Label what covers a part of its window only."""
    if events.covered >= _COVERED:
        return ""
    return f"data covers {100 * events.covered:.3g} % of the window"
