"""OTLP over HTTP as the specification has it, over real sockets; numbers are its points."""

import gzip
import json
from typing import Any

import pytest
from google.rpc import error_details_pb2
from starlette.responses import PlainTextResponse

from collectors.otlp.frames import Frame
from collectors.otlp.http_server import HttpServer
from collectors.otlp.signals import TRACES as TRACES_SIGNAL
from collectors.otlp.signals import Signal
from pipeline.errors import CannotListen
from pipeline.settings import Receiver
from tests.otlp import messages
from tests.otlp_http.conftest import Serve
from tests.otlp_http.services import (
    JSON,
    PROTOBUF,
    SERVED,
    Service,
    empty,
    head,
    read_reply,
    send,
    zstd,
)

TRACES = "/v1/traces"
RESPONSE = TRACES_SIGNAL.response
ONE_SPAN = messages.numbered(1, 1)

every_kind = pytest.mark.parametrize("kind", [PROTOBUF, JSON])
every_path = pytest.mark.parametrize(("path", "signal"), SERVED, ids=[path for path, _ in SERVED])


def span_json(trace_id: str = "0" * 31 + "1", span_id: str = "0" * 15 + "1", **more: Any) -> bytes:
    span = {"traceId": trace_id, "spanId": span_id, "name": "GET /"} | more
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()


def payloads(found: list[Frame]) -> list[bytes]:
    return [frame.payload for frame in found]


@every_kind
@every_path
def test_13_every_signal_has_its_path(
    shared: Service, path: str, signal: Signal, kind: str
) -> None:
    reply = shared.post(path, empty(signal, kind), kind)
    assert (reply.status, reply.kind) == (200, kind)
    assert reply.message(signal.response) == signal.response()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
@every_path
def test_13_another_method_is_405_with_the_one_that_is_allowed(
    shared: Service, path: str, signal: Signal, method: str
) -> None:
    reply = send(shared.connect(), path, None, JSON, method=method)
    assert reply.status == 405
    assert reply.headers["Allow"] == "POST"
    if method != "HEAD":
        status, _ = reply.refusal()
        assert status.message == f"{method} is not for {path}; use POST"


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/traces/", "/v1/trace", "/V1/TRACES", "/v1/%ff"])
@every_kind
def test_13_another_path_is_404(shared: Service, path: str, kind: str) -> None:
    reply = shared.post(path, ONE_SPAN, kind)
    status, _ = reply.refusal()
    assert (reply.status, reply.kind, status.code) == (404, kind, 5)
    assert "OTLP goes to /v1/traces" in status.message


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "",
        "text/plain",
        "application/protobuf",
        "application/x-protobufs",
        "application/json; charset=latin-1",
        "application/x-www-form-urlencoded",
    ],
)
def test_14_another_content_type_is_415(service: Service, kind: str | None) -> None:
    reply = service.post(TRACES, ONE_SPAN, kind)
    status, _ = reply.refusal()
    assert reply.status == 415
    assert "send application/x-protobuf, or application/json in UTF-8" in status.message
    assert service.journaled() == []


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("application/json; charset=utf-8", JSON),
        ('Application/JSON;Charset="UTF-8"', JSON),
        ("application/json;odata=verbose", JSON),
        ("application/x-protobuf; messageType=x", PROTOBUF),
        ("APPLICATION/X-PROTOBUF", PROTOBUF),
    ],
)
def test_14_parameters_and_case_of_a_content_type_do_not_matter(
    shared: Service, given: str, kind: str
) -> None:
    reply = shared.post(TRACES, empty(TRACES_SIGNAL, kind), given)
    assert (reply.status, reply.kind) == (200, kind)


def two_members(content: bytes) -> bytes:
    return gzip.compress(content[:50]) + gzip.compress(content[50:])


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("x-gzip", gzip.compress),
        ("gzip", two_members),
        ("gzip", lambda content: gzip.compress(content) + bytes(9)),
        ("gzip", lambda content: gzip.compress(b"") + gzip.compress(content)),
        ("zstd", zstd.compress),
        ("zstd", lambda content: zstd.compress(content[:50]) + zstd.compress(content[50:])),
        ("identity", bytes),
        ("", bytes),
    ],
)
def test_15_a_compressed_body_is_taken(service: Service, encoding: str, encode: Any) -> None:
    content = messages.numbered(1, 50)
    reply = service.post(TRACES, encode(content), Content_Encoding=encoding)
    assert (reply.status, reply.body) == (200, b"")
    assert payloads(service.journaled()) == [content]


