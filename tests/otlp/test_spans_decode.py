"""Decoding equals a plain walk over protobuf objects, whatever a sender may send."""

import random

import pyarrow as pa
import pytest
from google.protobuf.message import DecodeError, Message
from hypothesis import HealthCheck, example, given, settings
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

from collectors.otlp import spans
from pipeline.schema import SPANS
from tests.otlp import oracle
from tests.otlp.wire_bytes import field, rearranged

NOW = 1_795_608_000_000_000_000
ANY = 100_000

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

small = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))

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


def every_message(message: Message) -> list[Message]:
    """Give a message and all that are in it."""
    found = [message]
    for descriptor, value in message.ListFields():
        if descriptor.message_type is not None:
            for inner in value if descriptor.is_repeated else [value]:
                found += every_message(inner)
    return found


def assert_rows_equal_the_oracle(payloads: list[bytes], most: int = ANY) -> None:
    batch_ids = [number.to_bytes(16, "big") for number in range(len(payloads))]
    received = [NOW + number for number in range(len(payloads))]
    table, _ = spans.decode(payloads, batch_ids, received, most)
    table.validate(full=True)
    expected = oracle.rows(payloads, batch_ids, received, most)
    assert table.num_rows == len(expected)
    for name in SPANS.arrow_schema.names:
        got = table[name].to_pylist()
        wanted = [row[name] for row in expected]
        for number, (one, other) in enumerate(zip(got, wanted, strict=True)):
            assert one == other, f"{name} of span {number}"
    assert table.schema == SPANS.arrow_schema


@small
@given(st.lists(requests(wild=True), max_size=3), st.sampled_from((0, 1, 3, ANY)))
def test_rows_equal_a_walk_over_the_messages(
    given_requests: list[ExportTraceServiceRequest], most: int
) -> None:
    payloads = [request.SerializeToString() for request in given_requests]
    assert_rows_equal_the_oracle(payloads, most)


@small
@given(requests(wild=False), st.randoms(use_true_random=False))
def test_fields_that_a_later_version_adds_change_nothing(
    request: ExportTraceServiceRequest, rng: random.Random
) -> None:
    before = oracle.rows([request.SerializeToString()], [bytes(16)], [NOW], ANY)
    for message in every_message(request):
        if rng.random() < 0.5:
            message.MergeFromString(field(rng.choice((99, 1000, 5_000_000)), b"later"))
    payload = request.SerializeToString()
    assert oracle.rows([payload], [bytes(16)], [NOW], ANY) == before
    assert_rows_equal_the_oracle([payload])


@settings(small, max_examples=200)
@given(st.lists(requests(wild=False), min_size=1, max_size=2), st.integers(0, 2**32))
def test_split_repeated_and_reordered_fields_mean_what_protobuf_says(
    given_requests: list[ExportTraceServiceRequest], seed: int
) -> None:
    rng = random.Random(seed)
    descriptor = ExportTraceServiceRequest.DESCRIPTOR
    payloads = [rearranged(descriptor, r.SerializeToString(), rng) for r in given_requests]
    assert_rows_equal_the_oracle(payloads)


def one_span(span: bytes = b"", resource: bytes = b"", scope: bytes = b"") -> bytes:
    ids = field(1, b"\x01" * 16) + field(2, b"\x02" * 8)
    return field(1, resource + field(2, scope + field(2, ids + span)))


def attribute(value: bytes) -> bytes:
    return field(9, field(1, b"k") + value)


@pytest.mark.parametrize(
    "span",
    [
        attribute(field(2, field(1, b"text") + field(3, 5))),
        attribute(field(2, field(3, 5) + field(1, b"text"))),
        attribute(field(2, field(3, 5)) + field(2, field(1, b"text"))),
        attribute(field(2, field(5, field(1, field(1, b"a"))) + field(5, field(1, field(3, 1))))),
        attribute(field(2, field(5, field(1, field(3, 1))) + field(3, 1) + field(5, b""))),
        attribute(field(2, field(8, 5) + field(1, b"text"))),
        field(15, field(2, b"broken")) + field(15, field(3, 2)),
        field(5, b"first name") + field(5, b"second name"),
        field(6, 2**64 - 1),
        field(6, 99),
        field(6, 2**40 + 3),
        field(10, 2**33 + 5),
        attribute(field(2, field(2, 2))),
    ],
    ids=lambda value: value.hex()[:40],
)
def test_what_is_set_twice_means_what_protobuf_says(span: bytes) -> None:
    neighbour = one_span(attribute(field(2, field(3, 1))))
    assert_rows_equal_the_oracle([neighbour, one_span(span), neighbour])


def test_a_resource_in_two_pieces_is_one() -> None:
    halves = [
        field(1, field(1, b"service." + name) + field(2, field(1, name)))
        for name in (b"name", b"version")
    ]
    payload = one_span(resource=field(1, halves[0]) + field(1, halves[1]))
    table, _ = spans.decode([payload], [bytes(16)], [NOW], ANY)
    assert table["service_name"].to_pylist() == ["name"]
    assert table["service_version"].to_pylist() == ["version"]


@settings(small, max_examples=250)
@given(requests(wild=False), st.data())
@example(ExportTraceServiceRequest(), None)
def test_what_protobuf_accepts_is_decoded_and_alike(
    request: ExportTraceServiceRequest, data: st.DataObject | None
) -> None:
    payload = bytearray(request.SerializeToString())
    for _ in range(data.draw(st.integers(0, 3)) if data and payload else 0):
        assert data
        place = data.draw(st.integers(0, max(len(payload) - 1, 0)))
        match data.draw(st.sampled_from(("flip", "cut", "insert", "delete"))):
            case "flip" if payload:
                payload[place] ^= 1 << data.draw(st.integers(0, 7))
            case "cut":
                del payload[place:]
            case "insert":
                payload[place:place] = data.draw(st.binary(max_size=4))
            case "delete":
                del payload[place : place + data.draw(st.integers(1, 4))]
    sent = bytes(payload)
    try:
        ExportTraceServiceRequest.FromString(sent)
    except DecodeError:
        return
    found = spans.check(sent)
    kept = len(oracle.rows([sent], [bytes(16)], [NOW], ANY))
    assert found.total - found.rejected == kept
    assert_rows_equal_the_oracle([sent])


@settings(small, max_examples=200)
@given(st.binary(max_size=60))
def test_random_bytes_that_protobuf_accepts_are_decoded(sent: bytes) -> None:
    try:
        ExportTraceServiceRequest.FromString(sent)
    except DecodeError:
        return
    assert spans.check(sent).total >= 0
    assert_rows_equal_the_oracle([sent])


def test_no_requests_give_no_rows() -> None:
    table, warnings = spans.decode([], [], [], ANY)
    assert table.equals(pa.Table.from_pylist([], schema=SPANS.arrow_schema))
    assert not +warnings
