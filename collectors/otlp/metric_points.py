"""Metric data points: which can be kept, by kind, over columns."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from collectors.otlp.columns import Bools, Ints, flatten, lengths, numbers

# Kinds of metric in the order of their rows; each is a field of the Metric message.
KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")

HAVE_TEMPORALITY = ("sum", "histogram", "exponential_histogram")

# Bit 0 of a point's flags: there is no value, only the fact that there is none.
_NO_RECORDED_VALUE = 1

Masks = dict[str, Bools]


def points_of(metrics: pa.StructArray, kind: str) -> tuple[pa.StructArray, Ints]:
    """Take the points of one kind out of metrics.

    Args:
        metrics: n structs as ptars gives them.
        kind: one of KINDS.

    Returns:
        The points in order, and for each the number of its metric.
    """
    data = metrics.field(kind)
    lists = data.field("data_points")
    points, metric_of_point = flatten(lists)
    if data.null_count:
        inside = data.is_valid().to_numpy(zero_copy_only=False)[metric_of_point]
        if not inside.all():
            points, metric_of_point = points.filter(pa.array(inside)), metric_of_point[inside]
    return points, metric_of_point


def is_gap(flags: Ints) -> Bools:
    """Tell which points say that there is no value.

    >>> is_gap(np.array([0, 1, 2, 3])).tolist()
    [False, True, False, True]
    """
    return np.asarray((flags & _NO_RECORDED_VALUE) != 0)


def invalid(
    kind: str, points: pa.StructArray, metrics: pa.StructArray, metric_of_point: Ints
) -> Masks:
    """Tell which points of a kind cannot be kept, by reason; reasons that hit none are left out.

    Args:
        kind: one of KINDS.
        points: n points.
        metrics: the metrics they belong to.
        metric_of_point: for each point the number of its metric.
    """
    time = numbers(points.field("time_unix_nano"))
    masks = {"time is 0": time == 0, "time is above 2^63-1 ns": time < 0}
    masks["time is above 2^63-1 ns"] |= numbers(points.field("start_time_unix_nano")) < 0
    if kind in HAVE_TEMPORALITY:
        temporality = numbers(metrics.field(kind).field("aggregation_temporality"))
        known = (temporality == 1) | (temporality == 2)
        masks["aggregation temporality is not delta or cumulative"] = ~known[metric_of_point]
    gap = is_gap(numbers(points.field("flags")))
    masks |= {reason: mask & ~gap for reason, mask in _OF_KIND[kind](points).items()}
    return {reason: mask for reason, mask in masks.items() if mask.any()}


def _numbers(points: pa.StructArray) -> Masks:
    """Check gauges and sums: there must be a value."""
    missing = ~(_valid(points.field("as_double")) | _valid(points.field("as_int")))
    return {"no value": missing}


def _histograms(points: pa.StructArray) -> Masks:
    """Check explicit buckets: one count more than bounds, rising bounds, the sum of the counts."""
    counts, owners = flatten(points.field("bucket_counts"))
    bounds, owners_of_bounds = flatten(points.field("explicit_bounds"))
    counted, bounded = (
        lengths(points.field("bucket_counts")),
        lengths(points.field("explicit_bounds")),
    )
    fits = (counted == bounded + 1) | ((counted == 0) & (bounded == 0))
    values = bounds.to_numpy(zero_copy_only=False)
    unsorted = np.zeros(len(points), dtype=bool)
    if len(values) > 1:
        same = owners_of_bounds[1:] == owners_of_bounds[:-1]
        # Written so that NaN counts as unsorted.
        unsorted[owners_of_bounds[1:][same & ~(values[1:] > values[:-1])]] = True
    unsorted[owners_of_bounds[np.isnan(values)]] = True
    masks = _sums(numbers(counts), owners, points)
    masks["bucket counts do not add up to count"] &= counted > 0
    return masks | {
        "bucket_counts are not one more than explicit_bounds": ~fits,
        "explicit_bounds do not rise": unsorted,
    }


def _exponential(points: pa.StructArray) -> Masks:
    """Check exponential buckets: counts within 63 bits that add up, a known scale."""
    parts = [(numbers(points.field("zero_count")), np.arange(len(points)))]
    for side in ("positive", "negative"):
        counts, owners = flatten(points.field(side).field("bucket_counts"))
        parts.append((numbers(counts), owners))
    counts, owners = (np.concatenate(part) for part in zip(*parts, strict=True))
    masks = _sums(counts, owners, points)
    scale = numbers(points.field("scale"))
    # The .NET SDK goes down to -11, where one bucket holds all doubles above 1, all others to -10;
    # at 20, where all begin, the indices of doubles fill 32 bits.
    return masks | {"scale is outside -11 to 20": (scale < -11) | (scale > 20)}


def _sums(counts: Ints, owners: Ints, points: pa.StructArray) -> Masks:
    """Check that counts are counts and that they add up."""
    total = numbers(points.field("count"))
    broken = total < 0
    broken[owners[counts < 0]] = True
    # Doubles would round counts above 2^53; halves of 32 bits add up exactly in them.
    halves = (counts & 0xFFFFFFFF, counts >> 32)
    low, high = (
        np.bincount(owners, weights=half, minlength=len(points)).astype(np.int64) for half in halves
    )
    high += low >> 32
    overflow = high >= 2**31
    added = (high << 32) + (low & 0xFFFFFFFF)
    # Prometheus counts an observation of NaN but puts it in no bucket; its sum is NaN from then on.
    # Source: Histogram.Validate in prometheus/model/histogram.
    of_nan = np.isnan(points.field("sum").fill_null(0.0).to_numpy(zero_copy_only=False))
    differs = np.where(of_nan, added > total, added != total)
    return {
        "a count is above 2^63-1": broken | overflow,
        "bucket counts do not add up to count": differs & ~broken & ~overflow,
    }


def _summaries(points: pa.StructArray) -> Masks:
    """Check summaries: the count."""
    return {"a count is above 2^63-1": numbers(points.field("count")) < 0}


def _valid(column: pa.Array) -> Bools:
    mask: Bools = column.is_valid().to_numpy(zero_copy_only=False)
    return mask


_OF_KIND: dict[str, Callable[[pa.StructArray], Masks]] = {
    "gauge": _numbers,
    "sum": _numbers,
    "histogram": _histograms,
    "exponential_histogram": _exponential,
    "summary": _summaries,
}
