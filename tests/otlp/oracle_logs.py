"""What decoding must give of logs: the schema's rows, by a plain walk over protobuf objects."""

from collections.abc import Sequence
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from tests.otlp.oracle import day, entries, hex_id, shared_row, text
from tests.otlp.oracle_promotion import Row, first, joined

LIMIT = 2**63


def body_type(body: AnyValue) -> str:
    match body.WhichOneof("value"):
        case None | "string_value_strindex":
            return "empty"
        case "array_value" | "kvlist_value":
            return "json"
        case "bytes_value":
            return "bytes"
    return "string"


def kept(record: LogRecord) -> bool:
    """Tell whether a record can be stored."""
    return max(record.time_unix_nano, record.observed_time_unix_nano) < LIMIT


def record_row(record: LogRecord, most: int) -> Row:
    """Give the columns that come of a record alone."""
    attributes = entries(record.attributes[:most])
    get = dict(attributes).get
    return {
        "time_unix_nano": record.time_unix_nano or record.observed_time_unix_nano,
        "observed_time_unix_nano": record.observed_time_unix_nano or None,
        "trace_id": hex_id(record.trace_id, 16),
        "span_id": hex_id(record.span_id, 8),
        "severity_number": int(record.severity_number) or None,
        "severity_text": record.severity_text or None,
        "event_name": record.event_name or None,
        "body": text(record.body),
        "body_type": body_type(record.body),
        "attributes": attributes,
        "exception_type": get("exception.type"),
        "code_function": first(
            get("code.function.name"), joined(get("code.namespace"), ".", get("code.function"))
        ),
        "flags": record.flags or None,
        "dropped_attributes_count": record.dropped_attributes_count
        + max(len(record.attributes) - most, 0),
    }


def records(payload: bytes) -> list[tuple[Any, Any, LogRecord]]:
    """Give every record with its resource and scope."""
    return [
        (resource, scope, record)
        for resource in ExportLogsServiceRequest.FromString(payload).resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]


def rows(
    payloads: Sequence[bytes], batch_ids: Sequence[bytes], times: Sequence[int], most: int
) -> list[Row]:
    """Give the rows of log requests."""
    found = []
    for payload, batch_id, time in zip(payloads, batch_ids, times, strict=True):
        for resource, scope, record in records(payload):
            if kept(record):
                row = shared_row(resource, scope, batch_id, time) | record_row(record, most)
                found.append(row | {"date": day(row["time_unix_nano"], time)})
    return found
