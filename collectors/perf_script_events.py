"""Events of perf: what a sample of one is worth, and what its profile says as a whole."""

import re
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from collectors.frames_and_stacks import Ints
from collectors.perf_script_comments import Comments
from collectors.profile_file import Facts

_MODIFIERS = re.compile(r"^(?P<name>.*[^:]):(?P<modifiers>[ukhHGpPSDWebR]+)$")
_OF_UNIT = re.compile(r"^[\w.-]+/(?P<name>[\w.-]+)(?:,[^/]*)?/(?P<modifiers>[a-zA-Z]*)$")
_CLOCKS = ("cpu-clock", "task-clock")
_CYCLES = ("cycles", "cpu-cycles")
_INT64_MOST = 2**63 - 1

# Where perf printed no name.
UNNAMED = "samples"


@dataclass
class Event:
    """One event of a file: its profile.

    Attributes:
        number: of the profile in the file.
        text: the event as printed; empty where it was not.
        totals: of the values, by unit.
        warnings: what was repaired or dropped.
    """

    number: int
    text: str
    totals: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    _first_nano: int | None = None
    _last_nano: int = 0
    _periods: set[int] = field(default_factory=set)

    @property
    def name(self) -> str:
        """Give its name without modifiers."""
        return split_event(self.text)[0] or UNNAMED

    @property
    def profile_type(self) -> str:
        """Give the schema's type."""
        return "cpu" if self.name in (*_CLOCKS, *_CYCLES) else "events"

    @property
    def is_clock(self) -> bool:
        """Tell whether its period is a time, in nanoseconds."""
        return self.name in _CLOCKS

    @property
    def unit(self) -> str:
        """Give the unit of a printed period."""
        return "nanoseconds" if self.is_clock else "cycles" if self.name in _CYCLES else "count"

    def add(self, values: Ints, unit: str, is_printed: bool, times_nano: Ints) -> None:
        """Count samples.

        Args:
            values: n, in ``unit``.
            unit: of them.
            is_printed: they are periods that perf printed.
            times_nano: on perf's clock, of those that have one.
        """
        # In halves, as the sum of n numbers of 63 bits does not fit 64.
        self.totals[unit] += (int((values >> 32).sum()) << 32) + int((values & 0xFFFFFFFF).sum())
        if is_printed and len(self._periods) < 2 and len(values):
            self._periods |= {int(values.min()), int(values.max())}
        if len(times_nano):
            first, last = int(times_nano.min()), int(times_nano.max())
            known = self._first_nano
            self._first_nano = first if known is None else min(first, known)
            self._last_nano = max(self._last_nano, last)

    def facts(self, comments: Comments, time_unix_nano: int, lost: int | None) -> Facts:
        """Give what is known of the profile.

        Args:
            comments: of the file.
            time_unix_nano: when it began; 0 for unknown.
            lost: samples lost; None for unknown.
        """
        types = []
        for unit, total in self.totals.items():
            if total > _INT64_MOST:
                self.warnings["total_beyond_int64"] += 1
            types.append((self.name, unit, min(total, _INT64_MOST)))
        modifiers = split_event(self.text)[1]
        attributes = {"event": self.text} if self.text else {}
        if modifiers:
            attributes["modifiers"] = modifiers
        constant = len(self._periods) == 1
        return Facts(
            sample_types=types,
            time_unix_nano=time_unix_nano,
            duration_nano=self._last_nano - (self._first_nano or 0) if self._last_nano else 0,
            period=next(iter(self._periods)) if constant else 0,
            period_type=self.name if constant else "",
            default_sample_type=self.name,
            comments=[comments.cmdline] if comments.cmdline else [],
            attributes=attributes,
            warnings=[f"{reason}: {n}" for reason, n in sorted(self.warnings.items()) if n],
            lost=lost,
        )


def split_event(text: str) -> tuple[str, str]:
    """Split an event into name and modifiers.

    >>> split_event("cycles:ppp"), split_event("sched:sched_switch"), split_event("cpu/cycles/u")
    (('cycles', 'ppp'), ('sched:sched_switch', ''), ('cycles', 'u'))
    """
    found = _OF_UNIT.match(text) or _MODIFIERS.match(text)
    return (found["name"], found["modifiers"]) if found else (text, "")


def values_of(event: Event, count: int, rate_hertz: float) -> tuple[Ints, str]:
    """Give values for samples without a printed period, and their unit.

    Args:
        event: of which.
        count: how many samples.
        rate_hertz: samples a second, as somebody says; 0 for unknown.
    """
    if event.is_clock and rate_hertz > 0:
        return np.full(count, round(1e9 / rate_hertz), dtype=np.int64), "nanoseconds"
    return np.ones(count, dtype=np.int64), "count"
