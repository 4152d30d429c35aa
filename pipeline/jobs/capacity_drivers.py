"""Reading what a service did beside its requests, which its CPU time may follow."""

from collections.abc import Mapping

import polars as pl

from pipeline.jobs.cache_conventions import CACHE_SYSTEMS
from pipeline.jobs.capacity_blocks import by_operation
from pipeline.jobs.job import Connection, ask
from pipeline.stats.capacity_drivers import Drivers

_CHOSEN = ("since", "until", "reach", "service", "bucket")
_FILTERS = ("has_version", "version", "has_environment", "environment")


def read_drivers(connection: Connection, values: Mapping[str, object]) -> pl.DataFrame:
    """Read calls, messages, rows and bytes by bucket.

    Args:
        connection: with spans and capacity_phases.
        values: window, service, filters, and the bucket in ns.

    Returns:
        Rows of capacity_drivers; only of what spans tell.
    """
    wanted = {name: values[name] for name in (*_CHOSEN, *_FILTERS)}
    wanted["cache_systems"] = list(CACHE_SYSTEMS)
    return pl.DataFrame(ask(connection, "capacity_drivers", wanted))


def drivers_of(rows: pl.DataFrame, found: pl.DataFrame, width: int) -> Drivers:
    """Give what one version did, by bucket.

    Args:
        rows: n buckets, an instance each.
        found: rows of capacity_drivers of that version.
        width: of a bucket, in seconds.
    """
    inside = found.join(rows, on=["service_instance_id", "bucket"], how="semi")
    told = inside.group_by("driver").agg(pl.col("amount").sum()).filter(pl.col("amount") > 0)
    names = tuple(sorted(told["driver"].to_list()))
    own = inside.filter(pl.col("driver").is_in(list(names))).rename({"driver": "operation"})
    return Drivers(names, by_operation(rows, own, names, "amount") / width)
