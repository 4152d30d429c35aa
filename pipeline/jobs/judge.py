"""Compare two sides, operation by operation: latency quantiles and errors, with what is sure."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.jobs.job import Job, ask, asking
from pipeline.jobs.judge_request import JudgeRequest
from pipeline.lake import Lake, take_snapshot
from pipeline.lake.catalog import define_table
from pipeline.rollup import update
from pipeline.schema import LATENCY_MINUTES
from pipeline.schema.rollups import MINUTE_NANO
from pipeline.stats.cells import Floats, Ints, Side
from pipeline.stats.share_shift import ShareShift, share_shift
from pipeline.stats.shift import Pair, Shift

# Requests of both sides, by service, operation, instance, minute and bucket.
CELLS = "cells"

# Rows of one operation, by column.
Part = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Counts:
    """What a side has of an operation.

    Attributes:
        requests: weighted.
        effective: how many unweighted ones tell as much.
        errors, errors_5xx: of the requests.
        instances: how many had any.
        first_minute, end_minute: when, in minutes since the epoch; both 0 for no requests.
    """

    requests: float = 0.0
    effective: float = 0.0
    errors: float = 0.0
    errors_5xx: float = 0.0
    instances: int = 0
    first_minute: int = 0
    end_minute: int = 0


@dataclass(frozen=True)
class Comparison:
    """One operation on both sides.

    Attributes:
        service_name: empty where the sides are two services.
        operation: its name.
        baseline, canary: what there is.
        minutes: of the clock that both sides share.
        shifts: by quantile; empty where a side has no requests.
        errors, errors_5xx: None where a side has no requests.
    """

    service_name: str
    operation: str
    baseline: Counts
    canary: Counts
    minutes: int
    shifts: dict[float, Shift]
    errors: ShareShift | None
    errors_5xx: ShareShift | None


@dataclass(frozen=True)
class Inputs:
    """All that a judgement is made of, so that it can be kept and made again.

    Attributes:
        tables: rows, by what they are; CELLS is always there.
        versions: of the lake's tables that were read, by table.
    """

    tables: dict[str, pa.Table]
    versions: dict[str, int]


@dataclass(frozen=True)
class Judged:
    """What a judgement found.

    Attributes:
        request: the question.
        comparisons: one an operation, by service and name.
        first_minute, end_minute: the window compared, in minutes since the epoch.
        shared: share of the minutes of either side that both have.
        minutes_version: of latency_minutes in the lake.
    """

    request: JudgeRequest
    comparisons: tuple[Comparison, ...]
    first_minute: int
    end_minute: int
    shared: float
    minutes_version: int


def run(lake: Lake, request: JudgeRequest) -> Judged:
    """Compare two sides.

    Args:
        lake: the lake; its rollups are brought up to date first.
        request: which sides, when.

    Returns:
        Comparisons; none where neither side has a request.

    Raises:
        LakeError: a file cannot be read.
        CommitConflict, LakeUnavailable: the rollups cannot be brought up to date.
    """
    return compare(read(lake, request), request)


def read(lake: Lake, request: JudgeRequest) -> Inputs:
    """Read all rows that a judgement is made of.

    Raises:
        LakeError, CommitConflict, LakeUnavailable: as for ``run``.
    """
    window = (request.since_unix_nano, request.until_unix_nano)
    rows, version = cells(lake, request.values(), *window)
    return Inputs({CELLS: rows}, {LATENCY_MINUTES.name: version})


def compare(inputs: Inputs, request: JudgeRequest) -> Judged:
    """Compare what was read: the same rows give the same answer, wherever they come from."""
    rows, version = inputs.tables[CELLS], inputs.versions[LATENCY_MINUTES.name]
    side, minute = rows["side"].to_numpy(), rows["minute"].to_numpy()
    spans = [
        (int(minute[side == each].min()), int(minute[side == each].max()) + 1)
        for each in (0, 1)
        if (side == each).any()
    ]
    first, end, shared = _common(spans)
    kept = rows.filter(pa.array((minute >= first) & (minute < end)))
    found = tuple(_compare(part, request, first, end) for part in by_operation(kept))
    return Judged(request, found, first, end, shared, version)


def cells(
    lake: Lake, values: dict[str, object], since_unix_nano: int | None, until_unix_nano: int | None
) -> tuple[pa.Table, int]:
    """Read the cells of one side or two, ordered, and the version of latency_minutes they are of.

    Raises:
        LakeError, CommitConflict, LakeUnavailable: as for ``run``.
    """
    version = update(lake).minutes_version
    snapshot = take_snapshot(lake, LATENCY_MINUTES, version)
    since, until = since_unix_nano, until_unix_nano
    window: dict[str, object] = {
        "first_minute": 0 if since is None else since // MINUTE_NANO,
        "end_minute": 1 << 40 if until is None else -(-until // MINUTE_NANO),
    }
    with asking() as connection:
        define_table(connection, LATENCY_MINUTES, [file.path for file in snapshot.files])
        return ask(connection, "judge_cells", values | window), version


def _common(spans: list[tuple[int, int]]) -> tuple[int, int, float]:
    """Give the minutes that both sides have, and their share of those that either has."""
    if not spans:
        return 0, 0, 0.0
    first, end = max(span[0] for span in spans), min(span[1] for span in spans)
    union = max(span[1] for span in spans) - min(span[0] for span in spans)
    if len(spans) == 1 or first >= end:
        # Nothing in common: each side is told with what it has.
        return min(span[0] for span in spans), max(span[1] for span in spans), 0.0
    return first, end, (end - first) / union


def by_operation(rows: pa.Table) -> Iterator[Part]:
    """Cut rows that are ordered by service and operation; columns by name."""
    if not rows.num_rows:
        return
    columns = {name: rows[name].to_numpy(zero_copy_only=False) for name in rows.column_names}
    services = rows["service_name"].combine_chunks().dictionary_encode()
    names = rows["operation"].combine_chunks().dictionary_encode()
    codes = services.indices.to_numpy().astype(np.int64) * len(names.dictionary)
    codes += names.indices.to_numpy()
    starts = np.flatnonzero(np.diff(codes, prepend=codes[0] - 1))
    for start, stop in zip(starts, [*starts[1:], len(codes)], strict=True):
        yield {name: column[start:stop] for name, column in columns.items()}


def _compare(part: Part, request: JudgeRequest, first: int, end: int) -> Comparison:
    """Compare one operation."""
    side = part["side"]
    halves = [{name: column[side == each] for name, column in part.items()} for each in (0, 1)]
    baseline, canary = (counts_of(half) for half in halves)
    named = (str(part["service_name"][0]), str(part["operation"][0]))
    if not baseline.requests or not canary.requests:
        return Comparison(*named, baseline, canary, end - first, {}, None, None)
    every = [side_of(half, first, end, timed=False) for half in halves]
    timed = [side_of(half, first, end, timed=True) for half in halves]
    errors, errors_5xx = (
        share_shift(
            every[0],
            every[1],
            [each.add_up(_floats(half[name])) for each, half in zip(every, halves, strict=True)],
        )
        for name in ("errors", "errors_5xx")
    )
    shifts = {}
    if all(each.total for each in timed):
        pair = Pair(timed[0], timed[1])
        shifts = {p: pair.shift(p) for p in request.quantiles}
    return Comparison(*named, baseline, canary, end - first, shifts, errors, errors_5xx)


def counts_of(half: Part) -> Counts:
    """Count one side of an operation."""
    if not len(half["minute"]):
        return Counts()
    requests, squared = _floats(half["requests"]), _floats(half["requests_squared"])
    minutes = half["minute"].astype(np.int64)
    return Counts(
        requests=float(requests.sum()),
        effective=float(requests.sum() ** 2 / squared.sum()),
        errors=float(_floats(half["errors"]).sum()),
        errors_5xx=float(_floats(half["errors_5xx"]).sum()),
        instances=len(np.unique(half["instance"].astype(str))),
        first_minute=int(minutes.min()),
        end_minute=int(minutes.max()) + 1,
    )


def side_of(half: Part, first: int, end: int, timed: bool) -> Side:
    """Give one side as the statistics take it; ``timed`` leaves out what has no duration."""
    bucket = _floats(half["bucket"])
    kept = np.isfinite(bucket) if timed else np.ones(len(bucket), dtype=bool)
    names, instance = np.unique(half["instance"].astype(str), return_inverse=True)
    buckets: Ints = np.nan_to_num(bucket[kept]).astype(np.int64)
    return Side(
        instance=instance[kept].astype(np.int64),
        minute=half["minute"][kept].astype(np.int64) - first,
        bucket=buckets,
        count=_floats(half["requests"])[kept],
        count_squared=_floats(half["requests_squared"])[kept],
        instances=len(names),
        minutes=end - first,
    )


def _floats(column: NDArray[np.generic]) -> Floats:
    return column.astype(np.float64)


JUDGE = Job("judge", "what got worse between two sides, and how sure that is", run)
