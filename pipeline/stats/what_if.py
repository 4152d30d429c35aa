"""Quantiles of requests, each as many as it stands for, as they are and with fewer misses."""

import numpy as np
from numpy.typing import NDArray

from pipeline.stats.bootstrap import Floats, generator

Ints = NDArray[np.int64]

_DRAWS = 200
# Buckets of values an octave.
_AN_OCTAVE = 128
# Sums of weights are no more exact than this.
_ROUNDED = 1e-9


def weighted_quantile(values: Floats, weight: Floats, quantile: float) -> float:
    """Give the least value that so much of the weight does not exceed.

    Args:
        values: n, 0 or more each; 1 or more of them.
        weight: n, above 0.
        quantile: between 0 and 1.

    >>> weighted_quantile(np.array([200.0, 5.0]), np.array([1.0, 100.0]), 0.95)
    5.0
    """
    rank = quantile * float(weight.sum()) * (1 - _ROUNDED)
    # Only the bucket that holds it is sorted: all would take many times as long.
    logs = _AN_OCTAVE * np.log2(np.maximum(values, 1.0))
    bucket = np.floor(logs - logs.min()).astype(np.int64)
    rising = np.cumsum(np.bincount(bucket, weight))
    place = int(np.searchsorted(rising, rank))
    inside = bucket == place
    order = np.argsort(values[inside], kind="stable")
    within = np.cumsum(weight[inside][order]) + (rising[place - 1] if place else 0.0)
    found = min(int(np.searchsorted(within, rank)), len(order) - 1)
    return float(values[inside][order][found])


def quantile_if(
    duration: Floats,
    weight: Floats,
    request: Ints,
    saving: Floats,
    kept_share: float,
    quantile: float,
    key: tuple[str, ...],
) -> float:
    """Give a quantile of requests if only a share of the misses were left.

    Args:
        duration: r requests.
        weight: r requests that each stands for.
        request: m misses, by the place of their request.
        saving: m, what each would have saved as a hit.
        kept_share: of the misses that stay, from 0 to 1.
        quantile: between 0 and 1.
        key: what it is of; draws depend on it alone.

    Returns:
        The mean of 200 draws of which misses stay; one for none and for all.
    """
    rng = generator(*key)
    draws = _DRAWS if 0 < kept_share < 1 else 1
    found = []
    for _ in range(draws):
        gone = rng.random(len(request)) >= kept_share
        saved = np.bincount(request[gone], saving[gone], len(duration))
        found.append(weighted_quantile(np.maximum(duration - saved, 0.0), weight, quantile))
    return float(np.mean(found))
