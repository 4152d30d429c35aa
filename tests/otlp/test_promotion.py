"""Promoted columns: each attribute name, new before old, and what is worked out from several."""

from typing import Any

import pyarrow as pa
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collectors.otlp.signals import TRACES
from pipeline.schema import SPANS
from pipeline.schema.common import RESOURCE_COLUMNS
from pipeline.schema.spans import PROMOTED_COLUMNS
from tests.otlp import messages
from tests.otlp.messages import Value


def decode_spans(*arguments: Any) -> tuple[pa.Table, Any]:
    """Decode trace requests as landing does."""
    rows, warnings = TRACES.decode(*arguments)
    return rows["spans"], warnings


NOW = 1_795_608_000_000_000_000


def decoded(*payloads: bytes, most: int = 100_000) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Give the rows of requests, and what was repaired."""
    ids = [bytes(16)] * len(payloads)
    table, warnings = decode_spans(payloads, ids, [NOW] * len(payloads), most)
    return table.to_pylist(), dict(+warnings)


def span_row(given: dict[str, Value], kind: int = Span.SPAN_KIND_SERVER) -> dict[str, Any]:
    """Give the row of one span with these attributes."""
    span = messages.span(1, start=NOW, given=given)
    span.kind = kind  # type: ignore[assignment]
    ((row,), _) = decoded(messages.request([span]))
    return row


def resource_row(given: dict[str, Value]) -> dict[str, Any]:
    """Give the row of a span of a resource with these attributes."""
    request = ExportTraceServiceRequest.FromString(messages.request([messages.span(1, start=NOW)]))
    del request.resource_spans[0].resource.attributes[:]
    request.resource_spans[0].resource.attributes.extend(messages.attributes(given))
    ((row,), _) = decoded(request.SerializeToString())
    return row


PLAIN = [
    (column.name, source, column.type)
    for column in PROMOTED_COLUMNS
    for source in column.sources
    if not source.startswith("{")
]


@pytest.mark.parametrize(("column", "source", "kind"), PLAIN, ids=[each[1] for each in PLAIN])
def test_each_name_feeds_its_column_and_no_other(column: str, source: str, kind: object) -> None:
    given: dict[str, Value] = {"string": "7", "int32": 7, "int64": 7, "bool": True}
    value = given[str(kind)]
    row = span_row({source: value})
    fed = {each.name for each in PROMOTED_COLUMNS if row[each.name] is not None}
    assert fed == {column}
    assert row[column] == value


@pytest.mark.parametrize("column", [c for c in PROMOTED_COLUMNS if len(c.sources) > 1], ids=str)
def test_the_new_name_wins_over_the_old_whatever_their_order(column: Any) -> None:
    names = [source for source in column.sources if not source.startswith("{")]
    values: dict[str, Value] = {name: 100 + place for place, name in enumerate(names)}
    for given in (values, dict(reversed(values.items()))):
        if names:
            assert str(span_row(given)[column.name]) == "100"


def test_an_old_name_counts_where_the_new_one_has_no_value() -> None:
    span = messages.span(1, start=NOW, given={"http.method": "GET"})
    span.attributes.add(key="http.request.method").value.CopyFrom(AnyValue())
    ((row,), _) = decoded(messages.request([span]))
    assert row["http_request_method"] == "GET"
    assert (
        span_row({"http.response.status_code": "bad", "http.status_code": 204})[
            "http_response_status_code"
        ]
        == 204
    )


@pytest.mark.parametrize(
    ("given", "column", "value"),
    [
        ({"http.target": "/cart/7?size=1"}, "url_path", "/cart/7"),
        ({"url.full": "https://shop.example/cart/7?size=1#top"}, "url_path", "/cart/7"),
        ({"http.url": "http://shop.example:8080/"}, "url_path", "/"),
        ({"http.url": "http://shop.example"}, "url_path", None),
        ({"http.target": "/old", "url.full": "http://h/new"}, "url_path", "/old"),
        ({"url.path": "/p", "http.target": "/old"}, "url_path", "/p"),
        ({"rpc.method": "Get"}, "rpc_method", "Get"),
        ({"rpc.service": "shop.Cart", "rpc.method": "Get"}, "rpc_method", "shop.Cart/Get"),
        ({"rpc.service": "shop.Cart"}, "rpc_method", None),
        ({"messaging.operation": "deliver"}, "messaging_operation", "process"),
        ({"messaging.operation": "publish"}, "messaging_operation", "send"),
        ({"messaging.operation": "receive"}, "messaging_operation", "receive"),
        (
            {"messaging.operation": "publish", "messaging.operation.type": "create"},
            "messaging_operation",
            "create",
        ),
        ({"code.namespace": "shop.cart", "code.function": "add"}, "code_function", "shop.cart.add"),
        ({"code.function": "add"}, "code_function", "add"),
        ({"code.function.name": "shop.add", "code.function": "add"}, "code_function", "shop.add"),
        ({"db.redis.database_index": 3}, "db_namespace", "3"),
        ({"cache.hit": "True"}, "cache_hit", True),
        ({"cache.hit": "no"}, "cache_hit", None),
        ({"http.status_code": "404"}, "http_response_status_code", 404),
        ({"http.status_code": 404.0}, "http_response_status_code", 404),
        ({"cache.item_size": 1e10}, "cache_item_size", 10**10),
        ({"cache.item_size": 2.0**63}, "cache_item_size", None),
        ({"cache.item_size": float("nan")}, "cache_item_size", None),
        ({"http.status_code": 404.5}, "http_response_status_code", None),
        ({"http.status_code": 2**31}, "http_response_status_code", None),
        ({"http.status_code": "+404"}, "http_response_status_code", None),
        ({"thread.id": -(2**63)}, "thread_id", -(2**63)),
        ({"thread.id": str(2**63 - 1)}, "thread_id", 2**63 - 1),
        ({"thread.id": str(2**63)}, "thread_id", None),
        ({"thread.id": str(-(2**63))}, "thread_id", -(2**63)),
        ({"thread.id": str(-(2**63) - 1)}, "thread_id", None),
        ({"cache.item_size": 2**40}, "cache_item_size", 2**40),
    ],
)
def test_columns_that_are_worked_out(given: dict[str, Value], column: str, value: object) -> None:
    assert span_row(given)[column] == value


@pytest.mark.parametrize(
    ("kind", "address", "port"),
    [
        (Span.SPAN_KIND_CLIENT, "peer", 1),
        (Span.SPAN_KIND_PRODUCER, "peer", 1),
        (Span.SPAN_KIND_SERVER, "host", 2),
        (Span.SPAN_KIND_CONSUMER, "host", 2),
        (Span.SPAN_KIND_INTERNAL, None, None),
    ],
)
def test_old_network_names_mean_the_server_by_the_kind_of_span(
    kind: int, address: str | None, port: int | None
) -> None:
    old: dict[str, Value] = {
        "net.peer.name": "peer",
        "net.peer.port": 1,
        "net.host.name": "host",
        "net.host.port": 2,
        "http.host": "header",
    }
    row = span_row(old, kind)
    assert (row["server_address"], row["server_port"]) == (address, port)
    row = span_row(old | {"server.address": "new", "server.port": 3}, kind)
    assert (row["server_address"], row["server_port"]) == ("new", 3)


def test_the_host_header_is_the_last_resort_of_a_server() -> None:
    assert span_row({"http.host": "header"})["server_address"] == "header"
    assert span_row({"http.host": "header"}, Span.SPAN_KIND_CLIENT)["server_address"] is None


def test_a_list_is_json_in_a_text_column() -> None:
    span = messages.span(1, start=NOW)
    keys = AnyValue(array_value=ArrayValue(values=[messages.value("a"), messages.value(1)]))
    span.attributes.add(key="cache.key").value.CopyFrom(keys)
    ((row,), _) = decoded(messages.request([span]))
    assert row["cache_key"] == '["a",1]'


def test_the_error_type_is_that_of_the_last_exception_event() -> None:
    span = messages.span(1, start=NOW)
    for name, kind in (("exception", "First"), ("exception", "Last"), ("log", "Other")):
        span.events.add(name=name, attributes=messages.attributes({"exception.type": kind}))
    without = messages.span(2, start=NOW)
    told = messages.span(3, start=NOW, given={"error.type": "timeout"})
    told.events.add(name="exception", attributes=messages.attributes({"exception.type": "Any"}))
    rows, _ = decoded(messages.request([span, without, told]))
    assert [row["error_type"] for row in rows] == ["Last", None, "timeout"]


@pytest.mark.parametrize(
    ("trace_state", "weight", "known"),
    [
        ("", 1.0, False),
        ("vendor=th:8", 1.0, False),
        ("ot=th:0", 1.0, True),
        ("ot=th:8", 2.0, True),
        ("ot=th:c", 4.0, True),
        ("vendor=1,ot=rv:abc;th:c;x:1", 4.0, True),
        ("ot=th:ffffffffffffff", 2.0**56, True),
        ("ot=p:3;r:9", 8.0, True),
        ("ot=p:63", 1.0, False),
        ("ot=p:3;th:8", 2.0, True),
        ("ot=th:", 1.0, False),
        ("ot=th:8zzz", 1.0, False),
    ],
)
def test_a_span_stands_for_as_many_requests_as_its_trace_state_says(
    trace_state: str, weight: float, known: bool
) -> None:
    span = messages.span(1, start=NOW)
    span.trace_state = trace_state
    ((row,), _) = decoded(messages.request([span]))
    assert (row["sampling_weight"], row["sampling_known"]) == (weight, known)


def test_the_service_is_unknown_where_none_is_named() -> None:
    assert resource_row({})["service_name"] == "unknown_service"
    assert resource_row({"service.name": ""})["service_name"] == "unknown_service"
    assert resource_row({"service.name": 7})["service_name"] == "7"


def test_an_instance_is_told_by_the_first_of_its_names() -> None:
    names: dict[str, Value] = {
        "service.instance.id": "instance",
        "k8s.pod.uid": "uid",
        "k8s.pod.name": "pod",
        "container.id": "container",
    }
    host: dict[str, Value] = {"host.name": "here", "process.pid": 42}
    while names:
        first = next(iter(names))
        assert resource_row(host | names)["service_instance_id"] == names.pop(first)
    assert resource_row(host)["service_instance_id"] == "here/42"
    assert resource_row({"host.name": "here"})["service_instance_id"] is None


@pytest.mark.parametrize("column", [c for c in RESOURCE_COLUMNS if c.sources], ids=str)
def test_each_resource_name_feeds_its_column(column: Any) -> None:
    for source in column.sources:
        assert resource_row({source: "told"})[column.name] == "told"
    both: dict[str, Value] = {source: source for source in reversed(column.sources)}
    assert resource_row(both)[column.name] == column.sources[0]


@pytest.mark.parametrize("times", [2, 9, 17, 300])
@pytest.mark.parametrize("distinct", [1, 62, 64, 65, 130, 700])
def test_a_repeated_key_keeps_its_last_value_however_many_keys_there_are(
    distinct: int, times: int
) -> None:
    span = messages.span(2, start=NOW)
    for number in range(times):
        span.attributes.extend(messages.attributes({f"key.{distinct - 1}": number}))
    # Another span makes the repeated key the last of all that are known.
    every: dict[str, Value] = {f"key.{number}": "x" for number in range(distinct)}
    first = messages.span(1, start=NOW, given=every)
    rows, warnings = decoded(messages.request([first, span]))
    assert rows[0]["attributes"] == list(every.items())
    assert rows[1]["attributes"] == [(f"key.{distinct - 1}", str(times - 1))]
    assert warnings["repeated_attribute_keys"] == times - 1


def test_attributes_over_the_limit_are_cut_and_told() -> None:
    given: dict[str, Value] = {f"key.{number}": number for number in range(5)}
    span = messages.span(1, start=NOW, given=given)
    span.dropped_attributes_count = 10
    rows, warnings = decoded(messages.request([span, messages.span(2, start=NOW)]), most=3)
    assert rows[0]["attributes"] == [("key.0", "0"), ("key.1", "1"), ("key.2", "2")]
    assert [row["dropped_attributes_count"] for row in rows] == [12, 0]
    assert warnings == {"attributes_over_limit": 2}


def test_what_cannot_be_true_of_times_is_counted() -> None:
    day = 86_400_000_000_000
    sent = [
        messages.span(1, start=0, duration=0),
        messages.span(2, start=NOW, duration=-5),
        messages.span(3, start=NOW + 2 * day),
        messages.span(4, start=NOW - 401 * day),
        messages.span(5, start=NOW - day),
    ]
    rows, warnings = decoded(messages.request(sent))
    assert warnings == {"times_absent": 1, "clock_errors": 1, "times_implausible": 2}
    assert [row["date"].isoformat() for row in rows] == ["2026-11-25"] * 4 + ["2026-11-24"]
    assert [row["duration_nano"] for row in rows] == [0, -5, 5_000_000, 5_000_000, 5_000_000]


def test_a_request_without_any_attribute_is_kept() -> None:
    request = ExportTraceServiceRequest.FromString(messages.request([messages.span(1, start=NOW)]))
    request.resource_spans[0].ClearField("resource")
    ((row,), warnings) = decoded(request.SerializeToString())
    assert row["attributes"] == row["resource_attributes"] == []
    assert not warnings


def test_every_column_of_the_table_is_given() -> None:
    ((row,), _) = decoded(messages.request([messages.span(1, start=NOW)]))
    assert list(row) == SPANS.arrow_schema.names
