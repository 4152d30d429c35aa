"""The rollups through Polars: a lazy scan of the same files gives the same rows."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.schema import LATENCY_MINUTES, Table
from pipeline.schema.rollups import MINUTE_NANO, ZERO_BUCKET

_DAY_NANO = 86_400_000_000_000
_MINUTES_A_DAY, _HOURS_A_DAY, _MINUTES_AN_HOUR = 1440, 24, 60


def roll_up(
    source: Table,
    target: Table,
    files: Sequence[Path],
    threads: int,
    scratch: Path,
) -> pa.Table:
    """Add up files of one table into rows of another.

    Args:
        source: the table that the files belong to.
        target: the rollup.
        files: Parquet files of the source.
        threads, scratch: not used; Polars has one pool for the process and does not spill here.

    Returns:
        The target's rows, in no order; none for files without rows.
    """
    if not files:
        return target.arrow_schema.empty_table()
    scanned = pl.scan_parquet(list(files), hive_partitioning=False)
    rows = _minutes(scanned) if target is LATENCY_MINUTES else _hours(scanned)
    names = target.arrow_schema.names
    return rows.select(names).collect().to_arrow().cast(target.arrow_schema)


def _minutes(spans: pl.LazyFrame) -> pl.LazyFrame:
    """Say in Polars what sql/rollups/latency_minutes.sql says."""
    start, duration = pl.col("start_time_unix_nano"), pl.col("duration_nano")
    weight = pl.col("sampling_weight")
    flat = spans.filter(start > 0, start <= pl.col("ingest_time_unix_nano") + _DAY_NANO).select(
        "service_instance_id",
        "service_name",
        "service_version",
        "deployment_environment",
        "kind",
        (start // MINUTE_NANO).alias("minute"),
        _operation().alias("operation"),
        _outcome().alias("outcome"),
        duration.map_batches(_buckets, return_dtype=pl.Int32).alias("bucket"),
        weight,
        pl.when(duration >= 0).then(duration).alias("duration_nano"),
    )
    duration = pl.col("duration_nano")
    keys = list(LATENCY_MINUTES.merge_by)
    return (
        flat.group_by(keys)
        .agg(
            weight.sum().alias("requests"),
            (weight * weight).sum().alias("requests_squared"),
            pl.len().cast(pl.Int64).alias("spans"),
            _sum_or_null(duration * weight).alias("duration_sum_nano"),
            duration.min().alias("duration_min_nano"),
            duration.max().alias("duration_max_nano"),
        )
        .with_columns(_day(pl.col("minute") // _MINUTES_A_DAY))
    )


def _hours(minutes: pl.LazyFrame) -> pl.LazyFrame:
    """Say in Polars what sql/rollups/latency_hours.sql says."""
    keys = [key for key in LATENCY_MINUTES.merge_by if key not in ("minute", "service_instance_id")]
    hour = (pl.col("minute") // _MINUTES_AN_HOUR).alias("hour")
    return (
        minutes.group_by(hour, *keys)
        .agg(
            pl.col("requests", "requests_squared", "spans").sum(),
            _sum_or_null(pl.col("duration_sum_nano")),
            pl.col("duration_min_nano").min(),
            pl.col("duration_max_nano").max(),
        )
        .with_columns(_day(pl.col("hour") // _HOURS_A_DAY))
    )


def _operation() -> pl.Expr:
    route = pl.concat_str("http_request_method", "http_route", separator=" ")
    return pl.coalesce(route, "rpc_method", "name")


def _outcome() -> pl.Expr:
    http, rpc = pl.col("http_response_status_code"), pl.col("rpc_status_code")
    return (
        pl.when(http >= 500)
        .then(pl.lit("http_5xx"))
        .when((pl.col("status_code") == 2) | (rpc.is_not_null() & ~rpc.is_in(["0", "OK"])))
        .then(pl.lit("error"))
        .when(http.is_between(400, 499))
        .then(pl.lit("http_4xx"))
        .otherwise(pl.lit("ok"))
    )


def _buckets(durations: pl.Series) -> pl.Series:
    """Give the buckets by numpy's log2: Polars' own errs on 7 of 53 powers of two."""
    nanos = durations.to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        index = np.ceil(np.log2(nanos.astype(np.float64)) * 64) - 1
    index = np.where(nanos > 0, index, ZERO_BUCKET).astype(np.int32)
    return pl.Series(index).set(pl.Series(nanos < 0), None)


def _sum_or_null(numbers: pl.Expr) -> pl.Expr:
    """Add up, NULL where there is nothing to add, as SQL does; Polars gives 0."""
    return pl.when(numbers.is_not_null().any()).then(numbers.sum())


def _day(days: pl.Expr) -> pl.Expr:
    return days.cast(pl.Int32).cast(pl.Date).alias("date")
