"""How stale a cache's hits are: as measured where versions are told, else by formula."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipeline.jobs.cache_invalidation import INVALIDATED, TTL, Ending, ending_of
from pipeline.jobs.cache_request import CacheRequest
from pipeline.jobs.cache_rows import CacheRows
from pipeline.stats.bootstrap import UNKNOWN, Interval
from pipeline.stats.hit_ratio import clustered_share

_STALE_ALLOWED = 0.01
_SECOND_NANO = 1e9


@dataclass(frozen=True)
class Staleness:
    """What is known of one class of keys.

    Attributes:
        key_class: the class.
        keys: how many were read.
        ttl_s: how long entries are kept; NaN for unknown.
        reads_per_key_s, writes_per_key_s: of one key a second; NaN for unknown.
        kind: what ends stale entries: ttl, invalidated or versioned.
        lag_s: how long after a write its key is invalidated, on average; NaN for unknown.
        estimated: share of hits that are stale, by the formula of the kind; NaN for unknown.
        mean_age_s: how long ago the entry of such a hit was written.
        measured: share of hits whose version was not the last one written; NaN for unknown.
        ttl_for_one_per_cent_s: the longest time for one stale hit in a hundred.
        reason: what is missing; empty for nothing.
    """

    key_class: str
    keys: int
    ttl_s: float
    reads_per_key_s: float
    writes_per_key_s: float
    kind: str
    lag_s: float
    estimated: float
    mean_age_s: float
    measured: Interval
    ttl_for_one_per_cent_s: float
    reason: str


def staleness_of(rows: CacheRows, request: CacheRequest) -> tuple[Staleness, ...]:
    """Work out every class of keys, by name."""
    known = rows.references()
    return tuple(
        _of_class(str(name), frame, rows.writes, request)
        for (name,), frame in known.sort("key_class").group_by("key_class", maintain_order=True)
    )


def _of_class(
    name: str, frame: pl.DataFrame, writes: pl.DataFrame, request: CacheRequest
) -> Staleness:
    """Work out one class."""
    keys = frame["key"].n_unique()
    times = frame["start_time_unix_nano"]
    seconds = max((int(times.max()) - int(times.min())) / _SECOND_NANO, 1.0)  # type: ignore[arg-type]
    own = writes.join(frame.select("key").unique(), on="key", how="semi", maintain_order="left")
    reads = float(frame["weight"].sum()) / keys / seconds
    told = request.writes_per_key_s
    made = own.filter(~pl.col("is_removal"))
    counted = own if made.is_empty() else made
    written = told if told >= 0 else float(counted["weight"].sum()) / keys / seconds
    unknown = told < 0 and own.is_empty()
    ttl_s = request.ttl_s or _told_ttl_s(frame)
    ending = Ending(TTL) if told >= 0 and own.is_empty() else ending_of(frame, own, ttl_s)
    reasons = []
    if unknown:
        reasons.append("no writes of these keys: send spans with cache.key and cache.operation")
    if ending.kind == INVALIDATED and np.isnan(ending.lag_s):
        reasons.append("keys are invalidated after writes that are not told: send spans of those")
    if ending.kind == TTL and np.isnan(ttl_s):
        reasons.append("no time to live: send cache.ttl or give --ttl")
    whole = not reasons
    return Staleness(
        name,
        keys,
        ttl_s,
        reads,
        np.nan if unknown else written,
        ending.kind,
        ending.lag_s,
        ending.stale(written, ttl_s) if whole else np.nan,
        ending.mean_age_s(written, ttl_s) if whole else np.nan,
        _measured(frame, own, ["key", *_apart(request)]),
        ending.ttl_for(_STALE_ALLOWED, written) if not unknown else np.nan,
        "; ".join(reasons),
    )


def _apart(request: CacheRequest) -> list[str]:
    """Give what tells caches apart that each hold a key."""
    return ["service_instance_id"] if request.per_instance else []


def _told_ttl_s(frame: pl.DataFrame) -> float:
    """Give the median of what spans say; NaN where none does."""
    told = frame["ttl"].cast(pl.Float64, strict=False).drop_nulls()
    # Redis says -1 of what is kept for ever, and -2 of what is not there.
    told = told.filter(told.is_finite() & (told > 0))
    return float(np.median(told.to_numpy())) if len(told) else float("nan")


def _measured(frame: pl.DataFrame, writes: pl.DataFrame, own: list[str]) -> Interval:
    """Hold the version of each hit against the one that was current when it began.

    Hits of one entry are stale together, so entries are the clusters.
    """
    told = frame.filter(pl.col("item_version").is_not_null() & pl.col("hit").is_not_null())
    made = writes.filter(pl.col("item_version").is_not_null())
    if made.is_empty() or told.is_empty():
        return UNKNOWN
    # Entries are numbered by the misses before them.
    entries = told.sort("start_time_unix_nano", "trace_id").with_columns(
        entry=(~pl.col("hit")).cum_sum().over(own)
    )
    judged = (
        _current(entries.filter("hit"), _known(told, made, writes))
        .group_by(*own, "entry")
        .agg(
            stale=(pl.col("weight") * (pl.col("item_version") != pl.col("current"))).sum(),
            hits=pl.col("weight").sum(),
        )
        .sort(*own, "entry")
    )
    if judged.is_empty():
        return UNKNOWN
    return clustered_share(judged["stale"].to_numpy(), judged["hits"].to_numpy())


def _known(told: pl.DataFrame, made: pl.DataFrame, writes: pl.DataFrame) -> pl.DataFrame:
    """Give when which version of a key was current for sure: as it was written, or loaded."""
    # What was current before a write, nobody says.
    written = made.select(
        "key", "ended", current="item_version", next=pl.lit(None, dtype=pl.String)
    )
    loads = (
        told.filter(~pl.col("hit"))
        .with_columns(ended=pl.col("block_began") + pl.col("block_nano"))
        .sort("ended", "key", "item_version")
    )
    # A load that a write overtook may have read what was there before: the write tells.
    last = loads.join_asof(
        writes.select("key", wrote="ended").sort("wrote", "key"),
        left_on="ended",
        right_on="wrote",
        by="key",
        strategy="backward",
        check_sortedness=False,
    )
    overtaken = (pl.col("wrote") > pl.col("start_time_unix_nano")).fill_null(value=False)
    loaded = last.filter(~overtaken).select(
        "key",
        "ended",
        current="item_version",
        next="item_version",
    )
    return pl.concat([written, loaded]).sort("ended", "key", "current")


def _current(hits: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Add the version that was current when each hit began; hits of which none is known go.

    That is the last one written or loaded before; without either the next one, where that is
    loaded. Else of entries that are older than the window only those since written would count.
    """
    before = hits.join_asof(
        known.select("key", "ended", "current"),
        left_on="start_time_unix_nano",
        right_on="ended",
        by="key",
        strategy="backward",
        check_sortedness=False,
    )
    both = before.join_asof(
        known.select("key", "next", after="ended"),
        left_on="start_time_unix_nano",
        right_on="after",
        by="key",
        strategy="forward",
        check_sortedness=False,
    )
    filled = both.with_columns(current=pl.coalesce("current", "next"))
    return filled.filter(pl.col("current").is_not_null())
