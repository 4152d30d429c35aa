"""Buckets of a service as arrays: whole ones alone, by operation, and merged for latencies."""

import numpy as np
import polars as pl

from pipeline.stats.bootstrap import Floats, Ints
from pipeline.stats.capacity_buckets import CapacityBuckets, LatencyBlocks

# A bucket that is cut off by the first or the last request of an instance tells too little.
_LEAST_KEPT = 3


def whole(rows: pl.DataFrame) -> pl.DataFrame:
    """Leave out the first and last bucket of every instance, which it may not fill."""
    ends = rows.with_columns(
        pl.col("bucket").min().over("service_instance_id").alias("first"),
        pl.col("bucket").max().over("service_instance_id").alias("last"),
    )
    kept = (pl.col("last") - pl.col("first") < _LEAST_KEPT) | (
        (pl.col("bucket") > pl.col("first")) & (pl.col("bucket") < pl.col("last"))
    )
    return ends.filter(kept).drop("first", "last")


def by_operation(
    rows: pl.DataFrame, own: pl.DataFrame, names: tuple[str, ...], value: str
) -> Floats:
    """Give a number of every bucket and operation, n x c; 0 where none ended."""
    found = np.zeros((len(rows), len(names)))
    numbered = rows.select("service_instance_id", "bucket").with_row_index("row")
    placed = own.join(numbered, on=["service_instance_id", "bucket"], how="inner")
    column = np.searchsorted(np.array(names), placed["operation"].to_numpy().astype(str))
    found[placed["row"].to_numpy(), column] = placed[value].to_numpy()
    return found


def floats(rows: pl.DataFrame, name: str) -> Floats:
    """Give a column, NaN for what is not known."""
    return rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def latency_blocks(
    rows: pl.DataFrame, throughput: Floats, instance: Ints, found: pl.DataFrame, width: int
) -> LatencyBlocks:
    """Give the latencies of blocks of buckets that are all there, in the order of time."""
    merged = int(found["merged"].max() or 1)  # type: ignore[arg-type]
    loads = rows.select(
        "service_instance_id",
        "concurrency_mean",
        (pl.col("bucket") // merged).alias("block"),
        pl.Series("throughput", throughput),
        pl.Series("instance", instance),
    )
    blocks = loads.group_by("service_instance_id", "block").agg(
        pl.col("throughput").mean(),
        pl.col("concurrency_mean").mean(),
        pl.col("instance").first(),
        pl.len().alias("buckets"),
    )
    complete = (
        blocks.filter(pl.col("buckets") == merged)
        .join(found, on=["service_instance_id", "block"])
        .sort("block", "instance")
    )
    return LatencyBlocks(
        floats(complete, "block") * (width * merged),
        float(width * merged),
        complete["instance"].to_numpy().astype(np.int64),
        floats(complete, "throughput"),
        floats(complete, "concurrency_mean"),
        floats(complete, "latency_p50_s"),
        floats(complete, "latency_p95_s"),
        complete["requests"].to_numpy().astype(np.int64),
    )


def of_blocks(buckets: CapacityBuckets, blocks: LatencyBlocks, values: Floats) -> Floats:
    """Give the means of n values of buckets by block; NaN where none of its buckets knows one."""
    number = np.floor((buckets.start_s + buckets.width_s / 2) / blocks.width_s)
    own = np.floor(blocks.start_s / blocks.width_s + 0.5)
    pairs = np.stack([np.r_[own, number], np.r_[blocks.instance, buckets.instance]])
    which = np.unique(pairs, axis=1, return_inverse=True)[1].ravel()
    of, known = which[len(own) :], np.isfinite(values)
    total = np.bincount(of[known], values[known], minlength=which.max(initial=-1) + 1)
    count = np.bincount(of[known], minlength=which.max(initial=-1) + 1)
    with np.errstate(invalid="ignore"):
        found: Floats = (total / count)[which[: len(own)]]
    return found
