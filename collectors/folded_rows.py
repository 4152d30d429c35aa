"""Rows of folded stacks: stacks and frames block by block, samples when their sums are known."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from collectors.collector import Reading, Reject, Rows
from collectors.expand import Content
from collectors.folded_lines import Lines, read_lines
from collectors.folded_sniff import first_lines, has_two_counts, is_py_spy
from collectors.folded_stacks import FoldedStacks, Owners, read_stacks
from collectors.folded_sums import Summing, Sums
from collectors.folded_table import FrameTable
from collectors.folded_units import folded_unit, period_nano
from collectors.frames_and_stacks import Ints
from collectors.imported_rows import complete
from collectors.profile_file import Facts, ProfileFile
from collectors.text_blocks import BLOCK_BYTES, Block, text_blocks
from pipeline.errors import BadFile
from pipeline.schema import PROFILE_FRAMES, PROFILE_SAMPLES, PROFILE_STACKS, PROFILES

# Beyond a tenth of bad lines it is another format. A few say nothing: a tool's last words are bad
# lines too, and of a short file more than a tenth.
_BAD_SHARE_MOST = 0.1
_BAD_LINES_ALWAYS = 10
# So many are enough to say so before the end.
_BAD_LINES_EARLY = 10_000

_SAMPLE_ROWS = 1 << 18

# Ids of stacks that have their row: some 70 bytes each. Beyond it a row may come again.
_STACKS_KNOWN = 1_000_000

# Where a block's first stacks are this different, to look for equal ones costs more than it saves.
_DISTINCT_SHARE = 0.9
_LINES_COMPARED = 1_000

_SIDES = ("before", "after")
_TABLES = (PROFILES, PROFILE_SAMPLES, PROFILE_STACKS, PROFILE_FRAMES)


def read(
    content: Content, reading: Reading, block_bytes: int = BLOCK_BYTES
) -> Iterator[Rows | Reject]:
    """Read a file of folded stacks.

    Args:
        content: the file.
        reading: how.
        block_bytes: about how much of it is read at once.

    Yields:
        For each block its bad lines and its stacks and frames; the samples and the profiles, two
        for a file with two counts a line, in the last piece.

    Raises:
        BadFile: more than a tenth of the lines are bad, there is no stack at all, or the counts
            are beyond 63 bits.
    """
    yield from _Reader(content, reading).blocks(block_bytes)


class _Reader:
    """What is known of a file while it is read."""

    def __init__(self, content: Content, reading: Reading) -> None:
        begin = first_lines(content)
        self._content = content
        self._reading = reading
        self._sides = 2 if has_two_counts(begin) else 1
        self._py_spy = is_py_spy(begin)
        self._unit = folded_unit(reading.origin)
        self._resource = reading.origin.resource()
        self._file = ProfileFile(reading, "folded")
        self._table = FrameTable(self._py_spy)
        self._owners = Owners()
        self._sums = Summing(self._unit.factor)
        self._known: set[int] = set()
        self._totals = [0] * self._sides
        self._good = 0
        self._bad = 0
        self._warned: Counter[str] = Counter()

    def blocks(self, block_bytes: int) -> Iterator[Rows | Reject]:
        """Give the rows of all blocks, then what is known at the end."""
        piece = 1
        warnings: Counter[str] = Counter()
        for block in text_blocks(self._content, warnings, block_bytes):
            if self._reading.piece(block.offset) != piece:
                self._hold_to_share()
                piece = self._reading.piece(block.offset)
            lines = read_lines(block, self._sides, self._unit.factor)
            self._good += len(lines.stacks)
            self._bad += len(lines.bad)
            if self._bad > _BAD_LINES_EARLY:
                self._hold_to_share()
            yield from _rejects(block, lines, piece)
            yield self._rows(piece, len(lines.stacks), self._stacks(lines, warnings), warnings)
            if self._sums.full:
                yield from self._samples(piece)
            warnings = Counter()
        self._hold_to_share()
        if not self._good:
            raise BadFile(
                f"{self._content.path}: folded stacks: no line is a stack with its count; "
                f"import what the profiler wrote"
            )
        yield from self._samples(piece)
        profiles = self._file.profiles(self._facts())
        yield self._rows(piece, 0, {PROFILES.name: profiles}, self._file.warnings)

    def _stacks(self, lines: Lines, warnings: Counter[str]) -> dict[str, pa.Table]:
        """Add up the counts of some lines, and give the rows of stacks and frames not given yet."""
        if not len(lines.stacks):
            return {}
        if self._table.full:
            self._table = FrameTable(self._py_spy)
        texts, of_line = self._distinct(lines.stacks)
        comm = self._reading.origin.comm
        stacks = read_stacks(texts, self._table, self._owners, comm, warnings)
        of_line = len(texts) - 1 - of_line
        for side, counts in enumerate(lines.counts):
            warnings["fractional_counts"] += int(np.count_nonzero(counts.parts))
            try:
                self._sums.add(side, stacks.ids[of_line], stacks.owners[of_line], counts)
            except OverflowError:
                raise BadFile(
                    f"{self._content.path}: folded stacks: the counts add up to more than 2^63-1; "
                    f"give their unit with --unit, or import a part of it"
                ) from None
        return stacks.rows(self._new(stacks), self._table)

    def _distinct(self, stacks: pa.StringArray) -> tuple[pa.StringArray, Ints]:
        """Give each stack once, as far as that pays, and which of them each line has."""
        first = stacks.slice(0, _LINES_COMPARED)
        if len(first.unique()) > _DISTINCT_SHARE * len(first):
            return stacks, np.arange(len(stacks))
        encoded = stacks.dictionary_encode()
        return encoded.dictionary, encoded.indices.to_numpy().astype(np.int64)

    def _new(self, stacks: FoldedStacks) -> Ints:
        """Give the places of the stacks that had no row yet."""
        if len(self._known) > _STACKS_KNOWN:
            self._known.clear()
        ids = stacks.ids.tolist()
        new = set(ids) - self._known
        self._known |= new
        if len(new) == len(ids):
            return np.arange(len(ids))
        places = dict(zip(ids, range(len(ids)), strict=True))
        return np.array(sorted(places[identity] for identity in new), dtype=np.int64)

    def _samples(self, piece: int) -> Iterator[Rows]:
        """Give what was added up."""
        for sums in self._sums.take(_SAMPLE_ROWS):
            for side in range(self._sides):
                self._totals[side] += sum(sums.values[sums.sides == side].tolist())
            yield self._rows(piece, 0, {PROFILE_SAMPLES.name: self._sample_rows(sums)})

    def _sample_rows(self, sums: Sums) -> pa.Table:
        """Give sums as rows of profile_samples."""
        count = len(sums.values)
        ids = np.array([self._file.profile_id(side) for side in range(self._sides)])
        values = pa.array(sums.values)
        columns: dict[str, pa.Array] = {
            "profile_id": pa.array(ids[sums.sides]),
            "stack_id": pa.array(sums.stacks),
            "time_unix_nano": pa.array(np.full(count, self._file.time(0), dtype=np.int64)),
            "profile_type": pa.repeat(self._unit.kind, count),
            "sample_type": pa.repeat(self._unit.name, count),
            "sample_unit": pa.repeat(self._unit.unit, count),
            "value": values,
        }
        if self._unit.observations:
            columns["samples"] = values
        if self._reading.origin.duration_nano:
            lasted = pa.scalar(self._reading.origin.duration_nano, pa.int64())
            columns["duration_nano"] = pa.repeat(lasted, count)
        if len(self._owners.all) > 1:
            places = pa.array(sums.owners)
            for name in ("pid", "thread_id", "thread_name", "comm"):
                kind = pa.int64() if name in ("pid", "thread_id") else pa.string()
                said = [getattr(owner, name) for owner in self._owners.all]
                known = [None if each == "" else each for each in said]
                columns[name] = pa.array(known, kind).take(places)
        warnings = self._file.warnings
        return complete(PROFILE_SAMPLES, columns, self._reading, self._resource, warnings)

    def _facts(self) -> list[Facts]:
        """Give what is known of the profiles."""
        told = [f"{reason}: {count}" for reason, count in sorted(self._warned.items()) if count]
        if self._bad:
            told.append(f"lines_rejected: {self._bad}")
        period = period_nano(self._reading.origin) if self._unit.observations else 0
        return [
            Facts(
                [(self._unit.name, self._unit.unit, self._totals[side])],
                period=period,
                period_type=self._unit.kind if period else "",
                attributes={"side": _SIDES[side]} if self._sides > 1 else {},
                warnings=told,
            )
            for side in range(self._sides)
        ]

    def _rows(
        self,
        piece: int,
        messages: int,
        tables: dict[str, pa.Table],
        warnings: Counter[str] | None = None,
    ) -> Rows:
        """Give rows of a piece with every table, those without rows too."""
        whole = {
            table.name: tables.get(table.name, table.arrow_schema.empty_table())
            for table in _TABLES
        }
        warned = Counter({key: count for key, count in (warnings or {}).items() if count})
        self._warned.update(warned)
        known = all(self._reading.landed(name) >= piece for name in whole)
        return Rows(piece, messages, whole, "profiles", warned, known)

    def _hold_to_share(self) -> None:
        """Refuse the file if too many of its lines so far are bad."""
        lines = self._good + self._bad
        if self._bad > max(_BAD_LINES_ALWAYS, _BAD_SHARE_MOST * lines):
            raise BadFile(
                f"{self._content.path}: folded stacks: {self._bad} of {lines} lines have no stack "
                f"with its count; import what the profiler wrote, or give its --format"
            )


def _rejects(block: Block, lines: Lines, piece: int) -> Iterator[Reject]:
    """Give the bad lines of a block."""
    for place, reason in lines.bad:
        yield Reject(piece, f"line {block.line + place}", reason)
