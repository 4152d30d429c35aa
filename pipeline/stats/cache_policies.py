"""Cache policies: which entry goes when there is no room, and what that misses.

Each policy plays a trace reference by reference; long ones are sampled by key (a tenth of the keys,
a tenth of the cache).

Source: Zhang, Yang, Yue, Vigfusson and Rashmi (2024), NSDI, for SIEVE; Yang, Zhang, Qiu, Yue and
Vigfusson (2023), SOSP, for S3-FIFO; Megiddo and Modha (2003), FAST, for ARC; Belady (1966), IBM
Systems Journal 5(2), for the bound; Corbato (1968), MIT Project MAC, for CLOCK.
"""

import heapq
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pipeline.stats.cache_queues import arc, s3_fifo, sieve
from pipeline.stats.shards import kept, rate_for
from pipeline.stats.stack_distance import previous_places

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# More is a matter of minutes: whatever that leaves, keys are sampled.
REFERENCES_MOST = 2_000_000
# More references are sampled where that leaves enough keys, and enough room for them.
PLAYED_MOST = 200_000
_LEAST_ENTRIES = 100
# Of so few keys that are sampled, chance decides which are popular.
_LEAST_KEYS = 500

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


@dataclass(frozen=True)
class PolicyRatios:
    """What policies miss.

    Attributes:
        ratios: misses a reference, by policy; empty where too few keys could be played.
        rate: share of keys that were played; 1 for all.
    """

    ratios: dict[str, float]
    rate: float


def compare_policies(
    keys: Ints,
    capacity: float,
    sizes: Floats | None = None,
    whose: Ints | None = None,
    played_most: int = PLAYED_MOST,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> PolicyRatios:
    """Give the miss ratio of every policy, over all references; of a long trace by a sample of it.

    Args:
        keys: n references by key, in the order of time, 1 or more.
        capacity: of each cache, in entries, or in bytes where sizes are given.
        sizes: n, of what is referred to; an entry larger than the cache passes it by.
        whose: n numbers of caches; None for one that all share.
        played_most: more references are sampled, unless that leaves too little.
        on_progress: told of the policies that are done, and of all.

    >>> compare_policies(np.array([1, 2, 1, 1]), 1).ratios["LRU"]
    0.75
    """
    rate = _rate(keys, capacity, sizes, played_most)
    chosen = kept(keys, rate, 0)
    if rate < 1 and len(np.unique(keys[chosen])) < _LEAST_KEYS:
        return PolicyRatios({}, rate)
    owners = np.zeros(len(keys), dtype=np.int64) if whose is None else whose
    order = np.flatnonzero(chosen)[np.argsort(owners[chosen], kind="stable")]
    parts = np.split(order, np.flatnonzero(np.diff(owners[order])) + 1)
    weights = np.ones(len(keys)) if sizes is None else sizes
    room = max(capacity * rate, 1.0)
    # As many as a sample should hold: what it has more or fewer of are references to very popular
    # keys, which hit in any cache.
    total = rate * len(keys)
    ratios = {}
    for done, (name, play) in enumerate(POLICIES.items(), start=1):
        hits = sum(play(keys[part].tolist(), weights[part].tolist(), room) for part in parts)
        ratios[name] = min((len(order) - hits) / total, 1.0)
        on_progress(done, len(POLICIES))
    return PolicyRatios(ratios, rate)


def _rate(keys: Ints, capacity: float, sizes: Floats | None, played_most: int) -> float:
    """Choose the share of keys to play: enough keys, and a cache that holds enough of them."""
    entries = capacity if sizes is None else capacity / max(float(sizes.mean()), 1.0)
    least = max(rate_for(len(np.unique(keys))), _LEAST_ENTRIES / max(entries, 1.0))
    return min(1.0, max(played_most / len(keys), least), REFERENCES_MOST / len(keys))
