"""Log buckets: which one a duration falls in, what a bucket spans, and how to make them coarser.

Bucket i at scale s holds (2^(i/2^s), 2^((i+1)/2^s)]: upper bounds are inclusive.

Source: OpenTelemetry data model, ExponentialHistogram, "Producer expectations" and "Scale"
(https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

# The coarsest scale whose midpoints err by less than 1 %: (b - 1)/(b + 1) = 0.54 %, b = 2^(1/64).
SCALE = 6

# Below every bucket that a positive value can have: the place of a value of zero.
ZERO_BUCKET = -(2**31)


def bucket_index(values: ArrayLike, scale: int = SCALE) -> NDArray[np.int32]:
    """Give each value's bucket: ceil(2^scale log2 v) - 1.

    Powers of two are exact, because log2 of them is. Elsewhere a value within one part in 10^15
    of a bound may fall on either side of it.

    Args:
        values: any shape, zero or more; in the unit that the buckets are of.
        scale: buckets a power of two, as its logarithm to base 2.

    Returns:
        Buckets of the same shape; ``ZERO_BUCKET`` where the value is zero.

    Raises:
        ValueError: a value is negative or not a number.

    >>> bucket_index([0, 1, 2, 4, 1_000_000]).tolist()
    [-2147483648, -1, 63, 127, 1275]
    """
    numbers = np.asarray(values, dtype=np.float64)
    if not (numbers >= 0).all():
        raise ValueError("a bucket needs values of zero or more; leave the others out first")
    index = np.full(numbers.shape, ZERO_BUCKET, dtype=np.int32)
    positive = numbers > 0
    index[positive] = np.ceil(np.log2(numbers[positive]) * 2.0**scale) - 1
    return index


def bucket_bounds(
    index: ArrayLike, scale: int = SCALE
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give each bucket's lower bound, which it excludes, and its upper bound, which it holds.

    Args:
        index: buckets, any shape; the zero bucket is bounded by zero on both ends.
        scale: the scale that they are of.

    Returns:
        Lower and upper bounds, in the unit of the values, each of the shape of ``index``.

    >>> [bound.tolist() for bound in bucket_bounds([63, ZERO_BUCKET])]
    [[1.978456026387951, 0.0], [2.0, 0.0]]
    """
    buckets = np.asarray(index, dtype=np.int64)
    positive = buckets != ZERO_BUCKET
    width = 2.0**-scale
    exponents = np.where(positive, buckets, 0) * width
    lower = np.where(positive, np.exp2(exponents), 0.0)
    upper = np.where(positive, np.exp2(exponents + width), 0.0)
    return lower, upper


def downscale(index: ArrayLike, steps: int) -> NDArray[np.int32]:
    """Give the buckets that hold these at a scale lower by some steps.

    Args:
        index: buckets, any shape; the zero bucket stays the zero bucket.
        steps: how many powers of two of buckets become one; zero or more.

    Returns:
        The coarser buckets, of the same shape; no count is split, so the step is exact.

    >>> downscale([63, 64, -1, ZERO_BUCKET], 1).tolist()
    [31, 32, -1, -2147483648]
    """
    buckets = np.asarray(index, dtype=np.int32)
    return np.where(buckets == ZERO_BUCKET, buckets, buckets >> steps).astype(np.int32)
