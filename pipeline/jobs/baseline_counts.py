"""What a baseline counts: groups and buckets read from the rollups, single values from spans."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.errors import NotEnoughData
from pipeline.jobs.baseline_request import DIMENSIONS, BaselineRequest
from pipeline.jobs.job import Connection, ask, asking, define_view
from pipeline.lake import DataFile, Lake, Snapshot, take_snapshot
from pipeline.lake.catalog import define_table
from pipeline.rollup import Update
from pipeline.schema import LATENCY_HOURS, LATENCY_MINUTES, SPANS
from pipeline.schema.baselines import QUANTILES
from pipeline.schema.rollups import HOUR_NANO, MINUTE_NANO
from pipeline.stats.quantiles import BucketCounts, deciding_rows

_MINUTES_AN_HOUR = HOUR_NANO // MINUTE_NANO


@dataclass(frozen=True)
class Minutes:
    """Minutes since the epoch, first to end, and the whole hours between that hours answer for."""

    first: int
    end: int
    first_hour: int
    end_hour: int

    def values(self) -> dict[str, object]:
        """Give what the statement's names of times stand for."""
        return {
            "first_minute": self.first,
            "end_minute": self.end,
            "first_hour": self.first_hour,
            "end_hour": self.end_hour,
        }


@dataclass(frozen=True)
class Counted:
    """Groups and their buckets.

    Attributes:
        rows: a row a group and bucket, ordered by group and bucket; NULL is the last bucket.
        group: each row's group.
        buckets: the rows whose bucket is not NULL, as the statistics take them.
        first_minute, end_minute: the window covered, in minutes since the epoch; both 0 for none.
    """

    rows: pa.Table
    group: NDArray[np.int64]
    buckets: BucketCounts
    first_minute: int
    end_minute: int

    @property
    def groups(self) -> int:
        """Give the number of groups."""
        return self.buckets.groups


def count(lake: Lake, request: BaselineRequest, versions: Update) -> Counted:
    """Count what a request asks for in the rollups, at versions that belong together.

    Args:
        lake: the lake.
        request: window, filters and groups; an end of the window inside a minute takes all of it.
        versions: the update that brought the rollups up to date.

    Returns:
        The counts; no rows when nothing matches.

    Raises:
        LakeError: a file cannot be read.
    """
    minutes = take_snapshot(lake, LATENCY_MINUTES, versions.minutes_version)
    hours = take_snapshot(lake, LATENCY_HOURS, versions.hours_version)
    window = _window(request, minutes, hours)
    with asking() as connection:
        rows = _rows(connection, request, window, minutes, hours)
        first, end = _covered(connection, request, rows, window, minutes)
    order = [*request.grouped, "bucket"]
    rows = rows.sort_by([(column, "ascending") for column in order])
    group = group_numbers(rows, request.grouped)
    return Counted(rows, group, _bucket_counts(rows, group), first, end)


def refine(
    lake: Lake, request: BaselineRequest, versions: Update, counted: Counted
) -> BucketCounts:
    """Replace the buckets that decide a quantile or a bound by the values in them.

    Args:
        lake: the lake.
        request: the one that was counted.
        versions: those it was counted at.
        counted: the counts.

    Returns:
        Counts of which quantiles and bounds are exact.

    Raises:
        NotEnoughData: spans that the rollup counts are no longer kept.
        LakeError: a file cannot be read.
    """
    counts = counted.buckets
    deciding = deciding_rows(counts, QUANTILES, request.confidence)
    since, until = counted.first_minute * MINUTE_NANO, counted.end_minute * MINUTE_NANO
    named = counted.rows.filter(pc.is_valid(counted.rows["bucket"])).take(deciding)
    with asking() as connection:
        spans = take_snapshot(lake, SPANS, versions.spans_version)
        define_table(connection, SPANS, [file.path for file in spans.between(since, until)])
        define_view(connection, "span_facts")
        named = named.select([*DIMENSIONS, "bucket"])
        connection.register(
            "deciding_buckets", named.append_column("row_index", pa.array(deciding))
        )
        window = {"since_unix_nano": since, "until_unix_nano": until}
        values = ask(connection, "baseline_values", request.values() | window)
    return _replace_rows(counts, deciding, values)


