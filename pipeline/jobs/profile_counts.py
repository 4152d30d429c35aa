"""Selections of profiles as counts by profile and stack, and the functions of these stacks.

Samples are summed by stack first and joined with stacks afterwards, as drop_frames of their
profile leaves these.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.errors import NotEnoughData, UsageError
from pipeline.jobs.job import Connection, ask, asking, define_view
from pipeline.jobs.profile_request import ProfileRequest
from pipeline.jobs.profile_stacks import ShownStacks, read_stacks
from pipeline.lake import Lake, take_snapshot
from pipeline.lake.catalog import define_snapshot, define_table
from pipeline.schema import PROFILE_FRAMES, PROFILE_SAMPLES, PROFILE_STACKS, PROFILES

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_INSTANCE = ("service_name", "service_version", "service_instance_id")
# States at a moment and not amounts: their sum over successive profiles means nothing.
_STATES = ("inuse_space", "inuse_objects", "goroutine")


@dataclass(frozen=True)
class ProfileCounts:
    """One selection, counted.

    Attributes:
        request: what was asked.
        cluster: m numbers of clusters, profiles in the order of their times.
        stack: m numbers of rows of the stacks that all selections share.
        value: m sums in the unit of the type.
        samples: m observations.
        clusters: a row a cluster: profile_id, service_name, service_version, service_instance_id,
            time_unix_nano, duration_nano.
        notes: what a reader should know, a sentence each.
    """

    request: ProfileRequest
    cluster: Ints
    stack: Ints
    value: Floats
    samples: Floats
    clusters: pa.Table
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Counted:
    """Selections that share a type and their stacks.

    Attributes:
        profile_type, sample_type, sample_unit: what was counted.
        stacks: the stacks.
        sides: a selection each, in the order of the requests.
        by_instance: whether a cluster is an instance, as there are more of them than profiles.
        samples_version: version of the samples' table.
    """

    profile_type: str
    sample_type: str
    sample_unit: str
    stacks: ShownStacks
    sides: tuple[ProfileCounts, ...]
    by_instance: bool
    samples_version: int


def count_profiles(lake: Lake, requests: Sequence[ProfileRequest]) -> Counted:
    """Count selections of profiles.

    Values since a process started count by what each profile adds to the one before; an instance's
    first profile counts only where it is the only one.

    Args:
        lake: the lake.
        requests: one a side, all of one type of value; the first says which.

    Raises:
        NotEnoughData: nothing matches one of them.
        UsageError: there is no such type on all sides, or several to choose from.
        LakeError: the lake cannot be read.
    """
    # Samples first: what they point at is then in the later states of the other tables.
    samples = take_snapshot(lake, PROFILE_SAMPLES)
    snapshots = [take_snapshot(lake, table) for table in (PROFILES, PROFILE_STACKS, PROFILE_FRAMES)]
    with asking() as connection:
        for snapshot in snapshots:
            define_snapshot(connection, snapshot)
        # What a profile adds is told by the ones before it, so the window has no start here.
        end = max(request.window[1] for request in requests)
        files = [file.path for file in samples.between(0, end)]
        define_table(connection, PROFILE_SAMPLES, files)
        for view in ("profile_deltas", "profile_stacks_shown"):
            define_view(connection, view)
        kind = _settle(connection, requests)
        named = dict(zip(("profile_type", "sample_type", "sample_unit"), kind, strict=True))
        rows = [ask(connection, "profile_counts", each.values() | named) for each in requests]
        for request, found in zip(requests, rows, strict=True):
            if found.num_rows == 0:
                raise _nothing(request)
        kept = [_without_starts(each) for each in rows]
        stacks, numbers = read_stacks(connection, [table for table, _ in kept])
    instances = sum(len(pc.unique(_instances(table))) for table, _ in kept)
    by_instance = instances > sum(len(pc.unique(table["recording"])) for table, _ in kept)
    sides = tuple(
        _side(request, table, number, by_instance, _notes(table, note, kind[0]))
        for request, (table, note), number in zip(requests, kept, numbers, strict=True)
    )
    return Counted(*kind, stacks, sides, by_instance, samples.version)


def _settle(connection: Connection, requests: Sequence[ProfileRequest]) -> tuple[str, str, str]:
    """Settle the type of value: asked for, cpu, the profiles' default, not a count."""
    profiles_of: list[Counter[tuple[str, str, str]]] = []
    ids = []
    for request in requests:
        found = ask(connection, "profile_selection_types", request.values())
        if found.num_rows == 0:
            raise _nothing(request)
        ids.append(found.select(["profile_id"]))
        names = ["profile_type", "sample_type", "sample_unit", "ingest_batch_id"]
        # A profiler may write a profile a thread: those of one file count once.
        named = set(map(tuple, (row.values() for row in found.select(names).to_pylist())))
        profiles_of.append(Counter(row[:3] for row in named))
    asked = requests[0]
    there = sorted(set.intersection(*map(set, profiles_of)))
    chosen = [
        kind
        for kind in there
        if asked.profile_type in ("", kind[0]) and asked.sample_type in ("", kind[1])
    ]
    if not chosen:
        known = ", ".join(f"{kind[0]} ({kind[1]})" for kind in there) or "none"
        raise UsageError(f"no such type of profile on every side; on every side there is: {known}")
    names = sorted({kind[0] for kind in chosen})
    if len(names) > 1 and "cpu" not in names:
        listed = ", ".join(names)
        raise UsageError(f"several profile types match; give --profile-type, one of {listed}")
    connection.register("selected_profiles", pa.concat_tables(ids))
    profiles = ask(connection, "profile_selection_profiles", {})
    defaults = set(profiles["default_sample_type"].to_pylist())
    name = "cpu" if "cpu" in names else names[0]
    ranked = [kind for kind in chosen if kind[0] == name]

    def rank(kind: tuple[str, str, str]) -> tuple[object, ...]:
        # Of several profilers the one that looked most often, where it looked least.
        fewest = min(each[kind] for each in profiles_of)
        return -fewest, kind[1] not in defaults, kind[2] == "count", kind

    return min(ranked, key=rank)


