"""The capacity job: what a service can take, what binds it, and what more would need."""

import math
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
from pipeline.jobs.capacity_gauges import Pool
from pipeline.jobs.capacity_request import CapacityRequest
from pipeline.jobs.capacity_rows import ServiceRows, read_capacity_rows
from pipeline.jobs.job import Job
from pipeline.lake import Lake
from pipeline.stats.bootstrap import Floats, Interval
from pipeline.stats.capacity_band import scalability_band
from pipeline.stats.capacity_cost import cost_change, cost_per_million
from pipeline.stats.capacity_demand import Demand, fit_demand
from pipeline.stats.capacity_draws import spread_draws
from pipeline.stats.capacity_latency import LatencyFit, LoadPoints, fit_latency
from pipeline.stats.capacity_limits import (
    EXTRAPOLATED,
    FITS,
    MOST_MEMORY,
    MOST_OF_PEAK,
    MOST_POOL,
    MOST_UTILISATION,
    UNDECIDED,
    Limit,
    Replicas,
    SafeLoad,
    not_identified,
    ratio_limit,
    replicas,
    safe_load,
)
from pipeline.stats.capacity_memory import MemoryFit, fit_memory
from pipeline.stats.usl import fit_usl, why_not_usl

# The level exceeded 1 % of the time, and the normal score of it.
_EXCEEDED = 0.01
_SCORE = 2.3263
_BUSIEST = 0.75
_LEAST_POOL_BUCKETS = 10
# Of what is drawn of a fit: points, and how far beyond the highest concurrency seen.
_GRID, _REACH = 60, 1.2


def run(lake: Lake, request: CapacityRequest) -> CapacityResult:
    """Work out the capacity of every version of the services asked for.

    Args:
        lake: the lake.
        request: the question.

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
    services = tuple(_service(rows, request) for rows in found)
    return CapacityResult(request, services, _cost_changes(services))


CAPACITY = Job("capacity", "what a service can take, what binds it, what more needs", run)


def _service(rows: ServiceRows, request: CapacityRequest) -> ServiceCapacity:
    """Work out one version."""
    buckets = rows.buckets
    key = (rows.service_name, rows.service_version)
    demand = _named(rows, fit_demand(buckets, key))
    memory = fit_memory(buckets, key)
    scalability = _scalability(rows, key)
    latency = fit_latency(_points(rows, demand, request), request.objective_s, key)
    limits = (
        _latency_limit(latency, request),
        _cpu_limit(rows, demand),
        _memory_limit(rows, memory),
        *(_pool_limit(rows, pool, key) for pool in rows.pools),
        _scalability_limit(scalability),
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
        _replicas(safe, limits, request, buckets.most_instances) if target else None,
        cost_per_million(buckets, request.cpu_price, request.memory_price, key)
        if request.has_prices
        else None,
        (*rows.notes, *demand.notes, *_notes(rows, memory)),
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


def _points(rows: ServiceRows, demand: Demand, request: CapacityRequest) -> LoadPoints:
    """Give the buckets that have a load and a latency, in the order of time."""
    buckets = rows.buckets
    median = request.objective_quantile == 0.5
    latency = buckets.latency_p50_s if median else buckets.latency_p95_s
    throughput, load = buckets.throughput_per_s, buckets.concurrency_mean
    order = np.argsort(buckets.start_s, kind="stable")
    known = (throughput > 0) & (load > 0) & (latency > 0)
    chosen = order[known[order]]
    return LoadPoints(
        throughput[chosen],
        load[chosen],
        latency[chosen],
        demand.mean.estimate,
        demand.background.estimate,
        rows.meters.cores,
    )


def _scalability(rows: ServiceRows, key: tuple[str, ...]) -> Scalability:
    """Fit throughput against concurrency."""
    load, throughput = rows.buckets.concurrency_mean, rows.buckets.throughput_per_s
    known = (load > 0) & (throughput > 0)
    load, throughput = load[known], throughput[known]
    none = np.zeros(0)
    reason = why_not_usl(load)
    fit = None if reason else fit_usl(load, throughput)
    reason = reason or why_not_usl(load, fit)
    if reason or fit is None:
        return Scalability(reason, None, {}, none, none, none)
    grid = np.linspace(0, _REACH * float(load.max()), _GRID + 1)[1:]
    intervals, low, high = scalability_band(fit, load, throughput, grid, (*key, "usl"))
    return Scalability("", fit, intervals, grid, low, high)


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
        most = float(np.bincount(by_time, buckets.concurrency_mean).max()) if len(by_time) else mean
        exceeded, peak = (level + _SCORE * math.sqrt(level) for level in (mean, most))
        return Concurrency(mean, exceeded, peak, True)
    above = 1 - np.cumsum(seconds) / total
    exceeded = float(levels[int(np.argmax(above <= _EXCEEDED))])
    return Concurrency(mean, exceeded, float(levels[-1]), False)


def _latency_limit(latency: LatencyFit, request: CapacityRequest) -> Limit:
    """Give the load that holds the objective."""
    if not request.objective_s:
        return not_identified("latency", "no objective; give --slo p95=600ms")
    if latency.reason:
        return not_identified("latency", latency.reason)
    if math.isinf(latency.limit.low):
        return not_identified("latency", "latency does not rise with load in what was seen")
    return Limit("latency", latency.limit)


def _cpu_limit(rows: ServiceRows, demand: Demand) -> Limit:
    """Give the load that leaves CPU its reserve."""
    if demand.reason:
        return not_identified("cpu", demand.reason)
    cores = rows.meters.cores
    if not cores:
        return not_identified("cpu", "no container.cpu.limit and no CPU count; give --limit cpu=2")
    draws = demand.draws[:, ::-1]
    most = MOST_UTILISATION * cores
    return ratio_limit("cpu", most, demand.background.estimate, demand.mean.estimate, draws)


def _memory_limit(rows: ServiceRows, memory: MemoryFit) -> Limit:
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


def _pool_limit(rows: ServiceRows, pool: Pool, key: tuple[str, ...]) -> Limit:
    """Give the load that leaves a pool its reserve; what a request holds is Little's law again."""
    throughput = rows.buckets.throughput_per_s
    known = np.isfinite(pool.used) & (throughput > 0)
    used, load = pool.used[known], throughput[known]
    if len(used) < _LEAST_POOL_BUCKETS:
        reason = f"{len(used)} buckets with its use, {_LEAST_POOL_BUCKETS} are needed"
        return not_identified(pool.name, reason)

    def held(places: np.ndarray) -> Floats:
        return np.array([0.0, used[places].sum() / load[places].sum()])

    every, draws = spread_draws(held, len(used), (*key, pool.name))
    return ratio_limit(pool.name, MOST_POOL * pool.size, 0.0, float(every[1]), draws)


