"""Latency of a version against its load, beside the servers that its requests may wait for."""

from dataclasses import replace

import numpy as np

from pipeline.jobs.capacity_blocks import of_blocks
from pipeline.jobs.capacity_gauges import Pool
from pipeline.jobs.capacity_request import CapacityRequest
from pipeline.jobs.capacity_rows import ServiceRows
from pipeline.stats.capacity_demand import Demand
from pipeline.stats.capacity_draws import BLOCK, Moments
from pipeline.stats.capacity_latency import fit_latency
from pipeline.stats.capacity_latency_fit import LatencyFit, no_latency, why_not_ramped
from pipeline.stats.capacity_points import LoadPoints, Servers
from pipeline.stats.queue_tables import RANDOM, Variation

# Of the duration of quiet requests: so long is a slot held that is theirs all along.
_LEAST_HELD, _NEARLY_ALL, _MOST_HELD = 0.75, 0.85, 1.15
# With fewer requests p95 is the slowest of them, and a median any of them.
_LEAST_P95, _LEAST_MEDIAN = 40, 10


def latency_of(
    rows: ServiceRows, demand: Demand, request: CapacityRequest, chance: str
) -> LatencyFit:
    """Fit latency against load; ``chance`` says why it cannot be, where it is not empty."""
    load = rows.latencies.throughput_per_s
    reason = chance or (why_not_ramped(load) if len(load) else "")
    key = (rows.service_name, rows.service_version)
    if reason:
        return no_latency(reason)
    return fit_latency(_points(rows, demand, request), request.objective_s, key)


def _points(rows: ServiceRows, demand: Demand, request: CapacityRequest) -> LoadPoints:
    """Give the spans of time that have a load and a latency."""
    found = rows.latencies
    median = request.objective_quantile == 0.5
    latency = found.latency_p50_s if median else found.latency_p95_s
    known = (found.throughput_per_s > 0) & (found.concurrency > 0) & (latency > 0)
    known &= found.requests >= (_LEAST_MEDIAN if median else _LEAST_P95)
    # Of spans that are longer than a bucket, fewer hang together.
    block = max(1, round(BLOCK * rows.buckets.width_s / found.width_s))
    return LoadPoints(
        found.throughput_per_s[known],
        found.concurrency[known],
        latency[known],
        demand.mean.estimate,
        demand.background.estimate,
        rows.meters.cores,
        Moments(found.start_s[known], found.instance[known], block),
        request.objective_quantile,
        rows.variation,
        tuple(_servers(rows, pool, known) for pool in rows.pools if pool.size >= 1),
    )


def _servers(rows: ServiceRows, pool: Pool, known: np.ndarray) -> Servers:
    """Give the slots of a pool, and how alike services are where a request is one of them."""
    found = rows.latencies
    busy = of_blocks(rows.buckets, found, pool.used)[known]
    slots = Servers(pool.name, round(pool.size), busy)
    held = slots.usual_s(found.throughput_per_s[known])
    if not rows.durations:
        return slots
    varied, seconds = rows.durations
    part = held / seconds
    if not _LEAST_HELD <= part <= _MOST_HELD:
        return slots
    # Quiet requests may wait, or do something else a little: what is held is then less alike.
    service = varied.service if part >= _NEARLY_ALL else max(varied.service, RANDOM.service)
    return replace(slots, variation=Variation(varied.arrivals, service))
