"""Where a check stands at a look: bounds, p-value and evidence that hold over all looks."""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

from pipeline.errors import UsageError
from pipeline.gate.judgement import LEAST_MINUTES
from pipeline.gate.measures import DECREASE, EITHER, Tolerance
from pipeline.gate.verdict import Check, Measure
from pipeline.jobs.judge_answer import Comparison
from pipeline.stats.e_values import Evidence, evidence
from pipeline.stats.sequential import Plan
from pipeline.stats.shift import Shift

LOOKS, ANYTIME, BOTH = "looks", "anytime", "both"
RULES = (BOTH, LOOKS, ANYTIME)

# exp of more is no number; no ratio of durations is that large.
_LARGEST_LOG = 700.0

# The normal score that 80 % lie below.
_POWER = 0.8416


@dataclass(frozen=True)
class Watch:
    """How a canary is watched, set before there is any data.

    Attributes:
        horizon: minutes of both sides after which the last look is taken.
        looks: how many are planned, at even distances.
        rule: both, looks or anytime.
        stop_on_pass: whether a sure pass ends it early; a sure fail always does.
        tolerance: what is let through, and alpha over all checks, looks and rules.

    Raises:
        UsageError: a horizon too short to judge by, no look, or a rule that is none.
    """

    horizon: int = 30
    looks: int = 6
    rule: str = BOTH
    stop_on_pass: bool = False
    tolerance: Tolerance = field(default_factory=Tolerance)

    def __post_init__(self) -> None:
        if self.horizon < LEAST_MINUTES:
            raise UsageError(
                f"watch: {self.horizon} minutes; {LEAST_MINUTES} are the least to judge by"
            )
        if self.looks < 1:
            raise UsageError("watch: no look is planned; plan 1 or more, 6 is usual")
        if self.rule not in RULES:
            raise UsageError(f"watch: rule {self.rule}: none; known: {', '.join(RULES)}")

    @cached_property
    def planned(self) -> tuple[int, ...]:
        """Give the minutes of the planned looks; none is too early for a verdict."""
        even = (self.horizon * look / self.looks for look in range(1, self.looks + 1))
        return tuple(sorted({max(LEAST_MINUTES, math.floor(each + 0.5)) for each in even}))

    @cached_property
    def plan(self) -> Plan:
        """Give the planned looks and their boundaries, as if they were the only rule."""
        fractions = tuple(minute / self.horizon for minute in self.planned)
        return Plan(fractions, self.tolerance.alpha)

    @cached_property
    def bounding(self) -> Plan:
        """Give the looks by whose levels bounds are made: of half alpha where e-values pass too."""
        halved = self.stop_on_pass and self.rule == BOTH
        return replace(self.plan, alpha=self.plan.alpha / 2) if halved else self.plan

    def alpha_spent(self, minute: int) -> float:
        """Give how much of alpha is used up; e-values use theirs from the first look on."""
        alpha = self.tolerance.alpha
        if self.rule == ANYTIME:
            return alpha
        plan = replace(self.plan, alpha=alpha / 2) if self.rule == BOTH else self.plan
        done = sum(each <= minute for each in self.planned)
        looks = plan.spent[done - 1] if done else 0.0
        return looks + alpha / 2 if self.rule == BOTH else looks


@dataclass(frozen=True)
class Standing:
    """Where a check stands at a look.

    Attributes:
        check: with its verdict so far; bounds and p-value hold over all looks.
        evidence: None where there is none, as for errors or before there are enough blocks.
        progress: towards a fail, 0 to 1; 1 is one.
        passes: whether the e-value alone is sure that it is within the margin.
    """

    check: Check
    evidence: Evidence | None
    progress: float
    passes: bool = False


