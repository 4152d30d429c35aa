"""Counting the events of an error budget: all of them and the bad ones, over its own window."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.jobs.baseline_request import DIMENSIONS
from pipeline.jobs.job import ask, asking, define_view
from pipeline.jobs.judge_request import Pairs
from pipeline.lake import Lake, take_snapshot
from pipeline.lake.catalog import define_snapshot, define_table
from pipeline.rollup import update
from pipeline.schema import LATENCY_MINUTES, SPANS
from pipeline.schema.rollups import MINUTE_NANO
from pipeline.stats.buckets import SCALE
from pipeline.stats.cells import Side
from pipeline.stats.level import share_level
from pipeline.stats.slo import exact

Window = tuple[int | None, int | None]
_NOT_COLUMNS = ("kind", "outcome", "operation")
_NANO_A_MS = 1e6


@dataclass(frozen=True)
class SloRequest:
    """Which events, and what makes one bad.

    Attributes:
        service, operation: patterns.
        where: column and value pairs.
        threshold_ms: an event is bad beyond it; None where a failed one is.
        window_nano: how long the window is; 0 for the given one.
        window: since and until, in ns; None for open.
        from_spans: count spans, and no buckets.
    """

    service: str
    operation: str
    where: Pairs
    threshold_ms: float | None
    window_nano: int
    window: Window
    from_spans: bool = False


@dataclass(frozen=True)
class Events:
    """Events of one service.

    Attributes:
        service_name: whose.
        total, bad: by weight; ``bad`` as near as buckets tell.
        bad_least, bad_most: what it lies between.
        ratio: of bad ones with its bounds, as instances and minutes let it vary.
        effective: events of equal weight that would tell as much.
        covered: share of the window that there is data of.
    """

    service_name: str
    total: Decimal
    bad: Decimal
    bad_least: Decimal
    bad_most: Decimal
    ratio: tuple[float, float, float]
    effective: float
    covered: float


def count_events(lake: Lake, request: SloRequest, confidence: float) -> list[Events]:
    """Count the events of every service that a request is for.

    The window ends with the last minute that the lake has, unless it is given an end: an old lake
    tells of its own time.

    Args:
        lake: the lake; its rollups are brought up to date first.
        request: which events.
        confidence: of the bounds, between 0 and 1.

    Returns:
        Services in the order of their names.

    Raises:
        LakeError, CommitConflict, LakeUnavailable: the lake or its rollups cannot be read.
    """
    table = SPANS if request.from_spans else LATENCY_MINUTES
    version = None if request.from_spans else update(lake).minutes_version
    snapshot = take_snapshot(lake, table, version)
    unit = 1 if request.from_spans else MINUTE_NANO
    last = max((file.time_max for file in snapshot.files if file.time_max is not None), default=0)
    first, end = _minutes(request, last * unit // MINUTE_NANO + 1)
    values = _values(request) | {"first_minute": first, "end_minute": end}
    with asking() as connection:
        if request.from_spans:
            define_snapshot(connection, snapshot)
            define_view(connection, "span_facts")
            threshold = {"threshold_nano": (request.threshold_ms or 0.0) * _NANO_A_MS}
            rows = ask(connection, "slo_counts_exact", values | threshold)
        else:
            define_table(connection, table, [file.path for file in snapshot.files])
            rows = ask(connection, "slo_counts", values | {"threshold_place": _place(request)})
    if not rows.num_rows:
        return []
    # An open window is as long as its data.
    if not request.window_nano and request.window[0] is None:
        first = pc.min(rows["minute"]).as_py()
    return [_events(part, first, end, confidence) for part in _by_service(rows)]


def _minutes(request: SloRequest, last_end: int) -> tuple[int, int]:
    """Settle the window, first minute to end."""
    since, until = request.window
    end = last_end if until is None else -(-until // MINUTE_NANO)
    if request.window_nano:
        return max(end - max(request.window_nano // MINUTE_NANO, 1), 0), end
    return (0 if since is None else since // MINUTE_NANO), end


def _values(request: SloRequest) -> dict[str, object]:
    """Give what both statements' names stand for."""
    pairs = dict(request.where)
    values: dict[str, object] = {
        "service": request.service,
        "operation": request.operation,
        "has_threshold": request.threshold_ms is not None,
        "has_operation": "operation" in pairs,
        "operation_is": pairs.get("operation", ""),
    }
    for column in DIMENSIONS:
        if column not in _NOT_COLUMNS:
            values |= {f"has_{column}": column in pairs, column: pairs.get(column, "")}
    return values


def _place(request: SloRequest) -> float:
    """Give where a threshold lies among the buckets: the bucket, and how far into it."""
    if not request.threshold_ms:
        # Just above the bucket of zero, which lasts no longer than a threshold of zero.
        return float(1 - 2**31)
    return float(np.log2(request.threshold_ms * _NANO_A_MS) * 2**SCALE)


def _by_service(rows: pa.Table) -> Iterator[pa.Table]:
    """Cut rows by service."""
    for name in pc.unique(rows["service_name"]).sort().to_pylist():
        yield rows.filter(pc.equal(rows["service_name"], name))


def _events(rows: pa.Table, first: int, end: int, confidence: float) -> Events:
    """Add up the events of a service."""
    names, instance = np.unique(
        rows["instance"].to_numpy(zero_copy_only=False).astype(str), return_inverse=True
    )
    minute = rows["minute"].to_numpy().astype(np.int64) - first
    numbers = {
        name: rows[name].to_numpy().astype(np.float64)
        for name in ("total", "total_squared", "bad", "bad_least", "bad_most")
    }
    buckets = np.zeros(len(minute), dtype=np.int64)
    counts = (numbers["total"], numbers["total_squared"])
    side = Side(instance.astype(np.int64), minute, buckets, *counts, len(names), end - first)
    ratio = share_level(side, side.add_up(numbers["bad"]), confidence)
    # Weights and parts of buckets, in millionths: no sum depends on its order there.
    sums = [
        exact(round(float(numbers[name].sum()), 6))
        for name in ("total", "bad", "bad_least", "bad_most")
    ]
    covered = (int(minute.max()) - int(minute.min()) + 1) / (end - first)
    service = rows["service_name"][0].as_py()
    return Events(service, sums[0], sums[1], sums[2], sums[3], ratio, side.effective, covered)
