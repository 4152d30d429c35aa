"""The runtime_levels table: signals of the runtime, saved under a name for later comparison."""

import pyarrow as pa

from pipeline.schema.table import Column, Table

RUNTIME_LEVELS = Table(
    "runtime_levels",
    grain="a saved runtime baseline and a signal of it (service, version, queue or pool)",
    columns=(
        Column("baseline", pa.string(), "the name it was saved under", nullable=False),
        Column("saved_time_unix_nano", pa.int64(), "when it was saved", "ns", nullable=False),
        Column("since_unix_nano", pa.int64(), "start of the window; NULL for open", "ns"),
        Column("until_unix_nano", pa.int64(), "end of the window; NULL for open", "ns"),
        Column("service_name", pa.string(), "the service", nullable=False),
        Column("service_version", pa.string(), "its release; empty for not told", nullable=False),
        Column("thing", pa.string(), "the queue; empty for the service", nullable=False),
        Column("metric", pa.string(), "the signal, as budgets call it", nullable=False),
        Column("unit", pa.string(), "of value, low, high and error", nullable=False),
        Column("value", pa.float64(), "the level", nullable=False),
        Column("value_low", pa.float64(), "lower confidence bound", nullable=False),
        Column("value_high", pa.float64(), "upper confidence bound", nullable=False),
        Column("error", pa.float64(), "standard error of the value", nullable=False),
        Column("degrees_of_freedom", pa.float64(), "of the error", "1", nullable=False),
        Column("confidence", pa.float64(), "of the bounds", "1", nullable=False),
        Column("effective", pa.float64(), "observations of equal weight", "1", nullable=False),
        Column("instances", pa.int64(), "that were watched", nullable=False),
        Column("minutes", pa.int64(), "of the window that were watched", nullable=False),
        Column("told_by", pa.string(), "OTLP metrics, joined by commas", nullable=False),
        Column("date", pa.date32(), "partition: UTC day it was saved", nullable=False),
    ),
    sort_by=("baseline", "service_name"),
    time_column="saved_time_unix_nano",
)
