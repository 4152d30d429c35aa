"""Following a canary: look after look, over the past at once or as minutes come to an end."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipeline.gate.standings import Watch
from pipeline.gate.watching import STARVED_MINUTES, Look, looks_of, without_data
from pipeline.jobs.judge_request import JudgeRequest
from pipeline.jobs.looks import Reading, read_looks
from pipeline.lake import Lake
from pipeline.schema.rollups import MINUTE_NANO

_SECOND_NANO = 1_000_000_000


@dataclass(frozen=True)
class Clock:
    """Time, as a watch sees it.

    Attributes:
        now_unix_nano: gives the present.
        wait: waits for so many seconds.
        settle_seconds: how long after its end a minute is taken to be in the lake.
        every_minutes: how often there is a look between the planned ones.
    """

    now_unix_nano: Callable[[], int]
    wait: Callable[[float], None]
    settle_seconds: float = 10.0
    every_minutes: int = 1

    def ended(self) -> int:
        """Give the first minute since the epoch that is not over."""
        return int((self.now_unix_nano() - self.settle_seconds * _SECOND_NANO) // MINUTE_NANO)

    def until_next(self) -> float:
        """Give the seconds until another minute is over."""
        end = (self.ended() + 1) * MINUTE_NANO + round(self.settle_seconds * _SECOND_NANO)
        return max((end - self.now_unix_nano()) / _SECOND_NANO, 0.1)


def replayed(
    lake: Lake, request: JudgeRequest, watch: Watch, end_minute: int, every_minutes: int = 1
) -> Iterator[Look]:
    """Look at the past as if it were watched: the same looks as ``followed`` gave, at once.

    Args:
        lake: the lake.
        request: both sides, since when, and until when.
        watch: how it is watched.
        end_minute: since the epoch, the first that is not over.
        every_minutes: how often there is a look between the planned ones.

    Raises:
        UsageError, LakeError, CommitConflict, LakeUnavailable: as for ``read_looks``.
    """
    reading = read_looks(lake, request)
    if reading.first_minute is None:
        yield without_data(reading, watch)
        return
    yield from looks_of(reading, watch, 0, end_minute, every_minutes)


def followed(
    lake: Lake,
    request: JudgeRequest,
    watch: Watch,
    clock: Clock,
    on_wait: Callable[[str], None] = lambda text: None,
) -> Iterator[Look]:
    """Look at a canary minute by minute, as the lake gets to know of them.

    Args:
        lake: the lake, read once a minute.
        request: both sides and since when, which is set.
        watch: how it is watched.
        clock: the time.
        on_wait: told what is waited for, and how fresh the lake is.

    Raises:
        UsageError, LakeError, CommitConflict, LakeUnavailable: as for ``read_looks``.
    """
    start = (request.since_unix_nano or 0) // MINUTE_NANO
    done = 0
    while True:
        reading = read_looks(lake, request)
        ended = clock.ended()
        for look in looks_of(reading, watch, done, _landed(reading, ended), clock.every_minutes):
            yield look
            done = look.minute
            if look.ends:
                return
        if reading.first_minute is None and ended - start >= watch.horizon:
            yield without_data(reading, watch)
            return
        on_wait(_waiting(reading, ended))
        clock.wait(clock.until_next())


def _landed(reading: Reading, ended: int) -> int:
    """Give the first minute that is not in the lake yet.

    Nothing of the newest minutes at all is a lake that is behind, until it has lasted too long.
    """
    if reading.last_minute is None:
        return ended
    newest = reading.last_minute + 1
    return newest if newest < ended < newest + STARVED_MINUTES else ended


def _waiting(reading: Reading, ended: int) -> str:
    """Say how fresh the lake is."""
    if reading.first_minute is None:
        return "no request of both sides yet"
    behind = max(ended - (reading.last_minute or 0) - 1, 0)
    if behind >= STARVED_MINUTES:
        return f"starved: nothing has arrived for {behind} minutes"
    if not behind:
        return "the lake is up to date"
    return f"the lake is {behind} minute{'s' if behind > 1 else ''} behind"
