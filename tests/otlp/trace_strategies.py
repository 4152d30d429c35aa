"""Trace requests as Hypothesis makes them: every field, every kind of value, good ids and bad."""

from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from pipeline.schema import SPANS
from tests.otlp import oracle

NOW = 1_795_608_000_000_000_000

SOURCES = sorted(
    {source.strip("{}") for column in SPANS.columns for source in column.sources}
    | {"rpc.service", "code.namespace", "process.pid", "exception.type", "k"}
)
TEXTS = (
    "",
    "GET",
    "404",
    "-7",
    "99999999999",
    "9" * 19,
    "9223372036854775807",
    "-9223372036854775808",
    "true",
    "FALSE",
    "deliver",
    "publish",
    "/a?b=1",
    "https://shop.example/cart/7?x=1#y",
    "http://shop.example",
    "no url",
    " padded ",
    'é\x00\n"\\',
)
STATES = (
    "",
    "ot=th:8",
    "ot=th:c;rv:1",
    "vendor=1,ot=p:3;r:9",
    "ot=p:63",
    "ot=th:0",
    "ot=th:xyz;p:1",
    "other=th:8",
    "a=1, ot=th:fffffffffffffe",
    "ot=",
    "ot=rv:1;th:4",
)

uint32 = st.sampled_from((0, 1, 256, 2**32 - 1))
int64 = st.sampled_from((0, 1, -1, 200, 8080, 2**31 - 1, 2**31, -(2**63), 2**63 - 1)) | st.integers(
    -(2**63), 2**63 - 1
)
doubles = st.sampled_from((0.0, -0.0, 1e22, 1e-7, 200.0, float("nan"), float("-inf"))) | st.floats()
texts = st.sampled_from(TEXTS) | st.text(max_size=6)
scalars = st.one_of(
    st.just(AnyValue()),
    texts.map(lambda value: AnyValue(string_value=value)),
    texts.map(lambda value: AnyValue(string_value=value)),
    st.booleans().map(lambda value: AnyValue(bool_value=value)),
    int64.map(lambda value: AnyValue(int_value=value)),
    doubles.map(lambda value: AnyValue(double_value=value)),
    st.binary(max_size=5).map(lambda value: AnyValue(bytes_value=value)),
    st.just(AnyValue(string_value_strindex=3)),
)


def lists_of(values: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[AnyValue]:
    pairs = st.builds(KeyValue, key=st.sampled_from(("a", "b", "")), value=values)
    return st.one_of(
        st.lists(values, max_size=3).map(lambda v: AnyValue(array_value=ArrayValue(values=v))),
        st.lists(pairs, max_size=3).map(lambda v: AnyValue(kvlist_value=KeyValueList(values=v))),
    )


values = st.recursive(scalars, lists_of, max_leaves=6)
keys = st.sampled_from(SOURCES) | st.text(max_size=3)
pairs = st.builds(KeyValue, key=keys, value=st.none() | values)
attributes = st.lists(pairs, max_size=9)
ids = st.sampled_from((b"\x01" * 16, b"\xab" * 8, bytes(16), bytes(8), b"", b"x"))
good_trace_id = st.binary(min_size=16, max_size=16)
good_span_id = st.binary(min_size=8, max_size=8)
times = st.sampled_from(
    (0, 1, NOW, NOW + 10**9, NOW - 500 * oracle.DAY_NANO, NOW + 2 * oracle.DAY_NANO, 2**63 - 1)
)
wild_times = times | st.sampled_from((2**63, 2**64 - 1))
events = st.builds(
    Span.Event,
    time_unix_nano=wild_times,
    name=st.sampled_from(("exception", "", "log")),
    attributes=attributes,
    dropped_attributes_count=uint32,
)
links = st.builds(
    Span.Link,
    trace_id=ids,
    span_id=ids,
    trace_state=texts,
    attributes=attributes,
    flags=uint32,
    dropped_attributes_count=uint32,
)


def span_messages(wild: bool) -> st.SearchStrategy[Span]:
    return st.builds(
        Span,
        trace_id=ids | good_trace_id if wild else good_trace_id,
        span_id=ids | good_span_id if wild else good_span_id,
        parent_span_id=ids,
        trace_state=st.sampled_from(STATES),
        flags=uint32,
        name=texts,
        kind=st.sampled_from((0, 1, 2, 3, 4, 5)),
        start_time_unix_nano=wild_times if wild else times,
        end_time_unix_nano=wild_times if wild else times,
        attributes=attributes,
        dropped_attributes_count=uint32,
        events=st.lists(events, max_size=3),
        dropped_events_count=uint32,
        links=st.lists(links, max_size=2),
        dropped_links_count=uint32,
        status=st.none() | st.builds(Status, code=st.sampled_from((0, 1, 2)), message=texts),
    )


def requests(wild: bool) -> st.SearchStrategy[ExportTraceServiceRequest]:
    scopes = st.builds(
        ScopeSpans,
        scope=st.none()
        | st.builds(InstrumentationScope, name=texts, version=texts, attributes=attributes),
        schema_url=texts,
        spans=st.lists(span_messages(wild), max_size=3),
    )
    resources = st.builds(
        ResourceSpans,
        resource=st.none()
        | st.builds(Resource, attributes=attributes, dropped_attributes_count=uint32),
        schema_url=texts,
        scope_spans=st.lists(scopes, max_size=2),
    )
    return st.builds(ExportTraceServiceRequest, resource_spans=st.lists(resources, max_size=2))
