"""Which metric points cannot be kept and why: one bad point never costs its neighbours."""

import math
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Exemplar,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
    Summary,
    SummaryDataPoint,
)

from collectors.otlp.signals import METRIC_POINTS
from tests.otlp.decoding import ANY, LONG
from tests.otlp.messages import attributes
from tests.otlp.trace_strategies import NOW

MOST = 2**63 - 1
NO_VALUE = 1

GOOD: dict[str, Any] = {
    "gauge": NumberDataPoint(time_unix_nano=NOW, as_int=1),
    "sum": NumberDataPoint(time_unix_nano=NOW, as_double=1.5),
    "histogram": HistogramDataPoint(
        time_unix_nano=NOW, count=3, bucket_counts=(1, 0, 2), explicit_bounds=(0.5, 1.0)
    ),
    "exponential_histogram": ExponentialHistogramDataPoint(
        time_unix_nano=NOW,
        count=3,
        zero_count=1,
        positive=ExponentialHistogramDataPoint.Buckets(offset=-2, bucket_counts=(2,)),
    ),
    "summary": SummaryDataPoint(time_unix_nano=NOW, count=3, sum=1.5),
}


def metric(kind: str, *points: Any, temporality: int = 2) -> Metric:
    match kind:
        case "gauge":
            return Metric(name="m", gauge=Gauge(data_points=points))
        case "summary":
            return Metric(name="m", summary=Summary(data_points=points))
    message = {
        "sum": Sum,
        "histogram": Histogram,
        "exponential_histogram": ExponentialHistogram,
    }[kind]
    data = message(data_points=points, aggregation_temporality=temporality)
    return Metric(name="m", **{kind: data})


def request(*metrics: Metric) -> bytes:
    scope = ScopeMetrics(metrics=metrics)
    resource = ResourceMetrics(scope_metrics=[scope])
    return ExportMetricsServiceRequest(resource_metrics=[resource]).SerializeToString()


def rows(payload: bytes, most: int = ANY) -> tuple[list[dict[str, Any]], Any]:
    found, warnings = METRIC_POINTS.decode([payload], [bytes(16)], [NOW], most, LONG)
    return found["metrics"].to_pylist(), warnings


def changed(kind: str, **fields: Any) -> Any:
    """Give a good point with some fields set otherwise."""
    point = type(GOOD[kind])()
    point.CopyFrom(GOOD[kind])
    for name in fields:
        point.ClearField(name)
    point.MergeFrom(type(point)(**fields))
    return point


BEYOND = "a count is above 2^63-1"
DIFFERS = "bucket counts do not add up to count"
FITS = "bucket_counts are not one more than explicit_bounds"
RISES = "explicit_bounds do not rise"
SCALE = "scale is outside -11 to 20"
LATE = "time is above 2^63-1 ns"
NAN = float("nan")


