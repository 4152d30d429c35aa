"""The universal scalability law with what is sure of it: intervals and a band of the same draws.

Source: Wooldridge (2010), Econometric Analysis of Cross Section and Panel Data, section 5.1, for an
instrument where what is measured bears on what it is measured against.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.stats.bootstrap import Floats, Interval, Ints, percentiles
from pipeline.stats.capacity_draws import Moments, spread, spreading, within_groups
from pipeline.stats.usl import Usl, fit_usl_draws

DERIVED = ("gamma", "alpha", "beta", "peak_load", "peak_throughput", "limit")
_PARAMETERS = 3
_LEAST_BEYOND = 5
# Of the fall beyond a peak: it is looked for where throughput was lowest by chance as well.
_SURE = 0.98


@dataclass(frozen=True)
class Band:
    """What is sure of a fit.

    Attributes:
        intervals: of DERIVED, by name.
        passed: whether throughput was seen to fall beyond the peak. A queue that merely fills up
            bends the law to a peak as well, but does less beyond it never. What was in flight the
            moment before counts: where work happens to be slow it piles up in the same moment.
        low, high: g ends of the 90 % band of throughput.
    """

    intervals: dict[str, Interval]
    passed: bool
    low: Floats
    high: Floats


def scalability_band(
    fit: Usl,
    load: Floats,
    throughput: Floats,
    moments: Moments,
    grid: Floats,
    key: tuple[str, ...],
) -> Band:
    """Give DERIVED with their intervals, and the 90 % band of fitted throughput.

    Args:
        fit: of all observations.
        load, throughput: n each.
        moments: when and of whom they are.
        grid: g concurrencies to tell the band at.
        key: what they are of; draws depend on it alone.
    """
    seen = np.column_stack([_before(load, moments), load, throughput])
    beyond = seen[:, 0] > fit.peak_load

    def fitted(rows: list[Ints]) -> Floats:
        weights = [np.bincount(row, minlength=len(load)) for row in rows]
        fits = fit_usl_draws(load, throughput, np.array(weights, dtype=np.float64), fit)
        told = [
            np.concatenate(
                [_derived(one), [_fall(seen, moments, row[beyond[row]])], one.throughput(grid)]
            )
            for one, row in zip(fits, rows, strict=True)
        ]
        return np.array(told).reshape(len(rows), -1)

    drawn = fitted(moments.draws(key))
    apart = fitted(left) if (left := moments.left_out()) else np.zeros((0, drawn.shape[1]))
    every = np.arange(len(load), dtype=np.int64)
    estimates = np.concatenate(
        [_derived(fit), [_fall(seen, moments, every[beyond])], fit.throughput(grid)]
    )
    factor = spreading(drawn, apart, moments, _PARAMETERS)
    # None of these is below 0; what is drawn as infinite stays so.
    drawn = spread(estimates, drawn, factor)
    falls = percentiles(float(estimates[len(DERIVED)]), drawn[:, len(DERIVED)], _SURE)
    drawn = np.maximum(drawn, 0.0)
    intervals = {
        name: percentiles(float(value), column)
        for name, value, column in zip(
            DERIVED, _derived(fit), drawn[:, : len(DERIVED)].T, strict=True
        )
    }
    low, high = np.nanquantile(drawn[:, len(DERIVED) + 1 :], [0.05, 0.95], axis=0)
    return Band(intervals, falls.low > 0, low, high)


def _before(load: Floats, moments: Moments) -> Floats:
    """Give for each of n observations what its instance had in flight the moment before; or NaN."""
    order = np.lexsort((moments.start_s, moments.instance))
    apart = np.diff(moments.start_s[order])
    same = (np.diff(moments.instance[order]) == 0) & (apart > 0)
    next_to = same & (apart < 1.5 * apart[same].min(initial=np.inf))
    found = np.full(len(load), np.nan)
    found[order[1:][next_to]] = load[order[:-1][next_to]]
    return found


def _fall(seen: Floats, moments: Moments, past: Ints) -> float:
    """Give by how much throughput falls for one more in flight, at some places; NaN of few.

    What was in flight the moment before is the instrument.
    """
    if len(past) < _LEAST_BEYOND:
        return float("nan")
    before, load, throughput = within_groups(seen[past], moments.instance[past]).T
    varied = float(before @ load)
    return -float(before @ throughput) / varied if varied > 0 else float("nan")


def _derived(fit: Usl) -> Floats:
    """Give the values of DERIVED."""
    return np.array([getattr(fit, name) for name in DERIVED])
