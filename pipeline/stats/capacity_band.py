"""The universal scalability law with what is sure of it: intervals and a band of the same draws."""

import numpy as np

from pipeline.stats.bootstrap import Floats, Interval, Ints, block_bootstrap, percentiles
from pipeline.stats.capacity_draws import BLOCK
from pipeline.stats.usl import Usl, fit_usl

DERIVED = ("gamma", "alpha", "beta", "peak_load", "peak_throughput", "limit")
_LEAST_LOADS = 3
_DRAW_TOLERANCE = 1e-6


def scalability_band(
    fit: Usl, load: Floats, throughput: Floats, grid: Floats, key: tuple[str, ...]
) -> tuple[dict[str, Interval], Floats, Floats]:
    """Give DERIVED with their intervals, and the 90 % band of fitted throughput.

    Args:
        fit: of all observations.
        load, throughput: n each, in the order of time.
        grid: g concurrencies to tell the band at.
        key: what they are of; draws depend on it alone.

    Returns:
        Intervals by name, g low and g high ends.
    """

    def draw(places: Ints) -> Floats:
        if len(np.unique(load[places])) < _LEAST_LOADS:
            return np.full(len(DERIVED) + len(grid), np.nan)
        drawn = fit_usl(load[places], throughput[places], _DRAW_TOLERANCE)
        return np.concatenate([_derived(drawn), drawn.throughput(grid)])

    drawn = block_bootstrap(draw, len(load), BLOCK, key)
    intervals = {
        name: percentiles(float(value), column)
        for name, value, column in zip(
            DERIVED, _derived(fit), drawn[:, : len(DERIVED)].T, strict=True
        )
    }
    low, high = np.nanquantile(drawn[:, len(DERIVED) :], [0.05, 0.95], axis=0)
    return intervals, low, high


def _derived(fit: Usl) -> Floats:
    """Give the values of DERIVED."""
    return np.array([getattr(fit, name) for name in DERIVED])
