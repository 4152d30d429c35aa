"""What a miss costs: the time of like requests that missed and that hit, compared.

Cold keys are larger and slower, and misses come in bursts, so the plain difference is no penalty.
Misses are held against hits of their own stratum, and strata weigh by their misses: the average
effect of treatment on the treated, by exact strata.

Source: Rubin (1977), Journal of Educational Statistics 2(1); Cameron, Gelbach and Miller (2008),
Review of Economics and Statistics 90(3), for the bootstrap of clusters.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.stats.bootstrap import DRAWS, Floats, Interval, generator, percentiles

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# A stratum needs so many of either, or it is dropped.
LEAST_OF_EITHER = 5
DROPPED_MOST = 0.5
_WHAT_IF_DRAWS = 200


@dataclass(frozen=True)
class Lookups:
    """n lookups of a cache.

    Attributes:
        hit: whether it was there.
        duration: of the block that reads through, origin and all.
        weight: lookups that each stands for.
        stratum: which are alike, numbers from 0.
        trace: whose request it was, numbers from 0.
    """

    hit: Bools
    duration: Floats
    weight: Floats
    stratum: Ints
    trace: Ints


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
    """Estimate what a miss costs, with a 90 % interval from a bootstrap of whole traces.

    Args:
        found: the lookups.
        key: what they are of; draws depend on it alone.
    """
    strata = int(found.stratum.max(initial=-1)) + 1
    counts = np.bincount(2 * found.stratum + found.hit, minlength=2 * strata).reshape(-1, 2)
    kept: Bools = np.all(counts >= LEAST_OF_EITHER, axis=1).astype(np.bool_)
    misses = _misses(found, strata)
    total = float(misses.sum())
    dropped = float(misses[~kept].sum() / total) if total else 1.0
    estimate, of_stratum = _matched(found, found.weight, kept, strata)
    reason = _why_not(found, total, dropped)
    drawn = _draws(found, kept, strata, key) if not reason else np.array([])
    mean = percentiles(estimate, drawn) if not reason else Interval(np.nan, np.nan, np.nan)
    return Penalty(
        mean,
        _medians(found, kept, misses) if not reason else np.nan,
        _naive(found),
        of_stratum,
        total,
        dropped,
        reason,
    )


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


def _draws(found: Lookups, kept: Bools, strata: int, key: tuple[str, ...]) -> Floats:
    """Draw whole traces again and again."""
    rng = generator(*key)
    traces = int(found.trace.max()) + 1
    drawn = []
    for _ in range(DRAWS):
        times = np.bincount(rng.integers(0, traces, traces), minlength=traces)
        drawn.append(_matched(found, found.weight * times[found.trace], kept, strata)[0])
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


def quantile_if(
    duration: Floats,
    request: Ints,
    saving: Floats,
    kept_share: float,
    quantile: float,
    key: tuple[str, ...],
) -> float:
    """Give a quantile of requests if only a share of the misses were left.

    Args:
        duration: r requests.
        request: m misses, by the place of their request.
        saving: m, what each would have saved as a hit.
        kept_share: of the misses that stay, from 0 to 1.
        quantile: between 0 and 1.
        key: what it is of; draws depend on it alone.

    Returns:
        The mean of 200 draws of which misses stay; one for none and for all.
    """
    rng = generator(*key)
    draws = _WHAT_IF_DRAWS if 0 < kept_share < 1 else 1
    found = []
    for _ in range(draws):
        gone = rng.random(len(request)) >= kept_share
        saved = np.bincount(request[gone], saving[gone], len(duration))
        found.append(np.quantile(np.maximum(duration - saved, 0.0), quantile))
    return float(np.mean(found))
