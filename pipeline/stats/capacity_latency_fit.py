"""What is known of latency against load, and why it may not be."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.stats.bootstrap import UNKNOWN, Floats, Interval
from pipeline.stats.capacity_flat import LEAST_VARIATION, variation

LEAST_BUCKETS = 20


@dataclass(frozen=True)
class LatencyFit:
    """How latency grows.

    Attributes:
        reason: why it is not identified; empty where it is.
        model: one of MODELS; empty for none.
        held_out: mean absolute error of its logarithm on blocks that a model has not seen.
        chosen: share of draws that each model predicted best.
        isotonic_gap: mean absolute logarithm of the model beside the fit that only rises.
        isotonic_limit: highest load seen at which that fit holds the objective; NaN for none.
        throughput: g loads, rising from 0.
        estimate, low, high: g latencies with their 90 % band, in seconds.
        limit: most throughput that holds the objective; NaN without one, infinite where latency
            does not rise with load.
    """

    reason: str
    model: str
    held_out: Mapping[str, float]
    chosen: Mapping[str, float]
    isotonic_gap: float
    isotonic_limit: float
    throughput: Floats
    estimate: Floats
    low: Floats
    high: Floats
    limit: Interval


def no_latency(reason: str) -> LatencyFit:
    """Give what is known where latency is not identified."""
    nan, empty = np.nan, np.zeros(0)
    return LatencyFit(reason, "", {}, {}, nan, nan, empty, empty, empty, empty, UNKNOWN)


def why_not(load: Floats) -> str:
    """Say that n loads whose latency is known are too few, or too much alike; empty where not."""
    if len(load) < LEAST_BUCKETS:
        return (
            f"{len(load)} spans of time with enough requests for their latency, "
            f"{LEAST_BUCKETS} are needed: watch longer"
        )
    return why_not_ramped(load)


def why_not_ramped(load: Floats) -> str:
    """Say that n loads, 1 or more, vary too little; empty where they do not."""
    varied = variation(load)
    if varied >= LEAST_VARIATION:
        return ""
    return (
        f"load varies by {100 * varied:.0f} % about its mean, "
        f"{100 * LEAST_VARIATION:.0f} are needed: ramp the load"
    )
