"""What other sizes and policies of a cache would miss, of one shared cache or one an instance."""

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from pipeline.jobs.cache_request import CacheRequest
from pipeline.jobs.cache_rows import CacheRows, told_size
from pipeline.stats.bootstrap import CONFIDENCE, Floats
from pipeline.stats.cache_policies import compare_policies
from pipeline.stats.miss_ratio import MissRatioCurve, SizeAdvice, advice, miss_ratio_curve
from pipeline.stats.share_shift import newcombe

# Lookups that must follow another instance's miss before they tell whose cache it is.
_LEAST_FOLLOWING = 20
# Of how often an instance hits after its own miss, so much after another's is no less.
_MOSTLY = 0.9
# Of references, the share whose size may be guessed: of keys that were read once, nothing tells.
_UNKNOWN_MOST = 0.1
# With fewer of the lookups, gaps between those of a key are not what they were.
_SEEN_LEAST = 0.99
_PER_CENT = 100.0


@dataclass(frozen=True)
class Sizes:
    """Misses by size and policy.

    Attributes:
        instances: how many caches there are.
        notes: what a reader should know.
        keys: how many were asked for; 0 where not all lookups were seen.
        curve: of one cache: the shared one, or that of an instance on average; None where not all
            lookups were seen.
        advice: what half, twice and four times of today's size would miss; None without a curve,
            and where that size is in bytes, and those of entries are not known.
        policies: miss ratio by policy at today's size; empty where that is not known.
    """

    instances: int
    notes: tuple[str, ...]
    keys: int = 0
    curve: MissRatioCurve | None = None
    advice: SizeAdvice | None = None
    policies: dict[str, float] = field(default_factory=dict)


def sizes_of(
    rows: CacheRows,
    request: CacheRequest,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Sizes:
    """Work out what other sizes and policies would miss.

    Where each instance has a cache of its own, its references are a trace of their own: one
    instance's after the other's, with keys that are not the others', they share no entry.

    Args:
        rows: the lookups.
        request: the question.
        on_progress: told of the policies that are played, and of all.
    """
    frame = rows.references()
    instances = frame["service_instance_id"].n_unique() if request.per_instance else 1
    if rows.seen < _SEEN_LEAST:
        told = f"{_PER_CENT * rows.seen:.2g} % of the lookups were seen: stampedes are those among "
        need = "them, and miss-ratio curves need every lookup, or sampling by key"
        return Sizes(instances, (told + need,))
    own = ["service_instance_id", "key"] if request.per_instance else ["key"]
    if request.per_instance:
        frame = frame.sort("service_instance_id", maintain_order=True)
    keys = (frame.select(pl.struct(own).rank("dense")).to_series().cast(pl.Int64) - 1).to_numpy()
    weights, notes = _bytes(frame) if request.size_in_bytes else (None, ())
    seen = frame["key"].n_unique()
    today = request.size or float(keys.max() + 1) / instances
    curve = miss_ratio_curve(keys, weights, key=(rows.name, "curve"), today=today)
    if request.size_in_bytes and weights is None:
        return Sizes(instances, notes, seen, curve)
    policies: dict[str, float] = {}
    if request.size:
        owner = frame["service_instance_id"].rank("dense").cast(pl.Int64).to_numpy()
        whose = owner if request.per_instance else None
        played = compare_policies(keys, request.size, weights, whose, on_progress=on_progress)
        policies = played.ratios
        if not policies:
            notes += ("lookups are too many to play policies on, of too few keys to sample them",)
        elif played.rate < 1:
            notes += (f"policies were played on {_PER_CENT * played.rate:.2g} % of the keys",)
    else:
        notes = (f"the size of the cache is not known: {seen} keys were seen; --size",)
    return Sizes(instances, notes, seen, curve, advice(curve, today), policies)


def _bytes(frame: pl.DataFrame) -> tuple[Floats | None, tuple[str, ...]]:
    """Give the bytes that each reference is to, None where too many are unknown; and say so."""
    told_sizes = frame.select("key_class", size=told_size())
    size = told_sizes["size"]
    unknown = size.null_count() / len(size)
    if not unknown:
        return size.to_numpy(), ()
    if unknown > _UNKNOWN_MOST:
        why = "without it nothing is told by a size in bytes"
        told = f"sizes of {_PER_CENT * unknown:.2g} % of lookups unknown: send cache.item_size; "
        return None, (told + why,)
    like = told_sizes.select(
        pl.coalesce("size", pl.col("size").median().over("key_class"), pl.col("size").median())
    )
    told = f"sizes of {_PER_CENT * unknown:.2g} % of lookups unknown, taken as the median of "
    return like.to_series().to_numpy(), (told + "like keys",)


def placement_note(rows: CacheRows, request: CacheRequest) -> str:
    """Say whether instances share the cache, where all lookups tell; empty where they do not.

    A lookup that comes after another instance has missed and loaded its key hits in a cache that
    they share as often as after a miss of its own; in the process of its own it hits only if it
    had loaded the key itself.
    """
    if rows.seen < _SEEN_LEAST:
        return ""
    found = _following(rows.references())
    sides = [found.filter(pl.col("is_other") == is_other)["hit"] for is_other in (True, False)]
    other, own = (float(side.mean() or 0.0) for side in sides)  # type: ignore[arg-type]
    counts = (len(sides[0]), len(sides[1]))
    if min(counts) < _LEAST_FOLLOWING:
        return ""
    seen = (
        f"of {counts[0]} lookups after another instance's miss of their key "
        f"{_PER_CENT * other:.0f} % hit, of {counts[1]} after their own {_PER_CENT * own:.0f} %"
    )
    low, high = newcombe((other, own), counts, CONFIDENCE)
    allowed = (1 - _MOSTLY) * own
    if high <= allowed:
        wrong = "; --per-instance is not how it is" if request.per_instance else ""
        return f"instances share this cache: {seen}{wrong}"
    if low <= 0 or own - other <= allowed:
        return ""
    if request.per_instance:
        return f"each instance has its own cache: {seen}"
    return f"each instance seems to have its own cache: {seen}; --per-instance for sizes of one"


def _following(references: pl.DataFrame) -> pl.DataFrame:
    """Give the lookups after a miss that had loaded their key, another instance's or their own."""
    last = pl.all().shift(1).over("key").name.prefix("last_")
    loaded = pl.col("last_start_time_unix_nano") + pl.col("last_block_nano")
    return (
        references.filter(pl.col("hit").is_not_null())
        .sort("key", "start_time_unix_nano", "trace_id")
        .select("hit", "key", "service_instance_id", "start_time_unix_nano", "block_nano")
        .with_columns(last)
        .filter(~pl.col("last_hit") & (loaded <= pl.col("start_time_unix_nano")))
        .select(
            "hit",
            is_other=pl.col("last_service_instance_id") != pl.col("service_instance_id"),
        )
    )
