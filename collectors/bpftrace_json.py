"""bpftrace's JSON: an object a line or over many lines, some of them damaged, to batches."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.bpftrace_batch import Batch, Events
from collectors.bpftrace_buckets import read_buckets
from collectors.bpftrace_keys import JSON_SEPARATOR
from collectors.bpftrace_object import (
    DECODER,
    Prints,
    StrangeObjectError,
    add_object,
    decode,
)
from collectors.bpftrace_tolerant import quoted
from collectors.frames_and_stacks import Bools, Ints
from collectors.text_blocks import Block

# Longer than any map with all its stacks.
_OBJECT_BYTES_MOST = 32 << 20

_PRINTF = '{"type": "printf", "data": "'
_HIST = '{"type": "hist", "data": {"@'
_END = '"}'
_STARTS = r'^\s*\{\s*"type"\s*:'


class JsonParser:
    """Reads blocks of bpftrace's JSON; an object that a block cuts is read with the next."""

    separator = JSON_SEPARATOR

    def __init__(self) -> None:
        self._prints = Prints()
        self._rest = b""
        self._rest_line = 1

    def take(self, block: Block) -> Batch:
        """Read a block."""
        data = self._rest + block.data
        first = self._rest_line if self._rest else block.line
        lines = Block(block.offset, first, data).lines()
        starts = np.flatnonzero(_starts(lines))
        last = int(starts[-1]) if len(starts) else 0
        held = lines.slice(last)
        self._rest_line = first + last
        bytes_held = sum(map(len, held.to_pylist())) if len(held) < 2 else _bytes(held)
        if bytes_held > _OBJECT_BYTES_MOST:
            self._rest = b""
            batch = self._read(lines, starts, first)
        else:
            self._rest = b"".join(line.encode() + b"\n" for line in held.to_pylist())
            batch = self._read(lines.slice(0, last), starts[:-1], first)
        return batch

    def finish(self) -> Batch:
        """Read what is left at the end."""
        lines = Block(0, self._rest_line, self._rest).lines()
        self._rest = b""
        return self._read(lines, np.flatnonzero(_starts(lines)), self._rest_line)

    def _read(self, lines: pa.StringArray, starts: Ints, first: int) -> Batch:
        """Read whole objects.

        Args:
            lines: the lines.
            starts: places of those at which an object begins.
            first: the number of the first line.
        """
        batch = Batch()
        if not len(lines):
            return batch
        single = _single(lines, starts)
        rest = single
        for mask, read in (
            (_is_printf(lines) & single, self._add_printf),
            (_begins(lines, _HIST) & single, self._add_hists),
        ):
            places = np.flatnonzero(mask)
            if len(places) and read(batch, lines.take(pa.array(places)), first + places):
                rest = rest & ~mask
        places = np.flatnonzero(rest)
        self._add_lines(batch, lines.take(pa.array(places)).to_pylist(), first + places)
        for place, text in _several(lines, starts, single):
            self._add_text(batch, text, first + place)
        return batch

    def _add_printf(self, batch: Batch, lines: pa.StringArray, numbers: Ints) -> bool:
        """Add lines that hold one text each."""
        binary = pc.binary_slice(lines.cast(pa.binary()), len(_PRINTF), -len(_END))
        texts = binary.cast(pa.string())
        ends = pc.ends_with(texts, pattern="\\n")
        cut = pc.if_else(ends, pc.binary_slice(binary, 0, -2), binary).cast(pa.string())
        plain = pc.invert(pc.match_substring_regex(cut, r'[\\"]')).to_numpy(zero_copy_only=False)
        events = Events("printf", numbers[plain].tolist(), cut.filter(pa.array(plain)))
        batch.messages += len(events.lines)
        if events.lines:
            batch.events.append(events)
        escaped = lines.filter(pa.array(~plain)).to_pylist()
        self._add_lines(batch, escaped, numbers[~plain])
        return True

    def _add_hists(self, batch: Batch, lines: pa.StringArray, numbers: Ints) -> bool:
        """Add lines of histograms; False if they are not written as usual."""
        found = read_buckets(lines, numbers.tolist(), self._prints)
        if found is None:
            return False
        batch.messages += len(lines)
        batch.hists.append(found)
        return True

    def _add_lines(self, batch: Batch, lines: Sequence[str], numbers: Ints) -> None:
        """Add lines of one object each."""
        if not len(lines):
            return
        try:
            # One call for all of them; if that fails, one of them is bad.
            objects = decode(f"[{','.join(lines)}]")
            if isinstance(objects, list) and len(objects) == len(lines):
                for number, each in zip(numbers.tolist(), objects, strict=True):
                    self._add_object(batch, each, number)
                return
        except ValueError:
            pass
        for number, line in zip(numbers.tolist(), lines, strict=True):
            self._add_text(batch, line, number)

    def _add_text(self, batch: Batch, text: str, number: int) -> None:
        """Add the objects of a text that begins at some line."""
        place = seen = 0
        line = number
        while (place := _skip_blank(text, place)) < len(text):
            line += text.count("\n", seen, place)
            seen = place
            try:
                if text[place] != "{":
                    # To say where a long text fails, the decoder would count all its lines.
                    raise ValueError
                each, place = DECODER.raw_decode(text, place)
            except (ValueError, RecursionError):
                place = self._add_damaged(batch, text, place, line)
                continue
            self._add_object(batch, each, line)

    def _add_damaged(self, batch: Batch, text: str, place: int, line: int) -> int:
        """Add an object of an old version that quotes less than JSON; give where to go on."""
        end = text.find("\n", place)
        if text[place] == "{":
            # What is not JSON is damaged to the end: where it would be whole is not known.
            end = len(text)
        end = len(text) if end < 0 else end
        try:
            each = decode(quoted(text[place:end]))
        except ValueError:
            batch.rejects.append((line, "not an object of bpftrace's JSON"))
            return end
        batch.warnings["values_without_quotes"] += 1
        self._add_object(batch, each, line)
        return end

    def _add_object(self, batch: Batch, each: object, line: int) -> None:
        """Add an object."""
        try:
            add_object(batch, each, line, self._prints)
        except StrangeObjectError as error:
            batch.rejects.append((line, str(error)))
        except RecursionError:
            batch.rejects.append((line, "nested too deeply"))
        else:
            batch.messages += 1


