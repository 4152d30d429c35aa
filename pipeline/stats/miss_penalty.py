"""What a miss costs: the time of like requests that missed and that hit, compared.

Cold keys are larger and slower, and misses come in bursts, so the plain difference is no penalty.
Misses are held against hits of their own stratum, and strata weigh by their misses: the average
effect of treatment on the treated, by exact strata. Minutes differ as well: in some everything is
slow, and those have more misses. So whole minutes are drawn, and with them whole traces.

Source: Rubin (1977), Journal of Educational Statistics 2(1); Cameron, Gelbach and Miller (2008),
Review of Economics and Statistics 90(3), for the bootstrap of clusters; Davison and Hinkley (1997),
Bootstrap Methods and their Application, section 2.7, for what few of them lose.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.stats.bootstrap import (
    CONFIDENCE,
    DRAWS,
    UNKNOWN,
    Floats,
    Interval,
    generator,
    percentiles,
)
from pipeline.stats.distributions import normal_isf, student_isf
from pipeline.stats.hit_ratio import freedom_of

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# A stratum needs so many of either, or it is dropped.
LEAST_OF_EITHER = 5
DROPPED_MOST = 0.5
# Fewer minutes do not tell how minutes differ: then traces are drawn.
LEAST_MINUTES = 6


@dataclass(frozen=True)
class Lookups:
    """n lookups of a cache.

    Attributes:
        hit: whether it was there.
        duration: of the block that reads through, origin and all.
        weight: lookups that each stands for.
        stratum: which are alike, numbers from 0.
        trace: whose request it was, numbers from 0.
        minute: that its trace began in, numbers from 0; None for all in one.
    """

    hit: Bools
    duration: Floats
    weight: Floats
    stratum: Ints
    trace: Ints
    minute: Ints | None = None

    @property
    def drawn(self) -> Ints:
        """Give the numbers of what is drawn whole: minutes, or traces where these are few."""
        if self.minute is None or len(np.unique(self.minute)) < LEAST_MINUTES:
            return self.trace
        return self.minute


@dataclass(frozen=True)
class Penalty:
    """What a miss costs, in the unit of durations.

    Attributes:
        mean: of a miss over a hit of its stratum.
        median: difference of medians, weighted as the mean.
        naive: the plain difference of means: cold keys and bursts are in it.
        of_stratum: by stratum; NaN where it was dropped.
        misses: how many there are.
        dropped: share of the misses whose stratum has too few of either.
        reason: why it is not identified; empty where it is.
    """

    mean: Interval
    median: float
    naive: float
    of_stratum: Floats
    misses: float
    dropped: float
    reason: str


def miss_penalty(found: Lookups, key: tuple[str, ...]) -> Penalty:
    """Estimate what a miss costs, with a 90 % interval from a bootstrap of whole minutes.

    Args:
        found: the lookups.
        key: what they are of; draws depend on it alone.
    """
    strata = int(found.stratum.max(initial=-1)) + 1
    kept = kept_strata(found.stratum, found.hit)
    misses = _misses(found, strata)
    total = float(misses.sum())
    dropped = float(misses[~kept].sum() / total) if total else 1.0
    estimate, of_stratum = _matched(found, found.weight, kept, strata)
    reason = _why_not(found, total, dropped)
    drawn = _draws(found, kept, estimate, key) if not reason else np.array([])
    mean = percentiles(estimate, drawn) if not reason else UNKNOWN
    return Penalty(
        mean,
        _medians(found, kept, misses) if not reason else np.nan,
        _naive(found),
        of_stratum,
        total,
        dropped,
        reason,
    )


def kept_strata(stratum: Ints, hit: Bools) -> Bools:
    """Tell which strata, numbers from 0, have enough of either."""
    strata = int(stratum.max(initial=-1)) + 1
    counts = np.bincount(2 * stratum + hit, minlength=2 * strata).reshape(-1, 2)
    kept: Bools = np.all(counts >= LEAST_OF_EITHER, axis=1).astype(np.bool_)
    return kept


def numbered(parts: list[Ints]) -> Ints:
    """Give numbers from 0, one for each way that n lookups' parts come together.

    >>> numbered([np.array([5, 5, 9]), np.array([-1, 0, -1])]).tolist()
    [0, 1, 2]
    """
    number = np.zeros(len(parts[0]), dtype=np.int64)
    for part in parts:
        values, place = np.unique(part, return_inverse=True)
        # Numbered anew each time, so that the product stays below n times n.
        number = np.unique(number * len(values) + place, return_inverse=True)[1]
    return number.astype(np.int64)


def _why_not(found: Lookups, misses: float, dropped: float) -> str:
    """Say why nothing can be told; empty where it can."""
    if not misses:
        return "no lookup missed"
    if found.hit.all() or not found.hit.any():
        return "no lookup hit: nothing to compare misses with"
    if dropped > DROPPED_MOST:
        return (
            f"{100 * dropped:.0f} % of the misses have fewer than {LEAST_OF_EITHER} hits or misses "
            f"like them; collect for longer, or group keys with --key-class"
        )
    return ""


def _misses(found: Lookups, strata: int) -> Floats:
    """Give the weight of misses by stratum."""
    missed = ~found.hit
    sums = np.bincount(found.stratum[missed], found.weight[missed], strata)
    return sums.astype(np.float64)


def _matched(found: Lookups, weight: Floats, kept: Bools, strata: int) -> tuple[float, Floats]:
    """Give the penalty over all misses and by stratum."""
    cell = 2 * found.stratum + found.hit
    sizes = np.bincount(cell, weight, 2 * strata).reshape(-1, 2)
    sums = np.bincount(cell, weight * found.duration, 2 * strata).reshape(-1, 2)
    good = kept & (sizes > 0).all(axis=1)
    means = np.divide(sums, sizes, out=np.full_like(sums, np.nan), where=sizes > 0)
    by_stratum = np.where(good, means[:, 0] - means[:, 1], np.nan)
    misses = sizes[good, 0]
    total = float(misses.sum())
    mean = float((misses * by_stratum[good]).sum() / total) if total else np.nan
    return mean, by_stratum


def _draws(found: Lookups, kept: Bools, estimate: float, key: tuple[str, ...]) -> Floats:
    """Draw minutes or traces again and again, spread as few of them call for."""
    cluster = np.unique(found.drawn, return_inverse=True)[1].astype(np.int64)
    clusters = int(cluster.max()) + 1
    rng = generator(*key)
    times = (
        np.bincount(rng.integers(0, clusters, clusters), minlength=clusters) for _ in range(DRAWS)
    )
    drawn = drawn_penalties(found, cluster, kept, times)
    freedom = freedom_of(_parts(found, cluster, kept, estimate))
    misses = np.bincount(cluster, found.weight * ~found.hit)
    even = float(misses.sum() ** 2 / (misses**2).sum())
    return estimate + widening(even, freedom) * (drawn - estimate)


def _parts(found: Lookups, cluster: Ints, kept: Bools, estimate: float) -> Floats:
    """Give what each cluster moves the penalty by, all in one scale."""
    cells = 2 * len(kept)
    cell = 2 * found.stratum + found.hit
    sizes = np.bincount(cell, found.weight, cells).reshape(-1, 2)
    sums = np.bincount(cell, found.weight * found.duration, cells).reshape(-1, 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        usual = sums[:, 1] / sizes[:, 1]
        misses_a_hit = sizes[:, 0] / sizes[:, 1]
    beyond = found.duration - usual[found.stratum]
    moved = np.where(found.hit, -misses_a_hit[found.stratum] * beyond, beyond - estimate)
    counts = kept[found.stratum]
    return np.bincount(cluster[counts], (found.weight * moved)[counts]).astype(np.float64)


def widening(even: float, freedom: float) -> float:
    """Give by how much draws of few clusters are to be spread about their estimate.

    Args:
        even: as many clusters, of as many misses each, would tell as much; each of them pulls the
            estimate towards itself, as leaving it out would show.
        freedom: of the variance, which is itself a guess: Student's t.

    >>> round(widening(14.0, 6.0), 2), round(widening(1000.0, 900.0), 2)
    (1.27, 1.0)
    """
    alpha = (1 - CONFIDENCE) / 2
    unknown = student_isf(alpha, freedom) / normal_isf(alpha)
    return float(unknown * max(even, 2.0) / (max(even, 2.0) - 1))


def drawn_penalties(
    found: Lookups, cluster: Ints, kept: Bools, times: Iterable[NDArray[np.number]]
) -> Floats:
    """Give the matched penalty of each draw; NaN where a draw has no stratum of both.

    Args:
        found: n lookups.
        cluster: n numbers, from 0, of what is drawn whole.
        kept: which strata count.
        times: how often each cluster was drawn, a draw each.
    """
    cells = 2 * len(kept)
    # Summed up once: draws then cost as much as there are cells, and not lookups.
    flat = cluster * cells + 2 * found.stratum + found.hit
    places, first = np.unique(flat, return_inverse=True)
    sizes = np.bincount(first, found.weight)
    sums = np.bincount(first, found.weight * found.duration)
    whose, cell = places // cells, places % cells
    drawn = []
    for time in times:
        size = np.bincount(cell, time[whose] * sizes, cells).reshape(-1, 2)[kept]
        total = np.bincount(cell, time[whose] * sums, cells).reshape(-1, 2)[kept]
        both = (size > 0).all(axis=1)
        if not both.any():
            drawn.append(np.nan)
            continue
        means = total[both] / size[both]
        drawn.append(float(np.average(means[:, 0] - means[:, 1], weights=size[both, 0])))
    return np.array(drawn)


def _medians(found: Lookups, kept: Bools, misses: Floats) -> float:
    """Give the difference of medians, weighted by misses."""
    order = np.lexsort((found.duration, found.hit, found.stratum))
    cell = (2 * found.stratum + found.hit)[order]
    duration = found.duration[order]
    ends = np.searchsorted(cell, np.arange(2 * len(kept) + 1))
    first, count = ends[:-1], np.diff(ends)
    low = duration[np.minimum(first + (count - 1) // 2, len(duration) - 1)]
    high = duration[np.minimum(first + count // 2, len(duration) - 1)]
    middle = ((low + high) / 2).reshape(-1, 2)
    return float(np.average((middle[:, 0] - middle[:, 1])[kept], weights=misses[kept]))


def _naive(found: Lookups) -> float:
    """Give the difference of plain means; NaN where one side has nothing."""
    sizes = np.bincount(found.hit.astype(int), found.weight, 2)
    sums = np.bincount(found.hit.astype(int), found.weight * found.duration, 2)
    if not (sizes > 0).all():
        return float("nan")
    missed, hit = sums / sizes
    return float(missed - hit)
