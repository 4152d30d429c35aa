"""Retention and vacuum: what is too old leaves the table, what no reader needs leaves the disk."""

import datetime
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.lake.commit import commit, removals
from pipeline.lake.lake import Lake, disk_errors, open_table
from pipeline.lake.snapshot import DataFile, take_snapshot
from pipeline.schema import Table

_HOUR_SECONDS = 3600

# A file that no log names may be one that a writer is about to commit. No commit takes this long.
_ORPHAN_HOURS = 24.0


@dataclass(frozen=True)
class Removed:
    """What left.

    Attributes:
        files: how many files.
        rows: how many rows, where known.
        bytes: their size.
    """

    files: int = 0
    rows: int = 0
    bytes: int = 0


def retain(lake: Lake, table: Table, before_unix_nano: int) -> Removed:
    """Take away the files whose rows are all older than a time.

    Whole files only: a row leaves when the youngest row of its file is too old. The files stay on
    the disk until vacuum, so queries under way are not disturbed.

    Args:
        lake: the lake.
        table: the table.
        before_unix_nano: the time, in ns.

    Returns:
        What left the table; nothing if another writer took some of it at the same moment (the
        next call finds what is left).

    Raises:
        LakeUnavailable: no space left, read-only or forbidden.
    """
    before = before_unix_nano // table.time_unit_nano
    last_day = datetime.datetime.fromtimestamp(before_unix_nano // 10**9, datetime.UTC).date()
    old = [
        file
        for file in take_snapshot(lake, table).files
        if file.time_max is not None and file.time_max < before and _filed_before(file, last_day)
    ]
    if not old:
        return Removed()
    if commit(lake, table, removals(lake, table, old, data_change=True)) is None:
        return Removed()
    return Removed(len(old), sum(f.rows for f in old), sum(f.size_bytes for f in old))


def _filed_before(file: DataFile, last_day: datetime.date) -> bool:
    """Tell whether a file's day is over by then.

    Rows whose time cannot be true are filed under the day of their receipt, and age from there.
    """
    return file.date is None or file.date <= last_day


def vacuum(
    lake: Lake,
    table: Table,
    keep_hours: float,
    protected: frozenset[Path] = frozenset(),
) -> Removed:
    """Delete the files that the latest version does not have.

    Args:
        lake: the lake.
        table: the table.
        keep_hours: how long a file stays after it was taken out, for readers of older versions.
        protected: files that stay whatever their age (those a rollup has yet to count).

    Returns:
        What was deleted.

    Raises:
        LakeUnavailable: the disk refuses.
    """
    opened = open_table(lake, table)
    if opened is None:
        return Removed()
    folder = lake.folder(table)
    active = {file.path for file in take_snapshot(lake, table).files}
    # The log's own list of what was taken out, all of it and that which is old enough.
    taken_out = set(_tombstones(opened, folder, 0))
    expired = set(_tombstones(opened, folder, keep_hours))
    now = time.time()
    removed = Removed()
    with disk_errors(folder):
        for file in sorted((*folder.glob("date=*/*.parquet"), *folder.glob("*.parquet"))):
            if file in active or file in protected:
                continue
            age_hours = (now - file.stat().st_mtime) / _HOUR_SECONDS
            orphan = file not in taken_out and age_hours > max(keep_hours, _ORPHAN_HOURS)
            if file in expired or orphan:
                size = file.stat().st_size
                file.unlink()
                removed = Removed(removed.files + 1, 0, removed.bytes + size)
        for partition in folder.glob("date=*"):
            if not any(partition.iterdir()):
                _remove_empty(partition)
    return removed


def _tombstones(opened: object, folder: Path, hours: float) -> list[Path]:
    """Give the files that were taken out at least so many hours ago."""
    # delta-rs takes whole hours; rounding up keeps files longer, never shorter.
    whole = int(-(-hours // 1))
    paths = opened.vacuum(whole, dry_run=True, enforce_retention_duration=False)  # type: ignore[attr-defined]
    return [folder / path for path in paths]


def _remove_empty(partition: Path) -> None:
    """Take an empty partition's folder away, unless a writer has just put a file there."""
    try:
        partition.rmdir()
    except OSError:
        return