PACKED = gzip.compress(ONE_SPAN)


@pytest.mark.parametrize(
    ("encoding", "body", "why"),
    [
        ("gzip", ONE_SPAN, "the body is not gzip: "),
        ("gzip", PACKED[:-1], "the body is gzip that is cut short"),
        ("gzip", PACKED[:5], "the body is gzip that is cut short"),
        ("gzip", b"", "the body is gzip that is cut short"),
        ("gzip", PACKED + PACKED[:-1], "the body is gzip that is cut short"),
        ("gzip", PACKED + b"more", "the body is not gzip: "),
        ("gzip", PACKED[:-8] + bytes(8), "the body is not gzip: "),
        ("zstd", ONE_SPAN, "the body is not zstd: "),
        ("zstd", zstd.compress(ONE_SPAN)[:-1], "the body is zstd that is cut short"),
        ("zstd", zstd.compress(ONE_SPAN) + b"more", "the body is not zstd: "),
        ("zstd", b"", "the body is zstd that is cut short"),
        ("br", ONE_SPAN, "Content-Encoding 'br' is not known; use gzip, zstd or none"),
        ("deflate", ONE_SPAN, "Content-Encoding 'deflate' is not known"),
        ("gzip, gzip", ONE_SPAN, "Content-Encoding 'gzip, gzip' is not known"),
    ],
)
@every_kind
def test_15_a_corrupt_or_unknown_encoding_is_400(
    service: Service, kind: str, encoding: str, body: bytes, why: str
) -> None:
    reply = service.post(TRACES, body, kind, Content_Encoding=encoding)
    status, detail = reply.refusal()
    assert (reply.status, reply.kind, status.code) == (400, kind, 3)
    assert status.message.startswith(why)
    assert detail.field_violations[0].description == status.message
    assert service.journaled() == []


@every_kind
def test_17_the_answer_has_the_content_type_of_the_request(shared: Service, kind: str) -> None:
    for body in (empty(TRACES_SIGNAL, kind), b"\xff"):
        assert shared.post(TRACES, body, kind).kind == kind


@pytest.mark.parametrize(
    ("kind", "body", "expected"), [(PROTOBUF, ONE_SPAN, b""), (JSON, span_json(), b"{}")]
)
def test_18_full_success_leaves_partial_success_unset(
    service: Service, kind: str, body: bytes, expected: bytes
) -> None:
    reply = service.post(TRACES, body, kind)
    assert (reply.status, reply.body) == (200, expected)
    assert len(service.journaled()) == 1


@every_kind
def test_19_a_partial_success_counts_what_was_rejected(shared: Service, kind: str) -> None:
    bad = {"traceId": "00" * 16, "spanId": "01" * 8}
    good = {"traceId": "01" * 16, "spanId": "01" * 8}
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [bad, good, bad]}]}]}).encode()
    if kind == PROTOBUF:
        spans = [messages.span(number, trace_id=bytes(16)) for number in (1, 2)]
        body = messages.request([*spans, messages.span(3)])
    reply = shared.post(TRACES, body, kind)
    partial = reply.message(RESPONSE).partial_success
    assert (reply.status, partial.rejected_spans) == (200, 2)
    assert partial.error_message == ("2 of 3 rejected: trace_id is not 16 bytes or all zero (2)")


@every_kind
@every_path
def test_20_bad_data_is_400_with_details(
    shared: Service, path: str, signal: Signal, kind: str
) -> None:
    reply = shared.post(path, b"\xff", kind)
    status, detail = reply.refusal()
    assert (reply.status, status.code) == (400, 3)
    assert isinstance(detail, error_details_pb2.BadRequest)
    assert detail.field_violations[0].description == status.message
    assert "Retry-After" not in reply.headers