def _window(request: BaselineRequest, minutes: Snapshot, hours: Snapshot) -> Minutes:
    """Settle the minutes to read; an open end is where the rollups end."""
    steps = [
        (file.time_min * step, (file.time_max + 1) * step)
        for snapshot, step in ((minutes, 1), (hours, _MINUTES_AN_HOUR))
        for file in snapshot.files
        if file.time_min is not None and file.time_max is not None
    ]
    since, until = request.since_unix_nano, request.until_unix_nano
    first = min((step[0] for step in steps), default=0)
    end = max((step[1] for step in steps), default=0)
    first = first if since is None else since // MINUTE_NANO
    end = end if until is None else -(-until // MINUTE_NANO)
    first_hour, end_hour = -(-first // _MINUTES_AN_HOUR), end // _MINUTES_AN_HOUR
    if request.uses_instances or first_hour >= end_hour:
        first_hour = end_hour = 0
    return Minutes(first, end, first_hour, end_hour)


def _rows(
    connection: Connection,
    request: BaselineRequest,
    window: Minutes,
    minutes: Snapshot,
    hours: Snapshot,
) -> pa.Table:
    """Ask for groups and buckets in the files that the window touches."""
    hour_start, hour_end = window.first_hour * HOUR_NANO, window.end_hour * HOUR_NANO
    first, end = window.first * MINUTE_NANO, window.end * MINUTE_NANO
    files: dict[DataFile, None] = {}
    if hour_start < hour_end:
        files.update(dict.fromkeys(minutes.between(first, hour_start)))
        files.update(dict.fromkeys(minutes.between(hour_end, end)))
    else:
        files.update(dict.fromkeys(minutes.between(first, end)))
    define_table(connection, LATENCY_MINUTES, [file.path for file in files])
    whole = hours.between(hour_start, hour_end)
    define_table(connection, LATENCY_HOURS, [file.path for file in whole])
    return ask(connection, "baseline", request.values() | window.values())


def _covered(
    connection: Connection,
    request: BaselineRequest,
    rows: pa.Table,
    window: Minutes,
    minutes: Snapshot,
) -> tuple[int, int]:
    """Give the minutes covered: as asked, or at an open end as far as what was counted goes."""
    if rows.num_rows == 0:
        return (
            window.first if request.since_unix_nano is not None else 0,
            window.end if request.until_unix_nano is not None else 0,
        )
    first, end = pc.min(rows["first_minute"]).as_py(), pc.max(rows["end_minute"]).as_py()
    if window.first_hour < window.end_hour:
        # What came from an hour is known to the hour; its minutes tell more while they are kept.
        first, end = _sharpened(connection, request, first, end, minutes)
    return (
        first if request.since_unix_nano is None else window.first,
        end if request.until_unix_nano is None else window.end,
    )


def _sharpened(
    connection: Connection, request: BaselineRequest, first: int, end: int, minutes: Snapshot
) -> tuple[int, int]:
    """Find the first and the end minute inside the hours that they are in."""
    if None not in (request.since_unix_nano, request.until_unix_nano):
        return first, end
    first_hour, last_hour = first // _MINUTES_AN_HOUR, (end - 1) // _MINUTES_AN_HOUR
    files = dict.fromkeys(
        file.path
        for hour in (first_hour, last_hour)
        for file in minutes.between(hour * HOUR_NANO, (hour + 1) * HOUR_NANO)
    )
    define_table(connection, LATENCY_MINUTES, list(files))
    filters = {k: v for k, v in request.values().items() if not k.startswith("by_")}
    hours = {"first_hour": first_hour, "last_hour": last_hour}
    found = ask(connection, "baseline_window", filters | hours).to_pylist()[0]
    in_first = found["first_minute"] is not None and found["first_minute"] < (first_hour + 1) * 60
    in_last = found["end_minute"] is not None and found["end_minute"] > last_hour * 60
    return (found["first_minute"] if in_first else first, found["end_minute"] if in_last else end)


def group_numbers(rows: pa.Table, columns: tuple[str, ...]) -> NDArray[np.int64]:
    """Number the groups of rows that are ordered by these columns from 0.

    Args:
        rows: n rows.
        columns: those that tell groups apart.
    """
    changed = np.zeros(rows.num_rows, dtype=bool)
    for column in columns:
        encoded = rows[column].combine_chunks().dictionary_encode(null_encoding="encode")
        codes = encoded.indices.to_numpy()
        changed[1:] |= codes[1:] != codes[:-1]
    return np.cumsum(changed)


def _bucket_counts(rows: pa.Table, group: NDArray[np.int64]) -> BucketCounts:
    """Take the rows with a bucket as the statistics want them."""
    known = rows["bucket"].is_valid().to_numpy()
    kept = rows.filter(pa.array(known))
    return BucketCounts(
        groups=int(group[-1]) + 1 if len(group) else 0,
        group=group[known],
        requests=kept["requests"].to_numpy(),
        requests_squared=kept["requests_squared"].to_numpy(),
        spans=kept["spans"].to_numpy(),
        total=kept["duration_sum_nano"].to_numpy(),
        least=kept["duration_min_nano"].to_numpy().astype(np.float64),
        most=kept["duration_max_nano"].to_numpy().astype(np.float64),
    )


def _replace_rows(
    counts: BucketCounts, deciding: NDArray[np.int64], values: pa.Table
) -> BucketCounts:
    """Put a row a value in the place of each deciding row."""
    row = values["row_index"].to_numpy()
    spans = values["spans"].to_numpy()
    found = np.bincount(row, weights=spans, minlength=len(counts.group))[deciding]
    if (found != counts.spans[deciding]).any():
        raise NotEnoughData(
            f"exact quantiles: the rollup counts {counts.spans[deciding].sum()} spans where the "
            f"lake still has {int(found.sum())}; narrow the window to days that are kept, or "
            f"leave out --exact"
        )
    kept = np.ones(len(counts.group), dtype=bool)
    kept[deciding] = False
    value = values["duration_nano"].to_numpy().astype(np.float64)
    weights, squares = values["requests"].to_numpy(), values["requests_squared"].to_numpy()
    order = np.lexsort(
        (np.append(counts.least[kept], value), np.append(counts.group[kept], counts.group[row]))
    )

    def joined(old: NDArray[Any], new: NDArray[Any]) -> NDArray[Any]:
        return np.append(old[kept], new)[order]

    return BucketCounts(
        groups=counts.groups,
        group=joined(counts.group, counts.group[row]),
        requests=joined(counts.requests, weights),
        requests_squared=joined(counts.requests_squared, squares),
        spans=joined(counts.spans, spans),
        total=joined(counts.total, weights * value),
        least=joined(counts.least, value),
        most=joined(counts.most, value),
    )
