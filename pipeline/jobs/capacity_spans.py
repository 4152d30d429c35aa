"""What spans and their profiles tell of a version beside its buckets: variation, shares, chance."""

import math

import polars as pl

from pipeline.jobs.capacity_blocks import by_operation, floats
from pipeline.stats.bootstrap import Floats
from pipeline.stats.capacity_buckets import CapacityBuckets
from pipeline.stats.capacity_draws import within_groups
from pipeline.stats.queue_tables import Variation

# Observations of a profile that are linked to requests, for these to share out CPU time.
LEAST_SAMPLES = 200


def variation(
    found: pl.DataFrame, sampled: bool
) -> tuple[Variation | None, tuple[Variation, float] | None]:
    """Give how much arrivals, own work and durations vary; gaps of a sample are the sample's."""
    names = ("arrival_scv", "service_scv", "duration_scv", "duration_s")
    if sampled or not len(found):
        return None, None
    arrivals, work, durations, seconds = (float(floats(found, name)[0]) for name in names)
    known = math.isfinite(arrivals + work + durations)
    if not known:
        return None, None
    return Variation(arrivals, work), (Variation(arrivals, durations), seconds)


def dealt(
    rows: pl.DataFrame, profiles: pl.DataFrame, names: tuple[str, ...]
) -> tuple[Floats | None, str]:
    """Give CPU time of samples that are linked to requests, where there are enough, and by what."""
    known = profiles.filter(pl.col("operation").is_in(list(names)))
    observations = int(known["observations"].sum())
    if observations < LEAST_SAMPLES:
        return None, "self time"
    added = known.group_by("service_instance_id", "bucket", "operation").agg(
        pl.col("profile_s").sum()
    )
    worked = by_operation(rows, added, names, "profile_s")
    if not worked.sum() > 0:
        return None, "self time"
    return worked, f"{observations} linked samples of CPU profiles"


def chance_of_sample(rows: pl.DataFrame, own: pl.DataFrame, buckets: CapacityBuckets) -> float:
    """Give what share of the variance of load, within instances, is chance of the sample.

    One span in w stands for w requests: of n that are kept, w (w - 1) n is their variance.

    Args:
        rows: the buckets.
        own: rows of capacity_operations.
        buckets: the same as arrays.

    Returns:
        0 to 1; 1 where load does not vary.
    """
    each = pl.col("completions") / pl.col("requests") - 1
    noise = own.with_columns((pl.col("completions") * each).alias("noise"))
    by_chance = by_operation(rows, noise, buckets.operations, "noise").sum() / buckets.width_s**2
    apart = within_groups(buckets.throughput_per_s[:, None], buckets.instance)
    varied = float((apart**2).sum())
    return min(float(by_chance) / varied, 1.0) if varied > 0 else 1.0
