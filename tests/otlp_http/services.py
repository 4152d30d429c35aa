"""The HTTP server under test, and clients that say exactly what goes over the wire."""

import asyncio
import http.client
import json
import socket
import sys
import threading
from dataclasses import dataclass
from typing import Any

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from collectors.otlp.admission import Admission
from collectors.otlp.frames import Frame, unpack
from collectors.otlp.http_endpoints import PATHS, make_app
from collectors.otlp.http_server import HttpServer
from collectors.otlp.journal import Journal
from collectors.otlp.journal_folder import open_journal
from collectors.otlp.signals import SIGNALS, Signal
from pipeline.lake import Lake
from pipeline.settings import Journal as JournalSettings
from pipeline.settings import Receiver, Settings

if sys.version_info >= (3, 14):
    from compression import zstd as zstd
else:
    from backports import zstd as zstd

PATIENCE_SECONDS = 30.0
PROTOBUF = "application/x-protobuf"
JSON = "application/json"

# Every path with the signal that it takes.
SERVED = [(path, signal) for signal in SIGNALS for path in PATHS[signal.name]]


class Service:
    """The HTTP server with its admission and journal, on an event loop in a thread."""

    def __init__(self, lake: Lake, backlog_bytes: int, limits: dict[str, Any]) -> None:
        self.lake = lake
        self.settings = Settings(
            receiver=Receiver(**({"http_port": 0} | limits)),
            journal=JournalSettings(segment_seconds=3600, backlog_bytes=backlog_bytes),
        )
        self.unheard: list[str] = []
        self.why_not_ready = ""
        self.port = 0
        self.admission: Admission
        self.journal: Journal
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda _, context: self.unheard.append(str(context)))
        self._stop = asyncio.Event()
        folder = open_journal(self.lake)
        self.journal = Journal(folder, self.settings.journal, lambda: None)
        self.admission = Admission(self.journal, folder, self.settings)

        async def more(request: Any) -> PlainTextResponse:
            return PlainTextResponse("more")

        app = make_app(
            self.admission,
            self.settings.receiver,
            lambda: self.why_not_ready,
            [Route("/more", more)],
        )
        server = HttpServer(app, self.settings.receiver)
        self.port = server.listen()
        await server.start()
        self._ready.set()
        await self._stop.wait()
        await server.stop(grace=1)
        await self.journal.close()
        await self.admission.close()

    def start(self) -> "Service":
        self._thread.start()
        assert self._ready.wait(PATIENCE_SECONDS)
        return self

    def begin_stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)

    def stop(self) -> None:
        """End it; nothing may have failed without anybody hearing of it."""
        if self._thread.is_alive():
            self.begin_stop()
            self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()
        assert not self.unheard

    def journaled(self) -> list[Frame]:
        """Stop, and give what the journal holds."""
        self.stop()
        folder = open_journal(self.lake)
        found: list[Frame] = []
        for number in folder.numbers("sealed"):
            content = folder.segment(number, "sealed").read_bytes()
            found += [item for item in unpack(content) if isinstance(item, Frame)]
        return found

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)

    def post(self, path: str, body: Any, kind: str | None = PROTOBUF, **headers: str) -> "Reply":
        """Send a request on a connection of its own; header names with _ for -."""
        connection = self.connect()
        try:
            return send(connection, path, body, kind, **headers)
        finally:
            connection.close()

    def raw(self) -> socket.socket:
        """Connect without saying anything."""
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS)


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def kind(self) -> str:
        return self.headers["Content-Type"]

    def message(self, kind: type[Message]) -> Any:
        """Read the body in the encoding that it says it has."""
        if self.kind == JSON:
            return ParseDict(json.loads(self.body), kind())
        assert self.kind == PROTOBUF
        return kind.FromString(self.body)

    def refusal(self) -> tuple[Any, Any]:
        """Read the body as a Status; give it and its detail."""
        status = self.message(status_pb2.Status)
        assert self.status >= 400
        assert status.message
        for detail in status.details:
            for kind in (error_details_pb2.RetryInfo, error_details_pb2.BadRequest):
                found = kind()
                if detail.Unpack(found):
                    return status, found
        return status, None


def send(
    connection: http.client.HTTPConnection,
    path: str,
    body: Any,
    kind: str | None = PROTOBUF,
    method: str = "POST",
    **headers: str,
) -> Reply:
    """Send a request and read the answer."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if kind is not None:
        given["Content-Type"] = kind
    connection.request(method, path, body, given)
    response = connection.getresponse()
    return Reply(response.status, response.headers, response.read())


def read_reply(taken: socket.socket, method: str = "POST") -> Reply:
    """Read an answer from a socket."""
    response = http.client.HTTPResponse(taken, method=method)
    response.begin()
    return Reply(response.status, response.headers, response.read())


def head(path: str, *lines: str, kind: str = PROTOBUF) -> bytes:
    """Give a request's header."""
    wanted = [f"POST {path} HTTP/1.1", "Host: test", f"Content-Type: {kind}", *lines, "", ""]
    return "\r\n".join(wanted).encode()


def empty(signal: Signal, kind: str) -> bytes:
    """Give a request without anything in it."""
    return b"{}" if kind == JSON else b""
