"""OTLP over gRPC: raw bytes in, the protocol's own words out."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from collectors.otlp.admission import Accepted, Admission
from collectors.otlp.exposure import grpc_credentials
from collectors.otlp.signals import SIGNALS, Signal
from pipeline.errors import BadRequest, CannotListen, Overloaded, Unauthenticated
from pipeline.settings import Receiver

# Longest text in an answer: senders log it, and HTTP/2 headers are bounded.
_MOST_MESSAGE_CHARACTERS = 2048

# RFC 9113 advises against fewer streams on a connection.
_LEAST_STREAMS = 100

# As long as HTTP's body time-out, and as gRPC itself waits for an answer.
_PING_SECONDS = 60.0
_PING_ANSWER_SECONDS = 20.0

# Channel arguments are C integers.
_MOST_MS = (1 << 31) - 1

Behaviour = Callable[[bytes, Any], Awaitable[bytes]]


def make_server(admission: Admission, settings: Receiver) -> tuple[Any, health.aio.HealthServicer]:
    """Make the gRPC server: every signal, health and reflection; it listens nowhere yet."""
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", settings.max_message_bytes),
            # Two servers must not share a port without anybody knowing.
            ("grpc.so_reuseport", 0),
            # A client that has not seen the limit yet is reset beyond it, without a reason told.
            ("grpc.max_concurrent_streams", max(settings.max_concurrent_requests, _LEAST_STREAMS)),
            *_connection_limits(settings),
        ],
        maximum_concurrent_rpcs=None,
    )
    for signal in SIGNALS:
        handlers = {"Export": grpc.unary_unary_rpc_method_handler(_export(signal, admission))}
        handler = grpc.method_handlers_generic_handler(signal.service, handlers)
        server.add_generic_rpc_handlers((handler,))
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    names = [signal.service for signal in SIGNALS]
    names += [health.SERVICE_NAME, reflection.SERVICE_NAME]
    reflection.enable_server_reflection(names, server)
    return server, servicer


def _connection_limits(settings: Receiver) -> list[tuple[str, int]]:
    """Give the channel arguments that bound how long and how many connections there are.

    gRPC has no time-out for a request that arrives slowly; a connection's age and the grace after
    it bound that too.
    """
    seconds = {
        "grpc.server_handshake_timeout_ms": settings.grpc_handshake_seconds,
        "grpc.max_connection_idle_ms": settings.grpc_idle_seconds,
        "grpc.max_connection_age_ms": settings.grpc_connection_seconds,
        "grpc.max_connection_age_grace_ms": settings.grpc_request_seconds,
        # A sender that is gone without a word answers no ping.
        "grpc.keepalive_time_ms": _PING_SECONDS,
        "grpc.keepalive_timeout_ms": _PING_ANSWER_SECONDS,
    }
    limits = [(name, min(int(each * 1000), _MOST_MS)) for name, each in seconds.items()]
    return [*limits, ("grpc.max_allowed_incoming_connections", settings.grpc_max_connections)]


def listen(server: Any, settings: Receiver) -> int:
    """Take the port.

    Returns:
        The port, which the system chose where the settings say 0.

    Raises:
        CannotListen: it is taken, or not ours to take.
    """
    address = f"{settings.host}:{settings.grpc_port}"
    try:
        credentials = grpc_credentials(settings)
        if credentials is not None:
            return int(server.add_secure_port(address, credentials))
        return int(server.add_insecure_port(address))
    except RuntimeError as error:
        raise CannotListen(
            f"{address}: cannot listen there, another program may; "
            f"stop it or give another --grpc-port"
        ) from error


async def set_health(servicer: health.aio.HealthServicer, serving: bool) -> None:
    """Tell health checks whether requests are welcome."""
    states = health_pb2.HealthCheckResponse
    state = states.SERVING if serving else states.NOT_SERVING
    for name in ("", *(signal.service for signal in SIGNALS)):
        await servicer.set(name, state)


def _export(signal: Signal, admission: Admission) -> Behaviour:
    """Make the Export method of a signal."""

    async def export(payload: bytes, context: Any) -> bytes:
        try:
            sender = admission.identify(_authorization(context))
            accepted = await admission.take(signal, payload, sender)
        except Unauthenticated as error:
            await _abort(context, grpc.StatusCode.UNAUTHENTICATED, str(error))
        except BadRequest as error:
            await _abort(context, grpc.StatusCode.INVALID_ARGUMENT, str(error), _violation(error))
        except Overloaded as error:
            await _abort(context, grpc.StatusCode.UNAVAILABLE, str(error), _retry(error))
        else:
            return response(signal, accepted)
        raise AssertionError("abort raises")

    return export


def _authorization(context: Any) -> str | None:
    """Give the call's authorization header."""
    for key, value in context.invocation_metadata() or ():
        if key == "authorization":
            return str(value)
    return None


def response(signal: Signal, accepted: Accepted) -> bytes:
    """Give the response's bytes; ``partial_success`` is unset where all was kept."""
    answer = signal.response()
    if accepted.message:
        setattr(answer.partial_success, signal.rejected_field, accepted.rejected)
        answer.partial_success.error_message = accepted.message[:_MOST_MESSAGE_CHARACTERS]
    encoded: bytes = answer.SerializeToString()
    return encoded


def _violation(error: BadRequest) -> Message:
    """Give the detail of a request that must not be sent again."""
    violation = error_details_pb2.BadRequest.FieldViolation(
        description=str(error)[:_MOST_MESSAGE_CHARACTERS]
    )
    detail: Message = error_details_pb2.BadRequest(field_violations=[violation])
    return detail


def _retry(error: Overloaded) -> Message:
    """Give the detail of a request that may be sent again, and when."""
    delay = Duration()
    delay.FromMilliseconds(int(error.retry_seconds * 1000))
    detail: Message = error_details_pb2.RetryInfo(retry_delay=delay)
    return detail


async def _abort(
    context: Any, code: grpc.StatusCode, message: str, detail: Message | None = None
) -> None:
    """End a call with a status and its detail, as google.rpc.Status in the trailers."""
    message = message[:_MOST_MESSAGE_CHARACTERS]
    status = status_pb2.Status(code=code.value[0], message=message)
    if detail is not None:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    trailers = [("grpc-status-details-bin", status.SerializeToString())]
    if isinstance(detail, error_details_pb2.RetryInfo):
        # Where the Python exporter looks for it.
        trailers.append(("google.rpc.retryinfo-bin", detail.SerializeToString()))
    await context.abort(code, message, trailing_metadata=tuple(trailers))
