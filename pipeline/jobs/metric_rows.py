"""Reading what a named metric is made of: rows of instances and minutes, whatever it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pyarrow as pa

from pipeline.jobs.job import Connection, ask, asking, define_view
from pipeline.jobs.judge_request import Pairs
from pipeline.jobs.named_metrics import (
    BY_TYPE,
    GAUGE,
    MEAN,
    PER_REQUEST,
    PER_SECOND,
    QUANTILE,
    NamedMetric,
)
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
    """

    metric: NamedMetric
    sides: tuple[Pairs, ...] = ((),)
    service: str = "*"
    operation: str = "*"
    attributes: Pairs = ()
    call: str = ""
    window: Window = (None, None)

    @property
    def minutes(self) -> tuple[int, int]:
        """Give the minutes of the window, first to end."""
        since, until = self.window
        first = 0 if since is None else since // MINUTE_NANO
        return first, _LAST_MINUTE if until is None else -(-until // MINUTE_NANO)


def read_rows(lake: Lake, request: MetricRequest) -> tuple[pa.Table, NamedMetric]:
    """Read the rows of a metric.

    Args:
        lake: the lake.
        request: the question; of a metric of any type, the lake's points say which.

    Returns:
        Rows in no order and the metric as it was found. The columns are service_name,
        service_version, service_instance_id, deployment_environment, operation, minute, unit,
        top, below, spread and left_out; for a QUANTILE bucket and is_limited in place of top,
        spread and left_out.

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
    with asking() as connection:
        if metric.statement:
            for read in (SPANS, METRICS):
                define_snapshot(connection, take_snapshot(lake, read))
            return ask(connection, metric.statement, values | {"call": request.call}), metric
        metric = _define_points(connection, lake, request)
        chosen = values | _chosen(request)
        if metric.kind == GAUGE:
            return ask(connection, "metric_cells_gauge", chosen), metric
        for view in _INTERVALS:
            define_view(connection, view)
        if metric.kind == QUANTILE:
            return _buckets(connection, chosen | {"in_seconds": metric.in_seconds}), metric
        how = {"per_observation": metric.kind == MEAN, "in_seconds": metric.in_seconds}
        rows = ask(connection, "metric_cells_counter", chosen | how)
        if metric.kind == PER_REQUEST:
            update(lake)
            define_snapshot(connection, take_snapshot(lake, LATENCY_MINUTES))
            connection.register("counter_cells", rows)
            rows = ask(connection, "metric_cells_per_request", {})
        return rows, metric


def _chosen(request: MetricRequest) -> dict[str, object]:
    """Give which points count."""
    return {
        "names": list(request.metric.sources),
        "attribute_keys": [key for key, _ in request.attributes],
        "attribute_values": [value for _, value in request.attributes],
    }


def _define_points(connection: Connection, lake: Lake, request: MetricRequest) -> NamedMetric:
    """Make the table of points, and settle what kind a metric of any type is."""
    snapshot = take_snapshot(lake, METRICS)
    first, end = request.minutes
    # What a point adds is told by the one before it, of up to an hour ago.
    files = snapshot.between(first * MINUTE_NANO - HOUR_NANO, end * MINUTE_NANO + 1)
    define_table(connection, METRICS, [file.path for file in files])
    metric = request.metric
    if metric.kind != BY_TYPE:
        return metric
    found = ask(connection, "metric_types", {"names": list(metric.sources)}).to_pylist()
    types = {row["metric_type"] for row in found}
    if types & {"histogram", "exponential_histogram"}:
        return replace(metric, kind=MEAN)
    if any(row["metric_type"] == "sum" and row["is_counter"] for row in found):
        return replace(metric, kind=PER_SECOND)
    return replace(metric, kind=GAUGE)


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
