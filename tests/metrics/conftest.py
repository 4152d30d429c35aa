"""Data points that can be checked by hand, and asking the views about them."""

import contextlib
import zlib
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from pipeline.jobs.job import define_view
from pipeline.lake import Lake, append
from pipeline.lake.catalog import session
from pipeline.schema import METRICS

# 2026-11-25T12:00:00Z, a whole minute and hour.
NOON = 1_795_608_000_000_000_000
SECOND = 1_000_000_000
DAY = 86_400 * SECOND

# Each after those that it reads.
VIEWS = (
    "metric_preferred",
    "metric_intervals",
    "metric_rates",
    "metric_exponential_counts",
    "metric_histogram_buckets",
    "metric_quantiles",
    "metric_requests",
    "metric_latency_buckets",
)

Point = dict[str, Any]
PointRows = Callable[..., pa.Table]

_POINT: Point = {
    "service_name": "shop",
    "service_version": "v1",
    "service_instance_id": "a",
    "scope_name": "test",
    "attributes": [],
    "ingest_batch_id": "ab" * 16,
    "ingest_time_unix_nano": NOON + 3600 * SECOND,
}

_NUMBER: Point = {
    "metric_type": "sum",
    "name": "requests",
    "is_monotonic": True,
    "aggregation_temporality": 2,
}

_HISTOGRAM: Point = {
    "metric_type": "histogram",
    "name": "http.server.request.duration",
    "unit": "s",
    "aggregation_temporality": 1,
}

_EXPONENTIAL: Point = _HISTOGRAM | {
    "metric_type": "exponential_histogram",
    "scale": 0,
    "zero_count": 0,
    "positive_offset": 0,
    "positive_bucket_counts": [],
    "negative_offset": 0,
    "negative_bucket_counts": [],
}


def at(seconds: float) -> int:
    """Give a time some seconds after noon, in ns."""
    return NOON + round(seconds * SECOND)


def rows_of(points: list[Point]) -> pa.Table:
    """Make rows of points; equal names, attributes and senders are one series."""
    rows = []
    for given in points:
        point = {**_POINT, **given}
        sender = [("service.name", point["service_name"])]
        if point["service_instance_id"] is not None:
            sender.append(("service.instance.id", point["service_instance_id"]))
        point.setdefault("resource_attributes", sender)
        identity = [point.get(n) for n in ("metric_type", "name", "unit", "scope_name")]
        identity += [sorted(point["resource_attributes"]), sorted(point["attributes"])]
        point.setdefault("series_id", zlib.crc32(repr(identity).encode()))
        if "count" not in point and point["metric_type"].endswith("histogram"):
            lists = ("bucket_counts", "positive_bucket_counts", "negative_bucket_counts")
            point["count"] = sum(sum(point.get(n) or []) for n in lists)
            point["count"] += point.get("zero_count") or 0
        rows.append(point)
    schema = METRICS.arrow_schema
    columns = {name: [row.get(name) for row in rows] for name in schema.names}
    columns["date"] = [row["time_unix_nano"] // DAY for row in rows]
    arrays = [
        pa.array(columns[field.name], pa.int32()).cast(pa.date32())
        if field.name == "date"
        else pa.array(columns[field.name], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _maker(template: Point) -> Callable[..., Point]:
    def make(seconds: float, **given: Any) -> Point:
        point = {**template, "time_unix_nano": at(seconds), **given}
        if "start" in point:
            point["start_time_unix_nano"] = at(point.pop("start"))
        return point

    return make


@pytest.fixture(scope="session")
def number() -> Callable[..., Point]:
    """Give a maker of points of a cumulative, monotonic sum, some seconds after noon."""

    def make(seconds: float, value: float | None, **given: Any) -> Point:
        kind = "value_int" if isinstance(value, int) else "value_double"
        return _maker(_NUMBER)(seconds, **{kind: value, **given})

    return make


@pytest.fixture(scope="session")
def histogram() -> Callable[..., Point]:
    """Give a maker of points of a delta histogram in seconds."""
    return _maker(_HISTOGRAM)


@pytest.fixture(scope="session")
def exponential() -> Callable[..., Point]:
    """Give a maker of points of a delta exponential histogram in seconds, scale 0."""
    return _maker(_EXPONENTIAL)


@pytest.fixture(scope="session")
def ask() -> Callable[..., list[Any]]:
    """Ask a statement about points: rows as tuples, or values where there is one column."""

    def answer(statement: str, *points: Point) -> list[Any]:
        with contextlib.closing(session()) as connection:
            connection.register("metrics", rows_of(list(points)))
            for name in VIEWS:
                define_view(connection, name)
            rows = connection.sql(statement).fetchall()
        return [row[0] if len(row) == 1 else row for row in rows]

    return answer


@pytest.fixture
def land(lake: Lake) -> Callable[..., int | None]:
    """Land points as one version of the lake's metrics table."""
    return lambda *points: append(lake, METRICS, rows_of(list(points)))
