"""Lines of folded stacks as columns: each stack, and its one or two counts."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.folded_sniff import COUNT
from collectors.frames_and_stacks import NO_STACK, Bools, Ints
from collectors.text_blocks import Block

# A fraction is kept in these parts of one, so that sums are exact whatever their order.
PARTS_OF_ONE = 10**9
_FRACTION_DIGITS = 9

_BLANKS = " \t\r\v\f"
# So many digits always fit into 63 bits.
_SAFE_DIGITS = 18
_COUNT_MOST = 2**63 - 1


@dataclass(frozen=True)
class Counts:
    """Counts of n stacks.

    Attributes:
        whole: n, their whole parts.
        parts: n, what is beyond them in billionths.
    """

    whole: Ints
    parts: Ints


@dataclass(frozen=True)
class Lines:
    """What some lines hold.

    Attributes:
        stacks: n texts of stacks, root first.
        counts: of them, one or two a stack.
        bad: places of lines that hold no stack with its count, and why.
    """

    stacks: pa.StringArray
    counts: list[Counts]
    bad: list[tuple[int, str]]


def read_lines(block: Block, sides: int, factor: int) -> Lines:
    """Read the lines of a block.

    Args:
        block: the lines.
        sides: counts a line.
        factor: what counts will be multiplied with; they must stay within 63 bits then.
    """
    quick = _cut_quickly(block.data) if sides == 1 else None
    rest, tokens, places = quick or _held(block.lines())
    good: Bools = np.ones(len(rest), dtype=np.bool_)
    reasons: dict[int, str] = {}
    counts: list[Counts] = []
    for _ in range(sides):
        if tokens is None:
            rest, tokens = _cut(rest)
        numbers, ok, beyond = _numbers(tokens, factor)
        counts.insert(0, numbers)
        good &= ok
        reasons |= dict.fromkeys(beyond, "the count is beyond 2^63-1")
        tokens = None
    rest, empty = _named_if_empty(rest, block, places)
    reasons = dict.fromkeys(np.flatnonzero(empty & good).tolist(), "a count without a stack") | (
        reasons
    )
    good &= ~empty
    missing = "no count at the end" if sides == 1 else "no two counts at the end"
    wrong = np.flatnonzero(~good).tolist()
    bad = [(int(places[row]), reasons.get(row, missing)) for row in wrong]
    if wrong:
        kept = np.flatnonzero(good)
        rest = rest.take(pa.array(kept))
        counts = [Counts(each.whole[kept], each.parts[kept]) for each in counts]
    return Lines(rest, counts, bad)


def _named_if_empty(
    rest: pa.StringArray, block: Block, places: Ints
) -> tuple[pa.StringArray, Bools]:
    """Name stacks without frames, as py-spy writes them: a blank and the count.

    Returns:
        The stacks, and which of them still have neither frames nor a name.
    """
    empty = _bools(pc.equal(rest, ""))
    if not empty.any():
        return rest, empty
    led = _bools(pc.starts_with(block.lines().take(pa.array(places)), pattern=" "))
    return pc.if_else(pa.array(empty & led), NO_STACK, rest), empty & ~led


def _held(lines: pa.StringArray) -> tuple[pa.StringArray, pa.StringArray | None, Ints]:
    """Give the lines that are neither empty nor a comment, and their places."""
    rest = pc.ascii_rtrim(lines, characters=_BLANKS)
    held = _bools(pc.and_(pc.not_equal(rest, ""), pc.invert(pc.starts_with(rest, pattern="#"))))
    places = np.flatnonzero(held)
    return (rest if held.all() else rest.take(pa.array(places))), None, places


def _cut_quickly(text: bytes) -> tuple[pa.StringArray, pa.StringArray | None, Ints] | None:
    """Cut lines at their last blank by the bytes of their ends, where all end in a short count.

    Args:
        text: lines, each ended by LF.

    Returns:
        As ``_held``, and the counts; None where some line must be looked at more closely.
    """
    data = np.frombuffer(text, dtype=np.uint8)
    ends = np.flatnonzero(data == ord("\n"))
    starts = np.concatenate([[0], ends + 1])[:-1]
    if not len(ends) or (ends - starts <= _SAFE_DIGITS + 1).any():
        # Short lines may be shorter than the window.
        return None
    window = data[ends[:, None] - np.arange(1, _SAFE_DIGITS + 2)]
    is_digit = (window >= ord("0")) & (window <= ord("9"))
    digits = np.argmin(is_digit, axis=1)
    rows = np.arange(len(ends))
    blank = window[rows, digits] == ord(" ")
    before = data[ends - digits - 2]
    plain = blank & (digits > 0) & (before > ord(" "))
    plain &= data[starts] != ord("#")
    if not plain.all() or is_digit.all(axis=1).any():
        return None
    # The same bytes as twice as many texts: each stack, then the blank, the count and the LF.
    cuts = np.empty(2 * len(ends) + 1, dtype=np.int32)
    cuts[0:-1:2] = starts
    cuts[1::2] = ends - digits - 1
    cuts[-1] = len(data)
    texts = pa.StringArray.from_buffers(2 * len(ends), pa.py_buffer(cuts), pa.py_buffer(text))
    stacks = texts.take(pa.array(2 * rows))
    counts = pc.utf8_trim(texts.take(pa.array(2 * rows + 1)), characters=" \n")
    return stacks, counts, rows


def _cut(lines: pa.StringArray) -> tuple[pa.StringArray, pa.StringArray]:
    """Cut lines at their last run of blanks.

    Returns:
        What stands before it, empty where there is none, and what stands behind it.
    """
    parts = pc.ascii_split_whitespace(lines, max_splits=1, reverse=True)
    offsets = parts.offsets.to_numpy()
    behind = parts.values.take(pa.array(offsets[1:] - 1))
    before = parts.values.take(pa.array(offsets[:-1]))
    lone = np.diff(offsets) < 2
    if lone.any():
        before = pc.if_else(pa.array(lone), "", before)
    return before, behind


def _numbers(texts: pa.StringArray, factor: int) -> tuple[Counts, Bools, list[int]]:
    """Read counts.

    Returns:
        The counts, 0 where a text is none; whether it is one; and the places of those too large.
    """
    plain = rf"^[0-9]{{1,{_SAFE_DIGITS}}}(?:\.[0-9]*)?$"
    ok = _bools(pc.match_substring_regex(texts, plain))
    numbers = pc.if_else(pa.array(ok), texts, "0")
    if _bools(pc.match_substring(numbers, ".")).any():
        points = pc.find_substring(numbers, ".").to_numpy(zero_copy_only=False)
        split = pc.split_pattern(
            pc.if_else(pa.array(points < 0), _with_point(numbers), numbers), "."
        )
        flat = split.flatten()
        whole_texts = flat.take(pa.array(np.arange(0, len(flat), 2)))
        digits = flat.take(pa.array(np.arange(1, len(flat), 2)))
        digits = pc.utf8_slice_codeunits(digits, start=0, stop=_FRACTION_DIGITS)
        padded = pc.ascii_rpad(digits, width=_FRACTION_DIGITS, padding="0")
        parts = np.array(padded.cast(pa.int64()).to_numpy())
    else:
        whole_texts = numbers
        parts = np.zeros(len(texts), dtype=np.int64)
    whole = np.array(whole_texts.cast(pa.int64()).to_numpy())
    beyond = []
    for row in np.flatnonzero(_bools(pc.match_substring_regex(texts, f"^{COUNT}$")) & ~ok).tolist():
        digits_before, _, behind = texts[row].as_py().partition(".")
        # Python reads no number of thousands of digits.
        stripped = digits_before.lstrip("0") or "0"
        if len(stripped) <= _SAFE_DIGITS + 1 and int(stripped) <= _COUNT_MOST:
            whole[row] = int(stripped)
            parts[row] = int(behind[:_FRACTION_DIGITS].ljust(_FRACTION_DIGITS, "0"))
            ok[row] = True
        else:
            beyond.append(row)
    # One is left for what the fraction rounds up to.
    too_large = ok & (whole > _COUNT_MOST // factor - (parts > 0))
    ok &= ~too_large
    return Counts(whole, parts), ok, [*beyond, *np.flatnonzero(too_large).tolist()]


def _with_point(texts: pa.StringArray) -> pa.StringArray:
    return pc.binary_join_element_wise(texts, "", ".")


def _bools(column: pa.BooleanArray) -> Bools:
    return np.array(column.to_numpy(zero_copy_only=False), dtype=np.bool_)
