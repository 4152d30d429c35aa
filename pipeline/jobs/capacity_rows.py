"""Reading what a capacity is worked out from: buckets of time of every version of a service."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.jobs.capacity_blocks import by_operation, floats, latency_blocks, whole
from pipeline.jobs.capacity_drivers import drivers_of, read_drivers
from pipeline.jobs.capacity_gauges import Meters, Pool, meters_of
from pipeline.jobs.capacity_readings import finer_buckets, readings
from pipeline.jobs.capacity_request import LEAST_BUCKET_S, MOST_BUCKET_S, CapacityRequest
from pipeline.jobs.capacity_sources import CPU_COUNTERS, GAUGES
from pipeline.jobs.capacity_sweep import concurrency, levels
from pipeline.jobs.job import Connection, ask, asking, define_view
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
_NO_PHASES = pa.table(
    {
        "service_name": pa.array([], pa.string()),
        "service_instance_id": pa.array([], pa.string()),
        "phase_nano": pa.array([], pa.int64()),
    }
)
# Of requests, whose spans must tell their CPU time for it to count for all of them.
LEAST_TOLD = 0.9
# What the RETIT extension of the OpenTelemetry Java agent writes, and no unit is needed for.
RETIT = "io.retit.startcputime, io.retit.endcputime"
# Observations of a profile that are linked to requests, for these to share out CPU time.
LEAST_SAMPLES = 200


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
        counted = chosen | {"counters": list(CPU_COUNTERS)}
        connection.register("capacity_points", ask(connection, "capacity_points", counted))
        width = request.bucket_s or _bucket_of(connection)
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
        frames["profiles"] = _frame(ask(connection, "capacity_profiles", chosen | bucket))
        gauges = chosen | bucket | {"gauges": list(GAUGES)}
        frames["gauges"] = _frame(ask(connection, "capacity_gauges", gauges))
        edges = (request.since_unix_nano or 0, request.until_unix_nano or _LAST_NANO)
        frames["concurrency"] = _frame(concurrency(requests, width * _SECOND_NANO, edges))
        frames["readings"] = readings(connection, frames, requests, width, window)
    frames["levels"] = _frame(levels(requests))
    return list(_services(frames, width, request))


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


def _bucket_of(connection: Connection) -> int:
    """Give a length of buckets that the points of CPU time fill: never two of one point."""
    connection.register("capacity_phases", _NO_PHASES)
    wide = {"bucket": 3600 * _SECOND_NANO}
    apart = _frame(ask(connection, "capacity_counters", wide))["interval_s"].median()
    seconds = LEAST_BUCKET_S if not isinstance(apart, float) else round(apart)
    return min(max(seconds, LEAST_BUCKET_S), MOST_BUCKET_S)


def _services(
    frames: dict[str, pl.DataFrame], width: int, request: CapacityRequest
) -> Iterator[ServiceRows]:
    """Cut what was read by service and version."""
    names = frames["concurrency"].select("service_name", "service_version").unique()
    for service, version in sorted(names.rows()):
        of_spans = {
            name: frames[name].filter(
                (pl.col("service_name") == service) & (pl.col("service_version") == version)
            )
            for name in _OF_SPANS
        }
        # A sender of metrics may not know its version; its instance is one of the spans'.
        of_metrics = {
            name: frames[name].filter(
                (pl.col("service_name") == service) & pl.col("service_version").is_in([version, ""])
            )
            for name in ("counters", "gauges", "profiles")
        }
        yield _service((service, version), of_spans | of_metrics, width, request)


def _service(
    named: tuple[str, str], frames: dict[str, pl.DataFrame], width: int, request: CapacityRequest
) -> ServiceRows:
    """Make the arrays of one version."""
    rows = whole(frames["concurrency"]).sort("service_instance_id", "bucket")
    own = frames["operations"]
    names = tuple(sorted(set(own["operation"].to_list())))
    completions, self_time, span_cpu, span_requests = (
        by_operation(rows, own, names, name)
        for name in ("completions", "self_time_s", "span_cpu_s", "span_cpu_requests")
    )
    worked, dealt_by = _dealt(rows, frames["profiles"], names)
    self_time = self_time if worked is None else worked
    told = float(span_requests.sum()) >= LEAST_TOLD * float(completions.sum()) > 0
    dealt_by = f"thread CPU time of spans ({request.cpu_attribute or RETIT})" if told else dealt_by
    requests = int(own["requests"].sum())
    sampled = abs(float(own["completions"].sum()) - requests) > 1e-6 * requests
    meters = meters_of(rows, frames["counters"], frames["gauges"], width, request)
    _, instance = np.unique(rows["service_instance_id"].to_numpy(), return_inverse=True)
    buckets = CapacityBuckets(
        rows["bucket"].to_numpy().astype(np.float64) * width,
        float(width),
        names,
        completions / width,
        rows["concurrency_mean"].to_numpy(),
        rows["concurrency_peak"].to_numpy(),
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
        requests,
        sampled,
        floats(frames["levels"], "level"),
        floats(frames["levels"], "seconds"),
        meters,
        *_variation(frames["variation"], sampled),
        dealt_by,
        meters.notes,
        drivers_of(rows, frames["drivers"], width),
    )


def _variation(
    found: pl.DataFrame, sampled: bool
) -> tuple[Variation | None, tuple[Variation, float] | None]:
    """Give how much arrivals, own work and durations vary; gaps of a sample are the sample's."""
    names = ("arrival_scv", "service_scv", "duration_scv", "duration_s")
    if sampled or not len(found):
        return None, None
    arrivals, work, durations, seconds = (float(floats(found, name)[0]) for name in names)
    known = math.isfinite(arrivals + work + durations)
    if not known:
        return None, None
    return Variation(arrivals, work), (Variation(arrivals, durations), seconds)


def _dealt(
    rows: pl.DataFrame, profiles: pl.DataFrame, names: tuple[str, ...]
) -> tuple[Floats | None, str]:
    """Give CPU time of samples that are linked to requests, where there are enough, and by what."""
    known = profiles.filter(pl.col("operation").is_in(list(names)))
    observations = int(known["observations"].sum())
    if observations < LEAST_SAMPLES:
        return None, "self time"
    added = known.group_by("service_instance_id", "bucket", "operation").agg(
        pl.col("profile_s").sum()
    )
    worked = by_operation(rows, added, names, "profile_s")
    if not worked.sum() > 0:
        return None, "self time"
    return worked, f"{observations} linked samples of CPU profiles"
