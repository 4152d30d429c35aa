"""The HTTP server: uvicorn as a task of the receiver's event loop, with time-outs it lacks."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import h11
import uvicorn
from google.rpc import code_pb2
from starlette.datastructures import Headers
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from collectors.otlp.exposure import http_context
from collectors.otlp.http_responses import Refusal, overloaded, refuse
from pipeline.errors import CannotListen, Overloaded
from pipeline.settings import Receiver

_RETRY_SECONDS = 2.0
_BACKLOG = 512


def _listen(settings: Receiver) -> socket.socket:
    """Give a socket that listens, or raise CannotListen."""
    address = f"{settings.host}:{settings.http_port}"
    try:
        found = socket.getaddrinfo(
            settings.host.strip("[]"),
            settings.http_port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
        # A name like localhost has both; IPv4 is what clients try, some of them alone.
        family, kind, protocol, _, where = min(found, key=lambda each: each[0] != socket.AF_INET)
        taken = socket.socket(family, kind, protocol)
        try:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(where)
            taken.listen(_BACKLOG)
            taken.setblocking(False)
        except OSError:
            taken.close()
            raise
    except OSError as error:
        raise CannotListen(
            f"{address}: cannot listen there: {error.strerror}; "
            f"stop the program that does, or give another --http-port"
        ) from error
    return taken


class HttpServer:
    """Serves an application on a socket, in the event loop that runs.

    ``listen`` and then ``start`` serve; ``stop`` ends whatever came of that.
    """

    def __init__(self, app: ASGIApp, settings: Receiver) -> None:
        """Prepare."""
        self._app = app
        self._settings = settings
        self._socket: socket.socket | None = None
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    def listen(self) -> int:
        """Take the port.

        Returns:
            The port, which the system chose where the settings say 0.

        Raises:
            CannotListen: it is taken, or not ours to take.
            BadSetting: a file that TLS needs cannot be read.
        """
        settings = self._settings
        config = uvicorn.Config(
            self._app,
            http=_connection(settings),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            # What strangers send is answered, not logged; what fails of ours is.
            log_level="error",
            access_log=False,
            proxy_headers=False,
            ssl_context_factory=_tls(settings),
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=settings.http_idle_seconds,  # type: ignore[arg-type]
        )
        self._server = _Server(config)
        self._socket = _listen(settings)
        return int(self._socket.getsockname()[1])

    async def start(self) -> None:
        """Serve from now on; ``listen`` comes before."""
        if self._server is None or self._socket is None:
            raise RuntimeError("listen comes before start")
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started and not self._task.done():
            await asyncio.sleep(0.001)
        if self._task.done():
            self._task.result()

    async def stop(self, grace: float) -> None:
        """Accept no more, let requests under way end, and close.

        Args:
            grace: how long requests under way may take, in seconds; those cut short get as long
                again, a second at most, to be told.
        """
        if self._task is not None and self._server is not None:
            self._server.config.timeout_graceful_shutdown = grace  # type: ignore[assignment]
            self._server.should_exit = True
            await self._task
            await self._server.told(seconds=min(grace, 1.0))
        elif self._socket is not None:
            self._socket.close()


def _tls(settings: Receiver) -> Callable[..., ssl.SSLContext] | None:
    """Give what makes uvicorn's TLS context; None without TLS.

    Raises:
        BadSetting: a file of the settings cannot be read.
    """
    context = http_context(settings)
    return None if context is None else lambda *_: context


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the receiver."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def told(self, seconds: float) -> None:
        """Wait a little for the requests that the stop cut short to be answered."""
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=seconds)
        for connection in list(self.server_state.connections):
            transport = connection.transport
            if transport is not None:
                transport.close()


def _connection(settings: Receiver) -> type[asyncio.Protocol]:
    """Make the class of connections with these limits."""

    class Connection(_Connection):
        header_seconds = settings.http_header_seconds
        max_connections = settings.http_max_connections

    return Connection


class _Connection(H11Protocol):
    """A connection whose header must arrive in time and whose every refusal is a Status.

    Attributes:
        header_seconds: from the first byte, or the connection, to the header's end.
        max_connections: how many there may be.
    """

    header_seconds = 0.0
    max_connections = 0
    _header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a header, unless there are too many who do."""
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            why = f"{self.max_connections} connections are open, which is the limit"
            self._refuse(overloaded(Overloaded(why, _RETRY_SECONDS)))
            return
        self._watch_header()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._unwatch_header()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what arrived; the clock runs while a header is incomplete."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._unwatch_header()
        elif self._header_timer is None:
            self._watch_header()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP."""
        self._refuse(Refusal(400, code_pb2.INVALID_ARGUMENT, msg))

    def _watch_header(self) -> None:
        self._header_timer = self.loop.call_later(self.header_seconds, self._header_late)

    def _unwatch_header(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _header_late(self) -> None:
        """Answer a header that takes too long, and close; without a byte of one, just close."""
        self._header_timer = None
        if self.conn.trailing_data[0]:
            why = f"the header did not arrive within {self.header_seconds:g} seconds"
            self._refuse(Refusal(408, code_pb2.DEADLINE_EXCEEDED, why))
        else:
            self.transport.close()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer before there is a request, where an answer may still begin, and close."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            response = refuse(Headers(), refusal)
            headers: list[Any] = [*response.raw_headers, (b"connection", b"close")]
            begin = h11.Response(status_code=response.status_code, headers=headers)
            for event in (begin, h11.Data(data=bytes(response.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        if self.cycle is not None:
            # A request under way has its answer with that: whoever reads its body may go.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()
