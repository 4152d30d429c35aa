"""The journal: what is acknowledged is on the disk, once, whatever the disk does."""

import asyncio
import os
import subprocess
import sys
import time

import pytest

from collectors.otlp.journal import Journal
from collectors.otlp.journal_folder import (
    JournalFolder,
    forget,
    hold,
    next_number,
    open_journal,
    remember,
    remembered,
    seal_leftovers,
)
from collectors.otlp.retry_window import RetryWindow
from pipeline.errors import JournalError, JournalInUse
from pipeline.lake import Lake
from pipeline.settings import Journal as JournalSettings
from tests.otlp.journals import HOUR, frame, frames, run
from tests.otlp.receivers import ROOT, environment


@pytest.fixture
def folder(lake: Lake) -> JournalFolder:
    return open_journal(lake)


def test_an_appended_frame_is_in_the_file_when_append_returns(folder: JournalFolder) -> None:
    async def use(journal: Journal) -> None:
        for number in range(3):
            await journal.append(frame(number))
            assert frames(folder, "open") == [frame(n) for n in range(number + 1)]

    run(folder, use)
    assert frames(folder) == [frame(0), frame(1), frame(2)]


def test_requests_that_wait_together_share_a_sync(folder: JournalFolder) -> None:
    async def use(journal: Journal) -> int:
        await asyncio.gather(*(journal.append(frame(number)) for number in range(2000)))
        return journal.syncs

    assert run(folder, use) <= 3
    assert frames(folder) == [frame(number) for number in range(2000)]


def test_a_segment_is_sealed_when_it_is_large_enough(folder: JournalFolder) -> None:
    sealed: list[int] = []

    async def use(journal: Journal) -> None:
        for number in range(5):
            await journal.append(frame(number, size=3000))

    settings = JournalSettings(segment_bytes=4096, segment_seconds=3600)
    run(folder, use, settings, lambda: sealed.append(len(folder.numbers("sealed"))))
    assert sealed == [1, 2, 3]
    assert frames(folder) == [frame(number, size=3000) for number in range(5)]


def test_a_segment_is_sealed_when_it_is_old_enough(folder: JournalFolder) -> None:
    told: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def on_sealed() -> None:
        for loop, sealed in told:
            loop.call_soon_threadsafe(sealed.set)

    async def use(journal: Journal) -> float:
        sealed = asyncio.Event()
        loop = asyncio.get_running_loop()
        told.append((loop, sealed))
        began = time.monotonic()
        await journal.append(frame(1))
        await asyncio.wait_for(sealed.wait(), 30)
        assert frames(folder) == [frame(1)]
        return time.monotonic() - began

    settings = JournalSettings(segment_seconds=0.2)
    assert run(folder, use, settings, on_sealed) >= 0.2


def test_a_journal_without_requests_leaves_no_segments(folder: JournalFolder) -> None:
    async def use(journal: Journal) -> None:
        await asyncio.sleep(0)

    run(folder, use)
    assert folder.numbers("open") + folder.numbers("sealed") == []


def test_a_closed_journal_takes_nothing_more(folder: JournalFolder) -> None:
    async def main() -> None:
        journal = Journal(folder, HOUR, lambda: None)
        await journal.close()
        with pytest.raises(JournalError, match="closing"):
            await journal.append(frame(1))

    asyncio.run(main())


def test_what_a_crash_left_open_is_sealed_and_its_torn_tail_told(folder: JournalFolder) -> None:
    run(folder, lambda journal: journal.append(frame(1)))
    whole = folder.segment(1, "sealed").read_bytes()
    folder.segment(1, "sealed").unlink()
    folder.segment(1, "open").write_bytes(whole + whole[:7])
    damages = seal_leftovers(folder)
    assert [(damage.offset, damage.torn) for damage in damages] == [(len(whole), True)]
    assert folder.numbers("open") == []
    assert folder.segment(1, "sealed").read_bytes() == whole + whole[:7]


