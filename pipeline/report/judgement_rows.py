"""Judgements and budgets in words and plain values, which every way of writing it is made of."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.gate.checking import Checked
from pipeline.gate.judgement import Judgement
from pipeline.gate.verdict import Check, score
from pipeline.report.text import significant

# The number rises when a key changes its meaning or goes; new keys leave it as it is.
SCHEMA = "tailgate.judgement/1"
CHECK_SCHEMA = "tailgate.check/1"

_PER_CENT = 100.0


def effect_text(check: Check) -> str:
    """Write how much worse a check is, with its interval: per cent, or points of a share."""
    measure = check.measure
    if measure is None:
        return "–"
    if check.scale == "limit":
        return f"[{significant(measure.low)}, {significant(measure.high)}]"
    low, high = _signed(measure.low), _signed(measure.high)
    unit = " %" if check.scale == "ratio" else " points"
    return f"{_signed(measure.effect)} [{low}, {high}]{unit}"


def values_text(check: Check) -> str:
    """Write a check's two values."""
    measure = check.measure
    if measure is None:
        return "–"
    if check.scale == "limit":
        limit, value = significant(measure.baseline), significant(measure.canary)
        return f"{value} {check.unit}".strip() + f", limit {limit}"
    if check.unit == "ratio":
        return f"{_PER_CENT * measure.baseline:.4g} → {_PER_CENT * measure.canary:.4g} %"
    return f"{significant(measure.baseline)} → {significant(measure.canary)} {check.unit}"


def why_text(check: Check) -> str:
    """Write why a check has the verdict that it has, and what would change that."""
    parts = [part for part in (check.reason, check.advice) if part]
    if (
        check.measure
        and check.scale != "limit"
        and check.verdict in ("pass", "warn", "inconclusive")
    ):
        unit = " %" if check.scale == "ratio" else " points"
        parts.append(f"could detect {_signed(check.measure.detectable)}{unit}")
    return "; ".join(parts)


def side_text(pairs: tuple[tuple[str, str], ...]) -> str:
    """Write a selector."""
    return ",".join(f"{name}={value}" for name, value in pairs)


@dataclass(frozen=True)
class Told:
    """What is written, whoever judged.

    Attributes:
        title: what was judged, in a few words.
        suite: the name of it all for JUnit.
        verdict: of all checks.
        checks: each with its verdict.
        score: 0 to 100; None where nothing was judged.
        head: what programs want to know beside the checks.
    """

    title: str
    suite: str
    verdict: str
    checks: tuple[Check, ...]
    score: float | None
    head: Mapping[str, Any]


def told_of_checks(checked: Checked, verdict: str, alpha: float) -> Told:
    """Tell of budgets."""
    head = {
        "schema": CHECK_SCHEMA,
        "verdict": verdict,
        "alpha": alpha,
        "latency_minutes_version": checked.minutes_version,
    }
    return Told("budgets", "tailgate check", verdict, checked.checks, score(checked.checks), head)


def told_of_judgement(judgement: Judgement) -> Told:
    """Tell of a judgement."""
    request = judgement.judged.request
    title = f"{side_text(request.canary)} against {side_text(request.baseline)}"
    told = (judgement.verdict, judgement.checks, judgement.score)
    return Told(title, "tailgate judge", *told, _head(judgement))


def document(told: Told) -> dict[str, Any]:
    """Give everything that is known, for programs: keys with units, null for unknown."""
    return dict(told.head) | {"checks": [_check(check) for check in told.checks]}


def _head(judgement: Judgement) -> dict[str, Any]:
    """Give what a judgement was asked for and by what it was made."""
    judged, tolerance = judgement.judged, judgement.tolerance
    return {
        "schema": SCHEMA,
        "verdict": judgement.verdict,
        "score": judgement.score,
        "baseline": dict(judged.request.baseline),
        "canary": dict(judged.request.canary),
        "first_minute": judged.first_minute,
        "end_minute": judged.end_minute,
        "shared_minutes_ratio": judged.shared,
        "alpha": tolerance.alpha,
        "relative_margin": tolerance.relative,
        "absolute_margin_ms": tolerance.absolute_ms,
        "error_margin": tolerance.error_difference,
        "latency_minutes_version": judged.minutes_version,
    }


def _check(check: Check) -> dict[str, Any]:
    """Give one check."""
    told: dict[str, Any] = {
        "name": check.name,
        "service_name": check.service_name,
        "operation": check.operation,
        "metric": check.metric,
        "unit": check.unit,
        "verdict": check.verdict,
        "critical": check.critical,
        "reason": check.reason,
        "advice": check.advice,
        "scale": check.scale,
        "p_adjusted": _known(check.p_adjusted),
    }
    measure = check.measure
    names = ("baseline", "canary", "effect", "low", "high", "margin", "p_value", "detectable")
    told |= {name: None if measure is None else _known(getattr(measure, name)) for name in names}
    told["baseline_requests"], told["canary_requests"] = measure.n if measure else (None, None)
    told["method"] = measure.method if measure else None
    return told


def _signed(effect: float) -> str:
    """Write an effect in per cent with its sign."""
    value = _PER_CENT * effect
    return f"{value:+.3g}" if math.isfinite(value) else "…"


def _known(number: float) -> float | None:
    return number if math.isfinite(number) else None
