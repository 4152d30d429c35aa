"""Count days anew from what the lake holds now, in place of what the rollups say of them."""

import datetime
from collections.abc import Callable, Iterator, Sequence

from pipeline.lake import (
    Action,
    Application,
    DataFile,
    Lake,
    commit,
    removals,
    take_snapshot,
)
from pipeline.lake.lake import scratch_folder
from pipeline.lake.parquet import LANDING, TableWriter
from pipeline.rollup.updates import (
    BATCH_ROWS,
    ROUTES,
    application_id,
    counted_version,
    update,
)
from pipeline.schema import LATENCY_HOURS, LATENCY_MINUTES, SPANS, Table

# Parquet files of one day are added up by one thread each; more would hold more memory.
_THREADS = 2


def rebuild(
    lake: Lake,
    since: datetime.date,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Replace the rollups' rows of a day and all later ones by what the spans say now.

    Needed when the lake's log no longer tells what was added before it was counted. The days must
    be ones whose spans retention has not thinned out: earlier rows are left as they are.

    Args:
        lake: the lake.
        since: the first day to be counted anew, UTC.
        progress: told rows counted and rows to count.

    Returns:
        The spans counted; 0 when another updater committed in between, and then nothing changed.

    Raises:
        CommitConflict, LakeUnavailable: as for ``append``.
    """
    counted = _replace(lake, SPANS, LATENCY_MINUTES, since, progress)
    if counted is None or _replace(lake, LATENCY_MINUTES, LATENCY_HOURS, since, _quiet) is None:
        return 0
    update(lake)
    return counted


def _replace(
    lake: Lake,
    source: Table,
    target: Table,
    since: datetime.date,
    progress: Callable[[int, int], None],
) -> int | None:
    """Write a rollup's days anew and swap them in one commit; None if somebody came between."""
    seen = counted_version(lake, target)
    snapshot = take_snapshot(lake, source)
    old = [file for file in take_snapshot(lake, target).files if file.date and file.date >= since]
    files = [file for file in snapshot.files if file.date and file.date >= since]
    total = sum(file.rows for file in files)
    done = 0
    # No change of data: what reads the rollup's log must not count these rows a second time.
    with (
        scratch_folder(lake) as scratch,
        TableWriter(lake.folder(target), target, LANDING, data_change=False) as writer,
    ):
        for batch in _batches(files):
            paths = [file.path for file in batch]
            rows = ROUTES["duckdb"](source, target, paths, _THREADS, scratch)
            writer.write(rows)
            done += sum(file.rows for file in batch)
            progress(done, total)
    application = Application(application_id(target), snapshot.version, after=seen)
    actions: list[Action] = [*writer.actions, *removals(lake, target, old, data_change=False)]
    if commit(lake, target, actions, application) is None:
        writer.abandon()
        return None
    return total


def _batches(files: Sequence[DataFile]) -> Iterator[list[DataFile]]:
    """Cut files into runs of a bounded number of rows."""
    batch: list[DataFile] = []
    for file in files:
        if batch and sum(one.rows for one in batch) + file.rows > BATCH_ROWS:
            yield batch
            batch = []
        batch.append(file)
    if batch:
        yield batch


def _quiet(done: int, total: int) -> None:
    """Tell nobody: hours are few."""
