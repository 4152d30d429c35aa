"""The rollups: additive log-bucket counts, a sketch kept as rows.

Grain of both: one row a (time step, service, version, instance, environment, operation, kind,
outcome, bucket). Rows add: equal keys may stand in several rows, and a reader sums them.
"""

import pyarrow as pa

from pipeline.schema.table import Column, Table

_KEYS = (
    Column("service_name", pa.string(), "the service", nullable=False),
    Column("service_version", pa.string(), "its release"),
    Column("deployment_environment", pa.string(), "production, staging, …"),
    Column("operation", pa.string(), "method and route, else RPC method, else span name"),
    Column("kind", pa.int32(), "the span's kind", nullable=False),
    Column("outcome", pa.string(), "ok, http_4xx, http_5xx or error", nullable=False),
    Column(
        "bucket",
        pa.int32(),
        "ceil(64 log2 ns) - 1; INT32 minimum for zero; NULL for a negative duration",
    ),
)

_SUMS = (
    Column("requests", pa.float64(), "sum of sampling weights", "1", nullable=False),
    Column("requests_squared", pa.float64(), "sum of squared weights", "1", nullable=False),
    Column("spans", pa.int64(), "rows counted", "spans", nullable=False),
    Column("duration_sum_nano", pa.float64(), "weighted sum", "ns"),
    Column("duration_min_nano", pa.int64(), "least", "ns"),
    Column("duration_max_nano", pa.int64(), "greatest", "ns"),
)

_DATE = Column("date", pa.date32(), "partition: UTC day of the time step", nullable=False)
_INSTANCE = Column("service_instance_id", pa.string(), "the cluster unit of all statistics")
_MINUTE = Column("minute", pa.int64(), "minutes since the epoch", "min", nullable=False)
_HOUR = Column("hour", pa.int64(), "hours since the epoch", "h", nullable=False)

MINUTE_NANO = 60_000_000_000
HOUR_NANO = 3_600_000_000_000

# Below every bucket that a positive value can have: the place of a duration of zero.
ZERO_BUCKET = -(2**31)

_SORT = ("service_name", "operation")

LATENCY_MINUTES = Table(
    "latency_minutes",
    grain="a minute, an instance, an operation, an outcome and a bucket",
    columns=(_MINUTE, _INSTANCE, *_KEYS, *_SUMS, _DATE),
    sort_by=(*_SORT, "minute"),
    time_column="minute",
    time_unit_nano=MINUTE_NANO,
    merge_by=("minute", "service_instance_id", *(key.name for key in _KEYS)),
)

LATENCY_HOURS = Table(
    "latency_hours",
    grain="an hour, an operation, an outcome and a bucket, instances together",
    columns=(_HOUR, *_KEYS, *_SUMS, _DATE),
    sort_by=(*_SORT, "hour"),
    time_column="hour",
    time_unit_nano=HOUR_NANO,
    merge_by=("hour", *(key.name for key in _KEYS)),
)
