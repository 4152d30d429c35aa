"""Output of perf stat to rows of ebpf_counts."""

import re
from collections import Counter as Tally
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa

from collectors.collector import Reading, Reject, Rows
from collectors.expand import Content
from collectors.imported_rows import complete
from collectors.perf_stat_lines import (
    Counter,
    ParseLine,
    StrangeLineError,
    layout_of,
    parse_table,
)
from collectors.text_blocks import BLOCK_BYTES, Block, text_blocks
from pipeline.errors import BadFile
from pipeline.schema import ATTRIBUTES, EBPF_COUNTS

_STARTED = re.compile(r"^# started on (.*\S)", re.MULTILINE)
_CTIME = "%a %b %d %H:%M:%S %Y"
_SECOND = 1_000_000_000
_INT64_MOST = 2**63 - 1

# The unit of what is made of "seconds time elapsed", as of perf's event of that name.
_NANOSECONDS = "ns"


def read(
    content: Content, reading: Reading, block_bytes: int = BLOCK_BYTES
) -> Iterator[Rows | Reject]:
    """Read a file.

    Args:
        content: the file.
        reading: how to read it.
        block_bytes: how much of it at once.

    Yields:
        Rows and rejects, piece after piece.

    Raises:
        BadFile: it is no output of perf stat, or cannot be expanded or read.
    """
    warnings: Tally[str] = Tally()
    reader = _Reader(content, reading)
    for block in text_blocks(content, warnings, block_bytes):
        yield from reader.take(block, warnings)
    if not reader.counters:
        raise BadFile(
            f"{content.path}: no counter of perf stat in it; write it with "
            f"'perf stat -j -o FILE', or with -x, or with neither"
        )


