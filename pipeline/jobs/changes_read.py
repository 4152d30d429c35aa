"""Series of a lake: saved baselines, or the rollups by window or version."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.errors import UsageError
from pipeline.jobs.baseline_request import DIMENSIONS, KINDS
from pipeline.jobs.changes_request import (
    LEAST_REQUESTS,
    METRICS,
    ChangesRequest,
    Series,
    better_of,
)
from pipeline.jobs.job import ask, asking
from pipeline.lake import Lake, Snapshot, take_snapshot
from pipeline.lake.catalog import define_table
from pipeline.rollup import update
from pipeline.schema import BASELINES, LATENCY_HOURS, LATENCY_MINUTES
from pipeline.schema.rollups import MINUTE_NANO

_SECONDS_A_MINUTE = 60
_HOUR_MINUTES = 60
_LAST_NANO = 2**63 - 1


def read_saved(lake: Lake, request: ChangesRequest) -> list[Series]:
    """Read the history of the baselines saved under a name.

    Raises:
        UsageError: nothing was saved under it.
        LakeError: a file cannot be read.
    """
    since, until = request.since_unix_nano, request.until_unix_nano
    values = request.values() | {
        "baseline": request.saved,
        "since_unix_nano": 0 if since is None else since,
        "until_unix_nano": _LAST_NANO if until is None else until,
    }
    with asking() as connection:
        files = take_snapshot(lake, BASELINES).files
        define_table(connection, BASELINES, [file.path for file in files])
        rows = ask(connection, "changes_saved", values)
        if not rows.num_rows:
            known = connection.execute("SELECT DISTINCT baseline FROM baselines ORDER BY 1")
            names = ", ".join(name for (name,) in known.fetchall()) or "none yet"
            raise UsageError(f"saved baseline {request.saved}: no runs; saved ones: {names}")
    own = [column for column in DIMENSIONS if column not in request.attributes]
    return _series(rows, request, own, list(request.attributes), _times(rows))


def read_windows(lake: Lake, request: ChangesRequest) -> list[Series]:
    """Count windows or versions in the rollups, after bringing them up to date.

    Windows that the data do not fill, the first and the last, are left out: less traffic there
    would be no change.

    Raises:
        LakeError, CommitConflict, LakeUnavailable: the lake cannot be read or brought up to date.
    """
    versions = update(lake)
    minutes = take_snapshot(lake, LATENCY_MINUTES, versions.minutes_version)
    hours = take_snapshot(lake, LATENCY_HOURS, versions.hours_version)
    step = request.step_minutes
    values = request.values() | request.minutes()
    values |= {
        "by_hours": step % _HOUR_MINUTES == 0,
        "by_version": request.by_version,
        "step_minutes": step,
        "kinds": list(KINDS[request.kind]),
    }
    with asking() as connection:
        for table, snapshot in ((LATENCY_MINUTES, minutes), (LATENCY_HOURS, hours)):
            define_table(connection, table, [file.path for file in snapshot.files])
        rows = ask(connection, "changes_windows", values)
    if not rows.num_rows:
        return []
    first, end = rows["first_minute"].to_numpy(), rows["end_minute"].to_numpy()
    if request.by_version:
        seconds = (end - first) * _SECONDS_A_MINUTE
        time = end * MINUTE_NANO
    else:
        first_whole, end_whole = _covered(minutes, hours, request)
        steps = rows["step"].to_numpy()
        whole = (steps * step >= first_whole) & ((steps + 1) * step <= end_whole)
        rows = rows.filter(pa.array(whole))
        seconds = np.full(rows.num_rows, step * _SECONDS_A_MINUTE)
        time = rows["step"].to_numpy() * step * MINUTE_NANO
    rate = rows["requests"].to_numpy() / seconds
    rows = rows.append_column("requests_per_second", pa.array(rate))
    rows = rows.append_column("time_unix_nano", pa.array(time))
    called = _texts(rows, "service_version") if request.by_version else _times(rows)
    return _series(rows, request, ["service_name", "operation"], ["service_version"], called)


def _covered(minutes: Snapshot, hours: Snapshot, request: ChangesRequest) -> tuple[int, int]:
    """Give the first minute that the rollups and the question cover, and the end."""
    asked_since, asked_until = request.since_unix_nano, request.until_unix_nano
    first, end = (
        [getattr(file, name) for file in minutes.files if getattr(file, name) is not None]
        for name in ("time_min", "time_max")
    )
    oldest = [file.time_min for file in hours.files if file.time_min is not None]
    begins, ends = min(first, default=0), max(end, default=-1) + 1
    # Hours are kept longer; of the first hour that minutes are kept of, these know where it starts.
    if oldest and min(oldest) < begins // _HOUR_MINUTES:
        begins = min(oldest) * _HOUR_MINUTES
    begins = begins if asked_since is None else max(begins, -(-asked_since // MINUTE_NANO))
    ends = ends if asked_until is None else min(ends, asked_until // MINUTE_NANO)
    return begins, ends


def _series(
    rows: pa.Table,
    request: ChangesRequest,
    own: list[str],
    labels: list[str],
    times: NDArray[np.str_],
) -> list[Series]:
    """Cut rows in the order of time into a series a combination of ``own`` and metric."""
    group, names = np.zeros(rows.num_rows, dtype=np.int64), []
    texts = {column: _texts(rows, column) for column in (*own, *labels)}
    for column in own:
        distinct, codes = np.unique(texts[column], return_inverse=True)
        group = group * len(distinct) + codes
    _, first, group = np.unique(group, return_index=True, return_inverse=True)
    for place in first:
        pairs = [(DIMENSIONS[column], str(texts[column][place])) for column in own]
        names.append(tuple(pair for pair in pairs if pair[1]))
    order = np.argsort(group, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(group, minlength=len(first)))[:-1])
    requests = rows["requests"].to_numpy()
    found = []
    for name, part in zip(names, parts, strict=True):
        told = tuple((DIMENSIONS[each], tuple(texts[each][part].tolist())) for each in labels)
        for metric in request.metrics:
            unit, divisor = METRICS[metric]
            values = rows[metric].to_numpy()[part].astype(np.float64) / divisor
            few = requests[part] < LEAST_REQUESTS.get(metric, 1)
            values[few] = np.nan
            better = better_of(metric, request.better)
            called = tuple(times[part].tolist())
            found.append(Series(name, metric, unit, better, values, called, told, int(few.sum())))
    return found


def _times(rows: pa.Table) -> NDArray[np.str_]:
    """Give the time of each row as text."""
    nanos = rows["time_unix_nano"].to_numpy().astype("datetime64[ns]")
    return np.asarray(np.datetime_as_string(nanos, unit="s", timezone="UTC"))


def _texts(rows: pa.Table, column: str) -> NDArray[np.str_]:
    """Give a column of texts; empty for NULL."""
    return np.array([value or "" for value in rows[column].to_pylist()], dtype=np.str_)
