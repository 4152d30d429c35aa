"""``tailgate serve`` under fire: what it is sent, what it may answer, and what must then be so."""

import contextlib
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import psutil
from google.protobuf.json_format import ParseDict
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from collectors.otlp.http_endpoints import PATHS
from collectors.otlp.http_responses import JSON, PROTOBUF
from collectors.otlp.signals import SIGNALS
from tests.fuzz.account import LAND_SECONDS, Account, Finding, payload_of
from tests.fuzz.cases import SIGNAL_OF_NAME, Case
from tests.otlp.receivers import environment, gone, wait_until

ANSWER_SECONDS = 10.0
MIB = 1 << 20
# Each of the three processes; the most that was seen in nine minutes is 299 MiB.
MOST_RESIDENT_BYTES = 900 * MIB
LIMIT_BYTES = 1 << 18

LIMITS = {
    "TAILGATE_RECEIVER_MAX_MESSAGE_BYTES": str(LIMIT_BYTES),
    "TAILGATE_RECEIVER_HTTP_HEADER_SECONDS": "2",
    "TAILGATE_RECEIVER_HTTP_BODY_SECONDS": "2",
    "TAILGATE_JOURNAL_SEGMENT_SECONDS": "0.3",
    "TAILGATE_LANDING_MAX_ATTRIBUTES": "64",
    "TAILGATE_LANDING_MAX_CHARACTERS": "1024",
    # Times are anything: what is old must stay to be counted.
    "TAILGATE_MAINTENANCE_SPANS_DAYS": "0",
    "TAILGATE_MAINTENANCE_METRICS_DAYS": "0",
    "TAILGATE_MAINTENANCE_LOGS_DAYS": "0",
    "TAILGATE_MAINTENANCE_PROFILES_DAYS": "0",
    "TAILGATE_MAINTENANCE_COMPACT_SECONDS": "10",
    "TAILGATE_MAINTENANCE_ROLLUP_SECONDS": "2",
}
GRPC_MAY_SAY = ("OK", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "UNAVAILABLE")
HTTP_MAY_SAY = (200, 400, 408, 411, 413, 415, 429, 503)
# A head that is no OTLP: the router's and h11's own answers as well.
RAW_MAY_SAY = (*HTTP_MAY_SAY, 404, 405, 414, 417, 426, 431, 501, 505)


