"""Senders that say exactly what goes over the wire, by gRPC and by HTTP, and what they are told."""

import contextlib
import http.client
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from collectors.otlp.http_endpoints import PATHS
from collectors.otlp.signals import Signal
from tests.conformance.running import Running
from tests.otlp.receivers import PATIENCE_SECONDS
from tests.otlp_http.services import JSON, PROTOBUF, Reply, send

OK = grpc.StatusCode.OK
Metadata = Sequence[tuple[str, str]]


@dataclass
class Told:
    """What a gRPC call was answered.

    Attributes:
        code: the status.
        message: its text.
        body: the response's bytes.
        details: what stands in the status' details.
    """

    code: grpc.StatusCode
    message: str = ""
    body: bytes = b""
    details: list[Any] = field(default_factory=list)

    @property
    def retries(self) -> bool:
        """Tell whether the protocol lets a sender send again."""
        retry = any(isinstance(each, error_details_pb2.RetryInfo) for each in self.details)
        return self.code is grpc.StatusCode.UNAVAILABLE or (
            self.code is grpc.StatusCode.RESOURCE_EXHAUSTED and retry
        )


@contextlib.contextmanager
def channel(running: Running, credentials: Any = None) -> Iterator[Any]:
    """Open a connection of its own."""
    options = [
        ("grpc.max_send_message_length", -1),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
    ]
    target = f"localhost:{running.grpc_port}"
    if credentials is None:
        opened = grpc.insecure_channel(target.replace("localhost", "127.0.0.1"), options)
    else:
        opened = grpc.secure_channel(target, credentials, options)
    with opened:
        yield opened


def begin(opened: Any, signal: Signal, payload: bytes, **more: Any) -> Any:
    """Send without waiting for the answer."""
    call = opened.unary_unary(f"/{signal.service}/Export")
    return call.future(payload, timeout=PATIENCE_SECONDS, **more)


def export(running: Running, signal: Signal, payload: bytes, **more: Any) -> Told:
    """Send a request over gRPC."""
    with channel(running, more.pop("credentials", None)) as opened:
        return told(begin(opened, signal, payload, **more))


def told(call: Any) -> Told:
    """Read what a call was answered."""
    try:
        return Told(OK, body=call.result())
    except grpc.RpcError:
        return Told(call.code(), call.details() or "", details=list(_details(call)))


def _details(call: Any) -> Iterator[Any]:
    for key, packed in call.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(packed)
            assert status.code == call.code().value[0]
            assert status.message == call.details()
            for detail in status.details:
                for kind in (error_details_pb2.RetryInfo, error_details_pb2.BadRequest):
                    found = kind()
                    if detail.Unpack(found):
                        yield found


def post(
    running: Running,
    signal: Signal,
    body: Any,
    kind: str | None = PROTOBUF,
    context: ssl.SSLContext | None = None,
    **headers: str,
) -> Reply:
    """Send a request over HTTP; header names with _ for -."""
    connection: http.client.HTTPConnection
    if context is None:
        connection = http.client.HTTPConnection("127.0.0.1", running.http_port)
    else:
        connection = http.client.HTTPSConnection("localhost", running.http_port, context=context)
    connection.timeout = PATIENCE_SECONDS
    try:
        return send(connection, path_of(signal), body, kind, **headers)
    finally:
        connection.close()


def path_of(signal: Signal) -> str:
    """Give the path that the specification has for a signal."""
    return PATHS[signal.name][0]


def rejected(signal: Signal, partial: Any) -> int:
    """Give how many items a partial success rejects."""
    return int(getattr(partial, signal.rejected_field))


def in_kind(signal: Signal, payload: bytes, kind: str) -> bytes:
    """Give a request in an encoding."""
    from tests.otlp_http.test_otlp_json_any import otlp_json

    return otlp_json(signal.request.FromString(payload)) if kind == JSON else payload
