"""The journal on a disk that is full, fails or cannot be written."""

import asyncio
import errno
import itertools
import os
import subprocess
from pathlib import Path

import pytest

from collectors.otlp.frames import HEADER_BYTES, Frame
from collectors.otlp.journal import Journal
from collectors.otlp.journal_folder import JournalFolder, hold, open_journal
from pipeline.errors import JournalError, LakeUnavailable
from pipeline.lake import Lake, open_lake
from pipeline.settings import Journal as JournalSettings
from tests.otlp.journals import frame, frames, run


@pytest.fixture
def folder(lake: Lake) -> JournalFolder:
    return open_journal(lake)


def test_a_full_disk_refuses_tears_nothing_and_works_again_when_space_returns(
    small_disk: Path,
) -> None:
    lake = open_lake(small_disk / "lake", create=True)
    folder = open_journal(lake)
    taken: list[Frame] = []

    refused: list[str] = []

    async def use(journal: Journal) -> None:
        for number in itertools.count():
            sent = frame(number, size=200_000)
            try:
                await journal.append(sent)
            except JournalError as error:
                refused.append(str(error))
                if len(refused) == 3:
                    break
            else:
                assert number < 100, "the disk is never full"
                taken.append(sent)
        # Space returns: what was there before the crash of nothing is landed and deleted.
        assert frames(folder) == taken
        for number in folder.numbers("sealed"):
            folder.segment(number, "sealed").unlink()
        await journal.append(frame(1000))

    run(folder, use)
    assert all("No space left on device; not stored, send again" in told for told in refused)
    assert len(taken) > 20
    assert frames(folder) == [frame(1000)]
    assert folder.numbers("open") == []


def test_a_failed_sync_is_no_acknowledgement_and_begins_a_new_segment(
    folder: JournalFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fdatasync
    broken = False

    def fdatasync(handle: int) -> None:
        if broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(handle)

    monkeypatch.setattr(os, "fdatasync", fdatasync)

    async def use(journal: Journal) -> None:
        nonlocal broken
        await journal.append(frame(1))
        broken = True
        for number in (2, 3):
            with pytest.raises(JournalError, match="Input/output error; not stored, send again"):
                await journal.append(frame(number))
        broken = False
        await journal.append(frame(4))

    run(folder, use)
    assert frames(folder) == [frame(1), frame(4)]
    first, second = folder.numbers("sealed")
    assert folder.segment(first, "sealed").stat().st_size == HEADER_BYTES + 10
    assert second > first


@pytest.mark.parametrize("call", ["rename", "close", "ftruncate", "open"])
def test_a_disk_that_fails_once_anywhere_leaves_a_journal_that_goes_on(
    folder: JournalFolder, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Each call to the disk fails once; whatever was acknowledged is sealed in the end."""
    failures = [OSError(errno.EIO, os.strerror(errno.EIO))]
    owner = Path if call == "rename" else os
    real = getattr(owner, call)
    armed = False

    def fails_once(*arguments: object, **more: object) -> object:
        path = str(arguments[0])
        if armed and failures and (call in ("close", "ftruncate") or ".open" in path):
            raise failures.pop()
        return real(*arguments, **more)

    monkeypatch.setattr(owner, call, fails_once)
    monkeypatch.setattr("collectors.otlp.journal._SEAL_AGAIN_SECONDS", 0.01)
    real_sync = os.fdatasync
    sync_fails = call == "ftruncate"

    def fdatasync(handle: int) -> None:
        nonlocal sync_fails
        if armed and sync_fails:
            sync_fails = False
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real_sync(handle)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    taken: list[Frame] = []

    async def use(journal: Journal) -> None:
        nonlocal armed
        armed = True
        for number in range(6):
            sent = frame(number, size=3000)
            try:
                await asyncio.wait_for(journal.append(sent), 20)
                taken.append(sent)
            except JournalError:
                continue
        while folder.numbers("open"):
            await asyncio.wait_for(journal.append(frame(100, size=5000)), 20)
            await asyncio.sleep(0.02)

    settings = JournalSettings(segment_bytes=4096, segment_seconds=3600)
    run(folder, use, settings)
    assert not failures
    assert len(taken) >= 5
    found = [item for item in frames(folder) if item.time_unix_nano < 100]
    assert [item for item in found if item in taken] == taken


def test_a_read_only_lake_says_so(small_disk: Path) -> None:
    lake = open_lake(small_disk / "lake", create=True)
    folder = open_journal(lake)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    wanted = "Read-only file system; grant access"
    with pytest.raises(LakeUnavailable, match=wanted), hold(folder, "receiver"):
        raise AssertionError("held")
    with pytest.raises(LakeUnavailable, match="Read-only"):
        open_journal(lake, "another")
