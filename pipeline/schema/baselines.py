"""The baselines table: what normal was, saved under a name so that later runs can compare."""

import pyarrow as pa

from pipeline.schema.table import ATTRIBUTES, Column, Table

QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)


def quantile_name(quantile: float) -> str:
    """Give a quantile's short name.

    >>> [quantile_name(q) for q in QUANTILES]
    ['p50', 'p90', 'p95', 'p99', 'p999']
    """
    return "p" + f"{quantile * 100:g}".replace(".", "")


_QUANTILE_COLUMNS = tuple(
    Column(f"duration_nano_{quantile_name(quantile)}{suffix}", pa.float64(), meaning, "ns")
    for quantile in QUANTILES
    for suffix, meaning in (
        ("", f"quantile {quantile:g}"),
        ("_low", "lower confidence bound; NULL when the sample cannot bound it"),
        ("_high", "upper confidence bound; NULL when the sample cannot bound it"),
    )
)

BASELINES = Table(
    "baselines",
    grain="a saved baseline and a group of it (service, version, operation, …)",
    columns=(
        Column("baseline", pa.string(), "the name it was saved under", nullable=False),
        Column("saved_time_unix_nano", pa.int64(), "when it was saved", "ns", nullable=False),
        Column("since_unix_nano", pa.int64(), "start of the window", "ns", nullable=False),
        Column("until_unix_nano", pa.int64(), "end of the window", "ns", nullable=False),
        Column("service_name", pa.string(), "the service"),
        Column("service_version", pa.string(), "its release"),
        Column("operation", pa.string(), "the operation"),
        Column("dimensions", ATTRIBUTES, "every grouped dimension", nullable=False),
        Column("requests", pa.float64(), "weighted count", "1", nullable=False),
        Column("spans", pa.int64(), "rows counted", "spans", nullable=False),
        Column("requests_per_second", pa.float64(), "over the window", "1/s"),
        Column("error_ratio", pa.float64(), "errors a request", "1"),
        Column("error_ratio_low", pa.float64(), "lower confidence bound", "1"),
        Column("error_ratio_high", pa.float64(), "upper confidence bound", "1"),
        Column("duration_nano_min", pa.int64(), "least", "ns"),
        Column("duration_nano_max", pa.int64(), "greatest", "ns"),
        Column("duration_nano_mean", pa.float64(), "mean", "ns"),
        *_QUANTILE_COLUMNS,
        Column("clock_errors", pa.int64(), "negative durations left out", "spans", nullable=False),
        Column("method", pa.string(), "rollup or exact", nullable=False),
        Column("confidence", pa.float64(), "of the intervals", "1", nullable=False),
        Column("spans_version", pa.int64(), "version of the spans table it was made from"),
        Column("date", pa.date32(), "partition: UTC day it was saved", nullable=False),
    ),
    sort_by=("baseline", "service_name"),
    time_column="saved_time_unix_nano",
)
