"""From what was compared to verdicts: every check, what they come to, and what else to know."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pipeline.gate.judgement_checks import (
    LARGE_SHARE,
    LEAST_INSTANCES,
    LEAST_MINUTES,
    LEAST_SHARED,
    comparison_checks,
    too_small,
)
from pipeline.gate.measures import Tolerance, split_measure
from pipeline.gate.verdict import INCONCLUSIVE, Check, overall, score, settle
from pipeline.jobs.judge_answer import OTHER, Comparison, Judged
from pipeline.jobs.judge_compare import LEAST_BEYOND
from pipeline.jobs.judge_window import clock_text

__all__ = [
    "LEAST_BEYOND",
    "LEAST_INSTANCES",
    "LEAST_MINUTES",
    "LEAST_SHARED",
    "Judgement",
    "Tolerance",
    "judge",
]

# From the first third of the window to the last one side's requests fell to this of the other's.
_STARVED = 0.5


@dataclass(frozen=True)
class Judgement:
    """The answer.

    Attributes:
        judged: what was compared.
        tolerance: what was let through.
        checks: each with its verdict.
        verdict: of all.
        score: 0 to 100; None where nothing was judged.
        notes: what else a reader must know, each a sentence.
    """

    judged: Judged
    tolerance: Tolerance
    checks: tuple[Check, ...]
    verdict: str
    score: float | None
    notes: tuple[str, ...] = ()


def judge(judged: Judged, tolerance: Tolerance, more: Sequence[Check] = ()) -> Judgement:
    """Give verdicts on what was compared.

    Args:
        judged: the comparisons.
        tolerance: what is let through.
        more: checks of budgets, settled together with those of the comparisons.
    """
    totals = _totals(judged)
    small = {
        (each.service_name, each.operation): share_of(each, totals)
        for each in judged.comparisons
        if not each.in_other and too_small(each, judged.request)
    }
    checks = [
        check
        for comparison in judged.comparisons
        for check in comparison_checks(comparison, judged, tolerance, share_of(comparison, totals))
    ]
    checks += [*_traffic_checks(judged, tolerance), *more]
    settled = _with_services(settle(checks, tolerance.alpha, tolerance.correction))
    if sum(small.values()) < LARGE_SHARE:
        # So few requests fail by what is sure of them, and else hold nothing up.
        settled = tuple(
            replace(check, critical=False)
            if check.verdict == INCONCLUSIVE and (check.service_name, check.operation) in small
            else check
            for check in settled
        )
    told = (*judged.notes, *_notes(judged, totals))
    return Judgement(judged, tolerance, settled, overall(settled), score(settled), told)


def _totals(judged: Judged) -> tuple[float, float]:
    """Give all requests of baseline and canary; 1 for none, so that shares can be worked out."""
    operations = [each for each in judged.comparisons if not each.pooled]
    baseline = sum(each.baseline.requests for each in operations)
    canary = sum(each.canary.requests for each in operations)
    return baseline or 1.0, canary or 1.0


def share_of(comparison: Comparison, totals: tuple[float, float]) -> float:
    """Give a comparison's share of requests, of the side where it is larger."""
    counts = (comparison.baseline, comparison.canary)
    return max(count.requests / total for count, total in zip(counts, totals, strict=True))


def _with_services(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Tell of each service the least adjusted p-value of its operations, metric by metric."""
    least: dict[tuple[str, str], float] = {}
    for check in checks:
        if check.operation and check.critical and not math.isnan(check.p_adjusted):
            key = (check.service_name, check.metric)
            least[key] = min(least.get(key, 1.0), check.p_adjusted)
    told = []
    for check in checks:
        p = least.get((check.service_name, check.metric))
        if not check.operation and p is not None:
            parts = (check.reason, f"least p of its operations {p:.2g}")
            reason = "; ".join(part for part in parts if part)
            told.append(replace(check, p_operations=p, reason=reason))
        else:
            told.append(check)
    return tuple(told)


def _traffic_checks(judged: Judged, tolerance: Tolerance) -> Iterator[Check]:
    """Check how requests are split: against what was meant, and that no side ran dry."""
    traffic = judged.traffic
    if traffic is None:
        return
    if tolerance.split is not None:
        check = Check("", "", "traffic_share", "ratio", "difference", True)
        if math.isnan(traffic.error):
            yield replace(check, reason="too_short: two blocks of 5 minutes are needed")
        else:
            measure = split_measure(traffic, tolerance.split, tolerance.alpha)
            yield replace(check, measure=measure)
    starved = {
        "canary": traffic.change < _STARVED,
        "baseline": traffic.change > 1 / _STARVED,
    }
    for side, fell in starved.items():
        if fell:
            reason = f"starved: the {side}'s share of requests fell by more than half"
            yield Check(
                "", "", "traffic", "ratio", "ratio", True, None, reason, verdict=INCONCLUSIVE
            )


def _notes(judged: Judged, totals: tuple[float, float]) -> Iterator[str]:
    """Say how fresh the sides are, how they are split, and what was judged together."""
    for side, last in zip(("baseline", "canary"), judged.last_minutes, strict=True):
        if last is not None:
            yield f"{side}: newest minute {clock_text(last)} UTC"
    traffic = judged.traffic
    if traffic is not None:
        total = sum(traffic.requests)
        yield f"canary: {100 * traffic.share:.3g} % of {total:,.0f} requests"
    for each in judged.comparisons:
        if each.operation == OTHER:
            share = share_of(each, totals)
            yield (
                f"{each.service_name or 'all'}: {each.pooled} operations with few requests, "
                f"{100 * share:.2g} % of them, are judged together as {OTHER}"
            )
        if each.mix is not None and each.mix.capped:
            name = each.operation or "all of it"
            yield (
                f"{each.service_name} {name}: {each.mix.capped} strata are far rarer in the "
                "baseline; their weight was held down to 20"
            )
