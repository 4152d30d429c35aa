"""The rows that explanations are made of: requests of both sides, and the spans of their traces."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.jobs.baseline_request import DIMENSIONS
from pipeline.jobs.job import Connection, ask, asking, define_view
from pipeline.jobs.judge import CELLS, read
from pipeline.jobs.judge_cells import columns_of
from pipeline.jobs.judge_request import SAVED, JudgeRequest
from pipeline.jobs.judge_window import find_window
from pipeline.lake import Lake, take_snapshot
from pipeline.lake.catalog import define_table
from pipeline.schema import SPANS
from pipeline.schema.rollups import MINUTE_NANO

# Of the requests of an operation and side, about so many are looked at.
REQUESTS_MOST = 20_000

# And of all spans together: 100 bytes each while they are worked on.
SPANS_MOST = 3_000_000

_PLACES = 1_000_000
_ALL_DAY = 26 * 60 * MINUTE_NANO

Operation = tuple[str, str]
Windows = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Rows:
    """What was read.

    Attributes:
        entries: one row a request, ordered by operation, side and trace.
        spans: one row a span of their traces, ordered by number.
        counts: how many requests the window has, by operation and side.
        windows: since and until in ns, of baseline and canary.
        notes: what limits it all, a sentence each.
    """

    entries: pa.Table
    spans: pa.Table
    counts: dict[tuple[Operation, int], float]
    windows: Windows
    notes: tuple[str, ...]


def count_requests(
    lake: Lake, request: JudgeRequest
) -> tuple[dict[tuple[Operation, int], float], Windows]:
    """Count requests by operation and side in the minutes that a judgement would compare.

    Raises:
        UsageError, LakeError, CommitConflict, LakeUnavailable: as for the judge's ``run``.
    """
    rows = read(lake, request).tables[CELLS]
    windows = ((0, 0), (0, 0))
    if not rows.num_rows:
        return {}, windows
    columns, names = columns_of(rows)
    window = find_window(columns, names["instance"], request)
    kept = np.asarray(window.kept)
    earlier = 0
    if request.historic:
        number = np.asarray(columns["window"], dtype=np.int64)
        nearest = int(number[number > 0].min(initial=0) if (number > 0).any() else 0)
        kept = kept & ((number == 0) | (number == nearest))
        earlier = nearest * request.baseline_shift_minutes
    codes = np.asarray(columns["service_name_code"], dtype=np.int64) * len(names["operation"])
    codes = (codes + np.asarray(columns["operation_code"], dtype=np.int64)) * 2
    codes = codes + np.asarray(columns["side"], dtype=np.int64)
    requests = np.asarray(columns["requests"], dtype=np.float64)[kept]
    squared = np.asarray(columns["requests_squared"], dtype=np.float64)[kept]
    # As many spans as there are of the same weight: what a sample is counted in.
    spans = np.bincount(codes[kept], requests**2 / np.maximum(squared, 1e-300))
    counts = {}
    for code in np.flatnonzero(spans).tolist():
        named, side = divmod(code, 2)
        service, operation = divmod(named, len(names["operation"]))
        key = (str(names["service_name"][service]), str(names["operation"][operation]))
        counts[key, side] = float(spans[code])
    minutes = (window.first_minute, window.end_minute)
    before = tuple((each - earlier) * MINUTE_NANO for each in minutes)
    own = tuple(each * MINUTE_NANO for each in minutes)
    return counts, ((before[0], before[1]), (own[0], own[1]))


def read_rows(
    lake: Lake,
    request: JudgeRequest,
    wanted: Sequence[Operation],
    requests_most: int = REQUESTS_MOST,
    spans_most: int = SPANS_MOST,
) -> Rows:
    """Read requests of some operations, and all spans of their traces.

    Args:
        lake: the lake; its rollups are brought up to date first.
        request: which sides, when.
        wanted: services and operations, each once.
        requests_most: about how many requests of each operation and side are looked at.
        spans_most: about how many spans are.

    Raises:
        UsageError, LakeError, CommitConflict, LakeUnavailable: as for the judge's ``run``.
    """
    counts, windows = count_requests(lake, request)
    snapshot = take_snapshot(lake, SPANS)
    since = min(first for first, _ in windows)
    until = max(end for _, end in windows)
    # A trace may have begun before its request, and spans of it may end long after.
    files = [file.path for file in snapshot.between(since - _ALL_DAY, until + _ALL_DAY)]
    values = request.values()
    sides = _side_values(request, windows)
    with asking() as connection:
        define_table(connection, SPANS, files)
        define_view(connection, "span_facts")
        connection.register("wanted", _wanted(wanted, counts, requests_most))
        entries = ask(connection, "why_entries", sides)
        entries = entries.append_column("entry", pa.array(np.arange(entries.num_rows)))
        notes = _sampled(wanted, counts, requests_most)
        entries, told = _bounded(connection, entries, spans_most)
        connection.register("entries", entries)
        named = ("by_service", "baseline_service_name", "canary_service_name")
        spans = ask(
            connection,
            "why_spans",
            {name: values[name] for name in named}
            | {"returned_rows": ask(connection, "why_cache_systems", {}).num_rows > 0},
        )
    return Rows(entries, spans, counts, windows, (*notes, *told))


def _side_values(request: JudgeRequest, windows: Windows) -> dict[str, object]:
    """Give what the names of ``why_entries`` stand for."""
    values = request.values()
    kept = {"kinds": values["kinds"], "by_service": values["by_service"]}
    for side, (since, until) in zip(("baseline", "canary"), windows, strict=True):
        for column in DIMENSIONS:
            if f"{side}_has_{column}" in values:
                kept[f"{side}_has_{column}"] = values[f"{side}_has_{column}"]
                kept[f"{side}_{column}"] = values[f"{side}_{column}"]
        kept[f"{side}_resource"] = values.get(f"{side}_resource", [])
        kept[f"{side}_since_unix_nano"] = since
        kept[f"{side}_until_unix_nano"] = until
    kept["by_resource"] = bool(kept["baseline_resource"] or kept["canary_resource"])
    return kept


def _wanted(
    wanted: Sequence[Operation],
    counts: dict[tuple[Operation, int], float],
    requests_most: int,
) -> pa.Table:
    """Say for each operation and side which places of a million are in the sample."""
    rows = []
    for number, operation in enumerate(wanted):
        for side in (0, 1):
            rate = requests_most / max(counts.get((operation, side), 0.0), 1.0)
            rows.append((number, side, *operation, round(_PLACES * min(rate, 1.0))))
    kinds = (pa.int64(), pa.int32(), pa.string(), pa.string(), pa.int64())
    names = ["number", "side", "service_name", "operation", "places"]
    columns = [pa.array([row[place] for row in rows], kind) for place, kind in enumerate(kinds)]
    return pa.table(columns, names=names)


def _sampled(
    wanted: Sequence[Operation],
    counts: dict[tuple[Operation, int], float],
    requests_most: int,
) -> list[str]:
    """Tell of a sample where one was taken."""
    most = max((counts.get((each, side), 0.0) for each in wanted for side in (0, 1)), default=0.0)
    if most <= requests_most:
        return []
    return [f"of up to {most:.0f} requests a side, about {requests_most} were looked at"]


def _bounded(
    connection: Connection, entries: pa.Table, spans_most: int
) -> tuple[pa.Table, list[str]]:
    """Keep as many traces as have few enough spans, by the same hash of their ids."""
    connection.register("entries", entries)
    spans = int(ask(connection, "why_span_count", {})["spans"][0].as_py())
    if spans <= spans_most:
        return entries, []
    place: NDArray[np.int64] = entries["place"].to_numpy()
    # Each operation was sampled at its own rate: ranks within it are what is cut alike.
    group = entries["number"].to_numpy() * 2 + entries["side"].to_numpy()
    order = np.lexsort((place, group))
    first = np.searchsorted(group[order], group[order])
    sizes = np.bincount(group)[group[order]]
    kept = np.zeros(len(place), dtype=bool)
    kept[order] = np.arange(len(place)) - first < np.ceil(sizes * spans_most / spans)
    fewer = entries.filter(pa.array(kept)).drop_columns(["entry"])
    fewer = fewer.append_column("entry", pa.array(np.arange(fewer.num_rows)))
    share = f"{100 * kept.sum() / len(kept):.2g} % of the requests"
    return fewer, [f"their traces have {spans} spans: {share} were looked at"]


def saved_reason(request: JudgeRequest) -> str:
    """Say why a baseline has no traces; empty where it has."""
    if not request.saved:
        return ""
    return f"the baseline is saved ({SAVED}:{request.saved}) and has no traces to compare with"