@pytest.mark.parametrize(
    ("kind", "fields", "reason"),
    [
        *[(kind, {"time_unix_nano": 0}, "time is 0") for kind in GOOD],
        *[(kind, {"time_unix_nano": 2**63}, LATE) for kind in GOOD],
        *[(kind, {"start_time_unix_nano": 2**64 - 1}, LATE) for kind in GOOD],
        ("gauge", {"as_int": None}, "no value"),
        ("sum", {"as_double": None}, "no value"),
        ("histogram", {"explicit_bounds": (1.0,)}, FITS),
        ("histogram", {"explicit_bounds": (1.0, 2.0, 3.0)}, FITS),
        ("histogram", {"bucket_counts": ()}, FITS),
        ("histogram", {"explicit_bounds": (1.0, 0.5)}, RISES),
        ("histogram", {"explicit_bounds": (1.0, 1.0)}, RISES),
        ("histogram", {"explicit_bounds": (1.0, NAN)}, RISES),
        ("histogram", {"explicit_bounds": (NAN,), "bucket_counts": (1, 2)}, RISES),
        ("histogram", {"count": 4}, DIFFERS),
        ("histogram", {"bucket_counts": (1, 0, 1)}, DIFFERS),
        ("histogram", {"sum": NAN, "count": 2}, DIFFERS),
        ("histogram", {"count": 2**63}, BEYOND),
        ("histogram", {"bucket_counts": (2**63, 0, 0)}, BEYOND),
        ("histogram", {"bucket_counts": (2**62, 2**62, 0), "count": MOST}, BEYOND),
        # As numbers of 64 bits these add up to 3.
        ("histogram", {"bucket_counts": (2**62, 2**62, 2**63 + 3)}, BEYOND),
        ("exponential_histogram", {"count": 4}, DIFFERS),
        ("exponential_histogram", {"zero_count": 0}, DIFFERS),
        ("exponential_histogram", {"zero_count": 2**64 - 1}, BEYOND),
        ("exponential_histogram", {"zero_count": MOST}, BEYOND),
        ("exponential_histogram", {"negative": {"bucket_counts": (2**63,)}}, BEYOND),
        ("exponential_histogram", {"scale": -12}, SCALE),
        ("exponential_histogram", {"scale": 21}, SCALE),
        ("summary", {"count": 2**63}, BEYOND),
    ],
)
def test_a_bad_point_is_rejected_by_its_reason_and_alone(
    kind: str, fields: dict[str, Any], reason: str
) -> None:
    good, bad = GOOD[kind], changed(kind, **fields)
    others = [metric(other, point) for other, point in GOOD.items()]
    payload = request(*others, metric(kind, good, bad, good), metric(kind, bad))
    found = METRIC_POINTS.check(payload)
    assert (found.total, found.rejected, found.reasons) == (9, 2, {reason: 2})
    kept, warnings = rows(payload)
    assert len(kept) == 7
    assert warnings["rejected_data_points"] == 2
    assert [row["metric_type"] for row in kept].count(kind) == 3


@pytest.mark.parametrize("temporality", [0, 3, -1])
@pytest.mark.parametrize("kind", ["sum", "histogram", "exponential_histogram"])
def test_a_temporality_that_is_neither_delta_nor_cumulative_is_rejected(
    kind: str, temporality: int
) -> None:
    payload = request(
        metric(kind, GOOD[kind], temporality=1),
        metric(kind, GOOD[kind], temporality=temporality),
        metric(kind, GOOD[kind], temporality=2),
    )
    reason = "aggregation temporality is not delta or cumulative"
    assert METRIC_POINTS.check(payload).reasons == {reason: 1}
    assert [row["aggregation_temporality"] for row in rows(payload)[0]] == [1, 2]


def test_a_point_with_two_faults_is_rejected_once() -> None:
    bad = changed("histogram", time_unix_nano=0, explicit_bounds=(1.0,))
    found = METRIC_POINTS.check(request(metric("histogram", bad)))
    assert (found.rejected, found.reasons) == (1, {"time is 0": 1, FITS: 1})


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("gauge", {"as_int": 0}),
        ("gauge", {"as_double": NAN}),
        ("sum", {"as_double": float("-inf")}),
        # Nothing observed yet.
        ("histogram", {"count": 0, "bucket_counts": (0, 0, 0)}),
        # Without buckets, as SDKs send that were told to keep count and sum only.
        ("histogram", {"bucket_counts": (), "explicit_bounds": ()}),
        # A single bucket for everything.
        ("histogram", {"bucket_counts": (3,), "explicit_bounds": ()}),
        ("histogram", {"explicit_bounds": (0.5, math.inf)}),
        ("histogram", {"explicit_bounds": (-math.inf, 0.5)}),
        ("histogram", {"count": MOST, "bucket_counts": (2**62, 2**62 - 1, 0)}),
        ("exponential_histogram", {"count": 0, "zero_count": 0, "positive": None}),
        # Only zeros, and a zero bucket that is wide.
        ("exponential_histogram", {"count": 5, "zero_count": 5, "positive": None}),
        ("exponential_histogram", {"zero_threshold": 0.001}),
        ("exponential_histogram", {"count": MOST, "zero_count": MOST - 2}),
        ("exponential_histogram", {"negative": {"offset": 3}}),
        ("exponential_histogram", {"scale": -11}),
        ("exponential_histogram", {"scale": 20}),
        # An observation of NaN is counted and in no bucket.
        ("exponential_histogram", {"count": 4, "sum": NAN}),
        ("histogram", {"count": 4, "sum": NAN}),
        ("summary", {"count": 0}),
    ],
)
def test_what_real_senders_send_is_kept(kind: str, fields: dict[str, Any]) -> None:
    payload = request(metric(kind, changed(kind, **fields)))
    assert METRIC_POINTS.check(payload).rejected == 0
    assert len(rows(payload)[0]) == 1


