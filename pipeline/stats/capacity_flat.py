"""Whether load was varied at all: under a steady one nothing that goes with it can be told."""

import numpy as np

from pipeline.stats.bootstrap import Floats

LEAST_VARIATION = 0.2
LEAST_T, LEAST_R_SQUARED = 3.0, 0.3


def variation(values: Floats) -> float:
    """Give the standard deviation by the mean of what is not negative; 0 where it is all 0."""
    return float(values.std() / values.mean()) if values.sum() > 0 else 0.0


def is_flat(load: Floats, explained: float, count: int) -> bool:
    """Tell whether load varies too little to tell what goes with it.

    Args:
        load: of n buckets.
        explained: R squared of CPU time against load.
        count: observations that it is of.
    """
    t = np.sqrt(explained * (count - 2) / max(1 - explained, 1e-12))
    is_told = t >= LEAST_T and explained >= LEAST_R_SQUARED
    return variation(load) < LEAST_VARIATION and not is_told
