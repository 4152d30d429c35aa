"""The minutes that are compared: those that both sides have, are over, and tell of one clock."""

import datetime
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.jobs.judge_cells import Part
from pipeline.jobs.judge_request import JudgeRequest
from pipeline.jobs.judge_rows import runs_of
from pipeline.schema.rollups import MINUTE_NANO

# A minute is over for good when so much of the next has passed: what is late is there by then.
SETTLE_NANO = 10_000_000_000

# An instance that is so much earlier or later than all others has a clock of its own.
_APART_MINUTES = 30

_SIDES = (0, 1)


@dataclass(frozen=True)
class Window:
    """What is compared.

    Attributes:
        first_minute, end_minute: in minutes since the epoch; both 0 for nothing.
        shared: share of the minutes of either side that both have.
        last_minutes: the newest of baseline and canary, also if it is left out.
        kept: which rows are of it.
        notes: what was left out, and why.
    """

    first_minute: int
    end_minute: int
    shared: float
    last_minutes: tuple[int | None, int | None]
    kept: NDArray[np.bool_]
    notes: tuple[str, ...]


def settled_until(request: JudgeRequest) -> int | None:
    """Give the end of the newest minute that is over, in ns, or what was asked for; None for open.

    >>> from pipeline.jobs.judge_request import JudgeRequest
    >>> sides = ((("service_version", "1"),), (("service_version", "2"),))
    >>> settled_until(JudgeRequest(*sides, now_unix_nano=130_000_000_000))
    120000000000
    """
    if request.until_unix_nano is not None or request.now_unix_nano is None:
        return request.until_unix_nano
    return (request.now_unix_nano - SETTLE_NANO) // MINUTE_NANO * MINUTE_NANO


def find_window(columns: Part, names: NDArray[np.generic], request: JudgeRequest) -> Window:
    """Find the minutes to compare.

    Args:
        columns: rows by column, instances by number.
        names: of the instances.
        request: the question.
    """
    side, minute = columns["side"], np.asarray(columns["minute"], dtype=np.int64)
    notes = []
    last: list[int | None] = [
        int(minute[side == each].max()) if (side == each).any() else None for each in _SIDES
    ]
    kept = np.ones(len(minute), dtype=bool)
    until = settled_until(request)
    if until is not None and request.until_unix_nano is None:
        kept = minute < until // MINUTE_NANO
        if not kept.all():
            notes.append(
                f"minutes from {clock_text(until // MINUTE_NANO)} on are not over: left out"
            )
    if not request.historic:
        apart, told = _apart(columns["instance_code"], side, minute, kept, names)
        kept &= ~apart
        notes += told
    spans = [
        (int(minute[kept & (side == each)].min()), int(minute[kept & (side == each)].max()) + 1)
        for each in _SIDES
        if (kept & (side == each)).any()
    ]
    if request.historic or request.saved:
        # Minutes of the baseline that has none of its own are the canary's.
        spans = spans[-1:] * 2
    first, end, shared = _common(spans)
    kept &= (minute >= first) & (minute < end)
    return Window(first, end, shared, (last[0], last[1]), kept, tuple(notes))


def _common(spans: list[tuple[int, int]]) -> tuple[int, int, float]:
    """Give the minutes that both sides have, and their share of those that either has."""
    if not spans:
        return 0, 0, 0.0
    first, end = max(span[0] for span in spans), min(span[1] for span in spans)
    union = max(span[1] for span in spans) - min(span[0] for span in spans)
    if len(spans) == 1 or first >= end:
        # Nothing in common: each side is told with what it has.
        return min(span[0] for span in spans), max(span[1] for span in spans), 0.0
    return first, end, (end - first) / union


def _apart(
    instance: NDArray[np.generic],
    side: NDArray[np.generic],
    minute: NDArray[np.int64],
    kept: NDArray[np.bool_],
    names: NDArray[np.generic],
) -> tuple[NDArray[np.bool_], list[str]]:
    """Find instances whose minutes are far off those of most, on both sides, and tell of them."""
    none = np.zeros(len(minute), dtype=bool)
    if not kept.any():
        return none, []
    count = len(names)
    low, high = np.full(count, np.iinfo(np.int64).max), np.full(count, -1)
    # An instance's rows stand together, many times: a run of them is looked at as one.
    own, clock = (instance, minute) if kept.all() else (instance[kept], minute[kept])
    runs = runs_of(own)
    whose = own[runs].astype(np.int64)
    np.minimum.at(low, whose, np.minimum.reduceat(clock, runs))
    np.maximum.at(high, whose, np.maximum.reduceat(clock, runs))
    there = np.flatnonzero(high >= 0)
    order = there[np.argsort(low[there], kind="stable")]
    reached = np.maximum.accumulate(high[order])
    group = np.cumsum(np.concatenate([[0], low[order][1:] - reached[:-1] > _APART_MINUTES]))
    main = int(np.bincount(group).argmax())
    off = order[group != main]
    if not len(off):
        return none, []
    inside = ~np.isin(instance, off)
    both = all((inside & kept & (side == each)).any() for each in _SIDES)
    if 2 * len(off) >= len(there) or not both:
        return none, []
    most = (
        clock_text(int(low[order[group == main]].min())),
        clock_text(int(reached[group == main].max())),
    )
    told = [
        f"instance {names[each]}: its minutes, from {clock_text(int(low[each]))} to "
        f"{clock_text(int(high[each]))}, are far off the others' ({most[0]} to {most[1]}); is its "
        "clock wrong? left out"
        for each in sorted(off.tolist(), key=lambda place: str(names[place]))
    ]
    return ~inside, told


def clock_text(minute: int) -> str:
    """Write a minute since the epoch as a time of day, UTC.

    >>> clock_text(29_539_440)
    '2026-03-01 12:00'
    """
    moment = datetime.datetime.fromtimestamp(60 * minute, datetime.UTC)
    return f"{moment:%Y-%m-%d %H:%M}"
