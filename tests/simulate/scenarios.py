"""Requests of two sides as they come in practice: instances differ, minutes differ, bursts happen.

Each side's requests are lognormal (sigma 0.5), or heavy: lognormal (sigma 0.4) with 5 % from a
Pareto tail (shape 1.8). An effect makes all requests of the canary slower, or its slowest tenth.
"""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.stats.buckets import bucket_index
from pipeline.stats.cells import Floats, Ints, Side

MINUTES = 60
CANARY_REQUESTS = 20_000
_MEDIAN_NANO = 1e8
_TAIL_NANO = 2e8
# Where an effect on the tail begins.
_TAIL_FROM = 0.9


@dataclass(frozen=True)
class Scenario:
    """How two sides of one release differ by themselves.

    Attributes:
        name: of the scenario.
        canary, baseline: instances.
        instances: spread of the instances' medians, in logarithms.
        shared: spread of the minutes that both sides have in common.
        own: spread of each side's own minutes.
        rho: from one minute to the next.
        bursts: share of a side's minutes in which a tenth of its requests takes 3 times as long.
        requests: of the baseline.
        canary_requests: of the canary.
        effects: the two that are looked for.
        barred: whether false alarms are held to the limit; not where sides are of two hours.
    """

    name: str
    canary: int = 5
    baseline: int = 5
    instances: float = 0.0
    shared: float = 0.0
    own: float = 0.0
    rho: float = 0.0
    bursts: float = 0.0
    requests: int = CANARY_REQUESTS
    canary_requests: int = CANARY_REQUESTS
    effects: tuple[float, float] = (0.05, 0.10)
    barred: bool = True


SCENARIOS = (
    Scenario("iid"),
    Scenario("min_shared", shared=0.15, rho=0.8),
    Scenario("min_own", own=0.05, rho=0.5),
    Scenario("bursts", bursts=0.05),
    Scenario("inst5", instances=0.05),
    Scenario("inst10", 10, 10, instances=0.03),
    Scenario("inst20", 20, 20, instances=0.05),
    Scenario("inst1v20", 1, 20, instances=0.05, requests=100_000),
    Scenario("mixed10", 10, 10, 0.03, 0.15, 0.03, 0.7, 0.02),
)

# Little traffic on the canary, and sides that are of two hours: only judged at the end.
APART = (
    Scenario("split5", 2, 38, requests=38_000, canary_requests=2_000, effects=(0.10, 0.20)),
    Scenario("nonconc", own=0.15, rho=0.8, barred=False),
)


def sides(
    scenario: Scenario,
    effect: float,
    rng: np.random.Generator,
    heavy: bool = False,
    tail: bool = False,
) -> tuple[Side, Side]:
    """Make the requests of baseline and canary.

    Args:
        scenario: how they differ by themselves.
        effect: all of the canary's requests take this share longer.
        rng: where chance comes from.
        heavy: whether durations have a heavy tail.
        tail: whether the effect is on the slowest tenth only.
    """
    shared = _wander(rng, scenario.shared, scenario.rho)
    sizes = (scenario.baseline, scenario.requests), (scenario.canary, scenario.canary_requests)
    baseline, canary = (_logs(scenario, *size, shared, rng, heavy) for size in sizes)
    slowed = canary.logs >= np.quantile(canary.logs, _TAIL_FROM) if tail else slice(None)
    canary.logs[slowed] += math.log1p(effect)
    return _side(baseline), _side(canary)


@dataclass(frozen=True)
class _Requests:
    """Instance, minute and logarithm of the duration of each request of a side."""

    instances: int
    instance: Ints
    minute: Ints
    logs: Floats


def _logs(
    scenario: Scenario,
    instances: int,
    requests: int,
    shared: Floats,
    rng: np.random.Generator,
    heavy: bool,
) -> _Requests:
    """Draw one side's requests."""
    instance = rng.integers(0, instances, requests)
    minute = rng.integers(0, MINUTES, requests)
    logs = math.log(_MEDIAN_NANO) + rng.normal(0, 0.4 if heavy else 0.5, requests)
    if heavy:
        tail = rng.random(requests) < 0.05
        logs[tail] = math.log(_TAIL_NANO) + rng.exponential(1 / 1.8, int(tail.sum()))
    logs += rng.normal(0, scenario.instances, instances)[instance]
    logs += shared[minute] + _wander(rng, scenario.own, scenario.rho)[minute]
    burst = rng.random(MINUTES) < scenario.bursts
    logs += (burst[minute] & (rng.random(requests) < 0.1)) * math.log(3)
    return _Requests(instances, instance, minute, logs)


def _side(made: _Requests) -> Side:
    """Count a side's requests by instance, minute and bucket."""
    bucket = bucket_index(np.exp(made.logs)).astype(np.int64)
    width = int(bucket.max()) + 1
    place = (made.instance * MINUTES + made.minute) * width + bucket
    keys, counts = np.unique(place, return_counts=True)
    cell, weights = keys // width, counts.astype(np.float64)
    return Side(
        cell // MINUTES, cell % MINUTES, keys % width, weights, weights, made.instances, MINUTES
    )


def _wander(rng: np.random.Generator, sigma: float, rho: float) -> Floats:
    """Give an AR(1) series with this spread, a value a minute."""
    steps = rng.normal(0, sigma * math.sqrt(1 - rho**2), MINUTES)
    series = np.empty(MINUTES)
    last = rng.normal(0, sigma)
    for place, step in enumerate(steps):
        last = rho * last + step
        series[place] = last
    return series
