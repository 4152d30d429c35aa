"""The baseline job: per group, how many requests, how many failed, how long they took."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.jobs.baseline_counts import Counted, count, refine
from pipeline.jobs.baseline_metrics import CountedMetrics, count_metrics
from pipeline.jobs.baseline_request import DIMENSIONS, KIND_NAMES, BaselineRequest
from pipeline.jobs.job import Job
from pipeline.lake import Lake
from pipeline.rollup import update
from pipeline.schema import BASELINES
from pipeline.schema.baselines import QUANTILES, quantile_name
from pipeline.schema.rollups import MINUTE_NANO
from pipeline.stats.proportions import effective_size, wilson_interval
from pipeline.stats.quantiles import BucketCounts, quantile_bounds, quantiles

_SECOND_NANO = 1_000_000_000

# Named when a baseline is saved, not when it is worked out.
_SAVED_COLUMNS = ("baseline", "saved_time_unix_nano", "date")

RESULT_SCHEMA = pa.schema([f for f in BASELINES.arrow_schema if f.name not in _SAVED_COLUMNS])


@dataclass(frozen=True)
class BaselineResult:
    """A baseline.

    Attributes:
        request: what was asked.
        table: a row a group in the columns of ``RESULT_SCHEMA``, ordered by the group's columns.
        since_unix_nano, until_unix_nano: the window covered, whole minutes; both 0 when the
            window was open and there is no data.
        versions: the versions of the lake's tables that it was worked out from.
        notes: what a reader should know, a sentence each.
    """

    request: BaselineRequest
    table: pa.Table
    since_unix_nano: int
    until_unix_nano: int
    versions: Mapping[str, int]
    notes: tuple[str, ...]


def run(lake: Lake, request: BaselineRequest) -> BaselineResult:
    """Work out a baseline, after bringing the rollups up to date.

    Requests are counted from spans or from the histograms of servers, never from both. With spans,
    buckets come from the rollups, whole hours at once where instances are not told apart. The exact
    mode then reads, from the spans, the values in the buckets that decide a quantile or a
    bound; everything else of the result is the same in both modes.

    Requests a second are the group's requests over the seconds of the window: from the window's
    ends where they were given, else from the start of the first minute to the end of the last one
    that has a matching request of any group.

    Args:
        lake: the lake.
        request: the question.

    Returns:
        The baseline; zero rows when nothing matches.

    Raises:
        NotEnoughData: exact, and spans of the window are no longer kept.
        LakeError: the lake cannot be read, or the rollups cannot be brought up to date.
    """
    if request.source == "metrics":
        return _from_metrics(request, count_metrics(lake, request))
    versions = update(lake)
    counted = count(lake, request, versions)
    buckets = refine(lake, request, versions, counted) if request.exact else counted.buckets
    columns = _counts(counted, request) | _durations(counted)
    columns |= _quantiles(buckets, buckets, request)
    columns["spans_version"] = np.full(counted.groups, versions.spans_version)
    table = _table(columns)
    return BaselineResult(
        request,
        table,
        counted.first_minute * MINUTE_NANO,
        counted.end_minute * MINUTE_NANO,
        {
            "spans": versions.spans_version,
            "latency_minutes": versions.minutes_version,
            "latency_hours": versions.hours_version,
        },
        tuple(_notes(request, counted, table)),
    )


def _from_metrics(request: BaselineRequest, metrics: CountedMetrics) -> BaselineResult:
    """Work out a baseline of what was counted in metrics."""
    counted = metrics.counted
    columns = _counts(counted, request) | _durations(counted)
    columns |= _quantiles(counted.buckets, metrics.outer, request)
    # Shares of whole requests add up to whole requests but for rounding; of single values a
    # histogram knows the bounds of a bucket alone.
    columns["requests"] = np.asarray(columns["spans"]).astype(np.float64)
    for name in ("duration_nano_min", "duration_nano_max", "spans_version"):
        columns[name] = pa.nulls(counted.groups, pa.int64())
    table = _table(columns)
    return BaselineResult(
        request,
        table,
        counted.first_minute * MINUTE_NANO,
        counted.end_minute * MINUTE_NANO,
        {"metrics": metrics.version},
        (*_notes(request, counted, table), *_resolution_notes(metrics)),
    )


BASELINE = Job("baseline", "what normal is: requests, errors and latency by group", run)


def _counts(counted: Counted, request: BaselineRequest) -> dict[str, object]:
    """Work out who each group is, how many requests it has and how many of them failed."""
    rows, groups = counted.rows, counted.groups
    first_rows = np.searchsorted(counted.group, np.arange(groups))
    names = rows.select(list(DIMENSIONS)).take(first_rows).to_pylist()

    def by_group(column: str) -> NDArray[np.float64]:
        numbers = rows[column].to_numpy()
        return np.bincount(counted.group, weights=numbers, minlength=groups).astype(np.float64)

    requests, spans = by_group("requests"), by_group("spans")
    without_bucket = rows["bucket"].is_null().to_numpy()
    clock_errors = np.bincount(
        counted.group[without_bucket],
        weights=rows["spans"].to_numpy()[without_bucket],
        minlength=groups,
    )
    ratio = np.divide(by_group("errors"), requests, out=np.zeros(groups), where=requests > 0)
    effective = effective_size(requests, by_group("requests_squared"))
    low, high = wilson_interval(ratio, effective, request.confidence)
    seconds = (counted.end_minute - counted.first_minute) * MINUTE_NANO / _SECOND_NANO
    return {
        "since_unix_nano": np.full(groups, counted.first_minute * MINUTE_NANO),
        "until_unix_nano": np.full(groups, counted.end_minute * MINUTE_NANO),
        "service_name": [name["service_name"] for name in names],
        "service_version": [name["service_version"] for name in names],
        "operation": [name["operation"] for name in names],
        "dimensions": [_dimensions(name, request.grouped) for name in names],
        "requests": requests,
        "spans": spans.astype(np.int64),
        "requests_per_second": requests / seconds if groups else requests,
        "error_ratio": ratio,
        "error_ratio_low": low,
        "error_ratio_high": high,
        "clock_errors": clock_errors.astype(np.int64),
        "method": [request.method] * groups,
        "confidence": np.full(groups, request.confidence),
    }


def _dimensions(names: Mapping[str, object], grouped: tuple[str, ...]) -> list[tuple[str, object]]:
    """Give a group's own name: every grouped dimension by its attribute's name."""
    kind = names["kind"]
    spoken = {**names, "kind": KIND_NAMES[kind] if isinstance(kind, int) else None}
    return [(DIMENSIONS[column], spoken[column]) for column in grouped]


def _durations(counted: Counted) -> dict[str, object]:
    """Work out each group's least, greatest and mean duration; NULL where none is known."""
    buckets, groups = counted.buckets, counted.groups
    known = np.bincount(buckets.group, minlength=groups) > 0
    durations = counted.rows.filter(counted.rows["bucket"].is_valid())
    least, most = np.full(groups, 2**63 - 1), np.zeros(groups, dtype=np.int64)
    np.minimum.at(least, buckets.group, durations["duration_min_nano"].to_numpy())
    np.maximum.at(most, buckets.group, durations["duration_max_nano"].to_numpy())
    sums = durations["duration_sum_nano"].to_numpy()
    total = np.bincount(buckets.group, weights=sums, minlength=groups)
    mean = np.divide(total, buckets.size, out=np.full(groups, np.nan), where=known)
    return {
        "duration_nano_min": pa.array(least, mask=~known),
        "duration_nano_max": pa.array(most, mask=~known),
        "duration_nano_mean": mean,
    }


