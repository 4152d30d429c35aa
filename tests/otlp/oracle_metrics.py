"""What decoding must give of metrics: the schema's rows, by a plain walk over protobuf objects."""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar, Metric

from pipeline.schema import METRICS
from tests.otlp.oracle import day, entries, hex_id, shared_row
from tests.otlp.oracle_promotion import Row

KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")

LIMIT = 2**63


def reasons_against(metric: Metric, point: Any) -> set[str]:
    """Give why a point cannot be kept; none for one that can."""
    kind = metric.WhichOneof("data")
    assert kind
    reasons = set()
    if point.time_unix_nano == 0:
        reasons.add("time is 0")
    if max(point.time_unix_nano, point.start_time_unix_nano) >= LIMIT:
        reasons.add("time is above 2^63-1 ns")
    temporality = getattr(getattr(metric, kind), "aggregation_temporality", None)
    if temporality not in (None, 1, 2):
        reasons.add("aggregation temporality is not delta or cumulative")
    if point.flags & 1:
        return reasons
    match kind:
        case "gauge" | "sum":
            if point.WhichOneof("value") is None:
                reasons.add("no value")
        case "histogram":
            reasons |= against_buckets(point)
        case "exponential_histogram":
            counts = [*point.positive.bucket_counts, *point.negative.bucket_counts]
            reasons |= against_counts(point, [*counts, point.zero_count])
            if not -11 <= point.scale <= 20:
                reasons.add("scale is outside -11 to 20")
        case "summary":
            if point.count >= LIMIT:
                reasons.add("a count is above 2^63-1")
    return reasons


def against_buckets(point: Any) -> set[str]:
    counts, bounds = list(point.bucket_counts), list(point.explicit_bounds)
    # Without buckets there is nothing to add up.
    reasons = against_counts(point, counts or [point.count])
    if (counts or bounds) and len(counts) != len(bounds) + 1:
        reasons.add("bucket_counts are not one more than explicit_bounds")
    nan = any(map(math.isnan, bounds))
    if nan or any(low >= high for low, high in itertools.pairwise(bounds)):
        reasons.add("explicit_bounds do not rise")
    return reasons


def against_counts(point: Any, counts: list[int]) -> set[str]:
    """Say what is wrong with the counts of a histogram; an observation of NaN is in no bucket."""
    if max([point.count, *counts]) >= LIMIT or sum(counts) >= LIMIT:
        return {"a count is above 2^63-1"}
    right = sum(counts) <= point.count if math.isnan(point.sum) else sum(counts) == point.count
    return set() if right else {"bucket counts do not add up to count"}


def optional(message: Any, name: str) -> Any:
    """Give a field that may be absent; None then."""
    return getattr(message, name) if message.HasField(name) else None


def numbers(message: Any) -> Row:
    """Give the value of a point or an exemplar, as the kind of number it is."""
    return {
        "value_double": optional(message, "as_double"),
        "value_int": optional(message, "as_int"),
    }


def exemplar_row(exemplar: Exemplar) -> Row:
    known = 0 < exemplar.time_unix_nano < LIMIT
    return {
        "time_unix_nano": exemplar.time_unix_nano if known else None,
        **numbers(exemplar),
        "trace_id": hex_id(exemplar.trace_id, 16),
        "span_id": hex_id(exemplar.span_id, 8),
        "attributes": entries(exemplar.filtered_attributes),
    }


def value_row(kind: str, point: Any) -> Row:
    """Give the columns of a point's value."""
    if point.flags & 1:
        return {}
    if kind in ("gauge", "sum"):
        return numbers(point)
    row = {"count": point.count}
    match kind:
        case "summary":
            quantiles = [{"quantile": q.quantile, "value": q.value} for q in point.quantile_values]
            return row | {"sum": point.sum, "quantile_values": quantiles}
        case "histogram":
            row |= {
                "explicit_bounds": list(point.explicit_bounds),
                "bucket_counts": list(point.bucket_counts),
            }
        case "exponential_histogram":
            row |= {
                "scale": point.scale,
                "zero_count": point.zero_count,
                "zero_threshold": point.zero_threshold,
                "positive_offset": point.positive.offset,
                "positive_bucket_counts": list(point.positive.bucket_counts),
                "negative_offset": point.negative.offset,
                "negative_bucket_counts": list(point.negative.bucket_counts),
            }
    return row | {name: optional(point, name) for name in ("sum", "min", "max")}


def metric_row(metric: Metric) -> Row:
    kind = metric.WhichOneof("data")
    assert kind
    row: Row = {
        "metric_type": kind,
        "name": metric.name,
        "description": metric.description or None,
        "unit": metric.unit or None,
        "metadata": entries(metric.metadata),
    }
    data = getattr(metric, kind)
    if kind in ("sum", "histogram", "exponential_histogram"):
        row["aggregation_temporality"] = int(data.aggregation_temporality)
    if kind == "sum":
        row["is_monotonic"] = data.is_monotonic
    return row


def point_row(kind: str, point: Any, most: int) -> Row:
    row: Row = {
        "time_unix_nano": point.time_unix_nano,
        "start_time_unix_nano": point.start_time_unix_nano or None,
        "attributes": entries(point.attributes[:most]),
        "flags": point.flags or None,
    }
    if kind != "summary":
        row["exemplars"] = [exemplar_row(exemplar) for exemplar in point.exemplars]
    return row | value_row(kind, point)


def points(payload: bytes) -> Iterator[tuple[Any, Any, Metric, Any]]:
    """Give every point with its resource, scope and metric."""
    for resource in ExportMetricsServiceRequest.FromString(payload).resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                for point in getattr(metric, kind).data_points if kind else ():
                    yield resource, scope, metric, point


def rows(
    payloads: Sequence[bytes], batch_ids: Sequence[bytes], times: Sequence[int], most: int
) -> list[Row]:
    """Give the rows of metric requests, kind by kind; all columns but the series' id."""
    every = dict.fromkeys(name for name in METRICS.arrow_schema.names if name != "series_id")
    found: dict[str, list[Row]] = {kind: [] for kind in KINDS}
    for payload, batch_id, time in zip(payloads, batch_ids, times, strict=True):
        for resource, scope, metric, point in points(payload):
            if not reasons_against(metric, point):
                kind = str(metric.WhichOneof("data"))
                found[kind].append(
                    every
                    | shared_row(resource, scope, batch_id, time)
                    | metric_row(metric)
                    | point_row(kind, point, most)
                    | {"date": day(point.time_unix_nano, time)}
                )
    return [row for kind in KINDS for row in found[kind]]
