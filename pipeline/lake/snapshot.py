"""A fixed version of a table: which files it has and what is known of each."""

import datetime
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.errors import LakeError
from pipeline.lake.lake import Lake, open_table
from pipeline.schema import Table


@dataclass(frozen=True)
class DataFile:
    """One Parquet file of a table.

    Attributes:
        path: where it is.
        rows: how many rows it has.
        size_bytes: its size.
        date: the day of its partition, UTC; None in a table without partitions.
        time_min, time_max: range of the table's time column, in its unit; None if unknown.
        written_unix_milli: when it was written.
    """

    path: Path
    rows: int
    size_bytes: int
    date: datetime.date | None
    time_min: int | None
    time_max: int | None
    written_unix_milli: int


@dataclass(frozen=True)
class Snapshot:
    """A table as of one version; later commits do not change it.

    Attributes:
        table: the table.
        version: its Delta version; -1 for a table that was never made.
        files: its files, ordered by path.
    """

    table: Table
    version: int
    files: tuple[DataFile, ...]

    @property
    def rows(self) -> int:
        """Give the number of rows."""
        return sum(file.rows for file in self.files)

    def between(self, since_unix_nano: int, until_unix_nano: int) -> tuple[DataFile, ...]:
        """Give the files that may hold rows with since <= time < until, in nanoseconds."""
        unit = self.table.time_unit_nano
        first, last = since_unix_nano // unit, -(-until_unix_nano // unit)
        return tuple(
            file
            for file in self.files
            if file.time_min is None
            or file.time_max is None
            or (file.time_max >= first and file.time_min < last)
        )


def take_snapshot(lake: Lake, table: Table, version: int | None = None) -> Snapshot:
    """Fix a version of a table.

    Args:
        lake: the lake.
        table: the table.
        version: the Delta version; None takes the latest.

    Returns:
        The snapshot; without files for a table that was never made.

    Raises:
        LakeError: the log cannot be read, or has no such version.
    """
    opened = open_table(lake, table, version)
    if opened is None:
        return Snapshot(table, -1, ())
    actions = pa.table(opened.get_add_actions(flatten=True))
    rows = actions.to_pylist()
    files = sorted((_data_file(lake, table, row) for row in rows), key=lambda file: file.path)
    return Snapshot(table, opened.version(), tuple(files))


def _data_file(lake: Lake, table: Table, row: dict[str, Any]) -> DataFile:
    """Read one add action."""
    return DataFile(
        path=lake.folder(table) / row["path"],
        rows=row["num_records"],
        size_bytes=row["size_bytes"],
        date=row.get("partition.date"),
        time_min=row.get(f"min.{table.time_column}"),
        time_max=row.get(f"max.{table.time_column}"),
        written_unix_milli=row["modification_time"],
    )


@dataclass(frozen=True)
class Change:
    """What one version added as new data; rewrites of old rows do not count.

    Attributes:
        version: the Delta version.
        files: the files it added.
        rows: how many rows they have.
    """

    version: int
    files: tuple[Path, ...]
    rows: int


def changes_since(lake: Lake, table: Table, version: int, limit: int = 1 << 62) -> Iterator[Change]:
    """Give the versions after one, oldest first, each with the data files it added.

    Compaction marks its files as no change of data, so their rows are not told twice.

    Args:
        lake: the lake.
        table: the table.
        version: the last version already seen; -1 for none.
        limit: the last version wanted.

    Yields:
        One Change a version, also for versions that added nothing.

    Raises:
        LakeError: an entry of the log is gone, so that what it added cannot be known.
    """
    for entry in log_entries(lake, table, version, limit):
        added = [
            action["add"]
            for action in entry.actions
            if "add" in action and action["add"]["dataChange"]
        ]
        rows = sum(json.loads(add["stats"])["numRecords"] for add in added)
        files = tuple(lake.folder(table) / add["path"] for add in added)
        yield Change(entry.version, files, rows)


@dataclass(frozen=True)
class LogEntry:
    """One version as the log has it.

    Attributes:
        version: the Delta version.
        actions: what the version does, as the Delta protocol writes it.
    """

    version: int
    actions: tuple[dict[str, Any], ...]


def log_entries(lake: Lake, table: Table, version: int, limit: int) -> Iterator[LogEntry]:
    """Give the log's entries after a version, oldest first.

    Raises:
        LakeError: one is gone.
    """
    log = lake.folder(table) / "_delta_log"
    latest = open_table(lake, table)
    last = -1 if latest is None else min(latest.version(), limit)
    for number in range(version + 1, last + 1):
        entry = log / f"{number:020d}.json"
        try:
            lines = entry.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            raise LakeError(
                f"{entry}: gone, so what it added is unknown; count anew: tailgate rollup --rebuild"
            ) from None
        yield LogEntry(number, tuple(map(json.loads, lines)))