def _quantiles(
    buckets: BucketCounts, outer: BucketCounts, request: BaselineRequest
) -> dict[str, object]:
    """Work out each group's quantiles in one set of buckets and what bounds them in another."""
    points = quantiles(buckets, QUANTILES)
    low, high = quantile_bounds(outer, QUANTILES, request.confidence)
    columns: dict[str, object] = {}
    for position, quantile in enumerate(QUANTILES):
        name = f"duration_nano_{quantile_name(quantile)}"
        columns[name] = points[:, position]
        columns[f"{name}_low"] = low[:, position]
        columns[f"{name}_high"] = high[:, position]
    return columns


def _table(columns: dict[str, object]) -> pa.Table:
    """Make the result of its columns."""
    return pa.table(
        [_array(columns[field.name], field) for field in RESULT_SCHEMA], schema=RESULT_SCHEMA
    )


def _array(column: object, field: pa.Field) -> pa.Array:
    """Make a column of the result; a number that is none becomes NULL."""
    if isinstance(column, pa.Array):
        return column
    return pa.array(column, type=field.type, from_pandas=True)


def _notes(request: BaselineRequest, counted: Counted, table: pa.Table) -> Iterator[str]:
    """Say what the table does not."""
    if counted.groups == 0:
        hint = "; kind 'all' counts every span" if request.kind == "requests" else ""
        if request.source == "metrics":
            hint = "; of metrics, histograms of http.server and rpc.server durations count"
        yield f"no matching requests in the window{hint}"
        return
    asked = (request.since_unix_nano, request.until_unix_nano)
    if any(nanos is not None and nanos % MINUTE_NANO for nanos in asked):
        yield "the window was widened to whole minutes"
    clock_errors = int(np.sum(table["clock_errors"].to_numpy()))
    if clock_errors:
        yield (
            f"{clock_errors} spans end before they start (clock errors): counted as requests, "
            f"left out of durations"
        )
    for quantile in QUANTILES:
        name = quantile_name(quantile)
        open_ended = table[f"duration_nano_{name}_high"].null_count
        if open_ended:
            yield (
                f"{name}: {open_ended} of {counted.groups} groups have too few requests for an "
                f"upper bound"
            )


def _resolution_notes(metrics: CountedMetrics) -> Iterator[str]:
    """Say where the SDK's buckets are too wide for a quantile to mean much."""
    buckets = metrics.counted.buckets
    if len(buckets.group) == 0:
        return
    rows = buckets.find(buckets.size[:, None] * np.asarray(QUANTILES)[None, :])
    limited = (metrics.limited[rows] & (buckets.size[:, None] > 0)).sum(axis=0)
    for quantile, groups in zip(QUANTILES, limited.tolist(), strict=True):
        if groups:
            yield (
                f"{quantile_name(quantile)}: resolution is limited, in {groups} of "
                f"{buckets.groups} groups it lies in a bucket of the SDK wider than 5 %"
            )
