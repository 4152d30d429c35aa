"""Cells: requests by instance, minute and bucket, and the quantiles of any sum of them.

Source: OpenTelemetry data model, ExponentialHistogram, for the buckets; within a bucket values are
taken to be spread evenly on the log scale.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.stats.buckets import SCALE, ZERO_BUCKET

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Of a bucket on the log scale.
WIDTH = math.log(2) / 2**SCALE

# A duration of zero has no logarithm; half a nanosecond is below every other.
_ZERO_AS = -(2**SCALE) - 1


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes:
        instance: r numbers of instances, from 0.
        minute: r minutes, from 0, of a clock that both sides share.
        bucket: r buckets at scale 6; none NULL.
        count: r requests, weighted.
        count_squared: r sums of squared weights.
        instances: how many instances there are.
        minutes: how many minutes the clock has.
    """

    instance: Ints
    minute: Ints
    bucket: Ints
    count: Floats
    count_squared: Floats
    instances: int
    minutes: int

    @cached_property
    def total(self) -> float:
        """Give the requests."""
        return float(self.count.sum())

    @cached_property
    def effective(self) -> float:
        """Give how many unweighted requests would tell as much: Kish's effective sample size."""
        squared = float(self.count_squared.sum())
        return self.total**2 / squared if squared else 0.0

    @cached_property
    def cell(self) -> Ints:
        """Give the number of each row's cell: instance times minute."""
        return self.instance * self.minutes + self.minute

    @cached_property
    def requests(self) -> Floats:
        """Give the requests of each cell, instances x minutes."""
        return self.add_up(self.count)

    @cached_property
    def requests_by_instance(self) -> Floats:
        """Give the requests of each instance."""
        return np.asarray(self.requests.sum(axis=1))

    def add_up(self, values: Floats) -> Floats:
        """Add up r values by cell.

        Returns:
            Sums, instances x minutes.
        """
        cells = self.instances * self.minutes
        sums = np.bincount(self.cell, weights=values, minlength=cells).astype(np.float64)
        return sums.reshape(self.instances, self.minutes)

    @cached_property
    def known(self) -> Ints:
        """Give the r buckets, that of zero as half a nanosecond."""
        return np.where(self.bucket == ZERO_BUCKET, _ZERO_AS, self.bucket).astype(np.int64)

    def above(self, log_value: float) -> Floats:
        """Give the requests of each cell that lie above a value, by its logarithm."""
        return self.add_up(self.count * share_above(self.known, log_value))


@dataclass(frozen=True)
class Range:
    """The buckets of a comparison, without gaps, so that a bucket's place needs no search.

    Attributes:
        low: the first.
        count: how many.
    """

    low: int
    count: int

    @classmethod
    def of(cls, *sides: Side) -> "Range":
        """Give the range that holds all buckets of some sides."""
        low = min(int(side.known.min()) for side in sides)
        return cls(low, max(int(side.known.max()) for side in sides) - low + 1)

    def histograms(self, side: Side, row: Ints | None, rows: int) -> "Histograms":
        """Add up a side's requests by bucket.

        Args:
            side: the side.
            row: r numbers of the histogram that a count belongs to; negative for none of them.
                None adds all up in one.
            rows: how many histograms.
        """
        place = side.known - self.low
        count = side.count
        if row is not None:
            inside = (row >= 0) & (row < rows)
            if not inside.all():
                place, row, count = place[inside], row[inside], count[inside]
            place = row * self.count + place
        flat = np.bincount(place, weights=count, minlength=rows * self.count)
        return Histograms(self, flat.astype(np.float64).reshape(rows, self.count))


@dataclass(frozen=True)
class Histograms:
    """Histograms over the same buckets.

    Attributes:
        range: the k buckets.
        counts: n x k requests.
    """

    range: Range
    counts: Floats

    @cached_property
    def _rising(self) -> Floats:
        return np.cumsum(self.counts, axis=1)

    @property
    def totals(self) -> Floats:
        """Give the n totals."""
        return self._rising[:, -1]

    def log_quantile(self, p: ArrayLike) -> Floats:
        """Give the logarithm of a quantile of each histogram.

        Args:
            p: the quantile, one for all or n.

        Returns:
            n logarithms, of nanoseconds where the buckets are of them; NaN for an empty histogram.

        >>> made = Histograms(Range(63, 2), np.array([[1.0, 1.0]]))
        >>> float(np.exp(made.log_quantile(0.5))[0])
        2.0
        """
        rising = self._rising
        if len(rising) == 1 and isinstance(p, float):
            return np.array([self._log_quantile_of_one(p)])
        rank = np.asarray(p, dtype=np.float64) * rising[:, -1]
        # The first bucket whose cumulative count reaches the rank.
        place = np.minimum((rising < rank[:, None]).sum(axis=1), self.range.count - 1)
        rows = np.arange(len(rising))
        inside = self.counts[rows, place]
        below = rising[rows, place] - inside
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.clip((rank - below) / inside, 0.0, 1.0)
        logs = (self.range.low + place + share) * WIDTH
        return np.where(rising[:, -1] > 0, logs, np.nan)

    def _log_quantile_of_one(self, p: float) -> float:
        """Give the same of one histogram alone: most of them are, and arrays of one are slow."""
        rising = self._rising[0]
        total = float(rising[-1])
        if not total > 0:
            return math.nan
        rank = p * total
        place = min(int(np.searchsorted(rising, rank)), self.range.count - 1)
        inside = float(self.counts[0, place])
        below = float(rising[place]) - inside
        share = min(max((rank - below) / inside, 0.0), 1.0) if inside else math.nan
        return float((self.range.low + place + share) * WIDTH)

    def __add__(self, other: "Histograms") -> "Histograms":
        """Add two over the same buckets."""
        return Histograms(self.range, self.counts + other.counts)


def share_above(bucket: Ints, log_value: float) -> Floats:
    """Give which share of each bucket lies above a value, on the log scale.

    Args:
        bucket: r buckets.
        log_value: the value's logarithm.

    Returns:
        r shares from 0 to 1.

    >>> share_above(np.array([62, 63, 64]), 63.25 * WIDTH).tolist()
    [0.0, 0.75, 1.0]
    """
    shares: Floats = 1.0 - np.clip(log_value / WIDTH - bucket, 0.0, 1.0)
    return shares
