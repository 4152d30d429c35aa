"""One profile of a speedscope document: its stacks, what each weighs, and whose it is."""

import math
import re
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from collectors.frames_and_stacks import Ints
from collectors.origin import Origin
from collectors.profile_types import canonical_unit
from collectors.speedscope_events import OpenFrames
from collectors.speedscope_json import text_of
from pipeline.errors import BadRequest

_UNITS = ("none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes")
_SUM_MOST = 2**63 - 1

_THREAD = re.compile(
    r"(?s)(?:Process (?P<pid>\d{1,18}):?,? ?)?Thread (?P<id>0x[0-9A-Fa-f]{1,16}|\d{1,18})"
    r':?(?: "(?P<name>.*)")?'
)


class OutOfRange(BadRequest):
    """A profile points at a frame that the document does not have."""


@dataclass(frozen=True)
class Weighed:
    """Stacks of a profile, each once.

    Attributes:
        stacks: n, as numbers of frames, leaf first.
        values: n, in the canonical unit.
        samples: n, how often each was seen; None where events tell the time.
        first, last: when events began and ended; 0 for samples.
        entries: samples or events read.
    """

    stacks: list[tuple[int, ...]]
    values: list[int]
    samples: list[int] | None
    first: int
    last: int
    entries: int


@dataclass(frozen=True)
class Measured:
    """What a profile measures.

    Attributes:
        kind: profile type of the schema.
        unit, canonical, factor: as sent, of the schema, and how many of this one of that is.
    """

    kind: str
    unit: str
    canonical: str
    factor: int


def measured(profile: dict[str, Any], origin: Origin) -> Measured:
    """Tell what a profile measures, by its unit or by what is said where it has none.

    Raises:
        BadRequest: the format has no such unit.
    """
    unit = text_of(profile.get("unit")) or "none"
    if unit not in _UNITS:
        raise BadRequest(f"its unit {unit!r} is none of {', '.join(_UNITS)}")
    if unit == "none" and origin.unit:
        unit = origin.unit
    canonical, factor = canonical_unit("count" if unit == "none" else unit)
    if canonical == "bytes":
        return Measured("alloc_space", unit, canonical, factor)
    timed = canonical == "nanoseconds" and profile.get("type") == "evented"
    return Measured("wall" if timed else "cpu", unit, canonical, factor)


def thread_of(name: str) -> tuple[int | None, int | None, str]:
    """Read a profile's name as py-spy writes it: process, thread and the thread's name.

    >>> thread_of('Process 7 Thread 0x1F: "worker"'), thread_of("all")
    ((7, 31, 'worker'), (None, None, ''))
    """
    match = _THREAD.fullmatch(name)
    if not match:
        return None, None, ""
    identity = match["id"]
    number = int(identity, 16) if identity.startswith("0x") else int(identity)
    pid = int(match["pid"]) if match["pid"] else None
    return pid, number if number <= _SUM_MOST else None, match["name"] or ""


def weigh(profile: dict[str, Any], frames: int, factor: int) -> Weighed:
    """Read a profile's samples or events.

    Args:
        profile: the profile.
        frames: how many the document has.
        factor: what its weights and times are multiplied with.

    Raises:
        OutOfRange: it points at a frame that is not there.
        BadRequest: it is no such profile, or its events do not nest.
    """
    kind = profile.get("type")
    if kind == "sampled":
        return _sampled(profile, frames, factor)
    if kind == "evented":
        return _evented(profile, frames, factor)
    raise BadRequest(f"its type {text_of(kind)!r} is neither sampled nor evented")


