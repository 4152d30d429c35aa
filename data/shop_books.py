"""What one process of the shop knows to be true, counted where it happens and told at its end.

Telemetry is not asked: requests are counted in the handler, CPU time is read from the threads'
clocks, and whether a cached price was stale is looked up in the database.
"""

import resource
import time
from collections import Counter, defaultdict
from threading import Lock
from typing import Any


def process_cpu_s() -> tuple[float, float]:
    """Return the CPU seconds that this process has used, in user and in system mode."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime, used.ru_stime


class Books:
    """The truth of one process; every method may be called by any thread."""

    def __init__(self) -> None:
        """Open the books: CPU time counts from now."""
        self._lock = Lock()
        self._opened_cpu_s = sum(process_cpu_s())
        self._opened_s = time.monotonic()
        self._requests: Counter[str] = Counter()
        self._burned_s: defaultdict[str, float] = defaultdict(float)
        self._cache: Counter[str] = Counter()
        self._loaded_s = 0.0
        self._handlers_cpu_s = 0.0

    def request(self, operation: str, burned_s: float) -> None:
        """Count a request, and the CPU seconds that it was told to burn."""
        with self._lock:
            self._requests[operation] += 1
            self._burned_s[operation] += burned_s

    def handled(self, cpu_s: float) -> None:
        """Add the CPU seconds that a thread used to take a request in, or to handle it."""
        with self._lock:
            self._handlers_cpu_s += cpu_s

    def looked_up(self, stale: bool | None, loaded_s: float = 0.0) -> None:
        """Count a lookup: a hit that was stale or not, or a miss (None) and its loading time."""
        with self._lock:
            self._cache["lookups"] += 1
            self._cache["misses"] += stale is None
            self._cache["stale_hits"] += stale is True
            self._loaded_s += loaded_s

    def wrote(self) -> None:
        """Count a price that was written."""
        with self._lock:
            self._cache["writes"] += 1

    def told(self) -> dict[str, Any]:
        """Return all of it as JSON can carry it: seconds, and counts."""
        with self._lock:
            return {
                "open_s": time.monotonic() - self._opened_s,
                "process_cpu_s": sum(process_cpu_s()) - self._opened_cpu_s,
                "handlers_cpu_s": self._handlers_cpu_s,
                "burned_cpu_s": dict(self._burned_s),
                "requests": dict(self._requests),
                "cache": {**self._cache, "loaded_s": self._loaded_s},
            }
