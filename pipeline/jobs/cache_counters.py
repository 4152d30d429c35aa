"""Hit ratios that counters tell: of Redis, of Memcached, of Micrometer and their exporters.

Source: OpenTelemetry Collector, redis and memcached receivers; Micrometer, CacheMeterBinder;
redis_exporter. Counters and spans of one service tell of the same lookups: they are never added.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from pipeline.jobs.cache_conventions import chosen
from pipeline.jobs.cache_request import CacheRequest
from pipeline.jobs.cache_rows import LAST_NANO
from pipeline.jobs.job import ask, asking, define_view
from pipeline.lake import Lake, take_snapshot
from pipeline.lake.catalog import define_table
from pipeline.schema import METRICS
from pipeline.stats.bootstrap import Interval
from pipeline.stats.hit_ratio import hit_ratio, side_of

# A series before the window tells what its first point in it added.
_REACH_NANO = 3600 * 10**9

HIT_NAMES = ("redis.keyspace.hits", "redis_keyspace_hits_total", "cache.hits", "cache_hits_total")
MISS_NAMES = (
    *("redis.keyspace.misses", "redis_keyspace_misses_total"),
    *("cache.misses", "cache_misses_total"),
)
# What says by an attribute whether it counts hits or misses: result, type or state.
RESULT_NAMES = (
    *("cache.gets", "cache_gets", "cache_gets_total"),
    *("memcached.operations", "memcached_operations_total"),
)


@dataclass(frozen=True)
class CounterRatio:
    """What counters tell of one cache.

    Attributes:
        service_name, service_version: who sent them: of a server's counters, the server.
        cache: its name; empty where counters do not say.
        source: the convention.
        instances, minutes: how many sent and were seen.
        lookups: hits and misses together.
        hit_ratio: with a 90 % interval over instances and minutes; NaN without any lookup.
        left_out: points that are no number, or have no recorded value.
        pending: lookups that were still under way.
        is_half: whether only hits or only misses are sent: then there are no lookups.
    """

    service_name: str
    service_version: str
    cache: str
    source: str
    instances: int
    minutes: int
    lookups: float
    hit_ratio: Interval
    left_out: int
    pending: float
    is_half: bool = False


def read_counters(lake: Lake, request: CacheRequest) -> tuple[CounterRatio, ...]:
    """Read what counters tell of caches, by service, source, cache and version.

    Args:
        lake: the lake.
        request: the question.

    Raises:
        LakeError: the lake cannot be read.
    """
    frame = read_counter_cells(lake, request)
    by = ["service_name", "source", "cache", "service_version"]
    return tuple(
        _ratio([str(each) for each in names], cells)
        for names, cells in frame.group_by(by, maintain_order=True)
    )


def read_counter_cells(lake: Lake, request: CacheRequest) -> pl.DataFrame:
    """Read the cells: a row a service, source, cache, version, instance and minute."""
    since = request.since_unix_nano or 0
    until = LAST_NANO if request.until_unix_nano is None else request.until_unix_nano
    files = take_snapshot(lake, METRICS).between(since - _REACH_NANO, until)
    values: dict[str, object] = {
        "hit_names": list(HIT_NAMES),
        "miss_names": list(MISS_NAMES),
        "result_names": list(RESULT_NAMES),
        "since_unix_nano": since,
        "until_unix_nano": until,
    } | request.names.chosen("cache_attribute")
    with asking() as connection:
        define_table(connection, METRICS, [file.path for file in files])
        define_view(connection, "metric_intervals")
        return pl.DataFrame(ask(connection, "cache_counters", values | chosen(request.where)))


def _ratio(names: list[str], cells: pl.DataFrame) -> CounterRatio:
    service, source, cache, version = names
    hits, misses = cells["hits"].to_numpy(), cells["misses"].to_numpy()
    found = Interval(float("nan"), float("nan"), float("nan"))
    lookups = hits + misses
    if lookups.sum() > 0:
        instance = (cells["service_instance_id"].rank("dense").cast(pl.Int64) - 1).to_numpy()
        side = side_of(instance, cells["minute"].to_numpy(), lookups, lookups)
        found = hit_ratio(side, hits)
    return CounterRatio(
        service,
        version,
        cache,
        source,
        cells["service_instance_id"].n_unique(),
        cells["minute"].n_unique(),
        float(lookups.sum()),
        found,
        int(cells["left_out"].sum()),
        float(cells["pending"].sum()),
        bool(cells["is_half"].any()),
    )


def beside(counters: tuple[CounterRatio, ...], services: set[str]) -> Iterator[str]:
    """Say of which services both spans and counters tell, and which counters are no ratio."""
    halves = {(each.service_name, each.source) for each in counters if each.is_half}
    for service, source in sorted(halves):
        yield f"{service}: {source}: only hits or only misses are sent: send both for a ratio"
    for service in sorted({each.service_name for each in counters} & services):
        yield f"{service}: spans and counters tell of the same lookups; they are not added"