def test_numbers_go_on_above_every_segment_that_ever_was(folder: JournalFolder) -> None:
    assert next_number(folder) == 1
    for number, state in ((3, "sealed"), (5, "open"), (4, "ids")):
        folder.segment(number, state).touch()
    assert next_number(folder) == 6


def test_the_ids_of_landed_requests_are_remembered_in_order(folder: JournalFolder) -> None:
    remember(folder, [1, 2], [frame(1), frame(2)])
    run(folder, lambda journal: journal.append(frame(3)))
    assert remembered(folder) == [(n, frame(n).batch_id) for n in (1, 2, 3)]
    assert remembered(folder, states=()) == [(n, frame(n).batch_id) for n in (1, 2)]


def test_ids_kept_under_the_same_number_before_a_crash_stay(folder: JournalFolder) -> None:
    # A crash after segment 1 of 1 and 2 was deleted leaves a round of segment 2 alone.
    remember(folder, [1, 2], [frame(1), frame(2)])
    remember(folder, [2], [frame(2)])
    assert remembered(folder) == [(n, frame(n).batch_id) for n in (1, 2)]


def test_ids_older_than_the_window_go_and_the_newest_stay(folder: JournalFolder) -> None:
    for number in (1, 2, 3):
        remember(folder, [number], [frame(number)])
    os.utime(folder.segment(1, "ids"), ns=(100, 100))
    os.utime(folder.segment(2, "ids"), ns=(300, 300))
    os.utime(folder.segment(3, "ids"), ns=(100, 100))
    forget(folder, before_unix_nano=200)
    assert folder.numbers("ids") == [2, 3]


def test_the_retry_window_is_bounded_by_age_and_by_number() -> None:
    window = RetryWindow(seconds=1, most=3)
    for number in range(10):
        window.add(bytes([number]), number)
    assert len(window) == 3
    assert bytes([6]) not in window
    assert bytes([7]) in window
    window.add(b"later", 2_000_000_000)
    assert len(window) == 1


def test_a_second_holder_is_told_which_process_has_the_journal(folder: JournalFolder) -> None:
    with hold(folder, "receiver"):
        wanted = rf"process {os.getpid()} holds .*--journal NAME"
        with pytest.raises(JournalInUse, match=wanted), hold(folder, "receiver"):
            raise AssertionError("held twice")
    with hold(folder, "receiver"):
        assert (folder.path / "receiver.lock").read_text() == f"{os.getpid()}\n"


def test_the_lock_goes_with_a_killed_process(folder: JournalFolder) -> None:
    script = (
        "import sys, time\n"
        "from collectors.otlp.journal_folder import hold, open_journal\n"
        "from pipeline.lake import open_lake\n"
        "with hold(open_journal(open_lake(sys.argv[1])), 'receiver'):\n"
        "    print(flush=True)\n"
        "    time.sleep(600)\n"
    )
    arguments = [sys.executable, "-c", script, str(folder.path.parents[1])]
    child = subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment(), cwd=ROOT)
    try:
        assert child.stdout
        assert child.stdout.readline() == b"\n"
        wanted = f"process {child.pid} "
        with pytest.raises(JournalInUse, match=wanted), hold(folder, "receiver"):
            raise AssertionError("held twice")
    finally:
        child.kill()
        child.communicate()
    with hold(folder, "receiver"):
        pass


def test_two_processes_that_make_a_journal_agree_on_its_id(lake: Lake) -> None:
    assert open_journal(lake, "a").id == open_journal(lake, "a").id
    assert open_journal(lake, "a").id != open_journal(lake, "b").id


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-a", "a" * 65, "a b"])
def test_a_journal_has_a_plain_name(lake: Lake, name: str) -> None:
    with pytest.raises(JournalError, match="use letters"):
        open_journal(lake, name)


def test_an_unreadable_journal_json_names_the_file(lake: Lake) -> None:
    about = open_journal(lake).path / "journal.json"
    about.write_text("{")
    with pytest.raises(JournalError, match=r"journal\.json.*move the folder away"):
        open_journal(lake)
