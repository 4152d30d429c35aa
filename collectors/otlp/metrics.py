"""Metrics: which points can be kept, and whole metric requests as rows of the metrics table."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from collectors.otlp import wire
from collectors.otlp.anyvalue import several_kinds
from collectors.otlp.attributes import Attributes, SeveralKindsError
from collectors.otlp.columns import (
    Ints,
    flatten,
    hex_ids,
    null_if_empty,
    null_if_zero,
    numbers,
    take_rows,
    valid_ids,
)
from collectors.otlp.excerpts import Wanted, excerpt
from collectors.otlp.levels import take_apart
from collectors.otlp.metric_points import HAVE_TEMPORALITY, KINDS, invalid, is_gap, points_of
from collectors.otlp.rejection import Rejection
from collectors.otlp.series import hash_map, hash_text, series_ids
from collectors.otlp.times import partition_dates
from pipeline.errors import BadRequest
from pipeline.schema.metrics import METRICS

_TIMES: Wanted = (("time_unix_nano", None), ("start_time_unix_nano", None), ("flags", None))
_NUMBER: Wanted = (*_TIMES, ("as_double", None), ("as_int", None))
_COUNTS: Wanted = (("bucket_counts", None),)
_POINTS: dict[str, Wanted] = {
    "gauge": _NUMBER,
    "sum": _NUMBER,
    "histogram": (
        *_TIMES,
        ("count", None),
        ("sum", None),
        ("bucket_counts", None),
        ("explicit_bounds", None),
    ),
    "exponential_histogram": (
        *_TIMES,
        ("count", None),
        ("sum", None),
        ("zero_count", None),
        ("scale", None),
        ("positive", _COUNTS),
        ("negative", _COUNTS),
    ),
    "summary": (*_TIMES, ("count", None)),
}
_METRIC: Wanted = tuple(
    (
        kind,
        (
            ("data_points", points),
            *([("aggregation_temporality", None)] if kind in HAVE_TEMPORALITY else []),
        ),
    )
    for kind, points in _POINTS.items()
)
_CHECKED: Wanted = (("resource_metrics", (("scope_metrics", (("metrics", _METRIC),)),)),)


def check(payload: bytes) -> Rejection:
    """Count the data points of a request and those that cannot be kept.

    Raises:
        BadRequest: the bytes are no metrics request.
    """
    metrics = _checked_metrics(payload)
    if several_kinds(metrics, KINDS):
        metrics = _checked_metrics(_settled(payload))
    total = rejected = 0
    reasons: Counter[str] = Counter()
    for kind in KINDS:
        points, metric_of_point = points_of(metrics, kind)
        masks = invalid(kind, points, metrics, metric_of_point)
        total += len(points)
        if masks:
            rejected += int(np.logical_or.reduce(list(masks.values())).sum())
            reasons.update({reason: int(mask.sum()) for reason, mask in masks.items()})
    return Rejection(total, rejected, dict(reasons))


def _checked_metrics(payload: bytes) -> pa.StructArray:
    """Read of a request's metrics what validity goes by."""
    read = wire.read(excerpt(ExportMetricsServiceRequest.DESCRIPTOR, _CHECKED), [payload])
    return take_apart(read, "metrics", "metrics").items


def _settled(payload: bytes) -> bytes:
    """Write a request anew with each field once, which upb tells from their order."""
    try:
        return ExportMetricsServiceRequest.FromString(payload).SerializeToString()
    except DecodeError as error:
        raise BadRequest(str(error)) from error


def decode(
    payloads: Sequence[bytes],
    batch_ids: Sequence[bytes],
    times_unix_nano: Sequence[int],
    max_attributes: int,
) -> tuple[pa.Table, Counter[str]]:
    """Read whole metric requests as rows of the metrics table.

    Args:
        payloads: n requests.
        batch_ids: their content hashes.
        times_unix_nano: when each was received.
        max_attributes: attributes kept on one point.

    Returns:
        The rows, kind by kind, and how many values were repaired or dropped, by reason.

    Raises:
        BadRequest: one of them is not a metrics request.
        SeveralKindsError: a value is set twice in a way that only upb tells apart.
    """
    warnings: Counter[str] = Counter()
    read = wire.read(wire.handler(ExportMetricsServiceRequest.DESCRIPTOR), payloads)
    levels = take_apart(read, "metrics", "metrics")
    metrics = levels.items
    if several_kinds(metrics, KINDS):
        raise SeveralKindsError
    kept = [_kept(kind, metrics, warnings) for kind in KINDS]
    rows = np.concatenate([metric_of_point for _, metric_of_point in kept])
    shared, batch = levels.shared_columns(batch_ids, times_unix_nano, warnings, rows)
    shared |= _of_metrics(metrics, rows, warnings)
    received, parts, first = batch.times_of_rows(), [], 0
    for kind, (points, metric_of_point) in zip(KINDS, kept, strict=True):
        if not len(points):
            continue
        last = first + len(points)
        columns = {name: column[first:last] for name, column in shared.items()}
        columns |= _of_points(kind, points, max_attributes, warnings)
        columns |= _of_kind(kind, metrics.field(kind), metric_of_point)
        columns["series_id"] = _series(columns)
        columns["date"] = partition_dates(
            numbers(points.field("time_unix_nano")), received[first:last], warnings
        )
        parts.append(_table(columns, len(points)))
        first = last
    return pa.concat_tables(parts or [METRICS.arrow_schema.empty_table()]), warnings


