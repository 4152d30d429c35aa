"""Cells read from the lake, and cut into operations and sides as the statistics take them."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.errors import UsageError
from pipeline.jobs.job import ask, asking, define_view
from pipeline.jobs.judge_answer import Counts
from pipeline.jobs.judge_rows import TEXTS, flat, runs_of
from pipeline.lake import Lake, take_snapshot
from pipeline.lake.catalog import define_snapshot, define_table
from pipeline.rollup import update
from pipeline.schema import LATENCY_MINUTES, SPANS
from pipeline.schema.rollups import MINUTE_NANO
from pipeline.stats.cells import Floats, Ints, Side

# Rows of one operation, by column.
Part = dict[str, NDArray[np.generic]]
# Texts by the numbers that stand for them, by column.
Names = dict[str, NDArray[np.generic]]


def cells(
    lake: Lake, values: dict[str, object], since_unix_nano: int | None, until_unix_nano: int | None
) -> tuple[pa.Table, int]:
    """Read the cells of one side or two, ordered, and the version of latency_minutes they are of.

    Raises:
        LakeError, CommitConflict, LakeUnavailable: as for the judge's ``run``.
    """
    rows, versions = versioned_cells(lake, values, since_unix_nano, until_unix_nano)
    return rows, versions.get(LATENCY_MINUTES.name, -1)


def versioned_cells(
    lake: Lake,
    values: dict[str, object],
    since_unix_nano: int | None,
    until_unix_nano: int | None,
    versions: dict[str, int] | None = None,
) -> tuple[pa.Table, dict[str, int]]:
    """Read cells, of spans where only their attributes tell the sides apart.

    Args:
        lake: the lake; its rollups are brought up to date first where they are read.
        values: as ``cell_values`` gives them.
        since_unix_nano, until_unix_nano: the window; None for open.
        versions: those to read, by table; None for the latest.

    Returns:
        The rows, ordered by service, operation, side, instance, minute and bucket, and the
        versions of the tables that were read.

    Raises:
        LakeError, CommitConflict, LakeUnavailable: as for the judge's ``run``.
    """
    since, until = since_unix_nano, until_unix_nano
    window: dict[str, object] = {
        "first_minute": 0 if since is None else since // MINUTE_NANO,
        "end_minute": 1 << 40 if until is None else -(-until // MINUTE_NANO),
    }
    of_spans = "mix_by_attributes" in values
    table = SPANS if of_spans else LATENCY_MINUTES
    version = (versions or {}).get(table.name)
    if version is None and not of_spans:
        version = update(lake).minutes_version
    snapshot = take_snapshot(lake, table, version)
    with asking() as connection:
        if of_spans:
            define_snapshot(connection, snapshot)
            define_view(connection, "span_facts")
            name, weighted = "judge_cells_spans", True
        else:
            define_table(connection, table, [file.path for file in snapshot.files])
            name = "judge_cells"
            weighted = ask(connection, "judge_weights", window)["weighted"][0].as_py()
        rows = ask(connection, name, values | window | {"weighted": weighted})
    mixed = any(value for key, value in values.items() if key.startswith("mix_by_"))
    return flat(rows if mixed else rows.drop_columns(["stratum"])), {table.name: snapshot.version}


def check_keys(lake: Lake, keys: tuple[str, ...]) -> None:
    """Refuse keys that no resource has.

    Raises:
        UsageError: there is such a key.
        LakeError: a file cannot be read.
    """
    with asking() as connection:
        define_snapshot(connection, take_snapshot(lake, SPANS))
        known = ask(connection, "judge_keys", {})["key"].to_pylist()
    for key in keys:
        if known and key not in known:
            raise UsageError(
                f"{key}: not a dimension, and no resource attribute has this name; "
                f"known: {', '.join(known)}"
            )


def by_operation(rows: pa.Table) -> Iterator[Part]:
    """Cut rows that are ordered by service and operation; columns by name.

    Instances and strata have numbers beside their names: ``instance_code``, ``stratum_code``.
    """
    if not rows.num_rows:
        return
    columns, names = columns_of(rows)
    starts = runs_of(columns["service_name_code"], columns["operation_code"]).tolist()
    length = len(columns["operation_code"])
    for start, stop in zip(starts, [*starts[1:], length], strict=True):
        yield cut(columns, names, start, stop)


def columns_of(rows: pa.Table) -> tuple[Part, Names]:
    """Give rows as arrays, texts as numbers, and the texts of those numbers by column."""
    columns: Part = {}
    names: Names = {}
    for name in rows.column_names:
        if name in TEXTS:
            encoded = rows[name].combine_chunks().dictionary_encode()
            columns[f"{name}_code"] = encoded.indices.to_numpy()
            names[name] = np.array(encoded.dictionary.to_pylist(), dtype=object)
        else:
            columns[name] = rows[name].to_numpy(zero_copy_only=False)
    return columns, names


def cut(columns: Part, names: Names, start: int, stop: int) -> Part:
    """Cut the rows of one operation; names are there again, each of its own length once."""
    part = {name: column[start:stop] for name, column in columns.items()}
    for name in ("service_name", "operation"):
        one = names[name][part.pop(f"{name}_code")[:1]]
        part[name] = np.broadcast_to(one, stop - start)
    if "instance" in names:
        part["instance"] = names["instance"][part["instance_code"]]
    return part


def halves_of(part: Part) -> tuple[Part, Part]:
    """Cut one operation's rows into baseline and canary; rows are ordered by side within it."""
    middle = int(np.searchsorted(part["side"], 1))
    first = {name: column[:middle] for name, column in part.items()}
    return first, {name: column[middle:] for name, column in part.items()}


