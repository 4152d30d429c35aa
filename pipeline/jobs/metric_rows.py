"""Reading what a named metric is made of: rows of instances and minutes, whatever it comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import pyarrow as pa

from pipeline.jobs.cache_names import CacheNames
from pipeline.jobs.job import Connection, ask, asking, define_view
from pipeline.jobs.judge_request import Pairs
from pipeline.jobs.metric_settling import Settled, settle
from pipeline.jobs.metric_sources import (
    PARTITION_KEYS,
    POOL_KEYS,
    POOL_PARTS,
    POOL_STATE_KEYS,
)
from pipeline.jobs.named_metrics import (
    GAUGE,
    GC_SAMPLES,
    INCREASE,
    MEAN,
    OBSERVATIONS,
    PER_REQUEST,
    PER_SECOND,
    QUANTILE,
    WAIT,
    NamedMetric,
)
from pipeline.jobs.runtime_gc_samples import GC_SAMPLES_TOLD, gc_samples
from pipeline.jobs.runtime_pauses import SOURCES, has_pauses, pause_rows
from pipeline.jobs.runtime_waits import level_and_taken, numbered, told
from pipeline.jobs.senders import define_by_sender
from pipeline.lake import Lake, take_snapshot
from pipeline.lake.catalog import define_snapshot, define_table
from pipeline.rollup import update
from pipeline.schema import LATENCY_MINUTES, METRICS, SPANS
from pipeline.schema.rollups import HOUR_NANO, MINUTE_NANO

Window = tuple[int | None, int | None]

# Each after those that it reads.
_INTERVALS = ("metric_intervals",)
_BUCKETS = ("metric_exponential_counts", "metric_histogram_buckets")
_LAST_MINUTE = 2**63 // MINUTE_NANO - 1

# Of numbers, as UCUM writes it.
_NO_UNIT = "1"
POOL_USE = "pool_use"
_UNIT_OF_KIND = {PER_SECOND: "/s", PER_REQUEST: " a request", GAUGE: "", MEAN: "", QUANTILE: ""}


@dataclass(frozen=True)
class MetricRequest:
    """What is asked of a metric.

    Attributes:
        metric: which.
        sides: column and value pairs of one side or two: baseline, canary.
        service, operation: patterns of what it is for.
        attributes: that its points all have.
        call: pattern of the names of calls; empty for all that the metric is for.
        window: since and until, in ns; None for open.
        by_version: whether each version of a service is measured by itself.
        cache: pattern of the names of caches.
        cache_names: of attributes that tell of caches, beside those of conventions.
    """

    metric: NamedMetric
    sides: tuple[Pairs, ...] = ((),)
    service: str = "*"
    operation: str = "*"
    attributes: Pairs = ()
    call: str = ""
    window: Window = (None, None)
    by_version: bool = False
    cache: str = "*"
    cache_names: CacheNames = field(default_factory=CacheNames)

    @property
    def minutes(self) -> tuple[int, int]:
        """Give the minutes of the window, first to end."""
        since, until = self.window
        first = 0 if since is None else since // MINUTE_NANO
        return first, _LAST_MINUTE if until is None else -(-until // MINUTE_NANO)


@dataclass(frozen=True)
class MetricRows:
    """The rows of a metric.

    Attributes:
        table: rows in no order. The columns are service_name, service_version,
            service_instance_id, deployment_environment, operation, minute, top, below, spread and
            left_out; for a QUANTILE bucket and is_limited in place of top, spread and left_out;
            source, the place in ``settled.told``, where data points tell it; for pools worst,
            unbounded, without_use and without_size, their names.
        settled: what tells it.
    """

    table: pa.Table
    settled: Settled


def read_rows(lake: Lake, request: MetricRequest) -> tuple[pa.Table, NamedMetric]:
    """Read the rows of a metric, of each service those of its best source.

    Args:
        lake: the lake.
        request: the question; of a metric of any type, the lake's points say which.

    Returns:
        Rows as those of ``read_metric``, and the metric as it was found.

    Raises:
        LakeError, CommitConflict, LakeUnavailable: the lake or its rollups cannot be read.
    """
    found = read_metric(lake, request)
    table = found.table
    if "source" in table.column_names and table.num_rows:
        best = table.group_by("service_name").aggregate([("source", "min")])
        best = best.rename_columns({"source_min": "source"})
        table = table.join(best, ["service_name", "source"], join_type="left semi")
    return table, found.settled.metric


def read_metric(lake: Lake, request: MetricRequest) -> MetricRows:
    """Read the rows of a metric, of every source that there is.

    Args:
        lake: the lake.
        request: the question.

    Raises:
        LakeError, CommitConflict, LakeUnavailable: the lake or its rollups cannot be read.
    """
    metric = request.metric
    first, end = request.minutes
    values: dict[str, object] = {
        "service": request.service,
        "first_minute": first,
        "end_minute": end,
    }
    chosen = values | _chosen(request)
    with asking() as connection:
        if metric.statement == GC_SAMPLES:
            rows = gc_samples(connection, lake, request.service, (first, end))
            return MetricRows(rows, Settled(metric, GC_SAMPLES_TOLD))
        if metric.statement and metric.statement != POOL_USE:
            for table in (SPANS, METRICS):
                define_snapshot(connection, take_snapshot(lake, table))
            rows = ask(connection, metric.statement, values | {"call": request.call})
            return MetricRows(rows, Settled(metric))
        _define_points(connection, lake, request)
        if metric.statement == POOL_USE:
            return MetricRows(_pools(connection, chosen), Settled(metric))
        if metric.kind == WAIT:
            level, taken = level_and_taken(metric)
            waiting = _points(connection, lake, level, chosen)
            return _waits(connection, metric, waiting, _points(connection, lake, taken, chosen))
        found = _points(connection, lake, metric, chosen)
        return _with_pauses(connection, lake, request, found)


def _points(
    connection: Connection, lake: Lake, metric: NamedMetric, chosen: dict[str, object]
) -> MetricRows:
    """Make rows of the points that tell a metric."""
    names = {"names": list(metric.names)}
    settled = settle(metric, ask(connection, "metric_types", names).to_pylist())
    connection.register("metric_sources", settled.table())
    return MetricRows(_cells(connection, lake, settled.metric, chosen | names), settled)


def _waits(
    connection: Connection, metric: NamedMetric, level: MetricRows, taken: MetricRows
) -> MetricRows:
    """Make rows of how long items wait, of how many wait and how many are taken."""
    connection.register("wait_levels", numbered(level.table, level.settled))
    connection.register("wait_taken", numbered(taken.table, taken.settled))
    unread = dict(taken.settled.unread) | dict(level.settled.unread)
    return MetricRows(ask(connection, "runtime_waits", {}), Settled(metric, told(metric), unread))


def _with_pauses(
    connection: Connection, lake: Lake, request: MetricRequest, found: MetricRows
) -> MetricRows:
    """Add what spans and eBPF tools tell of pauses, behind all data points."""
    settled = found.settled
    if not settled.metric.has_pauses or request.attributes:
        return found
    place = len(settled.told)
    asked = (settled.metric, request.service, request.minutes, place)
    rows = pause_rows(connection, lake, *asked)
    if rows is None:
        return found
    rows = rows.select(found.table.column_names).cast(found.table.schema)
    told = (*settled.told, *SOURCES)
    return MetricRows(pa.concat_tables([found.table, rows]), replace(settled, told=told))


def sent_names(lake: Lake, names: Sequence[str], window: Window) -> tuple[set[str], bool]:
    """Give those of some OTLP metrics of which a window has points, and whether it has pauses.

    Raises:
        LakeError: a file cannot be read.
    """
    # Of what is asked, only the window counts here.
    request = MetricRequest(NamedMetric("", "", GAUGE, INCREASE, ""), window=window)
    with asking() as connection:
        _define_points(connection, lake, request)
        found = ask(connection, "metric_types", {"names": list(names)})
        return set(found["name"].to_pylist()), has_pauses(connection, lake, "*", request.minutes)


def _cells(
    connection: Connection, lake: Lake, metric: NamedMetric, chosen: dict[str, object]
) -> pa.Table:
    """Make rows of points, as the kind of a metric says."""
    for view in _INTERVALS:
        define_view(connection, view)
    if metric.kind == QUANTILE:
        return _buckets(connection, chosen)
    series: dict[str, object] = {name: chosen[name] for name in ("names", "service")}
    by = {"by": [list(keys) for keys in metric.by]}
    connection.register("metric_things", ask(connection, "metric_things", series | by))
    if metric.kind == GAUGE:
        keys = {"partition_keys": list(PARTITION_KEYS)}
        return ask(connection, "metric_cells_gauge", chosen | keys)
    how: dict[str, object] = {
        "per_observation": metric.kind == MEAN,
        "counts_observations": metric.kind == OBSERVATIONS,
    }
    rows = ask(connection, "metric_cells_counter", chosen | how)
    if metric.kind == PER_REQUEST:
        update(lake)
        define_snapshot(connection, take_snapshot(lake, LATENCY_MINUTES))
        connection.register("counter_cells", rows)
        rows = ask(connection, "metric_cells_per_request", {})
    return rows


def _pools(connection: Connection, values: dict[str, object]) -> pa.Table:
    """Make rows of the fullest pools."""
    parts = [asdict(part) for part in POOL_PARTS]
    connection.register("pool_parts", pa.Table.from_pylist(parts))
    keys = {"pool_keys": list(POOL_KEYS), "state_keys": list(POOL_STATE_KEYS)}
    return ask(connection, "pool_use", values | keys)


def _chosen(request: MetricRequest) -> dict[str, object]:
    """Give which points count."""
    return {
        "attribute_keys": [key for key, _ in request.attributes],
        "attribute_values": [value for _, value in request.attributes],
    }


def _define_points(connection: Connection, lake: Lake, request: MetricRequest) -> None:
    """Make the table of points."""
    snapshot = take_snapshot(lake, METRICS)
    first, end = request.minutes
    # What a point adds is told by the one before it, of up to an hour ago.
    files = snapshot.between(first * MINUTE_NANO - HOUR_NANO, end * MINUTE_NANO + 1)
    # Requests are counted by service.instance.id alone, so what they are held against is, too.
    define = define_table if request.metric.kind == PER_REQUEST else define_by_sender
    define(connection, METRICS, [file.path for file in files])


def _buckets(connection: Connection, values: Mapping[str, object]) -> pa.Table:
    """Give the observations of a histogram in the buckets of the rollups."""
    for view in _BUCKETS:
        define_view(connection, view)
    sent = ask(
        connection,
        "metric_cells_histogram",
        {k: v for k, v in values.items() if not k.endswith("_minute")},
    )
    connection.register("metric_requests", sent)
    define_view(connection, "metric_latency_buckets")
    window = {name: values[name] for name in ("first_minute", "end_minute")}
    return ask(connection, "metric_cells_buckets", window)


def unit_of(metric: NamedMetric, sent: str) -> str:
    """Give the unit of a metric's values: its own, or that of the points as they were sent."""
    sent = "" if sent == _NO_UNIT else sent
    return metric.unit or f"{sent}{_UNIT_OF_KIND.get(metric.kind, '')}".strip()
