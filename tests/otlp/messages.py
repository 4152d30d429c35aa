"""Trace requests to send: small, each span told from every other by its id."""

import itertools
import time
from collections.abc import Iterable, Mapping

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

Value = str | bool | int | float | bytes

TRACE_ID = bytes(15) + b"\x01"

_numbers = itertools.count(1)


def value(given: Value) -> AnyValue:
    """Give a plain value as AnyValue."""
    match given:
        case str():
            return AnyValue(string_value=given)
        case bool():
            return AnyValue(bool_value=given)
        case int():
            return AnyValue(int_value=given)
        case float():
            return AnyValue(double_value=given)
    return AnyValue(bytes_value=given)


def attributes(given: Mapping[str, Value]) -> list[KeyValue]:
    """Give attributes as the protocol has them."""
    return [KeyValue(key=key, value=value(each)) for key, each in given.items()]


def span(
    span_id: int | None = None,
    *,
    name: str = "GET /",
    start: int | None = None,
    duration: int = 5_000_000,
    trace_id: bytes = TRACE_ID,
    given: Mapping[str, Value] | None = None,
) -> Span:
    """Give a server span that began just now; its id is its number."""
    began = time.time_ns() if start is None else start
    return Span(
        trace_id=trace_id,
        span_id=(next(_numbers) if span_id is None else span_id).to_bytes(8, "big"),
        name=name,
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=began,
        end_time_unix_nano=began + duration,
        attributes=attributes(given or {}),
    )


def request(spans: Iterable[Span], service: str = "checkout") -> bytes:
    """Give the bytes of a request with these spans."""
    return ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                resource=Resource(attributes=attributes({"service.name": service})),
                scope_spans=[ScopeSpans(spans=spans)],
            )
        ]
    ).SerializeToString()


def numbered(first: int, count: int, **more: object) -> bytes:
    """Give a request with spans of consecutive ids."""
    return request(span(number, **more) for number in range(first, first + count))  # type: ignore[arg-type]


def ids(first: int, count: int) -> list[str]:
    """Give the ids of those spans as the lake has them."""
    return [f"{number:016x}" for number in range(first, first + count)]
