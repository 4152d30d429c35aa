"""The checks of one comparison: the sizes that a verdict needs, what counts, and why not."""

import math
from collections.abc import Iterator
from dataclasses import replace

from pipeline.gate.measures import Tolerance, advice, more_minutes, quantile_measure, share_measure
from pipeline.gate.verdict import FAIL, INCONCLUSIVE, NO_DATA, WARN, Check
from pipeline.jobs.judge_answer import OTHER, Comparison, Judged
from pipeline.jobs.judge_compare import (
    LEAST_BEYOND,
    MOST_DROPPED,
    SETTLING,
    settling_quantile,
)
from pipeline.jobs.judge_request import JudgeRequest
from pipeline.stats.share_shift import ShareShift

# Minutes, and instances of both sides together.
LEAST_MINUTES = 6
LEAST_INSTANCES = 3
# Of the minutes of either side both must have this share, or load is not the same for both.
LEAST_SHARED = 0.8

# What one side alone has, or has too little of, counts for the whole from this share of requests.
LARGE_SHARE = 0.05

_NO_MEASURE = (None, None)


def too_small(comparison: Comparison, request: JudgeRequest) -> bool:
    """Tell whether an operation of both sides has too few requests for most quantiles."""
    if comparison.operation == "" and comparison.pooled:
        return False
    least = min(comparison.baseline.effective, comparison.canary.effective)
    return 0 < least * (1 - settling_quantile(request.quantiles)) < LEAST_BEYOND - 1e-9


def comparison_checks(
    comparison: Comparison, judged: Judged, tolerance: Tolerance, share: float
) -> Iterator[Check]:
    """Make the checks of one operation, of small ones together, or of all of a service.

    Args:
        comparison: what was compared.
        judged: where it is from.
        tolerance: what is let through.
        share: of all requests.
    """
    metrics = [f"p{p * 100:g}".replace(".", "") for p in judged.request.quantiles]
    missing = _missing_side(comparison)
    if missing:
        for metric in (*metrics, "error_ratio"):
            unit = "ratio" if metric == "error_ratio" else "ms"
            yield Check(
                comparison.service_name,
                comparison.operation,
                metric,
                unit,
                "ratio",
                share >= LARGE_SHARE and not comparison.is_service,
                None,
                f"no requests on the {missing} side",
                verdict=NO_DATA,
            )
        return
    why = _not_comparable(comparison, judged)
    counted = _counts_for_all(comparison, tolerance)
    for p, metric in zip(judged.request.quantiles, metrics, strict=True):
        check = _quantile_check(comparison, tolerance, (p, metric), why)
        critical = counted and (check.critical or bool(why))
        yield replace(check, critical=critical, mix_effect=_mix_effect(comparison, p))
    for metric, shift in (
        ("error_ratio", comparison.errors),
        ("error_5xx_ratio", comparison.errors_5xx),
        ("error_4xx_ratio", comparison.errors_4xx),
    ):
        told = metric == "error_ratio" or (shift is not None and max(shift.shares) > 0)
        if told:
            check = _error_check(comparison, tolerance, metric, shift, why)
            yield replace(check, critical=counted and check.critical)


def _missing_side(comparison: Comparison) -> str:
    """Name the side without requests; empty for none."""
    if not comparison.baseline.requests:
        return "baseline"
    return "" if comparison.canary.requests else "canary"


def _counts_for_all(comparison: Comparison, tolerance: Tolerance) -> bool:
    """Tell whether a comparison's checks decide, or are only told."""
    if comparison.in_other:
        return False
    return not comparison.is_service or tolerance.critical_services


def _not_comparable(comparison: Comparison, judged: Judged) -> str:
    """Say why nothing of an operation can be compared; empty when it can."""
    if comparison.minutes < LEAST_MINUTES:
        return f"too_short: {comparison.minutes} minutes in common, {LEAST_MINUTES} are needed"
    if judged.shared < LEAST_SHARED:
        return f"not_concurrent: the sides share {judged.shared:.0%} of their minutes"
    mix = comparison.mix
    if mix is not None and mix.dropped > MOST_DROPPED and comparison.operation != OTHER:
        return f"mix_not_comparable: {mix.dropped:.0%} of requests have no like on the other side"
    return ""


