"""Lookups of caches cut into cells: an instance's minute, as every hit ratio is made of them."""

import numpy as np
import polars as pl

from pipeline.jobs.cache_rows import MINUTE_NANO
from pipeline.stats.bootstrap import Floats

WHOSE = ("service_name", "service_version", "service_instance_id", "deployment_environment")
_BY = (*WHOSE, "cache", "minute")


def cells_of(frame: pl.DataFrame) -> pl.DataFrame:
    """Add up lookups by cell.

    Args:
        frame: lookups as ``read_lookups`` gives them, one or more; hit null where nothing tells.

    Returns:
        By service, version, instance, environment, cache and minute, in this order: asked, found
        and inferred, weighted; squared, the sum of squared weights of what was asked; untold, how
        many tell nothing, and their words, a line each.
    """
    placed = frame.with_columns(minute=pl.col("start_time_unix_nano") // MINUTE_NANO)
    by = placed.select(_BY).unique().sort(_BY).with_row_index("cell")
    cell = placed.join(by, on=_BY, how="left", maintain_order="left")["cell"].to_numpy()
    told = placed["hit"].is_not_null().to_numpy()
    weight = np.where(told, placed["weight"].to_numpy(), 0.0)
    asked = weight * placed["asked"].cast(pl.Float64).fill_null(0.0).to_numpy()
    found = weight * placed["found"].cast(pl.Float64).fill_null(0.0).to_numpy()
    inferred = np.where((placed["told_by"] == "inferred").to_numpy(), asked, 0.0)

    def summed(values: Floats) -> pl.Series:
        # Row by row, which is in an order: a sum of floating-point numbers depends on it.
        return pl.Series(np.bincount(cell, weights=values, minlength=by.height))

    names = placed.group_by(_BY).agg(words=_lines(pl.col("said")).drop_nulls().unique().sort())
    return names.sort(_BY).with_columns(
        pl.col("words").list.join("\n"),
        asked=summed(asked),
        found=summed(found),
        squared=summed(weight * asked),
        inferred=summed(inferred),
        untold=summed((~told).astype(np.float64)).cast(pl.Int64),
    )


def _lines(said: pl.Expr) -> pl.Expr:
    """Give words of which none has lines of its own."""
    return said.str.replace_all("[[:cntrl:]]", " ")
