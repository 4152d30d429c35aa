"""Caches: how often they hit, what a miss costs, what other sizes would do, how stale they are."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipeline.jobs.cache_request import CacheRequest
from pipeline.jobs.cache_rows import MINUTE_NANO, CacheRows, read_cache_rows
from pipeline.jobs.cache_staleness import Staleness, staleness_of
from pipeline.jobs.cache_worth import Worth, worth_of
from pipeline.jobs.job import Job
from pipeline.lake import Lake
from pipeline.stats.bootstrap import Floats, Interval
from pipeline.stats.cache_policies import compare_policies
from pipeline.stats.cells import Side
from pipeline.stats.level import share_level
from pipeline.stats.miss_penalty import Lookups, Penalty, miss_penalty
from pipeline.stats.miss_ratio import MissRatioCurve, SizeAdvice, advice, miss_ratio_curve
from pipeline.stats.shards import kept

_CONFIDENCE = 0.9
# References that policies play; more are sampled by key.
_PLAYED_MOST = 200_000
_LEAST_INSTANCES = 2


@dataclass(frozen=True)
class Ratio:
    """How often a part of the lookups hit.

    Attributes:
        name: of the part: an operation or a class of keys; empty for all.
        lookups: weighted.
        hit_ratio: with an interval that lets instances and minutes differ.
    """

    name: str
    lookups: float
    hit_ratio: Interval


@dataclass(frozen=True)
class Stampedes:
    """Misses of one key while another's miss of it was still loading.

    Attributes:
        groups: how often that was.
        extra: loads that one load would have served.
        keys: of how many keys.
    """

    groups: int
    extra: int
    keys: int


@dataclass(frozen=True)
class CacheAnswer:
    """What is found of one cache of a version of a service.

    Attributes:
        rows: the lookups.
        all, by_operation, by_class: hit ratios; the largest part first.
        minutes: m minutes since the epoch, and hit ratios of them.
        penalty: of a miss, in ns.
        worth: None where no request is known.
        stampedes: None without keys.
        curve, advice: None without keys.
        policies: miss ratio by policy at today's size; empty where that is not known.
        staleness: by class of keys.
        notes: what a reader should know.
    """

    rows: CacheRows
    all: Ratio
    by_operation: tuple[Ratio, ...]
    by_class: tuple[Ratio, ...]
    minutes: Floats
    minute_ratios: Floats
    penalty: Penalty
    worth: Worth | None
    stampedes: Stampedes | None
    curve: MissRatioCurve | None
    advice: SizeAdvice | None
    policies: dict[str, float]
    staleness: tuple[Staleness, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class CacheResult:
    """The answer.

    Attributes:
        request: the question.
        caches: by service, cache and version.
    """

    request: CacheRequest
    caches: tuple[CacheAnswer, ...]

    @property
    def exit_status(self) -> int:
        """Give 0, or 3 where no lookup was found."""
        return 0 if self.caches else 3


def run(lake: Lake, request: CacheRequest) -> CacheResult:
    """Work out every cache that is asked for.

    Raises:
        LakeError: the lake cannot be read.
    """
    return CacheResult(request, tuple(_answer(r, request) for r in read_cache_rows(lake, request)))


def _answer(rows: CacheRows, request: CacheRequest) -> CacheAnswer:
    """Work out one cache."""
    found = rows.lookups()
    penalty = miss_penalty(found, (rows.name, "penalty"))
    minutes, ratios = _course(rows, found)
    curve = sizes = None
    policies: dict[str, float] = {}
    notes = []
    if rows.has_keys:
        curve, sizes, policies = _sizes(rows, request)
        if not request.size:
            notes.append(
                f"the size of the cache is not known: {sizes.today:.0f} keys were seen; --size"
            )
    else:
        notes.append("no keys on the lookups: send cache.key for sizes, stampedes and staleness")
    if rows.share < 1:
        notes.append(f"lookups of {100 * rows.share:.2g} % of the traces were looked at")
    return CacheAnswer(
        rows,
        _ratio(rows, found, np.ones(len(found.hit), dtype=bool), ""),
        _parts(rows, found, "operation"),
        _parts(rows, found, "key_class"),
        minutes,
        ratios,
        penalty,
        worth_of(rows, found, penalty, request),
        _stampedes(rows.frame) if rows.has_keys else None,
        curve,
        sizes,
        policies,
        staleness_of(rows, request) if rows.has_keys else (),
        tuple(notes),
    )


def _ratio(rows: CacheRows, found: Lookups, chosen: np.ndarray, name: str) -> Ratio:
    """Give the hit ratio of some lookups."""
    weight = found.weight[chosen]
    minute = rows.frame["start_time_unix_nano"].to_numpy()[chosen] // MINUTE_NANO
    minute = minute - minute.min()
    instance = np.unique(rows.codes("service_instance_id")[chosen], return_inverse=True)[1]
    side = Side(
        instance=instance.astype(np.int64),
        minute=minute.astype(np.int64),
        bucket=np.zeros(len(weight), dtype=np.int64),
        count=weight,
        count_squared=weight**2,
        instances=int(instance.max()) + 1,
        minutes=int(minute.max()) + 1,
    )
    hits = side.add_up(weight * found.hit[chosen])
    if side.instances < _LEAST_INSTANCES:
        # One instance tells nothing of how instances differ.
        return Ratio(name, side.total, Interval(float(hits.sum()) / side.total, np.nan, np.nan))
    return Ratio(name, side.total, Interval(*share_level(side, hits, _CONFIDENCE)))


def _parts(rows: CacheRows, found: Lookups, column: str) -> tuple[Ratio, ...]:
    """Give the hit ratio by a column, the largest part first."""
    names = rows.frame[column].fill_null("").to_numpy()
    parts = [_ratio(rows, found, names == name, str(name)) for name in np.unique(names)]
    return tuple(sorted(parts, key=lambda part: (-part.lookups, part.name)))


def _course(rows: CacheRows, found: Lookups) -> tuple[Floats, Floats]:
    """Give the minutes with lookups, and their hit ratios."""
    minute = rows.frame["start_time_unix_nano"].to_numpy() // MINUTE_NANO
    minutes, place = np.unique(minute, return_inverse=True)
    sizes = np.bincount(place, found.weight)
    return minutes.astype(np.float64), np.bincount(place, found.weight * found.hit) / sizes


def _stampedes(frame: pl.DataFrame) -> Stampedes:
    """Find misses that began while an earlier miss of their key was still loading."""
    misses = (
        frame.filter(~pl.col("hit") & pl.col("key").is_not_null())
        .select("key", began="start_time_unix_nano", ended=pl.col("start_time_unix_nano")
                + pl.col("duration_nano"))
        .sort("key", "began", "ended")
        .with_columns(loading=pl.col("ended").cum_max().shift(1).over("key"))
        .with_columns(inside=(pl.col("began") < pl.col("loading")).fill_null(value=False))
        .with_columns(follows=pl.col("inside").shift(1, fill_value=False).over("key"))
    )  # fmt: skip
    crowded = misses.filter(pl.col("inside"))
    groups = int(crowded.filter(~pl.col("follows")).height)
    return Stampedes(groups, crowded.height, crowded["key"].n_unique())


def _sizes(
    rows: CacheRows, request: CacheRequest
) -> tuple[MissRatioCurve, SizeAdvice, dict[str, float]]:
    """Work out what other sizes and policies would miss."""
    frame = rows.frame.filter(pl.col("key").is_not_null())
    keys = (frame["key"].rank("dense").cast(pl.Int64) - 1).to_numpy()
    size = request.size
    in_bytes = frame["item_bytes"].null_count() == 0 and request.size_in_bytes
    weights = frame["item_bytes"].cast(pl.Float64).to_numpy() if in_bytes else None
    curve = miss_ratio_curve(keys, weights, key=(rows.name, "curve"))
    today = size or float(curve.keys)
    rate = min(1.0, _PLAYED_MOST / len(keys))
    chosen = kept(keys, rate, 0)
    policies: dict[str, float] = {}
    if chosen.any() and size:
        played = None if weights is None else weights[chosen]
        policies = compare_policies(keys[chosen], max(size * rate, 1.0), played)
    return curve, advice(curve, today), policies


CACHE = Job("cache", "how often caches hit, what a miss costs, what other sizes would do", run)
