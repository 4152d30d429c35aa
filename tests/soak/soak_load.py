"""Load whose every item is known by number, so that SQL can tell what is missing and what is twice.

A request has a number; its items' ids are that number and their place in it.
"""

import random
import time
from dataclasses import dataclass

import numpy as np
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2 import (
    ExportProfilesServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors.otlp.signals import LOG_RECORDS, METRIC_POINTS, PROFILE_DATA, TRACES, Signal

# An id is the request's number, then the item's in 20 bits.
ITEM_BITS = 20
# A number that no request of a run reaches: where its bytes stand, the ids of a request go.
_MARK = 0x5EED_0BAD
SECOND_NANO = 1_000_000_000
# Profiles are told apart by their time, which is this and their number.
PROFILES_FROM_NANO = time.time_ns()


@dataclass(frozen=True)
class Kind:
    """One kind of request.

    Attributes:
        signal: what it is.
        items: how many ids it holds.
        rows: how many rows it becomes in ``table``.
        sql: gives request numbers, rows of each and distinct ids of each.
    """

    signal: Signal
    items: int
    rows: int
    sql: str
    _content: bytes
    _places: np.ndarray
    _form: str
    _first: int = 0

    def numbered(self, number: int) -> bytes:
        """Make the request of a number; the same again for the same number."""
        content = np.frombuffer(self._content, dtype=np.uint8).copy()
        content[self._places] = ids(number, self.items, self._form, self._first)
        return content.tobytes()


def ids(number: int, items: int, form: str, first: int = 0) -> np.ndarray:
    """Give the ids of a request's items as bytes, (items, 8)."""
    if first:
        values = np.array([first + number], dtype=np.int64)
    else:
        values = (number << ITEM_BITS) + np.arange(items, dtype=np.int64)
    return values.astype(form).view(np.uint8).reshape(items, 8)


def places(content: bytes, marks: np.ndarray) -> np.ndarray:
    """Find where the marks stand; they follow each other."""
    found = []
    offset = 0
    for mark in marks:
        offset = content.index(mark.tobytes(), offset)
        found.append(np.arange(offset, offset + 8))
        offset += 8
    return np.array(found)


def kinds() -> tuple[Kind, ...]:
    """Make one kind of request of each signal."""
    return (spans(512), numbers(1000), logs(500), profile(500))


def _service(resource: object) -> None:
    for key, text in (
        ("service.name", "soak"),
        ("service.version", "1.4.1"),
        ("service.instance.id", "soak-1"),
    ):
        resource.attributes.add(key=key).value.string_value = text  # type: ignore[attr-defined]


def spans(count: int) -> Kind:
    """Make a request of server spans with six attributes."""
    rnd, now = random.Random(1), time.time_ns()
    marks = ids(_MARK, count, ">i8")
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    _service(resource.resource)
    scope = resource.scope_spans.add()
    for number in range(count):
        start = now - rnd.randrange(60 * SECOND_NANO)
        span = scope.spans.add(
            trace_id=rnd.randbytes(16),
            span_id=marks[number].tobytes(),
            name=f"GET /items/{number % 20}",
            kind=2,
            start_time_unix_nano=start,
            end_time_unix_nano=start + int(rnd.lognormvariate(16.5, 0.5)),
        )
        for key, text in (
            ("http.request.method", "GET"),
            ("http.route", f"/items/{number % 20}"),
            ("url.path", f"/items/{number}"),
            ("server.address", "soak.internal"),
            ("user.id", f"u{rnd.randrange(5000)}"),
        ):
            span.attributes.add(key=key).value.string_value = text
        span.attributes.add(key="http.response.status_code").value.int_value = 200
    return _kind(TRACES, request.SerializeToString(), marks, ">i8", _by_text("spans", "span_id"))


def logs(count: int) -> Kind:
    """Make a request of log records."""
    rnd, now = random.Random(2), time.time_ns()
    marks = ids(_MARK, count, ">i8")
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    _service(resource.resource)
    scope = resource.scope_logs.add()
    for number in range(count):
        record = scope.log_records.add(
            time_unix_nano=now - number,
            severity_number=9,
            trace_id=rnd.randbytes(16),
            span_id=marks[number].tobytes(),
        )
        record.body.string_value = f"request {number} took {rnd.randrange(900)} ms, answered 200"
        record.attributes.add(key="http.route").value.string_value = f"/items/{number % 20}"
    sql = _by_text("logs", "span_id")
    return _kind(LOG_RECORDS, request.SerializeToString(), marks, ">i8", sql)


def numbers(count: int) -> Kind:
    """Make a request of gauge points."""
    now = time.time_ns()
    marks = ids(_MARK, count, "<i8")
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    _service(resource.resource)
    metric = resource.scope_metrics.add().metrics.add(name="soak.depth", unit="1")
    for number in range(count):
        point = metric.gauge.data_points.add(
            time_unix_nano=now, as_int=(_MARK << ITEM_BITS) + number
        )
        point.attributes.add(key="http.route").value.string_value = f"/items/{number % 20}"
    sql = (
        f"SELECT value_int >> {ITEM_BITS}, count(*), count(DISTINCT value_int)"
        f" FROM metrics GROUP BY 1"
    )
    return _kind(METRIC_POINTS, request.SerializeToString(), marks, "<i8", sql)


def profile(samples: int) -> Kind:
    """Make a request of one profile, known by its time, whose samples differ in their stacks."""
    request = ExportProfilesServiceRequest()
    known = request.dictionary
    known.string_table.extend(["", "samples", "count"])
    known.string_table.extend(f"module.function_{number}" for number in range(samples))
    for table in ("mapping", "function", "location", "stack", "link", "attribute"):
        getattr(known, f"{table}_table").add()
    resource = request.resource_profiles.add()
    _service(resource.resource)
    made = resource.scope_profiles.add().profiles.add(
        time_unix_nano=PROFILES_FROM_NANO + _MARK, duration_nano=SECOND_NANO
    )
    made.sample_type.type_strindex, made.sample_type.unit_strindex = 1, 2
    for number in range(1, samples + 1):
        known.function_table.add(name_strindex=2 + number)
        known.location_table.add().lines.add(function_index=number)
        known.stack_table.add(location_indices=[number])
        made.samples.add(stack_index=number, values=[3])
    sql = (
        f"SELECT time_unix_nano - {PROFILES_FROM_NANO}, count(*), count(DISTINCT stack_id)"
        f" FROM profile_samples GROUP BY 1"
    )
    content = request.SerializeToString()
    marks = ids(_MARK, 1, "<i8", PROFILES_FROM_NANO)
    where = places(content, marks)
    return Kind(PROFILE_DATA, 1, samples, sql, content, where, "<i8", PROFILES_FROM_NANO)


def _kind(signal: Signal, content: bytes, marks: np.ndarray, form: str, sql: str) -> Kind:
    count = len(marks)
    return Kind(signal, count, count, sql, content, places(content, marks), form)


def _by_text(table: str, column: str) -> str:
    """Count by the first 44 bits of ids in hexadecimal: the request's number."""
    digits = 16 - ITEM_BITS // 4
    return (
        f"SELECT substr({column}, 1, {digits}), count(*), count(DISTINCT {column})"
        f" FROM {table} GROUP BY 1"
    )