def _limits(comparison: Comparison, tolerance: Tolerance, kind: str = FAIL) -> tuple[str, str]:
    """Give the worst verdict that can be defended, and the reason where that is not a fail."""
    instances = comparison.baseline.instances + comparison.canary.instances
    if comparison.one_window:
        return WARN, "baseline_not_concurrent"
    if instances < LEAST_INSTANCES:
        return WARN, "instance_effect_unknown"
    if comparison.in_other:
        return WARN, f"judged as part of {OTHER}"
    if comparison.operation == OTHER and comparison.mix and comparison.mix.dropped > MOST_DROPPED:
        return WARN, "mix_not_comparable: operations are too small to be weighed"
    if comparison.is_service and not tolerance.critical_services:
        return WARN, _mix_text(comparison)
    return kind, ""


def _mix_text(comparison: Comparison) -> str:
    """Say of a service what its line is."""
    strata = comparison.mix.strata if comparison.mix else 1
    return f"whole service, baseline weighted to the canary's mix of {strata} strata"


def _mix_effect(comparison: Comparison, p: float) -> float:
    """Give what the mix alone makes of a quantile, as a ratio less one; NaN for not known."""
    if comparison.mix is None or p not in comparison.mix.log_shifts:
        return math.nan
    return math.expm1(comparison.mix.log_shifts[p])


def _quantile_check(
    comparison: Comparison, tolerance: Tolerance, named: tuple[float, str], why: str
) -> Check:
    """Check one quantile."""
    p, metric = named
    check = Check(comparison.service_name, comparison.operation, metric, "ms", "ratio")
    shift = comparison.shifts.get(p)
    if why:
        return replace(check, reason=why)
    if shift is None:
        bound = comparison.one_window and comparison.errors_5xx is None
        reason = "the saved baseline does not bound it" if bound else "no request has a duration"
        return replace(check, critical=p <= SETTLING, reason=reason)
    least = min(comparison.baseline.effective, comparison.canary.effective)
    beyond = least * (1 - p)
    if beyond < LEAST_BEYOND - 1e-9:
        told = more_minutes(comparison, LEAST_BEYOND / beyond)
        return replace(check, critical=p <= SETTLING, reason="too_few_requests", advice=told)
    measure = quantile_measure(shift, comparison, tolerance, tolerance.direction(metric))
    most, note = _limits(comparison, tolerance)
    mix = _mix_effect(comparison, p)
    if not math.isnan(mix):
        note = "; ".join(each for each in (note, f"mix alone {100 * mix:+.3g} %") if each)
    told = advice(measure, comparison, shift)
    check = replace(check, measure=measure, reason=note, most=most, advice=told)
    if shift.constant and measure.effect > measure.margin:
        # Nothing varies, so nothing tells how sure this is; unless the numbers are to be believed.
        verdict = most if tolerance.exact else INCONCLUSIVE
        return replace(check, verdict=verdict, reason="constant_series")
    return check


def _error_check(
    comparison: Comparison,
    tolerance: Tolerance,
    metric: str,
    shift: ShareShift | None,
    why: str,
) -> Check:
    """Check the share of requests that failed, or of those that failed in one way."""
    whole = metric == "error_ratio"
    check = Check(
        comparison.service_name, comparison.operation, metric, "ratio", "difference", whole
    )
    if why or shift is None:
        return replace(check, reason=why)
    measure = share_measure(shift, comparison, tolerance)
    most, note = _limits(comparison, tolerance, FAIL if whole else WARN)
    mix = comparison.mix
    if whole and mix is not None and mix.log_shifts:
        note = "; ".join(e for e in (note, f"mix alone {100 * mix.errors:+.3g} points") if e)
    return replace(
        check, measure=measure, reason=note, most=most, advice=advice(measure, comparison)
    )
