"""Frames and stacks by content: ids that are the same from every machine, and rows of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.schema import PROFILE_FRAMES, PROFILE_STACKS

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# What stands for a frame of which nothing is known, and for a stack without frames: a total over
# functions must not lose what was measured there.
UNKNOWN = "[unknown]"
NO_STACK = "[no stack]"

_length = Struct("<I").pack
_number = Struct("<Q").pack
_WRAP = 1 << 64
_FLAGS = (b"\x00", b"\x01")


class Frame(NamedTuple):
    """One function of a stack, as far as it is known.

    Attributes:
        function: its name for people; empty when there is no symbol.
        system_name: its name as the system has it, perhaps mangled.
        file, line, column, start_line: where in the source; 0 for unknown.
        mapping, build_id: the binary it is in.
        address: in the binary, unsigned; 0 for unknown.
        inlined: whether the compiler put it into the frame after it.
        kind: one of FRAME_KINDS.
    """

    function: str = ""
    system_name: str = ""
    file: str = ""
    line: int = 0
    column: int = 0
    start_line: int = 0
    mapping: str = ""
    build_id: str = ""
    address: int = 0
    inlined: bool = False
    kind: str = "unknown"

    @property
    def symbol(self) -> str:
        """Give the name it has, of either kind; empty when there is none."""
        return self.function or self.system_name

    @property
    def label(self) -> str:
        """Give what people read: the name, else where in which binary.

        >>> Frame("main").label, Frame(mapping="libc.so", address=4096).label, Frame().label
        ('main', 'libc.so+0x1000', '[unknown]')
        """
        if self.symbol or not self.address:
            return self.symbol or UNKNOWN
        address = f"0x{self.address:x}"
        return f"{self.mapping}+{address}" if self.mapping else address


def content_id(*fields: bytes) -> int:
    """Give the 64-bit id of a content: blake2b of its fields, each after its length.

    >>> content_id(b"a", b"bc") == content_id(b"ab", b"c")
    False
    """
    parts: list[bytes] = []
    for each in fields:
        parts += (_length(len(each)), each)
    digest = blake2b(b"".join(parts), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def frame_id(frame: Frame) -> int:
    """Give a frame's id. An address tells frames apart only where there is no symbol."""
    symbol = frame.symbol
    return content_id(
        symbol.encode(),
        frame.system_name.encode(),
        frame.file.encode(),
        _number(frame.line % _WRAP),
        frame.mapping.encode(),
        frame.build_id.encode(),
        _number(0 if symbol else frame.address % _WRAP),
        _FLAGS[frame.inlined],
    )


def stack_ids(frame_ids: Ints, counts: Ints, truncated: Bools) -> Ints:
    """Give the ids of stacks.

    Args:
        frame_ids: those of all stacks end to end, leaf first.
        counts: n depths.
        truncated: n, whether the profiler cut it.
    """
    data = frame_ids.astype("<i8").tobytes()
    ends = (8 * np.cumsum(counts)).tolist()
    starts = [0, *ends][: len(ends)]
    # What content_id writes of a stack, put together once a stack instead of field by field.
    before = {8 * count: _length(8 * count) for count in set(counts.tolist())}
    behind = [_length(1) + flag for flag in _FLAGS]
    digests = [
        blake2b(
            b"%b%b%b" % (before[end - start], data[start:end], behind[flag]), digest_size=8
        ).digest()
        for start, end, flag in zip(starts, ends, truncated.tolist(), strict=True)
    ]
    return np.frombuffer(b"".join(digests), dtype="<i8").astype(np.int64)


