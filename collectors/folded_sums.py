"""Sums of folded counts, an exact one for each stack, owner and side of a file."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from collectors.folded_lines import PARTS_OF_ONE, Counts
from collectors.frames_and_stacks import Ints

# Sums are joined when so many wait, and given out when so many are left: 40 bytes each.
_WAITING_MOST = 1_000_000
SUMS_MOST = 2_000_000

_COUNT_MOST = 2**63 - 1


@dataclass(frozen=True)
class Sums:
    """Sums of n distinct keys, in the order of the keys.

    Attributes:
        sides, stacks, owners: n, the keys: which count of a line, id of a stack, owner's number.
        values: n sums, multiplied and rounded half to even.
    """

    sides: Ints
    stacks: Ints
    owners: Ints
    values: Ints


@dataclass
class Summing:
    """Adds counts up.

    Attributes:
        factor: what sums are multiplied with, before they are rounded.
    """

    factor: int
    _waiting: list[tuple[Ints, Ints, Ints, Ints, Ints]] = field(default_factory=list)
    _size: int = 0
    _added: dict[int, int] = field(default_factory=dict)

    def add(self, side: int, stacks: Ints, owners: Ints, counts: Counts) -> None:
        """Add counts of n stacks.

        Raises:
            OverflowError: all of a side's counts together are beyond 63 bits.
        """
        about = float(counts.whole.astype(np.float64).sum())
        exact = about < 2.0**62
        total = int(counts.whole.sum()) if exact else sum(counts.whole.tolist())
        parts = int(counts.parts.sum())
        self._added[side] = self._added.get(side, 0) + total * PARTS_OF_ONE + parts
        # Rounded up: each stack's fraction may be.
        if -(-self._added[side] // PARTS_OF_ONE) * self.factor > _COUNT_MOST:
            raise OverflowError
        sides = np.full(len(stacks), side, dtype=np.int64)
        self._waiting.append((sides, stacks, owners, counts.whole, counts.parts))
        self._size += len(stacks)
        if self._size > _WAITING_MOST + len(self._waiting[0][0]):
            self._join()

    @property
    def full(self) -> bool:
        """Tell whether it is time to take what is there."""
        return self._size > SUMS_MOST

    def _join(self) -> None:
        """Add up what waits."""
        if not self._waiting:
            return
        parts = zip(*self._waiting, strict=True)
        sides, stacks, owners, whole, billionths = (np.concatenate(part) for part in parts)
        order = np.lexsort((owners, stacks, sides))
        keys = [column[order] for column in (sides, stacks, owners)]
        begins = np.ones(len(order), dtype=np.bool_)
        begins[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
        starts = np.flatnonzero(begins)
        whole = np.add.reduceat(whole[order], starts) if len(starts) else whole
        billionths = np.add.reduceat(billionths[order], starts) if len(starts) else billionths
        whole = whole + billionths // PARTS_OF_ONE
        side, stack, owner = (key[starts] for key in keys)
        self._waiting = [(side, stack, owner, whole, billionths % PARTS_OF_ONE)]
        self._size = len(starts)

    def take(self, most: int) -> Iterator[Sums]:
        """Give the sums that are not zero, so many at a time, and begin anew."""
        self._join()
        waiting, self._waiting, self._size = self._waiting, [], 0
        for sides, stacks, owners, whole, billionths in waiting:
            scaled = billionths * self.factor
            values = whole * self.factor + scaled // PARTS_OF_ONE
            twice = 2 * (scaled % PARTS_OF_ONE)
            values += (twice > PARTS_OF_ONE) | ((twice == PARTS_OF_ONE) & (values % 2 == 1))
            held = np.flatnonzero(values)
            for start in range(0, len(held), most):
                rows = held[start : start + most]
                yield Sums(sides[rows], stacks[rows], owners[rows], values[rows])
