"""Memory of an instance against requests in flight and time: what each takes, and what leaks.

Source: Huber (1964), Annals of Mathematical Statistics 35(1), for a fit that outliers do not move.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.stats.bootstrap import Floats, Interval, Ints, percentiles
from pipeline.stats.capacity_buckets import CapacityBuckets
from pipeline.stats.capacity_draws import spread_draws

LEAST_BUCKETS = 30
LEAST_VARIATION = 0.2
# Of load with time, for a leak to be told from a ramp of load.
MOST_CORRELATION = 0.9
# 95 % as efficient as least squares for normal errors (Huber, 1964).
_HUBER = 1.345
# Scales the median absolute deviation to sigma for normal data (Iglewicz and Hoaglin, 1993).
_SIGMA = 1.4826
_ROUNDS = 12
# Between rounds, as a share: far below what draws differ by.
_SETTLED = 1e-5


@dataclass(frozen=True)
class MemoryFit:
    """What memory is made of.

    Attributes:
        reason: why it is not identified; empty where it is.
        base_bytes: without a request, at the end of what was seen: it holds what has leaked.
        bytes_in_flight: what a request in flight takes.
        drift_bytes_per_hour: how it grows by itself; NaN where load rose with time all along.
        draws: d x 2: base and bytes in flight of every draw.
        leaks: whether the whole interval of drift is above 0.
        buckets: that count.
    """

    reason: str
    base_bytes: Interval
    bytes_in_flight: Interval
    drift_bytes_per_hour: Interval
    draws: Floats
    leaks: bool
    buckets: int


def fit_memory(buckets: CapacityBuckets, key: tuple[str, ...]) -> MemoryFit:
    """Fit memory = base + bytes in flight x concurrency + drift x time.

    Args:
        buckets: n buckets; those without memory are left out.
        key: what they are of; draws depend on it alone.
    """
    known = np.isfinite(buckets.memory_bytes)
    memory, load = buckets.memory_bytes[known], buckets.concurrency_mean[known]
    hours = buckets.start_s[known] / 3600
    hours = hours - hours.max() if len(hours) else hours
    unknown = Interval(np.nan, np.nan, np.nan)
    if len(memory) < LEAST_BUCKETS:
        reason = f"{len(memory)} buckets with memory, {LEAST_BUCKETS} are needed: watch longer"
        empty = np.zeros((0, 2))
        return MemoryFit(reason, unknown, unknown, unknown, empty, False, len(memory))
    # Of two that rise together neither is told apart: what a ramp took is put to its requests.
    ramp = _together(load, hours)
    columns = [np.ones(len(memory)), load] + ([] if ramp else [hours])
    design = np.column_stack(columns)

    def fit(places: Ints) -> Floats:
        return _huber(design[places], memory[places])

    every, drawn = spread_draws(fit, len(memory), (*key, "memory"), design.shape[1])
    found = [
        percentiles(float(value), column) for value, column in zip(every, drawn.T, strict=True)
    ]
    base, each, drift = (*found, unknown)[:3]
    variation = float(load.std() / load.mean()) if load.mean() > 0 else 0.0
    reason = ""
    if variation < LEAST_VARIATION:
        reason = (
            f"requests in flight vary by {100 * variation:.0f} % about their mean, "
            f"{100 * LEAST_VARIATION:.0f} are needed: ramp the load"
        )
    elif not each.low > 0:
        reason = "memory does not rise with requests in flight beyond chance"
    return MemoryFit(reason, base, each, drift, drawn[:, :2], drift.low > 0, len(memory))


def _together(load: Floats, hours: Floats) -> bool:
    """Tell whether load rose or fell with time all along."""
    if load.std() == 0 or hours.std() == 0:
        return False
    return abs(float(np.corrcoef(load, hours)[0, 1])) > MOST_CORRELATION


def _huber(design: Floats, values: Floats) -> Floats:
    """Fit by least squares in which far values count less, round by round."""
    # Columns of very different size would lose digits.
    scale = np.maximum(np.abs(design).max(axis=0), 1e-300)
    columns = design / scale
    weight = np.ones(len(values))
    found = np.zeros(design.shape[1])
    for _ in range(_ROUNDS):
        root = np.sqrt(weight)
        before = found
        found = np.linalg.lstsq(columns * root[:, None], values * root, rcond=None)[0]
        if np.allclose(found, before, rtol=_SETTLED, atol=0):
            break
        far = np.abs(values - columns @ found)
        sigma = _SIGMA * float(np.median(far))
        if sigma <= 1e-12 * float(np.abs(values).max()):
            break
        weight = np.minimum(1.0, _HUBER * sigma / np.maximum(far, 1e-300))
    result: Floats = found / scale
    return result
