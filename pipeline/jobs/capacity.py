"""The capacity job: what a service can take, what binds it, and what more would need."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np

from pipeline.errors import NotEnoughData
from pipeline.jobs.capacity_answer import (
    CapacityResult,
    Concurrency,
    CostChange,
    Scalability,
    ServiceCapacity,
)
from pipeline.jobs.capacity_bounds import (
    cpu_limit,
    latency_limit,
    memory_limit,
    pool_limit,
    scalability_limit,
)
from pipeline.jobs.capacity_chance import chance_of, steady, without_demand, without_memory
from pipeline.jobs.capacity_instances import USUAL
from pipeline.jobs.capacity_latency import latency_of
from pipeline.jobs.capacity_request import CapacityRequest
from pipeline.jobs.capacity_rows import ServiceRows, read_capacity_rows
from pipeline.jobs.job import Job
from pipeline.lake import Lake
from pipeline.stats.bootstrap import Interval
from pipeline.stats.capacity_band import scalability_band
from pipeline.stats.capacity_cost import cost_change, cost_per_million
from pipeline.stats.capacity_demand import Demand, fit_demand
from pipeline.stats.capacity_drivers import DriverScan, scan_drivers
from pipeline.stats.capacity_limits import (
    FITS,
    UNDECIDED,
    Limit,
    Replicas,
    SafeLoad,
    replicas,
    safe_load,
)
from pipeline.stats.capacity_memory import MemoryFit, fit_memory
from pipeline.stats.concurrency import exceeded_level
from pipeline.stats.usl import fit_usl, why_not_usl

# The level exceeded 1 % of the time, and the normal score of it.
_EXCEEDED = 0.01
_SCORE = 2.3263
# Of what is drawn of a fit: points, and how far beyond the highest concurrency seen.
_GRID, _REACH = 60, 1.2


def run(
    lake: Lake,
    request: CapacityRequest,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> CapacityResult:
    """Work out the capacity of every version of the services asked for.

    Args:
        lake: the lake.
        request: the question.
        on_progress: is told how many versions are done, of how many.

    Raises:
        NotEnoughData: no request matches.
        LakeError: the lake cannot be read.
    """
    found = read_capacity_rows(lake, request)
    if not found:
        raise NotEnoughData(
            "capacity: no server or consumer span matches; look at `tailgate tables`, "
            "or ask for another window or service"
        )
    services = []
    for place, rows in enumerate(found):
        on_progress(place, len(found))
        services.append(_service(rows, request, _instances(found, rows.service_name)))
    on_progress(len(found), len(found))
    return CapacityResult(request, tuple(services), _cost_changes(tuple(services)))


CAPACITY = Job("capacity", "what a service can take, what binds it, what more needs", run)


def _instances(found: list[ServiceRows], service: str) -> int:
    """Give how many instances of a service there were at one time, of all versions."""
    of_versions = [rows.buckets.start_s for rows in found if rows.service_name == service]
    counts = np.unique(np.concatenate(of_versions), return_counts=True)[1]
    # While a version replaces another one, both are there: not for long.
    return int(np.quantile(counts, USUAL, method="lower")) if len(counts) else 0


def _service(rows: ServiceRows, request: CapacityRequest, instances: int) -> ServiceCapacity:
    """Work out one version of a service that has so many instances."""
    buckets = rows.buckets
    key = (rows.service_name, rows.service_version)
    chance = chance_of(rows)
    demand = without_demand(_named(rows, fit_demand(buckets, key)), chance)
    drivers = scan_drivers(buckets, rows.drivers, demand.lag)
    memory = without_memory(fit_memory(buckets, key), chance)
    scalability = _scalability(rows, key, chance)
    latency = latency_of(rows, demand, request, chance)
    limits = (
        latency_limit(latency, request),
        cpu_limit(rows, demand),
        memory_limit(rows, memory),
        *(pool_limit(rows, pool, key) for pool in rows.pools),
        scalability_limit(scalability),
    )
    throughput = buckets.throughput_per_s
    most = float(throughput.max()) if len(throughput) else 0.0
    safe = safe_load(limits, most, most)
    target = request.target_per_second
    times = len(np.unique(buckets.start_s)) or 1
    return ServiceCapacity(
        rows,
        tuple(float(each) for each in buckets.completions_per_s.sum(axis=0) / times),
        _concurrency(rows),
        demand,
        memory,
        scalability,
        latency,
        limits,
        safe,
        _replicas(safe, limits, request, instances, rows.meters.merged) if target else None,
        cost_per_million(buckets, request.cpu_price, request.memory_price, key)
        if request.has_prices
        else None,
        (*rows.notes, *demand.notes, *_driver_notes(drivers), *_notes(rows, memory)),
        drivers,
    )


def _named(rows: ServiceRows, demand: Demand) -> Demand:
    """Say what to send where there is no CPU at all."""
    if rows.meters.cpu_source or not demand.reason:
        return demand
    reason = (
        f"no process.cpu.time for service {rows.service_name}; send it or container.cpu.time "
        "(OpenTelemetry hostmetrics receiver or process instrumentation)"
    )
    return replace(demand, reason=reason)


def _scalability(rows: ServiceRows, key: tuple[str, ...], chance: str) -> Scalability:
    """Fit throughput against concurrency."""
    load, throughput = rows.buckets.concurrency_mean, rows.buckets.throughput_per_s
    known = (load > 0) & (throughput > 0)
    load, throughput, moments = load[known], throughput[known], rows.buckets.moments.of(known)
    none = np.zeros(0)
    reason = chance or steady(rows) or why_not_usl(load)
    fit = None if reason else fit_usl(load, throughput)
    reason = reason or why_not_usl(load, fit)
    if reason or fit is None:
        return Scalability(reason, None, {}, none, none, none)
    grid = np.linspace(0, _REACH * float(load.max()), _GRID + 1)[1:]
    band = scalability_band(fit, load, throughput, moments, grid, (*key, "usl"))
    return Scalability("", fit, band.intervals, grid, band.low, band.high, band.passed)


def _concurrency(rows: ServiceRows) -> Concurrency:
    """Give mean, percentile and peak; of sampled traces the last two by Poisson."""
    seconds, levels = rows.level_seconds, rows.levels
    total = float(seconds.sum())
    if not total > 0:
        return Concurrency(0.0, 0.0, 0.0, rows.sampled)
    mean = float((levels * seconds).sum() / total)
    if rows.sampled:
        # A peak of a sample cannot be scaled: its gaps are those of the sample.
        buckets = rows.buckets
        by_time = np.unique(buckets.start_s, return_inverse=True)[1]
        summed = np.bincount(by_time, buckets.concurrency_mean) if len(by_time) else [mean]
        means = np.asarray(summed, dtype=np.float64)
        peak = float(means.max() + _SCORE * math.sqrt(means.max()))
        return Concurrency(mean, exceeded_level(means, _EXCEEDED), peak, True)
    above = 1 - np.cumsum(seconds) / total
    exceeded = float(levels[int(np.argmax(above <= _EXCEEDED))])
    return Concurrency(mean, exceeded, float(levels[-1]), False)


def _replicas(
    safe: SafeLoad,
    limits: tuple[Limit, ...],
    request: CapacityRequest,
    instances: int,
    merged: int,
) -> Replicas:
    """Give what a target needs; that it fits is not said before CPU is known.

    Where so many instances are one, as spans name none, each bears a part of what they do.
    """
    load = safe.per_second
    safe = replace(
        safe,
        per_second=Interval(*(each / merged for each in (load.estimate, load.low, load.high))),
        seen_per_second=safe.seen_per_second / merged,
    )
    found = replicas(safe, request.target_per_second, instances * merged, request.zones)
    unknown = [each.resource for each in limits if each.resource == "cpu" and each.reason]
    if found.outcome == FITS and unknown:
        return replace(found, outcome=UNDECIDED)
    return found


def _notes(rows: ServiceRows, memory: MemoryFit) -> tuple[str, ...]:
    """Say what a reader should know of the rest."""
    notes = []
    if rows.sampled:
        notes.append("traces are sampled: peaks of requests in flight are estimated")
    if memory.leaks:
        hourly = memory.drift_bytes_per_hour
        notes.append(
            f"leak suspected: memory grows by {hourly.estimate / 2**20:.3g} MiB an hour "
            f"[{hourly.low / 2**20:.3g}, {hourly.high / 2**20:.3g}] beside its load"
        )
    return tuple(notes)


def _driver_notes(drivers: DriverScan) -> tuple[str, ...]:
    """Say what costs of requests are worth where CPU time follows something else."""
    if drivers.named is None:
        return ()
    name = drivers.named.name
    return (
        f"CPU follows {name} better than requests: what a request costs, and the limit by CPU, "
        f"hold for today's {name} a request alone",
    )


def _cost_changes(services: tuple[ServiceCapacity, ...]) -> tuple[CostChange, ...]:
    """Compare the costs of versions that follow one another."""
    return tuple(
        CostChange(
            before.rows.service_name,
            before.rows.service_version,
            after.rows.service_version,
            cost_change(before.cost, after.cost),
        )
        for before, after in pairwise(services)
        if before.cost and after.cost and before.rows.service_name == after.rows.service_name
    )
