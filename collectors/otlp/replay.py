"""Sending recorded requests again: the other end of the wire, for demo, bench and tests."""

import gzip
import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path

import grpc

from collectors.otlp.signals import TRACES
from pipeline.errors import BadRequest

_LENGTH = struct.Struct(">I")

# The receiver's own default: a longer frame is no request that it would take.
_MOST_BYTES = 64 << 20

_IN_FLIGHT = 16


def read_requests(file: Path) -> Iterator[bytes]:
    """Read the requests of a recorded file.

    Args:
        file: gzip of requests, each behind its length in 4 bytes, big endian, as the OpenTelemetry
            Collector's file exporter writes them.

    Yields:
        Each request's bytes.

    Raises:
        BadRequest: the file ends inside a request, or names a length beyond 64 MiB.
    """
    with gzip.open(file, "rb") as source:
        while head := source.read(_LENGTH.size):
            if len(head) < _LENGTH.size:
                raise BadRequest(f"{file}: ends inside a length; record it again")
            (length,) = _LENGTH.unpack(head)
            if length > _MOST_BYTES:
                raise BadRequest(f"{file}: a request of {length} bytes; is it a recording?")
            request = source.read(length)
            if len(request) < length:
                raise BadRequest(f"{file}: ends inside a request; record it again")
            yield request


def send(target: str, requests: Sequence[bytes], on_sent: Callable[[], None] = lambda: None) -> int:
    """Send trace requests over gRPC, a bounded number in flight.

    Args:
        target: host and port.
        requests: their bytes.
        on_sent: called for each that was acknowledged.

    Returns:
        How many spans they hold, less those that were rejected.

    Raises:
        grpc.RpcError: the receiver refused one.
    """
    kept = 0
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(target, options=options) as channel:
        export = channel.unary_unary(f"/{TRACES.service}/Export")
        under_way: set[Future[bytes]] = set()
        for request in requests:
            found = TRACES.check(request)
            kept += found.total - found.rejected
            if len(under_way) >= _IN_FLIGHT:
                under_way = _settle(under_way, on_sent)
            under_way.add(_future(export, request))
        while under_way:
            under_way = _settle(under_way, on_sent)
    return kept


def _future(export: Callable[..., bytes], request: bytes) -> "Future[bytes]":
    """Start a call as a standard future; grpc's own kind cannot be waited for in a set."""
    done: Future[bytes] = Future()
    call = export.future(request)  # type: ignore[attr-defined]

    def finish(ended: grpc.Future) -> None:
        error = ended.exception()
        if error is None:
            done.set_result(ended.result())
        else:
            done.set_exception(error)

    call.add_done_callback(finish)
    return done


def _settle(under_way: "set[Future[bytes]]", on_sent: Callable[[], None]) -> "set[Future[bytes]]":
    """Wait for at least one call to end; give those that have not."""
    ended, left = wait(under_way, return_when=FIRST_COMPLETED)
    for call in ended:
        call.result()
        on_sent()
    return left
