"""How sure we are of a share: the Wilson score interval."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri


def effective_size(weight: ArrayLike, weight_squared: ArrayLike) -> NDArray[np.float64]:
    """Give how many equally weighted observations are worth a weighted sample.

    Args:
        weight: sum of the weights, a sample each.
        weight_squared: sum of the squared weights, a sample each.

    Returns:
        (sum w)^2 / sum w^2, the count itself when all weights are one; 0 for an empty sample.

    Source: Kish (1965), Survey Sampling, section 11.7.

    >>> effective_size([4.0, 4.0, 0.0], [4.0, 16.0, 0.0]).tolist()
    [4.0, 1.0, 0.0]
    """
    total = np.asarray(weight, dtype=np.float64)
    squared = np.asarray(weight_squared, dtype=np.float64)
    return np.divide(total * total, squared, out=np.zeros_like(total), where=squared > 0)


def wilson_interval(
    ratio: ArrayLike, size: ArrayLike, confidence: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bound a share between 0 and 1.

    Args:
        ratio: observed shares, any shape.
        size: the number of observations behind each, possibly fractional.
        confidence: how often the interval holds the true share, between 0 and 1.

    Returns:
        Lower and upper bounds of the shape of the arguments; NaN where there is no observation.

    Source: Wilson (1927), JASA 22(158); without continuity correction.

    >>> [round(float(bound), 4) for bound in wilson_interval(0.0, 10)]
    [0.0, 0.2775]
    """
    share = np.asarray(ratio, dtype=np.float64)
    count = np.where(np.asarray(size) > 0, size, np.nan)
    z = -ndtri((1 - confidence) / 2)
    shrunk = 1 + z * z / count
    centre = (share + z * z / (2 * count)) / shrunk
    half_width = z / shrunk * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    # At a share of 0 or 1 the bound is that share; rounding must not put it on the other side.
    low = np.where(share <= 0, 0 * count, np.clip(centre - half_width, 0, share))
    high = np.where(share >= 1, 1 + 0 * count, np.clip(centre + half_width, share, 1))
    return low, high