@every_kind
def test_23_overload_is_503_and_says_when_to_send_again(serve: Serve, kind: str) -> None:
    service = serve(backlog_bytes=4096)
    assert service.post(TRACES, messages.numbered(1, 200)).status == 200
    body = ONE_SPAN if kind == PROTOBUF else span_json()
    reply = service.post(TRACES, body, kind)
    status, detail = reply.refusal()
    assert (reply.status, reply.kind, status.code) == (503, kind, 14)
    assert "bytes that have not landed; send again later" in status.message
    assert isinstance(detail, error_details_pb2.RetryInfo)
    assert (reply.headers["Retry-After"], detail.retry_delay.ToSeconds()) == ("2", 2)


def test_24_answers_stay_small_whatever_was_sent(shared: Service) -> None:
    reply = shared.post(TRACES, b'{"resourceSpans": "' + b"x" * 100_000 + b'"}', JSON)
    assert reply.status == 400
    assert len(reply.body) < 1000


# Its refusal names a long path twice.
DEEP = b'{"resourceSpans":[{"resource":{"attributes":[{"value":%s}]}}]}' % (
    b'{"arrayValue":{"values":[' * 120 + b"{}" + b"]}}" * 120
)


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [("gzip", True), ("br, gzip;q=0.5", True), ("*", True), ("gzip;q=0", False), ("", False)],
)
def test_25_an_answer_is_compressed_only_where_that_is_asked_for_and_pays(
    shared: Service, accepted: str, packed: bool
) -> None:
    long = shared.post(TRACES, DEEP, JSON, Accept_Encoding=accepted)
    assert (long.status, long.headers["Content-Encoding"]) == (400, "gzip" if packed else None)
    content = gzip.decompress(long.body) if packed else long.body
    assert "100 messages deep" in json.loads(content)["message"]
    short = shared.post(TRACES, b"{}", JSON, Accept_Encoding=accepted)
    assert (short.body, short.headers["Content-Encoding"]) == (b"{}", None)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_26_a_body_may_come_in_chunks(service: Service, size: int) -> None:
    content = messages.numbered(1, 20)
    chunks = (content[first : first + size] for first in range(0, len(content), size))
    assert service.post(TRACES, chunks).status == 200
    assert payloads(service.journaled()) == [content]


def test_26_a_connection_serves_many_requests(service: Service) -> None:
    connection = service.connect()
    connection.connect()
    taken = connection.sock
    for number in range(1, 6):
        assert send(connection, TRACES, messages.numbered(number, 1)).status == 200
        # A refusal after the whole body was read leaves the connection open too.
        assert send(connection, TRACES, b"\xff").status == 400
        assert send(connection, TRACES, b"[", JSON).status == 400
    assert connection.sock is taken
    connection.close()
    assert len(service.journaled()) == 5


def test_26_requests_may_be_sent_before_the_answer_to_the_last(service: Service) -> None:
    bodies = [messages.numbered(number, 1) for number in (1, 2, 3)]
    with service.raw() as taken:
        taken.sendall(
            b"".join(head(TRACES, f"Content-Length: {len(body)}") + body for body in bodies)
        )
        for _ in bodies:
            assert read_one(taken) == (200, b"")
    assert payloads(service.journaled()) == bodies


