"""Bootstrap: what an estimate would have been on other data like these, drawn in blocks of time.

Source: Kuensch (1989), Annals of Statistics 17(3), for moving blocks; Efron (1979), Annals of
Statistics 7(1), for percentiles.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DRAWS = 400
CONFIDENCE = 0.9


@dataclass(frozen=True)
class Interval:
    """An estimate and what it lies between; NaN where that cannot be told.

    Attributes:
        estimate: the value.
        low, high: the bounds.
    """

    estimate: float
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Tell whether a value lies in it."""
        return self.low <= value <= self.high

    def meets(self, other: "Interval") -> bool:
        """Tell whether two intervals have a value in common."""
        return self.low <= other.high and other.low <= self.high


# What is known of an estimate that cannot be told.
UNKNOWN = Interval(math.nan, math.nan, math.nan)


def generator(*key: str) -> np.random.Generator:
    """Give a source of random numbers that is the same for the same key.

    >>> bool(generator("checkout", "cpu").random() == generator("checkout", "cpu").random())
    True
    """
    digest = hashlib.blake2b("\0".join(key).encode(), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


def moving_blocks(count: int, length: int, draws: int, rng: np.random.Generator) -> Ints:
    """Draw blocks of consecutive observations, so that what follows each other stays together.

    Args:
        count: n observations in the order of time, 1 or more.
        length: of a block; more than n is n.
        draws: d.
        rng: the source of random numbers.

    Returns:
        d x n places.

    >>> moving_blocks(3, 3, 1, np.random.default_rng(1)).tolist()
    [[0, 1, 2]]
    """
    length = max(1, min(length, count))
    blocks = -(-count // length)
    starts = rng.integers(0, count - length + 1, size=(draws, blocks))
    places = (starts[:, :, None] + np.arange(length)).reshape(draws, -1)
    return places[:, :count].astype(np.int64)


def percentiles(estimate: float, drawn: ArrayLike, confidence: float = CONFIDENCE) -> Interval:
    """Give the interval of what was drawn; draws that gave nothing are NaN and left out.

    Bounds are values that were drawn, so that infinite ones may be among them.

    >>> percentiles(2.0, [1.0, 2.0, 3.0], 1.0)
    Interval(estimate=2.0, low=1.0, high=3.0)
    """
    values = np.asarray(drawn, dtype=np.float64)
    values = values[~np.isnan(values)]
    if not len(values):
        return Interval(estimate, np.nan, np.nan)
    levels = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(values, levels, method="inverted_cdf")
    return Interval(estimate, float(low), float(high))


def block_bootstrap(
    function: Callable[[Ints], Floats],
    count: int,
    length: int,
    key: tuple[str, ...],
    draws: int = DRAWS,
) -> Floats:
    """Work out some estimates on every draw.

    Args:
        function: gives k estimates for the places drawn, NaN for those it has none of.
        count: n observations.
        length: of a block.
        key: what the draws are of; the same key draws the same.
        draws: d.

    Returns:
        d x k estimates.
    """
    places = moving_blocks(count, length, draws, generator(*key))
    return np.array([function(row) for row in places], dtype=np.float64)
