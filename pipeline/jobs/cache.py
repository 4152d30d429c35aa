"""Caches: how often they hit, what a miss costs, what other sizes would do, how stale they are."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from pipeline.jobs.cache_counters import CounterRatio, beside, read_counters
from pipeline.jobs.cache_ratio import Ratio, course, parts, whole
from pipeline.jobs.cache_request import CacheRequest
from pipeline.jobs.cache_rows import CacheRows, Untold, read_cache_rows
from pipeline.jobs.cache_sizes import Sizes, placement_note, sizes_of
from pipeline.jobs.cache_staleness import Staleness, staleness_of
from pipeline.jobs.cache_tokens import TokenRatio, read_tokens
from pipeline.jobs.cache_worth import Worth, worth_of
from pipeline.jobs.job import Job
from pipeline.lake import Lake
from pipeline.stats.bootstrap import Floats
from pipeline.stats.cache_policies import POLICIES
from pipeline.stats.miss_penalty import Penalty, miss_penalty
from pipeline.stats.miss_ratio import MissRatioCurve, SizeAdvice


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
        keys: how many were asked for; 0 where that is not known.
        curve: None without keys, or where not all lookups were seen.
        advice: None without a curve, or where today's size is in a unit that it has not.
        policies: miss ratio by policy at today's size; empty where that is not known.
        staleness: by class of keys.
        told_by: lookups, weighted, by what tells whether they hit: attribute, rows or inferred.
        instances: caches that the curve is of one of; 1 for a shared cache.
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
    keys: int
    curve: MissRatioCurve | None
    advice: SizeAdvice | None
    policies: dict[str, float]
    staleness: tuple[Staleness, ...]
    told_by: dict[str, float]
    instances: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class CacheResult:
    """The answer.

    Attributes:
        request: the question.
        caches: by service, cache and version.
        untold: reads that tell nothing.
        counters: hit ratios by counters, beside those by spans.
        tokens: of prompts to language models, from their providers' caches.
    """

    request: CacheRequest
    caches: tuple[CacheAnswer, ...]
    untold: tuple[Untold, ...] = ()
    counters: tuple[CounterRatio, ...] = ()
    tokens: tuple[TokenRatio, ...] = ()

    @property
    def exit_status(self) -> int:
        """Give 0, or 3 where no lookup was found."""
        return 0 if self.caches or self.counters or self.tokens else 3

    @property
    def notes(self) -> tuple[str, ...]:
        """Say what a reader should know of the whole."""
        untold = (f"{each.service_name}: {each.cache}: {each.advice}" for each in self.untold)
        return (*beside(self.counters, {each.rows.service_name for each in self.caches}), *untold)


def run(
    lake: Lake,
    request: CacheRequest,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> CacheResult:
    """Work out every cache that is asked for.

    Args:
        lake: the lake.
        request: the question.
        on_progress: told of the steps that are done, and of all: as many a cache as policies.

    Raises:
        LakeError: the lake cannot be read.
    """
    rows, untold = read_cache_rows(lake, request)
    answers = []
    for place, each in enumerate(rows):
        show = _part_of(on_progress, place, len(rows))
        show(0, len(POLICIES))
        answers.append(_answer(each, request, show))
    return CacheResult(
        request,
        tuple(answers),
        tuple(untold),
        read_counters(lake, request),
        read_tokens(lake, request),
    )


def _part_of(
    on_progress: Callable[[int, int], None], place: int, caches: int
) -> Callable[[int, int], None]:
    """Give what tells of the steps of one cache as of a part of all."""
    return lambda done, total: on_progress(place * total + done, caches * total)


def _answer(
    rows: CacheRows, request: CacheRequest, on_progress: Callable[[int, int], None]
) -> CacheAnswer:
    """Work out one cache."""
    found = rows.lookups()
    penalty = miss_penalty(found, (rows.name, "penalty"))
    minutes, ratios = course(rows)
    sizes = sizes_of(rows, request, on_progress) if rows.has_keys else Sizes(1, ())
    # Row by row, which is in an order: a sum of floating-point numbers depends on it.
    told = np.bincount(rows.codes("told_by"), rows.asked).tolist()
    return CacheAnswer(
        rows,
        whole(rows),
        parts(rows, "operation"),
        parts(rows, "key_class"),
        minutes,
        ratios,
        penalty,
        worth_of(rows, found, penalty, request),
        _stampedes(rows.references()) if rows.has_keys else None,
        sizes.keys,
        sizes.curve,
        sizes.advice,
        sizes.policies,
        staleness_of(rows, request) if rows.has_keys else (),
        dict(zip(rows.frame["told_by"].unique().sort(), told, strict=True)),
        sizes.instances,
        (*sizes.notes, *_notes(rows, request)),
    )


def _notes(rows: CacheRows, request: CacheRequest) -> Iterator[str]:
    """Say what a reader should know."""
    if not rows.has_keys:
        yield "no keys on the lookups: send cache.key for sizes, stampedes and staleness"
    elif placed := placement_note(rows, request):
        yield placed
    if rows.share < 1:
        yield f"lookups of {100 * rows.share:.2g} % of the traces were looked at"
    if rows.frame["service_instance_id"].n_unique() == 1:
        yield "one instance: intervals let minutes differ, and not instances"


def _stampedes(frame: pl.DataFrame) -> Stampedes:
    """Find misses that began while an earlier miss of their key was still loading.

    What loads is the lookup, or the block around it, unless the key was there in between. Lookups
    of one block that follow each other are one load.
    """
    began, load = pl.col("start_time_unix_nano"), pl.col("block_began") + pl.col("block_nano")
    misses = (
        frame.filter(pl.col("key").is_not_null() & pl.col("hit").is_not_null())
        .select("key", "hit", "trace_id", "block_id", began=began, loaded=load,
                ended=began + pl.col("duration_nano"))
        .sort("key", "began", "ended", "trace_id", "block_id")
        .with_columns(hits=pl.col("hit").cum_sum().over("key"))
        .filter(~pl.col("hit"))
        .with_columns(
            looking=pl.col("ended").cum_max().shift(1).over("key"),
            loading=pl.col("loaded").cum_max().shift(1).over("key", "hits"),
            opens=pl.int_range(pl.len()).over("key", "trace_id", "block_id") == 0,
        )
        .with_columns(
            inside=(
                (pl.col("began") < pl.col("looking"))
                | (pl.col("opens") & (pl.col("began") < pl.col("loading")))
            ).fill_null(value=False)
        )
        .with_columns(follows=pl.col("inside").shift(1, fill_value=False).over("key"))
    )  # fmt: skip
    crowded = misses.filter(pl.col("inside"))
    groups = int(crowded.filter(~pl.col("follows")).height)
    return Stampedes(groups, crowded.height, crowded["key"].n_unique())


CACHE = Job("cache", "how often caches hit, what a miss costs, what other sizes would do", run)
