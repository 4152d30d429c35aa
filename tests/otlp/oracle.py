"""What decoding must give: the schema's rows, by a plain walk over protobuf objects.

Slow and obvious on purpose, and written from the schema's text, not from the code it checks.
"""

import base64
import math
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.otlp.oracle_promotion import Row, first, promoted
from tests.otlp.oracle_texts import Joined, Json, Pairs, Shortest

Entries = list[tuple[str, Any]]

DAY_NANO = 86_400_000_000_000


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


def shared_row(resource: Any, scope: Any, batch_id: bytes, time: int) -> Row:
    """Give the columns of resource, scope and ingest; any signal's messages of those levels."""
    return {
        **resource_row(resource.resource.attributes),
        "scope_name": scope.scope.name or None,
        "scope_version": scope.scope.version or None,
        "scope_attributes": entries(scope.scope.attributes),
        "resource_schema_url": resource.schema_url or None,
        "scope_schema_url": scope.schema_url or None,
        "ingest_batch_id": batch_id.hex(),
        "ingest_time_unix_nano": time,
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
                shared = shared_row(resource, scope, batch_id, time)
                found += [
                    shared | span_row(span, most) | {"date": day(span.start_time_unix_nano, time)}
                    for span in scope.spans
                    if kept(span)
                ]
    return found
