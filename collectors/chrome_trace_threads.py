"""Trace events by thread: what each opens and closes, in order, and the stacks that come of it."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from collectors.speedscope_events import OpenFrames
from collectors.speedscope_json import number_of, text_of
from pipeline.errors import BadRequest

_NANO_OF_MICRO = 1000
_TIME_MOST = 2**63 - 1


class EventFrame(NamedTuple):
    """A frame as an event tells it: its name, file and line; empty and 0 for unknown."""

    name: str
    file: str
    line: int


class Event(NamedTuple):
    """An event: B opens a frame, E closes it, X is both, so long after."""

    phase: str
    frame: EventFrame
    at_nano: int
    lasts_nano: int


@dataclass
class Thread:
    """Events of one thread, in the order of the file.

    Attributes:
        pid, thread_id: as sent; None where they are no numbers.
        name: as sent; empty for unknown.
        py_spy: whether py-spy wrote them.
        events: the events.
        fault: what is wrong with one of them; empty for nothing.
    """

    pid: int | None
    thread_id: int | None
    name: str = ""
    py_spy: bool = False
    events: list[Event] = field(default_factory=list)
    fault: str = ""


def threads_of(events: list[Any], warnings: Counter[str]) -> list[Thread]:
    """Sort events by thread.

    Args:
        events: as loaded.
        warnings: gains how many are no frames.
    """
    threads: dict[tuple[str, str], Thread] = {}
    names: dict[tuple[str, str], str] = {}
    for event in events:
        if not isinstance(event, dict):
            warnings["events_skipped"] += 1
            continue
        phase = event.get("ph")
        key = (_key(event.get("pid")), _key(event.get("tid")))
        if phase == "M" and event.get("name") == "thread_name":
            names[key] = text_of(_arguments(event).get("name"))
            continue
        if phase not in ("B", "E", "X"):
            warnings["events_skipped"] += 1
            continue
        thread = threads.get(key)
        if thread is None:
            thread = threads[key] = Thread(_identity(event.get("pid")), _identity(event.get("tid")))
        thread.py_spy |= event.get("cat") == "py-spy"
        try:
            thread.events.append(_event(phase, event))
        except BadRequest as error:
            thread.fault = thread.fault or str(error)
    for key, thread in threads.items():
        thread.name = names.get(key, "")
    return list(threads.values())


def _event(phase: str, event: dict[str, Any]) -> Event:
    """Read an event.

    Raises:
        BadRequest: it has no time, or an X event no duration.
    """
    arguments = _arguments(event)
    file = text_of(arguments.get("filename"))
    frame = EventFrame(text_of(event.get("name")), file, number_of(arguments.get("line")))
    lasts = _nano(event.get("dur"), "duration") if phase == "X" else 0
    if lasts < 0:
        raise BadRequest("an event lasts less than no time")
    return Event(phase, frame, _nano(event.get("ts"), "time"), lasts)


def _nano(value: Any, what: str) -> int:
    """Give µs as ns."""
    if type(value) is int:
        nano = value * _NANO_OF_MICRO
    elif type(value) is float and abs(value) < _TIME_MOST:
        nano = round(value * _NANO_OF_MICRO)
    else:
        raise BadRequest(f"an event has no {what}")
    if abs(nano) > _TIME_MOST:
        raise BadRequest(f"an event's {what} is beyond 63 bits of nanoseconds")
    return nano


def opened_and_closed(thread: Thread) -> OpenFrames:
    """Follow a thread's events.

    Raises:
        BadRequest: they do not nest, are not in order or never end.
    """
    if thread.fault:
        raise BadRequest(thread.fault)
    opened = OpenFrames()
    # When each open frame ends; None where an event will say.
    ends: list[int | None] = []
    for event in _in_order(thread.events):
        _close_ended(opened, ends, event.at_nano)
        if event.phase == "E":
            _check_closes(opened, ends, event)
            ends.pop()
            opened.close(event.at_nano)
            continue
        end = event.at_nano + event.lasts_nano if event.phase == "X" else None
        outer = ends[-1] if ends else None
        if end is not None and outer is not None and end > outer:
            raise BadRequest(f"{event.frame.name} ends after what it began in")
        opened.open(event.frame, event.at_nano)
        ends.append(end)
    _close_ended(opened, ends, _TIME_MOST * 2)
    if ends:
        raise BadRequest(f"{len(ends)} frames are open at its end")
    return opened


def _in_order(events: list[Event]) -> list[Event]:
    """Put whole frames where they begin: they are written when they end, after what they hold."""
    whole = sorted(
        (event for event in events if event.phase == "X"),
        key=lambda event: (-event.at_nano, event.lasts_nano),
    )
    if not whole:
        return events
    ordered = []
    for event in events:
        if event.phase == "X":
            continue
        # Behind what ends at that moment, and before what begins.
        while whole and whole[-1].at_nano < event.at_nano + (event.phase == "B"):
            ordered.append(whole.pop())
        ordered.append(event)
    return [*ordered, *reversed(whole)]


def _close_ended(opened: OpenFrames, ends: list[int | None], at_nano: int) -> None:
    """Close the frames whose end is past."""
    while ends and (end := ends[-1]) is not None and end <= at_nano:
        ends.pop()
        opened.close(end)


def _check_closes(opened: OpenFrames, ends: list[int | None], event: Event) -> None:
    """See that an event closes the frame that was opened last."""
    if not ends:
        raise BadRequest("a frame is closed that is not open")
    # The format lets an event that closes leave the name out.
    name = event.frame.name
    if ends[-1] is not None or (name and name != opened.innermost.name):
        raise BadRequest(f"{name} is closed while {opened.innermost.name} is open in it")


def _arguments(event: dict[str, Any]) -> dict[str, Any]:
    arguments = event.get("args")
    return arguments if isinstance(arguments, dict) else {}


def _key(value: Any) -> str:
    return repr(value) if isinstance(value, int | str | float) else ""


def _identity(value: Any) -> int | None:
    whole = type(value) is int and 0 <= value <= _TIME_MOST
    return value if whole else None
