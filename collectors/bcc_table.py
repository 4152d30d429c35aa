"""Tables of bcc, libbpf-tools and bpftrace's tools: events a line, or counters a column.

Which of the two a table is, its heading says (see ``bcc_columns``). What stands between tables and
behind an empty line and fits no heading is text of the tool or of who kept its output: it is
counted and not kept. What stands among rows and does not fit is rejected.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.bcc_columns import heading
from collectors.bcc_table_rows import Part, lost_rows, part_rows
from collectors.bcc_tools import BANNER_LINES, LOST, NOISE, TIME_LINE, is_noise, tool_of
from collectors.bcc_values import Clock
from collectors.collector import Reading, Reject, Rows
from collectors.expand import Content
from collectors.frames_and_stacks import Bools, Ints
from collectors.text_blocks import BLOCK_BYTES, Block, text_blocks
from pipeline.errors import BadFile

# A heading begins with a capital and has one of the words that headings are known by.
_MAY_HEAD = (
    r"^\s*[%A-Z(][A-Za-z0-9_/%().:#>+,\-\s]*$",
    r"(?:^|[\s,])(?:P?COMM|[PT]IDS?|COUNTS?|SYSCALL|READS|WRITES|HITS|BINDS|(?:SOFT|HARD)IRQ|TOTAL"
    r"|TOTAL_\w+|DESCRIPTION|ALLOCS|DISK|START|FUNC|CMDLINE|C-PID)(?:$|[\s,])|[A-Z]/s(?:$|\s)",
)
# What tracers print under a row with -U and -K.
STACK = r"^(?:\t|\s{4,})(?:[0-9a-f]{8,16} )?\S+(?:\+0x[0-9a-f]+)?(?: \[[^\[\]]+\])?\s*$"
# What sslsniff prints of what was sent.
DATA, END_DATA = r"^-+ DATA -+\s*$", r"^-+ END DATA.*-+\s*$"


@dataclass
class _State:
    """What of the lines before says how to read the next.

    Attributes:
        tool: which printed the file.
        clock: gives times their date.
        time_unix_nano: the last that was printed, else that of the recording.
        heading: of the table that goes on; empty for none.
        label: the line above that heading; empty for none.
        last_line: the last of the block before.
        apart: an empty line came since the last row.
        in_data: amid what was sent.
    """

    tool: str
    clock: Clock
    time_unix_nano: int
    heading: str = ""
    label: str = ""
    last_line: str = ""
    apart: bool = True
    in_data: bool = False


def read(
    content: Content, reading: Reading, block_bytes: int = BLOCK_BYTES
) -> Iterator[Rows | Reject]:
    """Read a file of tables.

    Args:
        content: the file.
        reading: how it is read.
        block_bytes: about how much is read at once.

    Yields:
        Rows of ebpf_events and ebpf_counts, a message a line; a Reject a line that does not fit.

    Raises:
        BadFile: there is no heading in it.
    """
    warnings: Counter[str] = Counter()
    state: _State | None = None
    found, piece = False, 1
    for block in text_blocks(content, warnings, block_bytes):
        lines = block.lines()
        if b"^C" in block.data:
            lines = pc.replace_substring_regex(lines, r"^\s*(?:\^C)+", "")
        if state is None:
            clock = Clock(reading)
            begin = lines[:BANNER_LINES].to_pylist()
            state = _State(tool_of(begin, "table", reading), clock, clock.base)
        piece = reading.piece(block.offset)
        for item in _block(lines, block, state, reading, warnings):
            yield Reject(piece, *item) if isinstance(item, tuple) else item
        found = found or bool(state.heading)
    if not found:
        raise BadFile(
            f"{content.path}: no bcc-table: no line of known column names such as PID and COMM; "
            "name its format with --format"
        )


def _block(
    lines: pa.StringArray,
    block: Block,
    state: _State,
    reading: Reading,
    warnings: Counter[str],
) -> Iterator[Rows | tuple[str, str]]:
    """Give the rows of a block, and what does not fit as place and reason."""
    piece = reading.piece(block.offset)
    blank = _flags(pc.equal(pc.utf8_trim_whitespace(lines), ""))
    clocks = state.clock.times(pc.struct_field(pc.extract_regex(lines, TIME_LINE), "clock"))
    times = _times(clocks, state)
    data = _data(lines, block, state)
    warnings["data_lines_skipped"] += int(np.count_nonzero(data & ~blank))
    taken = blank | data | (clocks >= 0)
    heads = _headings(lines, taken)
    parts, of = _parts(lines, heads, taken, state)
    good: Bools = np.zeros(len(lines), dtype=np.bool_)
    for number, part in enumerate(parts):
        places = np.flatnonzero((of == number) & ~taken)
        found = part_rows(part, lines, places, times, state.clock, reading, warnings)
        good[found.places] = True
        yield Rows(piece, len(found.places), found.tables, "ebpf", +warnings)
        warnings.clear()
    rest = np.flatnonzero(~(taken | good))
    texts = lines.take(pa.array(rest))
    rejects = _rest(texts, rest, of, _apart(good, heads, blank, state), warnings)
    lost = lost_rows(texts, times[rest], state.tool, reading, warnings)
    yield Rows(piece, 0, lost, "ebpf", +warnings)
    warnings.clear()
    for place in rejects.tolist():
        yield f"line {block.line + place}", "does not fit the columns above it"
    state.last_line = lines[len(lines) - 1].as_py() if len(lines) else ""


def _times(clocks: Ints, state: _State) -> Ints:
    """Give for each line the time that was printed last before it."""
    printed = np.flatnonzero(clocks >= 0)
    known = np.concatenate([[state.time_unix_nano], clocks[printed]])
    state.time_unix_nano = int(known[-1])
    times: Ints = known[np.searchsorted(printed, np.arange(len(clocks)), side="right")]
    return times


def _data(lines: pa.StringArray, block: Block, state: _State) -> Bools:
    """Tell which lines are what was sent, which sslsniff prints between two marks."""
    inside: Bools = np.zeros(len(lines), dtype=np.bool_)
    if not state.in_data and b"- DATA -" not in block.data:
        return inside
    begins = _flags(pc.match_substring_regex(lines, DATA))
    ends = _flags(pc.match_substring_regex(lines, END_DATA))
    marks = np.flatnonzero(begins | ends)
    states = np.concatenate([[state.in_data], begins[marks]])
    inside = states[np.searchsorted(marks, np.arange(len(lines)), side="right")].astype(np.bool_)
    inside[marks] = True
    state.in_data = bool(states[-1])
    return inside


def _headings(lines: pa.StringArray, aside: Bools) -> list[tuple[int, str]]:
    """Give the headings in a block: the line in it and the text."""
    may = ~aside
    for pattern in _MAY_HEAD:
        places = np.flatnonzero(may)
        hits = _flags(pc.match_substring_regex(lines.take(pa.array(places)), pattern))
        may[places[~hits]] = False
    places = np.flatnonzero(may)
    texts = lines.take(pa.array(places)).to_pylist()
    return [(n, text) for n, text in zip(places.tolist(), texts, strict=True) if heading(text)]


def _parts(
    lines: pa.StringArray, heads: list[tuple[int, str]], taken: Bools, state: _State
) -> tuple[list[Part], Ints]:
    """Give the tables in a block, those of equal headings as one, and for each line its table.

    Args:
        lines: of the block.
        heads: the headings in it.
        taken: lines that are of no table; gains the headings and their labels.
        state: gains the heading that goes on.
    """
    numbers: dict[tuple[str, str], int] = {}
    starts, of = [0], [-1]
    if state.heading:
        of[0] = numbers.setdefault((state.heading, state.label), 0)
    for place, text in heads:
        taken[place] = True
        state.heading, state.label = text.strip(), ""
        # Only argdist names its tables, on the line above.
        if state.heading.split() == ["COUNT", "EVENT"]:
            above = lines[place - 1].as_py() if place else state.last_line
            if not is_noise(above):
                state.label = above.strip()
                taken[max(place - 1, 0)] = True
        starts.append(place)
        of.append(numbers.setdefault((state.heading, state.label), len(numbers)))
    parts = []
    for text, label in numbers:
        if known := heading(text):
            parts.append(Part(state.tool, known, label))
    lengths = np.diff([*starts, len(lines)])
    return parts, np.repeat(np.array(of, dtype=np.int64), lengths)


def _apart(good: Bools, heads: list[tuple[int, str]], blank: Bools, state: _State) -> Bools:
    """Tell which lines an empty line divides from the row or the heading above."""
    rows = good.copy()
    rows[[place for place, _ in heads]] = True
    places = np.arange(len(good))
    last_row = np.maximum.accumulate(np.where(rows, places, -1))
    last_blank = np.maximum.accumulate(np.where(blank, places, -1))
    apart: Bools = np.where(last_row < 0, state.apart | (last_blank >= 0), last_blank > last_row)
    if len(apart):
        state.apart = bool(apart[-1])
    return apart


def _rest(
    texts: pa.StringArray, places: Ints, of: Ints, apart: Bools, warnings: Counter[str]
) -> Ints:
    """Give the places of the lines to reject, of those that are no rows; the others are counted."""
    noise = _flags(pc.match_substring_regex(texts, NOISE))
    noise |= _flags(pc.match_substring_regex(texts, LOST))
    stack = ~noise & _flags(pc.match_substring_regex(texts, STACK))
    text = ~(noise | stack) & (apart[places] | (of[places] < 0))
    warnings["stack_lines_skipped"] += int(np.count_nonzero(stack))
    warnings["text_lines_skipped"] += int(np.count_nonzero(text))
    rejects: Ints = places[~(noise | stack | text)]
    return rejects


def _flags(column: pa.Array) -> Bools:
    """Give a column of booleans as an array."""
    flags: Bools = np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.bool_)
    return flags
