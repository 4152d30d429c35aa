"""OTLP over HTTP, point by point of the specification, against ``tailgate serve``."""

import gzip
import http.client
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.rpc import code_pb2, error_details_pb2

from collectors.otlp.signals import SIGNALS, TRACES, Signal
from pipeline.settings import Receiver
from tests.conformance.conftest import SHARED_LIMIT_BYTES, Guarded
from tests.conformance.running import Running
from tests.conformance.senders import in_kind, path_of, post, rejected
from tests.conformance.telemetry_requests import TABLE, fresh, request
from tests.otlp.receivers import PATIENCE_SECONDS
from tests.otlp_http.services import JSON, PROTOBUF, Reply, empty, head, read_reply, send, zstd

pytestmark = pytest.mark.slow

# What the specification lets a sender send again.
RETRYABLE = {429, 502, 503, 504}

RESPONSE_LIMIT_BYTES = 4 << 20

Encode = Callable[[bytes], bytes]


def refused(reply: Reply, http_status: int, kind: str, code: int | None = None) -> str:
    """Check a refusal: its status, its encoding and the Status in it; give its text."""
    status, _ = reply.refusal()
    assert (reply.status, reply.kind) == (http_status, kind)
    assert code is None or status.code == code
    return str(status.message)


def connect(running: Running) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", running.http_port, timeout=PATIENCE_SECONDS)


def test_13_every_signal_has_its_path_and_the_port_is_4318(shared: Running, kind: str) -> None:
    assert Receiver().http_port == 4318
    assert [path_of(each) for each in SIGNALS] == [
        "/v1/traces",
        "/v1/metrics",
        "/v1/logs",
        "/v1development/profiles",
    ]
    for signal in SIGNALS:
        service = fresh("p13")
        body = in_kind(signal, request(signal, service), kind)
        assert post(shared, signal, body, kind).status == 200
        assert len(shared.landed(TABLE[signal.name], service)) == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_13_another_method_is_405_and_another_path_404(
    shared: Running, signal: Signal, method: str
) -> None:
    reply = post(shared, signal, b"", PROTOBUF, method=method)
    assert method in refused(reply, 405, PROTOBUF)
    assert reply.headers["Allow"] == "POST"
    connection = connect(shared)
    reply = send(connection, path_of(signal) + "s", b"")
    connection.close()
    refused(reply, 404, PROTOBUF, code_pb2.NOT_FOUND)


def test_14_the_content_type_chooses_and_anything_else_is_415(
    shared: Running, signal: Signal
) -> None:
    payload = request(signal, fresh("p14"))
    for kind in (PROTOBUF, JSON):
        assert post(shared, signal, in_kind(signal, payload, kind), kind).status == 200
    for other in ("text/plain", "application/protobuf", "application/grpc", None):
        assert "Content-Type" in refused(post(shared, signal, payload, other), 415, PROTOBUF)


