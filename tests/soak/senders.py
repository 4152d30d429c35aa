"""Senders that keep a rate and send again, byte for byte, what was refused or not answered."""

import gzip
import http.client
import itertools
import threading
import time
from collections import Counter
from collections.abc import Sequence

import grpc

from collectors.otlp.http_endpoints import PATHS
from collectors.otlp.http_responses import JSON, PROTOBUF
from tests.importing.otlp_files import as_json
from tests.soak.soak_load import Kind

ANSWER_SECONDS = 30.0
PAUSE_SECONDS = 0.25
# Of each 20 requests: spans, metrics, logs, profiles.
MIX = (0,) * 9 + (1,) * 5 + (2,) * 4 + (3,) * 2
MAY_BE_SENT_AGAIN = (429, 502, 503, 504)


class Senders:
    """Threads that send until they are stopped.

    Attributes:
        sent: numbers of the requests that were acknowledged, by kind.
        refused: answers and failures after which a request was sent again, by what they were.
        rate: requests a second that all together keep; infinite for as fast as may be.
    """

    def __init__(self, kinds: Sequence[Kind], ports: dict[str, int], threads: int = 8) -> None:
        self.sent: list[list[int]] = [[] for _ in kinds]
        self.refused: Counter[str] = Counter()
        self.rate = float("inf")
        self._kinds = kinds
        self._ports = ports
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._next_at = time.monotonic()
        self._stop = threading.Event()
        options = [
            ("grpc.max_send_message_length", -1),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 500),
        ]
        self._channel = grpc.insecure_channel(f"127.0.0.1:{ports['grpc']}", options=options)
        self._calls = [self._channel.unary_unary(f"/{k.signal.service}/Export") for k in kinds]
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(threads)]
        self.failed: BaseException | None = None

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin no new request and wait for those under way to be acknowledged."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._channel.close()
        if self.failed is not None:
            raise self.failed

    def requests(self) -> int:
        """Give how many were acknowledged."""
        return sum(map(len, self.sent))

    def _send(self) -> None:
        connection = http.client.HTTPConnection(
            "127.0.0.1", self._ports["http"], timeout=ANSWER_SECONDS
        )
        try:
            while not self._stop.is_set():
                self._wait_for_turn()
                number = next(self._numbers)
                self._deliver(number, connection)
        except BaseException as error:
            self.failed = error
            self._stop.set()
            raise
        finally:
            connection.close()

    def _wait_for_turn(self) -> None:
        """Keep the rate; what an outage held up is not made up for later."""
        with self._lock:
            now = time.monotonic()
            turn = self._next_at = max(self._next_at + 1 / self.rate, now)
        self._stop.wait(max(turn - now, 0))

    def _deliver(self, number: int, connection: http.client.HTTPConnection) -> None:
        """Send a request until it is acknowledged."""
        place = MIX[number % len(MIX)]
        kind = self._kinds[place]
        payload = kind.numbered(number)
        over_http = number // len(MIX) % 2 == 1
        headers, body = _encoded(kind, payload, number) if over_http else ({}, payload)
        while True:
            if over_http:
                refused = self._over_http(kind, connection, body, headers)
            else:
                refused = self._over_grpc(place, payload)
            if not refused:
                break
            with self._lock:
                self.refused[refused] += 1
            time.sleep(PAUSE_SECONDS)
        with self._lock:
            self.sent[place].append(number)

    def _over_grpc(self, place: int, payload: bytes) -> str:
        try:
            self._calls[place](payload, timeout=ANSWER_SECONDS)
        except grpc.RpcError as error:
            code = error.code()
            if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                return f"gRPC {code.name}"
            raise
        return ""

    def _over_http(
        self,
        kind: Kind,
        connection: http.client.HTTPConnection,
        body: bytes,
        headers: dict[str, str],
    ) -> str:
        try:
            connection.request("POST", PATHS[kind.signal.name][0], body, headers)
            response = connection.getresponse()
            told = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return f"HTTP {type(error).__name__}"
        if response.status == 200:
            return ""
        if response.status in MAY_BE_SENT_AGAIN:
            return f"HTTP {response.status}"
        raise AssertionError(f"HTTP {response.status}: {told[:500]!r}")


def _encoded(kind: Kind, payload: bytes, number: int) -> tuple[dict[str, str], bytes]:
    """Give headers and body: protobuf, half of it in gzip, and now and then JSON."""
    turn = number // (2 * len(MIX))
    if turn % 8 == 7:
        return {"Content-Type": JSON}, as_json(kind.signal.name, payload)
    if turn % 2:
        packed = gzip.compress(payload, 1, mtime=0)
        return {"Content-Type": PROTOBUF, "Content-Encoding": "gzip"}, packed
    return {"Content-Type": PROTOBUF}, payload
