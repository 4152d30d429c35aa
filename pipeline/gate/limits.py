"""What checks of all budgets share: how one begins, how a limit decides, and what no data means."""

import math
from dataclasses import replace

from pipeline.gate.budgets import Budget
from pipeline.gate.verdict import FAIL, INCONCLUSIVE, NO_DATA, PASS, WARN, Check, Measure

# A value and its bounds.
Interval = tuple[float, float, float]


def begin(
    budget: Budget, service: str = "", operation: str = "", metric: str = "", unit: str = ""
) -> Check:
    """Begin a check of a budget."""
    name, unit = metric or budget.metric or "sql", unit or budget.unit
    check = Check(service, operation, name, unit, "limit", budget.critical, name=budget.name)
    return replace(check, weight=budget.weight)


def nothing(budget: Budget, what: str, check: Check | None = None) -> Check:
    """Say that there is nothing that a budget is for, which fails where there must be."""
    found = begin(budget, budget.service, budget.operation) if check is None else check
    if budget.must_have_data:
        return replace(found, verdict=FAIL, reason=f"vanished: {what}")
    return replace(found, verdict=NO_DATA, reason=what)


def limit_measure(
    budget: Budget, interval: Interval, n: float = 0.0, method: str = "exceedance"
) -> Measure:
    """Give what a limit is checked by; the limit stands where a baseline would."""
    limit = budget.most if math.isfinite(budget.most) else budget.least
    value, low, high = interval
    half = (high - low) / 2
    return Measure(limit, value, (0.0, n), value, low, high, limit, math.nan, half, method)


def decided(check: Check, budget: Budget) -> Check:
    """Decide by the interval: wholly outside fails, wholly inside passes."""
    measure = check.measure
    if measure is None:
        return check
    verdict, reason = INCONCLUSIVE, "the interval holds the limit"
    if measure.low > budget.most or measure.high < budget.least:
        verdict, reason = FAIL, ""
    elif not budget.least <= measure.canary <= budget.most:
        verdict, reason = WARN, "beyond the limit, perhaps by chance"
    elif measure.high <= budget.most and measure.low >= budget.least:
        verdict, reason = PASS, ""
        if measure.canary > budget.warn_most:
            verdict, reason = WARN, f"above warn_max, {budget.warn_most:g}"
    if verdict == FAIL and check.most == WARN:
        verdict = WARN
    return replace(check, verdict=verdict, reason=joined(reason, check.reason))


def joined(*reasons: str) -> str:
    """Join reasons, those that there are."""
    return "; ".join(reason for reason in reasons if reason)
