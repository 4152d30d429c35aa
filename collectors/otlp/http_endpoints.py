"""OTLP over HTTP: a path a signal, protobuf and JSON, the protocol's own words out; health."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from google.rpc import code_pb2
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from collectors.otlp import grpc_services, otlp_json
from collectors.otlp.admission import Admission
from collectors.otlp.http_bodies import Bodies, Disconnected
from collectors.otlp.http_responses import (
    JSON,
    PROTOBUF,
    Refusal,
    Refused,
    answer,
    bad_request,
    media_type,
    overloaded,
    refuse,
)
from collectors.otlp.signals import SIGNALS, Signal
from pipeline.errors import BadRequest, Overloaded, Unauthenticated
from pipeline.settings import Receiver

log = logging.getLogger("tailgate.receiver")

# Profiles have no stable path yet; senders use either.
PATHS = {
    "traces": ("/v1/traces",),
    "metrics": ("/v1/metrics",),
    "logs": ("/v1/logs",),
    "profiles": ("/v1development/profiles", "/v1/profiles"),
}

# JSON above this is read in a thread, so that other requests go on meanwhile.
_INLINE_JSON_BYTES = 1 << 14

_RETRY_SECONDS = 2.0

Endpoint = Callable[[Request], Awaitable[Response]]


def make_app(
    admission: Admission,
    settings: Receiver,
    not_ready: Callable[[], str] = lambda: "",
    extra_routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """Make what answers HTTP requests.

    Args:
        admission: takes what they hold.
        settings: limits, time-outs and origins.
        not_ready: says why requests are not welcome; empty while they are.
        extra_routes: more to serve on the same port.
    """
    exports = _Exports(admission, settings)
    routes: list[BaseRoute] = [
        Route(path, exports.endpoint(signal), methods=["POST"])
        for signal in SIGNALS
        for path in PATHS[signal.name]
    ]
    routes += [Route("/healthz", _healthz), Route("/readyz", _readyz(not_ready)), *extra_routes]
    app = Starlette(
        routes=routes,
        middleware=_cors(settings.http_cors_origins),
        exception_handlers={HTTPException: _no_such_route},
    )
    app.router.redirect_slashes = False
    return app


class _Exports:
    """The endpoints that take telemetry, and what they share."""

    def __init__(self, admission: Admission, settings: Receiver) -> None:
        self._admission = admission
        self._bodies = Bodies(settings)
        # One thread: JSON holds the GIL, so a second would only take from the event loop.
        self._json = ThreadPoolExecutor(1, thread_name_prefix="otlp-json")

    def endpoint(self, signal: Signal) -> Endpoint:
        """Make the endpoint of a signal."""

        async def export(request: Request) -> Response:
            headers = request.headers
            whole = False
            try:
                sender = self._admission.identify(headers.get("authorization"))
                encoding = _encoding(headers)
                async with self._bodies.read(headers, request.receive) as body:
                    whole = True
                    payload = await self._protobuf(signal, encoding, body)
                    accepted = await self._admission.take(signal, payload, sender, "http")
            except Disconnected:
                return Response(status_code=400)
            except (BadRequest, Overloaded, Refused, Unauthenticated) as error:
                return refuse(headers, _refusal(error), unread=not whole)
            except asyncio.CancelledError:
                # Only the end of a graceful stop cancels; the sender is told before it comes.
                stopping = Overloaded("stopping; send again later", _RETRY_SECONDS)
                return refuse(headers, overloaded(stopping), unread=not whole)
            except Exception:
                log.exception("a %s request over HTTP failed", signal.name)
                why = "internal error; the receiver's log has it"
                return refuse(headers, Refusal(500, code_pb2.INTERNAL, why), unread=not whole)
            encoded = grpc_services.response(signal, accepted)
            return answer(headers, 200, signal.response.FromString(encoded))

        return export

    async def _protobuf(self, signal: Signal, encoding: str, body: bytes) -> bytes:
        """Give a body as protobuf: what the journal keeps and what a retry is known by."""
        if encoding == PROTOBUF:
            return body
        if len(body) <= _INLINE_JSON_BYTES:
            return otlp_json.to_protobuf(signal.request, body)
        return await asyncio.get_running_loop().run_in_executor(
            self._json, otlp_json.to_protobuf, signal.request, body
        )


def _encoding(headers: Headers) -> str:
    """Give the encoding of a request: PROTOBUF or JSON.

    Raises:
        Refused: it is neither.
    """
    given = media_type(headers)
    parameters = headers.get("content-type", "").partition(";")[2].replace(" ", "").lower()
    charset = parameters.partition("charset=")[2].partition(";")[0].strip('"')
    if given == PROTOBUF or (given == JSON and charset in ("", "utf-8", "utf8", "us-ascii")):
        return given
    shown = headers.get("content-type", "")[:80]
    raise Refused(
        Refusal(
            415,
            code_pb2.INVALID_ARGUMENT,
            f"Content-Type {shown!r} is not taken; send {PROTOBUF}, or {JSON} in UTF-8",
        )
    )


def _refusal(error: BadRequest | Overloaded | Refused | Unauthenticated) -> Refusal:
    """Give what an error is told as."""
    if isinstance(error, Refused):
        return error.refusal
    if isinstance(error, Unauthenticated):
        asked = {"WWW-Authenticate": "Bearer"}
        return Refusal(401, code_pb2.UNAUTHENTICATED, str(error), headers=asked)
    return bad_request(error) if isinstance(error, BadRequest) else overloaded(error)


def _no_such_route(request: Request, error: Exception) -> Response:
    """Answer a path or a method that is not served."""
    if isinstance(error, HTTPException) and error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        why = f"{request.method} is not for {request.url.path}; use {allowed}"
        refusal = Refusal(405, code_pb2.UNIMPLEMENTED, why, headers={"Allow": allowed})
    else:
        known = ", ".join(path for signal in SIGNALS for path in PATHS[signal.name])
        why = f"nothing at {request.url.path[:200]}; OTLP goes to {known}"
        refusal = Refusal(404, code_pb2.NOT_FOUND, why)
    headers = request.headers
    unread = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    return refuse(headers, refusal, unread)


async def _healthz(request: Request) -> Response:
    """Say that the event loop turns."""
    return PlainTextResponse("ok\n")


def _readyz(not_ready: Callable[[], str]) -> Endpoint:
    """Make the endpoint that says whether requests are welcome."""

    async def readyz(request: Request) -> Response:
        why = not_ready()
        if not why:
            return PlainTextResponse("ready\n")
        return refuse(request.headers, overloaded(Overloaded(why, _RETRY_SECONDS)))

    return readyz


class _Cors(CORSMiddleware):
    """Cross-origin requests, whose refusals are a Status too."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        why = response.body if isinstance(response.body, bytes) else bytes(response.body)
        return refuse(
            request_headers,
            Refusal(response.status_code, code_pb2.PERMISSION_DENIED, why.decode()),
        )


def _cors(origins: Sequence[str]) -> list[Middleware]:
    """Let pages of these origins send; without any, browsers let none."""
    if not origins:
        return []
    return [Middleware(_Cors, allow_origins=origins, allow_methods=["POST"], allow_headers=["*"])]
