"""Judgements and budgets in words and plain values, which every way of writing it is made of."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.gate.checking import Checked
from pipeline.gate.judgement import Judgement
from pipeline.gate.verdict import FAIL, INCONCLUSIVE, NO_DATA, PASS, WARN, Check, score
from pipeline.jobs.judge_pictures import Picture
from pipeline.jobs.why_answer import Why
from pipeline.report.text import significant
from pipeline.report.visible import visible
from pipeline.report.why import why_document

# The number rises when a key changes its meaning or goes; new keys leave it as it is.
SCHEMA = "tailgate.judgement/1"
CHECK_SCHEMA = "tailgate.check/1"

# What decides comes first.
ORDER = (FAIL, WARN, INCONCLUSIVE, NO_DATA, PASS)

_HEADINGS = ("verdict", "service", "operation", "metric", "baseline → canary", "worse by", "why")

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
        source: the file that asked, relative to where the code is; SARIF's readers want one.
        why: what explains the checks that got worse.
        pictures: what a page draws; by operation.
        notes: what else a reader must know, each a sentence.
    """

    title: str
    suite: str
    verdict: str
    checks: tuple[Check, ...]
    score: float | None
    head: Mapping[str, Any]
    source: str = "tailgate.toml"
    why: tuple[Why, ...] = ()
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()


def ordered(told: Told) -> list[Check]:
    """Give the checks, those that decide first and among them the largest effect."""

    def rank(check: Check) -> tuple[int, float]:
        effect = check.measure.effect if check.measure else 0.0
        return ORDER.index(check.verdict), -effect

    return sorted(told.checks, key=rank)


def operations(checks: Sequence[Check]) -> list[tuple[str, str]]:
    """Give services and operations of checks, each once, in their order."""
    return list(dict.fromkeys((check.service_name, check.operation) for check in checks))


def headings(told: Told) -> tuple[str, ...]:
    """Give the headings: budgets have names and limits, judgements two sides."""
    if any(check.name for check in told.checks):
        return (_HEADINGS[0], "budget", *_HEADINGS[1:4], "value", "interval", _HEADINGS[-1])
    return _HEADINGS


def cells(check: Check, named: bool) -> list[str]:
    """Give what stands below the headings; ``named`` where there is one for the budget."""
    told = [
        check.verdict,
        *([check.name] if named else []),
        check.service_name,
        check.operation or ("(all)" if check.service_name else ""),
        check.metric,
        values_text(check),
        effect_text(check),
        why_text(check),
    ]
    return [visible(text) for text in told]


def counts_text(told: Told) -> str:
    """Say how many checks have which verdict."""
    found = [check.verdict for check in told.checks]
    counts = [f"{found.count(each)} {each}" for each in ORDER if each in found]
    scored = "" if told.score is None else f"; score {told.score:.0f}"
    return f"{', '.join(counts) or 'nothing to judge'}{scored}"


def summary(told: Told) -> str:
    """Say it in a line."""
    return f"{told.verdict}: {told.title} ({counts_text(told)})"


def told_of_checks(
    checked: Checked, verdict: str, alpha: float, source: str = "tailgate.toml"
) -> Told:
    """Tell of budgets that stand in a file."""
    head = {
        "schema": CHECK_SCHEMA,
        "verdict": verdict,
        "alpha": alpha,
        "latency_minutes_version": checked.minutes_version,
    }
    told = (verdict, checked.checks, score(checked.checks), head)
    return Told("budgets", "tailgate check", *told, source)


def told_of_judgement(judgement: Judgement, why: tuple[Why, ...] = ()) -> Told:
    """Tell of a judgement, and of what explains it."""
    request = judgement.judged.request
    title = f"{side_text(request.canary)} against {side_text(request.baseline)}"
    told = (judgement.verdict, judgement.checks, judgement.score)
    return Told(title, "tailgate judge", *told, _head(judgement), why=why, notes=judgement.notes)


def document(told: Told) -> dict[str, Any]:
    """Give everything that is known, for programs: keys with units, null for unknown."""
    checks = [check_document(check) for check in told.checks]
    why = {"why": why_document(told.why)} if told.why else {}
    return dict(told.head) | {"checks": checks} | why


def schema_text() -> str:
    """Give the JSON Schema of a judgement's document."""
    path = Path(__file__).with_name("schemas") / "judgement-1.schema.json"
    return path.read_text(encoding="ascii")


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
        "baseline_windows": judged.windows,
        "baseline_last_minute": judged.last_minutes[0],
        "canary_last_minute": judged.last_minutes[1],
        "canary_traffic_ratio": None if judged.traffic is None else judged.traffic.share,
        "notes": list(judgement.notes),
        "settings": {
            "kind": judged.request.kind,
            "quantiles": list(judged.request.quantiles),
            "mix_by": list(judged.request.mix_by),
            "baseline_shift_minutes": judged.request.baseline_shift_minutes,
            "correction": tolerance.correction,
            "directions": dict(tolerance.directions),
            "split": tolerance.split,
            "exact": tolerance.exact,
            "critical_services": tolerance.critical_services,
        },
    }


def check_document(check: Check) -> dict[str, Any]:
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
        "p_operations": _known(check.p_operations),
        "mix_effect": _known(check.mix_effect),
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
