"""What ends the entries that writes made stale: their time, an invalidation, or a key's new name.

A write leaves stale what is kept of its key until that goes. The time that entries of a key are
stale is at most the writes of a second times how long each leaves one: Little's law.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipeline.stats.bootstrap import Floats
from pipeline.stats.staleness import mean_age_when_stale_s, stale_given_hit, ttl_for

TTL, INVALIDATED, VERSIONED = "ttl", "invalidated", "versioned"
# So many keys that are all written first and read later are no chance.
_VERSIONED_LEAST = 10
_SECOND_NANO = 1e9


@dataclass(frozen=True)
class Ending:
    """What ends stale entries of a class of keys.

    Attributes:
        kind: TTL, INVALIDATED or VERSIONED.
        lag_s: how long after a write its key is invalidated, at most the time to live, on average;
            NaN where the kind is another, or the writes are not told.
        squared_lag: the mean of its square.
    """

    kind: str
    lag_s: float = float("nan")
    squared_lag: float = float("nan")

    def stale(self, writes_per_s: float, ttl_s: float) -> float:
        """Give the share of hits that are stale; NaN for unknown."""
        if self.kind == VERSIONED:
            return 0.0
        by_ttl = stale_given_hit(writes_per_s, ttl_s)
        if self.kind == TTL:
            return by_ttl
        return float(np.fmin(min(writes_per_s * self.lag_s, 1.0), by_ttl))

    def mean_age_s(self, writes_per_s: float, ttl_s: float) -> float:
        """Give how long ago the entry of a stale hit was written; NaN for unknown."""
        if self.kind == TTL:
            return mean_age_when_stale_s(writes_per_s, ttl_s)
        # Of moments within lags: long ones hold more of them.
        return self.squared_lag / (2 * self.lag_s) if self.lag_s > 0 else float("nan")

    def ttl_for(self, stale_share: float, writes_per_s: float) -> float:
        """Give the longest time to keep entries for a share of stale hits."""
        if self.kind == VERSIONED or writes_per_s * self.lag_s <= stale_share:
            return float("inf")
        return ttl_for(stale_share, writes_per_s)


def ending_of(lookups: pl.DataFrame, writes: pl.DataFrame, ttl_s: float) -> Ending:
    """Tell what ends stale entries.

    Args:
        lookups: a row a key that was looked up: key, start_time_unix_nano.
        writes: of those keys: key, ended, weight, is_removal.
        ttl_s: how long entries are kept; NaN for unknown.
    """
    made = writes.filter(~pl.col("is_removal"))
    removed = writes.filter("is_removal").select("key", removed="ended").sort("removed", "key")
    if removed.is_empty():
        return Ending(VERSIONED if _is_versioned(lookups, made) else TTL)
    if made.is_empty():
        return Ending(INVALIDATED)
    after = made.sort("ended", "key", "weight").join_asof(
        removed,
        left_on="ended",
        right_on="removed",
        by="key",
        strategy="forward",
        check_sortedness=False,
    )
    if 2 * after["removed"].null_count() > after.height:
        return Ending(TTL)
    last = lookups["start_time_unix_nano"].max()
    lags = after.select(
        (pl.coalesce("removed", pl.lit(last)) - pl.col("ended")).clip(lower_bound=0) / _SECOND_NANO
    )
    lag: Floats = np.fmin(lags.to_series().to_numpy(), ttl_s)
    weight = after["weight"].to_numpy()
    return Ending(
        INVALIDATED,
        float(np.average(lag, weights=weight)),
        float(np.average(lag**2, weights=weight)),
    )


def _is_versioned(lookups: pl.DataFrame, made: pl.DataFrame) -> bool:
    """Tell whether no key was written once it had been looked up: each version has its own key."""
    first = lookups.group_by("key").agg(first=pl.col("start_time_unix_nano").min())
    written = made.group_by("key").agg(pl.col("ended").max()).join(first, on="key")
    late = int((written["ended"] > written["first"]).sum())
    return written.height >= _VERSIONED_LEAST and late == 0