class _Reader:
    """Reads one file; see ``read``.

    Attributes:
        counters: how many it held so far.
    """

    def __init__(self, content: Content, reading: Reading) -> None:
        self.counters = 0
        self._content = content
        self._reading = reading
        self._parse: ParseLine = parse_table
        self._is_laid_out = False
        self._is_begun = False
        self._base = 0
        self._second = self._last = 0

    def take(self, block: Block, warnings: Tally[str]) -> Iterator[Rows | Reject]:
        """Read the lines of a block."""
        if not self._is_laid_out:
            self._begin(block)
        piece = self._reading.piece(block.offset)
        known = self._reading.landed(EBPF_COUNTS.name) >= piece
        rows: list[_Row] = []
        found = 0
        for number, line in enumerate(block.lines().to_pylist()):
            try:
                counter = self._counter(line, warnings)
            except StrangeLineError as error:
                if not known:
                    yield Reject(piece, f"line {block.line + number}", str(error))
                continue
            if counter:
                found += 1
                rows += self._rows(counter)
        self.counters += found
        if known and found:
            yield Rows(piece, found, {}, "ebpf", known=True)
        elif not known:
            told = self._table(rows, warnings)
            yield Rows(piece, found, {EBPF_COUNTS.name: told}, "ebpf", Tally(warnings))
        warnings.clear()

    def _begin(self, block: Block) -> None:
        """Find the layout and when it was.

        Raises:
            BadFile: it has none.
        """
        layout = layout_of(block.data, is_whole=True)
        if layout is None:
            raise BadFile(
                f"{self._content.path}: no output of perf stat, neither its table nor -x nor -j; "
                f"write it with 'perf stat -j -o FILE'"
            )
        self._parse, self._is_laid_out = layout, True
        # A command that is counted may print what it likes before the table.
        self._is_begun = self._parse is not parse_table
        started = _STARTED.search(block.data[:65536].decode("utf-8", "replace"))
        self._base = self._reading.origin.time_unix_nano or _calendar(started)
        if self._base:
            return
        # The file was written last at the end of the recording, not at its start.
        ends = [self._end_of(each) for each in text_blocks(self._content, Tally())]
        self._base = self._reading.modified_unix_nano - max(ends, default=0)

    def _end_of(self, block: Block) -> int:
        """Give when in the recording the last interval of a block ended, in nanoseconds."""
        for line in reversed(block.data[-65536:].decode("utf-8", "replace").split("\n")):
            try:
                counter = self._parse(line)
            except StrangeLineError:
                continue
            if counter and counter.second:
                return _nano(counter.second)
        return 0

    def _counter(self, line: str, warnings: Tally[str]) -> Counter | None:
        """Read a line."""
        if not self._is_begun:
            self._is_begun = "Performance counter stats for " in line or (
                line.startswith("#") and "counts" in line
            )
            warnings["line_before_the_counters"] += bool(line.strip()) and not self._is_begun
            return None
        return self._parse(line)

    def _rows(self, counter: Counter) -> "list[_Row]":
        """Give the rows of a counter: its value, and how it varied over repeated runs."""
        when = self._base
        interval = self._reading.origin.duration_nano or None
        if counter.second:
            now = _nano(counter.second)
            if now != self._second:
                self._last, self._second = self._second, now
            when += now
            interval = now - self._last if now > self._last else None
        elif counter.unit == "seconds" and counter.event.endswith("_time"):
            counter = replace(counter, value=str(_nano(counter.value)), unit=_NANOSECONDS)
        rows = [(counter, when, interval)]
        if counter.spread is not None:
            name = f"{counter.event}.stddev"
            spread = Counter(name, "%", f"{counter.spread:.9f}", second="", keys=counter.keys)
            rows.append((spread, when, interval))
        return rows

    def _table(self, rows: "list[_Row]", warnings: Tally[str]) -> pa.Table:
        """Give rows of ebpf_counts."""
        counters = [counter for counter, _, _ in rows]
        numbers = [_number(counter) for counter in counters]
        keys = [list(counter.keys.items()) for counter in counters]
        columns = {
            "time_unix_nano": pa.array([when for _, when, _ in rows], pa.int64()),
            "interval_nano": pa.array([interval for _, _, interval in rows], pa.int64()),
            "tool": pa.array(["perf-stat"] * len(rows), pa.string()),
            "metric": pa.array([counter.event for counter in counters], pa.string()),
            "unit": pa.array([counter.unit or None for counter in counters], pa.string()),
            "keys": pa.array(keys, ATTRIBUTES),
            "key_list": pa.array([list(c.keys.values()) for c in counters], pa.list_(pa.string())),
            "value_int": pa.array([n if isinstance(n, int) else None for n in numbers], pa.int64()),
            "value_double": pa.array(
                [n if isinstance(n, float) else None for n in numbers], pa.float64()
            ),
            "running_ratio": pa.array([counter.running for counter in counters], pa.float64()),
            "status": pa.array([counter.status for counter in counters], pa.string()),
        }
        resource = self._reading.origin.resource()
        return complete(EBPF_COUNTS, columns, self._reading, resource, warnings)


_Row = tuple[Counter, int, int | None]


def _number(counter: Counter) -> int | float | None:
    """Give a value: whole where it is printed so, or where JSON prints zeros behind a count."""
    if not counter.value:
        return None
    whole, _, fraction = counter.value.partition(".")
    is_whole = not fraction or (not counter.unit and not fraction.strip("0"))
    number = int(whole)
    return number if is_whole and abs(number) <= _INT64_MOST else float(counter.value)


def _nano(seconds: str) -> int:
    """Give nanoseconds of decimal seconds, within 64 bits."""
    whole, _, fraction = seconds.strip().partition(".")
    return min(int(whole or "0") * _SECOND + int(fraction[:9].ljust(9, "0")), _INT64_MOST >> 2)


def _calendar(found: re.Match[str] | None) -> int:
    """Give a time that perf printed, as if its clock were UTC; 0 for none."""
    try:
        when = datetime.strptime(found[1], _CTIME).replace(tzinfo=UTC) if found else None
    except ValueError:
        return 0
    return max(int(when.timestamp()), 0) * _SECOND if when else 0
