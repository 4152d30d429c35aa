"""A small service whose costs are known: two operations, a ramp of load, metrics every ten seconds.

A request of cart costs 20 ms of CPU and waits 30 ms for a database, one of pay 50 and 50; 0.05
cores are busy besides. A request in flight takes 4 MB beside 200 MB. The instance has two cores.
"""

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.lake import Lake, append
from pipeline.schema import METRICS, SPANS
from tests.metrics.conftest import rows_of

# 2026-11-25T12:00:00Z, a whole minute.
NOON = 1_795_608_000_000_000_000
SECOND = 1_000_000_000
# What every point of a process' CPU time is.
CPU_COUNTER: dict[str, Any] = {
    "metric_type": "sum",
    "name": "process.cpu.time",
    "unit": "s",
    "start_time_unix_nano": NOON,
    "is_monotonic": True,
    "aggregation_temporality": 2,
}
BUCKET_S = 10
CPU_S = {"cart": 0.020, "pay": 0.050}
WAIT_S = {"cart": 0.030, "pay": 0.050}
BACKGROUND_CORES = 0.05
CORES = 2.0
MEMORY_BASE, MEMORY_A_REQUEST = 200e6, 4e6


def land_shop(
    lake: Lake,
    buckets: int = 36,
    most_per_s: float = 24.0,
    version: str = "1.4.1",
    metrics: tuple[str, ...] = ("cpu", "memory", "limit"),
    cost: float = 1.0,
    weight: float = 1.0,
    seed: int = 1,
    instance: str = "shop-1",
) -> None:
    """Land a ramp of load from a tenth of the most to the most, and its metrics."""
    rng = np.random.default_rng(seed)
    whose = {"service_version": version, "service_instance_id": f"{instance}-{version}"}
    rows: list[dict[str, Any]] = []
    points: list[dict[str, Any]] = []
    busy_total = 0.0
    told: list[tuple[float, float]] = []
    for bucket in range(buckets):
        rate = most_per_s * (0.1 + 0.9 * bucket / max(buckets - 1, 1))
        busy, held = BACKGROUND_CORES * BUCKET_S, 0.0
        share = 0.3 + 0.4 * ((bucket * 7) % 10) / 10
        for name, part in (("cart", 1 - share), ("pay", share)):
            count = int(rng.poisson(rate * part * BUCKET_S))
            utilisation = min(cost * rate * 0.035 / CORES, 0.95)
            work = cost * CPU_S[name] / (1 - utilisation**2)
            starts = (
                NOON
                + bucket * BUCKET_S * SECOND
                + (rng.random(count) * BUCKET_S * SECOND).astype(np.int64)
            )
            took = work * rng.gamma(4, 0.25, count) + WAIT_S[name]
            for start, seconds in zip(starts, took, strict=True):
                rows += _spans(len(rows), name, int(start), float(seconds), whose, weight)
            busy += cost * CPU_S[name] * count * weight
            held += float(took.sum()) * weight
        busy_total += busy * (1 + 0.01 * rng.standard_normal())
        told.append((busy_total, held / BUCKET_S))
    for bucket, (busy, flight) in enumerate(told):
        # Memory is told at the end of a bucket: of what is in flight about that moment.
        about = (flight + told[min(bucket + 1, buckets - 1)][1]) / 2
        level = MEMORY_BASE + MEMORY_A_REQUEST * about
        noisy = level * (1 + 0.002 * rng.standard_normal())
        points += _points(bucket, busy, noisy, whose, metrics)
    append(lake, SPANS, spans_table(rows))
    if points:
        append(lake, METRICS, rows_of(points))


def _spans(
    number: int, name: str, start: int, seconds: float, whose: dict[str, str], weight: float
) -> list[dict[str, Any]]:
    """Give a request and its call of a database."""
    trace = hashlib.blake2b(f"{whose} {number}".encode(), digest_size=16).hexdigest()
    end = start + int(seconds * SECOND)
    call = end - int(WAIT_S[name] * SECOND)
    return [
        span(trace, 1, None, name, 2, start, end, sampling_weight=weight, **whose),
        span(trace, 2, 1, "SELECT", 3, call, end, sampling_weight=weight, **whose),
    ]


def span(
    trace: str,
    number: int,
    parent: int | None,
    name: str,
    kind: int,
    start: int,
    end: int,
    **given: Any,
) -> dict[str, Any]:
    """Give a span of the shop."""
    return {
        "service_name": "shop",
        "service_version": "1.4.1",
        "service_instance_id": "shop-1.4.1",
        "resource_attributes": [("service.name", "shop")],
        "trace_id": trace,
        "span_id": f"{number:016x}",
        "parent_span_id": None if parent is None else f"{parent:016x}",
        "name": name,
        "kind": kind,
        "start_time_unix_nano": start,
        "end_time_unix_nano": end,
        "duration_nano": end - start,
        "status_code": 0,
        "attributes": [],
        "sampling_weight": 1.0,
        "sampling_known": True,
        "ingest_batch_id": "ab" * 16,
        "ingest_time_unix_nano": end + SECOND,
        "date": start // (86_400 * SECOND),
        **given,
    }


def spans_table(rows: list[dict[str, Any]]) -> pa.Table:
    """Make the lake's columns of spans."""
    arrays = []
    for field in SPANS.arrow_schema:
        values = [row.get(field.name) for row in rows]
        array = pa.array(values, pa.int32()).cast(pa.date32()) if field.name == "date" else None
        arrays.append(pa.array(values, field.type) if array is None else array)
    return pa.Table.from_arrays(arrays, schema=SPANS.arrow_schema)


def _points(
    bucket: int, busy: float, memory: float, whose: dict[str, str], metrics: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Give what an instance sends at the end of a bucket."""
    common: dict[str, Any] = {
        "service_name": "shop",
        **whose,
        "time_unix_nano": NOON + (bucket + 1) * BUCKET_S * SECOND,
    }
    counted = CPU_COUNTER | {"value_double": busy}
    gauges = {
        "memory": ("process.memory.usage", memory),
        "limit": ("container.cpu.limit", CORES),
        "pool": ("db.client.connection.max", 10.0),
        "used": ("db.client.connection.count", busy / (bucket + 1)),
    }
    found = [common | counted] if "cpu" in metrics else []
    return found + [
        common | {"metric_type": "gauge", "name": name, "value_double": value}
        for key, (name, value) in gauges.items()
        if key in metrics
    ]
