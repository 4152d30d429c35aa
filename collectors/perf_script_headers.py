"""The line that begins a sample of perf script: who, where, when, how much and of what event."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.frames_and_stacks import Bools, Ints

# What "comm  pid/tid [cpu]" look like; comm may hold blanks, colons and digits, and be missing.
_WHO = (
    r"^[ \t]*(?:(?P<comm>\S|\S.*?\S)[ \t]+)?(?:(?P<pid>-?\d{1,18})/)?(?P<tid>-?\d{1,18})[ \t]+"
    r"(?:\[(?P<cpu>\d{1,9})\][ \t]+)?"
)
_CPU = r"(?:\[(?P<cpu>\d{1,9})\][ \t]+)?"
_COMM = r"^(?P<comm>\S|\S.*?\S)[ \t]+"
# The flags of interrupts and preemption (-F trace).
_FLAGS = r"(?:[^\s\[\]()]{4,8}[ \t]+)?"
_TIME = r"(?P<second>\d{1,10})\.(?P<fraction>\d{1,9}):"
_PERIOD = r"(?:(?P<period>\d{1,18})[ \t]+)?"
_ANY_EVENT = r"(?P<event>\S+):(?P<payload>[ \t].*)?$"
_SURE_EVENT = r"(?P<event>[A-Za-z]\S*):(?P<payload>[ \t].*)?$"

# In the order tried: the more a line shows, the surer it is what it is.
PATTERNS = (
    _WHO + _FLAGS + _TIME + r"[ \t]+" + _PERIOD + _ANY_EVENT,
    _WHO + _FLAGS + _TIME + r"[ \t]*" + _PERIOD + r"$",
    _COMM + _CPU + _TIME + r"[ \t]+" + _PERIOD + _ANY_EVENT,
    _WHO + _PERIOD + _SURE_EVENT,
    _COMM + _PERIOD + _SURE_EVENT,
    _COMM + r"(?:(?P<pid>-?\d{1,18})/)?(?P<tid>-?\d{1,18})[ \t]*(?:\[(?P<cpu>\d{1,9})\])?[ \t]*$",
    r"^(?P<comm>\S{1,15})[ \t]*$",
)
# These have no time, so what looks like one means that the line is damaged.
_WITHOUT_TIME = PATTERNS[3:]
_LOOKS_TIMED = r"\d\.\d+:"
# What these take could be anything: only a frame behind it makes it a sample.
_UNSURE = PATTERNS[4:]

_PARTS = ("comm", "pid", "tid", "cpu", "second", "fraction", "period", "event", "payload")

# Beyond it, nanoseconds are beyond 64 bits.
_SECONDS_MOST = 9_223_372_035


@dataclass(frozen=True)
class Headers:
    """The headers of n samples, columns n long; NULL for what a line does not say.

    Attributes:
        known: whether the line was understood; the others hold NULL everywhere.
        comm: the thread's name.
        pid, tid, cpu: numbers; a lone number is the thread's, as perf prints it by default.
        time_nano: on perf's clock, mostly since the machine started.
        period: what was counted since the sample before.
        event: with its modifiers; empty for none.
        payload: what stands behind the event, trimmed; empty for none.
    """

    known: Bools
    comm: pa.StringArray
    pid: pa.Int64Array
    tid: pa.Int64Array
    cpu: pa.StringArray
    time_nano: pa.Int64Array
    period: pa.Int64Array
    event: pa.StringArray
    payload: pa.StringArray


def parse_headers(lines: pa.StringArray, is_sure: Bools) -> Headers:
    """Read headers.

    Args:
        lines: n lines.
        is_sure: n, whether more than the line itself says that it begins a sample.
    """
    known: Bools = np.zeros(len(lines), dtype=np.bool_)
    parts: list[pa.StructArray] = []
    places: list[Ints] = []
    left = np.arange(len(lines), dtype=np.int64)
    for pattern in PATTERNS:
        if not len(left):
            break
        tried = lines if len(left) == len(lines) else lines.take(pa.array(left))
        found = pc.extract_regex(tried, pattern)
        valid = found.is_valid().to_numpy(zero_copy_only=False)
        if pattern in _UNSURE:
            valid = valid & is_sure[left]
        if pattern in _WITHOUT_TIME and valid.any():
            timed = pc.match_substring_regex(pc.struct_field(found, "comm"), _LOOKS_TIMED)
            valid = valid & ~timed.fill_null(False).to_numpy(zero_copy_only=False)
        if valid.any():
            places.append(left[valid])
            parts.append(_with_all_parts(found if valid.all() else found.filter(pa.array(valid))))
            known[left[valid]] = True
        left = left[~valid]
    rows = parts[0] if len(parts) == 1 and not len(left) else _in_order(parts, places, left)
    columns = dict(zip(_PARTS, rows.flatten(), strict=True))
    return _headers(known, columns)


def _in_order(parts: list[pa.StructArray], places: list[Ints], left: Ints) -> pa.StructArray:
    """Put what the patterns found, and NULL for what none did, where the lines were."""
    none = _with_all_parts(pa.nulls(len(left), pa.struct([])))
    order = np.argsort(np.concatenate([*places, left]), kind="stable")
    return pa.concat_arrays([*parts, none]).take(pa.array(order))


def _with_all_parts(found: pa.StructArray) -> pa.StructArray:
    """Give every part in one order; those that a pattern lacks are NULL."""
    names = [found.type.field(place).name for place in range(found.type.num_fields)]
    own = dict(zip(names, found.flatten(), strict=True))
    columns = [own.get(name, pa.nulls(len(found), pa.string())) for name in _PARTS]
    return pa.StructArray.from_arrays(columns, names=list(_PARTS))


def _headers(known: Bools, parts: dict[str, pa.StringArray]) -> Headers:
    return Headers(
        known=known,
        comm=_or_null(parts["comm"]),
        pid=_or_null(parts["pid"]).cast(pa.int64()),
        tid=_or_null(parts["tid"]).cast(pa.int64()),
        cpu=_or_null(parts["cpu"]),
        time_nano=_times(parts["second"], parts["fraction"]),
        period=_or_null(parts["period"]).cast(pa.int64()),
        event=parts["event"].fill_null(""),
        payload=pc.utf8_trim(parts["payload"].fill_null(""), characters=" \t"),
    )


def _or_null(texts: pa.StringArray) -> pa.StringArray:
    """Make NULL of what is empty, as a part that did not match is."""
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def _times(second: pa.StringArray, fraction: pa.StringArray) -> pa.Int64Array:
    """Give nanoseconds; NULL for a time that is none or beyond 64 bits."""
    seconds = _or_null(second).cast(pa.int64())
    seconds = pc.if_else(pc.greater(seconds, _SECONDS_MOST), pa.scalar(None, pa.int64()), seconds)
    nanos = _or_null(pc.utf8_rpad(fraction, 9, "0")).cast(pa.int64())
    return pc.add(pc.multiply(seconds, 1_000_000_000), nanos)