@pytest.mark.parametrize(("name", "encode"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
def test_15_gzip_and_zstd_are_taken(
    shared: Running, signal: Signal, kind: str, name: str, encode: Encode
) -> None:
    service = fresh("p15")
    body = encode(in_kind(signal, request(signal, service, 3), kind))
    assert post(shared, signal, body, kind, Content_Encoding=name).status == 200
    assert len(shared.landed(TABLE[signal.name], service, 3)) == 3


@pytest.mark.parametrize("name", ["gzip", "br", "deflate", "nonsense"])
def test_15_corrupt_gzip_and_unknown_encodings_are_400(
    shared: Running, signal: Signal, kind: str, name: str
) -> None:
    packed = gzip.compress(in_kind(signal, request(signal, fresh()), kind))
    reply = post(shared, signal, packed[:-4], kind, Content_Encoding=name)
    assert refused(reply, 400, kind, code_pb2.INVALID_ARGUMENT)


def test_16_the_limit_holds_before_and_after_decompression(
    shared: Running, signal: Signal, kind: str
) -> None:
    assert Receiver().max_message_bytes == 64 << 20
    large = bytes(SHARED_LIMIT_BYTES + 1)
    said = f"larger than {SHARED_LIMIT_BYTES} bytes"
    assert said in refused(post(shared, signal, large, kind), 413, kind)
    for name, encode in (("gzip", gzip.compress), ("zstd", zstd.compress)):
        packed = encode(large)
        assert len(packed) < SHARED_LIMIT_BYTES // 100
        reply = post(shared, signal, packed, kind, Content_Encoding=name)
        assert said in refused(reply, 413, kind)


def test_17_the_answer_has_the_requests_content_type_and_decodes(
    shared: Running, signal: Signal, kind: str
) -> None:
    good = in_kind(signal, request(signal, fresh()), kind)
    partly = in_kind(signal, request(signal, fresh(), good=1, bad=1), kind)
    for body in (empty(signal, kind), good, partly):
        reply = post(shared, signal, body, kind)
        assert (reply.status, reply.kind) == (200, kind)
        reply.message(signal.response)
    refused(post(shared, signal, b"\xff", kind), 400, kind)


def test_18_full_success_leaves_partial_success_unset(
    shared: Running, signal: Signal, kind: str
) -> None:
    reply = post(shared, signal, in_kind(signal, request(signal, fresh(), 2), kind), kind)
    assert reply.status == 200
    assert not reply.message(signal.response).HasField("partial_success")
    assert reply.body == (b"{}" if kind == JSON else b"")


def test_19_a_partial_success_is_200_with_counts(
    shared: Running, signal: Signal, kind: str
) -> None:
    service = fresh("p19")
    body = in_kind(signal, request(signal, service, good=2, bad=3), kind)
    reply = post(shared, signal, body, kind)
    partial = reply.message(signal.response).partial_success
    assert (reply.status, rejected(signal, partial)) == (200, 3)
    assert partial.error_message.startswith("3 of 5 rejected: ")
    assert len(shared.landed(TABLE[signal.name], service, 2)) == 2


@pytest.mark.parametrize("body", [b"\xff", b"{]", b"\x0a\x7f"])
def test_20_bad_data_is_400_with_details(
    shared: Running, signal: Signal, kind: str, body: bytes
) -> None:
    reply = post(shared, signal, body, kind)
    status, detail = reply.refusal()
    assert (reply.status, status.code) == (400, code_pb2.INVALID_ARGUMENT)
    assert isinstance(detail, error_details_pb2.BadRequest)
    assert detail.field_violations[0].description == status.message


def every_refusal(shared: Running, full: Running, guarded: Guarded, kind: str) -> Iterator[Reply]:
    """Give an answer of each status that a request can end with, but for the slow ones."""
    body = in_kind(TRACES, request(TRACES, fresh(), 40), kind)
    yield post(shared, TRACES, b"\xff", kind)
    yield post(guarded.running, TRACES, body, kind)
    yield send(connect(shared), "/nowhere", body, kind)
    yield post(shared, TRACES, b"", kind, method="GET")
    yield post(shared, TRACES, bytes(SHARED_LIMIT_BYTES + 1), kind)
    yield post(shared, TRACES, body, "text/plain")
    yield post(full, TRACES, body, kind)
    with shared.raw() as taken:
        taken.sendall(b"no HTTP\r\n\r\n")
        yield read_reply(taken)
    with shared.raw() as taken:
        # A header without an end.
        taken.sendall(head(path_of(TRACES), "X: " + "x" * 100_000, kind=kind).strip())
        yield read_reply(taken)


def test_21_every_refusal_is_a_status_with_text(
    shared: Running, full: Running, guarded: Guarded, kind: str
) -> None:
    found = []
    for reply in every_refusal(shared, full, guarded, kind):
        status, _ = reply.refusal()
        assert status.message
        assert status.code
        found.append(reply.status)
    assert found[:8] == [400, 401, 404, 405, 413, 415, 503, 400]
    assert found[8] in (400, 431)


def test_22_only_overload_is_told_in_statuses_that_are_sent_again(
    shared: Running, full: Running, guarded: Guarded, kind: str
) -> None:
    for reply in every_refusal(shared, full, guarded, kind):
        assert (reply.status in RETRYABLE) == ("Retry-After" in reply.headers)
        assert (reply.status in RETRYABLE) == (reply.status == 503)


def test_23_overload_is_503_and_says_when_to_send_again(
    full: Running, signal: Signal, kind: str
) -> None:
    reply = post(full, signal, in_kind(signal, request(signal, fresh(), 40), kind), kind)
    status, detail = reply.refusal()
    assert (reply.status, reply.kind, status.code) == (503, kind, code_pb2.UNAVAILABLE)
    assert int(reply.headers["Retry-After"]) >= 1
    assert isinstance(detail, error_details_pb2.RetryInfo)


def test_24_no_answer_can_come_near_the_limit(guarded: Guarded, signal: Signal, kind: str) -> None:
    # A response over the limit would have to be a 500; the longest text there is, a token's name of
    # 100,000 characters, is cut long before, and the counts stay.
    body = in_kind(signal, request(signal, fresh(), 3), kind)
    reply = post(guarded.running, signal, body, kind, Authorization=f"Bearer {guarded.other}")
    partial = reply.message(signal.response).partial_success
    assert (reply.status, rejected(signal, partial)) == (200, 3)
    assert len(reply.body) < 4096 < RESPONSE_LIMIT_BYTES


@pytest.mark.parametrize(
    ("asked", "packed"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("br", False),
        ("identity", False),
        ("", False),
    ],
)
def test_25_an_answer_is_gzip_only_where_accept_encoding_asks(
    guarded: Guarded, signal: Signal, kind: str, asked: str, packed: bool
) -> None:
    headers: dict[str, Any] = {"Authorization": f"Bearer {guarded.other}", "Accept_Encoding": asked}
    body = in_kind(signal, request(signal, fresh(), 3), kind)
    reply = post(guarded.running, signal, body, kind, **headers)
    assert (reply.headers["Content-Encoding"] == "gzip") is packed
    content = gzip.decompress(reply.body) if packed else reply.body
    whole = Reply(reply.status, reply.headers, content)
    assert rejected(signal, whole.message(signal.response).partial_success) == 3


@pytest.mark.parametrize("size", [1, 100])
def test_26_a_body_may_come_in_chunks(
    shared: Running, signal: Signal, kind: str, size: int
) -> None:
    service = fresh("p26")
    body = in_kind(signal, request(signal, service, 2), kind)
    chunks = (body[first : first + size] for first in range(0, len(body), size))
    assert post(shared, signal, chunks, kind).status == 200
    assert len(shared.landed(TABLE[signal.name], service, 2)) == 2


def test_26_a_connection_is_kept_alive(shared: Running, kind: str) -> None:
    connection = connect(shared)
    connection.connect()
    taken = connection.sock
    for signal in (*SIGNALS, *SIGNALS):
        body = in_kind(signal, request(signal, fresh()), kind)
        assert send(connection, path_of(signal), body, kind).status == 200
        assert send(connection, path_of(signal), b"\xff", kind).status == 400
    assert connection.sock is taken
    connection.close()


def test_26_expect_100_continue_is_answered(shared: Running, signal: Signal, kind: str) -> None:
    body = in_kind(signal, request(signal, fresh()), kind)
    lines = (f"Content-Length: {len(body)}", "Expect: 100-continue")
    with shared.raw() as taken:
        taken.sendall(head(path_of(signal), *lines, kind=kind))
        assert taken.recv(4096).startswith(b"HTTP/1.1 100 ")
        taken.sendall(body)
        assert read_reply(taken).status == 200
    with shared.raw() as taken:
        lines = (f"Content-Length: {SHARED_LIMIT_BYTES + 1}", "Expect: 100-continue")
        taken.sendall(head(path_of(signal), *lines, kind=kind))
        assert read_reply(taken).status == 413
