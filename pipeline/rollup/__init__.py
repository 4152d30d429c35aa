"""Additive histograms kept up to date, each version of the lake counted exactly once."""

from pipeline.rollup.updates import BATCH_ROWS, ROUTES, Update, counted_version, update

__all__ = ["BATCH_ROWS", "ROUTES", "Update", "counted_version", "update"]
