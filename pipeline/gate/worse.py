"""By how much the canary is worse, whichever way worse is: up, down, or either."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from pipeline.gate.budgets import Budget
from pipeline.gate.verdict import Measure
from pipeline.jobs.named_metrics import DECREASE, EITHER
from pipeline.stats.series_shift import SeriesShift
from pipeline.stats.shift import Shift

# A fall of all of it has no logarithm; nothing can fall further than this.
_ALL_BUT = 1e-9


class _OneWay(Protocol):
    """A shift that can be asked how sure it is."""

    def p_value(self, margin: float) -> float:
        """Give the one-sided p-value against a shift of at most ``margin``."""

    def bounds(self, alpha: float) -> tuple[float, float]:
        """Give the bounds at one-sided level alpha each."""

    def detectable(self, alpha: float) -> float:
        """Give the least shift that would be found."""


@dataclass(frozen=True)
class Shifted:
    """A shift, and the same seen from the other side.

    Attributes:
        up, down: the canary above the baseline, and below it.
        effect: of ``up``; that of ``down`` is its opposite.
        values: of baseline and canary.
        is_log: whether effects are logarithms of ratios, or differences.
        method: which one decides.
    """

    up: _OneWay
    down: _OneWay
    effect: float
    values: tuple[float, float]
    is_log: bool
    method: str

    @classmethod
    def of_series(cls, shift: SeriesShift) -> "Shifted":
        """Take the shift of a series."""
        return cls(shift, shift.reversed(), shift.effect, shift.values, shift.is_log, shift.method)

    @classmethod
    def of_quantile(cls, shift: Shift, values: tuple[float, float]) -> "Shifted":
        """Take the shift of a quantile."""
        best = shift.best
        return cls(shift, shift.mirrored(), best.log_effect, values, True, best.method)


@dataclass(frozen=True)
class _Way:
    """One direction of getting worse.

    Attributes:
        shift: in this direction.
        effect: of it.
        margin: what is let through, as the shift takes it.
        told: makes of an effect what people are told; rises with it.
    """

    shift: _OneWay
    effect: float
    margin: float
    told: Callable[[float], float]


def worse_measure(
    budget: Budget, shifted: Shifted, n: tuple[float, float], alpha: float, scale: str
) -> tuple[Measure, str] | str:
    """Measure how much worse the canary is, and say in which scale; or why that cannot be told.

    Args:
        budget: gives the direction and what is let through.
        shifted: what was found.
        n: effective observations of baseline and canary.
        alpha: one-sided; half of it goes to each side where either is worse.
        scale: ``difference`` for shares, else ``ratio``.
    """
    baseline, canary = shifted.values
    if shifted.is_log:
        ways = _logarithmic(budget, shifted)
        return _measure(budget, shifted, ways, n, alpha), "ratio"
    margin = max(budget.increase_ratio * abs(baseline), budget.increase)
    unit = abs(baseline) if scale == "ratio" and baseline != 0 else 1.0
    measure = _measure(budget, shifted, _linear(shifted, margin, unit), n, alpha)
    if scale == "difference" or baseline != 0 or canary == 0:
        return measure, scale
    if budget.increase == 0:
        return (
            f"baseline_is_zero: {canary:g} beside 0 is no percentage; "
            "give a tolerance in the metric's unit"
        )
    # The limit stands where the baseline, which is 0, would.
    return replace(measure, baseline=margin), "limit"


def _logarithmic(budget: Budget, shifted: Shifted) -> tuple[_Way, _Way]:
    """Give both ways of a ratio: up by a share of the baseline, and down by one."""
    part = max(budget.increase_ratio, budget.increase / abs(shifted.values[0]))
    down = -math.log1p(-min(part, 1 - _ALL_BUT))
    return (
        _Way(shifted.up, shifted.effect, math.log1p(part), math.expm1),
        _Way(shifted.down, -shifted.effect, down, lambda log: -math.expm1(-log)),
    )


def _linear(shifted: Shifted, margin: float, unit: float) -> tuple[_Way, _Way]:
    """Give both ways of a difference, told in so much of a unit."""

    def told(difference: float) -> float:
        return difference / unit

    return (
        _Way(shifted.up, shifted.effect, margin, told),
        _Way(shifted.down, -shifted.effect, margin, told),
    )


def _measure(
    budget: Budget,
    shifted: Shifted,
    ways: tuple[_Way, _Way],
    n: tuple[float, float],
    alpha: float,
) -> Measure:
    """Measure in the direction that is worse, or in the one that it went where either is."""
    up, down = ways
    if budget.direction != EITHER:
        chosen = down if budget.direction == DECREASE else up
        low, high = chosen.shift.bounds(alpha)
        p_value = chosen.shift.p_value(chosen.margin)
        level = alpha
    else:
        level = alpha / 2
        chosen, other = (up, down) if up.effect >= 0 else (down, up)
        low, high = chosen.shift.bounds(level)
        p_value = min(1.0, 2 * min(way.shift.p_value(way.margin) for way in ways))
        # Of the size of a change: no less than 0, and as far as either way may reach.
        low, high = max(low, 0.0), max(high, other.shift.bounds(level)[1])
    return Measure(
        *shifted.values,
        n,
        chosen.told(chosen.effect),
        chosen.told(low),
        chosen.told(high),
        chosen.told(chosen.margin),
        p_value,
        chosen.told(chosen.shift.detectable(level)),
        shifted.method,
    )
