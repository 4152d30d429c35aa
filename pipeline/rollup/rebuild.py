"""Count days anew from what the lake holds now, in place of what the rollups say of them."""

import datetime
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pipeline.lake import (
    Action,
    Application,
    DataFile,
    Lake,
    Snapshot,
    application_sequence,
    commit,
    removals,
    take_snapshot,
)
from pipeline.lake.compact import repeats_since
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

# The writer of commits that say which of compaction's days were counted again.
_RECOUNT = "recount:latency_minutes"

# Updaters come by every few seconds; counting a day again takes less.
_TRIES = 5


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
    counted = _replace(lake, _anew(lake, SPANS, LATENCY_MINUTES), since.__le__, progress)
    if counted is None:
        return 0
    if _replace(lake, _anew(lake, LATENCY_MINUTES, LATENCY_HOURS), since.__le__) is None:
        return 0
    update(lake)
    return counted


def recount(lake: Lake) -> set[datetime.date]:
    """Count those days anew out of which compaction took spans that had been sent again.

    What is done is kept in the lake, so a crash on the way only makes the next call count again.

    Args:
        lake: the lake.

    Returns:
        The days; none when there was nothing to do, or when other updaters were always faster.

    Raises:
        LakeError: an entry of the log is gone.
        CommitConflict, LakeUnavailable: as for ``append``.
    """
    done = application_sequence(lake, LATENCY_MINUTES, _RECOUNT)
    reached, days = repeats_since(lake, SPANS, done)
    if reached == done:
        return set()
    for source, target in ((SPANS, LATENCY_MINUTES), (LATENCY_MINUTES, LATENCY_HOURS)):
        if not any(_count_again(lake, source, target, days) for _ in range(_TRIES)):
            return set()
    # Afterwards and apart: until then the days are due.
    commit(lake, LATENCY_MINUTES, [], Application(_RECOUNT, reached))
    return days


def _count_again(lake: Lake, source: Table, target: Table, days: set[datetime.date]) -> bool:
    """Replace days of a rollup that counts all of its source; False if somebody came between."""
    now = update(lake)
    version = now.spans_version if source is SPANS else now.minutes_version
    seen = counted_version(lake, target)
    # Another updater went beyond what this one reached.
    if seen > version:
        return False
    work = _Work(source, target, take_snapshot(lake, source, version), seen, seen)
    return _replace(lake, work, days.__contains__) is not None


@dataclass(frozen=True)
class _Work:
    """What is counted from what.

    Attributes:
        source, target: the tables.
        snapshot: of the source.
        seen: the progress of the target that this goes on from.
        reached: and the one it will have.
    """

    source: Table
    target: Table
    snapshot: Snapshot
    seen: int
    reached: int


def _anew(lake: Lake, source: Table, target: Table) -> _Work:
    """Count from what the source has now, whatever was counted before."""
    seen = counted_version(lake, target)
    snapshot = take_snapshot(lake, source)
    return _Work(source, target, snapshot, seen, snapshot.version)


def _replace(
    lake: Lake,
    work: _Work,
    is_due: Callable[[datetime.date], bool],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int | None:
    """Write a rollup's days anew and swap them in one commit; None if somebody came between."""
    target = work.target
    standing = take_snapshot(lake, target).files
    old = [file for file in standing if file.date and is_due(file.date)]
    files = [file for file in work.snapshot.files if file.date and is_due(file.date)]
    total = sum(file.rows for file in files)
    done = 0
    # No change of data: what reads the rollup's log must not count these rows a second time.
    with (
        scratch_folder(lake) as scratch,
        TableWriter(lake.folder(target), target, LANDING, data_change=False) as writer,
    ):
        for batch in _batches(files):
            paths = [file.path for file in batch]
            rows = ROUTES["duckdb"](work.source, target, paths, _THREADS, scratch)
            writer.write(rows)
            done += sum(file.rows for file in batch)
            progress(done, total)
    application = Application(application_id(target), work.reached, after=work.seen)
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
