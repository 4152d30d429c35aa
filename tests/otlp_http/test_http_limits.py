"""Limits of OTLP over HTTP: size before and after decompression, time, connections, memory."""

import asyncio
import contextlib
import gzip
import select
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from starlette.datastructures import Headers

from collectors.otlp.http_bodies import Bodies
from collectors.otlp.http_responses import Refused
from pipeline.errors import BadRequest
from pipeline.settings import Receiver
from tests.otlp import messages
from tests.otlp_http.conftest import Serve
from tests.otlp_http.services import JSON, PROTOBUF, Reply, Service, head, read_reply, send, zstd

TRACES = "/v1/traces"
LIMIT = 1 << 20
MIB = 1 << 20
ONE_SPAN = messages.numbered(1, 1)

every_kind = pytest.mark.parametrize("kind", [PROTOBUF, JSON])


def refused_as_too_large(reply: Reply, kind: str = PROTOBUF) -> bool:
    status, detail = reply.refusal()
    return (
        (reply.status, reply.kind, status.code) == (413, kind, 8)
        and detail is None
        and f"larger than {LIMIT} bytes" in status.message
        and "Retry-After" not in reply.headers
    )


def of_size(size: int) -> bytes:
    """Give a request of exactly that many bytes."""
    bare = len(messages.request([messages.span(1, name="n" * (size - 200))]))
    content = messages.request([messages.span(1, name="n" * (2 * size - 200 - bare))])
    assert len(content) == size
    return content


@every_kind
def test_16_a_content_length_above_the_limit_is_refused_before_a_byte_is_read(
    shared: Service, kind: str
) -> None:
    with shared.raw() as taken:
        taken.sendall(head(TRACES, f"Content-Length: {LIMIT + 1}", kind=kind))
        began = time.monotonic()
        assert refused_as_too_large(read_reply(taken), kind)
        assert time.monotonic() - began < 5


def test_16_the_limit_itself_is_taken(service: Service) -> None:
    content = of_size(LIMIT)
    assert service.post(TRACES, content).status == 200
    assert refused_as_too_large(service.post(TRACES, of_size(LIMIT + 1)))
    assert [frame.payload for frame in service.journaled()] == [content]


def test_16_a_sender_that_sends_it_all_first_still_reads_why(shared: Service) -> None:
    # http.client reads nothing before its whole body is out.
    assert refused_as_too_large(shared.post(TRACES, bytes(20 * LIMIT)))


