"""Rows of a bcc table as rows of the lake: an event a line, or a counter a figure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.bcc_columns import Column, Heading
from collectors.bcc_tools import LOST, lost_in
from collectors.bcc_values import Clock, decimals, entries, interleaved, scaled, whole_numbers
from collectors.collector import Reading
from collectors.frames_and_stacks import Ints
from collectors.imported_rows import complete
from pipeline.schema import ATTRIBUTES, EBPF_COUNTS, EBPF_EVENTS

# A trace is shorter than this: what is told in seconds since it began must fit beside an epoch.
_MOST_SINCE_BEGIN = 2**61

# syscount heads its figures as the others do.
_SYSCALLS = {"COUNT": "syscalls", "TIME": "syscall_time"}


@dataclass(frozen=True)
class Part:
    """A table of a block.

    Attributes:
        tool: which printed it.
        heading: its columns.
        label: what stands above it; empty for nothing.
    """

    tool: str
    heading: Heading
    label: str = ""


@dataclass(frozen=True)
class Found:
    """The rows of a part of a file.

    Attributes:
        places: the lines of the block that are rows, in order.
        tables: rows by table name.
    """

    places: Ints
    tables: Mapping[str, pa.Table]


def part_rows(
    part: Part,
    lines: pa.StringArray,
    places: Ints,
    times: Ints,
    clock: Clock,
    reading: Reading,
    warnings: Counter[str],
) -> Found:
    """Take the rows of a table apart.

    Args:
        part: the table.
        lines: all of the block.
        places: those that may be rows of the table.
        times: for each line the time that was printed last, in ns since the epoch.
        clock: gives times their date.
        reading: how the file is read.
        warnings: gains numbers and times that are none.
    """
    good, cells = _cells(part.heading, lines.take(pa.array(places)))
    good = places[good]
    when = _when(part.heading, cells, times[good], clock, warnings)
    if part.heading.counts:
        counts = _counts(part, cells, when, reading, warnings)
        events = EBPF_EVENTS.arrow_schema.empty_table()
    else:
        counts = EBPF_COUNTS.arrow_schema.empty_table()
        events = _events(part, cells, lines.take(pa.array(good)), when, reading, warnings)
    return Found(good, {EBPF_EVENTS.name: events, EBPF_COUNTS.name: counts})


def _cells(heading: Heading, lines: pa.StringArray) -> tuple[Ints, list[pa.Array]]:
    """Give which lines fit the heading, in order, and the cells of each column."""
    rest: Ints = np.arange(len(lines), dtype=np.int64)
    fitting: list[Ints] = []
    found: list[pa.StructArray] = []
    for pattern in heading.patterns:
        cells = pc.extract_regex(lines.take(pa.array(rest)), pattern)
        fits = np.asarray(cells.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)
        fitting.append(rest[fits])
        found.append(cells.filter(pa.array(fits)))
        rest = rest[~fits]
        if not len(rest):
            break
    places = np.concatenate(fitting)
    order = np.argsort(places, kind="stable")
    whole = pa.concat_arrays(found).take(pa.array(order))
    return places[order], [
        pc.utf8_trim_whitespace(pc.struct_field(whole, n)) for n in range(len(heading.columns))
    ]


def _when(
    heading: Heading, cells: list[pa.Array], printed: Ints, clock: Clock, warnings: Counter[str]
) -> Ints:
    """Give the time of each row: its own, else the last that was printed."""
    for column, texts in zip(heading.columns, cells, strict=True):
        if column.kind == "clock":
            own = clock.times(texts)
            # Some tools print a bare number under TIME: of what, only they know.
            warnings["times_without_unit"] += int(np.count_nonzero(own < 0))
            return np.where(own < 0, printed, own)
        if column.kind == "time":
            since = scaled(texts, column.factor)
            usable = pc.less(pc.abs(since), _MOST_SINCE_BEGIN).fill_null(False)
            warnings["times_out_of_range"] += len(usable) - usable.true_count
            kept = pc.if_else(usable, since, 0)
            return clock.base + np.asarray(kept.to_numpy(zero_copy_only=False), dtype=np.int64)
    return printed


def _events(
    part: Part,
    cells: list[pa.Array],
    lines: pa.StringArray,
    when: Ints,
    reading: Reading,
    warnings: Counter[str],
) -> pa.Table:
    """Give rows of ebpf_events."""
    heading, count = part.heading, len(lines)
    tool = pa.repeat(pa.scalar(part.tool), count)
    columns: dict[str, pa.Array] = {
        "time_unix_nano": pa.array(when),
        "tool": tool,
        "event": tool,
        "fields": entries([column.name for column in heading.columns], cells, count),
        "line": lines,
    }
    for name, place in (("pid", heading.pid), ("tid", heading.tid)):
        if place is not None:
            columns[name] = _counted(whole_numbers(cells[place]), warnings)
    if heading.comm is not None:
        columns["comm"] = cells[heading.comm]
    if heading.duration is not None:
        factor = heading.columns[heading.duration].factor
        lasted = _counted(scaled(cells[heading.duration], factor), warnings)
        columns["duration_nano"] = lasted
    return complete(EBPF_EVENTS, columns, reading, reading.origin.resource(), warnings)


def _counted(numbers: pa.Array, warnings: Counter[str]) -> pa.Array:
    """Count what is no number that the lake can hold."""
    warnings["numbers_out_of_range"] += numbers.null_count
    return numbers


def _counts(
    part: Part, cells: list[pa.Array], when: Ints, reading: Reading, warnings: Counter[str]
) -> pa.Table:
    """Give rows of ebpf_counts, one a figure, line by line."""
    heading = part.heading
    figures = [n for n, column in enumerate(heading.columns) if column.figure]
    keys = list(heading.keys())
    count, width = len(when), len(figures)
    names = [heading.columns[place].base.lower() for place in keys]
    texts = [cells[place] for place in keys]
    if part.label:
        names.append("label")
        texts.append(pa.repeat(pa.scalar(part.label), count))
    of_line = pa.array(np.repeat(np.arange(count), width))
    offsets = pa.array(np.arange(count + 1, dtype=np.int32) * len(names))
    flat = interleaved(texts, count) if names else pa.array([], pa.string())
    printed = interleaved([cells[place] for place in figures], count)
    whole = whole_numbers(pc.utf8_rtrim(printed, characters="%"))
    double = decimals(printed)
    _counted(pc.coalesce(whole.cast(pa.float64()), double), warnings)
    columns = {
        "time_unix_nano": pa.array(np.repeat(when, width)),
        "tool": pa.repeat(pa.scalar(part.tool), count * width),
        "metric": _each([_metric(part, heading.columns[place]) for place in figures], count),
        "unit": _each([_unit(heading.columns[place]) for place in figures], count),
        "keys": entries(names, texts, count).take(of_line),
        "key_list": pa.ListArray.from_arrays(offsets, flat).take(of_line),
        "value_int": whole,
        "value_double": pc.if_else(whole.is_valid(), pa.scalar(None, pa.float64()), double),
    }
    return complete(EBPF_COUNTS, columns, reading, reading.origin.resource(), warnings)


def _each(texts: list[str], count: int) -> pa.Array:
    """Repeat some texts so many times."""
    return pa.array(texts, pa.string()).take(pa.array(np.tile(np.arange(len(texts)), count)))


def _metric(part: Part, column: Column) -> str:
    """Name what a column counts."""
    syscalls = part.tool == "syscount" or part.heading.first(("SYSCALL",)) is not None
    name = _SYSCALLS.get(column.base) if syscalls else None
    return name or column.base.lower()


def _unit(column: Column) -> str:
    """Give the unit of a figure."""
    return column.unit or {"BYTES": "bytes", "KBYTES": "KB", "HITRATIO": "%"}.get(
        column.base, "count"
    )


def lost_rows(
    lines: pa.StringArray, times: Ints, tool: str, reading: Reading, warnings: Counter[str]
) -> dict[str, pa.Table]:
    """Give what the tool says it lost as rows of ebpf_counts."""
    hits = np.flatnonzero(pc.match_substring_regex(lines, LOST).to_numpy(zero_copy_only=False))
    numbers = [lost_in(text) or 0 for text in lines.take(pa.array(hits)).to_pylist()]
    columns = {
        "time_unix_nano": pa.array(times[hits]),
        "tool": pa.repeat(pa.scalar(tool), len(numbers)),
        "metric": pa.repeat(pa.scalar("lost"), len(numbers)),
        "unit": pa.repeat(pa.scalar("count"), len(numbers)),
        "value_int": pa.array(numbers, pa.int64()),
        "keys": pa.array([[]] * len(numbers), ATTRIBUTES),
        "key_list": pa.array([[]] * len(numbers), pa.list_(pa.string())),
    }
    rows = complete(EBPF_COUNTS, columns, reading, reading.origin.resource(), warnings)
    return {EBPF_EVENTS.name: EBPF_EVENTS.arrow_schema.empty_table(), EBPF_COUNTS.name: rows}
