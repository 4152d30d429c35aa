"""Compaction: many small files of a day become few, sorted; readers and writers go on meanwhile.

One commit swaps the files, marked as no change of data, so nothing is counted twice. A crash before
it leaves new files that no log names, which vacuum takes; after it the old files stay on the disk
until vacuum for those who still read them.
"""

import datetime
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from pipeline.lake.catalog import define_table, session
from pipeline.lake.commit import commit, removals
from pipeline.lake.lake import Lake, scratch_folder
from pipeline.lake.parquet import COMPACTION, TableWriter
from pipeline.lake.snapshot import DataFile, take_snapshot
from pipeline.schema import Table

# What one swap sorts at most. A landed span takes about 60 bytes in Parquet and 1 KiB in memory;
# beyond the memory limit below DuckDB sorts on disk.
_MOST_BYTES_A_SWAP = 128 << 20
_MOST_ROWS_A_SWAP = 8_000_000
_MOST_FILES_A_SWAP = 512
_MEMORY_BYTES = 1 << 30
_BATCH_ROWS = 131_072


@dataclass(frozen=True)
class Compacted:
    """What compaction did to a table.

    Attributes:
        files_before: how many files it took away.
        files_after: how many it put in their place.
        bytes_before, bytes_after: their sizes.
    """

    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0

    def __add__(self, other: "Compacted") -> "Compacted":
        return Compacted(
            self.files_before + other.files_before,
            self.files_after + other.files_after,
            self.bytes_before + other.bytes_before,
            self.bytes_after + other.bytes_after,
        )


def compact(
    lake: Lake,
    table: Table,
    target_bytes: int,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    threads: int | None = None,
    fewest_files: int = 2,
) -> Compacted:
    """Merge a table's small files, day by day, sorted by the table's order.

    Rows of rollups with equal keys are added up on the way.

    Args:
        lake: the lake.
        table: the table.
        target_bytes: files of at least this size are left alone.
        on_progress: called after each swap with bytes done and bytes in all.
        threads: how many may sort; None leaves DuckDB's choice.
        fewest_files: fewer small files of a day than this are left as they are.

    Returns:
        What was done. A swap lost to another compaction counts for nothing.

    Raises:
        LakeUnavailable: no space left, read-only or forbidden; the table is as it was.
    """
    snapshot = take_snapshot(lake, table)
    groups = [
        group for group in _groups(snapshot.files, target_bytes) if len(group) >= fewest_files
    ]
    total = sum(file.size_bytes for group in groups for file in group)
    done = 0
    result = Compacted()
    for group in groups:
        result += _swap(lake, table, group, threads)
        done += sum(file.size_bytes for file in group)
        on_progress(done, total)
    return result


def _groups(files: Sequence[DataFile], target_bytes: int) -> Iterator[list[DataFile]]:
    """Choose files to be merged: small ones of one day, in time order, a bounded size at once."""
    small = sorted(
        (file for file in files if file.size_bytes < target_bytes),
        key=lambda file: (file.date or datetime.date.min, file.time_min or 0, file.path),
    )
    for _, day in groupby(small, key=lambda file: file.date):
        group: list[DataFile] = []
        for file in day:
            if group and _full([*group, file], target_bytes):
                yield group
                group = []
            group.append(file)
        yield group


def _full(group: Sequence[DataFile], target_bytes: int) -> bool:
    """Tell whether a group is more than one swap should sort."""
    return (
        sum(file.size_bytes for file in group) > max(_MOST_BYTES_A_SWAP, target_bytes)
        or sum(file.rows for file in group) > _MOST_ROWS_A_SWAP
        or len(group) > _MOST_FILES_A_SWAP
    )


def _swap(lake: Lake, table: Table, group: Sequence[DataFile], threads: int | None) -> Compacted:
    """Write a group of files anew as one and commit the exchange."""
    writer = TableWriter(lake.folder(table), table, COMPACTION, data_change=False)
    with scratch_folder(lake) as scratch, session(threads, _MEMORY_BYTES, scratch) as connection:
        define_table(connection, table, [file.path for file in group])
        reader = connection.sql(_sorted_rows(table)).to_arrow_reader(_BATCH_ROWS)
        with writer:
            writer.write_batches(reader)
    removed = removals(lake, table, group, data_change=False)
    if commit(lake, table, [*writer.actions, *removed]) is None:
        writer.abandon()
        return Compacted()
    return Compacted(
        files_before=len(group),
        files_after=len(writer.actions),
        bytes_before=sum(file.size_bytes for file in group),
        bytes_after=sum(action.size for action in writer.actions),
    )


def _sorted_rows(table: Table) -> str:
    """Give the statement that reads a table's rows in its order, equal keys of rollups added up."""
    names = [column.name for column in table.columns]
    order = ", ".join(f'"{name}"' for name in table.sort_by)
    if table.distinct_by:
        same = ", ".join(f'"{name}"' for name in table.distinct_by)
        return f'SELECT DISTINCT ON ({same}) * FROM "{table.name}" ORDER BY {order}'  # noqa: S608
    if not table.merge_by:
        return f'SELECT * FROM "{table.name}" ORDER BY {order}'  # noqa: S608  (names of ours)
    keys = [*table.merge_by, *table.partition_by]
    chosen = ", ".join(
        f'"{name}"' if name in keys else f'{_merged(name)}("{name}") AS "{name}"' for name in names
    )
    groups = ", ".join(f'"{name}"' for name in keys)
    # Sums of doubles depend on their order; a fixed order makes the file's bytes repeatable.
    return f'SELECT {chosen} FROM "{table.name}" GROUP BY {groups} ORDER BY {order}'  # noqa: S608


def _merged(name: str) -> str:
    """Give the aggregate that merges a column of a rollup."""
    if name.endswith("_min_nano"):
        return "min"
    return "max" if name.endswith("_max_nano") else "sum"