VALUES = {
    "gauge": ("value_int", "value_double"),
    "sum": ("value_int", "value_double"),
    "histogram": ("count", "sum", "min", "max", "explicit_bounds", "bucket_counts"),
    "exponential_histogram": ("count", "sum", "scale", "zero_count", "positive_bucket_counts"),
    "summary": ("count", "sum", "quantile_values"),
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_gap_is_kept_with_no_value_whatever_was_sent_for_one(kind: str) -> None:
    empty = type(GOOD[kind])(time_unix_nano=NOW, flags=NO_VALUE)
    fields = {"count": 2**64 - 1} if "count" in VALUES[kind] else {}
    nonsense = changed(kind, flags=NO_VALUE, **fields)
    found, _ = rows(request(metric(kind, empty, GOOD[kind], nonsense)))
    assert [row["flags"] for row in found] == [1, None, 1]
    for row in (found[0], found[2]):
        assert {row[name] for name in VALUES[kind]} == {None}
    assert any(found[1][name] is not None for name in VALUES[kind])
    assert len({row["series_id"] for row in found}) == 1


def test_integers_and_doubles_stay_what_they_are() -> None:
    points = [
        NumberDataPoint(time_unix_nano=NOW, as_int=2**53 + 1),
        NumberDataPoint(time_unix_nano=NOW, as_double=0.0),
        NumberDataPoint(time_unix_nano=NOW, as_int=0),
    ]
    found, _ = rows(request(metric("gauge", *points)))
    assert [row["value_int"] for row in found] == [2**53 + 1, None, 0]
    assert [row["value_double"] for row in found] == [None, 0.0, None]


def test_a_sum_of_zero_is_not_an_absent_sum() -> None:
    points = [changed("histogram", sum=0.0, min=0.0, max=0.0), GOOD["histogram"]]
    found, _ = rows(request(metric("histogram", *points)))
    assert [(row["sum"], row["min"], row["max"]) for row in found] == [
        (0.0, 0.0, 0.0),
        (None, None, None),
    ]


def test_every_exemplar_is_kept_with_its_trace() -> None:
    exemplars = [
        Exemplar(time_unix_nano=NOW, as_int=1, trace_id=b"\x01" * 16, span_id=b"\x02" * 8),
        Exemplar(as_double=2.5, trace_id=b"short", filtered_attributes=attributes({"user": "a"})),
    ]
    (row,), _ = rows(request(metric("sum", changed("sum", exemplars=exemplars))))
    assert row["exemplars"] == [
        {
            "time_unix_nano": NOW,
            "value_double": None,
            "value_int": 1,
            "trace_id": "01" * 16,
            "span_id": "02" * 8,
            "attributes": [],
        },
        {
            "time_unix_nano": None,
            "value_double": 2.5,
            "value_int": None,
            "trace_id": None,
            "span_id": None,
            "attributes": [("user", "a")],
        },
    ]


def test_each_repair_is_counted_once_whatever_kinds_of_metric_a_request_has() -> None:
    twice = [*attributes({"k": "1"}), *attributes({"k": "2"})]
    metrics = [metric(kind, point) for kind, point in GOOD.items()]
    metrics[0].metadata.extend(twice)
    metrics[1].sum.data_points[0].attributes.extend(attributes({"a": "1", "b": "2", "c": "3"}))
    resource = ResourceMetrics(scope_metrics=[ScopeMetrics(metrics=metrics)])
    resource.resource.attributes.extend(twice)
    payload = ExportMetricsServiceRequest(resource_metrics=[resource]).SerializeToString()
    found, warnings = rows(payload, most=1)
    assert warnings["repeated_attribute_keys"] == 2
    assert warnings["attributes_over_limit"] == 2
    assert found[0]["metadata"] == [("k", "2")]
