"""What requests wait for misses: of what runs at once, only what the last to end is held up by."""

import numpy as np
from numpy.typing import NDArray

from pipeline.stats.bootstrap import Floats

Ints = NDArray[np.int64]


def waits(request: Ints, block: Ints, began: Ints, ended: Ints, saving: Floats) -> Floats:
    """Give what each of n lookups holds its request up by; never more than it would save itself.

    Blocks that overlap run at once: the request waits until the last of them has ended, so
    together they hold it up by how much sooner that would have been had every miss been a hit.
    Lookups of one block come one after the other.

    Args:
        request, block: n numbers from 0 that rise by at most one, by request, beginning and end.
        began, ended: n, of the lookup's block, in ns.
        saving: n, what each would have saved as a hit, 0 or more.

    >>> one, at = np.zeros(3, dtype=np.int64), np.array([0, 0, 9])
    >>> waits(one, np.arange(3), at, at + 7, np.array([5.0, 5.0, 5.0])).tolist()
    [2.5, 2.5, 5.0]
    """
    if not len(request):
        return np.zeros(0)
    first = np.flatnonzero(np.diff(block, prepend=-1))
    whose = request[first]
    starts = np.flatnonzero(np.diff(whose, prepend=-1))
    # Since its request's first, or a nanosecond is less than a float tells apart.
    origin = began[first][starts][whose]
    b, e = began[first] - origin, ended[first] - origin
    total = np.bincount(block, saving)
    kept = np.minimum(total, e - b)
    # By request and end: the largest so far is never of an earlier request.
    order = np.lexsort((e, whose))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    reached = e[order[np.maximum.accumulate(rank)]]
    apart = np.ones(len(b), dtype=np.bool_)
    apart[1:] = (whose[1:] != whose[:-1]) | (b[1:] >= reached[:-1])
    edges = np.flatnonzero(apart)
    held = np.maximum.reduceat(e, edges) - np.maximum.reduceat(e - kept, edges)
    sums = np.add.reduceat(kept, edges)
    share = np.divide(held, sums, out=np.zeros(len(sums)), where=sums > 0)
    inside = np.divide(kept, total, out=np.zeros(len(total)), where=total > 0)
    found: Floats = saving * (inside * share[np.cumsum(apart) - 1])[block]
    return found
