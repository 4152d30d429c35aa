"""Budgets between the sides of a judgement: those that have no sides of their own."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pipeline.gate import latency_checks, named_checks, profile_checks
from pipeline.gate.budget_keys import LATENCY_METRICS
from pipeline.gate.budgets import Budget
from pipeline.gate.judgement import Tolerance
from pipeline.gate.limits import begin
from pipeline.gate.saved_levels import beside_saved, saved_name
from pipeline.gate.verdict import INCONCLUSIVE, Check
from pipeline.jobs.judge_request import JudgeRequest, Pairs
from pipeline.jobs.metric_rows import Window
from pipeline.jobs.named_metrics import PROFILE, named_metric
from pipeline.lake import Lake


def metric_checks(
    lake: Lake, budgets: Sequence[Budget], request: JudgeRequest, tolerance: Tolerance
) -> list[Check]:
    """Make the checks of budgets without a baseline, between the two sides of a judgement.

    Args:
        lake: the lake.
        budgets: any; those that are absolute or have sides of their own are left out.
        request: the judgement's question.
        tolerance: gives alpha; what is let through, each budget says itself.

    Returns:
        Checks in the order of the budgets. Those of named metrics are not settled, so that they
        are corrected together with the judgement's own; those of latency and errors are.

    Raises:
        LakeError: the lake cannot be read.
        UsageError: the type of profile cannot be settled.
    """
    found: list[Check] = []
    for budget in budgets:
        if not budget.for_judge:
            continue
        if budget.metric in LATENCY_METRICS:
            found += latency_checks.beside(budget, lake, request, tolerance.alpha)
        elif request.historic or (request.saved and _is_profile(budget)):
            reason = "not_concurrent: named metrics need both sides in the lake at one time"
            check = begin(budget, budget.service, budget.operation)
            found.append(replace(check, verdict=INCONCLUSIVE, reason=reason))
        else:
            window = (request.since_unix_nano, request.until_unix_nano)
            sides = (request.baseline, request.canary)
            found += relative_checks(budget, lake, sides, tolerance.alpha, window)
    return found


def relative_checks(
    budget: Budget, lake: Lake, sides: tuple[Pairs, Pairs], alpha: float, window: Window
) -> Iterator[Check]:
    """Make the checks of a budget on a named metric between two sides; not yet settled.

    Raises:
        LakeError: the lake cannot be read.
        UsageError: the type of profile cannot be settled.
    """
    if _is_profile(budget):
        return profile_checks.relative(budget, lake, sides, alpha, window)
    if name := saved_name(sides[0]):
        return beside_saved(budget, lake, name, sides[1], alpha, window)
    return named_checks.relative(budget, lake, sides, alpha, window)


def absolute_checks(budget: Budget, lake: Lake, alpha: float, window: Window) -> Iterator[Check]:
    """Make the checks of a budget on a named metric between limits.

    Raises:
        LakeError: the lake cannot be read.
        UsageError: the type of profile cannot be settled.
    """
    if _is_profile(budget):
        return profile_checks.absolute(budget, lake, alpha, window)
    return named_checks.absolute(budget, lake, alpha, window)


def _is_profile(budget: Budget) -> bool:
    """Tell whether a budget is on profiles."""
    metric = named_metric(budget.metric)
    return metric is not None and metric.kind == PROFILE
