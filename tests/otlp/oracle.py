"""What decoding must give: the schema's rows, by a plain walk over protobuf objects.

Slow and obvious on purpose, and written from the schema's text, not from the code it checks.
"""

import base64
import json
import math
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Row = dict[str, Any]
Entries = list[tuple[str, Any]]

CLIENT, SERVER = (3, 4), (2, 5)
DAY_NANO = 86_400_000_000_000


class Shortest:
    """Equal to any text that gives this double back and needs no more digits than it must."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Shortest):
            return repr(self.value) == repr(other.value)
        if not isinstance(other, str) or float(other) != self.value:
            return False
        signs = math.copysign(1, float(other)) == math.copysign(1, self.value)
        return signs and digits(other) <= digits(repr(self.value))

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return f"Shortest({self.value!r})"


def digits(number: str) -> int:
    """Count the significant digits of a decimal text."""
    return len(re.sub(r"[-+.]", "", number.split("e")[0]).strip("0"))


class Json:
    """Equal to any compact JSON text of this value, keys in this order."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Json):
            return bool(self.value == other.value)
        if not isinstance(other, str):
            return False
        read = json.loads(other, object_pairs_hook=Pairs)
        spaces = re.sub(r'"(\\.|[^"\\])*"', "", other)
        return same(read, self.value) and " " not in spaces

    def __hash__(self) -> int:
        return hash(str(self.value))

    def __repr__(self) -> str:
        return f"Json({self.value!r})"


class Joined:
    """Equal to the text of one value, what stands between, and the text of another."""

    def __init__(self, before: Any, between: str, after: Any) -> None:
        self.parts = (before, between, after)

    def __eq__(self, other: object) -> bool:
        before, between, after = self.parts
        if not isinstance(other, str):
            return isinstance(other, Joined) and self.parts == other.parts
        return any(
            equal(other[:place], before) and equal(other[place + len(between) :], after)
            for place in range(len(other))
            if other.startswith(between, place)
        )

    def __hash__(self) -> int:
        return hash(str(self.parts))

    def __repr__(self) -> str:
        return f"Joined{self.parts!r}"


def equal(text: str, value: Any) -> bool:
    """Compare a part of a text, which need not be a number or JSON at all."""
    try:
        return bool(value == text)
    except ValueError:
        return False


class Pairs(list[Any]):
    """The entries of a JSON object, in order."""


def same(left: Any, right: Any) -> bool:
    """Compare without taking True for 1, or an object for an array."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def plain(value: AnyValue) -> Any:
    """Give a value as JSON holds it."""
    kind = value.WhichOneof("value")
    match kind:
        case None | "string_value_strindex":
            return None
        case "array_value":
            return [plain(element) for element in value.array_value.values]
        case "kvlist_value":
            last = last_of_each(value.kvlist_value.values, first_place=True)
            return Pairs((key, plain(given)) for key, given in last)
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case "double_value" if not math.isfinite(value.double_value):
            return special(value.double_value)
    return getattr(value, kind)


def special(value: float) -> str:
    """Name a double that is no number."""
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def text(value: AnyValue) -> Any:
    """Give a value as the text of an attribute; None for none."""
    kind = value.WhichOneof("value")
    match kind:
        case None | "string_value_strindex":
            return None
        case "string_value":
            return value.string_value
        case "bool_value":
            return "true" if value.bool_value else "false"
        case "int_value":
            return str(value.int_value)
        case "double_value" if math.isfinite(value.double_value):
            return Shortest(value.double_value)
        case "array_value" | "kvlist_value":
            return Json(plain(value))
    return plain(value)


def last_of_each(
    pairs: Iterable[KeyValue], first_place: bool = False
) -> list[tuple[str, AnyValue]]:
    """Keep the last value of equal keys, where it stands or where the key stood first."""
    given = [(pair.key, pair.value) for pair in pairs]
    last = dict(given)
    if first_place:
        return list(last.items())
    return [
        (key, value)
        for place, (key, value) in enumerate(given)
        if key not in {later for later, _ in given[place + 1 :]}
    ]


def entries(pairs: Iterable[KeyValue]) -> Entries:
    """Give attributes as the entries of a map column."""
    return [(key, text(value)) for key, value in last_of_each(pairs)]


def hex_id(given: bytes, width: int) -> str | None:
    """Give an id as hex; None when it is none."""
    return given.hex() if len(given) == width and any(given) else None


def integer(given: Any, bits: int = 64) -> int | None:
    """Read an attribute's text as an integer that fits; None otherwise."""
    if isinstance(given, Shortest):
        found = int(given.value) if given.value.is_integer() else None
    elif isinstance(given, str) and re.fullmatch(r"-?[0-9]{1,19}", given):
        found = int(given)
    else:
        found = None
    if found is None or not -(2 ** (bits - 1)) <= found < 2 ** (bits - 1):
        return None
    return found


