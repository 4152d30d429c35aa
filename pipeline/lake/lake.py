"""The lake: a folder of Delta tables with a marker file that says whose it is."""

import contextlib
import errno
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from pipeline.errors import LakeError, LakeUnavailable, NotALake, UnknownSchemaVersion
from pipeline.schema import SCHEMA_VERSION, TABLES, Table

MARKER = "tailgate-lake.json"

# A checkpoint replaces reading every log entry before it. At one commit a second, a new reader
# opens at most this many small files.
_CHECKPOINT_INTERVAL = "100"

_SCRATCH_SECONDS = 86_400

# EFBIG: a limit on file sizes, which is a full disk to whoever runs into it.
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True)
class Lake:
    """A lake that exists and whose schema version we know.

    Attributes:
        path: its folder.
    """

    path: Path

    def folder(self, table: Table) -> Path:
        """Give the folder of a table."""
        return self.path / table.name


def open_lake(path: Path | str, create: bool = False) -> Lake:
    """Open the lake in a folder.

    Args:
        path: the folder.
        create: make the folder and its tables where nothing is yet.

    Returns:
        The lake; every table of the schema exists in it if ``create`` was asked.

    Raises:
        NotALake: nothing is there (and ``create`` was not asked), or something else is.
        UnknownSchemaVersion: a later tailgate wrote it.
        LakeUnavailable: the folder cannot be read or written.
    """
    path = Path(path).absolute()
    with disk_errors(path):
        if not (path / MARKER).exists():
            _require_free(path, create)
            path.mkdir(parents=True, exist_ok=True)
            _write_marker(path)
        _check_marker(path)
        lake = Lake(path)
        if create:
            for table in TABLES:
                _create_table(lake, table)
    return lake


def open_table(lake: Lake, table: Table, version: int | None = None) -> DeltaTable | None:
    """Open a table's log, at its latest version unless one is given; None if it was never made.

    Raises:
        LakeError: the log cannot be read.
    """
    try:
        return DeltaTable(str(lake.folder(table)), version=version)
    except TableNotFoundError:
        return None
    except (DeltaError, OSError) as error:
        raise LakeError(f"{lake.folder(table)}: {error}; restore its _delta_log") from error


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into a LakeUnavailable that names the way out.

    Raises:
        LakeUnavailable: in place of an OSError that says full, read-only or forbidden.
    """
    try:
        yield
    except OSError as error:
        text = str(error)
        if error.errno in _NO_SPACE or "No space left" in text or "os error 28" in text:
            raise LakeUnavailable(f"{path}: no space left on its disk; free some") from error
        if error.errno in _NOT_WRITABLE or "Permission denied" in text or "Read-only" in text:
            raise LakeUnavailable(f"{path}: {error.strerror or text}; grant access") from error
        raise


@contextlib.contextmanager
def scratch_folder(lake: Lake) -> Iterator[Path]:
    """Give a folder of the lake's own to spill to, and take it away afterwards.

    A crash may leave one behind; the next call takes it away a day later.
    """
    above = lake.path / "_scratch"
    with disk_errors(above):
        above.mkdir(exist_ok=True)
        for left in above.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > _SCRATCH_SECONDS:
                    shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=above) as folder:
            yield Path(folder)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, so that its new files survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(file: Path) -> None:
    """Flush a file's bytes to the disk."""
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _require_free(path: Path, create: bool) -> None:
    """Refuse a folder that holds something else, or that is not there and was not asked for."""
    if path.exists() and not path.is_dir():
        raise NotALake(f"{path}: a file, not a folder; give another --lake")
    # The journal may come before the first table: a receiver makes both.
    if path.exists() and any(entry.name != "_journal" for entry in path.iterdir()):
        raise NotALake(f"{path}: not a lake (no {MARKER}) and not empty; give another --lake")
    if not create:
        raise NotALake(
            f"{path}: no lake there; start one with 'tailgate serve --lake {path}', or give --lake"
        )


def _write_marker(path: Path) -> None:
    """Write the marker whole or not at all, so that a crash leaves no half-made lake."""
    partial = path / f".{MARKER}.{os.getpid()}"
    partial.write_text(json.dumps({"schema_version": SCHEMA_VERSION}) + "\n", encoding="utf-8")
    sync_file(partial)
    partial.replace(path / MARKER)
    sync_folder(path)


def _check_marker(path: Path) -> None:
    """Refuse a lake of a schema version that this tailgate does not know."""
    try:
        version = json.loads((path / MARKER).read_text(encoding="utf-8"))["schema_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise NotALake(f"{path / MARKER}: not readable as JSON ({error}); restore it") from error
    if version != SCHEMA_VERSION:
        raise UnknownSchemaVersion(
            f"{path}: schema version {version}, this tailgate knows {SCHEMA_VERSION}; "
            f"use the tailgate that wrote it"
        )


def _create_table(lake: Lake, table: Table) -> None:
    """Make a table's log where there is none; whoever comes second finds it made."""
    folder = lake.folder(table)
    if (folder / "_delta_log").is_dir() and open_table(lake, table) is not None:
        return
    try:
        DeltaTable.create(
            str(folder),
            schema=Schema.from_arrow(table.arrow_schema),
            mode="ignore",
            partition_by=list(table.partition_by),
            name=table.name,
            description=json.dumps({"schema_version": SCHEMA_VERSION}),
            configuration={
                "delta.checkpointInterval": _CHECKPOINT_INTERVAL,
                # Rollups read the log's own entries, so these outlive any updater's absence.
                "delta.logRetentionDuration": "interval 90 days",
            },
            commit_properties=CommitProperties(custom_metadata={"schema_version": SCHEMA_VERSION}),
            post_commithook_properties=PostCommitHookProperties(create_checkpoint=False),
        )
    except CommitFailedError:
        if open_table(lake, table) is None:
            raise
