"""Sampling of keys: a cache of a tenth of the keys is a tenth of the cache.

A key is kept if its hash lies below the rate, always or never, so that what is kept is a smaller
trace of whole keys. Distances and sizes of caches shrink by the rate.

Source: Waldspurger, Park, Garthwaite and Ahmad (2015), USENIX FAST, for SHARDS and its correction;
Steele, Lea and Flood (2014), OOPSLA, for the finalizer of SplitMix64.
"""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_BITS = 24
# So many distinct keys at least, or chance decides which are kept.
LEAST_KEYS = 8_000


def kept(keys: Ints, rate: float, seed: int) -> NDArray[np.bool_]:
    """Tell which of n references are of kept keys.

    Args:
        keys: n references by key.
        rate: share of keys to keep, above 0; 1 keeps all.
        seed: which of many samples.
    """
    threshold = np.uint64(round(rate * (1 << _BITS)))
    return (mixed(keys, seed) & np.uint64((1 << _BITS) - 1)) < threshold


def mixed(keys: Ints, seed: int) -> NDArray[np.uint64]:
    """Give 64 bits for each key that look like chance and are the same for the same seed."""
    with np.errstate(over="ignore"):
        z = keys.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15) * np.uint64(seed + 1)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return result


def rate_for(distinct: int, least: int = LEAST_KEYS) -> float:
    """Give the share of so many distinct keys that leaves enough; 1 where there are too few.

    >>> rate_for(80_000), rate_for(100)
    (0.1, 1.0)
    """
    return min(1.0, least / distinct) if distinct else 1.0
