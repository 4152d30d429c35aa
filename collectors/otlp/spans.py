"""Spans: which are valid, and whole trace requests as rows of the spans table."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors.otlp import wire
from collectors.otlp.attributes import Attributes
from collectors.otlp.columns import (
    Bools,
    Ints,
    flatten,
    hex_ids,
    null_if_empty,
    null_if_zero,
    numbers,
    take_rows,
    valid_ids,
)
from collectors.otlp.excerpts import Wanted, excerpt
from collectors.otlp.levels import take_apart
from collectors.otlp.promotion import Spans, promote
from collectors.otlp.rejection import Rejection, rejection
from collectors.otlp.sampling import weights
from collectors.otlp.times import partition_dates
from pipeline.schema import SPANS
from pipeline.schema.spans import PROMOTED_COLUMNS

_TRACE_ID_BYTES = 16
_SPAN_ID_BYTES = 8

# What validity goes by.
_SPAN: Wanted = (
    ("trace_id", None),
    ("span_id", None),
    ("start_time_unix_nano", None),
    ("end_time_unix_nano", None),
)
_CHECKED: Wanted = (("resource_spans", (("scope_spans", (("spans", _SPAN),)),)),)


def check(payload: bytes) -> Rejection:
    """Count the spans of a request and those that cannot be kept.

    Raises:
        BadRequest: the bytes are no trace request.
    """
    read = wire.read(excerpt(ExportTraceServiceRequest.DESCRIPTOR, _CHECKED), [payload])
    spans = take_apart(read, "spans", "spans").items
    return rejection(len(spans), _invalid(spans))


def _invalid(spans: pa.StructArray) -> dict[str, Bools]:
    """Tell which spans cannot be kept, by reason; reasons that hit none are left out."""
    masks = {
        "trace_id is not 16 bytes or all zero": ~valid_ids(
            spans.field("trace_id"), _TRACE_ID_BYTES
        ),
        "span_id is not 8 bytes or all zero": ~valid_ids(spans.field("span_id"), _SPAN_ID_BYTES),
        # Delta has no unsigned 64-bit integers; these are times after the year 2262.
        "time is above 2^63-1 ns": (numbers(spans.field("start_time_unix_nano")) < 0)
        | (numbers(spans.field("end_time_unix_nano")) < 0),
    }
    return {reason: mask for reason, mask in masks.items() if mask.any()}


def decode(
    payloads: Sequence[bytes],
    batch_ids: Sequence[bytes],
    times_unix_nano: Sequence[int],
    max_attributes: int,
) -> tuple[pa.Table, Counter[str]]:
    """Read whole trace requests as rows of the spans table.

    Args:
        payloads: n requests.
        batch_ids: their content hashes.
        times_unix_nano: when each was received.
        max_attributes: attributes kept on one span.

    Returns:
        The rows, in the senders' order, and how many values were repaired or dropped, by reason.

    Raises:
        BadRequest: one of them is not a trace request.
        SeveralKindsError: a value is set twice in a way that only upb tells apart.
    """
    warnings: Counter[str] = Counter()
    read = wire.read(wire.handler(ExportTraceServiceRequest.DESCRIPTOR), payloads)
    levels = take_apart(read, "spans", "spans")
    invalid = _invalid(levels.items)
    if invalid:
        bad = np.logical_or.reduce(list(invalid.values()))
        warnings["rejected_spans"] += int(bad.sum())
        levels = levels.keep(~bad)
    columns, batch = levels.shared_columns(batch_ids, times_unix_nano, warnings)
    columns |= _own_columns(levels.items, max_attributes, warnings)
    columns["date"] = partition_dates(
        numbers(columns["start_time_unix_nano"]), batch.times_of_rows(), warnings
    )
    arrays = [columns[name] for name in SPANS.arrow_schema.names]
    return pa.Table.from_arrays(arrays, schema=SPANS.arrow_schema), warnings


def _own_columns(
    spans: pa.StructArray, max_attributes: int, warnings: Counter[str]
) -> dict[str, pa.Array]:
    """Give the columns that come of the span alone."""
    start, end = (numbers(spans.field(f"{which}_time_unix_nano")) for which in ("start", "end"))
    warnings["clock_errors"] += int((end < start).sum())
    attributes = Attributes(spans.field("attributes"), max_attributes)
    weight, known = weights(spans.field("trace_state"))
    status = spans.field("status")
    parents = valid_ids(spans.field("parent_span_id"), _SPAN_ID_BYTES)
    present = pc.greater(pc.binary_length(spans.field("parent_span_id")), 0)
    bad_parents = present.to_numpy(zero_copy_only=False) & ~parents
    warnings["bad_parent_span_ids"] += int(bad_parents.sum())
    every = np.ones(len(spans), dtype=bool)
    events, owners = flatten(spans.field("events"))
    of_events = Attributes(events.field("attributes"))
    columns = {
        "trace_id": hex_ids(spans.field("trace_id"), _TRACE_ID_BYTES, every),
        "span_id": hex_ids(spans.field("span_id"), _SPAN_ID_BYTES, every),
        "parent_span_id": hex_ids(spans.field("parent_span_id"), _SPAN_ID_BYTES, parents),
        "trace_state": null_if_empty(spans.field("trace_state")),
        "flags": null_if_zero(spans.field("flags")),
        "name": spans.field("name"),
        "kind": spans.field("kind").cast(pa.int32()),
        "start_time_unix_nano": pa.array(start),
        "end_time_unix_nano": pa.array(end),
        "duration_nano": pa.array(end - start),
        "status_code": pc.fill_null(_inside(status, "code"), 0).cast(pa.int32()),
        "status_message": null_if_empty(_inside(status, "message")),
        "attributes": attributes.to_map(),
        "events": _as_lists(spans.field("events"), _events(events, of_events, warnings)),
        "links": _links(spans.field("links"), warnings),
        # What the sender dropped, and what we cut.
        "dropped_attributes_count": pa.array(
            numbers(spans.field("dropped_attributes_count")) + attributes.dropped
        ),
        "dropped_events_count": pa.array(numbers(spans.field("dropped_events_count"))),
        "dropped_links_count": pa.array(numbers(spans.field("dropped_links_count"))),
        "sampling_weight": pa.array(weight),
        "sampling_known": pa.array(known),
    }
    exceptions = _exception_types(events, of_events, owners, len(spans))
    source = Spans(attributes, columns["kind"], exceptions)
    columns |= {column.name: promote(column, source) for column in PROMOTED_COLUMNS}
    warnings.update(attributes.warnings)
    warnings.update(of_events.warnings)
    return columns


def _inside(struct: pa.StructArray, name: str) -> pa.Array:
    """Give a field of a struct, NULL also where the struct is."""
    child = struct.field(name)
    return (
        child
        if not struct.null_count
        else pc.if_else(struct.is_valid(), child, pa.scalar(None, child.type))
    )


def _events(events: pa.StructArray, attributes: Attributes, warnings: Counter[str]) -> pa.Array:
    """Give span events as the schema has them; a time that BIGINT cannot hold is NULL."""
    times = numbers(events.field("time_unix_nano"))
    warnings["event_times_above_limit"] += int((times < 0).sum())
    arrays = [
        pa.array(times, mask=times < 0),
        events.field("name"),
        attributes.to_map(),
        pa.array(numbers(events.field("dropped_attributes_count"))),
    ]
    fields = SPANS.column("events").type.value_type
    return pa.StructArray.from_arrays(arrays, fields=list(fields))


def _links(lists: pa.ListArray, warnings: Counter[str]) -> pa.Array:
    """Give span links as the schema has them."""
    links, _ = flatten(lists)
    attributes = Attributes(links.field("attributes"))
    fields = SPANS.column("links").type.value_type
    traces, spans = links.field("trace_id"), links.field("span_id")
    arrays = [
        hex_ids(traces, _TRACE_ID_BYTES, valid_ids(traces, _TRACE_ID_BYTES)),
        hex_ids(spans, _SPAN_ID_BYTES, valid_ids(spans, _SPAN_ID_BYTES)),
        null_if_empty(links.field("trace_state")),
        attributes.to_map(),
        null_if_zero(links.field("flags")),
        pa.array(numbers(links.field("dropped_attributes_count"))),
    ]
    warnings.update(attributes.warnings)
    return _as_lists(lists, pa.StructArray.from_arrays(arrays, fields=list(fields)))


def _as_lists(like: pa.ListArray, elements: pa.Array) -> pa.ListArray:
    """Put new elements into the places of a list column's old ones."""
    starts = np.frombuffer(like.buffers()[1], dtype=np.int32)[like.offset :][: len(like) + 1]
    return pa.ListArray.from_arrays(pa.array(starts - starts[0]), elements)


def _exception_types(
    events: pa.StructArray, attributes: Attributes, owners: Ints, count: int
) -> pa.Array:
    """Give each span the exception.type of its last exception event, NULL without one."""
    if len(events) == 0:
        return pa.nulls(count, pa.string())
    rows = np.full(count, -1, dtype=np.int64)
    exceptions = pc.equal(events.field("name"), "exception").to_numpy(zero_copy_only=False)
    rows[owners[exceptions]] = np.flatnonzero(exceptions)
    return take_rows(attributes.text("exception.type"), rows)