def first(*values: Any) -> Any:
    """Give the first that is not None."""
    return next((value for value in values if value is not None), None)


def promoted(attributes: dict[str, Any], kind: int, exception_type: Any) -> Row:
    """Give the promoted columns, new names before old."""
    get = attributes.get

    def number(*names: str, bits: int = 64) -> int | None:
        return next(
            (found for name in names if (found := integer(get(name), bits)) is not None), None
        )

    def on(kinds: tuple[int, ...], value: Any) -> Any:
        return value if kind in kinds else None

    return {
        "http_request_method": first(get("http.request.method"), get("http.method")),
        "http_route": get("http.route"),
        "http_response_status_code": number(
            "http.response.status_code", "http.status_code", bits=32
        ),
        "url_path": first(
            get("url.path"),
            target(get("http.target")),
            path(get("url.full")),
            path(get("http.url")),
        ),
        "server_address": first(
            get("server.address"),
            on(CLIENT, get("net.peer.name")),
            on(SERVER, get("net.host.name")),
            on(SERVER, get("http.host")),
        ),
        "server_port": first(
            number("server.port", bits=32),
            on(CLIENT, number("net.peer.port", bits=32)),
            on(SERVER, number("net.host.port", bits=32)),
        ),
        "peer_service": first(get("service.peer.name"), get("peer.service")),
        "rpc_system": first(get("rpc.system.name"), get("rpc.system")),
        "rpc_method": joined(get("rpc.service"), "/", get("rpc.method")),
        "rpc_status_code": first(
            get("rpc.response.status_code"), get("rpc.status_code"), get("rpc.grpc.status_code")
        ),
        "db_system": first(get("db.system.name"), get("db.system")),
        "db_namespace": first(get("db.namespace"), get("db.name"), get("db.redis.database_index")),
        "db_operation": first(get("db.operation.name"), get("db.operation")),
        "db_collection": first(
            get("db.collection.name"),
            get("db.sql.table"),
            get("db.mongodb.collection"),
            get("db.cassandra.table"),
        ),
        "db_query_text": first(get("db.query.text"), get("db.statement")),
        "messaging_system": get("messaging.system"),
        "messaging_destination": first(
            get("messaging.destination.name"), get("messaging.destination")
        ),
        "messaging_operation": first(
            get("messaging.operation.type"), renamed(get("messaging.operation"))
        ),
        "error_type": first(get("error.type"), exception_type),
        "cache_hit": {"true": True, "false": False}.get(lowered(get("cache.hit"))),
        "cache_key": get("cache.key"),
        "cache_item_size": number("cache.item_size"),
        "code_function": first(
            get("code.function.name"), joined(get("code.namespace"), ".", get("code.function"))
        ),
        "thread_id": number("thread.id"),
    }


def lowered(given: Any) -> str:
    return given.lower() if isinstance(given, str) else ""


def joined(before: Any, between: str, after: Any) -> Any:
    """Put a namespace before a name; a name alone stands alone."""
    if before is None or after is None:
        return after
    return Joined(before, between, after)


def renamed(operation: Any) -> Any:
    old = {"deliver": "process", "publish": "send"}
    return old.get(operation, operation) if isinstance(operation, str) else operation


def target(given: Any) -> Any:
    return given.split("?")[0] if isinstance(given, str) else given


def path(url: Any) -> str | None:
    return urlsplit(url).path or None if isinstance(url, str) and "://" in url else None


def sampling(trace_state: str) -> tuple[float, bool]:
    """Read the weight in a trace state's ``ot`` member."""
    for member in trace_state.split(","):
        key, _, value = member.strip().partition("=")
        if key != "ot":
            continue
        told = dict(pair.partition(":")[::2] for pair in value.split(";"))
        if re.fullmatch("[0-9a-f]{1,14}", told.get("th", "")):
            return 2**56 / (2**56 - int(told["th"].ljust(14, "0"), 16)), True
        if re.fullmatch("[0-9]{1,2}", told.get("p", "")) and int(told["p"]) <= 62:
            return float(2 ** int(told["p"])), True
    return 1.0, False


