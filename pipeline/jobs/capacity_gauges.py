"""What metrics tell of the instances of a service: CPU, memory, limits and pools, by bucket."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from pipeline.jobs import capacity_sources as sources
from pipeline.jobs.capacity_instances import USUAL, match_instances
from pipeline.jobs.capacity_request import CapacityRequest
from pipeline.stats.bootstrap import Floats

# Of a bucket, that a counter must have watched for its rate to count.
_LEAST_WATCHED = 0.9
# Between points of a counter, in lengths of a bucket.
MOST_APART = 1.5
# Over so many buckets a point is spread, as where one before it was lost.
_MOST_SPREAD = 2.0
# A pool of so many is one without a bound.
_UNBOUNDED = 2**31 - 1


@dataclass(frozen=True)
class Pool:
    """A pool of connections or threads, of an instance.

    Attributes:
        name: the metric of its use, and the pool where it has a name.
        size: what it holds at most.
        used: n mean levels, NaN where not known, for the buckets of the service.
    """

    name: str
    size: float
    used: Floats


@dataclass(frozen=True)
class Meters:
    """What metrics tell, for n buckets.

    Attributes:
        cpu_cores, memory_bytes: n, NaN where not known.
        memory_place: where in a bucket memory is told, 0 for its start and 1 for its end.
        cpu_source, memory_source: the metrics; empty for none.
        cores, memory_limit: of an instance; 0 where not known.
        cores_source, memory_limit_source: a metric or an option; empty for none.
        pools: pools whose size and use are known.
        notes: what a reader should know.
        merged: how many instances are one here, as spans do not tell them apart.
    """

    cpu_cores: Floats
    memory_bytes: Floats
    memory_place: float
    cpu_source: str
    memory_source: str
    cores: float
    memory_limit: float
    cores_source: str
    memory_limit_source: str
    pools: tuple[Pool, ...]
    notes: tuple[str, ...]
    merged: int = 1


def meters_of(
    rows: pl.DataFrame,
    told: tuple[pl.DataFrame, pl.DataFrame],
    width: int,
    request: CapacityRequest,
    is_alone: bool,
) -> Meters:
    """Give what is known beside buckets of spans.

    Args:
        rows: the buckets: service_instance_id and bucket, in their order.
        told: rows of capacity_counters and capacity_gauges of the same service.
        width: of a bucket, in seconds.
        request: limits that are given count before those that are measured.
        is_alone: whether no other version of the service ran at the same time.
    """
    matched = [match_instances(rows, each, is_alone) for each in told]
    counters, gauges = (each.points for each in matched)
    merged = max(each.merged for each in matched)
    notes = [note for each in matched for note in each.notes]
    cores, cores_source = _limit(gauges, sources.CPU_LIMITS, request.cores * merged, "--limit cpu")
    if not cores:
        cores, cores_source = _limit(gauges, sources.CPU_COUNTS, 0.0, "")
    memory_limit = _limit(
        gauges, sources.MEMORY_LIMITS, request.memory_bytes * merged, "--limit memory"
    )
    counted = _limit(gauges, sources.CPU_COUNTS, 0.0, "")[0] or cores
    # Shares of each, added up, are of what one of them has.
    busy, cpu_source = _cores(rows, counters, gauges, width, counted / merged)
    if apart := _too_far(counters, cpu_source, width):
        notes.append(apart)
        busy = np.full(len(rows), np.nan)
    memory_source = _first(gauges, sources.MEMORY)
    levels = gauges.filter(pl.col("name") == memory_source)
    place = levels["place"].median() if len(levels) else None
    if memory_source.startswith(("jvm.", "process.runtime.jvm.")):
        notes.append(f"memory is {memory_source}: what lies outside the heap is not in it")
    return Meters(
        busy,
        _aligned(rows, levels, "least"),
        place if isinstance(place, float) else 0.5,
        *(cpu_source, memory_source),
        *(cores, memory_limit[0]),
        *(cores_source, memory_limit[1]),
        tuple(_pools(rows, gauges)),
        tuple(dict.fromkeys([*notes, *_half_told(gauges)])),
        merged,
    )


def _too_far(counters: pl.DataFrame, source: str, width: int) -> str:
    """Say so where a point of CPU time fills several buckets; it would count for as many."""
    intervals = counters.filter(pl.col("name") == source)["interval_s"]
    apart = intervals.median()
    if not isinstance(apart, float) or (intervals <= MOST_APART * width).any():
        return ""
    return (
        f"points of {source} are {apart:.0f} s apart and buckets {width} s long: "
        "send them more often, or give --bucket 60"
    )


def _first(points: pl.DataFrame, names: Sequence[str]) -> str:
    """Give the first name that there are points of; empty for none."""
    known = set(points["name"].to_list())
    return next((name for name in names if name in known), "")


def _limit(
    gauges: pl.DataFrame, names: Sequence[str], given: float, option: str
) -> tuple[float, str]:
    """Give a limit of the instance that has the least, and where it is from."""
    if given:
        return given, option
    name = _first(gauges, names)
    found = gauges.filter((pl.col("name") == name) & (pl.col("most") > 0))
    # While one process replaces another of its name, both tell a limit.
    usual = pl.col("most").quantile(USUAL, "lower")
    least = found.group_by("service_instance_id").agg(usual)["most"].min()
    return (float(least), name) if isinstance(least, int | float) else (0.0, "")


def _cores(
    rows: pl.DataFrame,
    counters: pl.DataFrame,
    gauges: pl.DataFrame,
    width: int,
    counted: float,
) -> tuple[Floats, str]:
    """Give busy cores by bucket, and the metric that tells them."""
    name = _first(counters, sources.CPU_COUNTERS)
    if name:
        points = counters.filter(
            (pl.col("name") == name)
            & (pl.col("watched_s") >= _LEAST_WATCHED * width)
            # A first point may be of all the time since its process began.
            & (pl.col("interval_s") <= _MOST_SPREAD * width)
        ).with_columns((pl.col("seconds") / pl.col("watched_s")).alias("cores"))
        return _aligned(rows, points, "cores"), name
    name = _first(gauges, sources.CPU_CORES)
    if name:
        return _aligned(rows, gauges.filter(pl.col("name") == name), "mean"), name
    name = _first(gauges, sources.CPU_SHARES)
    if name and counted:
        share = _aligned(rows, gauges.filter(pl.col("name") == name), "mean")
        return share * counted, name
    return np.full(len(rows), np.nan), ""


def _pools(rows: pl.DataFrame, gauges: pl.DataFrame) -> list[Pool]:
    """Give pools whose size and use are both known."""
    found = []
    for most, used in sources.POOLS:
        sizes = gauges.filter((pl.col("name") == most) & (pl.col("most") > 0))
        sizes = sizes.filter(pl.col("most") < _UNBOUNDED)
        for pool in sorted(set(sizes["pool"].to_list())):
            size = sizes.filter(pl.col("pool") == pool)["most"].min()
            points = gauges.filter((pl.col("name") == used) & (pl.col("pool") == pool))
            if len(points) and isinstance(size, int | float):
                name = f"{used} {pool}".strip()
                found.append(Pool(name, float(size), _aligned(rows, points, "mean")))
    return found


def _half_told(gauges: pl.DataFrame) -> Iterator[str]:
    """Say which pools tell only their size, or only their use, and what would tell the rest."""
    for most, used in sources.POOLS:
        sizes, uses = (
            set(gauges.filter(pl.col("name") == name)["pool"].to_list()) for name in (most, used)
        )
        for pools, what, lacking in ((sizes - uses, "use", used), (uses - sizes, "size", most)):
            for pool in sorted(pools):
                named = f"pool {pool}" if pool else "a pool without a name"
                yield f"{named} tells no {what}: collect {lacking}"


def _aligned(rows: pl.DataFrame, points: pl.DataFrame, value: str) -> Floats:
    """Give a value of every bucket, NaN for those without."""
    keys = ["service_instance_id", "bucket"]
    once = points.group_by(keys).agg(pl.col(value).sum())
    joined = rows.select(keys).join(once, on=keys, how="left", maintain_order="left")
    return joined[value].cast(pl.Float64).fill_null(float("nan")).to_numpy()
