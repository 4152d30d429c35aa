"""Cache policies: which entry goes when there is no room, and what that misses.

Each policy plays a trace reference by reference; traces are bounded, larger ones are sampled by
key before (a tenth of the keys, a tenth of the cache).

Source: Zhang, Yang, Yue, Vigfusson and Rashmi (2024), NSDI, for SIEVE; Yang, Zhang, Qiu, Yue and
Vigfusson (2023), SOSP, for S3-FIFO; Megiddo and Modha (2003), FAST, for ARC; Belady (1966), IBM
Systems Journal 5(2), for the bound; Corbato (1968), MIT Project MAC, for CLOCK.
"""

import heapq
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pipeline.stats.cache_queues import arc, s3_fifo, sieve
from pipeline.stats.stack_distance import previous_places

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# More is a matter of minutes: sample the keys.
REFERENCES_MOST = 2_000_000

# A trace as policies play it: keys, and the size of each reference's entry.
Play = Callable[[list[int], list[float], float], int]


def lru(keys: list[int], sizes: list[float], capacity: float) -> int:
    """Evict what was used longest ago; give the hits."""
    held: OrderedDict[int, float] = OrderedDict()
    used, hits = 0.0, 0
    for key, size in zip(keys, sizes, strict=True):
        if key in held:
            hits += 1
            held.move_to_end(key)
        elif size <= capacity:
            used += size
            held[key] = size
            while used > capacity:
                used -= held.popitem(last=False)[1]
    return hits


def fifo(keys: list[int], sizes: list[float], capacity: float) -> int:
    """Evict what came first; give the hits."""
    held: OrderedDict[int, float] = OrderedDict()
    used, hits = 0.0, 0
    for key, size in zip(keys, sizes, strict=True):
        if key in held:
            hits += 1
        elif size <= capacity:
            used += size
            held[key] = size
            while used > capacity:
                used -= held.popitem(last=False)[1]
    return hits


def clock(keys: list[int], sizes: list[float], capacity: float) -> int:
    """Evict in turn what was not used since the hand last came by; give the hits."""
    held: dict[int, float] = {}
    used_since: dict[int, bool] = {}
    ring: deque[int] = deque()
    used, hits = 0.0, 0
    for key, size in zip(keys, sizes, strict=True):
        if key in held:
            hits += 1
            used_since[key] = True
        elif size <= capacity:
            while used + size > capacity:
                oldest = ring.popleft()
                if used_since[oldest]:
                    used_since[oldest] = False
                    ring.append(oldest)
                else:
                    used -= held.pop(oldest)
            held[key], used_since[key] = size, False
            ring.append(key)
            used += size
    return hits


def lfu(keys: list[int], sizes: list[float], capacity: float) -> int:
    """Evict what was used least often, of those what came first; give the hits."""
    held: dict[int, float] = {}
    uses: dict[int, int] = {}
    came: dict[int, int] = {}
    heap: list[tuple[int, int, int]] = []
    used, hits = 0.0, 0
    for now, (key, size) in enumerate(zip(keys, sizes, strict=True)):
        if key in held:
            hits += 1
            uses[key] += 1
            heapq.heappush(heap, (uses[key], came[key], key))
        elif size <= capacity:
            while used + size > capacity:
                count, when, worst = heapq.heappop(heap)
                # Entries of the heap that are out of date are left there until they come up.
                if worst in held and (count, when) == (uses[worst], came[worst]):
                    used -= held.pop(worst)
            held[key], uses[key], came[key] = size, 1, now
            heapq.heappush(heap, (1, now, key))
            used += size
    return hits


def belady(keys: list[int], sizes: list[float], capacity: float) -> int:
    """Evict what is used again last of all, which nobody can know; give the hits."""
    count = len(keys)
    before = previous_places(np.asarray(keys, dtype=np.int64))
    next_use = np.full(count, count, dtype=np.int64)
    next_use[before[before >= 0]] = np.flatnonzero(before >= 0)
    following = next_use.tolist()
    held: dict[int, float] = {}
    due: dict[int, int] = {}
    heap: list[tuple[int, int]] = []
    used, hits = 0.0, 0
    for now, (key, size) in enumerate(zip(keys, sizes, strict=True)):
        if key in held:
            hits += 1
        elif size <= capacity:
            used += size
            held[key] = size
        else:
            continue
        due[key] = following[now]
        heapq.heappush(heap, (-following[now], key))
        while used > capacity:
            when, worst = heapq.heappop(heap)
            if worst in held and due[worst] == -when:
                used -= held.pop(worst)
    return hits


POLICIES: Mapping[str, Play] = MappingProxyType(
    {
        "LRU": lru,
        "FIFO": fifo,
        "CLOCK": clock,
        "LFU": lfu,
        "SIEVE": sieve,
        "S3-FIFO": s3_fifo,
        "ARC": arc,
        "Belady": belady,
    }
)


def compare_policies(keys: Ints, capacity: float, sizes: Floats | None = None) -> dict[str, float]:
    """Give the miss ratio of every policy.

    Args:
        keys: n references by key, in the order of time; at most REFERENCES_MOST.
        capacity: of the cache, in entries, or in bytes where sizes are given.
        sizes: n, of what is referred to; an entry larger than the cache passes it by.

    Raises:
        ValueError: more references than can be played.

    >>> compare_policies(np.array([1, 2, 1, 1]), 1)["LRU"]
    0.75
    """
    if len(keys) > REFERENCES_MOST:
        raise ValueError(
            f"{len(keys)} references, {REFERENCES_MOST} can be played; sample the keys"
        )
    listed = keys.tolist()
    weights = [1.0] * len(listed) if sizes is None else sizes.tolist()
    total = max(len(listed), 1)
    return {name: 1 - play(listed, weights, capacity) / total for name, play in POLICIES.items()}