def standing_of(
    check: Check,
    comparison: Comparison | None,
    p: float | None,
    look: tuple[Watch, int, int | None],
) -> Standing:
    """Give a check the bounds and the p-value that hold over all looks.

    Args:
        check: with the judge's measure, as if it were looked at once.
        comparison: what it is of; None for how requests are split.
        p: the quantile; None for a share.
        look: the watch, the minute, and the number of the planned look, None between them.
    """
    watch, minute, number = look
    measure = check.measure
    if measure is None:
        return Standing(check, None, 0.0)
    shift = None if p is None or comparison is None else comparison.shifts.get(p)
    weighed, both, error, p_values = None, 1, 0.0, []
    if shift is not None and comparison is not None and p is not None:
        shift, both = _directed(shift, watch.tolerance.direction(check.metric))
        error = shift.best.error
        if watch.rule != LOOKS:
            weighed = _evidence(shift, comparison, measure, p, watch.tolerance.alpha / both)
    # Shares have no e-value: planned looks are all that they have, whatever the rule.
    parts = 2 if watch.rule == BOTH and shift is not None else 1
    bounds = (-math.inf, math.inf)
    if weighed is not None:
        p_values.append(both * weighed.p_value)
        bounds = (_ratio(weighed.low), _ratio(weighed.high))
    if number is not None and (watch.rule != ANYTIME or shift is None):
        p_value, bounds = _at_look(check, measure, (shift, comparison), (watch, number, both))
        p_values.append(p_value)
    least = min(1.0, parts * min(p_values, default=1.0))
    detectable = _detectable(bounds, error if shift is not None else None)
    low, high = bounds
    measure = replace(measure, low=low, high=high, p_value=least, detectable=detectable)
    reason = check.reason if p_values else _why_not(watch, minute)
    passes = weighed is not None and weighed.log_e_within >= -math.log(2 * watch.bounding.alpha)
    shared = watch.stop_on_pass and watch.rule == BOTH and number is not None
    return Standing(replace(check, measure=measure, reason=reason), weighed, 0.0, shared and passes)


def _why_not(watch: Watch, minute: int) -> str:
    """Say why nothing may be said of a check at a look; it is measured again at the next."""
    if watch.rule == ANYTIME:
        return "too few blocks of time for an e-value"
    upcoming = [each for each in watch.planned if each > minute]
    return f"next tested in minute {upcoming[0]}" if upcoming else "no look is left"


def _detectable(bounds: tuple[float, float], error: float | None) -> float:
    """Give the least effect that these bounds would tell from none, with 80 % power.

    Args:
        bounds: in the check's own scale.
        error: standard error of a quantile's logarithm; None for a share, of which half the
            interval is told.
    """
    low, high = bounds
    if error is None or not (low > -1.0 and math.isfinite(high)):
        return (high - low) / 2
    return _ratio((math.log1p(high) - math.log1p(low)) / 2 + _POWER * error)


def _directed(shift: Shift, direction: str) -> tuple[Shift, int]:
    """Turn a shift so that worse is more, and say how many directions are tested."""
    if direction == EITHER:
        return (shift.mirrored() if shift.best.log_effect < 0 else shift), 2
    return (shift.mirrored() if direction == DECREASE else shift), 1


def _evidence(
    shift: Shift, comparison: Comparison, measure: Measure, p: float, alpha: float
) -> Evidence | None:
    """Weigh a quantile of an operation."""
    requests = min(comparison.baseline.effective, comparison.canary.effective)
    margin = math.log1p(measure.margin)
    return evidence(shift, comparison.minutes, requests, p, margin, alpha)


def _at_look(
    check: Check,
    measure: Measure,
    found: tuple[Shift | None, Comparison | None],
    look: tuple[Watch, int, int],
) -> tuple[float, tuple[float, float]]:
    """Give a check's p-value over all planned looks, and its bounds at one, in its own scale.

    Args:
        check, measure: as the judge has them.
        found: the quantile's shift, None for a share, and what it is of.
        look: the watch, the number of the look, and how many directions are tested.
    """
    (shift, comparison), (watch, number, both) = found, look
    level = watch.bounding.levels[number] / both
    bounds = (-math.inf, math.inf)
    if shift is not None and level > 0:
        low, high = shift.bounds(level)
        bounds = (_ratio(low), _ratio(high))
    elif comparison is None:
        # How requests are split: the judge's own bounds, which only a pass goes by.
        bounds = (measure.low, measure.high)
    elif level > 0:
        shares = {
            "error_ratio": comparison.errors,
            "error_5xx_ratio": comparison.errors_5xx,
            "error_4xx_ratio": comparison.errors_4xx,
        }
        share = shares.get(check.metric)
        bounds = (-1.0, 1.0) if share is None else share.bounds(level)
    return watch.plan.p_value(number, measure.p_value), bounds


def _ratio(log: float) -> float:
    """Give a ratio less one, of a logarithm of any size."""
    return math.expm1(log) if log < _LARGEST_LOG else math.inf
