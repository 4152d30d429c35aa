"""Bring the rollups up to date with what is new in the lake, each version counted exactly once."""

import contextlib
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa

from pipeline.errors import LakeError, UsageError
from pipeline.lake import (
    Application,
    Change,
    Lake,
    append,
    application_sequence,
    changes_since,
    take_snapshot,
)
from pipeline.lake.lake import scratch_folder
from pipeline.rollup import duckdb_route, polars_route
from pipeline.schema import LATENCY_HOURS, LATENCY_MINUTES, SPANS, Table

Route = Callable[[Table, Table, Sequence[Path], int, Path], pa.Table]
Progress = Callable[[int, int], None]

ROUTES: Mapping[str, Route] = MappingProxyType(
    {"duckdb": duckdb_route.roll_up, "polars": polars_route.roll_up}
)

# A commit adds up this many rows unless a single version has more. It bounds memory, and it lets
# each thread have a batch of its own: two threads on a batch each did 1.4 times the work of both
# on one batch.
BATCH_ROWS = 2_000_000

_WORKERS = min(os.cpu_count() or 1, 4)


@dataclass(frozen=True)
class Update:
    """What an update did, and the versions that now belong together.

    Attributes:
        spans_version: a version of spans; every span in it is counted, none beyond it.
        minutes_version: a version of latency_minutes that counts exactly these.
        hours_version: a version of latency_hours that counts exactly those minutes.
        spans: rows of spans that were counted anew.
        commits: commits made to both rollups; 0 when there was nothing to do.
    """

    spans_version: int
    minutes_version: int
    hours_version: int
    spans: int
    commits: int


def update(
    lake: Lake,
    route: str = "duckdb",
    progress: Progress | None = None,
    batch_rows: int = BATCH_ROWS,
) -> Update:
    """Count what is new in spans into latency_minutes, then what is new there into latency_hours.

    A batch of versions is added up and committed together with the last of them as the rollup's
    progress, so that a crash between two commits loses and doubles nothing. A commit goes on from
    exactly the progress that it was worked out from: of two updaters that race, one wins and the
    other looks again. Late spans add rows; readers sum rows of equal keys.

    Args:
        lake: the lake; its tables exist.
        route: who adds up, ``duckdb`` or ``polars``; the rows are the same.
        progress: told rows done and rows to do after every commit of minutes.
        batch_rows: rows a commit adds up, unless a single version has more.

    Returns:
        What was done; nothing new means no commit.

    Raises:
        UsageError: no such route.
        LakeError: a version's entry or file is gone before it was counted.
        CommitConflict, LakeUnavailable: as for ``append``.
    """
    if route not in ROUTES:
        raise UsageError(f"route {route}: not known; known routes: {', '.join(ROUTES)}")
    work = (lake, ROUTES[route], batch_rows)
    spans = commits = 0
    while True:
        minutes = _advance(*work, SPANS, LATENCY_MINUTES, progress)
        hours = _advance(*work, LATENCY_MINUTES, LATENCY_HOURS, None)
        spans += minutes.rows
        commits += minutes.commits + hours.commits
        hours_version = take_snapshot(lake, LATENCY_HOURS).version
        # Sequences only rise: if both still stand where they were, so do the rows behind them.
        now_seen = (counted_version(lake, LATENCY_MINUTES), counted_version(lake, LATENCY_HOURS))
        if now_seen == (minutes.seen, hours.seen):
            return Update(minutes.reached, hours.reached, hours_version, spans, commits)


@dataclass(frozen=True)
class _Advance:
    """What one rollup now counts of its source.

    Attributes:
        seen: the source's version that the rollup has as its progress.
        reached: the source's latest version without rows beyond that.
        rows: rows counted anew.
        commits: commits made.
    """

    seen: int
    reached: int
    rows: int
    commits: int


def counted_version(lake: Lake, target: Table) -> int:
    """Give the version of its source up to which a rollup counts; -1 for none.

    Args:
        lake: the lake.
        target: the rollup: latency_minutes, whose source is spans, or latency_hours, whose source
            is latency_minutes.
    """
    return application_sequence(lake, target, application_id(target))


def application_id(target: Table) -> str:
    """Name a rollup as the writer of its commits; its sequence is the source's version."""
    return f"rollup:{target.name}"


def _advance(
    lake: Lake,
    route: Route,
    batch_rows: int,
    source: Table,
    target: Table,
    progress: Progress | None,
) -> _Advance:
    """Count one table's new versions into the next."""
    done = commits = 0
    while True:
        seen = counted_version(lake, target)
        versions = list(changes_since(lake, source, seen))
        # Compaction and retention add no rows, yet theirs is the version whose files will last.
        reached = versions[-1].version if versions else seen
        changes = [change for change in versions if change.rows]
        if not changes:
            return _Advance(seen, reached, done, commits)
        total = done + sum(change.rows for change in changes)
        work = _added_up(lake, route, batch_rows, source, target, changes)
        with contextlib.closing(work) as added:
            for batch, rows in added:
                # After what was seen, or not at all: another updater may have gone on from there.
                mine = Application(application_id(target), batch[-1].version, seen)
                if append(lake, target, rows, mine) is None:
                    break
                seen = mine.sequence
                done += sum(change.rows for change in batch)
                commits += 1
                if progress:
                    progress(done, total)


def _added_up(
    lake: Lake,
    route: Route,
    batch_rows: int,
    source: Table,
    target: Table,
    changes: Sequence[Change],
) -> Generator[tuple[list[Change], pa.Table], None, None]:
    """Add up the next batches in threads while this one is written; give them in order.

    At most a result a worker is held beside the one that was given.
    """
    batches = list(_batches(changes, batch_rows))
    workers = min(_WORKERS, len(batches))
    waiting: deque[tuple[list[Change], Future[pa.Table]]] = deque()
    with scratch_folder(lake) as scratch, ThreadPoolExecutor(workers) as pool:
        try:
            for batch in batches:
                work = (source, target, _present(batch), _WORKERS // workers, scratch)
                waiting.append((batch, pool.submit(route, *work)))
                if len(waiting) > workers:
                    first, rows = waiting.popleft()
                    yield first, rows.result()
            while waiting:
                first, rows = waiting.popleft()
                yield first, rows.result()
        finally:
            for _, rows in waiting:
                rows.cancel()


def _batches(changes: Iterable[Change], batch_rows: int) -> Iterator[list[Change]]:
    """Cut versions into runs of at most so many rows; a larger version is a run of its own."""
    batch: list[Change] = []
    rows = 0
    for change in changes:
        if batch and rows + change.rows > batch_rows:
            yield batch
            batch, rows = [], 0
        batch.append(change)
        rows += change.rows
    if batch:
        yield batch


def _present(batch: Sequence[Change]) -> list[Path]:
    """Give the files of a batch, all of which must still be there."""
    files = [file for change in batch for file in change.files]
    for file in files:
        if not file.exists():
            raise LakeError(
                f"{file}: gone before it was counted; rebuild with 'tailgate rollup --rebuild'"
            )
    return files
