"""Stacks of folded lines: texts split into frames, threads taken off, and the ids of the rest."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.folded_frames import Owner, merged, open_brackets, read_comm
from collectors.folded_table import EMPTY, OPEN, OWNER, SEPARATOR, FrameTable
from collectors.frames_and_stacks import Bools, Ints, stack_ids
from pipeline.schema import PROFILE_FRAMES, PROFILE_STACKS

# A process, its child, …, a thread.
_OWNERS_DEEP = 16

# A type's name with more semicolons than this is a bracket that nothing closes.
_PIECES_MOST = 32


@dataclass
class Owners:
    """Distinct owners of samples, by number; 0 is nobody."""

    all: list[Owner] = field(default_factory=lambda: [Owner()])
    _numbers: dict[Owner, int] = field(default_factory=lambda: {Owner(): 0})

    def number(self, owner: Owner) -> int:
        """Give an owner's number, adding it if it is new."""
        number = self._numbers.setdefault(owner, len(self.all))
        if number == len(self.all):
            self.all.append(owner)
        return number


@dataclass(frozen=True)
class FoldedStacks:
    """Stacks.

    Attributes:
        ids: n ids; equal ones may stand there twice.
        owners: n numbers of owners.
        numbers: frames of all stacks end to end, leaf first, as numbers of the table.
        counts: n depths, none of them 0.
    """

    ids: Ints
    owners: Ints
    numbers: Ints
    counts: Ints

    def rows(self, chosen: Ints, table: FrameTable) -> dict[str, pa.Table]:
        """Give some of them as rows of profile_stacks, and their frames that are new.

        Args:
            chosen: which, in ascending order.
            table: the frames.

        Returns:
            Tables by name.
        """
        numbers, counts = self.numbers, self.counts
        if len(chosen) < len(counts):
            taken = np.zeros(len(counts), dtype=np.bool_)
            taken[chosen] = True
            numbers, counts = numbers[np.repeat(taken, counts)], counts[chosen]
        ends = np.cumsum(counts)
        offsets = pa.array(np.concatenate([[0], ends]).astype(np.int32))
        functions = table.labels().take(pa.array(numbers))
        columns = {
            "stack_id": pa.array(self.ids[chosen]),
            "depth": pa.array(counts.astype(np.int32)),
            "truncated": pa.repeat(pa.scalar(False), len(chosen)),
            "leaf_function": functions.take(pa.array(ends - counts)),
            "root_function": functions.take(pa.array(ends - 1)),
            "functions": pa.ListArray.from_arrays(offsets, functions),
            "frame_ids": pa.ListArray.from_arrays(offsets, pa.array(table.ids()[numbers])),
        }
        return {
            PROFILE_STACKS.name: pa.table(columns, schema=PROFILE_STACKS.arrow_schema),
            PROFILE_FRAMES.name: table.rows(numbers),
        }


def read_stacks(
    texts: pa.StringArray, table: FrameTable, owners: Owners, comm: bool, warnings: Counter[str]
) -> FoldedStacks:
    """Read stacks.

    Args:
        texts: n stacks, root first; best each once.
        table: gains their frames.
        owners: gains whose they are.
        comm: whether the first frame is the command's name.
        warnings: gains what was dropped.

    Returns:
        The stacks, the last one first.
    """
    lists = pc.split_pattern(texts, ";")
    counts = np.diff(lists.offsets.to_numpy()).astype(np.int64)
    pieces = lists.flatten().dictionary_encode()
    of_piece = table.numbers(pieces.dictionary.to_pylist())
    numbers = np.array(of_piece, dtype=np.int64)[pieces.indices.to_numpy()]
    roles = set(table.roles()[of_piece].tolist())
    if OPEN in roles:
        numbers, counts = _joined(numbers, counts, table)
    if roles & {EMPTY, SEPARATOR}:
        numbers, counts = _without_separators(numbers, counts, table, warnings)
    of_stack = np.zeros(len(counts), dtype=np.int64)
    for _ in range(_OWNERS_DEEP if OWNER in roles else 0):
        lead, first = _first(numbers, counts)
        is_owner = lead[table.roles()[numbers[first]] == OWNER]
        if not len(is_owner):
            break
        numbers, counts = _take_off(is_owner, numbers, counts, of_stack, owners, table.owners)
    if comm:
        lead, first = _first(numbers, counts)
        told = {number: read_comm(table.text(number)) for number in set(numbers[first].tolist())}
        numbers, counts = _take_off(lead, numbers, counts, of_stack, owners, told)
    empty = counts == 0
    if empty.any():
        starts = np.cumsum(counts) - counts
        numbers = np.insert(numbers, starts[empty], table.no_stack())
        counts = np.where(empty, 1, counts)
    # Backwards as a whole, which turns each stack round and the order of the stacks too.
    numbers, counts = np.ascontiguousarray(numbers[::-1]), counts[::-1].copy()
    ids = stack_ids(table.ids()[numbers], counts, np.zeros(len(counts), dtype=np.bool_))
    return FoldedStacks(ids, of_stack[::-1].copy(), numbers, counts)


