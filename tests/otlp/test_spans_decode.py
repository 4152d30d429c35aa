"""Decoding equals a plain walk over protobuf objects, whatever a sender may send."""

import random
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf.message import DecodeError, Message
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors.otlp.signals import TRACES
from pipeline.schema import SPANS
from tests.otlp import oracle
from tests.otlp.trace_strategies import NOW, requests
from tests.otlp.wire_bytes import field, rearranged


def decode_spans(*arguments: Any) -> tuple[pa.Table, Any]:
    """Decode trace requests as landing does."""
    rows, warnings = TRACES.decode(*arguments)
    return rows["spans"], warnings


ANY = 100_000

small = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


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
    table, _ = decode_spans(payloads, batch_ids, received, most)
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


@settings(small, max_examples=40)
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
    table, _ = decode_spans([payload], [bytes(16)], [NOW], ANY)
    assert table["service_name"].to_pylist() == ["name"]
    assert table["service_version"].to_pylist() == ["version"]


@settings(small, max_examples=40)
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
    found = TRACES.check(sent)
    kept = len(oracle.rows([sent], [bytes(16)], [NOW], ANY))
    assert found.total - found.rejected == kept
    assert_rows_equal_the_oracle([sent])


@settings(small, max_examples=40)
@given(st.binary(max_size=60))
def test_random_bytes_that_protobuf_accepts_are_decoded(sent: bytes) -> None:
    try:
        ExportTraceServiceRequest.FromString(sent)
    except DecodeError:
        return
    assert TRACES.check(sent).total >= 0
    assert_rows_equal_the_oracle([sent])


def test_no_requests_give_no_rows() -> None:
    table, warnings = decode_spans([], [], [], ANY)
    assert table.equals(pa.Table.from_pylist([], schema=SPANS.arrow_schema))
    assert not +warnings
