"""Where a series changed, by how much and how surely.

A change is told apart from noise whose neighbours are alike, from points that stand alone and from
a drift; it is confirmed when it lasts.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.stats.change_effects import Change, Scale, drift_of, pending_of, step_of
from pipeline.stats.change_fits import noise
from pipeline.stats.change_scan import Floats, Integers, critical, inflation, shortest
from pipeline.stats.change_tree import Cut, neighbours, settle, tree

ALPHA = 0.01
# A change of less than this is of no interest, however sure.
LEAST_CHANGE = 0.02
# What a series hides is told for 80 % power: this many standard errors beyond the critical value.
_POWER_Z = 0.8416


@dataclass(frozen=True)
class Found:
    """What was found in a series.

    Attributes:
        n: points with a value.
        enough: whether they are enough to look for a change at all.
        changes: in the order of time.
        outliers: places of points that stand alone, among those given.
        scale: how effects are measured.
        rho: autocorrelation about the best step, on the safe side.
        p_value: of no change since the last one known; 1 where there clearly is none.
        detectable: the least step in the middle that is found in 80 %, as an effect.
    """

    n: int
    enough: bool
    changes: tuple[Change, ...] = ()
    outliers: tuple[int, ...] = ()
    scale: Scale = field(default_factory=Scale)
    rho: float = math.nan
    p_value: float = 1.0
    detectable: float = math.nan


def find_changes(
    values: Sequence[float] | Floats,
    known: Iterable[int] = (),
    alpha: float = ALPHA,
    least_change: float = LEAST_CHANGE,
) -> Found:
    """Find where a series changed.

    Args:
        values: one a run or window, in the order of time; what is not finite is left out.
        known: places of changes that were confirmed before: the first point after each. They stay,
            moved by two points at most, and only what comes after the last is tested.
        alpha: how often a series of noise may show a change, between 0 and 1.
        least_change: changes smaller than this ratio are left out, as are those below one sigma.

    Returns:
        The changes; places count all values given, also those that were left out.

    >>> quiet = [10.0, 10.2, 9.9, 10.1, 9.8, 10.0, 10.1, 9.9, 10.2, 9.8]
    >>> found = find_changes(quiet + [value + 3 for value in quiet])
    >>> [(change.place, round(change.effect, 2), change.status) for change in found.changes]
    [(10, 0.3, 'confirmed')]
    """
    given = np.asarray(values, dtype=np.float64)
    finite = np.flatnonzero(np.isfinite(given))
    if len(finite) < 2 * shortest(len(finite)):
        return Found(len(finite), enough=False)
    scale = Scale(log=bool(given[finite].min() > 0))
    whole = scale.measured(given[finite])
    sigma, lonely = noise(whole)
    kept = np.delete(finite, lonely)
    series = np.delete(whole, lonely)
    # A known change stays where its first point has no value any more: the next one stands for it.
    before = sorted({int(np.searchsorted(kept, place)) for place in known})
    before = [place for place in before if 0 < place < len(kept)]
    start = before[-1] if before else 0
    cuts, p, rho = tree(series, start, alpha)
    cuts = settle(
        series, [*(Cut(place, None) for place in before), *cuts], sigma, least_change, scale
    )
    changes, p = _described(series, cuts, start, p, alpha, (sigma, least_change), scale)
    changes = [_placed(change, kept) for change in changes]
    pending = pending_of(whole, _last_level(changes, finite), scale)
    if pending is not None:
        changes.append(_placed(pending, finite))
    outliers = tuple(int(place) for place in finite[lonely])
    least = _detectable(series[start:], [cut.place - start for cut in cuts], rho)
    return Found(len(finite), True, tuple(changes), outliers, scale, rho, p, scale.effect(least))


def _described(
    series: Floats,
    cuts: list[Cut],
    start: int,
    p: float,
    alpha: float,
    least: tuple[float, float],
    scale: Scale,
) -> tuple[list[Change], float]:
    """Describe the steps, or the drift that tells more than those that are new."""
    steps = [
        replace(
            step_of(series, (first, cut.place, end), scale, cut.p_value),
            known=cut.p_value is None,
        )
        for number, cut in enumerate(cuts)
        for first, end in [neighbours(cuts, number, len(series))]
    ]
    known = [step for step in steps if step.known]
    part = series[known[-1].place if known else 0 :]
    places = [step.place - (len(series) - len(part)) for step in steps if not step.known]
    size = max(least[0], scale.least(least[1], float(part.mean())))
    drift = drift_of(part, places, scale, p, alpha / 4, size)
    if drift is None:
        return steps, p
    shift = len(series) - len(part)
    return [*known, drift.at(lambda place: place + shift)], min(p, drift.p_value or p)


def _last_level(changes: list[Change], finite: Integers) -> int:
    """Give where the last level begins, among the points that have a value."""
    return int(np.searchsorted(finite, changes[-1].place)) if changes else 0


def _detectable(series: Floats, places: list[int], rho: float) -> float:
    """Give the least step in the middle that is found in 80 %, on the scale of a series."""
    levels = np.split(series, [place for place in places if place > 0])
    rest = np.concatenate([level - level.mean() for level in levels])
    n = max(len(series), 2 * shortest(len(series)))
    errors = critical(n) + _POWER_Z
    return errors * float(np.std(rest)) * 2 / math.sqrt(n) * float(inflation(rho))


def _placed(change: Change, kept: Integers) -> Change:
    """Count places among all points given, instead of those looked at."""
    return change.at(lambda place: int(kept[place]))