def _scalability_limit(scalability: Scalability) -> Limit:
    """Give a part of the peak, where one is shown."""
    if scalability.reason or scalability.fit is None:
        return not_identified("scalability", scalability.reason)
    if not scalability.fit.shows_peak:
        return not_identified("scalability", "no peak shown: more requests in flight still do more")
    seen, top = scalability.fit.load_most, scalability.fit.peak_load
    if top > EXTRAPOLATED * seen:
        reason = f"its peak would be at {top:.3g} in flight, far beyond what was seen, {seen:.3g}"
        return not_identified("scalability", reason)
    peak = scalability.intervals["peak_throughput"]
    parts = (MOST_OF_PEAK * each for each in (peak.estimate, peak.low, peak.high))
    return Limit("scalability", Interval(*parts))


def _replicas(
    safe: SafeLoad, limits: tuple[Limit, ...], request: CapacityRequest, instances: int
) -> Replicas:
    """Give what a target needs; that it fits is not said before CPU is known."""
    found = replicas(safe, request.target_per_second, instances, request.zones)
    unknown = [each.resource for each in limits if each.resource == "cpu" and each.reason]
    if found.outcome == FITS and unknown:
        return replace(found, outcome=UNDECIDED)
    return found


def _notes(rows: ServiceRows, memory: MemoryFit) -> tuple[str, ...]:
    """Say what a reader should know of the rest."""
    notes = []
    if rows.sampled:
        notes.append("traces are sampled: peaks of requests in flight are estimated")
    if not memory.reason and math.isnan(memory.drift_bytes_per_hour.estimate):
        notes.append("load rose with time all along: a leak would count as memory of requests")
    if memory.leaks:
        hourly = memory.drift_bytes_per_hour
        notes.append(
            f"leak suspected: memory grows by {hourly.estimate / 2**20:.3g} MiB an hour "
            f"[{hourly.low / 2**20:.3g}, {hourly.high / 2**20:.3g}] beside its load"
        )
    return tuple(notes)


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
