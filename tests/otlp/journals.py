"""A journal under test: frames told by their number, and what stands on the disk."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from collectors.otlp.frames import Frame, unpack
from collectors.otlp.journal import Journal
from collectors.otlp.journal_folder import JournalFolder
from pipeline.settings import Journal as JournalSettings

T = TypeVar("T")

HOUR = JournalSettings(segment_seconds=3600)


def frame(number: int, size: int = 10) -> Frame:
    return Frame(1, number, number.to_bytes(16, "big"), bytes([number % 256]) * size)


def run(
    folder: JournalFolder,
    use: Callable[[Journal], Awaitable[T]],
    settings: JournalSettings = HOUR,
    on_sealed: Callable[[], None] = lambda: None,
) -> T:
    """Use a journal on an event loop, and close it."""

    async def main() -> T:
        journal = Journal(folder, settings, on_sealed)
        try:
            return await use(journal)
        finally:
            await journal.close()

    return asyncio.run(main())


def frames(folder: JournalFolder, state: str = "sealed") -> list[Frame]:
    found = []
    for number in folder.numbers(state):
        items = list(unpack(folder.segment(number, state).read_bytes()))
        assert all(isinstance(item, Frame) for item in items)
        found += [item for item in items if isinstance(item, Frame)]
    return found
