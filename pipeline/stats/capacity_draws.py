"""Draws made as wide as few blocks of time call for: a bootstrap of few blocks is too sure.

Source: Davison and Hinkley (1997), Bootstrap Methods and their Application, sections 2.7 and 8.2,
for the variance that resampling of few units loses; Student's t for not knowing that variance.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm
from scipy.stats import t as student

from pipeline.stats.bootstrap import CONFIDENCE, Floats, Ints, block_bootstrap

# Buckets that hang together: what queues in one is done in the next.
BLOCK = 5


def widening(count: int, block: int = BLOCK, parameters: int = 1) -> float:
    """Give by how much draws of n observations are to be spread about their estimate.

    Args:
        count: n observations.
        block: how many of them a block has.
        parameters: that were fitted to them.

    >>> round(widening(60, 5, 3), 2), round(widening(6000, 5, 3), 2)
    (1.17, 1.0)
    """
    blocks = max(count / block, 2.0)
    level = (1 + CONFIDENCE) / 2
    unknown = float(student.ppf(level, blocks - 1) / norm.ppf(level))
    lost = math.sqrt(blocks / (blocks - 1))
    return unknown * lost * math.sqrt(count / max(count - parameters, 1))


def spread_draws(
    function: Callable[[Ints], Floats], count: int, key: tuple[str, ...], parameters: int = 1
) -> tuple[Floats, Floats]:
    """Work out estimates, and the draws of them, spread as few blocks call for.

    Args:
        function: gives k estimates for some places.
        count: n observations.
        key: what the draws are of.
        parameters: that are fitted.

    Returns:
        k estimates and d x k draws, which keep to 0 where they did not lie below it.
    """
    estimates = function(np.arange(count, dtype=np.int64))
    drawn = block_bootstrap(function, count, BLOCK, key)
    wide = spread(estimates, drawn, widening(count, BLOCK, parameters))
    # What cannot be negative, such as a cost, was not drawn so.
    return estimates, np.where((drawn >= 0) & (wide < 0), 0.0, wide)


def spread(estimates: ArrayLike, drawn: Floats, factor: float) -> Floats:
    """Spread d x k draws about k estimates.

    >>> spread([2.0], np.array([[1.5], [4.0], [np.inf]]), 3.0).tolist()
    [[0.5], [8.0], [inf]]
    """
    centre = np.asarray(estimates, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        wide: Floats = centre + factor * (drawn - centre)
    return wide
