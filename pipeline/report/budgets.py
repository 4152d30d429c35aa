"""Budgets in words: what each asks, for who reads the file of somebody else."""

import math

from pipeline.gate.budget_keys import ABSOLUTE, LATENCY_METRICS, RELATIVE, SLO, SQL
from pipeline.gate.budgets import Budget
from pipeline.jobs.judge_request import SAVED, Pairs
from pipeline.jobs.named_metrics import DECREASE, EITHER, named_metric
from pipeline.report.judgement_rows import side_text

_PER_CENT = 100
_SPAN = (("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60))
_SECOND_NANO = 1_000_000_000
_VERBS = {DECREASE: "fall below", EITHER: "differ from"}


def explained(budget: Budget) -> str:
    """Say what a budget asks, in one sentence.

    >>> explained(Budget("fast", service="checkout", metric="p95_ms", most=600))
    'fast: p95_ms of every operation of checkout must be at most 600 ms'
    """
    tellers = {ABSOLUTE: _absolute, RELATIVE: _relative, SLO: _slo, SQL: _sql}
    text = tellers[budget.kind](budget)
    if budget.must_have_data:
        text += ", and there must be data"
    if budget.weight != 1:
        text += f" (weighs {budget.weight:g})"
    kind = "" if budget.critical else " (told only)"
    return f"{budget.name}: {text}{kind}"


def _sql(budget: Budget) -> str:
    """Tell of a statement."""
    return f"the number that {budget.sql!r} gives must be {_limits(budget)}"


def _absolute(budget: Budget) -> str:
    """Tell of a metric between limits."""
    return f"{_whose(budget)}{_where(budget.where)} must be {_limits(budget)}"


def _relative(budget: Budget) -> str:
    """Tell of a metric beside that of a baseline."""
    allowed = []
    if budget.increase_ratio:
        allowed.append(f"{_PER_CENT * budget.increase_ratio:.4g} %")
    if budget.increase:
        more = "" if budget.direction in _VERBS else "more"
        words = (f"{budget.increase:g}", _unit(budget), more)
        allowed.append(" ".join(word for word in words if word))
    both = "both " if len(allowed) > 1 else ""
    by = f"by {both}{' and '.join(allowed)}" if allowed else "at all"
    saved = dict(budget.baseline).get(SAVED)
    baseline = f"{SAVED}:{saved}" if saved else side_text(budget.baseline)
    baseline = baseline or "the judge's baseline"
    verb = _VERBS.get(budget.direction, "exceed")
    return f"{_whose(budget)}{_where(budget.where)} must not {verb} that of {baseline} {by}"


def _slo(budget: Budget) -> str:
    """Tell of an error budget."""
    target = f"{(budget.target or 0) * _PER_CENT:f}".rstrip("0").rstrip(".")
    good = "must succeed"
    if math.isfinite(budget.threshold_ms):
        good = f"must take at most {budget.threshold_ms:g} ms"
    over = f" over {_duration(budget.window_nano)}" if budget.window_nano else ""
    what = "" if budget.operation == "*" else f"{budget.operation} of "
    who = f"{what}{_service(budget)}{_where(budget.where)}"
    parts = []
    if budget.least_left == 0:
        parts.append("must not be overspent")
    elif math.isfinite(budget.least_left):
        parts.append(f"must keep {_PER_CENT * budget.least_left:g} % of itself")
    if math.isfinite(budget.most_burn_rate):
        parts.append(f"must burn at most {budget.most_burn_rate:g} times as fast as allowed")
    budgeted = f"the error budget {' and '.join(parts)}"
    return f"{target} % of the requests of {who} {good}{over}: {budgeted}"


def _whose(budget: Budget) -> str:
    """Say what is measured, of what."""
    named = named_metric(budget.metric)
    metric = budget.metric
    if budget.call:
        metric += f" (calls {budget.call})"
    if budget.function:
        how = "with what they call" if budget.cumulative else "by themselves"
        metric += f" (functions {budget.function}, {how})"
    if budget.attributes:
        metric += f" ({side_text(budget.attributes)})"
    if named and named.is_hit_ratio:
        which = "every cache" if budget.cache == "*" else f"cache {budget.cache}"
        return f"{metric} of {which} of {_service(budget)}"
    if budget.metric in LATENCY_METRICS or (named and named.per_operation):
        what = "every operation" if budget.operation == "*" else budget.operation
        return f"{metric} of {what} of {_service(budget)}"
    return f"{metric} of {_service(budget)}"


def _service(budget: Budget) -> str:
    return "every service" if budget.service == "*" else budget.service


def _where(pairs: Pairs) -> str:
    return f" ({side_text(pairs)})" if pairs else ""


def _duration(nanos: int) -> str:
    """Write a duration in the largest unit that divides it."""
    seconds = nanos // _SECOND_NANO
    name, unit = next((name, unit) for name, unit in _SPAN if seconds % unit == 0)
    return f"{seconds // unit}{name}"


def _unit(budget: Budget) -> str:
    """Give the unit; a ratio is a number."""
    return "" if budget.unit == "ratio" else budget.unit


def _limits(budget: Budget) -> str:
    """Write the limits of a budget."""
    parts = []
    if math.isfinite(budget.least):
        parts.append(f"at least {budget.least:g}")
    if math.isfinite(budget.most):
        parts.append(f"at most {budget.most:g}")
    text = f"{' and '.join(parts)} {_unit(budget)}".strip()
    if math.isfinite(budget.warn_most):
        text += f" (a warning above {budget.warn_most:g})"
    return text