@dataclass
class Frames:
    """Distinct frames, in the order they came."""

    _places: dict[Frame, int] = field(default_factory=dict)
    _ids: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, frames: Iterable[Frame], ids: list[int]) -> "Frames":
        """Take distinct frames whose ids are at hand: they take longer than all else."""
        return cls({frame: place for place, frame in enumerate(frames)}, ids)

    def add(self, frame: Frame) -> int:
        """Give a frame's place, adding it if it is new."""
        place = self._places.setdefault(frame, len(self._places))
        if place == len(self._ids):
            self._ids.append(frame_id(frame))
        return place

    def ids(self) -> Ints:
        """Give the id of each frame."""
        return np.array(self._ids, dtype=np.int64)

    def labels(self) -> pa.StringArray:
        """Give what people read of each frame."""
        return pa.array([frame.label for frame in self._places], pa.string())

    def rows(self) -> pa.Table:
        """Give them as rows of profile_frames, one an id."""
        ids = self.ids()
        _, first = np.unique(ids, return_index=True)
        frames = list(self._places)
        chosen = [(int(ids[place]), frames[place]) for place in first.tolist()]
        columns = {
            "frame_id": [identity for identity, _ in chosen],
            "function": [frame.label for _, frame in chosen],
            "system_name": [frame.system_name or None for _, frame in chosen],
            "file": [frame.file or None for _, frame in chosen],
            "line": [frame.line or None for _, frame in chosen],
            "column": [frame.column or None for _, frame in chosen],
            "start_line": [_int32(frame.start_line) for _, frame in chosen],
            "mapping": [frame.mapping or None for _, frame in chosen],
            "build_id": [frame.build_id or None for _, frame in chosen],
            # Rows of one id are one row: an address that is not in the id would be any of many.
            "address": [None if f.symbol else signed(f.address) or None for _, f in chosen],
            "kind": ["inlined" if frame.inlined else frame.kind for _, frame in chosen],
        }
        return pa.table(columns, schema=PROFILE_FRAMES.arrow_schema)


def stack_rows(
    identities: Ints, frames: Frames, places: Ints, counts: Ints, truncated: Bools
) -> pa.Table:
    """Give stacks as rows of profile_stacks, one an id.

    Args:
        identities: n ids of stacks.
        frames: the frames.
        places: those in it of all stacks end to end, leaf first; no stack is empty.
        counts: n depths.
        truncated: n, whether the profiler cut it.
    """
    _, first = np.unique(identities, return_index=True)
    counts, places = take_lists(counts, places, first)
    ends = np.cumsum(counts)
    offsets = pa.array(np.concatenate([[0], ends]).astype(np.int32))
    functions = frames.labels().take(pa.array(places))
    columns = {
        "stack_id": pa.array(identities[first]),
        "depth": pa.array(counts.astype(np.int32)),
        "truncated": pa.array(truncated[first]),
        "leaf_function": functions.take(pa.array(ends - counts)),
        "root_function": functions.take(pa.array(ends - 1)),
        "functions": pa.ListArray.from_arrays(offsets, functions),
        "frame_ids": pa.ListArray.from_arrays(offsets, pa.array(frames.ids()[places])),
    }
    return pa.table(columns, schema=PROFILE_STACKS.arrow_schema)


def take_lists(counts: Ints, flat: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """Take some of n lists that stand end to end.

    >>> counts, flat = take_lists(np.array([1, 2, 0]), np.array([7, 8, 9]), np.array([1, 2, 1]))
    >>> counts.tolist(), flat.tolist()
    ([2, 0, 2], [8, 9, 8, 9])
    """
    starts = np.cumsum(counts) - counts
    taken = counts[rows]
    begins = np.repeat(starts[rows] - (np.cumsum(taken) - taken), taken)
    return taken, flat[begins + np.arange(len(begins))]


def signed(number: int) -> int:
    """Give 64 bits as a signed number, two's complement.

    >>> signed(2**64 - 1)
    -1
    """
    return number - _WRAP if number >= _WRAP >> 1 else number


def concat_rows(tables: Sequence[pa.Table], key: str, schema: pa.Schema) -> pa.Table:
    """Join rows of several origins, each id once."""
    joined = pa.concat_tables([schema.empty_table(), *tables]).combine_chunks()
    ids = joined[key].to_numpy()
    distinct, first = np.unique(ids, return_index=True)
    return joined if len(distinct) == len(ids) else joined.take(pa.array(first))


def _int32(number: int) -> int | None:
    return number if 0 < number < 2**31 else None
