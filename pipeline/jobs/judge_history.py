"""A baseline of another time: earlier windows read and compared, or one that was saved."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa

from pipeline.errors import UsageError
from pipeline.jobs import baseline_store
from pipeline.jobs.judge_answer import CELLS, SAVED_GROUPS, Comparison, Counts, Inputs
from pipeline.jobs.judge_cells import (
    Part,
    by_operation,
    counts_of,
    floats,
    side_of,
    versioned_cells,
)
from pipeline.jobs.judge_compare import Clock, Halves
from pipeline.jobs.judge_request import JudgeRequest
from pipeline.lake import Lake
from pipeline.schema.baselines import quantile_name
from pipeline.schema.rollups import MINUTE_NANO
from pipeline.stats.shift import Shift
from pipeline.stats.windows import (
    LEAST_WINDOWS,
    kept_share,
    kept_shift,
    windows_share,
    windows_shift,
)

_ORDER = ("service_name", "operation", "side", "window", "instance", "minute", "bucket", "stratum")
_DAY_MINUTES = 1440
# 1970-01-01 was a Thursday, three days after a Monday.
_THURSDAY, _WEEK_DAYS, _SATURDAY = 3, 7, 5


def read_earlier(lake: Lake, request: JudgeRequest, until_unix_nano: int | None) -> Inputs:
    """Read the canary, and the baseline's earlier windows on the canary's clock.

    Args:
        lake: the lake.
        request: the question; its baseline is earlier.
        until_unix_nano: the canary's last minute ends there at the latest; None for open.

    Returns:
        Cells with a column ``window``: 0 for the canary, else how many shifts earlier.

    Raises:
        UsageError: the windows hold the canary's own minutes.
        LakeError, CommitConflict, LakeUnavailable: as for the judge's ``run``.
    """
    window = (request.since_unix_nano, until_unix_nano)
    canary, versions = versioned_cells(lake, request.side_values(1), *window)
    tables = [_placed(canary, 1, 0, 0)]
    if canary.num_rows:
        minute = canary["minute"].to_numpy()
        first, end = int(minute.min()), int(minute.max()) + 1
        shift = request.baseline_shift_minutes
        if shift < end - first:
            raise UsageError(
                f"judge: the canary's window is {end - first} minutes long, and the baseline only "
                f"{shift} earlier; give --since, or a longer shift"
            )
        for number in range(1, request.baseline_windows + 1):
            if _weekend(first - number * shift) != _weekend(first):
                continue
            since, until = ((each - number * shift) * MINUTE_NANO for each in (first, end))
            if since < 0:
                break
            rows, _ = versioned_cells(lake, request.side_values(0), since, until, versions)
            tables.append(_placed(rows, 0, number, number * shift))
    return Inputs({CELLS: _ordered(pa.concat_tables(tables))}, versions)


def read_saved(lake: Lake, request: JudgeRequest, until_unix_nano: int | None) -> Inputs:
    """Read the canary, and the groups of the saved baseline.

    Raises:
        UsageError: nothing was saved under this name.
        LakeError, CommitConflict, LakeUnavailable: as for the judge's ``run``.
    """
    groups = baseline_store.load(lake, request.saved)
    window = (request.since_unix_nano, until_unix_nano)
    rows, versions = versioned_cells(lake, request.side_values(1), *window)
    return Inputs({CELLS: _placed(rows, 1, 0, 0), SAVED_GROUPS: groups}, versions)


def _placed(rows: pa.Table, side: int, window: int, later_minutes: int) -> pa.Table:
    """Say of which side and window rows are, and move them to the canary's clock."""
    count = rows.num_rows
    columns = {name: rows[name] for name in rows.column_names}
    columns["side"] = pa.array(np.full(count, side, dtype=np.int32))
    columns["minute"] = pa.array(rows["minute"].to_numpy() + later_minutes, pa.int64())
    columns["window"] = pa.array(np.full(count, window, dtype=np.int32))
    return pa.table(columns)


def _ordered(rows: pa.Table) -> pa.Table:
    """Order rows as those of two sides that were read at once, earlier windows one by one."""
    rows = rows.unify_dictionaries().combine_chunks()
    keys = []
    for name in _ORDER:
        if name not in rows.column_names:
            continue
        column = rows[name].combine_chunks()
        if pa.types.is_dictionary(column.type):
            # Their texts' order, not that in which they came up.
            rank = np.argsort(np.argsort(column.dictionary.to_numpy(zero_copy_only=False)))
            keys.append(rank[column.indices.to_numpy()])
        else:
            keys.append(column.to_numpy(zero_copy_only=False))
    return rows.take(pa.array(np.lexsort(keys[::-1])))