def _sampled(profile: dict[str, Any], frames: int, factor: int) -> Weighed:
    """Add up the weights of equal stacks."""
    samples, weights = profile.get("samples"), profile.get("weights")
    if not isinstance(samples, list) or not all(isinstance(each, list) for each in samples):
        raise BadRequest("its samples are no lists of frames")
    if weights is None or weights == []:
        # Each sample is then worth one: of whatever unit, so nothing to multiply.
        weights, factor = [1] * len(samples), 1
    if not isinstance(weights, list) or len(weights) != len(samples):
        raise BadRequest(f"{len(samples)} samples have other than so many weights")
    flat = _whole_numbers(samples)
    _check_range(flat, frames)
    data = flat.astype("<i8").tobytes()
    places: dict[bytes, int] = {}
    of_sample = []
    at = 0
    for sample in samples:
        end = at + 8 * len(sample)
        of_sample.append(places.setdefault(data[at:end], len(places)))
        at = end
    stacks = [tuple(np.frombuffer(each, "<i8")[::-1].tolist()) for each in places]
    values = _sums(weights, of_sample, len(stacks), factor)
    seen = np.bincount(of_sample, minlength=len(stacks)).tolist() if samples else []
    return Weighed(stacks, values, seen, 0, 0, len(samples))


def _whole_numbers(lists: list[list[Any]]) -> Ints:
    """Give numbers of frames end to end as an array."""
    if not set(map(type, chain.from_iterable(lists))) <= {int}:
        raise BadRequest("a frame is told by other than its number")
    try:
        return np.fromiter(chain.from_iterable(lists), dtype=np.int64)
    except OverflowError as error:
        raise OutOfRange("a frame's number is beyond 63 bits") from error


def _check_range(numbers: Ints, frames: int) -> None:
    wrong = numbers[(numbers < 0) | (numbers >= frames)]
    if len(wrong):
        raise OutOfRange(f"frame {int(wrong[0])} is not among the document's {frames}")


def _check_frame(frame: Any, frames: int) -> None:
    if type(frame) is not int:
        raise BadRequest("a frame is told by other than its number")
    if not 0 <= frame < frames:
        raise OutOfRange(f"frame {frame} is not among the document's {frames}")


def _sums(weights: list[Any], of_sample: list[int], stacks: int, factor: int) -> list[int]:
    """Add weights up for each stack, then multiply and round half to even."""
    if not set(map(type, weights)) <= {int, float}:
        raise BadRequest("a weight is no number")
    groups: list[list[Any]] = [[] for _ in range(stacks)]
    for place, weight in zip(of_sample, weights, strict=True):
        groups[place].append(weight)
    return [_rounded(group, factor) for group in groups]


def _rounded(weights: list[Any], factor: int) -> int:
    """Give the sum of weights times a factor as a whole number."""
    if all(type(weight) is int for weight in weights):
        total = int(sum(weights)) * factor
    else:
        try:
            exact = math.fsum(weights) * factor
        except (OverflowError, ValueError) as error:
            raise BadRequest("weights add up to no number") from error
        if not math.isfinite(exact):
            raise BadRequest("weights add up to no number")
        total = round(exact)
    if abs(total) > _SUM_MOST:
        raise BadRequest("weights add up to more than 2^63-1")
    return total


def _evented(profile: dict[str, Any], frames: int, factor: int) -> Weighed:
    """Give each stack the time between events."""
    events = profile.get("events")
    if not isinstance(events, list):
        raise BadRequest("it has no events")
    opened = OpenFrames()
    for event in events:
        if not isinstance(event, dict):
            raise BadRequest("an event is no object")
        frame, kind = event.get("frame"), event.get("type")
        _check_frame(frame, frames)
        at = _rounded([_time(event.get("at"))], factor)
        if kind == "O":
            opened.open(frame, at)
        elif kind != "C":
            raise BadRequest("an event neither opens nor closes a frame")
        elif opened.innermost != frame:
            raise BadRequest(f"frame {frame} is closed while {opened.innermost} is open in it")
        else:
            opened.close(at)
    if opened.depth:
        raise BadRequest(f"{opened.depth} frames are open at its end")
    found = opened.stacks()
    stacks = [stack for stack, _ in found]
    return Weighed(
        stacks, [spent for _, spent in found], None, opened.first, opened.last, len(events)
    )


def total_of(values: list[int]) -> int:
    """Add values up.

    Raises:
        BadRequest: they are beyond 63 bits together.
    """
    total = sum(values)
    if max(total, sum(map(abs, values))) > _SUM_MOST:
        raise BadRequest("weights add up to more than 2^63-1")
    return total


def _time(at: Any) -> int | float:
    if type(at) not in (int, float):
        raise BadRequest("an event is at no time")
    return at  # type: ignore[no-any-return]
