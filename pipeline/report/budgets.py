"""Budgets in words: what each asks, for who reads the file of somebody else."""

import math

from pipeline.gate.budgets import METRICS, Budget
from pipeline.report.judgement_rows import side_text


def explained(budget: Budget) -> str:
    """Say what a budget asks.

    >>> explained(Budget("fast", service="checkout", metric="p95_ms", most=600))
    'fast: p95_ms of every operation of checkout must be at most 600 ms'
    """
    if budget.sql:
        return f"{budget.name}: the number that {budget.sql!r} gives must be {_limits(budget, '')}"
    services = "every service" if budget.service == "*" else budget.service
    what = "every operation" if budget.operation == "*" else budget.operation
    whose = f"{budget.metric} of {what} of {services}"
    if budget.where:
        whose += f" ({side_text(budget.where)})"
    if not budget.baseline:
        text = f"{whose} must be {_limits(budget, METRICS[budget.metric])}"
    else:
        unit = METRICS[budget.metric]
        allowed = []
        if budget.increase_ratio:
            allowed.append(f"{100 * budget.increase_ratio:.4g} %")
        if budget.increase:
            allowed.append(f"{budget.increase:g} {unit} more")
        both = "both " if len(allowed) > 1 else ""
        by = f"by {both}{' and '.join(allowed)}"
        text = f"{whose} must not exceed that of {side_text(budget.baseline)} {by}"
    kind = "" if budget.critical else " (told only)"
    return f"{budget.name}: {text}{kind}"


def _limits(budget: Budget, unit: str) -> str:
    """Write the limits of a budget."""
    parts = []
    if math.isfinite(budget.least):
        parts.append(f"at least {budget.least:g}")
    if math.isfinite(budget.most):
        parts.append(f"at most {budget.most:g}")
    return f"{' and '.join(parts)} {unit}".strip()
