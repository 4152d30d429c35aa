"""The stacks in a block of bcc's output: which lines belong together and what each says."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.bcc_frames import COMM, DIVIDER, FRAME, NAMED, TARGET, TEXT, WAKER, Line, line_of
from collectors.bcc_values import whole_numbers
from collectors.expand import Content
from collectors.frames_and_stacks import NO_STACK, Bools, Frame, Frames, Ints
from collectors.profile_file import Stacks
from collectors.text_blocks import MOST_LINE_BYTES, Block
from pipeline.errors import BadFile

_VALUE = r"^\s+[0-9]+\s*$"
_OUTSTANDING = r"^\s*(?P<bytes>[0-9]+) bytes in (?P<objects>[0-9]+) allocations from stack"
_ALLOCATION = re.compile(r"\s*addr = \S+ size = \d+\s*$")


@dataclass(frozen=True)
class Records:
    """The n stacks of a block.

    Attributes:
        stacks: n of them.
        values: one column a sample type, n long; NULL beyond 64 bits.
        comms, pids, wakers: n each; NULL for unknown.
        lines: the line in the block that each one's value is on.
        empty: n, whether it has no frames.
        strays: lines in the block that belong to none.
    """

    stacks: Stacks
    values: tuple[pa.Array, ...]
    comms: pa.Array
    pids: pa.Array
    wakers: pa.Array
    lines: Ints
    empty: Bools
    strays: Ints


def whole_stacks(blocks: Iterator[Block], content: Content) -> Iterator[Block]:
    """Cut blocks anew so that no stack is in two: at empty lines.

    Raises:
        BadFile: there is none for longer than any stack is.
    """
    offset, line, rest = 0, 1, b""
    for block in blocks:
        if not rest:
            offset, line = block.offset, block.line
        rest += block.data
        cut = rest.rfind(b"\n\n") + 2
        if cut >= 2:
            yield Block(offset, line, rest[:cut])
            line += rest.count(b"\n", 0, cut)
            rest = rest[cut:]
            # Not where it begins to the byte, which no piece needs to know.
            offset = block.offset
        if len(rest) > MOST_LINE_BYTES:
            raise BadFile(
                f"{content.path}: a bcc stack of more than {MOST_LINE_BYTES} bytes; "
                "it is of another format: name that with --format"
            )
    if rest:
        yield Block(offset, line, rest)


def records(lines: pa.StringArray, outstanding: bool, sides_have_pids: bool = False) -> Records:
    """Find the stacks among the lines of a block.

    Args:
        lines: all of it.
        outstanding: whether a stack follows its value, as memleak prints, and not the other way.
        sides_have_pids: whether the number behind a waker or a target is a process, as offwaketime
            prints, and not of its name.
    """
    blank = _flags(pc.equal(pc.utf8_trim_whitespace(lines), ""))
    heads = _flags(pc.match_substring_regex(lines, _OUTSTANDING if outstanding else _VALUE))
    others = np.flatnonzero(~(blank | heads))
    texts = lines.take(pa.array(others)).dictionary_encode()
    parsed = [line_of(text) for text in texts.dictionary.to_pylist()]
    if outstanding:
        kept = [not _ALLOCATION.match(text) for text in texts.dictionary.to_pylist()]
        parsed = [line if keep else Line(0) for line, keep in zip(parsed, kept, strict=True)]
    if not sides_have_pids:
        parsed = [_named_whole(line) for line in parsed]
    codes: Ints = texts.indices.to_numpy().astype(np.int64)
    groups = _groups(blank, heads, outstanding)
    places = np.flatnonzero(heads)
    record_of_group: Ints = np.full(int(groups[-1]) + 1 if len(groups) else 1, -1, dtype=np.int64)
    record_of_group[groups[places]] = np.arange(len(places))
    owner = record_of_group[groups[others]]
    roles = np.array([line.role for line in parsed], dtype=np.int64)[codes]
    if not outstanding:
        roles = _roles(lines, roles, others, places, owner)
    return _records(lines, parsed, codes, roles, owner, others, places, outstanding)


def _named_whole(line: Line) -> Line:
    """Give the number behind a waker or a target back to its name."""
    if line.role not in (WAKER, TARGET) or line.pid < 0:
        return line
    return line._replace(comm=f"{line.comm} {line.pid}", pid=-1)


def _groups(blank: Bools, heads: Bools, outstanding: bool) -> Ints:
    """Number the groups of lines: a value ends one, or begins it; an empty line does both."""
    begins = blank | (heads if outstanding else np.append(False, heads[:-1]))
    groups: Ints = np.cumsum(begins).astype(np.int64)
    return groups


def _roles(lines: pa.StringArray, roles: Ints, others: Ints, places: Ints, owner: Ints) -> Ints:
    """Settle what a line is by where it stands."""
    count = len(places)
    above = np.isin(others, places - 1)
    # "comm [pid]" right above the value is the process; elsewhere a frame in a mapping.
    roles = np.where((roles == NAMED) & ~above, FRAME, roles)
    owned = owner >= 0
    told: Bools = np.zeros(count, dtype=np.bool_)
    told[owner[owned & np.isin(roles, (COMM, NAMED, WAKER, TARGET))]] = True
    indents = pc.subtract(pc.utf8_length(lines), pc.utf8_length(pc.utf8_ltrim_whitespace(lines)))
    indent = np.asarray(indents.to_numpy(zero_copy_only=False), dtype=np.int64)
    # Old versions print the bare command under the frames; its value stands 4 further in, while
    # that of a stack of nobody stands 2 further in.
    bare = above & owned & (roles == FRAME)
    bare &= ~told[np.maximum(owner, 0)] if count else False
    bare[bare] = indent[others[bare] + 1] - indent[others[bare]] >= 4
    return np.where(bare, COMM, roles)


def _records(
    lines: pa.StringArray,
    parsed: list[Line],
    codes: Ints,
    roles: Ints,
    owner: Ints,
    others: Ints,
    places: Ints,
    outstanding: bool,
) -> Records:
    """Put the stacks together."""
    owned = owner >= 0
    kernel = _above_divider(roles, owner, len(places))
    frames = owned & (roles == FRAME)
    told = {role: owned & (roles == role) for role in (COMM, NAMED, TARGET, WAKER)}
    comms: list[str | None] = [None] * len(places)
    pids: list[int | None] = [None] * len(places)
    wakers: list[str | None] = [None] * len(places)
    for role, where in told.items():
        for record, code in zip(owner[where].tolist(), codes[where].tolist(), strict=True):
            line = parsed[code]
            if role == WAKER:
                wakers[record] = line.comm
                continue
            comms[record] = line.comm or line.frame.symbol
            pids[record] = line.pid if line.pid >= 0 else None
    heads = lines.take(pa.array(places))
    if outstanding:
        parts = pc.extract_regex(heads, _OUTSTANDING)
        values = tuple(whole_numbers(pc.struct_field(parts, n)) for n in ("bytes", "objects"))
    else:
        values = (whole_numbers(pc.utf8_trim_whitespace(heads)),)
    return Records(
        _stacks(parsed, codes[frames], kernel[frames], owner[frames], len(places)),
        values,
        pa.array(comms, pa.string()),
        pa.array(pids, pa.int64()),
        pa.array(wakers, pa.string()),
        places,
        np.bincount(owner[frames], minlength=len(places)) == 0,
        others[(roles == TEXT) | (~owned & np.isin(roles, (FRAME, COMM, NAMED)))],
    )


def _above_divider(roles: Ints, owner: Ints, count: int) -> Bools:
    """Tell which lines stand above the divider of their stack: the kernel's frames."""
    divider: Ints = np.full(count + 1, -1, dtype=np.int64)
    where = np.flatnonzero((roles == DIVIDER) & (owner >= 0))
    divider[owner[where]] = where
    above: Bools = np.arange(len(roles)) < divider[owner]
    return above


def _stacks(parsed: list[Line], codes: Ints, kernel: Bools, owner: Ints, count: int) -> Stacks:
    """Give the stacks of frames, in the order of their lines."""
    frames = Frames()
    keys, inverse = np.unique(codes * 2 + kernel, return_inverse=True)
    known = []
    for key in keys.tolist():
        frame = parsed[key // 2].frame
        known.append(frames.add(frame._replace(kind="kernel") if key % 2 else frame))
    places = np.array(known, dtype=np.int64)[inverse]
    depths = np.bincount(owner, minlength=count).astype(np.int64)
    if (depths == 0).any():
        none = frames.add(Frame(NO_STACK))
        at = (np.cumsum(depths) - depths)[depths == 0]
        places = np.insert(places, at, none)
        depths = np.maximum(depths, 1)
    return Stacks(frames, places.astype(np.int64), depths, np.zeros(count, dtype=np.bool_))


def _flags(column: pa.Array) -> Bools:
    flags: Bools = np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.bool_)
    return flags
