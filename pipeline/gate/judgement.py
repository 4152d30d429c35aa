"""From comparisons to checks: margins, the sizes that a verdict needs, and what would settle it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pipeline.gate.verdict import (
    INCONCLUSIVE,
    NO_DATA,
    WARN,
    Check,
    Measure,
    overall,
    score,
    settle,
)
from pipeline.jobs.judge import Comparison, Judged
from pipeline.stats.share_shift import ShareShift
from pipeline.stats.shift import Shift

# Requests beyond a quantile that each side needs, minutes, and instances of both sides together.
LEAST_BEYOND = 10
LEAST_MINUTES = 6
LEAST_INSTANCES = 3
# Of the minutes of either side both must have this share, or load is not the same for both.
LEAST_SHARED = 0.8

# An operation of one side only counts for the whole from this share of that side's requests.
_LARGE_SHARE = 0.05

# A smaller growth of the error ratio is no failure, however sure it is.
_ERROR_FLOOR = 0.001

_NANO_A_MS = 1e6


@dataclass(frozen=True)
class Tolerance:
    """What is let through.

    Attributes:
        alpha: how often a sound canary may fail, over all checks together.
        relative: quantiles may grow by this share of the baseline's.
        absolute_ms: and by this much; both must be exceeded.
        error_difference: the error ratio may grow by this much, absolutely: a pass is sure of it.
    """

    alpha: float = 0.01
    relative: float = 0.05
    absolute_ms: float = 0.0
    error_difference: float = 0.01


@dataclass(frozen=True)
class Judgement:
    """The answer.

    Attributes:
        judged: what was compared.
        tolerance: what was let through.
        checks: each with its verdict.
        verdict: of all.
        score: 0 to 100; None where nothing was judged.
    """

    judged: Judged
    tolerance: Tolerance
    checks: tuple[Check, ...]
    verdict: str
    score: float | None


def judge(judged: Judged, tolerance: Tolerance) -> Judgement:
    """Give verdicts on what was compared."""
    shares = _shares(judged)
    checks = [
        check
        for comparison in judged.comparisons
        for check in _checks(comparison, judged, tolerance, shares)
    ]
    settled = settle(checks, tolerance.alpha)
    return Judgement(judged, tolerance, settled, overall(settled), score(settled))


def _shares(judged: Judged) -> tuple[float, float]:
    """Give all requests of baseline and canary; 1 for none, so that shares can be worked out."""
    baseline = sum(each.baseline.requests for each in judged.comparisons)
    canary = sum(each.canary.requests for each in judged.comparisons)
    return baseline or 1.0, canary or 1.0


def _checks(
    comparison: Comparison, judged: Judged, tolerance: Tolerance, totals: tuple[float, float]
) -> Iterator[Check]:
    """Make the checks of one operation."""
    named = (comparison.service_name, comparison.operation)
    counts = (comparison.baseline, comparison.canary)
    metrics = [f"p{p * 100:g}".replace(".", "") for p in judged.request.quantiles]
    for count, side in zip(counts, ("baseline", "canary"), strict=True):
        if not count.requests:
            share = max(n.requests / all_ for n, all_ in zip(counts, totals, strict=True))
            large = share >= _LARGE_SHARE
            reason = f"no requests on the {side} side"
            for metric in (*metrics, "error_ratio"):
                unit = "ratio" if metric == "error_ratio" else "ms"
                yield Check(*named, metric, unit, "ratio", large, None, reason, verdict=NO_DATA)
            return
    why = _not_comparable(comparison, judged)
    few = sum(count.instances for count in counts) < LEAST_INSTANCES
    most, note = (WARN, "instance_effect_unknown") if few else ("fail", "")
    for p, metric in zip(judged.request.quantiles, metrics, strict=True):
        shift = comparison.shifts.get(p)
        reason, advice = why, ""
        if not reason and shift is None:
            reason = "no request has a duration"
        beyond = min(count.effective for count in counts) * (1 - p)
        if not reason and beyond < LEAST_BEYOND:
            reason, advice = "too_few_requests", _more(comparison, LEAST_BEYOND / beyond)
        if reason or shift is None:
            critical = p <= _SETTLING or bool(why)
            yield Check(*named, metric, "ms", "ratio", critical, None, reason, advice=advice)
            continue
        measure = _quantile_measure(shift, comparison, tolerance)
        advice = _to_settle(measure, comparison)
        found = Check(*named, metric, "ms", "ratio", True, measure, note, most, advice=advice)
        if shift.constant and measure.effect > measure.margin:
            # Nothing varies, so nothing tells how sure this is.
            found = replace(found, verdict=INCONCLUSIVE, reason="constant_series")
        yield found
    yield _error_check(comparison, tolerance, why, most, note)


# Quantiles beyond this one are judged where there is the traffic for it, and else only told.
_SETTLING = 0.95


def _not_comparable(comparison: Comparison, judged: Judged) -> str:
    """Say why nothing of an operation can be compared; empty when it can."""
    if comparison.minutes < LEAST_MINUTES:
        return f"too_short: {comparison.minutes} minutes in common, {LEAST_MINUTES} are needed"
    if judged.shared < LEAST_SHARED:
        return f"not_concurrent: the sides share {judged.shared:.0%} of their minutes"
    return ""


def _quantile_measure(shift: Shift, comparison: Comparison, tolerance: Tolerance) -> Measure:
    """Measure one quantile, as a ratio."""
    baseline, canary = (math.exp(each) / _NANO_A_MS for each in shift.log_quantiles)
    margin = math.log1p(max(tolerance.relative, tolerance.absolute_ms / baseline))
    low, high = shift.bounds(tolerance.alpha)
    best = shift.best
    return Measure(
        baseline,
        canary,
        (comparison.baseline.effective, comparison.canary.effective),
        math.expm1(best.log_effect),
        math.expm1(low),
        math.expm1(high),
        math.expm1(margin),
        shift.p_value(margin),
        math.expm1(shift.detectable(tolerance.alpha)),
        best.method,
    )


def _error_check(
    comparison: Comparison, tolerance: Tolerance, why: str, most: str, note: str
) -> Check:
    """Check the share of requests that failed."""
    named = (comparison.service_name, comparison.operation)
    shift = comparison.errors
    if why or shift is None:
        return Check(*named, "error_ratio", "ratio", "difference", True, None, why)
    measure = _share_measure(shift, comparison, tolerance)
    advice = _to_settle(measure, comparison)
    return Check(
        *named, "error_ratio", "ratio", "difference", True, measure, note, most=most, advice=advice
    )


def _share_measure(shift: ShareShift, comparison: Comparison, tolerance: Tolerance) -> Measure:
    """Measure a share, as a difference."""
    low, high = shift.bounds(tolerance.alpha)
    # The floor must be exceeded, and chance too.
    above_floor = shift.difference >= _ERROR_FLOOR
    return Measure(
        *shift.shares,
        (comparison.baseline.effective, comparison.canary.effective),
        shift.difference,
        low,
        high,
        tolerance.error_difference,
        shift.p_value() if above_floor else 1.0,
        (high - low) / 2,
        "exact" if shift.exact else "exceedance",
    )


def _to_settle(measure: Measure, comparison: Comparison) -> str:
    """Say how much more traffic would bring the interval to one side of the margin."""
    if measure.high < measure.margin or measure.low > measure.margin:
        return ""
    half = (measure.high - measure.low) / 2
    distance = abs(measure.margin - measure.effect)
    return _more(comparison, (half / distance) ** 2 if distance > 0 else math.inf)


def _more(comparison: Comparison, times: float) -> str:
    """Say so many times the data in minutes at this traffic."""
    minutes = comparison.minutes * (times - 1)
    if not math.isfinite(minutes) or minutes > 7 * 24 * 60:
        return "more instances would settle it sooner than more time"
    return f"about {max(math.ceil(minutes), 1)} more minutes at this traffic"
