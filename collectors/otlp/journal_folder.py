"""The journal's folder: what its files are called, who holds it and what is still to be landed.

<lake>/_journal/<name>/
    journal.json             the journal's id, made once
    receiver.lock            held by the one receiver that appends
    landing.lock             held by the one landing that takes segments away
    0000000000000001.open    the segment being appended to
    0000000000000001.sealed  a segment to be landed
    0000000000000001.ids     what a landed segment held: ids of requests, for the retry window
    landing.attempt          what landing is at, in case it dies of it
    quarantine/              requests that could not be decoded, each with its reason
"""

import contextlib
import fcntl
import json
import os
import re
import struct
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from collectors.otlp.frames import Damage, Frame, unpack
from pipeline.errors import JournalError, JournalInUse
from pipeline.lake.lake import Lake, disk_errors, sync_file, sync_folder

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SEEN = struct.Struct("<Q16s")


@dataclass(frozen=True)
class JournalFolder:
    """A journal on disk.

    Attributes:
        path: its folder.
        id: what its commits carry as application id.
    """

    path: Path
    id: str

    def segment(self, number: int, state: str) -> Path:
        """Give the path of a segment; state is open, sealed or ids."""
        return self.path / f"{number:016d}.{state}"

    def numbers(self, state: str) -> list[int]:
        """Give the numbers of the segments in a state, rising."""
        return sorted(int(file.stem) for file in self.path.glob(f"*.{state}"))

    def backlog_bytes(self) -> int:
        """Give the bytes journaled and not yet landed."""
        total = 0
        with os.scandir(self.path) as entries:
            for entry in entries:
                if entry.name.endswith((".sealed", ".open")):
                    with contextlib.suppress(FileNotFoundError):
                        total += entry.stat().st_size
        return total


def open_journal(lake: Lake, name: str = "default") -> JournalFolder:
    """Open a lake's journal of that name, and make it where there is none.

    Raises:
        JournalError: a name that is not a plain word, or a journal.json that cannot be read.
        LakeUnavailable: no space left, read-only or forbidden.
    """
    if not _NAME.fullmatch(name):
        raise JournalError(f"journal {name!r}: use letters, digits, '.', '_' and '-', at most 64")
    path = lake.path / "_journal" / name
    about = path / "journal.json"
    with disk_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        if not about.exists():
            partial = path / f".journal.json.{os.getpid()}"
            partial.write_text(json.dumps({"format": 1, "id": uuid.uuid4().hex}), encoding="utf-8")
            sync_file(partial)
            # link() fails where another process was first, and then its id holds.
            with contextlib.suppress(FileExistsError):
                about.hardlink_to(partial)
            partial.unlink()
            sync_folder(path)
            sync_folder(path.parent)
        try:
            found = json.loads(about.read_text(encoding="utf-8"))
            return JournalFolder(path, f"journal:{found['id']}")
        except (ValueError, KeyError, TypeError) as error:
            raise JournalError(f"{about}: {error}; move the folder away to start anew") from error


@contextlib.contextmanager
def hold(journal: JournalFolder, role: str) -> Iterator[None]:
    """Hold a journal's lock in a role (receiver or landing) while the block runs.

    The lock goes with the process, however that ends.

    Raises:
        JournalInUse: another process holds it; the message says which.
    """
    lock = journal.path / f"{role}.lock"
    with disk_errors(journal.path):
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 32).decode("ascii", "replace").strip() or "unknown"
            raise JournalInUse(
                f"{journal.path}: process {holder} holds its {role}.lock; stop that one, "
                f"or give this server a journal of its own with --journal NAME"
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def seal_leftovers(journal: JournalFolder) -> list[Damage]:
    """Seal the segments that a crash left open; what a crash tore is left to the reader.

    Returns:
        The damage found, to be told to people.
    """
    found: list[Damage] = []
    for number in journal.numbers("open"):
        file = journal.segment(number, "open")
        found += [item for item in unpack(file.read_bytes()) if isinstance(item, Damage)]
        seal(journal, number)
    return found


def seal(journal: JournalFolder, number: int) -> None:
    """Hand a segment over to landing."""
    journal.segment(number, "open").rename(journal.segment(number, "sealed"))
    sync_folder(journal.path)


def remember(journal: JournalFolder, numbers: Sequence[int], frames: Sequence[Frame]) -> None:
    """Keep the ids of landed requests, durable before their segments go.

    A crash among the deletions leaves fewer segments for the next round, so what an earlier round
    kept under the same number stays.
    """
    file = journal.segment(numbers[-1], "ids")
    seen = {frame.batch_id: frame.time_unix_nano for frame in frames}
    with contextlib.suppress(FileNotFoundError):
        seen = {batch_id: time for time, batch_id in _ids(file)} | seen
    partial = file.with_suffix(".partial")
    partial.write_bytes(b"".join(_SEEN.pack(time, batch_id) for batch_id, time in seen.items()))
    sync_file(partial)
    partial.replace(file)
    sync_folder(journal.path)


def _ids(file: Path) -> list[tuple[int, bytes]]:
    """Read (received time in ns, batch id) of landed requests."""
    content = file.read_bytes()
    whole = len(content) - len(content) % _SEEN.size
    return list(_SEEN.iter_unpack(content[:whole]))


def remembered(
    journal: JournalFolder, states: Sequence[str] = ("open", "sealed")
) -> list[tuple[int, bytes]]:
    """Give (received time in ns, batch id) of every request that the journal still knows of.

    Segments come before the ids of landed ones: a segment that landing takes away while this
    reads has left its ids behind.

    Args:
        journal: the journal.
        states: segments to look into; none gives the landed requests alone.
    """
    seen: list[tuple[int, bytes]] = []
    for state in states:
        for number in journal.numbers(state):
            with contextlib.suppress(FileNotFoundError):
                content = journal.segment(number, state).read_bytes()
                frames = (item for item in unpack(content) if isinstance(item, Frame))
                seen += [(frame.time_unix_nano, frame.batch_id) for frame in frames]
    for number in journal.numbers("ids"):
        with contextlib.suppress(FileNotFoundError):
            seen += _ids(journal.segment(number, "ids"))
    return sorted(set(seen))


def forget(journal: JournalFolder, before_unix_nano: int) -> None:
    """Drop the ids of segments whose last request is older than the retry window.

    The newest ids file stays, because its number tells the next receiver where to go on.
    """
    for number in journal.numbers("ids")[:-1]:
        file = journal.segment(number, "ids")
        if file.stat().st_mtime_ns < before_unix_nano:
            file.unlink()


def next_number(journal: JournalFolder) -> int:
    """Give the number of the next segment, above every one that ever was."""
    known = [n for state in ("open", "sealed", "ids") for n in journal.numbers(state)]
    return max(known, default=0) + 1
