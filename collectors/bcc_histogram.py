"""Histograms of bcc and libbpf-tools, line by line where they differ, in columns where not."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.bcc_histogram_rows import Histogram, Made, count_rows, histogram_rows, instant
from collectors.bcc_labels import ROW, average, from_dict, heading, is_label, labels
from collectors.bcc_tools import BANNER_LINES, TIME_LINE, is_noise, lost_in, tool_of
from collectors.bcc_values import Clock
from collectors.collector import Reading, Reject, Rows
from collectors.expand import Content
from collectors.text_blocks import BLOCK_BYTES, Block, text_blocks
from pipeline.errors import BadFile
from pipeline.schema import EBPF_COUNTS, EBPF_HISTOGRAMS

# Lines above a histogram that are kept as what it is of.
_LABELS_MOST = 8


@dataclass
class _State:
    """What of the lines before says how to read the next.

    Attributes:
        tool: which printed the file.
        clock: gives times their date.
        time_unix_nano: the last that was printed, else that of the recording.
        above: labels that no histogram had yet.
        text: other text that no histogram followed yet, and its line.
        histogram: whose rows come.
    """

    tool: str
    clock: Clock
    time_unix_nano: int
    above: list[str] = field(default_factory=list)
    text: tuple[int, str] = (0, "")
    histogram: Histogram | None = None


def read(
    content: Content, reading: Reading, block_bytes: int = BLOCK_BYTES
) -> Iterator[Rows | Reject]:
    """Read a file of histograms.

    Args:
        content: the file.
        reading: how it is read.
        block_bytes: about how much is read at once.

    Yields:
        Rows of ebpf_histograms and ebpf_counts, a message a bucket, a figure or a dict of ``-j``;
        a Reject a line that is none of what such tools print.

    Raises:
        BadFile: there is no histogram in it.
    """
    warnings: Counter[str] = Counter()
    state: _State | None = None
    found = False
    piece = 1
    for block in text_blocks(content, warnings, block_bytes):
        lines = _lines(block)
        if state is None:
            clock = Clock(reading)
            begin = lines[:BANNER_LINES].to_pylist()
            state = _State(tool_of(begin, "histogram", reading), clock, clock.base)
        made, rejects = _block(lines, block, state)
        found = found or bool(made.histograms or made.whole)
        piece = reading.piece(block.offset)
        yield from (Reject(piece, f"line {line}", reason) for line, reason in rejects)
        histograms, bad = histogram_rows(made, reading, warnings)
        for line in bad:
            yield Reject(piece, f"line {line}", "a bucket beyond 64 bits")
        counts = count_rows(made, reading, warnings)
        tables = {EBPF_HISTOGRAMS.name: histograms, EBPF_COUNTS.name: counts}
        messages = histograms.num_rows + counts.num_rows
        yield Rows(piece, messages, tables, "ebpf", warnings.copy())
        warnings.clear()
    if state:
        yield from (Reject(piece, f"line {line}", reason) for line, reason in _stray(state))
    if not found:
        raise BadFile(
            f"{content.path}: no bcc-histogram: no line ends in 'count distribution'; "
            "name its format with --format"
        )


def _lines(block: Block) -> pa.StringArray:
    """Give a block's lines without the ^C that the terminal echoes."""
    lines = block.lines()
    if b"^C" in block.data:
        lines = pc.replace_substring_regex(lines, r"^\s*(?:\^C)+", "")
    return lines


def _block(
    lines: pa.StringArray, block: Block, state: _State
) -> tuple[Made, list[tuple[int, str]]]:
    """Take a block apart; also give the lines to reject, each with the reason."""
    rows = pc.extract_regex(lines, ROW)
    is_row = np.asarray(rows.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)
    blank = pc.equal(pc.utf8_trim_whitespace(lines), "").to_numpy(zero_copy_only=False)
    others = np.flatnonzero(~(is_row | blank))
    texts = lines.take(pa.array(others))
    clocks = state.clock.times(pc.struct_field(pc.extract_regex(texts, TIME_LINE), "clock"))
    made = Made(state.tool, block.line, histograms=[], starts=[])
    rejects: list[tuple[int, str]] = []
    if state.histogram:
        made.add(state.histogram, 0)
    for place, text, clock in zip(others.tolist(), texts.to_pylist(), clocks.tolist(), strict=True):
        if clock >= 0:
            state.time_unix_nano = clock
        else:
            rejects += _line(text, place, made, state)
    places = np.flatnonzero(is_row)
    owners = np.searchsorted(np.array(made.starts, dtype=np.int64), places, side="right") - 1
    for place in places[owners < 0].tolist():
        rejects.append((block.line + place, "a bucket with no heading above it"))
    kept = owners >= 0
    made.rows = rows.take(pa.array(places[kept]))
    made.row_lines = places[kept] + block.line
    made.owners = owners[kept]
    return made, rejects


def _line(text: str, place: int, made: Made, state: _State) -> list[tuple[int, str]]:
    """Take a line that is no bucket; give the lines to reject."""
    line = made.first_line + place
    if told := heading(text):
        before, other = state.text
        # Free text is a label only where the heading follows at once.
        joined = bool(other) and before == line - 1
        above = (*state.above, other) if joined else tuple(state.above)
        rejects = [] if joined else _stray(state)
        metric, unit = told
        state.histogram = Histogram(metric or state.tool, unit, labels(above), state.time_unix_nano)
        made.add(state.histogram, place)
        state.above.clear()
        state.text = (0, "")
        return rejects
    if figures := average(text):
        made.figures(state.histogram, state.time_unix_nano, figures)
    elif text.startswith("{"):
        if reason := _dict(text, made, state):
            return [(line, reason)]
    elif (number := lost_in(text)) is not None:
        made.figures(None, state.time_unix_nano, (("lost", number, "count"),))
    elif is_label(text):
        state.above = [*state.above, text][-_LABELS_MOST:]
    elif not is_noise(text):
        rejects = _stray(state)
        state.text = (line, text)
        return rejects
    return []


def _stray(state: _State) -> list[tuple[int, str]]:
    """Give the text that no histogram followed, as a line to reject."""
    line, text = state.text
    state.text = (0, "")
    return [(line, "neither a heading nor a bucket")] if text else []


def _dict(text: str, made: Made, state: _State) -> str:
    """Take a line of ``-j``; say what is wrong with it, if anything is."""
    told = from_dict(text)
    if isinstance(told, str):
        return told
    when, unit, own, buckets = told
    time = instant(when) or state.time_unix_nano
    made.whole.append((Histogram(state.tool, unit, own, time), buckets))
    return ""
