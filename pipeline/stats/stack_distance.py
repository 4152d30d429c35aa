"""How deep in a least-recently-used cache each reference finds its key, all at once.

A reference to a key last seen at p finds as many distinct keys above it as had their first
reference after p: the earlier references whose own last one is not after p, less those up to p.
Smaller numbers before each are counted bit by bit: a million references take under a second.

Source: Mattson, Gecsei, Slutz and Traiger (1970), IBM Systems Journal 9(2), for stack distances;
Claude, Navarro and Ordonez (2015), Information Systems 47, for the counting: a wavelet matrix.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# More would not fit the 32 bits that places are counted in.
REFERENCES_MOST = 2**31 - 1


def previous_places(keys: Ints) -> Ints:
    """Give for each of n references the place of the one before it of the same key, -1 for none.

    >>> previous_places(np.array([7, 8, 7, 7])).tolist()
    [-1, -1, 0, 2]
    """
    order = np.argsort(keys, kind="stable")
    same = keys[order[1:]] == keys[order[:-1]]
    before = np.full(len(keys), -1, dtype=np.int64)
    before[order[1:][same]] = order[:-1][same]
    return before


def stack_distances(keys: Ints) -> Ints:
    """Give the depth at which each reference finds its key: 1 is on top, 0 not there yet.

    Args:
        keys: n references by key, in the order of time.

    >>> stack_distances(np.array([1, 2, 1, 1, 3, 2])).tolist()
    [0, 0, 2, 1, 0, 3]
    """
    before = previous_places(keys)
    again = np.flatnonzero(before >= 0)
    last = before[again]
    # References that were the first of their key, before each of the others.
    cold = again - np.arange(len(again))
    depths = np.zeros(len(keys), dtype=np.int64)
    depths[again] = cold + smaller_before(_ranks(last, len(keys))) - last
    return depths


def byte_distances(keys: Ints, sizes: Floats) -> Floats:
    """Give the bytes down to and with the key that each reference finds; infinite for the first.

    Args:
        keys: n references by key, in the order of time.
        sizes: n sizes of what is referred to, in bytes.

    >>> byte_distances(np.array([1, 2, 1]), np.array([10.0, 5, 10])).tolist()
    [inf, inf, 15.0]
    """
    before = previous_places(keys)
    again = np.flatnonzero(before >= 0)
    last = before[again]
    running = np.concatenate([[0.0], np.cumsum(sizes)])
    first = np.where(before < 0, sizes, 0.0)
    cold = (np.cumsum(first) - first)[again]
    # Sizes are those at the time: of a key that is referred to again, what it has become.
    warm = weight_of_smaller_before(_ranks(last, len(keys)), sizes[again])
    found = np.full(len(keys), np.inf)
    found[again] = cold + warm - running[last + 1] + sizes[again]
    return found


def _ranks(distinct: Ints, most: int) -> NDArray[np.int32]:
    """Give the rank of each of m distinct numbers below ``most``."""
    present = np.zeros(most, dtype=np.int32)
    present[distinct] = 1
    return (np.cumsum(present, dtype=np.int32) - 1)[distinct].astype(np.int32)


def smaller_before(ranks: NDArray[np.int32]) -> Ints:
    """Give for each element of a permutation how many smaller ones come before it.

    Args:
        ranks: each of 0 to m - 1 once.

    >>> smaller_before(np.array([2, 0, 1, 3], dtype=np.int32)).tolist()
    [0, 0, 1, 3]
    """
    counts = np.zeros(len(ranks), dtype=np.int32)
    values = ranks
    for level in range(int(len(ranks) - 1).bit_length() - 1, -1, -1):
        ones, start, zeros = _level(values, level)
        # Those with the bit have above them all of their group that come before without it.
        counts[values[ones]] += zeros[ones] - zeros[start[ones]]
        values = _partitioned(values, ones, start, zeros, level)
    return counts[ranks].astype(np.int64)


def weight_of_smaller_before(ranks: NDArray[np.int32], weights: Floats) -> Floats:
    """Give for each element of a permutation the weight of the smaller ones before it.

    Args:
        ranks: each of 0 to m - 1 once.
        weights: m, one for each element.

    >>> ranks = np.array([1, 0, 2], dtype=np.int32)
    >>> weight_of_smaller_before(ranks, np.array([1.0, 2, 4])).tolist()
    [0.0, 0.0, 3.0]
    """
    sums = np.zeros(len(ranks))
    by_rank = np.empty(len(ranks))
    by_rank[ranks] = weights
    values = ranks
    for level in range(int(len(ranks) - 1).bit_length() - 1, -1, -1):
        ones, start, zeros = _level(values, level)
        weight = by_rank[values]
        weight[ones] = 0.0
        running = np.cumsum(weight) - weight
        sums[values[ones]] += running[ones] - running[start[ones]]
        values = _partitioned(values, ones, start, zeros, level)
    return sums[ranks]


Bools = NDArray[np.bool_]
Places = NDArray[np.int32]


def _level(values: Places, level: int) -> tuple[Bools, Places, Places]:
    """Give which numbers have a bit, where each one's group begins, and zeros before each.

    Groups are those of equal higher bits; they stand together, and a permutation fills them.
    """
    ones = (values >> level) & 1 == 1
    start = (values >> (level + 1)) << (level + 1)
    lacking = (~ones).astype(np.int32)
    zeros = np.cumsum(lacking, dtype=np.int32) - lacking
    return ones, start, zeros


def _partitioned(values: Places, ones: Bools, start: Places, zeros: Places, level: int) -> Places:
    """Put those of each group without the bit before those with it, in the order they had."""
    place = np.arange(len(values), dtype=np.int32)
    ahead = zeros - zeros[start]
    target = np.where(ones, start + (1 << level) + (place - start - ahead), start + ahead)
    moved = np.empty_like(values)
    moved[target] = values
    return moved