def counts_of(half: Part) -> Counts:
    """Count one side of an operation."""
    minutes = np.asarray(half["minute"], dtype=np.int64)
    if not len(minutes):
        return Counts()
    requests = floats(half["requests"])
    total, squared = float(requests.sum()), float(floats(half["requests_squared"]).sum())
    rejected = half.get("errors_4xx")
    return Counts(
        requests=total,
        effective=float(total**2 / squared),
        errors=float(floats(half["errors"]).sum()),
        errors_5xx=float(floats(half["errors_5xx"]).sum()),
        instances=len(_instances(half)[0]),
        first_minute=int(minutes.min()),
        end_minute=int(minutes.max()) + 1,
        errors_4xx=0.0 if rejected is None else float(floats(rejected).sum()),
    )


def side_of(half: Part, first: int, end: int, timed: bool) -> Side:
    """Give one side as the statistics take it.

    Args:
        half: rows of one side.
        first, end: the window, in minutes since the epoch.
        timed: leave out what has no duration.
    """
    known = has_bucket(half)
    kept = slice(None) if not timed or known is None else known
    names, instance = _instances(half)
    count, squared = floats(half["requests"]), floats(half["requests_squared"])
    bucket = half["bucket"] if known is None else np.where(known, half["bucket"], 0)
    buckets: Ints = bucket.astype(np.int64)
    return Side(
        instance=instance[kept],
        minute=np.asarray(half["minute"], dtype=np.int64)[kept] - first,
        bucket=buckets[kept],
        count=count[kept],
        count_squared=squared[kept],
        instances=len(names),
        minutes=end - first,
    )


def has_bucket(half: Part) -> NDArray[np.bool_] | None:
    """Tell which rows have a duration; None for all of them."""
    if np.issubdtype(half["bucket"].dtype, np.integer):
        return None
    known: NDArray[np.bool_] = np.isfinite(floats(half["bucket"]))
    return None if known.all() else known


def _instances(half: Part) -> tuple[NDArray[np.generic], Ints]:
    """Give a half's instances, and each row's number of one."""
    if "instance_code" not in half:
        names, instance = np.unique(half["instance"].astype(str), return_inverse=True)
        return names, instance.astype(np.int64)
    codes = np.asarray(half["instance_code"], dtype=np.int64)
    seen = np.flatnonzero(np.bincount(codes)) if len(codes) else codes
    place = np.zeros(int(seen[-1]) + 1 if len(seen) else 0, dtype=np.int64)
    place[seen] = np.arange(len(seen))
    return seen, place[codes]


def floats(column: NDArray[np.generic]) -> Floats:
    """Give a column as numbers, without a copy where it is so already."""
    return np.asarray(column, dtype=np.float64)
