"""The eBPF tables: histograms, counters and events, as bpftrace, bcc and perf stat write them."""

import pyarrow as pa

from pipeline.schema.common import INGEST_COLUMNS, RESOURCE_COLUMNS
from pipeline.schema.table import ATTRIBUTES, Column, Table

COUNT_STATUSES = ("ok", "not_counted", "not_supported")

_KEYS = Column("keys", ATTRIBUTES, "what the value is of: key0, key1, … or names", nullable=False)
_SOURCE = Column("source_file", pa.string(), "where it was imported from")
_INTERVAL = Column("interval_nano", pa.int64(), "what it was counted over; NULL for unknown", "ns")
_CUMULATIVE = Column("is_cumulative", pa.bool_(), "printed again without a reset", nullable=False)


def _time(meaning: str) -> Column:
    return Column("time_unix_nano", pa.int64(), meaning, "ns", nullable=False)


EBPF_HISTOGRAMS = Table(
    "ebpf_histograms",
    grain="one row a bucket of a histogram that was printed",
    columns=(
        *RESOURCE_COLUMNS,
        _time("end of the interval, or when it was recorded"),
        _INTERVAL,
        Column("tool", pa.string(), "runqlat, bpftrace, …", nullable=False),
        Column("metric", pa.string(), "the map or what the tool measures", nullable=False),
        Column("unit", pa.string(), "of the bounds: ns, us, ms, bytes, …", nullable=False),
        _KEYS,
        Column("bucket_low", pa.int64(), "least value in it; NULL for an open end"),
        Column("bucket_high", pa.int64(), "bound above; NULL for an open end"),
        Column("high_inclusive", pa.bool_(), "whether the bound above is in it", nullable=False),
        Column("count", pa.int64(), "how many", "observations", nullable=False),
        _CUMULATIVE,
        Column("pid", pa.int64(), "the process"),
        Column("comm", pa.string(), "the command's name"),
        _SOURCE,
        *INGEST_COLUMNS,
    ),
    sort_by=("tool", "metric", "time_unix_nano"),
)

EBPF_COUNTS = Table(
    "ebpf_counts",
    grain="one row a value of a map or counter that was printed",
    columns=(
        *RESOURCE_COLUMNS,
        _time("end of the interval, or when it was recorded"),
        _INTERVAL,
        Column("tool", pa.string(), "bpftrace, syscount, perf-stat, …", nullable=False),
        Column("metric", pa.string(), "the map, the counter, or 'lost'", nullable=False),
        Column("unit", pa.string(), "as printed"),
        _KEYS,
        Column("key_list", pa.list_(pa.string()), "the keys as printed, in order"),
        Column("value_int", pa.int64(), "where it is whole"),
        Column("value_double", pa.float64(), "where it is not"),
        Column("running_ratio", pa.float64(), "share of the time it was counted in"),
        Column("status", pa.string(), ", ".join(COUNT_STATUSES), nullable=False),
        _CUMULATIVE,
        _SOURCE,
        *INGEST_COLUMNS,
    ),
    sort_by=("tool", "metric", "time_unix_nano"),
)

EBPF_EVENTS = Table(
    "ebpf_events",
    grain="one row a line of a tracer",
    columns=(
        *RESOURCE_COLUMNS,
        _time("of the event where it is told, else of the recording"),
        Column("tool", pa.string(), "execsnoop, tcplife, bpftrace, …", nullable=False),
        Column("event", pa.string(), "what happened: the tool's name, printf, …", nullable=False),
        Column("pid", pa.int64(), "the process"),
        Column("tid", pa.int64(), "the thread"),
        Column("comm", pa.string(), "the command's name"),
        Column("duration_nano", pa.int64(), "how long it took", "ns"),
        Column("fields", ATTRIBUTES, "every column by its heading", nullable=False),
        Column("line", pa.string(), "as printed"),
        _SOURCE,
        *INGEST_COLUMNS,
    ),
    sort_by=("tool", "event", "time_unix_nano"),
)

EBPF_TABLES = (EBPF_HISTOGRAMS, EBPF_COUNTS, EBPF_EVENTS)
