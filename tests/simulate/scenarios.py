"""Requests of two sides as they come in practice: instances differ, minutes differ, bursts happen.

Each side's requests are lognormal (sigma 0.5), or heavy: lognormal (sigma 0.4) with 5 % from a
Pareto tail (shape 1.8). An effect makes all requests of the canary slower.
"""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.stats.buckets import bucket_index
from pipeline.stats.cells import Floats, Side

MINUTES = 60
CANARY_REQUESTS = 20_000
_MEDIAN_NANO = 1e8
_TAIL_NANO = 2e8


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
        requests: of the baseline; the canary has CANARY_REQUESTS.
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


def sides(
    scenario: Scenario, effect: float, rng: np.random.Generator, heavy: bool = False
) -> tuple[Side, Side]:
    """Make the requests of baseline and canary.

    Args:
        scenario: how they differ by themselves.
        effect: all of the canary's requests take this share longer.
        rng: where chance comes from.
        heavy: whether durations have a heavy tail.
    """
    shared = _wander(rng, scenario.shared, scenario.rho)
    baseline = _side(scenario, scenario.baseline, scenario.requests, shared, 0.0, rng, heavy)
    canary = _side(scenario, scenario.canary, CANARY_REQUESTS, shared, effect, rng, heavy)
    return baseline, canary


def _side(
    scenario: Scenario,
    instances: int,
    requests: int,
    shared: Floats,
    effect: float,
    rng: np.random.Generator,
    heavy: bool,
) -> Side:
    """Make one side."""
    instance = rng.integers(0, instances, requests)
    minute = rng.integers(0, MINUTES, requests)
    logs = math.log(_MEDIAN_NANO) + rng.normal(0, 0.4 if heavy else 0.5, requests)
    if heavy:
        tail = rng.random(requests) < 0.05
        logs[tail] = math.log(_TAIL_NANO) + rng.exponential(1 / 1.8, int(tail.sum()))
    logs += rng.normal(0, scenario.instances, instances)[instance]
    logs += shared[minute] + _wander(rng, scenario.own, scenario.rho)[minute]
    logs += math.log1p(effect)
    burst = rng.random(MINUTES) < scenario.bursts
    logs += (burst[minute] & (rng.random(requests) < 0.1)) * math.log(3)
    bucket = bucket_index(np.exp(logs)).astype(np.int64)
    width = int(bucket.max()) + 1
    keys, counts = np.unique((instance * MINUTES + minute) * width + bucket, return_counts=True)
    cell, weights = keys // width, counts.astype(np.float64)
    return Side(cell // MINUTES, cell % MINUTES, keys % width, weights, weights, instances, MINUTES)


def _wander(rng: np.random.Generator, sigma: float, rho: float) -> Floats:
    """Give an AR(1) series with this spread, a value a minute."""
    steps = rng.normal(0, sigma * math.sqrt(1 - rho**2), MINUTES)
    series = np.empty(MINUTES)
    last = rng.normal(0, sigma)
    for place, step in enumerate(steps):
        last = rho * last + step
        series[place] = last
    return series