def read_one(taken: Any) -> tuple[int, bytes]:
    """Read one answer and no byte more."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += taken.recv(1)
    lines = received.lower().split(b"\r\n")
    (length,) = [int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length")]
    body = b""
    while len(body) < length:
        body += taken.recv(length - len(body))
    return int(received.split()[1]), body


def test_26_a_sender_may_wait_for_100_continue(shared: Service) -> None:
    with shared.raw() as taken:
        lines = (f"Content-Length: {len(ONE_SPAN)}", "Expect: 100-continue")
        taken.sendall(head(TRACES, *lines))
        assert taken.recv(4096).startswith(b"HTTP/1.1 100 ")
        taken.sendall(ONE_SPAN)
        assert read_reply(taken).status == 200


def test_26_a_body_that_will_be_refused_is_not_asked_for(shared: Service) -> None:
    with shared.raw() as taken:
        taken.sendall(head(TRACES, "Content-Length: 2000000", "Expect: 100-continue"))
        assert read_reply(taken).status == 413


def test_http_1_0_is_served(shared: Service) -> None:
    with shared.raw() as taken:
        lines = head(TRACES, f"Content-Length: {len(ONE_SPAN)}").replace(b"HTTP/1.1", b"HTTP/1.0")
        taken.sendall(lines + ONE_SPAN)
        assert read_reply(taken).status == 200
        assert taken.recv(1) == b""


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST /v1/traces HTTP/1.1\r\n\r\n",
        b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        head(TRACES, "Transfer-Encoding: chunked") + b"zz\r\n",
        b"x" * 100_000,
    ],
)
def test_21_what_is_not_http_is_refused_with_a_status_too(shared: Service, sent: bytes) -> None:
    with shared.raw() as taken:
        taken.sendall(sent)
        reply = read_reply(taken)
    status, _ = reply.refusal()
    assert reply.status in (400, 431)
    assert status.code == 3
    assert shared.post(TRACES, ONE_SPAN).status == 200


def test_retries_are_stored_once_whatever_the_encoding(service: Service) -> None:
    plain = span_json(kind=2)
    spaced = json.dumps(json.loads(plain), indent=3, sort_keys=True).encode()
    for body in (plain, spaced, b"\xef\xbb\xbf" + spaced):
        assert service.post(TRACES, body, JSON).status == 200
    assert service.post(TRACES, gzip.compress(plain), JSON, Content_Encoding="gzip").status == 200
    (frame,) = service.journaled()
    assert frame.signal == TRACES_SIGNAL.number
    request = TRACES_SIGNAL.request.FromString(frame.payload)
    assert request.resource_spans[0].scope_spans[0].spans[0].kind == 2


def test_health_and_more_routes_are_served(service: Service) -> None:
    for path, text in (("/healthz", b"ok\n"), ("/readyz", b"ready\n"), ("/more", b"more")):
        reply = send(service.connect(), path, None, None, method="GET")
        assert (reply.status, reply.body) == (200, text)
    service.why_not_ready = "stopping"
    reply = send(service.connect(), "/readyz", None, None, method="GET")
    assert reply.status == 503
    assert reply.refusal()[0].message == "stopping"
    assert send(service.connect(), "/healthz", None, None, method="GET").status == 200


ASKED = {
    "Origin": "https://shop.example",
    "Access_Control_Request_Method": "POST",
    "Access_Control_Request_Headers": "content-type",
}


def test_pages_of_other_origins_are_not_served_unless_that_is_set(shared: Service) -> None:
    asked = send(shared.connect(), TRACES, None, None, method="OPTIONS", **ASKED)
    assert asked.status == 405
    sent = shared.post(TRACES, ONE_SPAN, Origin="https://shop.example")
    assert not [name for name in (*asked.headers, *sent.headers) if "access-control" in name]


def test_pages_of_the_origins_that_are_set_are_served(serve: Serve) -> None:
    service = serve(http_cors_origins=("https://shop.example", "https://other.example"))
    asked = send(service.connect(), TRACES, None, None, method="OPTIONS", **ASKED)
    assert asked.status == 200
    assert asked.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "content-type" in asked.headers["Access-Control-Allow-Headers"]
    sent = service.post(TRACES, b"\xff", JSON, Origin="https://shop.example")
    assert sent.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    strange = ASKED | {"Origin": "https://evil.example"}
    refused = send(service.connect(), TRACES, None, None, method="OPTIONS", **strange)
    assert refused.refusal()[0].message == "Disallowed CORS origin"


def test_a_taken_port_is_named_with_the_option_that_changes_it(shared: Service) -> None:
    with pytest.raises(CannotListen, match=rf"127\.0\.0\.1:{shared.port}: .* --http-port"):
        HttpServer(PlainTextResponse(), Receiver(http_port=shared.port)).listen()
    with pytest.raises(CannotListen, match=r"no\.such\.host\.invalid:4318: .* --http-port"):
        HttpServer(PlainTextResponse(), Receiver(host="no.such.host.invalid")).listen()


def test_what_fails_of_ours_is_told_as_500(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(service.admission, "take", fail)
    reply = service.post(TRACES, ONE_SPAN)
    status, _ = reply.refusal()
    assert (reply.status, status.code) == (500, 13)
    assert "a bug" not in status.message
    assert "a bug" in caplog.text
