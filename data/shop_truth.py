"""What a recorded sample really holds, counted span by span from its protobufs.

It shares no code with the pipeline, so that tests can hold the pipeline's answers against it.
"""

import gzip
import math
import struct
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

QUANTILES = (0.50, 0.95, 0.99)
QUANTILE_METHOD = (
    "linear: the value at rank (n - 1) * q of the sorted durations, counted from 0, "
    "interpolated between its neighbours (as numpy's default and SQL's percentile_cont do)"
)
LENGTH = struct.Struct(">I")


def frame(message: bytes) -> bytes:
    """Put a message's length before it, as 4 bytes, big end first: the Collector's framing.

    >>> frame(b"ab")
    b'\\x00\\x00\\x00\\x02ab'
    """
    return LENGTH.pack(len(message)) + message


def read_messages(path: Path) -> Iterator[bytes]:
    """Read the messages of a gzipped file of frames, in the order they arrived."""
    with gzip.open(path, "rb") as file:
        while header := file.read(LENGTH.size):
            yield file.read(LENGTH.unpack(header)[0])


def attributes_of(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Return attributes as a dict of plain values; arrays and maps are None here."""
    found = {}
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        plain = kind in ("string_value", "int_value", "double_value", "bool_value")
        found[pair.key] = getattr(pair.value, kind) if plain and kind else None
    return found


def quantile(values_sorted: Sequence[float], q: float) -> float:
    """Return the linear quantile `q` of values that are sorted and at least one.

    >>> quantile([1.0, 2.0, 3.0, 4.0], 0.5)
    2.5
    """
    rank = (len(values_sorted) - 1) * q
    low, high = math.floor(rank), math.ceil(rank)
    return values_sorted[low] + (values_sorted[high] - values_sorted[low]) * (rank - low)


@dataclass
class Truth:
    """What was counted so far."""

    export_requests: Counter[str] = field(default_factory=Counter)
    spans: Counter[str] = field(default_factory=Counter)
    traces: Counter[str] = field(default_factory=Counter)
    instances: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    durations_ns: dict[tuple[str, str, str, str], list[int]] = field(
        default_factory=lambda: defaultdict(list)
    )
    errors: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    minutes: set[int] = field(default_factory=set)
    start_nano_min: dict[str, int] = field(default_factory=dict)
    end_nano_max: dict[str, int] = field(default_factory=dict)
    cache: Counter[tuple[str, str]] = field(default_factory=Counter)
    order_reads: Counter[tuple[str, str]] = field(default_factory=Counter)
    order_read_ids: set[tuple[bytes, bytes]] = field(default_factory=set)
    database_parents: Counter[tuple[str, bytes, bytes]] = field(default_factory=Counter)

    def count(self, message: bytes) -> None:
        """Count one export request."""
        for group in ExportTraceServiceRequest.FromString(message).resource_spans:
            resource = attributes_of(group.resource.attributes)
            version = resource["service.version"]
            self.export_requests[version] += 1
            self.instances[resource["service.name"], version].add(resource["service.instance.id"])
            for scope in group.scope_spans:
                for span in scope.spans:
                    self._count_span(resource["service.name"], version, span)

    def _count_span(self, service: str, version: str, span: Span) -> None:
        key = (
            service,
            version,
            Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
            span.name,
        )
        start_nano, end_nano = span.start_time_unix_nano, span.end_time_unix_nano
        self.spans[version] += 1
        self.traces[version] += not span.parent_span_id
        self.durations_ns[key].append(end_nano - start_nano)
        self.errors[key] += span.status.code == Status.STATUS_CODE_ERROR
        self.minutes.add(start_nano // 60_000_000_000)
        self.start_nano_min[version] = min(start_nano, self.start_nano_min.get(version, start_nano))
        self.end_nano_max[version] = max(end_nano, self.end_nano_max.get(version, end_nano))
        attributes = attributes_of(span.attributes)
        if "cache.hit" in attributes:
            self.cache[version, "hits" if attributes["cache.hit"] else "misses"] += 1
        if service == "orders" and span.name == "GET /orders/{id}":
            self.order_read_ids.add((span.trace_id, span.span_id))
            self.order_reads[version, "requests"] += 1
        if service == "orders" and "db.system.name" in attributes:
            self.database_parents[version, span.trace_id, span.parent_span_id] += 1

    def operations(self) -> list[dict[str, Any]]:
        """Describe each operation: one row a service, version, kind and name, in that order."""
        rows = []
        for key in sorted(self.durations_ns):
            durations_ms = [duration / 1e6 for duration in sorted(self.durations_ns[key])]
            row: dict[str, Any] = dict(
                zip(("service", "version", "kind", "operation"), key, strict=True)
            )
            row |= {"spans": len(durations_ms), "errors": self.errors[key]}
            for q in QUANTILES:
                row[f"duration_ms_p{q * 100:.0f}"] = round(quantile(durations_ms, q), 6)
            rows.append(row)
        return rows

    def version(self, version: str) -> dict[str, Any]:
        """Describe one version."""
        hits, misses = self.cache[version, "hits"], self.cache[version, "misses"]
        database_spans = sum(
            spans
            for (of, *parent), spans in self.database_parents.items()
            if of == version and tuple(parent) in self.order_read_ids
        )
        return {
            "export_requests": self.export_requests[version],
            "traces": self.traces[version],
            "spans": self.spans[version],
            "start_unix_nano_min": self.start_nano_min[version],
            "end_unix_nano_max": self.end_nano_max[version],
            "instances": {
                service: sorted(instances)
                for (service, of), instances in sorted(self.instances.items())
                if of == version
            },
            "price_cache": {"hits": hits, "misses": misses},
            "cart_reads": {
                "requests": self.order_reads[version, "requests"],
                "database_spans": database_spans,
            },
        }

    def as_json(self) -> dict[str, Any]:
        """Describe everything counted, as JSON can carry it."""
        return {
            "quantile_method": QUANTILE_METHOD,
            "spans": sum(self.spans.values()),
            "minutes_started_in": len(self.minutes),
            "start_unix_nano_min": min(self.start_nano_min.values()),
            "end_unix_nano_max": max(self.end_nano_max.values()),
            "versions": {version: self.version(version) for version in sorted(self.spans)},
            "operations": self.operations(),
        }


def count_messages(messages: Iterable[bytes]) -> Truth:
    """Count all messages."""
    truth = Truth()
    for message in messages:
        truth.count(message)
    return truth
