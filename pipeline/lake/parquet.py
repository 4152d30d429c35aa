"""Parquet files of a lake: how rows become files, with footers, bloom filters and statistics."""

import contextlib
import datetime
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

import pipeline
from pipeline.lake.lake import disk_errors, sync_file, sync_folder
from pipeline.lake.statistics import FileStatistics
from pipeline.schema import SCHEMA_VERSION, Table

SEMCONV_URL = "https://opentelemetry.io/schemas/1.37.0"

_ROW_GROUP_ROWS = 131_072

# For as many distinct ids as a row group has rows. Left to itself PyArrow plans for a million and
# folds the filter afterwards: 0.9 GiB more memory on 2 million rows.
_BLOOM = {"ndv": _ROW_GROUP_ROWS, "fpp": 0.05}

# Random bytes: a dictionary of them is larger than they are.
_INCOMPRESSIBLE = ("trace_id", "span_id", "parent_span_id")


@dataclass(frozen=True)
class Effort:
    """How much a file is worth.

    Attributes:
        codec: the compression.
        level: its level; None where it has none.
        bloom: whether to write the table's bloom filters.
    """

    codec: str
    level: int | None
    bloom: bool


# Landed files are small and soon compacted. Level 1 and no bloom filters write a third faster than
# level 3 with them; snappy saves a third of that time and loses it again to twice the bytes.
LANDING = Effort("zstd", 1, bloom=False)
COMPACTION = Effort("zstd", 3, bloom=True)


class TableWriter:
    """Writes rows as Parquet, one file a partition, part by part, holding none of them.

    Attributes:
        actions: once it is done, what adds the files to the table.
        rows: how many were written.

    >>> import tempfile
    >>> from pipeline.schema import BASELINES
    >>> with TableWriter(Path(tempfile.mkdtemp()), BASELINES, LANDING) as writer:
    ...     writer.write(BASELINES.arrow_schema.empty_table())
    >>> writer.actions
    []
    """

    def __init__(
        self, folder: Path, table: Table, effort: Effort, data_change: bool = True
    ) -> None:
        """Begin.

        Args:
            folder: the table's folder.
            table: the table; parts have its whole Arrow schema.
            effort: compression and filters.
            data_change: False when the files hold old rows anew (compaction).
        """
        self._folder = folder
        self._table = table
        self._effort = effort
        self._data_change = data_change
        self._files: dict[datetime.date | None, _File] = {}
        self.actions: list[AddAction] = []
        self.rows = 0

    def __enter__(self) -> "TableWriter":
        """Give the writer itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the files and sync them and their folders; on an error take them away."""
        if kind is not None:
            self._take_away()
            return
        try:
            with disk_errors(self._folder):
                self.actions = [file.finish(self._data_change) for file in self._files.values()]
                if self._files:
                    sync_folder(self._folder)
        except BaseException:
            self._take_away()
            raise

    def _take_away(self) -> None:
        """Leave no file behind: on a full disk it would stand in the way of the next try."""
        for file in self._files.values():
            file.abandon()

    def write(self, rows: pa.Table) -> None:
        """Write a part, in the order its rows have.

        Raises:
            LakeUnavailable: no space left, read-only or forbidden.
        """
        self.rows += rows.num_rows
        with disk_errors(self._folder):
            for date, part in _by_date(self._table, rows):
                if date not in self._files:
                    self._files[date] = _File(self._folder, self._table, date, self._effort)
                self._files[date].write(part)

    def write_batches(self, reader: pa.RecordBatchReader) -> None:
        """Write what a reader gives, as many of its batches at a time as make a row group."""
        waiting: list[pa.RecordBatch] = []
        count = 0
        for batch in reader:
            waiting.append(batch)
            count += batch.num_rows
            if count >= _ROW_GROUP_ROWS:
                self._write_batches(waiting)
                waiting, count = [], 0
        if waiting:
            self._write_batches(waiting)

    def _write_batches(self, batches: list[pa.RecordBatch]) -> None:
        rows = pa.Table.from_batches(batches)
        self.write(rows.select(self._table.arrow_schema.names).cast(self._table.arrow_schema))

    def abandon(self) -> None:
        """Take finished files away that were not committed after all."""
        for action in self.actions:
            (self._folder / action.path).unlink(missing_ok=True)


