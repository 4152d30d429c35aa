"""Columns that rows of an imported file share: resource, scope, source and day."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from collectors.collector import Reading
from collectors.frames_and_stacks import Ints
from collectors.otlp.screening import REDACTED
from collectors.otlp.times import partition_dates
from pipeline.schema import ATTRIBUTES, Table
from pipeline.schema.common import RESOURCE_COLUMNS, UNKNOWN_SERVICE

# What a table's column is where a format says nothing of it.
_DEFAULTS: dict[str, object] = {
    "is_cumulative": False,
    "high_inclusive": True,
    "status": "ok",
    "labels": [],
    "keys": [],
    "fields": [],
    "attributes": [],
}


def complete(
    table: Table,
    own: Mapping[str, pa.Array],
    reading: Reading,
    resource: Mapping[str, str],
    warnings: Counter[str],
) -> pa.Table:
    """Make a table's rows of the columns that a format gives.

    Args:
        table: which.
        own: its columns as far as the format has them, each n long; ``time_unix_nano`` among them.
            Maps of the schema lose the values that are redacted.
        reading: how the file is read.
        resource: attributes of whose it is (see ``Origin.resource``).
        warnings: gains times that are absent or cannot be true.

    Returns:
        n rows with the table's whole Arrow schema; absent columns are NULL, or false, "ok" and
        empty where they must not be.
    """
    times = np.asarray(own["time_unix_nano"].to_numpy(zero_copy_only=False), dtype=np.int64)
    count = len(times)
    received: Ints = np.full(count, reading.received_unix_nano, dtype=np.int64)
    columns = resource_columns(resource, count, reading.redact) | dict(own)
    columns["date"] = partition_dates(times, received, warnings)
    columns["ingest_time_unix_nano"] = pa.array(received)
    columns["ingest_batch_id"] = _repeated(pa.scalar(reading.sha256[:32], pa.string()), count)
    columns["source_file"] = _repeated(pa.scalar(reading.file, pa.string()), count)
    arrays = []
    for field in table.arrow_schema:
        column = columns.get(field.name)
        if column is None:
            default = _DEFAULTS.get(field.name) if not field.nullable else None
            column = _repeated(pa.scalar(default, field.type), count)
        if reading.redact and field.type == ATTRIBUTES and field.name in own:
            column = _redacted(column, reading.redact)
        arrays.append(column if column.type == field.type else column.cast(field.type))
    return pa.Table.from_arrays(arrays, schema=table.arrow_schema)


def _repeated(value: pa.Scalar, count: int) -> pa.Array:
    """Give one value so many times."""
    if not count:
        return pa.array([], value.type)
    if value.type == ATTRIBUTES and value.is_valid and not value.as_py():
        # As pa.repeat would, in a hundredth of the time.
        offsets = pa.array(np.zeros(count + 1, dtype=np.int32))
        return pa.MapArray.from_arrays(
            offsets, pa.array([], pa.string()), pa.array([], pa.string())
        )
    return pa.repeat(value, count) if value.is_valid else pa.nulls(count, value.type)


def _redacted(maps: pa.Array, keys: tuple[str, ...]) -> pa.Array:
    """Replace the values of some keys."""
    if isinstance(maps, pa.ChunkedArray):
        maps = maps.combine_chunks()
    hidden = set(keys)
    rows = [
        None if row is None else [(key, REDACTED if key in hidden else value) for key, value in row]
        for row in maps.to_pylist()
    ]
    return pa.array(rows, ATTRIBUTES)


def resource_columns(
    attributes: Mapping[str, str], count: int, redact: tuple[str, ...] = ()
) -> dict[str, pa.Array]:
    """Give the columns of the resource for so many rows.

    Args:
        attributes: of the resource.
        count: rows.
        redact: keys whose values are replaced.

    >>> resource_columns({"service.name": "shop"}, 2)["service_name"].to_pylist()
    ['shop', 'shop']
    """
    kept = {key: REDACTED if key in redact else value for key, value in attributes.items()}
    columns = {}
    for column in RESOURCE_COLUMNS:
        if not column.sources:
            continue
        found = next((kept[key] for key in column.sources if kept.get(key)), None)
        if column.name == "service_name":
            found = found or UNKNOWN_SERVICE
        if column.name == "service_instance_id" and found is None:
            host, pid = kept.get("host.name"), kept.get("process.pid")
            found = f"{host}/{pid}" if host and pid else None
        columns[column.name] = pa.array([found], pa.string())
    columns["resource_attributes"] = pa.array([list(kept.items())], ATTRIBUTES)
    places = pa.array([0] * count, pa.int32())
    return {name: value.take(places) for name, value in columns.items()}
