"""OTLP requests of every signal and files of them, written here by other code than reads them."""

import base64
import gzip
import json
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2 import (
    ExportProfilesServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collectors.finding import find
from collectors.importing import Outcome, Wishes, import_files
from pipeline.lake import Lake, take_snapshot
from pipeline.schema import TABLES

# 2026-11-25T12:00:00Z
NOON = 1_795_608_000_000_000_000

REQUESTS: dict[str, Any] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
    "profiles": ExportProfilesServiceRequest,
}

# Each signal's table with a row for every item below.
TABLE = {
    "traces": "spans",
    "metrics": "metrics",
    "logs": "logs",
    "profiles": "profile_samples",
}


def traces(number: int, spans: int = 1, service: str = "checkout") -> bytes:
    """Give a request with spans named after their numbers: 7-0, 7-1, …"""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    named = resource.resource.attributes.add(key="service.name")
    named.value.string_value = service
    scope = resource.scope_spans.add()
    for index in range(spans):
        scope.spans.add(
            trace_id=number.to_bytes(8, "big") + b"tracetid",
            span_id=(number * 1000 + index + 1).to_bytes(8, "big"),
            name=f"{number}-{index}",
            kind=Span.SPAN_KIND_SERVER,
            start_time_unix_nano=NOON + number,
            end_time_unix_nano=NOON + number + 5_000_000,
        )
    return bytes(request.SerializeToString())


def metrics(number: int) -> bytes:
    """Give a request with one gauge."""
    request = ExportMetricsServiceRequest()
    scope = request.resource_metrics.add().scope_metrics.add()
    point = scope.metrics.add(name=f"metric-{number}", unit="s").gauge.data_points.add()
    point.time_unix_nano = NOON + number
    point.as_double = number / 2
    return bytes(request.SerializeToString())


def logs(number: int) -> bytes:
    """Give a request with one record."""
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.time_unix_nano = NOON + number
    record.severity_number = SeverityNumber.SEVERITY_NUMBER_INFO
    record.body.string_value = f"record {number}"
    return bytes(request.SerializeToString())


def profiles(number: int) -> bytes:
    """Give a request with one profile of one sample."""
    request = ExportProfilesServiceRequest()
    tables = request.dictionary
    tables.string_table.extend(["", "cpu", "nanoseconds", "main", "app"])
    tables.mapping_table.add()
    tables.function_table.add()
    tables.function_table.add(name_strindex=3)
    tables.location_table.add()
    tables.location_table.add(address=16).lines.add(function_index=1, line=7)
    tables.stack_table.add()
    tables.stack_table.add(location_indices=[1])
    tables.link_table.add()
    tables.attribute_table.add()
    profile = request.resource_profiles.add().scope_profiles.add().profiles.add()
    profile.profile_id = number.to_bytes(16, "big")
    profile.time_unix_nano = NOON + number
    profile.duration_nano = 1_000_000_000
    profile.sample_type.type_strindex = 1
    profile.sample_type.unit_strindex = 2
    profile.samples.add(stack_index=1, values=[number + 1])
    return bytes(request.SerializeToString())


MAKE: dict[str, Callable[[int], bytes]] = {
    "traces": traces,
    "metrics": metrics,
    "logs": logs,
    "profiles": profiles,
}

_IDS = ("traceId", "spanId", "parentSpanId", "profileId")


def as_json(signal: str, payload: bytes, indent: int | None = None) -> bytes:
    """Write a request as OTLP/JSON: as protobuf's own JSON, but ids in hex."""
    message = REQUESTS[signal].FromString(payload)
    plain = json_format.MessageToDict(message, use_integers_for_enums=True)
    return json.dumps(_with_hex(plain), indent=indent).encode()


def _with_hex(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: base64.b64decode(each).hex() if key in _IDS else _with_hex(each)
            for key, each in value.items()
        }
    return [_with_hex(each) for each in value] if isinstance(value, list) else value


def varint(number: int) -> bytes:
    """Write a varint."""
    digits = b""
    while number >= 0x80:
        digits += bytes([number & 0x7F | 0x80])
        number >>= 7
    return digits + bytes([number])


def prefixed(payloads: Sequence[bytes]) -> bytes:
    """Put each behind its length in 4 bytes, big endian."""
    return b"".join(struct.pack(">I", len(payload)) + payload for payload in payloads)


def delimited(payloads: Sequence[bytes]) -> bytes:
    """Put each behind its length as a varint."""
    return b"".join(varint(len(payload)) + payload for payload in payloads)


def gzipped(content: bytes) -> bytes:
    """Compress in two members."""
    half = len(content) // 2
    return gzip.compress(content[:half], mtime=0) + gzip.compress(content[half:], mtime=0)


def zstd(content: bytes) -> bytes:
    """Compress in one frame."""
    return bytes(pa.Codec("zstd").compress(content, asbytes=True))


def zstandard(content: bytes) -> bytes:
    """Compress in two frames."""
    half = len(content) // 2
    return zstd(content[:half]) + zstd(content[half:])


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "none": lambda content: content,
    "gzip": gzipped,
    "zstd": zstandard,
}


def run(lake: Lake, *paths: Path, **wishes: Any) -> list[Outcome]:
    """Import files and give what became of each."""
    return list(import_files(lake, find(paths), Wishes(**wishes)))


def rows(lake: Lake, table: str, *columns: str) -> list[dict[str, Any]]:
    """Read a table's latest version."""
    (chosen,) = (each for each in TABLES if each.name == table)
    found: list[dict[str, Any]] = []
    for file in take_snapshot(lake, chosen).files:
        found += pq.ParquetFile(file.path).read(columns=list(columns) or None).to_pylist()
    return found


def names(lake: Lake) -> list[str]:
    """Give the names of all spans, sorted."""
    return sorted(row["name"] for row in rows(lake, "spans", "name"))
