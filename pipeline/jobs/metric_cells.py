"""Named metrics cut into sides, services and operations, as the statistics take them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.jobs.cache_metric import of_caches, read_cache_metric
from pipeline.jobs.judge_request import Pairs
from pipeline.jobs.metric_parts import (
    Columns,
    chosen,
    is_stuck,
    of_pools,
    of_samples,
    unknown_units,
)
from pipeline.jobs.metric_rows import MetricRequest, read_metric, unit_of
from pipeline.jobs.metric_settling import Settled
from pipeline.jobs.named_metrics import QUANTILE, WAIT, NamedMetric
from pipeline.lake import Lake
from pipeline.stats.cells import Side
from pipeline.stats.series_shift import Series

_TEXTS = (
    *("service_name", "service_version", "service_instance_id", "deployment_environment"),
    *("operation", "unit", "worst", "unbounded", "words"),
    *("without_use", "without_size"),
)


@dataclass(frozen=True)
class Group:
    """One service, operation, queue, pool or cache.

    Attributes:
        service_name: empty where the sides are two services.
        service_version: empty unless versions are asked for by themselves.
        operation: its name, or that of a queue or cache; empty where it is of the whole service.
        unit: of the values.
        sides: one or two; None where a side has no data.
        instances: of each side.
        minutes: of the clock that the sides share.
        shared: share of the minutes of either side that both have; 1 for one side.
        left_out: values that were no numbers.
        is_limited: whether a histogram's buckets are wider than 5 %.
        names: of each side, the OTLP metrics that tell it.
        mismatch: why the sides are not comparable; empty where they are.
        is_watched: whether monitors tell it of the whole: instances are no replicates.
        notes: what else to know, each a sentence.
        stuck: of each side, whether items wait and none was taken: their wait has no bound.
    """

    service_name: str
    service_version: str
    operation: str
    unit: str
    sides: tuple[Series | Side | None, ...]
    instances: tuple[int, ...]
    minutes: int
    shared: float
    left_out: int
    is_limited: bool
    names: tuple[tuple[str, ...], ...] = ()
    mismatch: str = ""
    is_watched: bool = False
    notes: tuple[str, ...] = ()
    stuck: tuple[bool, ...] = ()


def read_groups(lake: Lake, request: MetricRequest) -> tuple[list[Group], NamedMetric]:
    """Read a metric of one side or two.

    Args:
        lake: the lake.
        request: the question.

    Returns:
        Services, operations or queues of which a side has data, or points whose unit is not
        known, by name; and the metric as it was found.

    Raises:
        LakeError, CommitConflict, LakeUnavailable: the lake or its rollups cannot be read.
    """
    read = read_cache_metric if request.metric.is_hit_ratio else read_metric
    found = read(lake, request)
    settled, metric = found.settled, found.settled.metric
    columns = _columns(found.table)
    columns["side"] = _sides(columns, request.sides)
    kept = (columns["side"] >= 0) & np.array(
        [fnmatchcase(each, request.service) for each in columns["service_name"]], dtype=bool
    )
    if metric.per_operation:
        names = [fnmatchcase(each, request.operation) for each in columns["operation"]]
        kept &= np.array(names, dtype=bool)
    columns = {name: column[kept] for name, column in columns.items()}
    services = [dict(pairs).get("service_name") for pairs in request.sides]
    instance = columns["service_name"] + "/" + columns["service_instance_id"]
    columns["instance"] = np.asarray(instance, dtype=object)
    if len(set(services)) > 1:
        columns["service_name"] = np.full(len(instance), "", dtype=object)
    if not request.by_version:
        columns["service_version"] = np.full(len(instance), "", dtype=object)
    first, end, shared = _common(columns, len(request.sides))
    inside = (columns["minute"] >= first) & (columns["minute"] < end)
    columns = {name: column[inside] for name, column in columns.items()}
    columns["minute"] = columns["minute"] - first
    clock = _Clock(len(request.sides), end - first, shared)
    groups = [_group(part, settled, clock) for part in _parts(columns)]
    there = {group.service_name for group in groups}
    alone = [
        _unread(service, settled, len(request.sides))
        for service in settled.unread
        if not there & {service, ""}
        and fnmatchcase(service, request.service)
        and any(each in (None, service) for each in services)
    ]
    return [*groups, *alone], metric


@dataclass(frozen=True)
class _Clock:
    """How many sides there are, the minutes of their clock, and the share that they have."""

    sides: int
    minutes: int
    shared: float


def _columns(rows: pa.Table) -> Columns:
    """Give the columns of rows in an order of their own, NULL texts empty, NULL numbers NaN."""
    ordered = rows.sort_by([(name, "ascending") for name in rows.column_names])
    columns: Columns = {}
    for name in ordered.column_names:
        column = ordered[name].to_numpy(zero_copy_only=False)
        if name in _TEXTS:
            texts = ["" if each is None else each for each in column]
            column = np.empty(len(texts), dtype=object)
            column[:] = texts
        columns[name] = column
    return columns


def _sides(columns: Columns, sides: tuple[Pairs, ...]) -> NDArray[np.int64]:
    """Number the side of every row; -1 for none."""
    found = np.full(len(columns["minute"]), -1, dtype=np.int64)
    for number, pairs in enumerate(sides):
        of_side = found < 0
        for column, value in pairs:
            of_side &= np.asarray(columns[column] == value, dtype=bool)
        found[of_side] = number
    return found


def _common(columns: Columns, sides: int) -> tuple[int, int, float]:
    """Give the minutes that all sides have, and their share of those that any has."""
    minute, side = columns["minute"], columns["side"]
    spans = [
        (int(minute[side == each].min()), int(minute[side == each].max()) + 1)
        for each in range(sides)
        if (side == each).any()
    ]
    if not spans:
        return 0, 0, 0.0
    first, end = max(span[0] for span in spans), min(span[1] for span in spans)
    every = min(span[0] for span in spans), max(span[1] for span in spans)
    if len(spans) < sides or first >= end:
        return *every, 0.0
    return first, end, (end - first) / (every[1] - every[0])


def _parts(columns: Columns) -> Iterator[Columns]:
    """Cut rows by service, version and operation, in their order."""
    names = ("service_name", "service_version", "operation")
    keys = sorted(set(zip(*(columns[name] for name in names), strict=True)))
    for key in keys:
        chosen = np.ones(len(columns["minute"]), dtype=bool)
        for name, value in zip(names, key, strict=True):
            chosen &= np.asarray(columns[name] == value, dtype=bool)
        yield {name: column[chosen] for name, column in columns.items()}


def _group(part: Columns, settled: Settled, clock: _Clock) -> Group:
    """Make a group of its rows."""
    metric = settled.metric
    part, choice = chosen(part, settled, clock.sides)
    halves = [
        {name: column[part["side"] == each] for name, column in part.items()}
        for each in range(clock.sides)
    ]
    make = _histogram if metric.kind == QUANTILE else _series
    made = tuple(make(half, metric, clock.minutes) for half in halves)
    is_without_end = tuple(metric.kind == WAIT and is_stuck(half) for half in halves)
    sent = next((str(each) for each in part.get("unit", ()) if each), choice.unit)
    left_out = int(np.nansum(part["left_out"].astype(float))) if "left_out" in part else 0
    service = str(part["service_name"][0])
    law = "by Little's law" if metric.kind == WAIT else ""
    told = (*of_pools(part), *of_samples(part), *of_caches(part, choice.names))
    notes = (law, choice.note, *told, unknown_units(service, settled))
    return Group(
        service,
        str(part["service_version"][0]),
        str(part["operation"][0]),
        unit_of(metric, sent),
        made,
        tuple(
            each.instances if each else len(set(half["instance"])) * stuck
            for each, half, stuck in zip(made, halves, is_without_end, strict=True)
        ),
        clock.minutes,
        clock.shared,
        left_out,
        bool(part["is_limited"].any()) if "is_limited" in part else False,
        choice.names,
        choice.mismatch,
        choice.is_watched,
        tuple(note for note in notes if note),
        is_without_end,
    )


def _unread(service: str, settled: Settled, sides: int) -> Group:
    """Make a group of a service of which nothing can be read."""
    nobody: tuple[None, ...] = (None,) * sides
    unit, notes = unit_of(settled.metric, ""), (unknown_units(service, settled),)
    return Group(service, "", "", unit, nobody, (0,) * sides, 0, 0.0, 0, False, notes=notes)


def _series(half: Columns, metric: NamedMetric, minutes: int) -> Series | None:
    """Make a series of the rows of a side."""
    numbers = {name: half[name].astype(np.float64) for name in ("top", "below", "spread")}
    known = np.isfinite(numbers["top"]) & np.isfinite(numbers["below"])
    if not known.any() or float(numbers["below"][known].sum()) <= 0:
        return None
    names, instance = np.unique(half["instance"][known].astype(str), return_inverse=True)
    return Series(
        instance.astype(np.int64),
        half["minute"][known].astype(np.int64),
        numbers["top"][known] * metric.factor,
        numbers["below"][known],
        np.nan_to_num(numbers["spread"][known], nan=1.0),
        len(names),
        minutes,
    )


def _histogram(half: Columns, metric: NamedMetric, minutes: int) -> Side | None:
    """Make a side of the buckets of a histogram."""
    count = half["below"].astype(np.float64)
    if not count.sum() > 0:
        return None
    names, instance = np.unique(half["instance"].astype(str), return_inverse=True)
    numbers = (half["minute"].astype(np.int64), half["bucket"].astype(np.int64), count, count)
    return Side(instance.astype(np.int64), *numbers, len(names), minutes)


def log_unit(metric: NamedMetric) -> float:
    """Give what the logarithm of a histogram's quantile lies above that of its value by."""
    return math.log(1e9 / metric.factor)


def attributes_of(text: str) -> Pairs:
    """Read attributes of points: ``KEY=VALUE``, several joined by commas.

    Raises:
        ValueError: it is no such thing.

    >>> attributes_of("jvm.memory.type=heap")
    (('jvm.memory.type', 'heap'),)
    """
    pairs = []
    for part in text.split(","):
        key, sign, value = part.strip().partition("=")
        if not key or not sign or not value:
            raise ValueError(f"{text!r}: write KEY=VALUE, such as jvm.memory.type=heap")
        pairs.append((key, value))
    return tuple(pairs)