def _kept(
    kind: str, metrics: pa.StructArray, warnings: Counter[str]
) -> tuple[pa.StructArray, Ints]:
    """Give the points of a kind that can be kept, and for each the number of its metric."""
    points, metric_of_point = points_of(metrics, kind)
    masks = invalid(kind, points, metrics, metric_of_point)
    if not masks:
        return points, metric_of_point
    bad = np.logical_or.reduce(list(masks.values()))
    warnings["rejected_data_points"] += int(bad.sum())
    return points.filter(pa.array(~bad)), metric_of_point[~bad]


def _table(columns: dict[str, pa.Array], rows: int) -> pa.Table:
    """Make rows of the columns that a kind has; the others are NULL."""
    schema = METRICS.arrow_schema
    arrays = [
        columns[field.name].cast(field.type)
        if field.name in columns
        else pa.nulls(rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _of_metrics(metrics: pa.StructArray, rows: Ints, warnings: Counter[str]) -> dict[str, pa.Array]:
    """Give the columns that all points of a metric share, for each point."""
    metadata = Attributes(metrics.field("metadata"))
    columns = {
        "name": metrics.field("name"),
        "description": null_if_empty(metrics.field("description")),
        "unit": null_if_empty(metrics.field("unit")),
        "metadata": metadata.to_map(),
    }
    warnings.update(metadata.warnings)
    indices = pa.array(rows)
    return {name: column.take(indices) for name, column in columns.items()}


def _of_kind(kind: str, data: pa.StructArray, metric_of_point: Ints) -> dict[str, pa.Array]:
    """Give the columns that say how the points of a kind are meant."""
    indices = pa.array(metric_of_point)
    columns = {"metric_type": pa.array([kind]).take(pa.array(np.zeros_like(metric_of_point)))}
    if kind in HAVE_TEMPORALITY:
        columns["aggregation_temporality"] = data.field("aggregation_temporality").take(indices)
    if kind == "sum":
        columns["is_monotonic"] = data.field("is_monotonic").take(indices)
    return columns


def _of_points(
    kind: str, points: pa.StructArray, max_attributes: int, warnings: Counter[str]
) -> dict[str, pa.Array]:
    """Give the columns that come of the points alone."""
    flags = numbers(points.field("flags"))
    attributes = Attributes(points.field("attributes"), max_attributes)
    columns = {
        "time_unix_nano": pa.array(numbers(points.field("time_unix_nano"))),
        "start_time_unix_nano": null_if_zero(points.field("start_time_unix_nano")),
        "attributes": attributes.to_map(),
        "flags": null_if_zero(points.field("flags")),
    }
    warnings.update(attributes.warnings)
    if kind != "summary":
        columns["exemplars"] = _exemplars(points.field("exemplars"), warnings)
    values = _values(kind, points)
    gap = is_gap(flags)
    if gap.any():
        # A gap has no value, whatever was sent for one: nobody checked it.
        rows = np.where(gap, -1, np.arange(len(points)))
        values = {name: take_rows(column, rows) for name, column in values.items()}
    return columns | values


def _values(kind: str, points: pa.StructArray) -> dict[str, pa.Array]:
    """Give the columns that only some kinds have."""
    if kind in ("gauge", "sum"):
        _settle(points)
        return {"value_double": points.field("as_double"), "value_int": points.field("as_int")}
    columns = {"count": pa.array(numbers(points.field("count"))), "sum": points.field("sum")}
    if kind == "summary":
        columns["quantile_values"] = points.field("quantile_values")
        return columns
    columns |= {"min": points.field("min"), "max": points.field("max")}
    if kind == "histogram":
        columns["explicit_bounds"] = points.field("explicit_bounds")
        columns["bucket_counts"] = points.field("bucket_counts")
        return columns
    columns |= {
        "scale": points.field("scale"),
        "zero_count": pa.array(numbers(points.field("zero_count"))),
        "zero_threshold": points.field("zero_threshold"),
    }
    for side in ("positive", "negative"):
        buckets = points.field(side)
        columns[f"{side}_offset"] = buckets.field("offset")
        columns[f"{side}_bucket_counts"] = buckets.field("bucket_counts")
    return columns


def _exemplars(lists: pa.ListArray, warnings: Counter[str]) -> pa.Array:
    """Give exemplars as the schema has them, every one."""
    exemplars, _ = flatten(lists)
    _settle(exemplars)
    attributes = Attributes(exemplars.field("filtered_attributes"))
    traces, spans = exemplars.field("trace_id"), exemplars.field("span_id")
    times = numbers(exemplars.field("time_unix_nano"))
    arrays = [
        pa.array(times, mask=times <= 0),
        exemplars.field("as_double"),
        exemplars.field("as_int"),
        hex_ids(traces, 16, valid_ids(traces, 16)),
        hex_ids(spans, 8, valid_ids(spans, 8)),
        attributes.to_map(),
    ]
    fields = METRICS.column("exemplars").type.value_type
    warnings.update(attributes.warnings)
    starts = np.frombuffer(lists.buffers()[1], dtype=np.int32)[lists.offset :][: len(lists) + 1]
    return pa.ListArray.from_arrays(
        pa.array(starts - starts[0]), pa.StructArray.from_arrays(arrays, fields=list(fields))
    )


def _settle(values: pa.StructArray) -> None:
    """Make sure that each value is an integer or a double, not both."""
    if several_kinds(values, ("as_double", "as_int")):
        raise SeveralKindsError


def _series(columns: dict[str, pa.Array]) -> pa.Array:
    """Give each point the id of its stream."""
    texts = ("metric_type", "name", "unit", "scope_name", "scope_version")
    maps = ("scope_attributes", "resource_attributes", "attributes")
    return pa.array(
        series_ids(
            *(hash_text(columns[name]) for name in texts),
            *(hash_map(columns[name]) for name in maps),
        )
    )
