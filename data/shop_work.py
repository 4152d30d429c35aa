"""What bounds an instance: CPU time that requests burn, and the slots in which they are worked on.

With N slots and requests that take S seconds in one, an instance answers N / S requests a second
at most; with B seconds of CPU time each, 1 / B, since Python runs on one core at a time.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event, Lock

from opentelemetry.trace import Tracer

from shop_books import Books
from shop_http import Request, Response, Route
from shop_tracing import Place, RequestError, inner_span

# More than this wait for a slot and the next is refused: a queue without an end hides overload.
QUEUE_MOST = 256


def burn(cpu_s: float) -> float:
    """Compute until this thread's own CPU clock has gone on by so many seconds; return by how many.

    Whatever else runs on the machine, so much is used.
    """
    began = time.thread_time()
    while (burned := time.thread_time() - began) < cpu_s:
        sum(range(200))
    return burned


class Workers:
    """The slots of an instance and the bounded queue before them; without a limit it counts."""

    def __init__(self, slots: int = 0, queue_most: int = QUEUE_MOST) -> None:
        """Take how many requests are worked on at once; 0 for any number."""
        self.slots = slots
        self._queue_most = queue_most
        self._lock = Lock()
        self._busy = 0
        self._queue: deque[Event] = deque()
        self._active: Counter[str] = Counter()

    @property
    def busy(self) -> int:
        """Requests that are worked on."""
        return self._busy

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._queue)

    @property
    def active(self) -> dict[str, int]:
        """Requests that were let in and are not answered, by method."""
        with self._lock:
            return dict(self._active)

    @contextmanager
    def slot(self, method: str, tracer: Tracer) -> Iterator[None]:
        """Wait for a slot, under a span where there is none at once, and hold it.

        Raise `RequestError` with status 503 where the queue is full.
        """
        with self._lock:
            self._active[method] += 1
        try:
            self._enter(tracer)
            try:
                yield
            finally:
                self._leave()
        finally:
            with self._lock:
                self._active[method] -= 1

    def _enter(self, tracer: Tracer) -> None:
        with self._lock:
            if not self.slots or self._busy < self.slots:
                self._busy += 1
                return
            if len(self._queue) >= self._queue_most:
                raise RequestError(503, "QueueFull", "too many requests wait for a worker")
            turn = Event()
            self._queue.append(turn)
        with inner_span(tracer, "wait for a worker"):
            turn.wait()

    def _leave(self) -> None:
        with self._lock:
            if self._queue:
                # The slot is handed on, so that who comes now does not pass who waits.
                self._queue.popleft().set()
            else:
                self._busy -= 1


def bounded(route: Route, place: Place, workers: Workers, tracer: Tracer, books: Books) -> Route:
    """Return the route as an instance answers it: in a slot, with what it is told to burn."""
    cpu_s = place.known.cpu_ms.get(f"{place.service} {route.name}", 0.0) / 1000
    inner: Callable[[Request], Response] = route.answer

    def answer(request: Request) -> Response:
        burned_s = 0.0
        try:
            with workers.slot(request.method, tracer):
                burned_s = burn(cpu_s) if cpu_s else 0.0
                return inner(request)
        finally:
            books.request(route.name, burned_s)

    return replace(route, answer=answer)
