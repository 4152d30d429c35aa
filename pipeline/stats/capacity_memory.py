"""Memory of an instance against requests in flight and time: what each takes, and what leaks.

Source: Huber (1964), Annals of Mathematical Statistics 35(1), for a fit that outliers do not move.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.stats.bootstrap import UNKNOWN, Floats, Interval, Ints, percentiles
from pipeline.stats.capacity_buckets import CapacityBuckets
from pipeline.stats.capacity_draws import group_means, spread_draws
from pipeline.stats.distributions import MAD_TO_SIGMA

LEAST_BUCKETS = 30
LEAST_VARIATION = 0.2
# Of load with time, for a leak to be told from a ramp of load.
MOST_CORRELATION = 0.9
# 95 % as efficient as least squares for normal errors (Huber, 1964).
_HUBER = 1.345
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
        drift_bytes_per_hour: how it grows by itself.
        draws: d x 2: base and bytes in flight of every draw.
        leaks: whether the whole interval of drift is above 0, and is told apart from load's.
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
    flight = buckets.concurrency_at_memory
    known = np.isfinite(buckets.memory_bytes) & np.isfinite(flight)
    memory, load = buckets.memory_bytes[known], flight[known]
    hours = buckets.start_s[known] / 3600
    hours = hours - hours.max() if len(hours) else hours
    if len(memory) < LEAST_BUCKETS:
        reason = f"{len(memory)} buckets with memory, {LEAST_BUCKETS} are needed: watch longer"
        return no_memory(reason, len(memory))
    instance = np.unique(buckets.instance[known], return_inverse=True)[1]
    # Drift stays in it also where load rose all along: a leak is no memory of requests, and that
    # the two can hardly be told apart then is what the intervals say.
    design = np.column_stack([load, hours])

    def fit(places: Ints) -> Floats:
        return _huber(design[places], memory[places], instance[places])

    moments = buckets.moments.of(known)
    parameters = design.shape[1] + int(instance.max()) + 1
    every, drawn = spread_draws(fit, moments, (*key, "memory"), parameters)
    found = [
        percentiles(float(value), column) for value, column in zip(every, drawn.T, strict=True)
    ]
    base, each, drift = found
    variation = float(load.std() / load.mean()) if load.mean() > 0 else 0.0
    reason, together = "", _together(load, hours)
    if variation < LEAST_VARIATION:
        reason = (
            f"requests in flight vary by {100 * variation:.0f} % about their mean, "
            f"{100 * LEAST_VARIATION:.0f} are needed: ramp the load"
        )
    elif not each.low > 0:
        reason = "memory does not rise with requests in flight beyond chance"
        if together:
            reason += ": load rose with time all along, as a leak would; ramp it up and down"
    if reason:
        base = each = UNKNOWN
        drift = UNKNOWN if variation < LEAST_VARIATION else drift
    # What the two together explain is not claimed of one of them.
    leaks = drift.low > 0 and not (together and reason)
    return MemoryFit(reason, base, each, drift, drawn[:, :2], leaks, len(memory))


def no_memory(reason: str, buckets: int) -> MemoryFit:
    """Give what is known where memory is not identified at all."""
    return MemoryFit(reason, UNKNOWN, UNKNOWN, UNKNOWN, np.zeros((0, 2)), False, buckets)


def _together(load: Floats, hours: Floats) -> bool:
    """Tell whether load rose or fell with time all along."""
    if load.std() == 0 or hours.std() == 0:
        return False
    return abs(float(np.corrcoef(load, hours)[0, 1])) > MOST_CORRELATION


def _huber(design: Floats, values: Floats, instance: Ints) -> Floats:
    """Fit within instances by least squares in which far values count less, round by round.

    Returns:
        The mean level of instances without load, and a slope a column.
    """
    scale = np.maximum(np.abs(design).max(axis=0), 1e-300)
    columns = design / scale
    weight = np.ones(len(values))
    slopes = np.zeros(design.shape[1])
    for _ in range(_ROUNDS):
        before = slopes
        levels = group_means(np.column_stack([values, columns]), instance, weight)
        apart = columns - levels[instance, 1:]
        weighted = apart * weight[:, None]
        # Of a draw without any variation the least slopes are taken.
        slopes = np.linalg.pinv(weighted.T @ apart, hermitian=True) @ (
            weighted.T @ (values - levels[instance, 0])
        )
        own = levels[:, 0] - levels[:, 1:] @ slopes
        if np.allclose(slopes, before, rtol=_SETTLED, atol=0):
            break
        far = np.abs(values - own[instance] - columns @ slopes)
        sigma = MAD_TO_SIGMA * float(np.median(far))
        if sigma <= 1e-12 * float(np.abs(values).max()):
            break
        weight = np.minimum(1.0, _HUBER * sigma / np.maximum(far, 1e-300))
    result: Floats = np.concatenate([[np.nanmean(own)], slopes / scale])
    return result