def _weekend(minute: int) -> bool:
    """Tell whether a minute since the epoch is on a Saturday or a Sunday, UTC."""
    return (minute // _DAY_MINUTES + _THURSDAY) % _WEEK_DAYS >= _SATURDAY


def nearest_window(rows: pa.Table) -> pa.Table:
    """Keep the canary, and of the baseline's windows the last before it."""
    window = rows["window"].to_numpy()
    there = window[window > 0]
    nearest = int(there.min()) if len(there) else 0
    return rows.filter(pa.array((window == 0) | (window == nearest)))


def windows_comparison(
    named: tuple[str, str], halves: Halves, request: JudgeRequest, clock: Clock
) -> Comparison | None:
    """Compare an operation with its earlier windows; None where it has too few of them."""
    numbers = np.asarray(halves[0]["window"])
    parts = [
        {name: column[numbers == each] for name, column in halves[0].items()}
        for each in np.unique(numbers)
    ]
    counts = (counts_of(halves[0]), counts_of(halves[1]))
    if len(parts) < LEAST_WINDOWS or not counts[1].requests:
        return None
    timed = [side_of(part, *clock, timed=True) for part in (*parts, halves[1])]
    shifts: dict[float, Shift] = {}
    if all(side.total for side in timed):
        shifts = {p: windows_shift(timed[-1], timed[:-1], p) for p in request.quantiles}
    errors = []
    for name in ("errors", "errors_5xx", "errors_4xx"):
        sums = [float(floats(part[name]).sum()) for part in (*parts, halves[1])]
        totals = [float(floats(part["requests"]).sum()) for part in (*parts, halves[1])]
        shares = np.array(sums) / np.array(totals)
        canary = (float(shares[-1]), counts[1].effective)
        pooled = sum(sums) / sum(totals)
        errors.append(windows_share(canary, shares[:-1], counts[0].effective, pooled))
    minutes = clock[1] - clock[0]
    return Comparison(*named, *counts, minutes, shifts, errors[0], errors[1], errors[2])


def saved_comparisons(
    rows: pa.Table, saved: pa.Table, request: JudgeRequest, clock: Clock
) -> Iterator[Comparison]:
    """Compare each operation with its group of the saved baseline.

    Raises:
        UsageError: an operation has several groups.
    """
    groups: dict[tuple[str, str], dict[str, object]] = {}
    for group in saved.to_pylist():
        key = (group["service_name"] or "", group["operation"] or "")
        if key in groups:
            raise UsageError(
                f"baseline {request.saved}: several groups of {key[0]} {key[1]}; save it "
                "by service.name and operation, with --where for one version"
            )
        groups[key] = group
    seen = set()
    for part in by_operation(rows):
        key = (str(part["service_name"][0]), str(part["operation"][0]))
        seen.add(key)
        yield _saved(key, part, groups.get(key), request, clock)
    wanted = dict(request.canary)
    for key in sorted(groups.keys() - seen):
        named = dict(zip(("service_name", "operation"), key, strict=True))
        if any(wanted.get(name, value) != value for name, value in named.items()):
            continue
        counts = _kept_counts(groups[key])
        yield Comparison(*key, counts, Counts(), clock[1] - clock[0], {}, None, None)


def _saved(
    named: tuple[str, str],
    part: Part,
    group: dict[str, object] | None,
    request: JudgeRequest,
    clock: Clock,
) -> Comparison:
    """Compare one operation with what was kept of it."""
    canary, minutes = counts_of(part), clock[1] - clock[0]
    if group is None:
        return Comparison(*named, Counts(), canary, minutes, {}, None, None)
    every = side_of(part, *clock, timed=False)
    timed = side_of(part, *clock, timed=True)
    shifts = {}
    for p in request.quantiles:
        column = f"duration_nano_{quantile_name(p)}"
        value, low, high = (_number(group.get(column + each)) for each in ("", "_low", "_high"))
        if timed.total and value > 0 and low > 0 and high >= low:
            half = float(np.log(high / low)) / 2
            interval = (half, _number(group["confidence"]))
            shifts[p] = kept_shift(timed, value, interval, p)
    kept = _kept_counts(group)
    failed = every.add_up(floats(part["errors"]))
    errors = kept_share(every, failed, kept.errors / kept.requests, kept.effective)
    found = Comparison(*named, kept, canary, minutes, shifts, errors, None)
    return replace(found, one_window=True)


def _kept_counts(group: dict[str, object]) -> Counts:
    """Give a group's counts; how many instances it had was not kept."""
    requests = _number(group["requests"])
    errors = requests * max(_number(group["error_ratio"]), 0.0)
    since, until = (int(_number(group[f"{end}_unix_nano"])) for end in ("since", "until"))
    clock = (since // MINUTE_NANO, -(-until // MINUTE_NANO))
    return Counts(requests, _number(group["spans"]), errors, 0.0, 0, *clock)


def _number(value: object) -> float:
    """Give a number; -1 for NULL."""
    return float(value) if isinstance(value, int | float) else -1.0
