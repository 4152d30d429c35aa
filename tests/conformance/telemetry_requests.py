"""Requests of every signal, each item told from every other, some of them invalid."""

import itertools
import time
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from collectors.otlp.signals import (
    LOG_RECORDS,
    METRIC_POINTS,
    PROFILE_DATA,
    SIGNALS,
    TRACES,
    Signal,
)
from tests.otlp_profiles.profile_messages import Requested

BEYOND_BIGINT = 1 << 63
TABLE = {signal.name: signal.tables[0] for signal in SIGNALS}

_numbers = itertools.count(1)

ITEM_SIGNALS = [TRACES, METRIC_POINTS, LOG_RECORDS]

KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")

# Every kind of value there is, and what the lake has for it.
VALUES = {
    "text": (AnyValue(string_value="é"), "é"),
    "yes": (AnyValue(bool_value=True), "true"),
    "most": (AnyValue(int_value=2**63 - 1), str(2**63 - 1)),
    "half": (AnyValue(double_value=0.5), "0.5"),
    "bytes": (AnyValue(bytes_value=b"\xfb\xff"), "+/8="),
    "list": (
        AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1), AnyValue()])),
        "[1,null]",
    ),
    "map": (
        AnyValue(
            kvlist_value=KeyValueList(
                values=[
                    KeyValue(key="a", value=AnyValue(string_value="1")),
                    KeyValue(key="a", value=AnyValue(string_value="2")),
                ]
            )
        ),
        '{"a":"2"}',
    ),
    "": (AnyValue(string_value="no key"), "no key"),
    "nothing": (AnyValue(), None),
    "no list": (AnyValue(array_value=ArrayValue()), "[]"),
}


def fresh(prefix: str = "conformance") -> str:
    """Give a service's name that no other test has."""
    return f"{prefix}-{time.time_ns()}-{next(_numbers)}"


def request(signal: Signal, service: str, good: int = 1, bad: int = 0) -> bytes:
    """Give a request's bytes, unlike any before.

    Args:
        signal: what it is.
        service: whose it is.
        good: items that are valid.
        bad: items that are not, each for one reason; they stand first.
    """
    return _MAKERS[signal.name](service, good, bad)


def message(signal: Signal, service: str) -> tuple[Any, Any]:
    """Give a request without items as a message, and where its items are added."""
    made = signal.request()
    resource = getattr(made, f"resource_{signal.fields}").add()
    resource.resource.attributes.add(key="service.name").value.string_value = service
    scope = getattr(resource, f"scope_{signal.fields}").add()
    return made, getattr(scope, "log_records" if signal is LOG_RECORDS else signal.fields)


def add_span(spans: Any, **fields: Any) -> Any:
    """Add a server span of 5 ms that began just now."""
    now = time.time_ns()
    given = {
        "trace_id": b"\x01" * 16,
        "span_id": next(_numbers).to_bytes(8, "big"),
        "name": "GET /",
        "kind": 2,
        "start_time_unix_nano": now,
        "end_time_unix_nano": now + 5_000_000,
    }
    return spans.add(**(given | fields))


def add_gauge(metrics: Any, value: float = 1.0, **fields: Any) -> Any:
    """Add a gauge with one point."""
    point = metrics.add(name=f"gauge.{next(_numbers)}").gauge.data_points.add(as_double=value)
    for name, given in ({"time_unix_nano": time.time_ns()} | fields).items():
        setattr(point, name, given)
    return point


def add_record(records: Any, **fields: Any) -> Any:
    """Add a log record."""
    record = records.add(**({"time_unix_nano": time.time_ns(), "severity_number": 9} | fields))
    record.body.string_value = f"record {next(_numbers)}"
    return record


def add_item(signal: Signal, items: Any, **fields: Any) -> Any:
    """Add a valid item and give what has its attributes."""
    add: Any = {"traces": add_span, "metrics": add_gauge, "logs": add_record}[signal.name]
    return add(items, **fields)


def add_point(metrics: Any, kind: str, **fields: Any) -> Any:
    """Add a metric of a kind with one point, valid but for the fields that are given."""
    data = getattr(metrics.add(name=kind), kind)
    if kind not in ("gauge", "summary"):
        data.aggregation_temporality = fields.pop("temporality", 2)
    own = {"as_int": 1} if kind in ("gauge", "sum") else {}
    return data.data_points.add(**({"time_unix_nano": time.time_ns()} | own | fields))


def with_attributes(signal: Signal, service: str, count: int, text: str) -> bytes:
    """Give a request of one item with that many attributes, each as long."""
    if signal is PROFILE_DATA:
        asked = Requested(service)
        profile = asked.profile(time_unix_nano=time.time_ns())
        asked.sample(profile, "leaf;root", [1])
        for number in range(count):
            table = asked.dictionary.attribute_table
            asked.dictionary.string_table.append(f"key.{number}")
            table.add(key_strindex=len(asked.dictionary.string_table) - 1).value.string_value = text
            profile.attribute_indices.append(len(table) - 1)
        return asked.bytes()
    made, items = message(signal, service)
    item = add_item(signal, items)
    for number in range(count):
        item.attributes.add(key=f"key.{number}").value.string_value = text
    return made.SerializeToString()  # type: ignore[no-any-return]


def _traces(service: str, good: int, bad: int) -> bytes:
    made, spans = message(TRACES, service)
    for number in range(bad + good):
        add_span(spans, **({"trace_id": bytes(16)} if number < bad else {}))
    return made.SerializeToString()  # type: ignore[no-any-return]


def _metrics(service: str, good: int, bad: int) -> bytes:
    made, metrics = message(METRIC_POINTS, service)
    for number in range(bad + good):
        add_gauge(metrics, **({"time_unix_nano": 0} if number < bad else {}))
    return made.SerializeToString()  # type: ignore[no-any-return]


def _logs(service: str, good: int, bad: int) -> bytes:
    made, records = message(LOG_RECORDS, service)
    for number in range(bad + good):
        add_record(records, **({"time_unix_nano": BEYOND_BIGINT} if number < bad else {}))
    return made.SerializeToString()  # type: ignore[no-any-return]


def _profiles(service: str, good: int, bad: int) -> bytes:
    asked = Requested(service)
    for number in range(bad + good):
        profile = asked.profile(time_unix_nano=time.time_ns())
        asked.sample(profile, 10_000 if number < bad else f"leaf{next(_numbers)};root", [1])
    return asked.bytes()


_MAKERS = {
    TRACES.name: _traces,
    METRIC_POINTS.name: _metrics,
    LOG_RECORDS.name: _logs,
    PROFILE_DATA.name: _profiles,
}
