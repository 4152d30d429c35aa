"""The receiver's own telemetry: counters and histograms, as Prometheus text and for people.

Landing runs in its own process: it leaves its figures in a file of the journal's folder, and the
receiver tells them with its own.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from collectors.otlp.journal_folder import JournalFolder
from collectors.otlp.state import LANDING_FILE, read_state

# From a page cache in a virtual disk to a spinning one that is busy.
_SYNC_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_REQUEST_BYTES = tuple(1 << power for power in range(8, 27, 2))


class Telemetry:
    """What one receiver counts."""

    def __init__(self, folder: JournalFolder) -> None:
        """Begin at zero.

        Args:
            folder: the journal, whose backlog and landing are told as well.
        """
        self.registry = CollectorRegistry()
        self._folder = folder
        make: dict[str, Any] = {"registry": self.registry, "namespace": "tailgate"}
        self.received = Counter(
            "requests_received", "Requests that arrived", ("signal", "transport"), **make
        )
        self.acknowledged = Counter("items_acknowledged", "Items made durable", ("signal",), **make)
        self.rejected = Counter(
            "items_rejected",
            "Items not kept, told in partial_success",
            ("signal", "reason"),
            **make,
        )
        self.refused = Counter(
            "requests_refused", "Requests refused whole", ("signal", "reason"), **make
        )
        self.repeated = Counter(
            "requests_repeated", "Byte-identical repeats, stored once", ("signal",), **make
        )
        self.redacted = Counter("attributes_redacted", "Values replaced", **make)
        self.bytes = Histogram(
            "request_bytes", "Size after decompression", ("signal",), buckets=_REQUEST_BYTES, **make
        )
        self.seconds = Histogram(
            "request_seconds",
            "From arrival to acknowledgement",
            ("signal",),
            buckets=_REQUEST_SECONDS,
            **make,
        )
        self.sync_seconds = Histogram(
            "journal_sync_seconds", "One write and sync", buckets=_SYNC_SECONDS, **make
        )
        self.registry.register(_Folder(folder))

    def text(self) -> bytes:
        """Give everything in Prometheus' text format."""
        written: bytes = generate_latest(self.registry)
        return written

    def totals(self) -> dict[str, float]:
        """Give the sum of each counter over its labels, for people."""
        totals: dict[str, float] = {}
        for family in self.registry.collect():
            if family.type in ("counter", "gauge"):
                values = [s.value for s in family.samples if not s.name.endswith("_created")]
                totals[family.name] = sum(values)
        return totals


class _Folder(Collector):
    """What the journal's folder tells when it is asked."""

    def __init__(self, folder: JournalFolder) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Any]:
        """Give the backlog and what landing said last."""
        backlog = GaugeMetricFamily(
            "tailgate_journal_backlog_bytes", "Journaled and not yet landed"
        )
        with contextlib.suppress(OSError):
            backlog.add_metric((), self._folder.backlog_bytes())
        yield backlog
        told = read_state(self._folder.path / LANDING_FILE)
        if not told:
            return
        lag = GaugeMetricFamily(
            "tailgate_landing_lag_seconds", "Age of the newest request when it landed"
        )
        lag.add_metric((), float(told.get("lag_seconds", 0)))
        yield lag
        rows = CounterMetricFamily("tailgate_rows_landed", "Rows committed", labels=("table",))
        for table, count in sorted(told.get("rows", {}).items()):
            rows.add_metric((table,), count)
        yield rows
        repaired = CounterMetricFamily(
            "tailgate_values_repaired", "Repaired or set aside in landing", labels=("reason",)
        )
        for reason, count in sorted(told.get("warnings", {}).items()):
            repaired.add_metric((reason,), count)
        yield repaired


def resident_bytes() -> int:
    """Give the memory that this process holds; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