def _begins(lines: pa.StringArray, text: str) -> Bools:
    """Tell which lines begin so."""
    return np.asarray(pc.starts_with(lines, pattern=text).to_numpy(zero_copy_only=False))


def _is_printf(lines: pa.StringArray) -> Bools:
    """Tell which lines are those of printf as bpftrace writes them."""
    ends = pc.ends_with(lines, pattern=_END).to_numpy(zero_copy_only=False)
    long = pc.binary_length(lines).to_numpy(zero_copy_only=False) >= len(_PRINTF) + len(_END)
    return np.asarray(_begins(lines, _PRINTF) & ends & long)


def _starts(lines: pa.StringArray) -> Bools:
    """Tell at which lines an object begins: its type comes first, perhaps on the next line."""
    found = _begins(lines, '{"type": "')
    others = np.flatnonzero(~found)
    if not len(others):
        return found
    rest = lines.take(pa.array(others))
    matches = pc.match_substring_regex(rest, _STARTS).to_numpy(zero_copy_only=False)
    found[others[matches]] = True
    alone = others[pc.match_substring_regex(rest, r"^\s*\{\s*$").to_numpy(zero_copy_only=False)]
    # What the last line begins is held with the object before it until its type comes.
    alone = alone[alone < len(lines) - 1]
    typed = pc.match_substring_regex(lines.take(pa.array(alone + 1)), r'^\s*"type"\s*:')
    found[alone[typed.to_numpy(zero_copy_only=False)]] = True
    return found


def _single(lines: pa.StringArray, starts: Ints) -> Bools:
    """Tell which lines are objects by themselves: only blank lines stand before the next."""
    single = np.zeros(len(lines), dtype=np.bool_)
    single[starts] = True
    filled = np.flatnonzero(~single)
    if len(filled):
        blank = pc.match_substring_regex(lines.take(pa.array(filled)), r"^\s*$")
        filled = filled[~blank.to_numpy(zero_copy_only=False)]
        owners = np.searchsorted(starts, filled) - 1
        single[starts[np.unique(owners[owners >= 0])]] = False
    return single


def _several(lines: pa.StringArray, starts: Ints, single: Bools) -> Iterator[tuple[int, str]]:
    """Give place and text of what stands on several lines, and of what stands before all."""
    begins = starts[~single[starts]]
    ends = np.append(starts, len(lines))[np.searchsorted(starts, begins) + 1]
    before = int(starts[0]) if len(starts) else len(lines)
    pairs = [(0, before)] if before else []
    pairs += list(zip(begins.tolist(), ends.tolist(), strict=True))
    for begin, end in pairs:
        yield begin, "\n".join(lines.slice(begin, end - begin).to_pylist())


def _skip_blank(text: str, place: int) -> int:
    """Give the next place that is not blank."""
    while place < len(text) and text[place].isspace():
        place += 1
    return place


def _bytes(lines: pa.StringArray) -> int:
    """Give the size of lines."""
    return int(pc.sum(pc.binary_length(lines)).as_py() or 0)
