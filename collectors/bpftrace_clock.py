"""When bpftrace printed something: by the times of day it printed before, if the day is known."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from collectors.frames_and_stacks import Ints

_SECOND = 1_000_000_000
_DAY = 86_400 * _SECOND

# So many times are kept for prints that began before.
_KNOWN_MOST = 10_000

_TIME_OF_DAY = re.compile(r"\s*([01]?[0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)\s*")
_DATED = re.compile(r"\s*([0-9]{4}-[01][0-9]-[0-3][0-9])[ T]([0-2][0-9]:[0-5][0-9]:[0-5][0-9])\s*")


@dataclass(frozen=True)
class Timeline:
    """Times of lines.

    Attributes:
        lines: where a time was printed, ascending.
        nanos: one more: the time before all of them, then each.
    """

    lines: Ints
    nanos: Ints

    def at(self, lines: Sequence[int] | Ints) -> Ints:
        """Give the time of each line: the last that was printed up to it.

        >>> Timeline(np.array([3]), np.array([10, 20])).at([2, 3, 4]).tolist()
        [10, 20, 20]
        """
        return self.nanos[np.searchsorted(self.lines, np.asarray(lines), side="right")]


class Clock:
    """Follows the times that were printed. They are taken as UTC, as they name no zone."""

    def __init__(self, begin_unix_nano: int, recorded_unix_nano: int) -> None:
        """Begin.

        Args:
            begin_unix_nano: when the recording began, which tells the day; 0 for unknown.
            recorded_unix_nano: the time of what stands before all times.
        """
        self._has_day = begin_unix_nano > 0
        self._now = self._before = recorded_unix_nano
        self._known: list[tuple[int, int]] = []

    def timeline(self, clocks: Sequence[tuple[int, str]]) -> Timeline:
        """Give the times of lines, by those printed in a part of a file and before.

        Some of the lines may be of the parts before: a print is told when it has ended.
        """
        if len(self._known) > _KNOWN_MOST:
            self._before = self._known[-_KNOWN_MOST - 1][1]
            del self._known[:-_KNOWN_MOST]
        for line, text in sorted(clocks, key=lambda each: each[0]):
            found = self._read(text)
            if found:
                self._now = found
                self._known.append((line, found))
        lines = np.array([line for line, _ in self._known], dtype=np.int64)
        nanos = np.array([self._before, *(nano for _, nano in self._known)], dtype=np.int64)
        return Timeline(lines, nanos)

    def _read(self, text: str) -> int:
        """Read a time; 0 for none."""
        dated = _DATED.fullmatch(text)
        if dated:
            try:
                when = datetime.fromisoformat(f"{dated[1]} {dated[2]}").replace(tzinfo=UTC)
            except ValueError:
                return 0
            nano = int(when.timestamp()) * _SECOND
            self._has_day = self._has_day or nano > 0
            return nano if 0 < nano < 2**63 else 0
        daily = _TIME_OF_DAY.fullmatch(text)
        if not daily or not self._has_day:
            return 0
        hours, minutes, seconds = map(int, daily.groups())
        nano = self._now // _DAY * _DAY + ((hours * 60 + minutes) * 60 + seconds) * _SECOND
        # Midnight passed, unless the clock was only set back a little.
        if nano < self._now - _DAY // 2:
            nano += _DAY
        return nano


def is_time_of_day(text: str) -> bool:
    """Tell whether a text is a time, with its day or without.

    >>> is_time_of_day("06:20:16"), is_time_of_day("06:20:16 bash")
    (True, False)
    """
    return bool(_TIME_OF_DAY.fullmatch(text) or _DATED.fullmatch(text))