def _without_separators(
    numbers: Ints, counts: Ints, table: FrameTable, warnings: Counter[str]
) -> tuple[Ints, Ints]:
    """Take out what is no frame: nothing between two semicolons, and marks between two stacks."""
    roles = table.roles()[numbers]
    empty, separator = roles == EMPTY, roles == SEPARATOR
    warnings["empty_frames"] += int(empty.sum())
    warnings["separator_frames"] += int(separator.sum())
    if separator.any():
        numbers = _behind_mark_in_kernel(numbers, counts, table)
    return _without(empty | separator, numbers, counts)


def _first(numbers: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Give the stacks that have frames, and the place of the first of each."""
    lead = np.flatnonzero(counts)
    return lead, (np.cumsum(counts) - counts)[lead]


def _without(dropped: Bools, numbers: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Take frames out of their stacks."""
    if not dropped.any():
        return numbers, counts
    stack = np.repeat(np.arange(len(counts)), counts)
    return numbers[~dropped], np.bincount(stack[~dropped], minlength=len(counts)).astype(np.int64)


def _take_off(
    stacks: Ints,
    numbers: Ints,
    counts: Ints,
    of_stack: Ints,
    owners: Owners,
    told: dict[int, Owner],
) -> tuple[Ints, Ints]:
    """Take the first frame off some stacks, and note in ``of_stack`` whose they are by it."""
    first = (np.cumsum(counts) - counts)[stacks]
    pairs = np.stack([of_stack[stacks], numbers[first]], axis=1)
    distinct, places = np.unique(pairs, axis=0, return_inverse=True)
    inner = [
        owners.number(merged(owners.all[outer], told[number]))
        for outer, number in distinct.tolist()
    ]
    if inner:
        of_stack[stacks] = np.array(inner, dtype=np.int64)[places.ravel()]
    dropped = np.zeros(len(numbers), dtype=np.bool_)
    dropped[first] = True
    return _without(dropped, numbers, counts)


def _behind_mark_in_kernel(numbers: Ints, counts: Ints, table: FrameTable) -> Ints:
    """Turn the frames behind a lone dash into those of the kernel, as bcc means them."""
    mark = table.number("-")
    marks = np.cumsum(numbers == mark)
    starts = np.cumsum(counts) - counts
    before = np.where(starts > 0, marks[starts - 1], 0)
    inside = (marks > np.repeat(before, counts)) & (numbers != mark)
    # What separates two stacks is no frame, on either side.
    inside &= ~np.isin(table.roles()[numbers], (EMPTY, SEPARATOR))
    numbers = numbers.copy()
    if inside.any():
        numbers[inside] = table.in_kernel(numbers[inside])
    return numbers


def _joined(numbers: Ints, counts: Ints, table: FrameTable) -> tuple[Ints, Ints]:
    """Join pieces whose brackets hold a semicolon, in the stacks that have such."""
    stack = np.repeat(np.arange(len(counts)), counts)
    affected = np.unique(stack[table.roles()[numbers] == OPEN])
    ends = np.cumsum(counts)
    parts: list[Ints] = []
    counts = counts.copy()
    done = 0
    for each in affected.tolist():
        end = int(ends[each])
        start = end - int(counts[each])
        whole = _balanced(numbers[start:end].tolist(), table)
        parts += [numbers[done:start], np.array(whole, dtype=np.int64)]
        counts[each] = len(whole)
        done = end
    return np.concatenate([*parts, numbers[done:]]), counts


def _balanced(pieces: list[int], table: FrameTable) -> list[int]:
    """Join the pieces of one stack from an open bracket to where it closes, if it does."""
    texts = [table.text(number) for number in pieces]
    balances = [open_brackets(text) for text in texts]
    whole: list[int] = []
    at = 0
    while at < len(pieces):
        end = _closing(balances, at)
        whole.append(table.number(";".join(texts[at:end])) if end > at + 1 else pieces[at])
        at = end
    return whole


def _closing(balances: list[tuple[int, int]], at: int) -> int:
    """Give the place behind the piece that closes what the one at a place opens."""
    for kind in (0, 1):
        depth = balances[at][kind]
        if depth <= 0:
            continue
        for end in range(at + 1, min(len(balances), at + _PIECES_MOST)):
            depth += balances[end][kind]
            if depth <= 0:
                return end + 1
    return at + 1
