"""Reading what a capacity is worked out from: buckets of time of every version of a service."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.jobs.capacity_blocks import by_operation, floats, latency_blocks, whole
from pipeline.jobs.capacity_drivers import drivers_of, read_drivers
from pipeline.jobs.capacity_gauges import Meters, Pool, meters_of
from pipeline.jobs.capacity_readings import finer_buckets, readings
from pipeline.jobs.capacity_request import LEAST_BUCKET_S, MOST_BUCKET_S, CapacityRequest
from pipeline.jobs.capacity_sources import CPU_COUNTERS, GAUGES, POOL_GAUGES
from pipeline.jobs.capacity_spans import chance_of_sample, dealt, variation
from pipeline.jobs.capacity_sweep import concurrency, levels
from pipeline.jobs.job import Connection, ask, asking, define_view
from pipeline.jobs.metric_sources import POOL_KEYS
from pipeline.lake import Lake, take_snapshot
from pipeline.lake.catalog import define_table
from pipeline.schema import METRICS, PROFILE_SAMPLES, SPANS
from pipeline.stats.bootstrap import Floats
from pipeline.stats.capacity_buckets import CapacityBuckets, LatencyBlocks
from pipeline.stats.capacity_drivers import Drivers
from pipeline.stats.queue_tables import Variation

_SECOND_NANO = 1_000_000_000
# A request in flight at the start of the window began no earlier than this before it.
_REACH_NANO = 3600 * _SECOND_NANO
_LAST_NANO = 2**63 - 1 - 2 * _REACH_NANO
_OF_SPANS = ("operations", "latencies", "concurrency", "variation", "levels", "readings", "drivers")
_GAUGES = {"gauges": list(GAUGES), "pool_gauges": list(POOL_GAUGES), "pool_keys": list(POOL_KEYS)}
# Of the buckets of a version, in which another one of the service ran as well.
_AT_ONCE = 0.1
# Of requests, whose spans must tell their CPU time for it to count for all of them.
LEAST_TOLD = 0.9
# What the RETIT extension of the OpenTelemetry Java agent writes, and no unit is needed for.
RETIT = "io.retit.startcputime, io.retit.endcputime"


@dataclass(frozen=True)
class ServiceRows:
    """One version of a service.

    Attributes:
        service_name, service_version: which.
        buckets: what it did.
        latencies: how long its requests took, of blocks of buckets with enough of them.
        requests: spans that completed.
        sampled: whether they stand for more requests than there are spans.
        levels, level_seconds: requests in flight over all instances, rising, and for how long.
        meters: limits and pools, and which metrics told them.
        variation: of requests and of own work; None where not known, as with sampled traces.
        durations: of requests and of how long they take, and their mean in seconds, in quiet
            buckets; None where not known.
        dealt_by: what ``self_time_s`` of the buckets is: self time, or CPU time of profiles.
        notes: what a reader should know.
        drivers: what it did beside its requests, in the same buckets.
        chance: share of what load varies by that is chance of the sample; 0 for whole traces.
    """

    service_name: str
    service_version: str
    buckets: CapacityBuckets
    latencies: LatencyBlocks
    requests: int
    sampled: bool
    levels: Floats
    level_seconds: Floats
    meters: Meters
    variation: Variation | None
    durations: tuple[Variation, float] | None
    dealt_by: str
    notes: tuple[str, ...]
    drivers: Drivers
    chance: float = 0.0

    @property
    def pools(self) -> tuple[Pool, ...]:
        """Give its pools."""
        return self.meters.pools


def read_capacity_rows(lake: Lake, request: CapacityRequest) -> list[ServiceRows]:
    """Read all versions of the services that are asked for.

    Args:
        lake: the lake.
        request: the question.

    Returns:
        By service and version; empty where no request matches.

    Raises:
        LakeError: the lake cannot be read.
    """
    with asking() as connection:
        values = _define(connection, lake, request)
        chosen = {k: values[k] for k in ("since", "until", "service")}
        connection.register("requests_as_sent", ask(connection, "capacity_requests", values))
        where = {k: values[k] for k in ("has_environment", "environment")}
        counted = chosen | where | {"counters": list(CPU_COUNTERS)}
        points, unknown = _counted(ask(connection, "capacity_points", counted))
        connection.register("capacity_points", points.to_arrow())
        width = request.bucket_s or _bucket_of(points)
        bucket = {"bucket": width * _SECOND_NANO}
        window = {k: values[k] for k in ("since", "until")}
        requests = _align(connection, chosen | bucket)
        frames = {
            name: _frame(ask(connection, f"capacity_{name}", wanted))
            for name, wanted in (
                ("operations", window | bucket),
                ("latencies", window | bucket),
                ("variation", bucket),
            )
        }
        frames["drivers"] = read_drivers(connection, values | bucket)
        frames["counters"] = _frame(ask(connection, "capacity_counters", bucket))
        frames["profiles"] = _frame(ask(connection, "capacity_profiles", chosen | where | bucket))
        gauges = chosen | where | bucket | _GAUGES
        frames["gauges"] = _frame(ask(connection, "capacity_gauges", gauges))
        edges = (request.since_unix_nano or 0, request.until_unix_nano or _LAST_NANO)
        frames["concurrency"] = _frame(concurrency(requests, width * _SECOND_NANO, edges))
        frames["readings"] = readings(connection, frames, requests, width, window)
    frames["levels"] = _frame(levels(requests, edges))
    return list(_services(frames, width, request, unknown))


def _define(connection: Connection, lake: Lake, request: CapacityRequest) -> dict[str, object]:
    """Make the tables that are read, and give what statements choose by."""
    since = request.since_unix_nano or 0
    until = _LAST_NANO if request.until_unix_nano is None else request.until_unix_nano
    for table in (SPANS, METRICS, PROFILE_SAMPLES):
        files = take_snapshot(lake, table).between(since - _REACH_NANO, until + _REACH_NANO)
        define_table(connection, table, [file.path for file in files])
    for view in ("span_facts", "metric_intervals", "metric_rates"):
        define_view(connection, view)
    pairs = dict(request.where)
    return {
        "since": since,
        "until": until,
        "reach": _REACH_NANO,
        "service": request.pattern,
        "has_version": "service_version" in pairs,
        "version": pairs.get("service_version", ""),
        "has_environment": "deployment_environment" in pairs,
        "environment": pairs.get("deployment_environment", ""),
        "cpu_attribute": request.cpu_attribute,
        "cpu_unit": request.cpu_unit,
    }


def _align(connection: Connection, chosen: dict[str, object]) -> pa.Table:
    """Let the buckets of an instance begin where its counters are read; give the requests so."""
    phases = ask(connection, "capacity_phases", chosen | {"counters": list(CPU_COUNTERS)})
    connection.register("capacity_phases", phases)
    requests = ask(connection, "capacity_aligned", {})
    connection.register("capacity_requests", requests)
    return requests


def _frame(rows: pa.Table) -> pl.DataFrame:
    return pl.DataFrame(rows)


def _counted(points: pa.Table) -> tuple[pl.DataFrame, list[tuple[str, str, str]]]:
    """Give the points of CPU time whose unit is known; service, name and unit of the others."""
    frame = _frame(points)
    strange = frame.filter(pl.col("seconds").is_null())
    unknown = strange.select("service_name", "name", "unit").unique().rows()
    return frame.drop_nulls("seconds").drop("unit"), sorted(unknown)


def _bucket_of(points: pl.DataFrame) -> int:
    """Give a length of buckets that the points of CPU time fill: never two of one point."""
    # Of senders, not of points: of those that send often there are more.
    apart = (
        points.group_by("service_name", "service_instance_id", "name")
        .agg(((pl.col("ended") - pl.col("started")) / 1e9).median().alias("apart"))["apart"]
        .median()
    )
    seconds = round(apart) if isinstance(apart, float) else LEAST_BUCKET_S
    return min(max(seconds, LEAST_BUCKET_S), MOST_BUCKET_S)


def _services(
    frames: dict[str, pl.DataFrame],
    width: int,
    request: CapacityRequest,
    unknown: list[tuple[str, str, str]],
) -> Iterator[ServiceRows]:
    """Cut what was read by service and version, the earliest version first."""
    began = (
        frames["concurrency"]
        .select("service_name", "service_version", "bucket")
        .unique()
        .with_columns((pl.len().over("service_name", "bucket") > 1).alias("shared"))
        .group_by("service_name", "service_version")
        .agg(pl.col("bucket").min(), pl.col("shared").mean())
        .sort("service_name", "bucket", "service_version")
    )
    for service, version, _, shared in began.rows():
        of_spans = {
            name: frames[name].filter(
                (pl.col("service_name") == service) & (pl.col("service_version") == version)
            )
            for name in _OF_SPANS
        }
        # A sender of metrics may not know its version; its instance is one of the spans'.
        others = _others(frames["concurrency"], service, version)
        known = pl.col("service_version") == version
        unsaid = (pl.col("service_version") == "") & ~pl.col("service_instance_id").is_in(others)
        of_metrics = {
            name: frames[name].filter((pl.col("service_name") == service) & (known | unsaid))
            for name in ("counters", "gauges", "profiles")
        }
        rows = whole(of_spans["concurrency"]).sort("service_instance_id", "bucket")
        told = (of_metrics["counters"], of_metrics["gauges"])
        meters = meters_of(rows, told, width, request, shared < _AT_ONCE)
        notes = [
            f"CPU time is not counted of {name} in {unit}: no unit of time"
            for whose, name, unit in unknown
            if whose == service
        ]
        meters = replace(meters, notes=(*meters.notes, *notes))
        spans = of_spans | {"profiles": of_metrics["profiles"]}
        yield _service((service, version), (rows, spans), meters, width, request)


def _others(concurrency: pl.DataFrame, service: str, version: str) -> list[str]:
    """Give the instances of a service that only its other versions have."""
    rows = concurrency.filter(pl.col("service_name") == service)
    is_own = rows["service_version"] == version
    own, every = (set(each["service_instance_id"]) for each in (rows.filter(is_own), rows))
    return sorted(every - own - {""})


def _levels(found: pl.DataFrame) -> tuple[Floats, Floats]:
    """Give levels of requests in flight, and for how long they were."""
    return floats(found, "level"), floats(found, "seconds")


def _service(
    named: tuple[str, str],
    of_spans: tuple[pl.DataFrame, dict[str, pl.DataFrame]],
    meters: Meters,
    width: int,
    request: CapacityRequest,
) -> ServiceRows:
    """Make the arrays of one version."""
    rows, frames = of_spans
    own = frames["operations"]
    names = tuple(sorted(set(own["operation"].to_list())))
    completions, self_time, span_cpu, span_requests = (
        by_operation(rows, own, names, name)
        for name in ("completions", "self_time_s", "span_cpu_s", "span_cpu_requests")
    )
    worked, dealt_by = dealt(rows, frames["profiles"], names)
    self_time = self_time if worked is None else worked
    told = float(span_requests.sum()) >= LEAST_TOLD * float(completions.sum()) > 0
    dealt_by = f"thread CPU time of spans ({request.cpu_attribute or RETIT})" if told else dealt_by
    requests = int(own["requests"].sum())
    sampled = abs(float(own["completions"].sum()) - requests) > 1e-6 * requests
    _, instance = np.unique(rows["service_instance_id"].to_numpy(), return_inverse=True)
    buckets = CapacityBuckets(
        rows["bucket"].to_numpy().astype(np.float64) * width,
        float(width),
        names,
        completions / width,
        *(rows["concurrency_mean"].to_numpy(), rows["concurrency_peak"].to_numpy()),
        meters.cpu_cores,
        self_time,
        meters.memory_bytes,
        instance.astype(np.int64),
        meters.memory_place,
        span_cpu if told else None,
        span_requests if told else None,
        # Of sampled requests a short stretch tells little; profiles have buckets of their own.
        finer=None if sampled or worked is not None else finer_buckets(frames["readings"], names),
    )
    return ServiceRows(
        *named,
        buckets,
        latency_blocks(rows, buckets.throughput_per_s, instance, frames["latencies"], width),
        *(requests, sampled),
        *_levels(frames["levels"]),
        meters,
        *variation(frames["variation"], sampled),
        *(dealt_by, meters.notes),
        drivers_of(rows, frames["drivers"], width),
        chance_of_sample(rows, own, buckets) if sampled else 0.0,
    )
