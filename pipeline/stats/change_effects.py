"""What a change is: where, how much, whether it lasts; steps, drifts, and steps to be."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t as student

from pipeline.stats.change_fits import (
    best_split,
    broken_line,
    information,
    likely_places,
    line,
    slope_p_value,
)
from pipeline.stats.change_scan import Floats, autocorrelation, inflation, shortest
from pipeline.stats.distributions import MAD_TO_SIGMA

STEP, DRIFT = "step", "drift"
PENDING, WENT_AWAY, CONFIRMED = "pending", "went_away", "confirmed"

# So many points after a change confirm it, by the median of the fourth to the eighth.
_LASTING_LEAST, _LASTING_MOST = 4, 8
# What is given back of a change that went away.
_GIVEN_BACK = 0.5
# A fit must be better by as much before a step is called a drift: strong evidence on the scale of
# Kass and Raftery (1995), JASA 90(430).
_STRONG = 6.0
_DRIFT_LEAST = 12
_BEND_LEAST = 8
# The last two or three points all this far off, on one side, may be the start of a step.
_PENDING_SIGMAS = 4.0
_PENDING_LEAST = 8
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Scale:
    """How values are compared: as logarithms where all are above zero, so effects are ratios."""

    log: bool = True

    def measured(self, values: Floats) -> Floats:
        """Put values on the scale."""
        return np.log(values) if self.log else values

    def value(self, measured: float) -> float:
        """Take one off the scale."""
        return math.exp(measured) if self.log else measured

    def effect(self, difference: float) -> float:
        """Give what a difference on the scale comes to: a ratio less one, or the difference."""
        return math.expm1(difference) if self.log else difference

    def least(self, change: float, before: float) -> float:
        """Give the difference on the scale that a relative change of a level comes to."""
        return math.log1p(change) if self.log else change * abs(before)


@dataclass(frozen=True)
class Change:
    """One change of a series; places count points from 0.

    Attributes:
        kind: ``step`` or ``drift``.
        status: ``confirmed``, ``went_away``, or ``pending`` with fewer than four points after it.
        place: the first point after a step; where a drift begins.
        last_before: the point before it.
        earliest, latest: where the first point after may be instead, with 95 % confidence; of a
            drift, from where to where it goes.
        before, after: levels, in the unit of the values.
        effect, low, high: after over before less one, or the difference where a value is zero or
            less, and its 95 % interval.
        n: points before and after that they are of.
        p_value: of noise alone; None for a change known before, and a pending one.
        known: whether it was known before.
    """

    kind: str
    status: str
    place: int
    last_before: int
    earliest: int
    latest: int
    before: float
    after: float
    effect: float
    low: float
    high: float
    n: tuple[int, int]
    p_value: float | None
    known: bool = False

    def at(self, counted: Callable[[int], int]) -> "Change":
        """Count its places otherwise."""
        return replace(
            self,
            place=counted(self.place),
            last_before=counted(self.last_before),
            earliest=counted(self.earliest),
            latest=counted(self.latest),
        )


def step_of(
    series: Floats, bounds: tuple[int, int, int], scale: Scale, p_value: float | None
) -> Change:
    """Describe a step.

    Args:
        series: all points, on the scale.
        bounds: the place before it where the level begins, its own, and where the next level ends.
        scale: of the series.
        p_value: how surely it is one.
    """
    first, place, end = bounds
    before, after = series[first:place], series[place:end]
    counts = (len(before), len(after))
    levels = float(before.mean()), float(after.mean())
    rest = np.concatenate([before - levels[0], after - levels[1]])
    rho = float(autocorrelation(rest))
    df = max((len(rest) - 2) / float(inflation(rho)) ** 2, 1.0)
    error = math.sqrt(float(rest @ rest) / max(len(rest) - 2, 1) * (1 / counts[0] + 1 / counts[1]))
    reach = error * float(inflation(rho)) * float(student.isf((1 - _CONFIDENCE) / 2, df))
    difference = levels[1] - levels[0]
    earliest, latest = place, place
    if len(rest) >= 2 * shortest(len(rest)):
        earliest, latest = (first + each for each in likely_places(series[first:end], rho))
    return Change(
        kind=STEP,
        status=_status(series, place, levels),
        place=place,
        last_before=place - 1,
        earliest=min(earliest, place),
        latest=max(latest, place),
        before=scale.value(levels[0]),
        after=scale.value(levels[1]),
        effect=scale.effect(difference),
        low=scale.effect(difference - reach),
        high=scale.effect(difference + reach),
        n=counts,
        p_value=p_value,
    )


def _status(series: Floats, place: int, levels: tuple[float, float]) -> str:
    """Tell whether a step lasts."""
    if len(series) - place < _LASTING_LEAST:
        return PENDING
    later = float(np.median(series[place + _LASTING_LEAST - 1 : place + _LASTING_MOST]))
    # From the level that its first points had: that of all points has given back already.
    reached = float(np.median(series[place : place + _LASTING_LEAST - 1]))
    most = max(abs(reached - levels[0]), abs(levels[1] - levels[0]))
    sign = math.copysign(1.0, levels[1] - levels[0])
    return WENT_AWAY if (later - levels[0]) * sign < (1 - _GIVEN_BACK) * most else CONFIRMED


def drift_of(
    part: Floats, steps: Sequence[int], scale: Scale, p_value: float, alpha: float, least: float
) -> Change | None:
    """Tell whether a series drifts rather than steps.

    Args:
        part: the points, on the scale.
        steps: places where it was found to step, ascending.
        scale: of the points.
        p_value: of the steps.
        alpha: how often noise may drift where no step was found.
        least: the smallest rise or fall of interest, on the scale.

    Returns:
        The drift, where a line or one that bends once tells more than steps do; else None.
    """
    n = len(part)
    if n < _DRIFT_LEAST:
        return None
    slope, rest = line(part)
    straight = information(float(rest @ rest), n, 2)
    first, end, rise = 0, n, slope * (n - 1)
    if steps:
        levels = np.split(part, steps)
        squares = sum(float(np.square(level - level.mean()).sum()) for level in levels)
        knot, early, late, bent_squares = broken_line(part)
        bent = information(bent_squares, n, 4)
        if min(straight, bent) + _STRONG > information(squares, n, 2 * len(steps) + 1):
            return None
        if bent < straight:
            spans = ((0, knot + 1, early * knot), (knot, n, late * (n - 1 - knot)))
            first, end, rise = max(spans, key=lambda span: abs(span[2]))
    else:
        p_value = slope_p_value(slope, rest, float(autocorrelation(rest)))
        if p_value > alpha or straight > information(best_split(part)[1], n, 3):
            return None
    if abs(rise) < least or end - first < _BEND_LEAST:
        return None
    return _drift(part, first, end, scale, p_value)


def _drift(part: Floats, first: int, end: int, scale: Scale, p_value: float) -> Change:
    """Describe a drift by the line through its own points."""
    own = part[first:end]
    n = len(own)
    slope, rest = line(own)
    rho = float(autocorrelation(rest))
    df = max((n - 2) / float(inflation(rho)) ** 2, 1.0)
    error = math.sqrt(float(rest @ rest) / (n - 2) / (n * (n * n - 1) / 12)) * float(inflation(rho))
    reach = error * (n - 1) * float(student.isf((1 - _CONFIDENCE) / 2, df))
    rise, middle = slope * (n - 1), float(own.mean())
    return Change(
        kind=DRIFT,
        status=CONFIRMED,
        place=first,
        last_before=max(first - 1, 0),
        earliest=first,
        latest=end - 1,
        before=scale.value(middle - rise / 2),
        after=scale.value(middle + rise / 2),
        effect=scale.effect(rise),
        low=scale.effect(rise - reach),
        high=scale.effect(rise + reach),
        n=(n, n),
        p_value=p_value,
    )


def pending_of(series: Floats, start: int, scale: Scale) -> Change | None:
    """Tell whether the last two or three points may be the start of a step.

    Args:
        series: all points, those that stand alone too, on the scale.
        start: where the last level begins.
        scale: of the series.
    """
    for after in range(_LASTING_LEAST - 1, 1, -1):
        place = len(series) - after
        level = series[start:place]
        if len(level) < _PENDING_LEAST:
            continue
        # Of the level itself: neighbours that are alike scatter less about their running median.
        middle = float(np.median(level))
        sigma = max(MAD_TO_SIGMA * float(np.median(np.abs(level - middle))), float(np.std(level)))
        off = series[place:] - middle
        far = off > _PENDING_SIGMAS * sigma, off < -_PENDING_SIGMAS * sigma
        if sigma > 0 and (far[0].all() or far[1].all()):
            return step_of(series, (start, place, len(series)), scale, None)
    return None