class _File:
    """One Parquet file of one partition, being written."""

    def __init__(
        self, folder: Path, table: Table, date: datetime.date | None, effort: Effort
    ) -> None:
        self._table = table
        self._partition_values = partition_values(date)
        self._folder = folder
        self._partition = folder / f"date={date.isoformat()}" if date else folder
        self._partition.mkdir(parents=True, exist_ok=True)
        self._path = self._partition / f"part-{uuid.uuid4().hex}.parquet"
        self._statistics = FileStatistics(table)
        try:
            options = _options(table, effort)
            self._writer = pq.ParquetWriter(self._path, table.file_schema, **options)
        except OSError:
            self._path.unlink(missing_ok=True)
            raise
        self._writer.add_key_value_metadata(_footer(table))

    def write(self, part: pa.Table) -> None:
        """Write a part."""
        part = part.select(self._table.file_schema.names).cast(self._table.file_schema)
        self._statistics.add(part)
        self._writer.write_table(part, row_group_size=_ROW_GROUP_ROWS)

    def finish(self, data_change: bool) -> AddAction:
        """Close and sync the file, and give what to commit."""
        self._writer.close()
        sync_file(self._path)
        sync_folder(self._partition)
        return AddAction(
            path=str(self._path.relative_to(self._folder)),
            size=self._path.stat().st_size,
            partition_values=self._partition_values,
            modification_time=int(time.time() * 1000),
            data_change=data_change,
            stats=self._statistics.to_json(),
        )

    def abandon(self) -> None:
        """Take the file away; what could not be closed for want of space is gone as well."""
        with contextlib.suppress(OSError):
            self._writer.close()
        self._path.unlink(missing_ok=True)


def partition_values(date: datetime.date | None) -> dict[str, str | None]:
    """Give Delta's form of a partition; a table without partitions has none."""
    return {"date": date.isoformat()} if date else {}


def _by_date(table: Table, rows: pa.Table) -> list[tuple[datetime.date | None, pa.Table]]:
    """Split rows by their partition, keeping their order within each."""
    if rows.num_rows == 0:
        return []
    if not table.partition_by:
        return [(None, rows)]
    days = rows["date"].combine_chunks().cast(pa.int32()).to_numpy()
    distinct = np.unique(days)
    epoch = datetime.date(1970, 1, 1)
    if len(distinct) == 1:
        return [(epoch + datetime.timedelta(days=int(distinct[0])), rows)]
    return [
        (epoch + datetime.timedelta(days=int(day)), rows.take(np.flatnonzero(days == day)))
        for day in distinct
    ]


def _footer(table: Table) -> dict[str, str]:
    """Give the keys that say in the file itself what it is."""
    return {
        "tailgate.schema_version": str(SCHEMA_VERSION),
        "tailgate.table": table.name,
        "tailgate.producer": f"tailgate {pipeline.__version__}",
        "tailgate.semconv": SEMCONV_URL,
    }


def _options(table: Table, effort: Effort) -> dict[str, Any]:
    """Choose encodings: deltas for rising integers, dictionaries for what repeats."""
    leaves = [leaf for field in table.file_schema for leaf in _leaves(field)]
    deltas = {c.name: "DELTA_BINARY_PACKED" for c in table.columns if c.unit in ("ns", "min", "h")}
    deltas = {k: v for k, v in deltas.items() if table.column(k).type == pa.int64()}
    plain = (*deltas, *_INCOMPRESSIBLE)
    return {
        "compression": effort.codec,
        "compression_level": effort.level,
        "use_dictionary": [leaf for leaf in leaves if leaf not in plain],
        "column_encoding": deltas or None,
        "bloom_filter_options": (dict.fromkeys(table.bloom, _BLOOM) or None)
        if effort.bloom
        else None,
        "write_statistics": list(table.statistics),
        "store_schema": False,
    }


def _leaves(field: pa.Field, prefix: str = "") -> list[str]:
    """Give the Parquet paths of a field's leaf columns."""
    path = prefix + field.name
    if pa.types.is_map(field.type):
        return [f"{path}.key_value.key", f"{path}.key_value.value"]
    if pa.types.is_list(field.type):
        return _leaves(field.type.value_field.with_name("element"), f"{path}.list.")
    if pa.types.is_struct(field.type):
        return [leaf for child in field.type for leaf in _leaves(child, f"{path}.")]
    return [path]
