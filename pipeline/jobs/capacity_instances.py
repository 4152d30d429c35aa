"""Whose the metrics are: of the instances of spans, of all of them together, or of nobody."""

from dataclasses import dataclass

import polars as pl

# Of the time: so many instances there are, but for those that replace others meanwhile.
USUAL = 0.9
_SUMS = ("seconds", "least", "mean", "most")
_KEYS = ("service_name", "name", "pool", "bucket")
_RATHER_LEAST = ("watched_s", "interval_s", "place")


@dataclass(frozen=True)
class Matched:
    """Points of metrics whose instances are those of spans.

    Attributes:
        points: those that are known to be of this version.
        merged: how many instances at one time, but for changes, were added up to one; 1 where spans
            tell them apart.
        notes: what a reader should know.
    """

    points: pl.DataFrame
    merged: int = 1
    notes: tuple[str, ...] = ()


def match_instances(rows: pl.DataFrame, points: pl.DataFrame, is_alone: bool) -> Matched:
    """Bring points and spans together where only one of them knows instances.

    Args:
        rows: the buckets of spans, with service_instance_id.
        points: rows of capacity_counters or capacity_gauges of the service.
        is_alone: whether no other version of the service ran at the same time.
    """
    spans = set(rows["service_instance_id"].to_list())
    if not is_alone:
        named = pl.col("service_instance_id").is_in(sorted(spans - {""}))
        own = points.filter(named | (pl.col("service_version") != ""))
        if len(own) < len(points):
            found = match_instances(rows, own, is_alone=True)
            said = (
                "metrics name neither version nor an instance of spans, and versions ran at once: "
                "send service.version or the same service.instance.id"
            )
            return Matched(found.points, found.merged, (said, *found.notes))
    known = set(points["service_instance_id"].to_list())
    if not known or known & spans:
        return Matched(points)
    if spans == {""}:
        return _added(points, len(known))
    if known == {""} and len(spans) == 1:
        return Matched(points.with_columns(pl.lit(next(iter(spans))).alias("service_instance_id")))
    said = "metrics and spans name different instances: send the same service.instance.id"
    return Matched(points.clear(), notes=(said,))


def _added(points: pl.DataFrame, known: int) -> Matched:
    """Add up the instances of a service whose spans name none."""
    sums, keys, least = (
        [each for each in names if each in points.columns]
        for names in (_SUMS, _KEYS, _RATHER_LEAST)
    )
    at_once = points.group_by("name", "bucket").agg(pl.col("service_instance_id").n_unique())
    added = (
        points.sort("service_instance_id")
        .group_by(keys, maintain_order=True)
        .agg(*(pl.col(each).sum() for each in sums), *(pl.col(each).min() for each in least))
        .with_columns(pl.lit("").alias("service_instance_id"))
    )
    said = (
        f"spans name no instance: metrics of {known} are added up, and what is said of an instance "
        "is of all of them at once"
    )
    by_time = at_once.group_by("bucket").agg(pl.col("service_instance_id").max())
    usual = by_time["service_instance_id"].quantile(USUAL, "lower")
    return Matched(added, 1 if usual is None else int(usual), (said,))
