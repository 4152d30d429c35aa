"""The logs table: one row a log record."""

import pyarrow as pa

from pipeline.schema.common import INGEST_COLUMNS, RESOURCE_COLUMNS, SCOPE_COLUMNS
from pipeline.schema.table import ATTRIBUTES, Column, Table

_OWN_COLUMNS = (
    Column(
        "time_unix_nano",
        pa.int64(),
        "when it happened; the observed time where the sender gives none",
        "ns",
        nullable=False,
    ),
    Column("observed_time_unix_nano", pa.int64(), "when it was collected", "ns"),
    Column("trace_id", pa.string(), "32 hex digits; NULL when it belongs to no trace"),
    Column("span_id", pa.string(), "16 hex digits"),
    Column("severity_number", pa.int32(), "1-4 trace 5-8 debug 9-12 info 13-16 warn 17-20 error"),
    Column("severity_text", pa.string(), "as the source calls it"),
    Column("event_name", pa.string(), "for events"),
    Column("body", pa.string(), "text, or compact JSON when structured"),
    Column("body_type", pa.string(), "string, json, bytes or empty", nullable=False),
    Column("attributes", ATTRIBUTES, "the record's", nullable=False),
    Column("exception_type", pa.string(), "promoted", sources=("exception.type",)),
    Column("code_function", pa.string(), "promoted", sources=("code.function.name",)),
    Column("flags", pa.int64(), "W3C trace flags"),
    Column("dropped_attributes_count", pa.int64(), "by the sender", "attributes"),
)

LOGS = Table(
    "logs",
    grain="one row a log record",
    columns=RESOURCE_COLUMNS + _OWN_COLUMNS + SCOPE_COLUMNS + INGEST_COLUMNS,
    sort_by=("service_name", "time_unix_nano"),
    bloom=("trace_id",),
)
