"""Lines of perf script and what each of them is, told by their first bytes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collectors.frames_and_stacks import Ints

Bytes = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.int32]

BLANK, COMMENT, HEADER, FRAME, SOURCE, STRANGE = range(6)

# perf writes a frame as "\t%16lx %s": most lines are told by these 18 bytes.
_FRAME_BYTES = 18
_TAB, _LF, _SPACE, _HASH = 9, 10, 32, 35

# What may stand in the 16: blanks, then digits.
_PAD, _DIGIT = 1, 2
_CLASS: Bytes = np.zeros(256, dtype=np.uint8)
_CLASS[_SPACE] = _PAD
_CLASS[np.frombuffer(b"0123456789abcdef", dtype=np.uint8)] = _DIGIT
_LOW_BITS = np.uint64(0x0101010101010101)
_ONE, _BYTE, _LAST_BYTE = np.uint64(1), np.uint64(8), np.uint64(56)

# A header that is set to the right, as perf does without stacks, against a frame of other width.
_HEADER = (
    r"^[ \t]+\S.*[ \t]\d{1,10}\.\d{3,9}:(?:[ \t]|$)"
    r"|^[ \t]+\S.*[ \t]-?\d+[ \t]+(?:\d+[ \t]+)?[A-Za-z]\S*:(?:[ \t]|$)"
)
_FRAME = r"^(?P<before>[ \t]+(?:0x)?[0-9a-f]{1,16})(?:[ \t].*)?$"
# file:line, binary[address], binary+offset, or the line of the source itself (-F srccode).
_SOURCE = r"^[ \t]+(?:\S.*:\d+(?: \(.*\))*|\S.*\[[0-9a-f]+\](?: \(.*\))?|\|.*)$"


@dataclass(frozen=True)
class Lines:
    """Some lines of a file.

    Attributes:
        data: their bytes, each line ended by LF.
        first: the number of the first in the file.
        starts, ends: n, where each begins and where its LF is.
        kinds: n, BLANK to STRANGE; SOURCE belongs to the frame before it.
        texts: n, where what stands behind a frame's address begins.
    """

    data: bytes
    first: int
    starts: Ints
    ends: Ints
    kinds: Bytes
    texts: Ints

    def take(self, rows: Ints) -> pa.StringArray:
        """Give some lines, in order."""
        return spans(self.data, self.starts[rows], self.ends[rows])

    def frame_texts(self, rows: Ints) -> tuple[Codes, pa.StringArray]:
        """Give what stands behind the address of frames, with the source line behind an LF.

        Returns:
            The place of each in the distinct texts, and these.
        """
        ends = self.ends[rows]
        if (self.kinds == SOURCE).any():
            behind = np.minimum(rows + 1, len(self.kinds) - 1)
            with_source = (self.kinds[behind] == SOURCE) & (behind > rows)
            ends = np.where(with_source, self.ends[behind], ends)
        return encoded_spans(self.data, np.minimum(self.texts[rows], ends), ends)

    def before_last_sample(self) -> int:
        """Give where the last sample begins, as it may go on behind these lines; else the end."""
        headers = np.flatnonzero(self.kinds == HEADER)
        return int(self.starts[headers[-1]]) if len(headers) else len(self.data)

    def up_to(self, place: int) -> "Lines":
        """Give the lines before a place."""
        count = int(np.searchsorted(self.starts, place))
        return Lines(
            self.data,
            self.first,
            self.starts[:count],
            self.ends[:count],
            self.kinds[:count],
            self.texts[:count],
        )


def spans(data: bytes, starts: Ints, ends: Ints) -> pa.StringArray:
    """Give parts of UTF-8 text that follow each other.

    >>> spans(b"abcdef", np.array([0, 3]), np.array([2, 4])).to_pylist()
    ['ab', 'd']
    """
    count = len(starts)
    both = pa.StringArray.from_buffers(2 * count, _offsets(starts, ends), pa.py_buffer(data))
    return both.take(pa.array(np.arange(0, 2 * count, 2)))


def encoded_spans(
    data: bytes | pa.Buffer, starts: Ints, ends: Ints
) -> tuple[Codes, pa.StringArray]:
    """Give parts of UTF-8 text that follow each other: each one's place in the distinct ones.

    >>> codes, texts = encoded_spans(b"ab-ab", np.array([0, 3]), np.array([2, 5]))
    >>> codes.tolist(), texts.to_pylist()
    ([0, 0], ['ab'])
    """
    count = len(starts)
    # What stands between two parts is NULL, so that no part has to be copied before it is read.
    valid = pa.py_buffer(np.full(count // 4 + 1, 0b01010101, dtype=np.uint8))
    both = pa.StringArray.from_buffers(
        2 * count, _offsets(starts, ends), pa.py_buffer(data), valid, count
    ).dictionary_encode()
    codes = np.frombuffer(both.indices.buffers()[1], dtype=np.int32)[: 2 * count : 2]
    return codes, both.dictionary


def _offsets(starts: Ints, ends: Ints) -> pa.Buffer:
    """Give the offsets of parts and of what stands between them."""
    offsets = np.zeros(2 * len(starts) + 1, dtype=np.int32)
    offsets[:-1:2], offsets[1::2] = starts, ends
    offsets[2:-1:2] = starts[1:]
    if len(ends):
        offsets[-1] = ends[-1]
    return pa.py_buffer(offsets)


def split(data: bytes, first: int) -> Lines:
    """Tell what each line is.

    Args:
        data: UTF-8 text, each line ended by LF.
        first: the number of its first line.
    """
    buffer = np.frombuffer(data, dtype=np.uint8)
    ends = np.flatnonzero(buffer == _LF)
    starts = np.concatenate([[0], ends + 1])[: len(ends)]
    begins = buffer[starts]
    kinds = np.full(len(ends), HEADER, dtype=np.uint8)
    kinds[begins == _HASH] = COMMENT
    kinds[starts == ends] = BLANK
    indented = np.flatnonzero((begins == _TAB) | (begins == _SPACE))
    texts = starts.copy()
    usual = _usual_frames(buffer, starts[indented], ends[indented])
    frames = indented[usual]
    kinds[frames] = FRAME
    texts[frames] = starts[frames] + _FRAME_BYTES
    others = indented[~usual]
    if len(others):
        kinds[others], texts[others] = _others(data, starts[others], ends[others])
    lines = Lines(data, first, starts, ends, kinds, texts)
    _give_to_frames(lines)
    return lines


def _usual_frames(buffer: Bytes, starts: Ints, ends: Ints) -> npt.NDArray[np.bool_]:
    """Tell which lines are a frame as perf writes it now."""
    # The last lines may be shorter than that; they are looked at as the others are.
    count = int(np.searchsorted(starts, len(buffer) - _FRAME_BYTES, side="right"))
    result: npt.NDArray[np.bool_] = np.zeros(len(starts), dtype=np.bool_)
    if not count:
        return result
    starts, ends = starts[:count], ends[:count]
    windows = np.lib.stride_tricks.sliding_window_view(buffer, _FRAME_BYTES)[starts]
    behind = windows[:, -1]
    classes = _CLASS[windows[:, 1:-1]].view("<u8")
    # Eight classes a word: each is told, and no pad stands behind a digit.
    is_told = (((classes | (classes >> _ONE)) & _LOW_BITS) == _LOW_BITS).all(axis=1)
    digits = (classes >> _ONE) & _LOW_BITS
    is_mixed = (((digits << _BYTE) & classes & _LOW_BITS) != 0).any(axis=1)
    is_mixed |= (digits[:, 0] >> _LAST_BYTE != 0) & (classes[:, 1] & _ONE != 0)
    is_address = is_told & ~is_mixed & (digits[:, 1] >> _LAST_BYTE != 0)
    is_alone = (behind == _LF) & (starts + _FRAME_BYTES - 1 == ends)
    result[:count] = (windows[:, 0] == _TAB) & is_address & ((behind == _SPACE) | is_alone)
    return result


def _others(data: bytes, starts: Ints, ends: Ints) -> tuple[Bytes, Ints]:
    """Tell what other indented lines are, and where a frame's text begins."""
    lines = spans(data, starts, ends)
    kinds = np.full(len(lines), STRANGE, dtype=np.uint8)
    texts = starts.copy()
    is_header = _matches(lines, _HEADER)
    kinds[is_header] = HEADER
    left = np.flatnonzero(~is_header)
    if not len(left):
        return kinds, texts
    lines = lines.take(pa.array(left))
    kinds[left[_matches(lines, _SOURCE)]] = SOURCE
    before = pc.struct_field(pc.extract_regex(lines, _FRAME), "before")
    width = pc.binary_length(before).fill_null(0).to_numpy()
    kinds[left[width > 0]] = FRAME
    texts[left] += width + 1
    kinds[left[_matches(lines, r"^\s*$")]] = BLANK
    return kinds, texts


def _matches(lines: pa.StringArray, pattern: str) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = pc.match_substring_regex(lines, pattern).to_numpy(
        zero_copy_only=False
    )
    return found


def _give_to_frames(lines: Lines) -> None:
    """Make strange what looks like a source line and has no frame before it."""
    kinds = lines.kinds
    sources = np.flatnonzero(kinds == SOURCE)
    if len(sources):
        # Behind a frame and its source line may stand more of the source.
        owner = np.arange(len(kinds))
        owner[sources] = 0
        owner = np.maximum.accumulate(owner)
        kinds[sources[kinds[owner[sources]] != FRAME]] = STRANGE
