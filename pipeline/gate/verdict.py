"""Verdict: what one check says, and what all of them say together.

Failing is corrected for how many checks there are (Holm); passing needs none, because every check
must pass. "No evidence of harm" is never a pass.

Source: Holm (1979), Scandinavian Journal of Statistics 6(2); Benjamini and Hochberg (1995), JRSS B
57(1); Berger and Hsu (1996), Statistical Science 11(4), for passing without a correction.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

PASS, WARN, FAIL = "pass", "warn", "fail"
INCONCLUSIVE, NO_DATA = "inconclusive", "no_data"
VERDICTS = (PASS, WARN, FAIL, INCONCLUSIVE, NO_DATA)

# Reasons that the numbers alone give; a watch settles again what an earlier look gave them.
UNDECIDED = "the interval holds the margin"
METHODS_DISAGREE = "methods_disagree"
IMPROVED = "improved"
CHANGED_WITHIN_MARGIN = "changed_within_margin"
PERHAPS_WORSE = "worse, perhaps by less than the margin"
REASONS = (UNDECIDED, METHODS_DISAGREE, IMPROVED, CHANGED_WITHIN_MARGIN, PERHAPS_WORSE)

EXIT_STATUS = {PASS: 0, WARN: 0, FAIL: 1, INCONCLUSIVE: 3, NO_DATA: 3}


@dataclass(frozen=True)
class Measure:
    """What a check has to go by; effects and bounds in the check's own scale.

    Attributes:
        baseline, canary: the values, in ``unit``.
        n: effective requests of baseline and canary.
        effect: how much worse the canary is.
        low, high: what it lies between.
        margin: the most that is let through.
        p_value: of no more than the margin.
        detectable: the least effect that this much data would find, with 80 % power.
        method: which estimate decides.
    """

    baseline: float
    canary: float
    n: tuple[float, float]
    effect: float
    low: float
    high: float
    margin: float
    p_value: float
    detectable: float
    method: str


@dataclass(frozen=True)
class Check:
    """One thing that is judged.

    Attributes:
        service_name, operation: of what; operation empty for all of the service.
        metric: p50, p95, p99, error_ratio, ….
        unit: of the values: ms, ratio.
        scale: of effects: ratio (canary over baseline, less one), difference, or limit, where the
            value itself stands for the effect and its limit for the baseline.
        critical: whether it counts for the whole.
        measure: None where there is nothing to measure.
        reason: why there is none, or why the verdict is not what the numbers alone say.
        most: the worst verdict that it can get: fail, or warn where a fail could not be defended.
        verdict: see VERDICTS; empty until ``settle``.
        p_adjusted: Holm's; NaN where there is none.
        advice: what would settle it.
        name: of the budget, where it is one.
        weight: what it counts for in the score, beside the others' 1; decides nothing.
        mix_effect: of a service, what its mix of operations alone makes; NaN for nothing known.
        p_operations: of a service, the least adjusted p-value of its operations; NaN for none.
    """

    service_name: str
    operation: str
    metric: str
    unit: str
    scale: str
    critical: bool = True
    measure: Measure | None = None
    reason: str = ""
    most: str = FAIL
    verdict: str = ""
    p_adjusted: float = math.nan
    advice: str = ""
    name: str = ""
    weight: float = 1.0
    mix_effect: float = math.nan
    p_operations: float = math.nan


def settle(checks: Sequence[Check], alpha: float, correction: str = "holm") -> tuple[Check, ...]:
    """Give every check its verdict.

    Args:
        checks: those judged together; those with a verdict keep it.
        alpha: how often any of them may fail without cause, or with ``bh`` which share of those
            that fail may do so without cause, between 0 and 1.
        correction: see CORRECTIONS.

    Returns:
        The checks, in the same order.
    """
    family = [
        number
        for number, check in enumerate(checks)
        if check.measure and check.critical and not check.verdict
    ]
    p_values = [each.p_value for each in (checks[n].measure for n in family) if each]
    adjusted = dict(zip(family, CORRECTIONS[correction](p_values), strict=True))
    return tuple(
        _settled(check, adjusted.get(number, math.nan), alpha)
        for number, check in enumerate(checks)
    )


def _settled(check: Check, p_adjusted: float, alpha: float) -> Check:
    """Give one check its verdict: the first rule that holds."""
    measure = check.measure
    if check.verdict or measure is None:
        return check if check.verdict else replace(check, verdict=INCONCLUSIVE)
    p = measure.p_value if math.isnan(p_adjusted) else p_adjusted
    verdict, reason = INCONCLUSIVE, check.reason or UNDECIDED
    if measure.low > measure.high:
        reason = METHODS_DISAGREE
    elif p <= alpha:
        verdict, reason = FAIL, check.reason
    elif measure.high < measure.margin:
        verdict, reason = PASS, check.reason
        if measure.high < 0:
            reason = reason or IMPROVED
        elif measure.low > 0:
            reason = reason or CHANGED_WITHIN_MARGIN
    elif measure.low > 0:
        verdict, reason = WARN, check.reason or PERHAPS_WORSE
    if verdict == FAIL and check.most == WARN:
        verdict = WARN
    return replace(check, verdict=verdict, reason=reason, p_adjusted=p)


def overall(checks: Sequence[Check]) -> str:
    """Say what all checks come to.

    >>> overall([])
    'no_data'
    """
    found = {check.verdict for check in checks if check.critical}
    if FAIL in found:
        return FAIL
    if not found or found == {NO_DATA}:
        return NO_DATA
    if found & {INCONCLUSIVE, NO_DATA}:
        return INCONCLUSIVE
    return WARN if WARN in found else PASS


def score(checks: Sequence[Check]) -> float | None:
    """Give the weighted share of critical checks that pass or warn, in per cent: Kayenta's figure.

    It decides nothing. None where nothing was judged.

    >>> score([Check("s", "o", "p50", "ms", "ratio", verdict="pass")])
    100.0
    """
    judged = [c for c in checks if c.critical and c.verdict in (PASS, WARN, FAIL) and c.weight > 0]
    if not judged:
        return None
    good = sum(check.weight for check in judged if check.verdict != FAIL)
    return 100.0 * good / sum(check.weight for check in judged)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for how many there are.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    if not p_values:
        return []
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    adjusted = np.empty_like(stepped)
    adjusted[order] = stepped
    return [float(each) for each in adjusted]


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that of those below a limit no larger share is wrong.

    >>> benjamini_hochberg([0.01, 0.04, 0.03])
    [0.03, 0.04, 0.04]
    """
    if not p_values:
        return []
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(-p, kind="stable")
    stepped = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    adjusted = np.empty_like(stepped)
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(each) for each in adjusted]


CORRECTIONS: Mapping[str, Callable[[Sequence[float]], list[float]]] = MappingProxyType(
    {"holm": holm, "bh": benjamini_hochberg}
)
