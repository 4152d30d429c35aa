"""Whether load was varied at all: under a steady one nothing that goes with it can be told.

Source: Fisher (1950), Biometrics 6(1), for the test of counts that vary as counts do by chance.
"""

import numpy as np
from scipy.special import chdtri

from pipeline.stats.bootstrap import Floats, Ints
from pipeline.stats.capacity_draws import within_groups

LEAST_VARIATION = 0.2
# Of counts of a steady load, so few are taken for a varied one.
_FALSE = 0.01
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


def varies_by_chance(counts: Floats, instance: Ints) -> bool:
    """Tell whether n counts, within instances, vary no more than those of a steady load do.

    >>> varies_by_chance(np.array([3.0, 5, 4, 2]), np.zeros(4, np.int64))
    True
    >>> varies_by_chance(np.array([3.0, 5, 40, 22]), np.zeros(4, np.int64))
    False
    """
    apart = within_groups(counts[:, None], instance)
    free = len(counts) - len(np.unique(instance))
    if free < 1:
        return True
    return float((apart**2).sum()) <= float(chdtri(free, _FALSE)) * float(counts.mean())
