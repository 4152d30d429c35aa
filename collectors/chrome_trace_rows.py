"""Rows of trace events: a profile a thread, each stack with the time it was open."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from collectors.chrome_trace_threads import EventFrame, Thread, opened_and_closed, threads_of
from collectors.collector import Reading, Reject, Rows
from collectors.expand import Content
from collectors.folded_frames import kind_of_file
from collectors.frames_and_stacks import Frame
from collectors.profile_file import Facts
from collectors.speedscope_json import load_document
from collectors.speedscope_profile import total_of
from collectors.speedscope_tables import Weights, profile_tables
from pipeline.errors import BadFile, BadRequest


def read(content: Content, reading: Reading) -> Iterator[Rows | Reject]:
    """Read a file of trace events.

    Yields:
        A reject for each thread whose events do not nest, then the rows of the others.

    Raises:
        BadFile: it is no list of events, or has no thread that can be read.
    """
    warnings: Counter[str] = Counter()
    document = load_document(content, "chrome-trace", warnings)
    events = document.get("traceEvents") if isinstance(document, dict) else document
    if not isinstance(events, list):
        raise BadFile(
            f"{content.path}: chrome-trace: no list of events; export it again as trace events"
        )
    numbers: dict[EventFrame, int] = {}
    kept: list[Weights] = []
    count = 0
    reasons: list[str] = []
    py_spy = False
    for thread in threads_of(events, warnings):
        try:
            weights = _weights(thread, numbers)
        except BadRequest as error:
            reasons.append(str(error))
            yield Reject(1, f"thread {thread.thread_id}", str(error))
            continue
        kept.append(weights)
        count += len(thread.events)
        py_spy |= thread.py_spy
    if not kept:
        why = reasons[0] if reasons else "there are no events that open and close frames"
        raise BadFile(
            f"{content.path}: chrome-trace: no thread can be read ({why}); record it again, or as "
            f"speedscope"
        )
    frames = [_frame(each, py_spy) for each in numbers]
    tables = profile_tables(reading, "chrome-trace", frames, kept, warnings)
    known = all(reading.landed(name) >= 1 for name in tables)
    yield Rows(1, count, tables, "profiles", warnings, known)


def _weights(thread: Thread, numbers: dict[EventFrame, int]) -> Weights:
    """Give a thread's stacks; ``numbers`` gains their frames.

    Raises:
        BadRequest: its events cannot be followed.
    """
    opened = opened_and_closed(thread)
    found = opened.stacks()
    values = [spent for _, spent in found]
    total = total_of(values)
    stacks = [
        tuple(numbers.setdefault(frame, len(numbers)) for frame in stack) for stack, _ in found
    ]
    # Also of py-spy's: it leaves frames open from one sample to the next, however far that is.
    kind = "wall"
    attributes = {"name": thread.name} if thread.name else {}
    facts = Facts(
        [(kind, "nanoseconds", total)],
        duration_nano=opened.last - opened.first,
        attributes=attributes,
    )
    own: tuple[Any, ...] = (thread.pid, thread.thread_id, thread.name, facts)
    return Weights(stacks, values, None, kind, kind, "nanoseconds", *own)


def _frame(frame: EventFrame, py_spy: bool) -> Frame:
    """Give what an event tells of a frame."""
    kind = kind_of_file(frame.file)
    if py_spy and kind == "unknown" and frame.line:
        kind = "python"
    return Frame(frame.name, file=frame.file, line=frame.line, kind=kind)
