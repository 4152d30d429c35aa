"""Compaction: many small files of a day become few, sorted; readers and writers go on meanwhile.

One commit swaps the files, marked as no change of data, so nothing is counted twice. A crash before
it leaves new files that no log names, which vacuum takes; after it the old files stay on the disk
until vacuum for those who still read them.

Rows that a sender sent again, batched anew, are left out where they meet in one swap. The commit
names the days: what counted those rows must count the days again (see ``repeats_since``).
"""

import datetime
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from pipeline.lake.catalog import define_table, session
from pipeline.lake.commit import Application, application_sequence, commit, removals
from pipeline.lake.lake import Lake, scratch_folder
from pipeline.lake.parquet import COMPACTION, TableWriter
from pipeline.lake.snapshot import DataFile, log_entries, take_snapshot
from pipeline.schema import Table

# What one swap sorts at most. A landed span takes about 60 bytes in Parquet and 1 KiB in memory;
# beyond the memory limit below DuckDB sorts on disk.
_MOST_BYTES_A_SWAP = 128 << 20
_MOST_ROWS_A_SWAP = 2_000_000
_MOST_FILES_A_SWAP = 512
_MEMORY_BYTES = 384 << 20
# A row group divides by it. In batches of whole row groups DuckDB holds 300 MiB more.
_BATCH_ROWS = 16_384

# Files that there must be for a merge.
_PAIR = 2

# Names compaction as the writer of commits that leave rows out; the key under which they say where.
_REPEATS = "compaction:repeats"
_REPEATS_KEY = "tailgate.repeats_left_out"


@dataclass(frozen=True)
class Compacted:
    """What compaction did to a table.

    Attributes:
        files_before: how many files it took away.
        files_after: how many it put in their place.
        bytes_before, bytes_after: their sizes.
        repeats: rows that were left out, as they stood there before.
    """

    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    repeats: int = 0

    def __add__(self, other: "Compacted") -> "Compacted":
        return Compacted(
            self.files_before + other.files_before,
            self.files_after + other.files_after,
            self.bytes_before + other.bytes_before,
            self.bytes_after + other.bytes_after,
            self.repeats + other.repeats,
        )


def compact(
    lake: Lake,
    table: Table,
    target_bytes: int,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    threads: int | None = None,
    fewest_files: int = _PAIR,
    whole_since: datetime.date = datetime.date.min,
) -> Compacted:
    """Merge a table's small files, day by day, sorted by the table's order.

    Rows of rollups with equal keys are added up on the way, and rows that were sent again are left
    out.

    Args:
        lake: the lake.
        table: the table.
        target_bytes: files of at least this size are left alone.
        on_progress: called after each swap with bytes done and bytes in all.
        threads: how many may sort; None leaves DuckDB's choice.
        fewest_files: fewer small files of a day than this are left as they are.
        whole_since: the first day of which retention has taken nothing. Rows sent again stay in
            those before it, as such a day cannot be counted again.

    Returns:
        What was done. A swap lost to another compaction counts for nothing.

    Raises:
        LakeUnavailable: no space left, read-only or forbidden; the table is as it was.
    """
    snapshot = take_snapshot(lake, table)
    # A lone file may hold what was sent again too.
    fewest = 1 if table.repeat_by and fewest_files <= _PAIR else fewest_files
    groups = [group for group in _groups(snapshot.files, target_bytes) if len(group) >= fewest]
    total = sum(file.size_bytes for group in groups for file in group)
    done = 0
    result = Compacted()
    for group in groups:
        day = group[0].date
        may_drop = bool(table.repeat_by) and day is not None and day >= whole_since
        result += _swap(lake, table, group, threads, may_drop)
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


def repeats_since(lake: Lake, table: Table, sequence: int) -> tuple[int, set[datetime.date]]:
    """Give the days out of which compaction took rows, after a place in the table's log.

    Args:
        lake: the lake.
        table: the table.
        sequence: what this gave before; -1 for the beginning.

    Returns:
        The place up to which that was looked at, and the days.

    Raises:
        LakeError: an entry of the log is gone.
    """
    reached = application_sequence(lake, table, _REPEATS)
    days: set[datetime.date] = set()
    if reached <= sequence:
        return sequence, days
    for entry in log_entries(lake, table, sequence, 1 << 62):
        told = (action.get("commitInfo", {}).get(_REPEATS_KEY) for action in entry.actions)
        for each in filter(None, told):
            days |= {datetime.date.fromisoformat(day) for day in json.loads(each)}
    return reached, days


def _swap(
    lake: Lake, table: Table, group: Sequence[DataFile], threads: int | None, may_drop: bool
) -> Compacted:
    """Write a group of files anew as one and commit the exchange."""
    writer = TableWriter(lake.folder(table), table, COMPACTION, data_change=False)
    with scratch_folder(lake) as scratch, session(threads, _MEMORY_BYTES, scratch) as connection:
        define_table(connection, table, [file.path for file in group])
        drops = may_drop and connection.sql(_has_repeats(table)).fetchone() == (True,)
        if not drops and len(group) < _PAIR:
            return Compacted()
        rows = _rows_once(table) if drops else _sorted_rows(table)
        reader = connection.sql(rows).to_arrow_reader(_BATCH_ROWS)
        with writer:
            writer.write_batches(reader)
    removed = removals(lake, table, group, data_change=False)
    application, metadata = None, {}
    if drops:
        # Below the version of this very commit, and above that of the one before it.
        application = Application(_REPEATS, take_snapshot(lake, table).version)
        metadata = {_REPEATS_KEY: json.dumps([str(group[0].date)])}
    if commit(lake, table, [*writer.actions, *removed], application, metadata) is None:
        writer.abandon()
        return Compacted()
    return Compacted(
        files_before=len(group),
        files_after=len(writer.actions),
        bytes_before=sum(file.size_bytes for file in group),
        bytes_after=sum(action.size for action in writer.actions),
        repeats=sum(file.rows for file in group) - writer.rows if drops else 0,
    )


def _has_repeats(table: Table) -> str:
    """Give the statement that tells whether any two rows are one. Equal hashes only cost time."""
    return f'SELECT count(*) > count(DISTINCT {_repeat_hash(table)}) FROM "{table.name}"'  # noqa: S608


def _rows_once(table: Table) -> str:
    """Give the statement that reads rows in the table's order, of those sent again the first."""
    keys = ", ".join(f'"{name}"' for name in table.repeat_by)
    order = ", ".join(f'"{name}"' for name in table.sort_by)
    # Only what occurs twice goes through the window, which holds whole rows in memory.
    return f"""
        WITH
          again AS (
            SELECT {_repeat_hash(table)} AS hash FROM "{table.name}"
            GROUP BY hash HAVING count(*) > 1
          )
        SELECT * FROM (
          SELECT * FROM "{table.name}" WHERE {_repeat_hash(table)} NOT IN (SELECT hash FROM again)
          UNION ALL
          SELECT * FROM "{table.name}" WHERE {_repeat_hash(table)} IN (SELECT hash FROM again)
          QUALIFY row_number() OVER (
            PARTITION BY {keys} ORDER BY ingest_time_unix_nano, ingest_batch_id
          ) = 1
        )
        ORDER BY {order}
    """  # noqa: S608  (names of ours)


def _repeat_hash(table: Table) -> str:
    keys = ", ".join(f'"{name}"' for name in table.repeat_by)
    return f"hash({keys})"


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
