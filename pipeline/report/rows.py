"""Rows of any shape, as a table, JSON, CSV, Parquet or an Arrow stream."""

import csv
import io
import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

Batches = Iterable[pa.RecordBatch]
Writer = Callable[[pa.Schema, Batches, BinaryIO], None]


def write_json(schema: pa.Schema, batches: Batches, out: BinaryIO) -> None:
    """Write a JSON array of objects, one a line; NaN and infinities are null."""
    separator = b"[\n"
    for row in _rows(schema, batches):
        text = json.dumps(_finite(row), ensure_ascii=False, separators=(",", ":"))
        out.write(separator + text.encode())
        separator = b",\n"
    out.write(b"\n]\n" if separator == b",\n" else b"[]\n")


def write_csv(schema: pa.Schema, batches: Batches, out: BinaryIO) -> None:
    """Write CSV with a header; NULL is empty, lists and maps are JSON."""
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(schema.names)
    for row in _rows(schema, batches):
        writer.writerow(cell_text(value, null="") for value in row.values())
    text.detach()


def write_parquet(schema: pa.Schema, batches: Batches, out: BinaryIO) -> None:
    """Write one zstd Parquet file."""
    with pq.ParquetWriter(pa.PythonFile(out, mode="w"), schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)


def write_arrow(schema: pa.Schema, batches: Batches, out: BinaryIO) -> None:
    """Write an Arrow IPC stream."""
    with pa.ipc.new_stream(pa.PythonFile(out, mode="w"), schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


WRITERS: dict[str, Writer] = {
    "json": write_json,
    "csv": write_csv,
    "parquet": write_parquet,
    "arrow": write_arrow,
}


def first_rows(
    schema: pa.Schema, batches: Batches, most: int
) -> tuple[list[list[str]], list[bool], bool]:
    """Take the first rows for a table that a person reads.

    Args:
        schema: names and types.
        batches: the rows.
        most: how many rows to take.

    Returns:
        The cells as text, for each column whether it holds numbers, and whether there are more.
    """
    taken = list(itertools.islice(_rows(schema, batches), most + 1))
    cells = [[cell_text(value, null="NULL") for value in row.values()] for row in taken[:most]]
    return cells, [_is_number(field.type) for field in schema], len(taken) > most


def cell_text(value: Any, null: str) -> str:
    """Write one value as text.

    >>> [cell_text(value, "") for value in (None, True, 2.5, {"a": [1]})]
    ['', 'true', '2.5', '{"a":[1]}']
    """
    if value is None:
        return null
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"))
    return str(value)


def align(names: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[bool]) -> str:
    """Lay cells out in plain columns, two blanks apart, numbers to the right.

    >>> print(align(["name", "n"], [["a", "10"], ["bc", "5"]], [False, True]))
    name   n
    a     10
    bc     5
    """
    lines = [list(names), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(names))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, numbers, strict=True)
        ).rstrip()
        for line in lines
    )


def _rows(schema: pa.Schema, batches: Batches) -> Iterator[dict[str, Any]]:
    """Give rows as dictionaries of what JSON can hold, a batch at a time."""
    # Two columns may have one name: positions keep them apart.
    positions = [str(index) for index in range(len(schema))]
    targets = [_plain(field.type) for field in schema]
    for batch in batches:
        columns = [
            column if column.type == target else column.cast(target)
            for column, target in zip(batch.columns, targets, strict=True)
        ]
        plain = pa.RecordBatch.from_arrays(columns, names=positions)
        for row in plain.to_pylist(maps_as_pydicts="lossy"):
            yield dict(zip(_distinct(schema.names), row.values(), strict=True))


def _distinct(names: Sequence[str]) -> list[str]:
    """Tell columns of one name apart: the second becomes name_1."""
    seen: dict[str, int] = {}
    chosen = []
    for name in names:
        count = seen.get(name, 0)
        seen[name] = count + 1
        chosen.append(f"{name}_{count}" if count else name)
    return chosen


def _plain(data_type: pa.DataType) -> pa.DataType:
    """Give the type that a value is written as: times and large decimals as text or numbers."""
    if pa.types.is_map(data_type):
        return pa.map_(_plain(data_type.key_type), _plain(data_type.item_type))
    if pa.types.is_list(data_type):
        return pa.list_(_plain(data_type.value_type))
    if pa.types.is_struct(data_type):
        return pa.struct([pa.field(field.name, _plain(field.type)) for field in data_type])
    if pa.types.is_decimal(data_type):
        # Sums of BIGINT are decimals of 38 digits without a fraction.
        return data_type
    if pa.types.is_temporal(data_type) and not pa.types.is_interval(data_type):
        return pa.string()
    return data_type


def _is_number(data_type: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(data_type)
        or pa.types.is_floating(data_type)
        or pa.types.is_decimal(data_type)
    )


def _finite(value: Any) -> Any:
    """Make a value one that JSON has: no NaN, no infinity, decimals as numbers, bytes as hex."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, str | int):
        return value
    whole = value == value.to_integral_value() if hasattr(value, "to_integral_value") else False
    return int(value) if whole else (float(value) if hasattr(value, "as_tuple") else str(value))
