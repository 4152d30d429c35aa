"""A cache beside itself: what a canary's hits and misses changed, and what requests feel of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from pipeline.jobs.cache_counters import read_counter_cells
from pipeline.jobs.cache_pictures import CachePicture, picture_of
from pipeline.jobs.cache_ratio import side_of_rows
from pipeline.jobs.cache_request import CacheRequest
from pipeline.jobs.cache_rows import MINUTE_NANO, CacheRows, read_cache_rows
from pipeline.jobs.cache_worth import savings
from pipeline.jobs.judge_request import Pairs
from pipeline.lake import Lake
from pipeline.stats.bootstrap import Interval
from pipeline.stats.cache_change import (
    LEAST_CLUSTERS,
    CacheChange,
    CacheSide,
    Moved,
    cache_change,
)
from pipeline.stats.cells import Side
from pipeline.stats.hit_ratio import Ints, clock_starts, on_one_clock, side_of
from pipeline.stats.miss_penalty import miss_penalty
from pipeline.stats.share_shift import share_shift

# More clusters say no more, and take longer: blocks of minutes grow until there are so few.
_CLUSTERS_MOST = 1_500
_ALPHA = 0.05
NAMES = ("baseline", "canary")


@dataclass(frozen=True)
class CacheComparison:
    """One cache of both sides.

    Attributes:
        service_name, cache: which; the canary's service where the sides are two services.
        lookups, requests, instances: of baseline and canary.
        change: what changed.
        pictures: what is drawn of baseline and canary, with the intervals of each by itself.
        notes: what is not identified, and what would tell.
    """

    service_name: str
    cache: str
    lookups: tuple[float, float]
    requests: tuple[int, int]
    instances: tuple[int, int]
    change: CacheChange
    pictures: tuple[CachePicture, CachePicture]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class CounterComparison:
    """One cache of both sides, by counters.

    Attributes:
        service_name, source, cache: which.
        lookups: of baseline and canary.
        hit_ratio: the ratios, and their difference with its 90 % interval.
    """

    service_name: str
    source: str
    cache: str
    lookups: tuple[float, float]
    hit_ratio: Moved


@dataclass(frozen=True)
class CompareResult:
    """The answer.

    Attributes:
        request: the question, without its sides.
        sides: whose, of baseline and canary.
        caches: those that both sides have, by service and cache.
        counters: the same by counters; the same lookups, so never added.
        alone: caches that only one side has, and which.
    """

    request: CacheRequest
    sides: tuple[Pairs, Pairs]
    caches: tuple[CacheComparison, ...]
    counters: tuple[CounterComparison, ...]
    alone: tuple[str, ...]

    @property
    def exit_status(self) -> int:
        """Give 0, or 3 where nothing was found on both sides."""
        return 0 if self.caches or self.counters else 3


def compare(
    lake: Lake,
    request: CacheRequest,
    sides: tuple[Pairs, Pairs],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> CompareResult:
    """Compare the caches of two sides.

    Args:
        lake: the lake.
        request: the question; its ``where`` holds for both sides.
        sides: what chooses the baseline and the canary.
        on_progress: told of what is done, and of all.

    Raises:
        LakeError: the lake cannot be read.
    """
    asked = [
        replace(request, where=tuple({**dict(request.where), **dict(s)}.items())) for s in sides
    ]
    by_service = _services(asked)
    read = [_merged(read_cache_rows(lake, each)[0], by_service) for each in asked]
    shared = sorted(read[0].keys() & read[1].keys())
    found = []
    for place, name in enumerate(shared):
        on_progress(place, len(shared))
        found.append(_comparison(read[0][name], read[1][name]))
    alone = tuple(
        f"{' '.join(name).strip()}: only the {side} has lookups of it"
        for side, own, other in ((NAMES[0], read[0], read[1]), (NAMES[1], read[1], read[0]))
        for name in sorted(own.keys() - other.keys())
    )
    counters = _counters(lake, asked, by_service)
    return CompareResult(request, sides, tuple(found), counters, alone)


def _services(asked: list[CacheRequest]) -> bool:
    """Tell whether caches are matched by service: not where the sides are two services."""
    names = [dict(each.where).get("service_name") for each in asked]
    return names[0] == names[1]


def _merged(rows: list[CacheRows], by_service: bool) -> dict[tuple[str, str], CacheRows]:
    """Give one table a service and cache, whatever versions it is of."""
    found: dict[tuple[str, str], CacheRows] = {}
    for each in rows:
        name = (each.service_name if by_service else "", each.cache)
        if name in found:
            frame = pl.concat([found[name].frame, each.frame])
            frame = frame.sort("start_time_unix_nano", "trace_id", "key", nulls_last=True)
            each = replace(each, frame=frame)
        found[name] = each
    return found


def _comparison(baseline: CacheRows, canary: CacheRows) -> CacheComparison:
    """Compare one cache."""
    both = (baseline, canary)
    clusters = _clusters(both)
    sides = [_side(each, own) for each, own in zip(both, clusters, strict=True)]
    change = cache_change(sides[0], sides[1], (canary.service_name, canary.cache))
    starts = clock_starts(*(_minutes(each) for each in both))
    hits = [side_of_rows(each, first=first) for each, first in zip(both, starts, strict=True)]
    spread = _hit_shift(hits, change.hit_ratio)
    notes = [
        f"{name}: miss penalty not identified: {side.penalty.reason}"
        for name, side in zip(NAMES, sides, strict=True)
        if side.penalty.reason
    ]
    notes += [
        f"{name}: no request is known; send SERVER spans around the lookups"
        for name, side in zip(NAMES, sides, strict=True)
        if not len(side.duration)
    ]
    fewest = min(side.seen for side in sides)
    if fewest < LEAST_CLUSTERS:
        notes.append(f"no interval from {fewest} minutes; {LEAST_CLUSTERS} a side are needed")
    return CacheComparison(
        canary.service_name,
        canary.cache,
        (float(baseline.asked.sum()), float(canary.asked.sum())),
        (len(sides[0].duration), len(sides[1].duration)),
        (_instances(baseline), _instances(canary)),
        replace(change, hit_ratio=spread),
        (
            picture_of(baseline, sides[0].lookups, sides[0].penalty),
            picture_of(canary, sides[1].lookups, sides[1].penalty),
        ),
        tuple(notes),
    )


def _instances(rows: CacheRows) -> int:
    return int(rows.frame["service_instance_id"].n_unique())


def _minutes(rows: CacheRows) -> Ints:
    found: Ints = rows.frame["start_time_unix_nano"].to_numpy() // MINUTE_NANO
    return found


def _clusters(both: tuple[CacheRows, CacheRows]) -> list[tuple[Ints, int, bool]]:
    """Number each side's minutes, or blocks of them: on one clock where the sides overlap."""
    minutes = [_minutes(each) for each in both]
    longest = max(int(each.max() - each.min()) + 1 for each in minutes)
    blocks = [each // max(1, -(-longest // _CLUSTERS_MOST)) for each in minutes]
    first, second = clock_starts(*minutes)
    known = (
        [np.unique(np.concatenate(blocks))] * 2 if first == second else list(map(np.unique, blocks))
    )
    return [
        (np.searchsorted(all_, own).astype(np.int64), len(all_), first == second)
        for all_, own in zip(known, blocks, strict=True)
    ]


def _side(rows: CacheRows, clusters: tuple[Ints, int, bool]) -> CacheSide:
    """Give one side as the statistics take it."""
    found = rows.lookups()
    penalty = miss_penalty(found, (rows.name, "penalty"))
    cluster, count, is_paired = clusters
    saving = np.zeros(len(cluster)) if penalty.reason else savings(rows, found, penalty)
    requests = (
        rows.frame.select(
            "trace_id",
            "request_id",
            "request_nano",
            "weight",
            cluster=pl.Series(cluster),
            saving=pl.Series(saving),
        )
        .filter(pl.col("request_nano").is_not_null())
        .group_by("trace_id", "request_id", maintain_order=True)
        .agg(pl.col("request_nano", "weight", "cluster").first(), pl.col("saving").sum())
    )
    return CacheSide(
        found,
        penalty,
        rows.asked,
        rows.found,
        cluster,
        requests["request_nano"].cast(pl.Float64).to_numpy(),
        requests["weight"].to_numpy(),
        requests["saving"].to_numpy(),
        requests["cluster"].to_numpy(),
        count,
        is_paired,
    )


def _hit_shift(sides: list[tuple[Side, np.ndarray]], drawn: Moved | None = None) -> Moved:
    """Give the change of a hit ratio: the wider of what was drawn and of two-way clusters."""
    baseline, canary = on_one_clock(*(side for side, _ in sides))
    above = [s.add_up(hits) for s, (_, hits) in zip((baseline, canary), sides, strict=True)]
    shift = share_shift(baseline, canary, above)
    low, high = shift.bounds(_ALPHA)
    if drawn is not None and np.isfinite(drawn.change.low):
        low, high = min(low, drawn.change.low), max(high, drawn.change.high)
    return Moved(*shift.shares, Interval(shift.difference, float(low), float(high)))


def _counters(
    lake: Lake, asked: list[CacheRequest], by_service: bool
) -> tuple[CounterComparison, ...]:
    """Compare what counters tell of both sides."""
    names = ["service_name", "source", "cache"] if by_service else ["source", "cache"]
    cells = []
    for each in asked:
        frame = read_counter_cells(lake, each).filter(pl.col("hits") + pl.col("misses") > 0)
        cells.append(dict(frame.group_by(names, maintain_order=True)))
    found = []
    for name in sorted(cells[0].keys() & cells[1].keys()):
        parts = [each[name] for each in cells]
        starts = clock_starts(*(part["minute"].to_numpy() for part in parts))
        sides = [_counted(part, first) for part, first in zip(parts, starts, strict=True)]
        service, source, cache = (
            str(parts[1][column][0]) for column in ("service_name", "source", "cache")
        )
        lookups = (sides[0][0].total, sides[1][0].total)
        found.append(CounterComparison(service, source, cache, lookups, _hit_shift(sides)))
    return tuple(found)


def _counted(cells: pl.DataFrame, first: int) -> tuple[Side, np.ndarray]:
    lookups = (cells["hits"] + cells["misses"]).to_numpy()
    instance = (cells["service_instance_id"].rank("dense").cast(pl.Int64) - 1).to_numpy()
    side = side_of(instance, cells["minute"].to_numpy(), lookups, lookups, first)
    return side, cells["hits"].to_numpy()