def day(time_unix_nano: int, received_unix_nano: int) -> date:
    """Give the partition: a day that no clock can mean is filed under the receipt."""
    plausible = (
        received_unix_nano - 400 * DAY_NANO <= time_unix_nano <= received_unix_nano + DAY_NANO
    )
    chosen = time_unix_nano if time_unix_nano and plausible else received_unix_nano
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=chosen // DAY_NANO)).date()


def resource_row(pairs: Sequence[KeyValue]) -> Row:
    """Give the columns of a resource."""
    every = entries(pairs)
    get = dict(every).get
    host, process = get("host.name"), get("process.pid")
    both = None if host is None or process is None else Joined(host, "/", process)
    return {
        "service_name": get("service.name") or "unknown_service",
        "service_namespace": get("service.namespace"),
        "service_version": get("service.version"),
        "service_instance_id": first(
            get("service.instance.id"),
            get("k8s.pod.uid"),
            get("k8s.pod.name"),
            get("container.id"),
            both,
        ),
        "deployment_environment": first(
            get("deployment.environment.name"), get("deployment.environment")
        ),
        "host_name": host,
        "k8s_pod_name": get("k8s.pod.name"),
        "resource_attributes": every,
    }


def event_row(event: Span.Event) -> Row:
    return {
        "time_unix_nano": event.time_unix_nano if event.time_unix_nano < 2**63 else None,
        "name": event.name,
        "attributes": entries(event.attributes),
        "dropped_attributes_count": event.dropped_attributes_count,
    }


def link_row(link: Span.Link) -> Row:
    return {
        "trace_id": hex_id(link.trace_id, 16),
        "span_id": hex_id(link.span_id, 8),
        "trace_state": link.trace_state or None,
        "attributes": entries(link.attributes),
        "flags": link.flags or None,
        "dropped_attributes_count": link.dropped_attributes_count,
    }


def span_row(span: Span, most: int) -> Row:
    """Give the columns that come of a span alone."""
    attributes = entries(span.attributes[:most])
    exceptions = [event for event in span.events if event.name == "exception"]
    exception = dict(entries(exceptions[-1].attributes)) if exceptions else {}
    weight, known = sampling(span.trace_state)
    return {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": hex_id(span.parent_span_id, 8),
        "trace_state": span.trace_state or None,
        "flags": span.flags or None,
        "name": span.name,
        "kind": int(span.kind),
        "start_time_unix_nano": span.start_time_unix_nano,
        "end_time_unix_nano": span.end_time_unix_nano,
        "duration_nano": span.end_time_unix_nano - span.start_time_unix_nano,
        "status_code": int(span.status.code),
        "status_message": span.status.message or None,
        "attributes": attributes,
        "events": [event_row(event) for event in span.events],
        "links": [link_row(link) for link in span.links],
        "dropped_attributes_count": span.dropped_attributes_count
        + max(len(span.attributes) - most, 0),
        "dropped_events_count": span.dropped_events_count,
        "dropped_links_count": span.dropped_links_count,
        "sampling_weight": weight,
        "sampling_known": known,
        **promoted(dict(attributes), span.kind, exception.get("exception.type")),
    }


def kept(span: Span) -> bool:
    """Tell whether a span can be stored."""
    ids = hex_id(span.trace_id, 16) is not None and hex_id(span.span_id, 8) is not None
    return ids and max(span.start_time_unix_nano, span.end_time_unix_nano) < 2**63


def rows(
    payloads: Sequence[bytes], batch_ids: Sequence[bytes], times: Sequence[int], most: int
) -> list[Row]:
    """Give the rows of trace requests."""
    found = []
    for payload, batch_id, time in zip(payloads, batch_ids, times, strict=True):
        for resource in ExportTraceServiceRequest.FromString(payload).resource_spans:
            for scope in resource.scope_spans:
                shared = {
                    **resource_row(resource.resource.attributes),
                    "scope_name": scope.scope.name or None,
                    "scope_version": scope.scope.version or None,
                    "scope_attributes": entries(scope.scope.attributes),
                    "resource_schema_url": resource.schema_url or None,
                    "scope_schema_url": scope.schema_url or None,
                    "ingest_batch_id": batch_id.hex(),
                    "ingest_time_unix_nano": time,
                }
                found += [
                    shared | span_row(span, most) | {"date": day(span.start_time_unix_nano, time)}
                    for span in scope.spans
                    if kept(span)
                ]
    return found
