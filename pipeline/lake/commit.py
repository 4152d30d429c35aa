"""Commits: rows and the proof that they are in, in one atomic step.

delta-rs records application transactions but does not guard by them: two writers that both read
"not there yet" could both commit. So every commit here claims exactly the version after the one it
read (no retries inside), and on losing that race reads again before it tries again.
"""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction

from pipeline.errors import CommitConflict, LakeError
from pipeline.lake.lake import Lake, disk_errors, open_table, sync_file, sync_folder
from pipeline.lake.parquet import LANDING, TableWriter, partition_values
from pipeline.lake.snapshot import DataFile
from pipeline.schema import SCHEMA_VERSION, Table

# 60 lost races in a row at 7 ms each mean that something is wrong, not that others are busy.
_ATTEMPTS = 60


# What a commit does with files: it adds some, it removes others.
Action = AddAction | RemoveAction


@dataclass(frozen=True)
class Application:
    """Who commits and how far that brings it: Delta's application transaction.

    Attributes:
        id: the writer, for example a journal.
        sequence: the last of its inputs that the commit holds; rises from commit to commit.
        after: the sequence that the commit goes on from. Where several may work for one
            application, another one there means that somebody else went on, perhaps only part
            of the way; None when there is one worker.
    """

    id: str
    sequence: int
    after: int | None = None

    def may_follow(self, found: int) -> bool:
        """Tell whether a commit may follow the sequence that is in the table."""
        return found < self.sequence if self.after is None else found == self.after


def append(
    lake: Lake,
    table: Table,
    rows: pa.Table,
    application: Application | None = None,
    metadata: Mapping[str, object] | None = None,
) -> int | None:
    """Write rows and commit them once.

    Args:
        lake: the lake.
        table: the table.
        rows: with the table's whole Arrow schema; may be empty, which still commits an
            application's progress.
        application: whose progress this is; its sequence is committed with the rows.
        metadata: kept with the commit, for people.

    Returns:
        The version that holds the rows, or None when the sequence was already in the table
        (nothing is written then).

    Raises:
        CommitConflict: others kept committing first.
        LakeUnavailable: no space left, read-only or forbidden.
    """
    if application and not application.may_follow(
        application_sequence(lake, table, application.id)
    ):
        return None
    with TableWriter(lake.folder(table), table, LANDING) as writer:
        writer.write(rows)
    return commit(lake, table, writer.actions, application, metadata)


def commit(
    lake: Lake,
    table: Table,
    actions: Sequence[Action],
    application: Application | None = None,
    metadata: Mapping[str, object] | None = None,
) -> int | None:
    """Commit file actions as one version, synced to the disk.

    Returns:
        The version, or None when the application's sequence was already there, or when a file
        to be removed already was; its added files are then orphans for vacuum to take.

    Raises:
        CommitConflict, LakeUnavailable: as for append.
    """
    removed = {action.path for action in actions if isinstance(action, RemoveAction)}
    properties = CommitProperties(
        custom_metadata={"schema_version": SCHEMA_VERSION, **(metadata or {})},
        max_commit_retries=0,
        app_transactions=[Transaction(application.id, application.sequence)] if application else [],
    )
    opened = _open(lake, table)
    for attempt in range(_ATTEMPTS):
        if application and not application.may_follow(_sequence(opened, application.id)):
            return None
        if removed and not removed <= _active(opened):
            return None
        if _try_commit(lake, table, opened, actions, properties):
            return int(opened.version())
        # The others' pace decides; jitter keeps two losers from losing to each other.
        time.sleep(random.uniform(0, 0.002 * min(attempt + 1, 25)))  # noqa: S311
    raise CommitConflict(f"{lake.folder(table)}: lost {_ATTEMPTS} races to commit; try again")


def removals(
    lake: Lake, table: Table, files: Sequence[DataFile], data_change: bool
) -> list[RemoveAction]:
    """Give the actions that take files out of a table.

    Args:
        lake: the lake.
        table: the table.
        files: files of a snapshot of it.
        data_change: False when the same commit puts their rows back in other files.
    """
    now = int(time.time() * 1000)
    return [
        RemoveAction(
            path=str(file.path.relative_to(lake.folder(table))),
            data_change=data_change,
            deletion_timestamp=now,
            size=file.size_bytes,
            partition_values=partition_values(file.date),
        )
        for file in files
    ]


def application_sequence(lake: Lake, table: Table, application_id: str) -> int:
    """Give the last sequence an application committed to a table; -1 for none."""
    opened = open_table(lake, table)
    return -1 if opened is None else _sequence(opened, application_id)


def _open(lake: Lake, table: Table) -> DeltaTable:
    """Open a table's log to commit to it."""
    opened = open_table(lake, table)
    if opened is None:
        raise LakeError(f"{lake.folder(table)}: no table there; restore its _delta_log")
    return opened


def _sequence(opened: DeltaTable, application_id: str) -> int:
    version = opened.transaction_version(application_id)
    return -1 if version is None else int(version)


def _active(opened: DeltaTable) -> set[str]:
    return set(pa.table(opened.get_add_actions())["path"].to_pylist())


def _try_commit(
    lake: Lake,
    table: Table,
    opened: DeltaTable,
    actions: Sequence[Action],
    properties: CommitProperties,
) -> bool:
    """Claim the next version; False when somebody else has it, and then the log is read anew."""
    claimed = opened.version() + 1
    with disk_errors(lake.folder(table)):
        try:
            opened.create_write_transaction(
                list(actions),
                "append",
                opened.schema(),
                list(table.partition_by),
                commit_properties=properties,
                post_commithook_properties=PostCommitHookProperties(
                    create_checkpoint=True, cleanup_expired_logs=False
                ),
            )
        except CommitFailedError as error:
            opened.update_incremental()
            if opened.version() < claimed:
                raise OSError(f"{error}") from error
            return False
        log = lake.folder(table) / "_delta_log"
        sync_file(log / f"{claimed:020d}.json")
        sync_folder(log)
        opened.update_incremental()
    return True
