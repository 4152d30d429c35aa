"""Staleness of a cache that keeps entries for a fixed time, where reads and writes are Poisson.

An entry is loaded by the first read after it expired and kept for T seconds; with u writes a second
a hit of age a is stale with chance 1 - exp(-u a), and ages of hits are even over T.
"""

import math


def hit_ratio(reads_per_s: float, ttl_s: float) -> float:
    """Give the share of reads of a key that hit.

    >>> hit_ratio(9.0, 1.0)
    0.9
    """
    return reads_per_s * ttl_s / (1 + reads_per_s * ttl_s)


def stale_given_hit(writes_per_s: float, ttl_s: float) -> float:
    """Give the share of hits whose entry was written since it was loaded.

    >>> round(stale_given_hit(0.1, 1.0), 6)
    0.048374
    """
    x = writes_per_s * ttl_s
    # The series, where the difference would lose all its digits.
    return 1 + math.expm1(-x) / x if x > 1e-5 else x / 2


def mean_age_when_stale_s(writes_per_s: float, ttl_s: float) -> float:
    """Give how long ago the entry of a stale hit was written, on average; NaN without writes.

    >>> round(mean_age_when_stale_s(0.001, 30.0), 2)
    10.02
    """
    if writes_per_s <= 0:
        return math.nan
    x = writes_per_s * ttl_s
    if x < 1e-2:
        # Few writes: at most one, at any time; T/3 and what comes next in x.
        return ttl_s / 3 * (1 + x / 12)
    part = ttl_s / 2 - 1 / writes_per_s - math.expm1(-x) / (writes_per_s * x)
    return part / stale_given_hit(writes_per_s, ttl_s)


def ttl_for(stale_share: float, writes_per_s: float) -> float:
    """Give the longest time to keep entries for a share of stale hits, in seconds.

    Args:
        stale_share: of hits, above 0 and below 1.
        writes_per_s: of a key; none allows any time.

    >>> round(ttl_for(0.01, 0.1), 3), ttl_for(0.01, 0.0)
    (0.201, inf)
    """
    if writes_per_s <= 0:
        return math.inf
    low, high = 0.0, 2 / (1 - stale_share) / writes_per_s
    while stale_given_hit(writes_per_s, high) < stale_share:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if stale_given_hit(writes_per_s, middle) < stale_share:
            low = middle
        else:
            high = middle
    return low