def test_16_chunks_above_the_limit_are_refused(shared: Service) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(17):
            yield bytes(LIMIT // 16)

    assert refused_as_too_large(shared.post(TRACES, chunks()))


@pytest.mark.parametrize(("encoding", "encode"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
@every_kind
def test_16_the_limit_holds_after_decompression(
    shared: Service, kind: str, encoding: str, encode: object
) -> None:
    assert callable(encode)
    packed = encode(bytes(LIMIT + 1))
    assert len(packed) < LIMIT // 100
    assert refused_as_too_large(shared.post(TRACES, packed, kind, Content_Encoding=encoding), kind)
    content = of_size(LIMIT)
    assert shared.post(TRACES, encode(content), Content_Encoding=encoding).status == 200


def bomb(name: str) -> bytes:
    """Give 256 MiB of zeros in a few KB; the last asks for a window of 128 MiB as well."""
    zeros = bytes(256 * MIB)
    if name == "gzip":
        return gzip.compress(zeros)
    window = 27 if name == "zstd window" else 23
    return zstd.compress(zeros, options={zstd.CompressionParameter.window_log: window})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gzip", "zstd", "zstd window"])
def test_41_a_bomb_is_bounded_by_the_limit_and_one_step(name: str) -> None:
    limit = 8 * MIB
    bodies = Bodies(Receiver(max_message_bytes=limit))
    most_held = 0
    packed = bomb(name)
    arriving = [packed[first : first + 65536] for first in range(0, len(packed), 65536)]

    async def receive() -> dict[str, object]:
        nonlocal most_held
        most_held = max(most_held, bodies.held_bytes)
        return {"type": "http.request", "body": arriving.pop(0), "more_body": bool(arriving)}

    async def watch() -> None:
        nonlocal most_held
        while True:
            most_held = max(most_held, bodies.held_bytes)
            await asyncio.sleep(0)

    async def main() -> None:
        watching = asyncio.create_task(watch())
        async with bodies.read(Headers({"content-encoding": name.split()[0]}), receive):
            watching.cancel()

    with pytest.raises((BadRequest, Refused)) as told:
        asyncio.run(main())
    if name == "zstd window":
        assert "too much memory" in str(told.value)
    else:
        assert isinstance(told.value, Refused)
        assert told.value.refusal.http_status == 413
        assert limit <= most_held <= limit + (1 << 18)
    assert bodies.held_bytes == 0


def test_bodies_together_hold_no_more_than_the_limit(serve: Serve) -> None:
    service = serve(max_waiting_bytes=100_000, max_message_bytes=LIMIT)
    with service.raw() as first, service.raw() as second:
        content = of_size(LIMIT // 8)
        first.sendall(head(TRACES, f"Content-Length: {len(content)}") + content[:-1])
        second.sendall(head(TRACES, f"Content-Length: {len(content)}") + content[:-1])
        # Whichever comes second is told to wait; the other may end.
        ready = wait_readable([first, second])
        reply = read_reply(ready)
        status, _ = reply.refusal()
        assert (reply.status, reply.headers["Retry-After"]) == (503, "2")
        assert "requests being read hold 100000 bytes" in status.message
        other = second if ready is first else first
        other.sendall(content[-1:])
        assert read_reply(other).status == 200
    assert service.post(TRACES, content).status == 200
    assert len(service.journaled()) == 1


def wait_readable(sockets: list[socket.socket]) -> socket.socket:
    ready, _, _ = select.select(sockets, [], [], 10)
    assert len(ready) == 1
    found: socket.socket = ready[0]
    return found


@pytest.mark.parametrize("lines", [("Content-Length: 1000",), ("Transfer-Encoding: chunked",)])
def test_42_a_body_that_does_not_arrive_is_408_and_the_connection_closed(
    serve: Serve, lines: tuple[str]
) -> None:
    service = serve(http_body_seconds=0.2)
    with service.raw() as taken:
        taken.sendall(head(TRACES, *lines) + b"5\r\n")
        reply = read_reply(taken)
        status, _ = reply.refusal()
        assert (reply.status, reply.headers["Connection"], status.code) == (408, "close", 4)
        assert status.message == "the body did not arrive within 0.2 seconds"
        assert taken.recv(1) == b""


def test_42_a_body_that_trickles_is_cut_off(serve: Serve) -> None:
    service = serve(http_body_seconds=0.3)
    with service.raw() as taken:
        taken.sendall(head(TRACES, "Content-Length: 1000"))
        ends = time.monotonic() + 10
        with contextlib.suppress(OSError):
            while time.monotonic() < ends and not has_answer(taken):
                taken.sendall(b"x")
        assert read_reply(taken).status == 408


def has_answer(taken: socket.socket) -> bool:
    return bool(select.select([taken], [], [], 0.02)[0])


@pytest.mark.parametrize("said", [b"POST /v1/traces HTTP/1.1\r\nHost: t", b"P"])
def test_42_a_header_that_does_not_arrive_is_408(serve: Serve, said: bytes) -> None:
    service = serve(http_header_seconds=0.2)
    with service.raw() as taken:
        taken.sendall(said)
        reply = read_reply(taken)
        assert reply.status == 408
        assert reply.refusal()[0].message == "the header did not arrive within 0.2 seconds"
        assert taken.recv(1) == b""


def test_42_the_header_of_a_later_request_has_a_time_out_too(serve: Serve) -> None:
    service = serve(http_header_seconds=0.3)
    connection = service.connect()
    assert send(connection, TRACES, ONE_SPAN).status == 200
    taken = connection.sock
    assert isinstance(taken, socket.socket)
    taken.sendall(b"POST /v1/")
    assert read_reply(taken).status == 408
    connection.close()


def test_42_a_connection_that_says_nothing_is_closed(serve: Serve) -> None:
    service = serve(http_header_seconds=0.2)
    with service.raw() as taken:
        assert taken.recv(1) == b""


def test_42_an_idle_connection_is_closed(serve: Serve) -> None:
    service = serve(http_idle_seconds=0.2, http_header_seconds=30)
    connection = service.connect()
    assert send(connection, TRACES, ONE_SPAN).status == 200
    taken = connection.sock
    assert isinstance(taken, socket.socket)
    assert taken.recv(1) == b""
    connection.close()


def test_42_connections_are_capped(serve: Serve) -> None:
    service = serve(http_max_connections=3)
    held = [service.connect() for _ in range(3)]
    for connection in held:
        assert send(connection, TRACES, b"").status == 200
    with service.raw() as taken:
        reply = read_reply(taken)
    status, _ = reply.refusal()
    assert (reply.status, reply.headers["Retry-After"]) == (503, "2")
    assert status.message == "3 connections are open, which is the limit"
    for connection in held:
        connection.close()
    ends = time.monotonic() + 10
    while True:
        with contextlib.suppress(OSError):
            if service.post(TRACES, b"").status == 200:
                break
        assert time.monotonic() < ends


@pytest.mark.parametrize("sent", [0, 10])
def test_a_sender_that_hangs_up_leaves_nothing_behind(service: Service, sent: int) -> None:
    with service.raw() as taken:
        taken.sendall(head(TRACES, f"Content-Length: {len(ONE_SPAN)}") + ONE_SPAN[:sent])
    assert service.post(TRACES, messages.numbered(2, 1)).status == 200
    assert len(service.journaled()) == 1


def test_a_stop_lets_a_request_under_way_end(service: Service) -> None:
    with service.raw() as taken, service.raw() as idle:
        taken.sendall(head(TRACES, f"Content-Length: {len(ONE_SPAN)}", "Expect: 100-continue"))
        assert taken.recv(4096).startswith(b"HTTP/1.1 100 ")
        service.begin_stop()
        assert idle.recv(1) == b""
        taken.sendall(ONE_SPAN)
        assert read_reply(taken).status == 200
    assert [frame.payload for frame in service.journaled()] == [ONE_SPAN]


def test_a_stop_tells_a_sender_that_does_not_end_to_send_again(service: Service) -> None:
    with service.raw() as taken:
        taken.sendall(head(TRACES, "Content-Length: 100", "Expect: 100-continue"))
        assert taken.recv(4096).startswith(b"HTTP/1.1 100 ")
        began = time.monotonic()
        service.begin_stop()
        reply = read_reply(taken)
        assert (reply.status, reply.headers["Retry-After"]) == (503, "2")
        assert reply.refusal()[0].message == "stopping; send again later"
    service.stop()
    assert time.monotonic() - began < 5
    with pytest.raises(ConnectionRefusedError):
        service.raw()


def test_a_large_json_request_does_not_hold_up_others(serve: Serve) -> None:
    service = serve()
    span = b'{"traceId":"' + b"ab" * 16 + b'","spanId":"' + b"cd" * 8 + b'","name":"n"}'
    large = b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b",".join([span] * 100_000) + b"]}]}]}"
    replies: list[Reply] = []
    sender = threading.Thread(target=lambda: replies.append(service.post(TRACES, large, JSON)))
    sender.start()
    between = 0
    while sender.is_alive():
        assert service.post(TRACES, b"").status == 200
        between += 1
    sender.join()
    assert replies[0].status == 200
    assert between >= 3
