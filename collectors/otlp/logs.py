"""Logs: which records can be kept, and whole log requests as rows of the logs table."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from collectors.otlp import wire
from collectors.otlp.anyvalue import several_kinds, text_of
from collectors.otlp.attributes import Attributes, SeveralKindsError
from collectors.otlp.columns import (
    Bools,
    hex_ids,
    null_if_empty,
    null_if_zero,
    numbers,
    valid_ids,
)
from collectors.otlp.excerpts import Wanted, excerpt
from collectors.otlp.levels import take_apart
from collectors.otlp.rejection import Rejection, rejection
from collectors.otlp.times import partition_dates
from pipeline.schema.logs import LOGS

_TRACE_ID_BYTES = 16
_SPAN_ID_BYTES = 8

_TIMES: Wanted = (("time_unix_nano", None), ("observed_time_unix_nano", None))
_CHECKED: Wanted = (("resource_logs", (("scope_logs", (("log_records", _TIMES),)),)),)

# A body is an AnyValue that stands outside of any KeyValue. Left to itself ptars would go into the
# KeyValues of one and cut their values to bytes, and lose pieces of values that come in pieces.
_ELEMENTS: Wanted = (("values", None),)
_ANY: Wanted = (
    ("string_value", None),
    ("bool_value", None),
    ("int_value", None),
    ("double_value", None),
    ("array_value", _ELEMENTS),
    ("kvlist_value", _ELEMENTS),
    ("bytes_value", None),
    ("string_value_strindex", None),
)
_ATTRIBUTES: Wanted = (("attributes", (("key", None), ("value", _ANY))),)
_RECORD: Wanted = (
    *_TIMES,
    *_ATTRIBUTES,
    ("severity_number", None),
    ("severity_text", None),
    ("body", _ANY),
    ("dropped_attributes_count", None),
    ("flags", None),
    ("trace_id", None),
    ("span_id", None),
    ("event_name", None),
)
_SCOPE: Wanted = (("name", None), ("version", None), *_ATTRIBUTES)
_SCOPES: Wanted = (("scope", _SCOPE), ("schema_url", None), ("log_records", _RECORD))
_RESOURCES: Wanted = (("resource", _ATTRIBUTES), ("schema_url", None), ("scope_logs", _SCOPES))
_DECODED: Wanted = (("resource_logs", _RESOURCES),)


def check(payload: bytes) -> Rejection:
    """Count the records of a request and those that cannot be kept.

    Raises:
        BadRequest: the bytes are no logs request.
    """
    read = wire.read(excerpt(ExportLogsServiceRequest.DESCRIPTOR, _CHECKED), [payload])
    records = take_apart(read, "logs", "log_records").items
    return rejection(len(records), _invalid(records))


def _invalid(records: pa.StructArray) -> dict[str, Bools]:
    """Tell which records cannot be kept, by reason; reasons that hit none are left out."""
    late = (numbers(records.field("time_unix_nano")) < 0) | (
        numbers(records.field("observed_time_unix_nano")) < 0
    )
    return {"time is above 2^63-1 ns": late} if late.any() else {}


def decode(
    payloads: Sequence[bytes],
    batch_ids: Sequence[bytes],
    times_unix_nano: Sequence[int],
    max_attributes: int,
) -> tuple[pa.Table, Counter[str]]:
    """Read whole log requests as rows of the logs table.

    Args:
        payloads: n requests.
        batch_ids: their content hashes.
        times_unix_nano: when each was received.
        max_attributes: attributes kept on one record.

    Returns:
        The rows, in the senders' order, and how many values were repaired or dropped, by reason.

    Raises:
        BadRequest: one of them is not a logs request.
        SeveralKindsError: a value is set twice in a way that only upb tells apart.
    """
    warnings: Counter[str] = Counter()
    read = wire.read(excerpt(ExportLogsServiceRequest.DESCRIPTOR, _DECODED), payloads)
    levels = take_apart(read, "logs", "log_records")
    invalid = _invalid(levels.items)
    if invalid:
        bad = np.logical_or.reduce(list(invalid.values()))
        warnings["rejected_log_records"] += int(bad.sum())
        levels = levels.keep(~bad)
    columns, batch = levels.shared_columns(batch_ids, times_unix_nano, warnings)
    columns |= _own_columns(levels.items, max_attributes, warnings)
    columns["date"] = partition_dates(
        numbers(columns["time_unix_nano"]), batch.times_of_rows(), warnings
    )
    arrays = [columns[name] for name in LOGS.arrow_schema.names]
    return pa.Table.from_arrays(arrays, schema=LOGS.arrow_schema), warnings


def _own_columns(
    records: pa.StructArray, max_attributes: int, warnings: Counter[str]
) -> dict[str, pa.Array]:
    """Give the columns that come of the record alone."""
    observed = numbers(records.field("observed_time_unix_nano"))
    time = numbers(records.field("time_unix_nano"))
    attributes = Attributes(records.field("attributes"), max_attributes)
    body, body_type = _body(records.field("body"))
    indices = records.field("body").field("string_value_strindex")
    warnings["string_indices_outside_profiles"] += len(indices) - indices.null_count
    columns = {
        "time_unix_nano": pa.array(np.where(time == 0, observed, time)),
        "observed_time_unix_nano": pa.array(observed, mask=observed == 0),
        "trace_id": _linked(records.field("trace_id"), _TRACE_ID_BYTES, warnings),
        "span_id": _linked(records.field("span_id"), _SPAN_ID_BYTES, warnings),
        "severity_number": null_if_zero(records.field("severity_number")).cast(pa.int32()),
        "severity_text": null_if_empty(records.field("severity_text")),
        "event_name": null_if_empty(records.field("event_name")),
        "body": body,
        "body_type": body_type,
        "attributes": attributes.to_map(),
        "exception_type": attributes.text("exception.type"),
        "code_function": _code_function(attributes),
        "flags": null_if_zero(records.field("flags")),
        "dropped_attributes_count": pa.array(
            numbers(records.field("dropped_attributes_count")) + attributes.dropped
        ),
    }
    warnings.update(attributes.warnings)
    return columns


def _linked(ids: pa.Array, width: int, warnings: Counter[str]) -> pa.StringArray:
    """Give ids as hex; a record with a bad one is kept, unlinked."""
    valid = valid_ids(ids, width)
    present = pc.greater(pc.binary_length(ids), 0).to_numpy(zero_copy_only=False)
    warnings["bad_log_ids"] += int((present & ~valid).sum())
    return hex_ids(ids, width, valid)


def _body(values: pa.StructArray) -> tuple[pa.StringArray, pa.StringArray]:
    """Give bodies as text, and what they were: string, json, bytes or empty."""
    if several_kinds(values):
        raise SeveralKindsError
    kinds = np.full(len(values), 3, dtype=np.int8)
    present = _valid(values)
    for number, names in enumerate(
        (("string_value",), ("array_value", "kvlist_value"), ("bytes_value",))
    ):
        for name in names:
            kinds[present & _valid(values.field(name))] = number
    # Numbers and booleans are text like any other.
    for name in ("bool_value", "int_value", "double_value"):
        kinds[present & _valid(values.field(name))] = 0
    names = pa.array(["string", "json", "bytes", "empty"])
    return text_of(values), names.take(pa.array(kinds))


def _valid(column: pa.Array) -> Bools:
    mask: Bools = column.is_valid().to_numpy(zero_copy_only=False)
    return mask


def _code_function(attributes: Attributes) -> pa.Array:
    """Give the function, by its new name or by namespace and old name."""
    new, old = attributes.text("code.function.name"), attributes.text("code.function")
    if old.null_count == len(old):
        return new
    joined = pc.binary_join_element_wise(attributes.text("code.namespace"), old, ".")
    return pc.coalesce(new, joined, old)
