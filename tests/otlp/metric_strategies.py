"""Metric requests as Hypothesis makes them: every kind of point, right and wrong in every way."""

from typing import Any

from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
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
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from tests.otlp.trace_strategies import (
    attributes,
    doubles,
    ids,
    int64,
    texts,
    times,
    uint32,
    wild_times,
)

few_attributes = attributes.map(lambda given: given[:3])
flags = st.sampled_from((0, 0, 0, 0, 0, 1, 2, 3, 2**32 - 1))
fixed64 = st.sampled_from((0, 1, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1))
good_times = times.filter(bool)
maybe = st.none() | doubles


def value() -> st.SearchStrategy[dict[str, Any]]:
    """Give a number as a point or an exemplar has it, often none."""
    return st.one_of(
        st.just({}),
        int64.map(lambda given: {"as_int": given}),
        doubles.map(lambda given: {"as_double": given}),
    )


@st.composite
def exemplars(draw: st.DrawFn) -> Exemplar:
    return Exemplar(
        filtered_attributes=draw(few_attributes),
        time_unix_nano=draw(wild_times),
        span_id=draw(ids),
        trace_id=draw(ids),
        **draw(value()),
    )


def common(draw: st.DrawFn, wild: bool) -> dict[str, Any]:
    """Draw what points of every kind have."""
    return {
        "attributes": draw(few_attributes),
        "time_unix_nano": draw(good_times | wild_times if wild else good_times),
        "start_time_unix_nano": draw(wild_times if wild else times),
        "flags": draw(flags),
    }


@st.composite
def numbers(draw: st.DrawFn, wild: bool) -> NumberDataPoint:
    given = draw(value().filter(lambda one: wild or bool(one)))
    more = draw(st.lists(exemplars(), max_size=2))
    return NumberDataPoint(**common(draw, wild), **given, exemplars=more)


def statistics(draw: st.DrawFn) -> dict[str, Any]:
    """Draw sum, min and max, each perhaps absent."""
    return {name: draw(maybe) for name in ("sum", "min", "max")}


counts = st.integers(0, 5) | st.sampled_from((2**32 - 1, 2**53 + 1, 2**61))


@st.composite
def histograms(draw: st.DrawFn, wild: bool) -> HistogramDataPoint:
    edges = doubles.filter(lambda bound: bound == bound)
    bounds = sorted(draw(st.sets(edges.map(lambda bound: bound + 0.0), max_size=4)))
    buckets = draw(st.lists(counts, min_size=len(bounds) + 1, max_size=len(bounds) + 1))
    total = sum(buckets)
    if not bounds and draw(st.booleans()):
        buckets = []
    if wild:
        match draw(st.sampled_from(("fine", "bounds", "more", "fewer", "count", "bucket"))):
            case "bounds":
                bounds = draw(st.lists(doubles, min_size=len(bounds), max_size=len(bounds)))
            case "more":
                buckets = [*buckets, 0]
            case "fewer":
                buckets = buckets[1:]
            case "count":
                total = draw(fixed64)
            case "bucket" if buckets:
                buckets[0] = draw(fixed64)
    return HistogramDataPoint(
        **common(draw, wild),
        **statistics(draw),
        count=min(total, 2**64 - 1),
        bucket_counts=buckets,
        explicit_bounds=bounds,
        exemplars=draw(st.lists(exemplars(), max_size=2)),
    )


@st.composite
def exponential(draw: st.DrawFn, wild: bool) -> ExponentialHistogramDataPoint:
    sides: dict[str, Any] = {
        side: {
            "offset": draw(st.sampled_from((0, 1, -7, 2**31 - 1, -(2**31)))),
            "bucket_counts": draw(st.lists(counts, max_size=4)),
        }
        for side in draw(st.sets(st.sampled_from(("positive", "negative"))))
    }
    zero = draw(counts)
    total = zero + sum(sum(side["bucket_counts"]) for side in sides.values())
    scale = draw(st.sampled_from((-11, -10, 0, 3, 20)))
    if wild:
        match draw(st.sampled_from(("fine", "count", "zero", "scale"))):
            case "count":
                total = draw(fixed64)
            case "zero":
                zero = draw(fixed64)
            case "scale":
                scale = draw(st.sampled_from((-12, 21, 2**31 - 1)))
    return ExponentialHistogramDataPoint(
        **common(draw, wild),
        **statistics(draw),
        **sides,
        count=min(total, 2**64 - 1),
        zero_count=zero,
        zero_threshold=draw(doubles),
        scale=scale,
        exemplars=draw(st.lists(exemplars(), max_size=2)),
    )


@st.composite
def summaries(draw: st.DrawFn, wild: bool) -> SummaryDataPoint:
    quantile = st.builds(SummaryDataPoint.ValueAtQuantile, quantile=doubles, value=doubles)
    return SummaryDataPoint(
        **common(draw, wild),
        count=draw(fixed64 if wild else counts),
        sum=draw(doubles),
        quantile_values=draw(st.lists(quantile, max_size=3)),
    )


@st.composite
def metrics(draw: st.DrawFn, wild: bool) -> Metric:
    def several(of: st.SearchStrategy[Any]) -> Any:
        return draw(st.lists(of, max_size=3))

    temporality: Any = draw(st.sampled_from((1, 2, 0, 3) if wild else (1, 2)))
    data: dict[str, Any] = {}
    match draw(st.sampled_from(("gauge", "sum", "histogram", "exponential", "summary", "none"))):
        case "gauge":
            data["gauge"] = Gauge(data_points=several(numbers(wild)))
        case "sum":
            data["sum"] = Sum(
                data_points=several(numbers(wild)),
                aggregation_temporality=temporality,
                is_monotonic=draw(st.booleans()),
            )
        case "histogram":
            points = several(histograms(wild))
            data["histogram"] = Histogram(data_points=points, aggregation_temporality=temporality)
        case "exponential":
            data["exponential_histogram"] = ExponentialHistogram(
                data_points=several(exponential(wild)), aggregation_temporality=temporality
            )
        case "summary":
            data["summary"] = Summary(data_points=several(summaries(wild)))
    return Metric(
        name=draw(texts),
        description=draw(texts),
        unit=draw(st.sampled_from(("", "s", "ms"))),
        metadata=draw(few_attributes),
        **data,
    )


def requests(wild: bool) -> st.SearchStrategy[ExportMetricsServiceRequest]:
    scopes = st.builds(
        ScopeMetrics,
        scope=st.none()
        | st.builds(InstrumentationScope, name=texts, version=texts, attributes=few_attributes),
        schema_url=texts,
        metrics=st.lists(metrics(wild), max_size=3),
    )
    resources = st.builds(
        ResourceMetrics,
        resource=st.none()
        | st.builds(Resource, attributes=attributes, dropped_attributes_count=uint32),
        schema_url=texts,
        scope_metrics=st.lists(scopes, max_size=2),
    )
    return st.builds(ExportMetricsServiceRequest, resource_metrics=st.lists(resources, max_size=2))
