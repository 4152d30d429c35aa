"""Steps in a series: a tree of scans, each step then put where squares are least.

Source: Scott and Knott (1974), Biometrics 30(3), for the tree; Kovács et al. (2023), Biometrika
110(1), for scanning parts of a series beside its whole.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.stats.change_effects import Scale
from pipeline.stats.change_fits import best_split
from pipeline.stats.change_scan import (
    RHO_MOST,
    Floats,
    about_two_means,
    autocorrelation,
    critical,
    p_value,
    scan,
    scannable,
    shortest,
)

# Cuts that lie closer together are one.
_APART = 3
# A known cut moves by this much at most.
_KNOWN_MOVES = 2
# A part shorter than this is not scanned by itself beside the whole.
_PART_LEAST = 20
_PART_LEVELS = 2
# What lies below this share of the least critical value is no step at any autocorrelation; the
# share leaves room for the error of both.
_CLEARLY_BELOW = 0.9


@dataclass(frozen=True)
class Cut:
    """A place in a series: how many points lie before it, and how sure it is.

    ``p_value`` is None where the cut was known before.
    """

    place: int
    p_value: float | None


def tree(series: Floats, start: int, alpha: float) -> tuple[list[Cut], float, float]:
    """Test a series from a place on, and the two sides of each cut that is found.

    Returns:
        Cuts by place; the p-value of no cut at all, 1 where there clearly is none; and the
        autocorrelation about the best cut.
    """
    cuts: list[Cut] = []
    root_p, root_rho = _tested(series[start:])[1:]
    waiting = [(start, len(series))]
    while waiting:
        first, end = waiting.pop()
        place, p, _ = _tested(series[first:end])
        if p <= alpha:
            cuts.append(Cut(first + place, p))
            waiting += [(first, first + place), (first + place, end)]
    return sorted(cuts, key=lambda cut: cut.place), root_p, root_rho


def _tested(series: Floats) -> tuple[int, float, float]:
    """Test the whole of a series, and parts of it: what went up and down again hides in a whole.

    Returns:
        The place that is surest, its p-value over all that was tested, and the autocorrelation.
    """
    if len(series) < 2 * shortest(len(series)):
        return 0, 1.0, 0.0
    best, best_p, whole_rho = 0, 1.0, 0.0
    for number, (first, end, share) in enumerate(_parts(len(series))):
        scores = scannable(series[None, first:end])
        statistics, places = scan(scores)
        statistic, n = float(statistics[0]), end - first
        unlikely = statistic >= _CLEARLY_BELOW * critical(n)
        if not unlikely and number:
            continue
        rho = float(autocorrelation(about_two_means(scores, places))[0])
        if number:
            # Of a short part it is known worse: what is to count must do so one error further on.
            rho = min(rho + math.sqrt((1 - rho * rho) / n), RHO_MOST)
        else:
            whole_rho = rho
        p = min(p_value(statistic, n, rho) / share, 1.0) if unlikely else 1.0
        if p < best_p:
            best, best_p = first + int(places[0]), p
    return best, best_p, whole_rho


def _parts(n: int) -> list[tuple[int, int, float]]:
    """Give what of n points is scanned, with its share of alpha.

    The whole gets half of it, halves and quarters that overlap by half get the other.

    >>> [(first, end, round(share, 3)) for first, end, share in _parts(40)]
    [(0, 40, 0.5), (0, 20, 0.167), (10, 30, 0.167), (20, 40, 0.167)]
    """
    parts = []
    for level in range(1, _PART_LEVELS + 1):
        length = n >> level
        if length < _PART_LEAST:
            break
        last = (2 << level) - 2
        starts = [number * (n - length) // last for number in range(last + 1)]
        parts += [(start, start + length) for start in starts]
    if not parts:
        return [(0, n, 1.0)]
    return [(0, n, 0.5), *((first, end, 0.5 / len(parts)) for first, end in parts)]


def settle(
    series: Floats, cuts: Sequence[Cut], sigma: float, least_change: float, scale: Scale
) -> list[Cut]:
    """Put each cut where squares are least between its neighbours; merge and drop.

    Args:
        series: the points, on the scale.
        cuts: those known before stay, within two points of where they were.
        sigma: the scatter; smaller changes are dropped.
        least_change: changes smaller than this ratio are dropped.
        scale: of the points.

    Returns:
        Cuts by place, three points or more apart but for known ones.
    """
    left = sorted(cuts, key=lambda cut: cut.place)
    while True:
        left = _moved(series, left)
        weakest, least = None, math.inf
        for number, cut in enumerate(left):
            first, end = neighbours(left, number, len(series))
            before, after = series[first : cut.place], series[cut.place : end]
            size, strength = _strength(before, after)
            small = size < max(sigma, scale.least(least_change, float(before.mean())))
            unsure = strength < _CLEARLY_BELOW * critical(max(end - first, 10))
            near = min(len(before), len(after)) < _APART
            if cut.p_value is not None and (small or unsure or near) and strength < least:
                weakest, least = number, strength
        if weakest is None:
            return left
        del left[weakest]


def neighbours(cuts: Sequence[Cut], number: int, n: int) -> tuple[int, int]:
    """Give where the level before a cut begins and the one after it ends."""
    first = cuts[number - 1].place if number else 0
    end = cuts[number + 1].place if number + 1 < len(cuts) else n
    return first, end


def _moved(series: Floats, cuts: list[Cut]) -> list[Cut]:
    """Put each cut where squares are least between its neighbours."""
    moved = list(cuts)
    for number, cut in enumerate(moved):
        first, end = neighbours(moved, number, len(series))
        if end - first < 2 * shortest(end - first):
            continue
        place = first + best_split(series[first:end])[0]
        if cut.p_value is None:
            place = min(max(place, cut.place - _KNOWN_MOVES), cut.place + _KNOWN_MOVES)
        moved[number] = replace(cut, place=place)
    return moved


def _strength(before: Floats, after: Floats) -> tuple[float, float]:
    """Give how large the step between two levels is, and its t statistic."""
    size = abs(float(after.mean()) - float(before.mean()))
    n = len(before) + len(after)
    squares = float(before.var() * len(before) + after.var() * len(after))
    error = math.sqrt(squares / max(n - 2, 1) * (1 / len(before) + 1 / len(after)))
    return size, size / error if error > 0 else math.inf
