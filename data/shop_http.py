"""HTTP between the shop's processes, with a SERVER or CLIENT span on each side of a call."""

import http.client
import json
import re
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shop_tracing import RequestError

LOOPBACK = "127.0.0.1"
CALL_TIMEOUT_S = 10.0
BODY_BYTES_MOST = 64 * 1024

PROPAGATOR = TraceContextTextMapPropagator()


@dataclass(frozen=True)
class Request:
    """A request that reached a service: path parameters, headers and the JSON body."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Response:
    """A status and a body that JSON can carry."""

    status: int
    body: Any = None


@dataclass(frozen=True)
class Route:
    """A method and a path template such as `/orders/{id}`, and what answers them."""

    method: str
    template: str
    answer: Callable[[Request], Response]

    @property
    def name(self) -> str:
        """The name of its SERVER spans."""
        return f"{self.method} {self.template}"

    def parameters(self, method: str, path: str) -> dict[str, str] | None:
        """Return the path's parameters, or None where this is not the route.

        >>> route = Route("GET", "/orders/{id}", lambda request: Response(200))
        >>> route.parameters("GET", "/orders/7")
        {'id': '7'}
        """
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.template)
        match = re.fullmatch(pattern, path) if method == self.method else None
        return match.groupdict() if match else None


def answer(
    request: Request, routes: tuple[Route, ...], tracer: Tracer, server: tuple[str, int]
) -> Response:
    """Answer a request under a SERVER span; `server` is the logical name and the port."""
    attributes: dict[str, str | int] = {
        "http.request.method": request.method,
        "url.scheme": "http",
        "url.path": request.path,
        "server.address": server[0],
        "server.port": server[1],
    }
    name = request.method
    route = _route_of(request, routes)
    if route:
        attributes["http.route"] = route.template
        name = route.name
    with tracer.start_as_current_span(
        name,
        context=PROPAGATOR.extract(request.headers),
        kind=SpanKind.SERVER,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        if route:
            response, error_type = _guarded(route, request)
        else:
            response, error_type = Response(404, {"error": "no such page"}), "404"
        _finish(span, response.status, error_type, error_from=500)
    return response


def _route_of(request: Request, routes: tuple[Route, ...]) -> Route | None:
    for route in routes:
        if route.parameters(request.method, request.path) is not None:
            return route
    return None


def _guarded(route: Route, request: Request) -> tuple[Response, str]:
    """Turn whatever goes wrong in a handler into an answer."""
    parameters = route.parameters(request.method, request.path) or {}
    try:
        response = route.answer(replace(request, parameters=parameters))
    except RequestError as failure:
        return Response(failure.status, {"error": str(failure)}), failure.error_type
    except Exception as error:  # a handler must never take its server down
        return Response(500, {"error": str(error)}), type(error).__name__
    return response, str(response.status)


def _finish(span: Span, status: int, error_type: str, error_from: int) -> None:
    """Record the status; servers call it an error from 500 on, clients from 400 on."""
    span.set_attribute("http.response.status_code", status)
    if status >= error_from:
        span.set_attribute("error.type", error_type)
        span.set_status(Status(StatusCode.ERROR))


class Client:
    """Calls the instances of other services in turn, by the services' logical names."""

    def __init__(self, tracer: Tracer, peers: Mapping[str, list[int]]) -> None:
        """Take the ports of every service's instances."""
        self._tracer = tracer
        self._peers = peers
        self._turn = count()

    def call(
        self, service: str, method: str, template: str, body: Any = None, **parameters: str
    ) -> Response:
        """Call a route of a service under a CLIENT span.

        Raise `RequestError` with status 502 where nobody answers.
        """
        ports = self._peers[service]
        port = ports[next(self._turn) % len(ports)]
        path = template.format(**parameters)
        with self._tracer.start_as_current_span(
            f"{method} {template}",
            kind=SpanKind.CLIENT,
            attributes={
                "http.request.method": method,
                "url.full": f"http://{service}:{port}{path}",
                "url.template": template,
                "server.address": service,
                "server.port": port,
            },
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            headers: dict[str, str] = {"Host": f"{service}:{port}"}
            PROPAGATOR.inject(headers)
            try:
                response = send(port, method, path, body, headers)
            except (OSError, http.client.HTTPException) as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(Status(StatusCode.ERROR, f"{service} does not answer"))
                raise RequestError(
                    502, type(error).__name__, f"{service} does not answer"
                ) from error
            _finish(span, response.status, str(response.status), error_from=400)
        return response


def send(
    port: int, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Send one request over a connection of its own; raise what `http.client` raises."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=CALL_TIMEOUT_S)
    try:
        payload = None if body is None else json.dumps(body).encode()
        connection.request(method, path, payload, dict(headers or {}))
        reply = connection.getresponse()
        return Response(reply.status, json.loads(reply.read() or b"null"))
    finally:
        connection.close()


class Server(ThreadingHTTPServer):
    """A server on an ephemeral loopback port; routes may be added once peers are known."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, name: str, tracer: Tracer) -> None:
        """Bind the port; answer nothing before `serve_forever`."""
        self.routes: tuple[Route, ...] = ()
        self.name = name
        self.tracer = tracer
        self.handled: Callable[[float], None] = lambda cpu_s: None
        super().__init__((LOOPBACK, 0), Handler)

    def server_bind(self) -> None:
        """Bind without the reverse name look-up of `HTTPServer`, which may ask the network."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.name, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start the thread of a connection, and say what CPU time that took."""
        began_s = time.thread_time()
        super().process_request(request, client_address)
        self.handled(time.thread_time() - began_s)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Handle a connection in a thread of its own, and say what CPU time that took."""
        super().process_request_thread(request, client_address)
        self.handled(time.thread_time())


class Handler(BaseHTTPRequestHandler):
    """Reads a request, has it answered, and writes the answer in one piece."""

    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = CALL_TIMEOUT_S
    server: Server

    def do_GET(self) -> None:  # the name is http.server's
        """Answer a GET."""
        self._answer(None)

    def do_POST(self) -> None:
        """Answer a POST with a JSON body."""
        length_bytes = min(int(self.headers.get("Content-Length", 0)), BODY_BYTES_MOST)
        self._answer(json.loads(self.rfile.read(length_bytes) or b"null"))

    def _answer(self, body: Any) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body)
        here = (self.server.name, self.server.server_port)
        response = answer(request, self.server.routes, self.server.tracer, here)
        # Written after the SERVER span has ended, so that a callee never outlives its caller.
        payload = json.dumps(response.body).encode()
        self.send_response(response.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing: the spans are the log."""
