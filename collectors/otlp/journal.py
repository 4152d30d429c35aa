"""The durable append: one write and one sync for all requests that wait.

``append`` returns when the request's frame is on the disk: that is what an acknowledgement means.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from collectors.otlp.frames import Frame, pack
from collectors.otlp.journal_folder import JournalFolder, next_number, seal
from pipeline.errors import JournalError
from pipeline.lake.lake import sync_folder
from pipeline.settings import Journal as JournalSettings

log = logging.getLogger("tailgate.journal")

# A disk that refused to seal a segment is asked again this often.
_SEAL_AGAIN_SECONDS = 1.0

# POSIX lets one writev take at least this many buffers.
_BUFFERS_A_WRITE = 1024


@dataclass(frozen=True)
class _Waiting:
    """A frame and who waits for it."""

    frame: Frame
    done: asyncio.Future[None]


class Journal:
    """Appends frames to segments and seals them by size and age.

    One task writes; while it syncs, the requests that arrive wait together for the next sync.

    Attributes:
        appended_bytes: bytes made durable since the start.
        syncs: how many syncs that took.
    """

    def __init__(
        self,
        folder: JournalFolder,
        settings: JournalSettings,
        on_sealed: Callable[[], None],
        on_synced: Callable[[float], object] = lambda seconds: None,
    ) -> None:
        """Take over a folder whose leftovers are sealed.

        Args:
            folder: the journal's folder, held by this process.
            settings: sizes and ages.
            on_sealed: called after each segment that is handed over to landing.
            on_synced: called after each write with how long it and its sync took, in seconds.
        """
        self._folder = folder
        self._settings = settings
        self._on_sealed = on_sealed
        self._on_synced = on_synced
        self._next = next_number(folder)
        self._handle: int | None = None
        self._number = 0
        self._synced_bytes = 0
        self._opened_at = 0.0
        # Closed segments that are not handed over yet: at most one, unless the disk refuses.
        self._to_seal: list[int] = []
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._closing = False
        # One thread: writes stay in order, and the event loop never waits for the disk.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._task = asyncio.create_task(self._run())
        self.appended_bytes = 0
        self.syncs = 0

    async def append(self, frame: Frame) -> None:
        """Make a frame durable.

        Raises:
            JournalError: the disk refused it; it is not in the journal.
        """
        if self._closing:
            raise JournalError(f"{self._folder.path}: closing; send to another receiver")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(frame, done))
        self._wake.set()
        await done

    async def close(self) -> None:
        """Sync what waits, seal the open segment and stop."""
        self._closing = True
        self._wake.set()
        await self._task
        self._disk.shutdown()

    async def _run(self) -> None:
        """Write, sync, acknowledge; seal what is large or old enough."""
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._seconds_to_seal())
            self._wake.clear()
            batch, self._waiting = self._waiting, []
            if batch:
                error = await loop.run_in_executor(self._disk, self._write, batch)
                self._answer(batch, error)
            if self._due() or (self._closing and not self._waiting):
                await loop.run_in_executor(self._disk, self._seal)
            elif self._to_seal:
                await loop.run_in_executor(self._disk, self._hand_over)
            if self._closing and not self._waiting:
                return

    def _answer(self, batch: list[_Waiting], error: Exception | None) -> None:
        """Tell everyone who waits how it went."""
        for waiting in batch:
            if waiting.done.done():
                continue
            if error is None:
                waiting.done.set_result(None)
            else:
                why = getattr(error, "strerror", None) or error
                text = f"{self._folder.path}: {why}; not stored, send again"
                waiting.done.set_exception(JournalError(text))

    def _seconds_to_seal(self) -> float | None:
        """Give how long until there is something to seal; None when nothing will be."""
        if self._to_seal:
            return _SEAL_AGAIN_SECONDS
        if self._handle is None or self._synced_bytes == 0:
            return None
        age = time.monotonic() - self._opened_at
        return max(self._settings.segment_seconds - age, 0.001)

    def _due(self) -> bool:
        """Tell whether the open segment is to be handed over."""
        if self._handle is None or self._synced_bytes == 0:
            return False
        old = time.monotonic() - self._opened_at >= self._settings.segment_seconds
        return old or self._synced_bytes >= self._settings.segment_bytes

    # What follows runs in the disk thread.

    def _write(self, batch: list[_Waiting]) -> Exception | None:
        """Append a batch and sync it; on failure leave the segment as it was."""
        try:
            if self._handle is None:
                self._handle = self._open()
            if self._synced_bytes == 0:
                self._opened_at = time.monotonic()
            # Checksums are worked out here, beside the event loop: zlib lets go of the GIL.
            buffers = [part for waiting in batch for part in pack(waiting.frame) if part]
            started = time.monotonic()
            written = _write_all(self._handle, buffers)
            os.fdatasync(self._handle)
            self._on_synced(time.monotonic() - started)
        except Exception as error:  # whatever it is, those who wait must hear of it
            self._undo()
            return error
        self._synced_bytes += written
        self.appended_bytes += written
        self.syncs += 1
        return None

    def _open(self) -> int:
        """Start the next segment."""
        number, self._next = self._next, self._next + 1
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        handle = os.open(self._folder.segment(number, "open"), flags, 0o644)
        self._number, self._synced_bytes = number, 0
        try:
            # The file's name must survive a power cut as its bytes do.
            sync_folder(self._folder.path)
        except OSError:
            os.close(handle)
            with contextlib.suppress(OSError):
                self._folder.segment(number, "open").unlink()
            raise
        return handle

    def _undo(self) -> None:
        """Cut a failed write off and begin a new segment with the next request.

        After a failed sync the kernel may have dropped the pages, so this file is not used again.
        """
        if self._handle is None:
            return
        try:
            os.ftruncate(self._handle, self._synced_bytes)
        except OSError as error:
            # The reader finds a torn tail by its checksum, and nobody was told that it is safe.
            log.warning(
                "%s: segment %d keeps a torn tail: %s", self._folder.path, self._number, error
            )
        self._seal()

    def _seal(self) -> None:
        """Close the open segment and hand it over."""
        if self._handle is not None:
            handle, self._handle = self._handle, None
            self._to_seal.append(self._number)
            try:
                os.close(handle)
            except OSError as error:
                # What was acknowledged is synced already; close has nothing to add.
                log.warning("%s: segment %d: %s", self._folder.path, self._number, error)
        self._hand_over()

    def _hand_over(self) -> None:
        """Seal the closed segments, in order; those that the disk refuses stay for another try."""
        while self._to_seal:
            file = self._folder.segment(self._to_seal[0], "open")
            try:
                if file.exists() and file.stat().st_size == 0:
                    file.unlink()
                elif file.exists():
                    seal(self._folder, self._to_seal[0])
            except OSError as error:
                log.error("%s: cannot be handed over, trying again: %s", file, error)
                return
            self._to_seal.pop(0)
            self._on_sealed()


def _write_all(handle: int, buffers: list[bytes]) -> int:
    """Write every buffer, however the kernel splits them, and give the bytes written."""
    total = 0
    for first in range(0, len(buffers), _BUFFERS_A_WRITE):
        views = [memoryview(buffer) for buffer in buffers[first : first + _BUFFERS_A_WRITE]]
        while views:
            written = os.writev(handle, views)
            total += written
            while views and written >= len(views[0]):
                written -= len(views.pop(0))
            if written:
                views[0] = views[0][written:]
    return total