class Target:
    """A running ``tailgate serve``, and the account of what it acknowledged.

    Attributes:
        answers: how often each answer was given.
        account: what must land.
    """

    def __init__(self, folder: Path) -> None:
        self.lake = folder / "lake"
        self.answers: Counter[str] = Counter()
        self.account = Account(self.lake)
        self._log = folder / "serve.log"
        self._ready = folder / "ready.json"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "pipeline.cli.main", "serve"),
                    *("--lake", str(self.lake), "--ready-file", str(self._ready)),
                    *("--grpc-port", "0", "--http-port", "0"),
                ],
                stderr=log,
                env=environment() | LIMITS,
                cwd=folder,
            )
        self._threads = threading.local()
        self._lock = threading.Lock()

    def wait_until_ready(self) -> "Target":
        """Wait for requests to be welcome and note the processes."""
        wait_until(lambda: self._ready.exists() or self._process.poll() is not None, "the receiver")
        assert self._process.poll() is None, self.log()
        told = json.loads(self._ready.read_text())
        self._ports = {"grpc": told["grpc_port"], "http": told["http_port"]}
        self._parent = psutil.Process(self._process.pid)
        self._children = self._both()
        options = [("grpc.max_send_message_length", -1)]
        self._channel = grpc.insecure_channel(f"127.0.0.1:{self._ports['grpc']}", options=options)
        self._calls = {
            signal.name: self._channel.unary_unary(f"/{signal.service}/Export")
            for signal in SIGNALS
        }
        return self

    def _both(self) -> list[psutil.Process]:
        """Wait for landing and upkeep."""

        def found() -> list[psutil.Process]:
            children = self._parent.children()
            return children if len(children) == 2 else []

        children: list[psutil.Process] = wait_until(found, "landing and upkeep")
        return children

    def log(self) -> str:
        """Give the end of what it said."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-3000:]

    def stop(self) -> int:
        """Stop as Ctrl-C does and give the exit status."""
        self._channel.close()
        self._process.terminate()
        return self._process.wait(LAND_SECONDS)

    def end(self) -> None:
        """Make sure that nothing of it is left."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for child in getattr(self, "_children", []):
            wait_until(lambda pid=child.pid: gone(pid), "its children to end")  # type: ignore[misc]

    def send(self, case: Case) -> Finding | None:
        """Send one case; give what is wrong with the answer."""
        started = time.monotonic()
        try:
            senders = {"grpc": self._over_grpc, "http": self._over_http}
            wrong = senders.get(case.transport, self._raw)(case)
        except AssertionError as error:
            wrong = str(error) or "the answer is not as it must be"
        except (OSError, http.client.HTTPException) as error:
            self._forget_connection()
            wrong = f"no answer after {time.monotonic() - started:.1f} s: {error!r}"
        return Finding(f"{case.transport} {case.signal}: {wrong}", case) if wrong else None

    def _count(self, answer: str) -> None:
        with self._lock:
            self.answers[answer] += 1

    def _over_grpc(self, case: Case) -> str:
        gzipped = case.headers.get("grpc-encoding") == "gzip"
        compression = grpc.Compression.Gzip if gzipped else None
        signal = SIGNAL_OF_NAME[case.signal]
        details = ""
        try:
            call = self._calls[case.signal]
            response = call(case.body, timeout=ANSWER_SECONDS, compression=compression)
            answered = "OK"
        except grpc.RpcError as error:
            answered, details = error.code().name, error.details() or ""
            told = {key for key, _ in error.trailing_metadata() or ()}
            if answered == "UNAVAILABLE" and "grpc-status-details-bin" not in told:
                return f"the connection was lost: {details}"
        self._count(f"gRPC {answered}")
        if answered not in GRPC_MAY_SAY:
            return f"{answered}: {details}"
        if answered == "OK":
            return self.account.take(case, signal, signal.response.FromString(response))
        if answered == "INVALID_ARGUMENT" and payload_of(case) is not None:
            return f"refused though it is good: {details}"
        return ""

    def _over_http(self, case: Case) -> str:
        connection = self._connection()
        connection.request("POST", PATHS[case.signal][0], case.body, case.headers)
        response = connection.getresponse()
        body = response.read()
        self._count(f"HTTP {response.status}")
        if response.status not in HTTP_MAY_SAY:
            return f"HTTP {response.status}: {body[:300]!r}"
        if response.headers.get("Content-Encoding") == "gzip":
            return ""
        signal = SIGNAL_OF_NAME[case.signal]
        message = signal.response() if response.status == 200 else status_pb2.Status()
        try:
            _parse(body, response.headers.get("Content-Type", ""), message)
        except (DecodeError, ValueError) as error:
            return f"HTTP {response.status}, whose body is no {type(message).__name__}: {error}"
        if response.status == 200:
            return self.account.take(case, signal, message) if case.content is not None else ""
        if not message.message:
            return f"HTTP {response.status} says no reason"
        if response.status == 400 and case.content is not None and payload_of(case) is not None:
            return f"refused though it is good: {message.message}"
        return ""

    def _raw(self, case: Case) -> str:
        """Send bytes to a socket; a closed connection is an answer here, silence is none."""
        port = self._ports[case.transport.removeprefix("raw-")]
        with (
            socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS) as taken,
            contextlib.suppress(ConnectionError),
        ):
            taken.sendall(case.body)
            taken.shutdown(socket.SHUT_WR)
            if case.transport == "raw-grpc":
                return self._drained(taken)
            answered = self._status_line(taken)
            self._count(f"raw HTTP {answered or 'closed'}")
            if answered and answered not in RAW_MAY_SAY:
                return f"HTTP {answered}"
        return ""

    def _drained(self, taken: socket.socket) -> str:
        while taken.recv(65536):
            pass
        self._count("raw gRPC closed")
        return ""

    def _status_line(self, taken: socket.socket) -> int:
        """Read until the end; give the first status, 0 where none came."""
        arrived = b""
        while piece := taken.recv(65536):
            arrived += piece
        parts = arrived.split(b" ", 2)
        return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0

    def _connection(self) -> http.client.HTTPConnection:
        """Give this thread's connection."""
        if not hasattr(self._threads, "http"):
            port = self._ports["http"]
            self._threads.http = http.client.HTTPConnection(
                "127.0.0.1", port, timeout=ANSWER_SECONDS
            )
        found: http.client.HTTPConnection = self._threads.http
        return found

    def _forget_connection(self) -> None:
        if hasattr(self._threads, "http"):
            self._threads.http.close()
            del self._threads.http

    def health(self) -> list[Finding]:
        """Tell what is wrong with the processes: gone, replaced, or grown too large."""
        found = []
        if self._process.poll() is not None:
            return [Finding(f"the receiver ended with {self._process.returncode}\n{self.log()}")]
        now = {child.pid for child in self._parent.children()}
        if now != {child.pid for child in self._children}:
            found.append(Finding(f"a process was started again\n{self.log()}"))
        for process in (self._parent, *self._children):
            with contextlib.suppress(psutil.Error):
                if process.memory_info().rss > MOST_RESIDENT_BYTES:
                    held = process.memory_info().rss // MIB
                    found.append(Finding(f"{process.cmdline()[2:4]} holds {held} MiB"))
        text = self._log.read_text(encoding="utf-8", errors="replace")
        if "Traceback" in text:
            found.append(
                Finding(f"a traceback in its log\n{text[text.index('Traceback') :][:2000]}")
            )
        return found

    def resident_bytes(self) -> dict[str, int]:
        """Give what each process that lives holds."""
        held = {}
        for process in (self._parent, *self._parent.children()):
            with contextlib.suppress(psutil.Error):
                words = " ".join(process.cmdline())
                name = next(
                    (n for n in ("landing_process", "upkeep") if f"{n} " in words), "receiver"
                )
                held[name] = process.memory_info().rss
        return held


def _parse(body: bytes, kind: str, message: Any) -> None:
    """Read a response in the encoding that it says it has."""
    if kind.partition(";")[0] == JSON:
        ParseDict(json.loads(body), message)
    elif kind == PROTOBUF:
        message.ParseFromString(body)
    else:
        raise ValueError(f"Content-Type {kind!r}")
