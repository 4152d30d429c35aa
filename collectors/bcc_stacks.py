"""Stacks of bcc and libbpf-tools as profiles: profile, offcputime, stackcount, memleak, ….

What is counted is told by the tool: microseconds off the processor by offcputime, wakeuptime and
offwaketime; samples by profile; bytes and objects by memleak, where each print is a profile of its
own; calls by the others, unless the caller says a unit.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.bcc_records import Records, records, whole_stacks
from collectors.bcc_tools import BANNER_LINES, LOST, TIME_LINE, lost_in, tool_of
from collectors.bcc_values import Clock, entries
from collectors.collector import Reading, Reject, Rows
from collectors.expand import Content
from collectors.frames_and_stacks import Bools, Ints
from collectors.profile_file import Facts, ProfileFile, Samples
from collectors.profile_types import canonical_unit
from collectors.text_blocks import BLOCK_BYTES, Block, text_blocks
from pipeline.errors import BadFile
from pipeline.schema import ATTRIBUTES, PROFILE_FRAMES, PROFILE_SAMPLES, PROFILE_STACKS, PROFILES

FORMAT = "bcc-stacks"
_HERTZ = re.compile(r"Sampling at (\d{1,9}) Hertz")
_MOST = 2**63 - 1


class _Type(NamedTuple):
    """What a value counts: names of the schema and of the tool, and the tool's unit."""

    profile_type: str
    sample_type: str
    unit: str


_OFF_CPU = (_Type("off_cpu", "off_cpu", "us"),)
_EVENTS = (_Type("events", "events", ""),)
_TYPES = {
    "offcputime": _OFF_CPU,
    "wakeuptime": _OFF_CPU,
    "offwaketime": _OFF_CPU,
    "profile": (_Type("cpu", "samples", ""),),
    "memleak": (
        _Type("inuse_space", "inuse_space", "bytes"),
        _Type("inuse_objects", "inuse_objects", ""),
    ),
}


@dataclass
class _Profiles:
    """The profiles of a file as far as it was read.

    Attributes:
        tool: which printed it.
        types: what its values count.
        clock: gives times their date.
        hertz: how often it sampled; 0 for unknown.
        last_unix_nano: the time that was printed last; 0 for none.
        times: when each profile was made, in ns; 0 for unknown.
        totals: of each profile, by sample type.
        lost: stacks that the tool lost; None where it said nothing.
    """

    tool: str
    types: tuple[_Type, ...]
    clock: Clock
    hertz: int
    last_unix_nano: int = 0
    times: list[int] = field(default_factory=lambda: [0])
    totals: list[list[int]] = field(default_factory=list)
    lost: int | None = None

    @property
    def outstanding(self) -> bool:
        """Tell whether a print is of what there is, and not of what came since the last."""
        return self.tool == "memleak"


def read(
    content: Content, reading: Reading, block_bytes: int = BLOCK_BYTES
) -> Iterator[Rows | Reject]:
    """Read a file of stacks.

    Args:
        content: the file.
        reading: how it is read.
        block_bytes: about how much is read at once.

    Yields:
        Rows of the profile tables, a message a stack; a Reject a line that belongs to none.

    Raises:
        BadFile: there is no stack with a value in it, or it has no empty lines.
    """
    warnings: Counter[str] = Counter()
    told: Counter[str] = Counter()
    made = ProfileFile(reading, FORMAT)
    profiles: _Profiles | None = None
    piece, messages = 1, 0
    for block in whole_stacks(text_blocks(content, warnings, block_bytes), content):
        lines = block.lines()
        if b"^C" in block.data:
            lines = pc.replace_substring_regex(lines, r"^(?:\^C)+", "")
        profiles = profiles or _begin(lines[:BANNER_LINES].to_pylist(), reading)
        piece = reading.piece(block.offset)
        for item in _block(lines, block, profiles, made, piece):
            if isinstance(item, Rows):
                messages += item.messages
                item.warnings.update(warnings)
                told.update(item.warnings)
                warnings.clear()
            yield item
    if not messages or profiles is None:
        raise BadFile(
            f"{content.path}: no {FORMAT}: no stack with an indented number below it; "
            "name its format with --format"
        )
    yield _end(profiles, made, told, piece)


def _begin(lines: list[str], reading: Reading) -> _Profiles:
    """Tell what the file is by its first lines."""
    tool = tool_of(lines, "stacks", reading)
    unit = reading.origin.unit
    types = _TYPES.get(tool, _EVENTS)
    if tool not in _TYPES and canonical_unit(unit)[0] == "nanoseconds":
        types = (_Type("off_cpu", "off_cpu", unit),)
    elif tool not in _TYPES and canonical_unit(unit)[0] == "bytes":
        types = (_Type("alloc_space", "alloc_space", unit),)
    hertz = next((int(match[1]) for line in lines if (match := _HERTZ.search(line))), 0)
    return _Profiles(tool, types, Clock(reading), hertz or round(reading.origin.rate_hertz))


