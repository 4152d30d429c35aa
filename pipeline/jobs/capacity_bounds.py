"""What each resource allows an instance, or why that is not identified and what to send."""

import math

import numpy as np

from pipeline.jobs.capacity_answer import Scalability
from pipeline.jobs.capacity_gauges import Pool
from pipeline.jobs.capacity_request import CapacityRequest
from pipeline.jobs.capacity_rows import ServiceRows
from pipeline.stats.bootstrap import Floats, Interval
from pipeline.stats.capacity_demand import Demand
from pipeline.stats.capacity_draws import spread_draws
from pipeline.stats.capacity_latency import MOST_UNANSWERED
from pipeline.stats.capacity_latency_fit import LatencyFit
from pipeline.stats.capacity_limits import (
    MOST_MEMORY,
    MOST_OF_PEAK,
    MOST_POOL,
    MOST_UTILISATION,
    Limit,
    not_identified,
    ratio_limit,
)
from pipeline.stats.capacity_memory import MemoryFit
from pipeline.stats.capacity_models import CONSTANT

_BUSIEST = 0.75
_LEAST_POOL_BUCKETS = 10


def latency_limit(latency: LatencyFit, request: CapacityRequest) -> Limit:
    """Give the load that holds the objective."""
    if not request.objective_s:
        return not_identified("latency", "no objective; give --slo p95=600ms")
    if latency.reason:
        return not_identified("latency", latency.reason)
    if math.isnan(latency.limit.low) and latency.model == CONSTANT:
        return not_identified(
            "latency",
            "latency does not rise with load in what was seen, and lies too near to the objective "
            "to tell on which side of it: watch longer",
        )
    if math.isnan(latency.limit.low):
        return not_identified(
            "latency",
            "by what was seen the objective may be held at no load at all, or in more than "
            f"{MOST_UNANSWERED:.0%} of draws no model meets it: ramp the load until latency is "
            "near to it, with minutes at each step",
        )
    if math.isinf(latency.limit.low):
        return not_identified("latency", "latency does not rise with load in what was seen")
    return Limit("latency", latency.limit)


def cpu_limit(rows: ServiceRows, demand: Demand) -> Limit:
    """Give the load that leaves CPU its reserve."""
    if demand.reason:
        return not_identified("cpu", demand.reason)
    cores = rows.meters.cores
    if not cores:
        return not_identified("cpu", "no container.cpu.limit and no CPU count; give --limit cpu=2")
    draws = demand.draws[:, ::-1]
    most = MOST_UTILISATION * cores
    return ratio_limit("cpu", most, demand.background.estimate, demand.mean.estimate, draws)


def memory_limit(rows: ServiceRows, memory: MemoryFit) -> Limit:
    """Give the load whose requests in flight leave memory its reserve."""
    if not rows.meters.memory_source:
        return not_identified(
            "memory",
            f"no process.memory.usage for service {rows.service_name}; send it or "
            "container.memory.usage (OpenTelemetry hostmetrics receiver)",
        )
    if memory.reason:
        return not_identified("memory", memory.reason)
    if not rows.meters.memory_limit:
        return not_identified("memory", "no container.memory.limit; give --limit memory=1GiB")
    most = MOST_MEMORY * rows.meters.memory_limit
    parts = (memory.base_bytes.estimate, memory.bytes_in_flight.estimate, memory.draws)
    return ratio_limit("memory", most, *parts, _seconds_in_flight(rows))


def _seconds_in_flight(rows: ServiceRows) -> float:
    """Give how long a request is in flight in the busiest buckets, by Little's law."""
    throughput, load = rows.buckets.throughput_per_s, rows.buckets.concurrency_mean
    busy = throughput >= np.quantile(throughput, _BUSIEST)
    return float(load[busy].sum() / throughput[busy].sum())


def pool_limit(rows: ServiceRows, pool: Pool, key: tuple[str, ...]) -> Limit:
    """Give the load that leaves a pool its reserve; what a request holds is Little's law again."""
    throughput = rows.buckets.throughput_per_s
    known = np.isfinite(pool.used) & (throughput > 0)
    used, load = pool.used[known], throughput[known]
    if len(used) < _LEAST_POOL_BUCKETS:
        reason = f"{len(used)} buckets with its use, {_LEAST_POOL_BUCKETS} are needed"
        return not_identified(pool.name, reason)

    def held(places: np.ndarray) -> Floats:
        return np.array([0.0, used[places].sum() / load[places].sum()])

    every, draws = spread_draws(held, rows.buckets.moments.of(known), (*key, pool.name))
    return ratio_limit(pool.name, MOST_POOL * pool.size, 0.0, float(every[1]), draws)


def scalability_limit(scalability: Scalability) -> Limit:
    """Give a part of the peak, where one is shown."""
    if scalability.reason or scalability.fit is None:
        return not_identified("scalability", scalability.reason)
    if not scalability.fit.shows_peak:
        return not_identified("scalability", "no peak shown: more requests in flight still do more")
    if not scalability.passed:
        reason = "no peak shown: throughput was not seen to fall beyond the one that the law draws"
        return not_identified("scalability", reason)
    peak = scalability.intervals["peak_throughput"]
    parts = (MOST_OF_PEAK * each for each in (peak.estimate, peak.low, peak.high))
    return Limit("scalability", Interval(*parts))
