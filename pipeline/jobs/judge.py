"""Compare two sides, operation by operation: latency quantiles and errors, with what is sure."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from operator import itemgetter

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.jobs.baseline_request import DIMENSIONS
from pipeline.jobs.job import Job
from pipeline.jobs.judge_answer import (
    CELLS,
    SAVED_GROUPS,
    Comparison,
    Counts,
    Inputs,
    Judged,
    Traffic,
)
from pipeline.jobs.judge_cells import (
    Names,
    Part,
    by_operation,
    cells,
    check_keys,
    columns_of,
    counts_of,
    floats,
    side_of,
    versioned_cells,
)
from pipeline.jobs.judge_compare import Clock, Halves, service_comparisons
from pipeline.jobs.judge_history import (
    nearest_window,
    read_earlier,
    read_saved,
    saved_comparisons,
    windows_comparison,
)
from pipeline.jobs.judge_request import SAVED, JudgeRequest
from pipeline.jobs.judge_rows import runs_of
from pipeline.jobs.judge_window import Window, find_window, settled_until
from pipeline.lake import Lake
from pipeline.schema import LATENCY_MINUTES
from pipeline.stats.traffic import change_of_split, split_of
from pipeline.stats.windows import LEAST_WINDOWS

__all__ = [
    "CELLS",
    "JUDGE",
    "Comparison",
    "Counts",
    "Inputs",
    "Judged",
    "Part",
    "by_operation",
    "cells",
    "compare",
    "counts_of",
    "read",
    "run",
    "side_of",
]


def run(lake: Lake, request: JudgeRequest) -> Judged:
    """Compare two sides.

    Args:
        lake: the lake; its rollups are brought up to date first.
        request: which sides, when.

    Returns:
        Comparisons; none where neither side has a request.

    Raises:
        UsageError: a key that no resource has, or a baseline that was never saved.
        LakeError: a file cannot be read.
        CommitConflict, LakeUnavailable: the rollups cannot be brought up to date.
    """
    return compare(read(lake, request), request)


def read(lake: Lake, request: JudgeRequest) -> Inputs:
    """Read all rows that a judgement is made of.

    Raises:
        UsageError, LakeError, CommitConflict, LakeUnavailable: as for ``run``.
    """
    until = settled_until(request)
    if request.saved:
        inputs = read_saved(lake, request, until)
    elif request.historic:
        inputs = read_earlier(lake, request, until)
    else:
        # Minutes that are not over are read as well: the answer tells of them.
        window = (request.since_unix_nano, request.until_unix_nano)
        rows, versions = versioned_cells(lake, request.values(), *window)
        inputs = Inputs({CELLS: rows}, versions)
    sides = inputs.tables[CELLS]["side"].to_numpy()
    for number, pairs in enumerate((request.baseline, request.canary)):
        keys = tuple(key for key, _ in pairs if key not in DIMENSIONS and key != SAVED)
        if keys and not (sides == number).any():
            check_keys(lake, keys)
    return inputs


def compare(inputs: Inputs, request: JudgeRequest) -> Judged:
    """Compare what was read: the same rows give the same answer, wherever they come from.

    Raises:
        UsageError: the saved baseline has several groups of an operation.
    """
    rows, notes = inputs.tables[CELLS], list[str]()
    windows = 0
    if request.historic:
        number = rows["window"].to_numpy()
        windows = len(np.unique(number[number > 0]))
        if windows < LEAST_WINDOWS:
            notes.append(f"{windows} earlier windows have requests, {LEAST_WINDOWS} are needed")
            rows = nearest_window(rows)
    columns, names = columns_of(rows)
    window = find_window(columns, names["instance"], request)
    clock = (window.first_minute, window.end_minute)
    if request.saved:
        kept = rows.filter(pa.array(window.kept))
        found = tuple(saved_comparisons(kept, inputs.tables[SAVED_GROUPS], request, clock))
    else:
        inside = columns
        if not window.kept.all():
            inside = {name: column[window.kept] for name, column in columns.items()}
        found = tuple(_comparisons(inside, names, request, clock, windows))
    return Judged(
        request,
        found,
        *clock,
        window.shared,
        inputs.versions.get(LATENCY_MINUTES.name, -1),
        _traffic(columns, window, request),
        window.last_minutes,
        windows,
        (*window.notes, *notes),
    )


def _comparisons(
    columns: Part, names: Names, request: JudgeRequest, clock: Clock, windows: int
) -> Iterator[Comparison]:
    """Compare service by service, in the order of the rows."""
    for _, parts in groupby(_parts(columns, names), key=itemgetter(0)):
        if windows < LEAST_WINDOWS:
            found = service_comparisons(list(parts), request, clock)
            yield from (replace(each, one_window=request.historic) for each in found)
            continue
        for service, operation, halves in parts:
            named = (service, operation)
            of_windows = windows_comparison(named, halves, request, clock)
            if of_windows is not None:
                yield of_windows
                continue
            near = (_nearest(halves[0]), halves[1])
            for each in service_comparisons([(service, operation, near)], request, clock):
                yield replace(each, one_window=True)


def _nearest(half: Part) -> Part:
    """Keep the last of one operation's earlier windows."""
    window = half["window"]
    if not len(window):
        return half
    kept = window == window.min()
    return {name: column[kept] for name, column in half.items()}


def _parts(columns: Part, names: Names) -> Iterator[tuple[str, str, Halves]]:
    """Cut ordered rows into operations, and each into its sides."""
    if not len(columns["side"]):
        return
    columns = dict(columns)
    services, operations = columns.pop("service_name_code"), columns.pop("operation_code")
    starts = runs_of(services, operations, columns["side"]).tolist()
    cut: dict[tuple[int, int], dict[int, slice]] = {}
    for start, stop in zip(starts, [*starts[1:], len(services)], strict=True):
        key = (int(services[start]), int(operations[start]))
        cut.setdefault(key, {})[int(columns["side"][start])] = slice(start, stop)
    nothing = slice(0, 0)
    for (service, operation), sides in cut.items():
        halves = [
            {name: column[sides.get(side, nothing)] for name, column in columns.items()}
            for side in (0, 1)
        ]
        named = (str(names["service_name"][service]), str(names["operation"][operation]))
        yield *named, (halves[0], halves[1])


def _traffic(columns: Part, window: Window, request: JudgeRequest) -> Traffic | None:
    """Tell how requests are split; None where there is nothing to split."""
    if request.historic or request.saved or window.shared == 0.0:
        return None
    sides: list[NDArray[np.float64]] = []
    for side in (0, 1):
        own = window.kept & (columns["side"] == side)
        place = np.asarray(columns["minute"], dtype=np.int64)[own] - window.first_minute
        minutes = window.end_minute - window.first_minute
        requests = np.bincount(place, floats(columns["requests"])[own], minutes)
        sides.append(requests.astype(np.float64))
    totals = (float(sides[0].sum()), float(sides[1].sum()))
    if not all(totals):
        return None
    return Traffic(*split_of(*sides), change_of_split(*sides), totals)


JUDGE = Job("judge", "what got worse between two sides, and how sure that is", run)
