"""Admission: limits hold while the disk is slow, and what is under way is stored once."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from collectors.otlp.admission import Accepted, Admission
from collectors.otlp.frames import Frame, unpack
from collectors.otlp.journal import Journal
from collectors.otlp.journal_folder import JournalFolder, open_journal
from collectors.otlp.signals import TRACES
from pipeline.errors import BadRequest, Overloaded
from pipeline.lake import Lake
from pipeline.settings import Journal as JournalSettings
from pipeline.settings import Receiver, Settings
from tests.otlp import messages

T = TypeVar("T")


class SlowDisk:
    """Holds the journal's disk thread until it is let go."""

    def __init__(self, journal: Journal) -> None:
        self._let_go = threading.Event()
        journal._disk.submit(self._let_go.wait, 30)

    def let_go(self) -> None:
        self._let_go.set()


def run(
    lake: Lake,
    use: Callable[[Admission, Journal], Awaitable[T]],
    journal: JournalSettings | None = None,
    limits: dict[str, Any] | None = None,
) -> T:
    """Use an admission on an event loop, and close it; nothing may be left unheard."""
    settings = Settings(
        receiver=Receiver(**(limits or {})),
        journal=journal or JournalSettings(segment_seconds=3600),
    )
    unheard: list[object] = []

    async def main() -> T:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: unheard.append(context))
        folder = open_journal(lake)
        appended = Journal(folder, settings.journal, lambda: None)
        admission = Admission(appended, folder, settings)
        try:
            return await use(admission, appended)
        finally:
            await admission.close()
            await appended.close()

    result = asyncio.run(main())
    assert not unheard
    return result


def journaled(lake: Lake) -> list[Frame]:
    folder: JournalFolder = open_journal(lake)
    found = []
    for number in folder.numbers("sealed"):
        content = folder.segment(number, "sealed").read_bytes()
        found += [item for item in unpack(content) if isinstance(item, Frame)]
    return found


def test_what_is_taken_is_journaled_as_it_came(lake: Lake) -> None:
    payload = messages.numbered(1, 3)

    async def use(admission: Admission, journal: Journal) -> None:
        assert await admission.take(TRACES, payload) == Accepted()
        assert admission.counts["accepted_items"] == 3

    run(lake, use)
    assert [frame.payload for frame in journaled(lake)] == [payload]


def test_the_same_bytes_at_the_same_time_are_stored_once(lake: Lake) -> None:
    payload = messages.numbered(1, 1)

    async def use(admission: Admission, journal: Journal) -> None:
        disk = SlowDisk(journal)
        takes = [asyncio.create_task(admission.take(TRACES, payload)) for _ in range(5)]
        await asyncio.sleep(0)
        disk.let_go()
        assert await asyncio.gather(*takes) == [Accepted()] * 5
        assert await admission.take(TRACES, payload) == Accepted()
        assert admission.counts["repeated_requests"] == 5

    run(lake, use)
    assert len(journaled(lake)) == 1


def test_a_failed_append_is_told_to_all_who_sent_the_same(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = messages.numbered(1, 1)
    full = OSError(28, "No space left on device")

    async def use(admission: Admission, journal: Journal) -> None:
        disk = SlowDisk(journal)
        with monkeypatch.context() as fault:
            fault.setattr("os.writev", lambda *_: (_ for _ in ()).throw(full))
            takes = [asyncio.create_task(admission.take(TRACES, payload)) for _ in range(3)]
            await asyncio.sleep(0)
            disk.let_go()
            for told in await asyncio.gather(*takes, return_exceptions=True):
                assert isinstance(told, Overloaded)
                assert "No space left on device; not stored, send again" in str(told)
                assert told.retry_seconds > 0
        assert await admission.take(TRACES, payload) == Accepted()

    run(lake, use)
    assert len(journaled(lake)) == 1


def test_a_sender_that_hangs_up_does_not_undo_the_append(lake: Lake) -> None:
    payload = messages.numbered(1, 1)

    async def use(admission: Admission, journal: Journal) -> None:
        disk = SlowDisk(journal)
        take = asyncio.create_task(admission.take(TRACES, payload))
        while not admission._under_way:
            await asyncio.sleep(0)
        take.cancel()
        await asyncio.wait([take])
        disk.let_go()
        assert await admission.take(TRACES, payload) == Accepted()
        assert admission._in_flight == admission._in_flight_bytes == 0

    run(lake, use)
    assert len(journaled(lake)) == 1


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ({"max_concurrent_requests": 2}, "2 requests are in flight, which is the limit"),
        ({"max_waiting_bytes": 1024}, "requests in flight hold 1024 bytes, which is the limit"),
    ],
)
def test_beyond_a_limit_senders_are_told_to_wait(
    lake: Lake, limits: dict[str, int], why: str
) -> None:
    payloads = [messages.request([messages.span(number, name="n" * 400)]) for number in (1, 2, 3)]

    async def use(admission: Admission, journal: Journal) -> None:
        disk = SlowDisk(journal)
        takes = [asyncio.create_task(admission.take(TRACES, payload)) for payload in payloads[:2]]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match=f"{why}; send again later") as told:
            await admission.take(TRACES, payloads[2])
        assert told.value.retry_seconds > 0
        disk.let_go()
        assert await asyncio.gather(*takes) == [Accepted()] * 2
        assert await admission.take(TRACES, payloads[2]) == Accepted()

    run(lake, use, limits=limits)
    assert len(journaled(lake)) == 3


def test_a_short_wait_is_spared_the_sender(lake: Lake) -> None:
    payloads = [messages.numbered(number, 1) for number in range(1, 41)]

    async def use(admission: Admission, journal: Journal) -> None:
        takes = [admission.take(TRACES, payload) for payload in payloads]
        assert await asyncio.gather(*takes) == [Accepted()] * 40

    run(lake, use, limits={"max_concurrent_requests": 1})
    assert len(journaled(lake)) == 40


def test_those_who_wait_are_bounded_too(lake: Lake) -> None:
    large = [messages.request([messages.span(each, name="n" * 700)]) for each in (1, 2, 3)]

    async def use(admission: Admission, journal: Journal) -> None:
        disk = SlowDisk(journal)
        takes = [asyncio.create_task(admission.take(TRACES, each)) for each in large[:2]]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await asyncio.wait_for(admission.take(TRACES, large[2]), 0.1)
        disk.let_go()
        assert await asyncio.gather(*takes) == [Accepted()] * 2

    run(lake, use, limits={"max_waiting_bytes": 1024})


def test_a_request_larger_than_the_backlog_may_be_is_taken_alone(lake: Lake) -> None:
    async def use(admission: Admission, journal: Journal) -> None:
        assert await admission.take(TRACES, messages.numbered(1, 200)) == Accepted()
        with pytest.raises(Overloaded, match="bytes that have not landed"):
            await admission.take(TRACES, messages.numbered(201, 1))

    run(lake, use, JournalSettings(segment_seconds=3600, backlog_bytes=4096))


def test_what_is_no_request_is_refused_for_good(lake: Lake) -> None:
    async def use(admission: Admission, journal: Journal) -> None:
        with pytest.raises(BadRequest, match="not an OTLP traces request"):
            await admission.take(TRACES, b"\xff")

    run(lake, use)
    assert journaled(lake) == []
