"""Miss-ratio curves: how many references a cache of each size would miss.

Exact for traces of moderate size, else from a sample of the keys, with what samples differ by.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.stats.bootstrap import generator
from pipeline.stats.shards import kept, rate_for
from pipeline.stats.stack_distance import byte_distances, stack_distances

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Beyond it a sample of the keys stands for all.
EXACT_MOST = 2_000_000
SAMPLES = 5
_POINTS = 64
TIMES_OF_TODAY = (0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class MissRatioCurve:
    """Misses of a least-recently-used cache by size.

    Attributes:
        sizes: k sizes, rising; entries, or bytes where sizes of entries were given.
        ratios: k, misses a reference.
        spread: k, the largest difference between two samples; 0 for an exact curve.
        references, keys: how many there were, and distinct.
        rate: share of keys that were looked at; 1 for an exact curve.
        in_bytes: the unit of sizes.
        cold: misses a reference that no size avoids.
    """

    sizes: Floats
    ratios: Floats
    spread: Floats
    references: int
    keys: int
    rate: float
    in_bytes: bool
    cold: float

    def at(self, size: ArrayLike) -> Floats:
        """Give the miss ratio at some sizes; all miss in a cache of nothing."""
        # Below the least size that was worked out nothing fits.
        below = np.nextafter(self.sizes[0], 0.0)
        sizes = np.concatenate([[0.0, below], self.sizes])
        ratios = np.concatenate([[1.0, 1.0], self.ratios])
        found: Floats = np.interp(np.asarray(size, dtype=np.float64), sizes, ratios)
        return found

    def size_for(self, ratio: float) -> float:
        """Give the least size with at most so many misses a reference; NaN where none has."""
        good = np.flatnonzero(self.ratios <= ratio + 1e-12)
        return float(self.sizes[good[0]]) if len(good) else float("nan")

    @property
    def knee(self) -> float:
        """Give the size from which more brings least: the farthest below the line of the ends.

        Source: Satopaa, Albrecht, Irwin and Raghavan (2011), ICDCS Workshops: Kneedle.
        """
        wide = float(np.ptp(self.sizes)) or 1.0
        high = float(np.ptp(self.ratios)) or 1.0
        x = (self.sizes - self.sizes[0]) / wide
        y = (self.ratios - self.ratios.min()) / high
        return float(self.sizes[int(np.argmax(1 - x - y))])


@dataclass(frozen=True)
class SizeAdvice:
    """What other sizes than today's would do.

    Attributes:
        today: the size.
        ratios: misses a reference, by how many times today's size.
        knee: the size from which more brings least.
    """

    today: float
    ratios: dict[float, float]
    knee: float


def miss_ratio_curve(
    keys: Ints,
    sizes: Floats | None = None,
    rate: float | None = None,
    key: tuple[str, ...] = (),
    at: Floats | None = None,
    samples: int = SAMPLES,
    today: float = 0.0,
) -> MissRatioCurve:
    """Work out the curve of a trace of references.

    Args:
        keys: n references by key, in the order of time, 1 or more.
        sizes: n, in bytes; None counts entries.
        rate: share of keys to look at; None chooses: all of a small trace.
        key: what the trace is of; samples depend on it alone.
        at: sizes of caches to work out; None chooses.
        samples: how many samples to take, to see what they differ by.
        today: size of the cache; sizes that are chosen take in those that advice is of.
    """
    keys = _small(keys)
    distinct = int(np.count_nonzero(np.bincount(keys)))
    if rate is None:
        rate = 1.0 if len(keys) <= EXACT_MOST else rate_for(distinct)
    seeds = [0] if rate >= 1 else generator(*key).integers(1 << 30, size=samples).tolist()
    found = [_distances(keys, sizes, rate, seed) for seed in seeds]
    if at is None:
        at = _grid(found[0][0], sizes is not None, today)
    curves = np.array([_ratios(each, at, total) for each, total in found])
    return MissRatioCurve(
        np.asarray(at, dtype=np.float64),
        curves.mean(axis=0),
        np.ptp(curves, axis=0),
        len(keys),
        distinct,
        rate,
        sizes is not None,
        distinct / len(keys),
    )


def _small(keys: Ints) -> Ints:
    """Give keys as numbers from 0 that are not many more than the references."""
    if len(keys) and int(keys.min()) >= 0 and int(keys.max()) <= 4 * len(keys):
        return keys
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)


def advice(curve: MissRatioCurve, today: float) -> SizeAdvice:
    """Say what half, twice and four times of today's size would miss."""
    found = curve.at([times * today for times in TIMES_OF_TODAY])
    ratios = dict(zip(TIMES_OF_TODAY, (float(each) for each in found), strict=True))
    return SizeAdvice(today, ratios, curve.knee)


def _distances(keys: Ints, sizes: Floats | None, rate: float, seed: int) -> tuple[Floats, float]:
    """Give the distances of kept references, infinite for the first of a key, and their total.

    The total is what a sample of this rate should hold: the difference is in references of very
    popular keys, which hit in any cache (Waldspurger and others, section 3.2: the correction).
    """
    if rate < 1:
        # By key, of which there are fewer than references.
        chosen = kept(np.arange(int(keys.max()) + 1), rate, seed)[keys]
        keys = keys[chosen]
        total = rate * len(chosen)
        sizes = None if sizes is None else sizes[chosen]
    else:
        total = float(len(keys))
    if sizes is not None:
        found = byte_distances(keys, sizes)
    else:
        depths = stack_distances(keys)
        found = np.where(depths > 0, depths, np.inf).astype(np.float64)
    return found / min(rate, 1.0), total


def _ratios(distances: Floats, sizes: Floats, total: float) -> Floats:
    """Give the share of references whose key lies deeper than a cache of each size reaches."""
    ordered = np.sort(distances)
    beyond = len(ordered) - np.searchsorted(ordered, sizes, side="right")
    return np.minimum(beyond / total, 1.0) if total else np.ones(len(sizes))


def _grid(distances: Floats, in_bytes: bool, today: float) -> Floats:
    """Choose sizes: evenly on the log scale up to the one that holds all, and those of advice."""
    finite = distances[np.isfinite(distances)]
    if not len(finite):
        return np.array([1.0])
    low, high = float(finite.min()) if in_bytes else 1.0, float(finite.max())
    points = np.geomspace(max(low, 1.0), max(high, 1.0), _POINTS)
    # Between two points the curve may fall all at once. Beyond the last it falls no further.
    told = [times * today for times in TIMES_OF_TODAY if points[0] < times * today < points[-1]]
    return np.union1d(points if in_bytes else np.round(points), told)
