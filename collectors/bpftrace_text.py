"""bpftrace's text: maps, histograms, stacks and what programs print, to batches."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.bpftrace_batch import Batch, Events, HistPrints
from collectors.bpftrace_clock import is_time_of_day
from collectors.bpftrace_keys import TEXT_SEPARATOR
from collectors.bpftrace_text_buckets import BUCKET, read_buckets, sizes_of
from collectors.bpftrace_text_entries import ENTRY, OPENING, Entries, Header
from collectors.bpftrace_text_series import open_end, read_series
from collectors.frames_and_stacks import Bools, Ints
from collectors.text_blocks import Block

# Longer than any key with its stacks.
_KEY_BYTES_MOST = 1 << 20

_CLOSING = r"\]:(?: .*)?$"
_NOISE = r"^\s*$|^Attach(?:ing|ed) \d+ probes?(?:\.\.\.)?$|^\^C$"
_LOST = r"^Lost (?P<many>\d{1,18}) events$"
_CLOCK = r"^(?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d$"


class TextParser:
    """Reads blocks of bpftrace's text; a key that a block cuts is read with the next."""

    separator = TEXT_SEPARATOR

    def __init__(self) -> None:
        self._entries = Entries()
        self._rest = b""
        self._rest_line = 1

    def take(self, block: Block) -> Batch:
        """Read a block."""
        first = self._rest_line if self._rest else block.line
        lines = Block(block.offset, first, self._rest + block.data).lines()
        cut = min(_open_end(lines), open_end(lines))
        self._rest = b"".join(line.encode() + b"\n" for line in lines.slice(cut).to_pylist())
        if len(self._rest) > _KEY_BYTES_MOST:
            self._rest, cut = b"", len(lines)
        self._rest_line = first + cut
        return self._read(lines.slice(0, cut), first)

    def finish(self) -> Batch:
        """Read what is left at the end."""
        lines = Block(0, self._rest_line, self._rest).lines()
        self._rest = b""
        batch = self._read(lines, self._rest_line)
        self._entries.finish(batch)
        return batch

    def _read(self, lines: pa.StringArray, first: int) -> Batch:
        """Read lines, of which the first has a number."""
        batch = Batch()
        if not len(lines):
            return batch
        whole = _match(lines, ENTRY)
        used = whole.copy()
        several = self._several(batch, lines, whole, used, first)
        headers = self._entries.read(batch, lines, whole, several, first)
        used |= self._buckets(batch, lines, headers, ~used, first)
        used |= read_series(batch, lines, headers)
        self._others(batch, lines, ~used, first)
        return batch

    def _several(
        self, batch: Batch, lines: pa.StringArray, whole: Bools, used: Bools, first: int
    ) -> list[tuple[int, str]]:
        """Give place and text of entries over several lines, and mark their lines as used."""
        found = []
        opening = np.flatnonzero(_match(lines, OPENING) & ~whole)
        if not len(opening):
            return []
        at = np.flatnonzero(whole | _match(lines, OPENING))
        closing = np.flatnonzero(_match(lines, _CLOSING) & ~_match(lines, "^@"))
        nexts = np.append(at, len(lines))[np.searchsorted(at, opening) + 1]
        ends = np.append(closing, len(lines))[np.searchsorted(closing, opening)]
        for begin, end, limit in zip(opening.tolist(), ends.tolist(), nexts.tolist(), strict=True):
            if end < limit:
                text = "\n".join(lines.slice(begin, end + 1 - begin).to_pylist())
                found.append((begin, text))
                used[begin : end + 1] = True
            else:
                batch.rejects.append((first + begin, "a map's key without its end"))
                rest = lines.slice(begin + 1, limit - begin - 1)
                inside = np.append(_match(rest, r"^[ \t,]"), False)
                used[begin : begin + 1 + int(np.argmin(inside))] = True
        return found

    def _buckets(
        self, batch: Batch, lines: pa.StringArray, headers: list[Header], free: Bools, first: int
    ) -> Bools:
        """Add histograms; give which lines they are on."""
        places = np.flatnonzero(_match(lines, BUCKET) & free)
        used = np.zeros(len(lines), dtype=np.bool_)
        if not len(places) or not headers:
            return used
        owners = np.searchsorted([header.place for header in headers], places, side="right") - 1
        # What is under no histogram's name is what a program printed.
        under = (owners >= 0) & np.array([header.is_hist for header in headers])[owners]
        places, owners = places[under], owners[under]
        if not len(places):
            return used
        *columns, inclusive, read = read_buckets(lines.take(pa.array(places)))
        used[places] = True
        for place in places[~read].tolist():
            batch.rejects.append((first + place, "a bucket whose bounds are no numbers"))
        lows, highs, counts = (column.filter(pa.array(read)) for column in columns)
        owners = owners[read]
        chosen = np.unique(owners)
        told = [headers[owner] for owner in chosen.tolist()]
        sizes = sizes_of(np.searchsorted(chosen, owners).tolist(), len(chosen))
        batch.messages += len(owners)
        batch.hists.append(
            HistPrints(
                [header.line for header in told],
                [header.number for header in told],
                [header.metric for header in told],
                [header.key for header in told],
                sizes,
                lows,
                highs,
                counts,
                inclusive[read],
            )
        )
        return used

    def _others(self, batch: Batch, lines: pa.StringArray, free: Bools, first: int) -> None:
        """Add the lines that programs print, times among them, and leave out the noise."""
        places = np.flatnonzero(free)
        rest = lines.take(pa.array(places))
        kept = ~_match(rest, _NOISE)
        places, rest = places[kept], rest.filter(pa.array(kept))
        lost = _match(rest, _LOST)
        if lost.any():
            many = pc.extract_regex(rest.filter(pa.array(lost)), pattern=_LOST).field(0)
            numbers = (first + places[lost]).tolist()
            batch.lost += zip(numbers, many.cast(pa.int64()).to_pylist(), strict=True)
        clock = _match(rest, _CLOCK) & ~lost
        for event, mask in (("time", clock), ("printf", ~clock & ~lost)):
            texts = rest.filter(pa.array(mask))
            numbers = (first + places[mask]).tolist()
            if event == "time":
                told = zip(numbers, texts.to_pylist(), strict=True)
                batch.clocks += [each for each in told if is_time_of_day(each[1])]
            if numbers:
                batch.events.append(Events(event, numbers, texts))
        batch.messages += len(places)


def _match(lines: pa.StringArray, pattern: str) -> Bools:
    """Tell which lines match."""
    found = pc.match_substring_regex(lines, pattern=pattern)
    return np.array(found.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _open_end(lines: pa.StringArray) -> int:
    """Give the place of an entry at the end that may go on in the next block; else the end."""
    opening: Ints = np.flatnonzero(_match(lines, OPENING) & ~_match(lines, ENTRY))
    if not len(opening):
        return len(lines)
    last = int(opening[-1])
    return len(lines) if _match(lines.slice(last + 1), f"{_CLOSING}|^@").any() else last
