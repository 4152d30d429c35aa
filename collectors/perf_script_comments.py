"""The comments that perf script --header writes first: when, where and how it was recorded."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

_LINE = re.compile(r"^#\s*(?P<key>[a-z][a-z ]*?)\s*:\s*(?P<value>.*?)\s*$")
_EVENT = re.compile(r"^name = (?P<name>[^\s,]+)")
_CTIME = "%a %b %d %H:%M:%S %Y"
_CLOCK = re.compile(r"^(\d{1,9})\.(\d{1,9})$")

# A header has a few dozen lines; a file of nothing but comments is not kept.
_EVENTS_MOST = 1000


@dataclass
class Comments:
    """What the comments say.

    Attributes:
        cmdline: the command that recorded.
        resource: attributes of the machine.
        events: names of the events, with modifiers, in order.
    """

    cmdline: str = ""
    resource: dict[str, str] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    _captured_nano: int = 0
    _clock: dict[str, int] = field(default_factory=dict)

    def take(self, line: str) -> None:
        """Read a line."""
        found = _LINE.match(line)
        if not found or not found["value"]:
            return
        key, value = found["key"], found["value"]
        if key == "hostname":
            self.resource["host.name"] = value
        elif key == "cmdline":
            self.cmdline = value
        elif key == "captured on":
            self._captured_nano = _calendar_nano(value)
        elif key in ("time of first sample", "time of last sample"):
            self._clock[key.split()[2]] = _clock_nano(value)
        elif key == "event" and (event := _EVENT.match(value)) and len(self.events) < _EVENTS_MOST:
            self.events.append(event["name"])

    def begin_unix_nano(self) -> int:
        """Give when the recording began, as if its clock were UTC; 0 for unknown.

        perf says when it was done and, on another clock, how long that took.
        """
        lasted = self._clock.get("last", 0) - self._clock.get("first", 0)
        return max(self._captured_nano - max(lasted, 0), 0)


def _calendar_nano(text: str) -> int:
    try:
        when = datetime.strptime(text, _CTIME).replace(tzinfo=UTC)
    except ValueError:
        return 0
    return max(int(when.timestamp()), 0) * 1_000_000_000


def _clock_nano(text: str) -> int:
    found = _CLOCK.match(text)
    return int(found[1]) * 1_000_000_000 + int(found[2].ljust(9, "0")) if found else 0