def _nothing(request: ProfileRequest) -> NotEnoughData:
    """Say that nothing matches a request."""
    asked = " ".join(f"{key}={value}" for key, value in request.where) or "the window"
    look = "SELECT DISTINCT service_name, service_version, profile_type FROM profile_samples"
    return NotEnoughData(f'no profiles match {asked}; see what there is: tailgate sql "{look}"')


def _without_starts(rows: pa.Table) -> tuple[pa.Table, str]:
    """Leave out what instances had counted before their first profile, if they have others."""
    if not pc.any(rows["is_start"]).as_py():
        return rows, ""
    keys = _instances(rows)
    later = pc.unique(keys.filter(pc.invert(rows["is_start"])))
    dropped = pc.and_(rows["is_start"], pc.is_in(keys, later))
    kept = rows.filter(pc.invert(dropped))
    if kept.num_rows < rows.num_rows:
        return kept, "values since a process started: what each profile adds to the one before"
    return kept, "values since a process started, as there is one profile an instance"


def _instances(rows: pa.Table) -> pa.ChunkedArray:
    """Give one text for each instance."""
    columns = [pc.fill_null(rows[name], "") for name in _INSTANCE]
    return pc.binary_join_element_wise(*columns, "\0")


def _side(
    request: ProfileRequest,
    rows: pa.Table,
    stack: Ints,
    by_instance: bool,
    notes: tuple[str, ...],
) -> ProfileCounts:
    """Number the clusters of a selection in the order of time and give its counts."""
    key = _instances(rows) if by_instance else rows["recording"]
    names = ("profile_id", *_INSTANCE)
    wanted = [(name, "min") for name in (*names, "time_unix_nano")] + [("duration_nano", "max")]
    found = rows.append_column("key", key).group_by("key").aggregate(wanted)
    found = found.select(["key", *(f"{name}_{how}" for name, how in wanted)])
    found = found.rename_columns(["key", *(name for name, _ in wanted)])
    found = found.sort_by([("time_unix_nano", "ascending"), ("key", "ascending")])
    cluster = pc.index_in(key, found["key"].combine_chunks())
    return ProfileCounts(
        request,
        np.asarray(cluster.to_numpy(), dtype=np.int64),
        stack,
        rows["value"].to_numpy().astype(np.float64),
        rows["samples"].to_numpy().astype(np.float64),
        found.drop_columns("key"),
        notes,
    )


def _notes(rows: pa.Table, note: str, profile_type: str) -> tuple[str, ...]:
    """Say what a reader of a selection should know."""
    notes = [note] if note else []
    if pc.any(rows["is_guessed"]).as_py():
        notes.append("the profiler does not tell its observations: each row is taken for one")
    if profile_type in _STATES and len(pc.unique(rows["profile_id"])) > 1:
        notes.append(f"{profile_type} is a state: values are sums over profiles, read the shares")
    return tuple(notes)
