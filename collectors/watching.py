"""Watching folders: what continuous profilers drop there is taken once each, when it is whole."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from collectors.finding import Found, find
from collectors.importing import Outcome, Wishes, import_files
from pipeline.errors import CommitConflict, LakeUnavailable, UsageError
from pipeline.lake import Lake

log = logging.getLogger("tailgate.import")

# A file that nobody has written to for so long is done. Who writes for longer than that without a
# pause should write under a hidden name and rename: then half a file is never seen.
SETTLED_SECONDS = 2.0

_LOOK_EVERY_SECONDS = 1.0
_AGAIN_SECONDS = 15.0

Stamp = tuple[int, int, int]


def watch_folders(
    lake: Lake,
    folders: Sequence[Path],
    wishes: Wishes,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[Outcome]:
    """Import what is in folders and what comes, without end.

    A file is taken when it has stood unchanged for SETTLED_SECONDS. One that was taken is looked
    at again only when it has changed: a half-written one that was refused, for example. What was
    imported before, also by an earlier run, is known by its content.

    Args:
        lake: where to.
        folders: where to look, their folders too.
        wishes: how.
        clock: tells seconds that pass.
        wait: waits for so many seconds.

    Yields:
        What became of each file, as it is done. A lake that refuses is told in the log and asked
        again.
    """
    taken: dict[Path, Stamp] = {}
    standing: dict[Path, tuple[Stamp, float]] = {}
    while True:
        present = _look(folders)
        for known in (taken, standing):
            for gone in known.keys() - present.keys():
                del known[gone]
        for path, (found, stamp) in present.items():
            if taken.get(path) == stamp:
                continue
            before, since = standing.get(path, (None, 0.0))
            if before != stamp:
                standing[path] = (stamp, clock())
            elif clock() - since >= SETTLED_SECONDS:
                try:
                    yield from import_files(lake, [found], wishes)
                except (LakeUnavailable, CommitConflict) as error:
                    # A full disk may have room again: the file stands, and is tried again.
                    log.warning("%s: not imported, trying again: %s", path, error)
                    wait(_AGAIN_SECONDS)
                    break
                taken[path] = stamp
                del standing[path]
        wait(_LOOK_EVERY_SECONDS)


def _look(folders: Sequence[Path]) -> dict[Path, tuple[Found, Stamp]]:
    """Give the files that are there, each with what changes when it does."""
    present = {}
    try:
        files = find(folders)
    except UsageError:
        # A folder was taken away between two looks; it may come back.
        return {}
    for found in files:
        try:
            status = found.path.stat()
        except OSError:
            continue
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
        present[found.path] = (found, stamp)
    return present
