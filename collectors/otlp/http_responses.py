"""Answers of OTLP over HTTP: in the request's own encoding, every refusal a google.rpc.Status."""

import asyncio
import contextlib
import gzip
import math
from dataclasses import dataclass, field

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from collectors.otlp import otlp_json
from pipeline.errors import BadRequest, Overloaded

PROTOBUF = "application/x-protobuf"
JSON = "application/json"

# Longest text in an answer: senders log it.
_MOST_MESSAGE_CHARACTERS = 2048

# Shorter ones hardly shrink, or grow.
_LEAST_GZIP_BYTES = 256

# A connection closed on unread bytes is reset, and the sender may never see why it was refused.
_LINGER_SECONDS = 1.0


@dataclass(frozen=True)
class Refusal:
    """What a sender is told that gets no 200.

    Attributes:
        http_status: the status line.
        code: the same in google.rpc's terms.
        message: why, and the way out.
        detail: a google.rpc detail, where there is one.
        headers: what goes with it.
    """

    http_status: int
    code: int
    message: str
    detail: Message | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def status(self) -> status_pb2.Status:
        """Give it as the message that stands in the body."""
        status = status_pb2.Status(code=self.code, message=self.message[:_MOST_MESSAGE_CHARACTERS])
        if self.detail is not None:
            packed = AnyMessage()
            packed.Pack(self.detail)
            status.details.append(packed)
        return status


class Refused(Exception):
    """Carries a refusal to where the request is answered."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def bad_request(error: BadRequest) -> Refusal:
    """Refuse what must not be sent again."""
    violation = error_details_pb2.BadRequest.FieldViolation(
        description=str(error)[:_MOST_MESSAGE_CHARACTERS]
    )
    detail = error_details_pb2.BadRequest(field_violations=[violation])
    return Refusal(400, code_pb2.INVALID_ARGUMENT, str(error), detail)


def overloaded(error: Overloaded) -> Refusal:
    """Refuse what may be sent again, and say when."""
    delay = Duration()
    delay.FromMilliseconds(int(error.retry_seconds * 1000))
    detail = error_details_pb2.RetryInfo(retry_delay=delay)
    seconds = max(1, math.ceil(error.retry_seconds))
    return Refusal(503, code_pb2.UNAVAILABLE, str(error), detail, {"Retry-After": str(seconds)})


def too_large(limit_bytes: int) -> Refusal:
    """Refuse a body above the limit."""
    return Refusal(
        413,
        code_pb2.RESOURCE_EXHAUSTED,
        f"the request is larger than {limit_bytes} bytes, before or after decompression; "
        f"send smaller batches",
    )


def media_type(headers: Headers) -> str:
    """Give the content type without its parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def answer(
    headers: Headers, http_status: int, message: Message, more: dict[str, str] | None = None
) -> Response:
    """Make an answer in the request's encoding; protobuf where that is neither of the two.

    Args:
        headers: the request's.
        http_status: the status line.
        message: the body.
        more: further headers.
    """
    given = media_type(headers)
    content = otlp_json.from_message(message) if given == JSON else message.SerializeToString()
    extra = {"Vary": "Accept-Encoding"} | (more or {})
    if len(content) >= _LEAST_GZIP_BYTES and accepts_gzip(headers.get("accept-encoding", "")):
        content = gzip.compress(content, compresslevel=1)
        extra["Content-Encoding"] = "gzip"
    kind = JSON if given == JSON else PROTOBUF
    return Response(content, http_status, extra, media_type=kind)


def refuse(headers: Headers, refusal: Refusal, unread: bool = False) -> Response:
    """Answer with a refusal.

    Args:
        headers: the request's.
        refusal: what is told.
        unread: whether the body, or some of it, is still to come; then the connection closes.
    """
    more = refusal.headers | ({"Connection": "close"} if unread else {})
    response = answer(headers, refusal.http_status, refusal.status(), more)
    return _Last(response) if unread else response


class _Last(Response):
    """An answer that goes out while the sender may still be sending."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self._response = response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in full, read on for a moment, close."""
        response = self._response
        start = {"status": response.status_code, "headers": response.raw_headers}
        await send({"type": "http.response.start", **start})
        await send({"type": "http.response.body", "body": response.body, "more_body": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while (await receive()).get("more_body"):
                    pass
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether a sender asks for gzip.

    >>> accepts_gzip("br, GZIP;q=0.5"), accepts_gzip("gzip;q=0, *"), accepts_gzip("")
    (True, False, False)
    """
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        name, _, parameter = part.partition(";")
        try:
            weight = float(parameter.partition("=")[2]) if parameter.strip() else 1.0
        except ValueError:
            weight = 0.0
        weights[name.strip()] = weight
    return weights.get("gzip", weights.get("*", 0.0)) > 0
