"""The metrics table: one row a data point of any kind; what other kinds have is NULL."""

import pyarrow as pa

from pipeline.schema.common import INGEST_COLUMNS, RESOURCE_COLUMNS, SCOPE_COLUMNS
from pipeline.schema.table import ATTRIBUTES, Column, Table

METRIC_TYPES = ("gauge", "sum", "histogram", "exponential_histogram", "summary")

EXEMPLARS = pa.list_(
    pa.struct(
        [
            pa.field("time_unix_nano", pa.int64()),
            pa.field("value_double", pa.float64()),
            pa.field("value_int", pa.int64()),
            pa.field("trace_id", pa.string()),
            pa.field("span_id", pa.string()),
            pa.field("attributes", ATTRIBUTES),
        ]
    )
)

QUANTILE_VALUES = pa.list_(
    pa.struct([pa.field("quantile", pa.float64()), pa.field("value", pa.float64())])
)

_COUNTS = pa.list_(pa.int64())

_OWN_COLUMNS = (
    Column("metric_type", pa.string(), ", ".join(METRIC_TYPES), nullable=False),
    Column("name", pa.string(), "the metric's name", nullable=False),
    Column("description", pa.string(), "what it measures"),
    Column("unit", pa.string(), "of its values, as sent"),
    Column("time_unix_nano", pa.int64(), "when it was observed", "ns", nullable=False),
    Column("start_time_unix_nano", pa.int64(), "since when it counts", "ns"),
    Column("attributes", ATTRIBUTES, "the point's", nullable=False),
    Column(
        "series_id",
        pa.int64(),
        "hash of type, name, unit, scope, resource and attributes: one stream of points",
        nullable=False,
    ),
    Column("flags", pa.int64(), "bit 0: no recorded value"),
    Column("value_double", pa.float64(), "gauge and sum: exactly one of the two is set"),
    Column("value_int", pa.int64(), "gauge and sum: integers stay integers"),
    Column("aggregation_temporality", pa.int32(), "1 delta 2 cumulative"),
    Column("is_monotonic", pa.bool_(), "whether a sum only rises"),
    Column("count", pa.int64(), "histograms and summaries: observations", "observations"),
    Column("sum", pa.float64(), "their sum"),
    Column("min", pa.float64(), "where sent"),
    Column("max", pa.float64(), "where sent"),
    Column("explicit_bounds", pa.list_(pa.float64()), "upper bounds, inclusive"),
    Column("bucket_counts", _COUNTS, "one more than bounds, or both empty"),
    Column("scale", pa.int32(), "exponential histograms: buckets a doubling, as a power of two"),
    Column("zero_count", pa.int64(), "observations no greater than zero_threshold"),
    Column("zero_threshold", pa.float64(), "half-width of the zero bucket"),
    Column("positive_offset", pa.int32(), "index of the first positive bucket"),
    Column("positive_bucket_counts", _COUNTS, "from there on"),
    Column("negative_offset", pa.int32(), "index of the first negative bucket"),
    Column("negative_bucket_counts", _COUNTS, "from there on"),
    Column("quantile_values", QUANTILE_VALUES, "summaries: as the sender worked them out"),
    Column("exemplars", EXEMPLARS, "every one, with its trace"),
    Column("metadata", ATTRIBUTES, "the metric's"),
)

METRICS = Table(
    "metrics",
    grain="one row a data point",
    columns=RESOURCE_COLUMNS + _OWN_COLUMNS + SCOPE_COLUMNS + INGEST_COLUMNS,
    sort_by=("metric_type", "service_name", "name", "time_unix_nano"),
    time_column="time_unix_nano",
)
