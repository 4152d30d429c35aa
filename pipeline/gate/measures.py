"""Measures: what shifts of quantiles and shares come to beside what is let through."""

import math
from dataclasses import dataclass

from pipeline.errors import UsageError
from pipeline.gate.verdict import CORRECTIONS, Measure
from pipeline.jobs.judge_answer import Comparison, Traffic
from pipeline.stats.share_shift import ShareShift
from pipeline.stats.shift import Shift
from pipeline.stats.traffic import split_p_value, split_reach

# A smaller growth of the error ratio is no failure, however sure it is.
_ERROR_FLOOR = 0.001

# Of the share that was meant.
_SPLIT_MARGIN = 0.1

# More time lessens the rest of the variance, so it tells what would settle a check.
_MOSTLY = 0.5

_NANO_A_MS = 1e6
_WEEK_MINUTES = 7 * 24 * 60
_MANY_TIMES = 10

INCREASE, DECREASE, EITHER = "increase", "decrease", "either"
DIRECTIONS = (INCREASE, DECREASE, EITHER)


@dataclass(frozen=True)
class Tolerance:
    """What is let through.

    Attributes:
        alpha: how often a sound canary may fail, over all checks together.
        relative: quantiles may grow by this share of the baseline's.
        absolute_ms: and by this much; both must be exceeded.
        error_difference: the error ratio may grow by this much, absolutely: a pass is sure of it.
        correction: for how many checks there are: holm, or bh for the share of false failures.
        directions: metric and which way is worse, where it is not an increase.
        split: the canary's share of requests that was meant; None for not told.
        exact: whether durations that never vary are told apart as they stand.
        critical_services: whether services as a whole count as well.

    Raises:
        UsageError: a direction or correction that is none, or a split that is no share.
    """

    alpha: float = 0.01
    relative: float = 0.05
    absolute_ms: float = 0.0
    error_difference: float = 0.01
    correction: str = "holm"
    directions: tuple[tuple[str, str], ...] = ()
    split: float | None = None
    exact: bool = False
    critical_services: bool = False

    def __post_init__(self) -> None:
        if self.correction not in CORRECTIONS:
            known = ", ".join(CORRECTIONS)
            raise UsageError(f"correction {self.correction}: not known; known: {known}")
        for metric, direction in self.directions:
            if direction not in DIRECTIONS:
                known = ", ".join(DIRECTIONS)
                raise UsageError(f"direction {metric}={direction}: none; known: {known}")
        if self.split is not None and not 0 < self.split < 1:
            raise UsageError(f"split {self.split:g}: not between 0 and 1; 0.05 is 5 per cent")

    def direction(self, metric: str) -> str:
        """Give which way of a metric is worse."""
        return dict(self.directions).get(metric, INCREASE)


def quantile_measure(
    shift: Shift, comparison: Comparison, tolerance: Tolerance, direction: str = INCREASE
) -> Measure:
    """Measure one quantile, as a ratio; the effect is positive where it is worse."""
    baseline, canary = (math.exp(each) / _NANO_A_MS for each in shift.log_quantiles)
    margin = math.log1p(max(tolerance.relative, tolerance.absolute_ms / baseline))
    alpha, both = tolerance.alpha, 1
    if direction == DECREASE or (direction == EITHER and shift.best.log_effect < 0):
        shift = shift.mirrored()
    if direction == EITHER:
        alpha, both = alpha / 2, 2
    low, high = shift.bounds(alpha)
    best = shift.best
    return Measure(
        baseline,
        canary,
        (comparison.baseline.effective, comparison.canary.effective),
        math.expm1(best.log_effect),
        math.expm1(low),
        math.expm1(high),
        math.expm1(margin),
        min(1.0, both * shift.p_value(margin)),
        math.expm1(shift.detectable(alpha)),
        best.method,
    )


def share_measure(shift: ShareShift, comparison: Comparison, tolerance: Tolerance) -> Measure:
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


def advice(measure: Measure, comparison: Comparison, shift: Shift | None = None) -> str:
    """Say what would bring the interval to one side of the margin; empty where it is on one."""
    if measure.high < measure.margin or measure.low > measure.margin:
        return ""
    if comparison.one_window:
        return "minutes of both sides at the same time would tell more"
    best = None if shift is None else shift.best
    if best is not None and best.method == "windows":
        return "more earlier windows would settle it"
    half = (measure.high - measure.low) / 2
    distance = abs(measure.margin - measure.effect)
    times = (half / distance) ** 2 if distance > 0 else math.inf
    if best is not None and best.between_instances > _MOSTLY:
        instances = comparison.baseline.instances + comparison.canary.instances
        return more_instances(instances, times)
    return more_minutes(comparison, times)


def more_instances(instances: int, times: float) -> str:
    """Say so many times the instances.

    >>> more_instances(10, 2.5)
    'instances differ more than minutes: about 15 more of them, or fewer differences between them'
    """
    many = "many more of them"
    if times < _MANY_TIMES:
        many = f"about {max(math.ceil(instances * (times - 1)), 1)} more of them"
    return f"instances differ more than minutes: {many}, or fewer differences between them"


def more_minutes(comparison: Comparison, times: float) -> str:
    """Say so many times the data in minutes at this traffic."""
    minutes = comparison.minutes * (times - 1)
    if not math.isfinite(minutes) or minutes > _WEEK_MINUTES:
        return "more instances would settle it sooner than more time"
    return f"about {max(math.ceil(minutes), 1)} more minutes at this traffic"


def split_measure(traffic: Traffic, split: float, alpha: float) -> Measure:
    """Measure how far the canary's share of requests is from what was meant, either way.

    Args:
        traffic: how requests are split; its error is known.
        split: the share meant; a tenth of it either way is let through.
        alpha: of the interval, one-sided.
    """
    effect, margin = abs(traffic.share - split), split * _SPLIT_MARGIN
    reach = split_reach(traffic.error, traffic.df, alpha / 2)
    return Measure(
        split,
        traffic.share,
        traffic.requests,
        effect,
        effect - reach,
        effect + reach,
        margin,
        split_p_value(effect - margin, traffic.error, traffic.df),
        reach,
        "blocks",
    )