def _block(
    lines: pa.StringArray, block: Block, profiles: _Profiles, made: ProfileFile, piece: int
) -> Iterator[Rows | Reject]:
    """Give the rows of a block."""
    found = records(lines, profiles.outstanding, profiles.tool == "offwaketime")
    for text in lines.filter(pc.match_substring_regex(lines, LOST)).to_pylist():
        profiles.lost = min((profiles.lost or 0) + (lost_in(text) or 0), _MOST)
    for place in found.strays.tolist():
        yield Reject(piece, f"line {block.line + place}", "belongs to no stack with a value")
    clocks = profiles.clock.times(pc.struct_field(pc.extract_regex(lines, TIME_LINE), "clock"))
    printed = np.flatnonzero(clocks >= 0)
    before = bool(len(printed) and (found.lines < printed[0]).any())
    numbers, times = _prints(profiles, clocks[printed], before)
    prints = np.searchsorted(printed, found.lines)
    values, good = _values(found, profiles.types)
    for place in found.lines[~good].tolist():
        yield Reject(piece, f"line {block.line + place}", "a value beyond 64 bits")
    for number in np.unique(numbers[prints[good]]).tolist():
        chosen = np.flatnonzero(good & (numbers[prints] == number))
        for place, column in enumerate(values):
            profiles.totals[number][place] += sum(column[chosen].tolist())
        samples = _samples(found, values, chosen, times[prints], profiles)
        tables = made.samples(number, samples) | {PROFILES.name: made.profiles(())}
        warned = Counter({"no_stack": int(found.empty[chosen].sum())})
        warned.update(made.warnings)
        made.warnings.clear()
        yield Rows(piece, len(chosen), tables, "profiles", +warned)


def _prints(profiles: _Profiles, clocks: Ints, before: bool) -> tuple[Ints, Ints]:
    """Give for what stands before any print of a block, and for each print, profile and time.

    Args:
        profiles: gains a profile for each print of what is outstanding.
        clocks: the times of the block's prints.
        before: whether something stands before the first of them.
    """
    numbers, times = [len(profiles.times) - 1], [profiles.last_unix_nano]
    fresh = not profiles.totals and not before
    for clock in clocks.tolist():
        if profiles.outstanding and not fresh:
            profiles.times.append(clock)
        profiles.times[-1] = profiles.times[-1] or clock
        fresh = False
        numbers.append(len(profiles.times) - 1)
        times.append(clock)
    profiles.last_unix_nano = times[-1]
    while len(profiles.totals) < len(profiles.times):
        profiles.totals.append([0] * len(profiles.types))
    return np.array(numbers, dtype=np.int64), np.array(times, dtype=np.int64)


def _values(found: Records, types: tuple[_Type, ...]) -> tuple[list[Ints], Bools]:
    """Give the values of each type in canonical units, and which stacks have all of them."""
    good: Bools = np.ones(len(found.lines), dtype=np.bool_)
    columns: list[Ints] = []
    for kind, texts in zip(types, found.values, strict=True):
        factor = canonical_unit(kind.unit)[1]
        most = _MOST // factor
        fits = np.asarray(pc.less_equal(texts, most).fill_null(False))
        good &= fits
        values = texts.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
        columns.append(np.where(fits, values, 0) * factor)
    return columns, good


def _samples(
    found: Records, values: list[Ints], chosen: Ints, times: Ints, profiles: _Profiles
) -> Samples:
    """Give the samples of the chosen stacks: those of each type behind those of the one before."""
    rows = np.tile(chosen, len(values))
    many = len(chosen)
    types = profiles.types
    counted = profiles.tool != "memleak" and canonical_unit(types[0].unit)[0] == "count"
    when = np.where(times > 0, times, profiles.clock.base)

    def each(texts: list[str]) -> pa.Array:
        return pa.array(texts, pa.string()).take(pa.array(np.repeat(np.arange(len(texts)), many)))

    wakers = found.wakers.take(pa.array(rows))
    known = wakers.is_valid()
    columns: dict[str, pa.Array] = {
        "profile_type": each([kind.profile_type for kind in types]),
        "sample_type": each([kind.sample_type for kind in types]),
        "sample_unit": each([canonical_unit(kind.unit)[0] for kind in types]),
        "value": pa.array(np.concatenate([column[chosen] for column in values])),
        "time_unix_nano": pa.array(when[rows]),
        "pid": found.pids.take(pa.array(rows)),
        "comm": found.comms.take(pa.array(rows)),
    }
    if counted:
        columns["samples"] = columns["value"]
    if pc.any(known).as_py():
        whole = entries(["waker"], [wakers.fill_null("")], len(rows))
        columns["labels"] = pc.if_else(known, whole, pa.scalar([], ATTRIBUTES))
    return Samples(found.stacks, rows, columns)


def _end(profiles: _Profiles, made: ProfileFile, told: Counter[str], piece: int) -> Rows:
    """Give the profiles themselves, with what was found in all of the file."""
    # Not even the sum of 64 bits of nanoseconds happens; but a damaged file may say so.
    told["total_beyond_int64"] = sum(total > _MOST for t in profiles.totals for total in t)
    facts = [
        Facts(
            [
                (kind.sample_type, canonical_unit(kind.unit)[0], min(total, _MOST))
                for kind, total in zip(profiles.types, totals, strict=True)
            ],
            time_unix_nano=time,
            period=round(1e9 / profiles.hertz) if profiles.hertz else 0,
            period_type="cpu" if profiles.hertz else "",
            attributes={"tool": profiles.tool},
            warnings=[f"{reason}: {count}" for reason, count in sorted(told.items()) if count],
            lost=profiles.lost,
        )
        for time, totals in zip(profiles.times, profiles.totals, strict=True)
    ]
    empty = {
        table.name: table.arrow_schema.empty_table()
        for table in (PROFILE_SAMPLES, PROFILE_STACKS, PROFILE_FRAMES)
    }
    return Rows(piece, 0, empty | {PROFILES.name: made.profiles(facts)}, "profiles")
