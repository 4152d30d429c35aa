"""Stretches of time from one reading of a counter of CPU time to a later one, and their requests.

Buckets of ten seconds or more have edges between readings, and of half a minute there are two an
instance. A stretch has exactly the CPU time and the requests of the same seconds, and there are as
many as the counter was read; it must be longer than a request, whose CPU time is all over it.
"""

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.jobs.capacity_blocks import by_operation, floats
from pipeline.jobs.capacity_gauges import MOST_APART
from pipeline.jobs.capacity_request import LEAST_BUCKET_S
from pipeline.jobs.capacity_sources import CPU_COUNTERS
from pipeline.jobs.job import Connection, ask
from pipeline.stats.capacity_buckets import CapacityBuckets
from pipeline.stats.capacity_demand import LEAST_BUCKETS
from pipeline.stats.capacity_draws import BLOCK

# A stretch by the mean time of a request.
_LONGER = 2
# A process that has just started imports, compiles and connects, and its first requests are dear:
# where the load rises from its start on, that would be taken for cheap requests.
_SETTLING_NANO = 5_000_000_000
# Of the median stretch: a reading at a stop may come right after the last one.
_LEAST_LONG = 0.5


def readings(
    connection: Connection,
    frames: dict[str, pl.DataFrame],
    requests: pa.Table,
    width: int,
    window: dict[str, object],
) -> pl.DataFrame:
    """Read the stretches of the versions that have few buckets.

    Args:
        connection: with capacity_points and requests_as_sent.
        frames: rows of capacity_counters, and the concurrency of buckets.
        requests: rows of capacity_aligned.
        width: of a bucket, in seconds.
        window: since and until.

    Returns:
        Rows of capacity_readings.
    """
    stretched = _stretched(frames, requests, width)
    connection.register("capacity_stretched", stretched.to_arrow())
    values = window | {"counters": list(CPU_COUNTERS), "settling": _SETTLING_NANO}
    return pl.DataFrame(ask(connection, "capacity_readings", values))


def _stretched(frames: dict[str, pl.DataFrame], requests: pa.Table, width: int) -> pl.DataFrame:
    """Tell of how many readings a stretch is; without the versions that buckets are enough for."""
    few = (
        frames["concurrency"]
        .group_by("service_name", "service_version")
        .agg(
            pl.len().cast(pl.Int64).alias("buckets"),
            pl.col("service_instance_id").n_unique().alias("instances"),
        )
        # Each instance loses the two buckets at its ends, and one for its own level.
        .filter(pl.col("buckets") - 3 * pl.col("instances").cast(pl.Int64) < LEAST_BUCKETS)
    )
    apart = frames["counters"].group_by("service_name").agg(pl.col("interval_s").median())
    lasts = (
        pl.DataFrame(requests)
        .group_by("service_name")
        .agg(((pl.col("ended") - pl.col("started")).mean() / 1e9).alias("lasts_s"))
    )
    merged = (_LONGER * pl.col("lasts_s") / pl.col("interval_s")).ceil().clip(1)
    return (
        apart.join(lasts, on="service_name")
        .join(few, on="service_name")
        .with_columns(merged.cast(pl.Int64).alias("merged"))
        .filter(pl.col("merged") * pl.col("interval_s") <= MOST_APART * width)
        .select("service_name", "service_version", "merged")
        .sort("service_name", "service_version")
    )


def finer_buckets(found: pl.DataFrame, operations: tuple[str, ...]) -> CapacityBuckets | None:
    """Give the stretches of a version as buckets, None where there are none.

    Args:
        found: rows of capacity_readings of that version.
        operations: c names.

    Returns:
        Buckets of which only costs are told: memory and requests in flight are NaN.
    """
    keys = ["service_instance_id", "bucket"]
    rows = found.unique(keys, keep="first", maintain_order=True).sort(keys)
    usual = rows["watched_s"].median()
    if not isinstance(usual, float):
        return None
    rows = rows.filter(pl.col("watched_s") >= _LEAST_LONG * usual)
    watched = floats(rows, "watched_s")
    own = found.filter(pl.col("operation").is_in(list(operations)))
    requests, self_time = (
        by_operation(rows, own, operations, name) for name in ("requests", "self_time_s")
    )
    nothing = np.full(len(rows), np.nan)
    _, instance = np.unique(rows["service_instance_id"].to_numpy(), return_inverse=True)
    return CapacityBuckets(
        # Readings of instances lie aside of each other: those of a moment are drawn together.
        np.round(floats(rows, "middle_s") / usual) * usual,
        usual,
        operations,
        requests / watched[:, None],
        nothing,
        nothing,
        floats(rows, "seconds") / watched,
        self_time,
        nothing,
        instance.astype(np.int64),
        block=max(1, round(BLOCK * LEAST_BUCKET_S / usual)),
    )
