"""A selection of profiles as distinct stacks with their sums, and the frames of these stacks.

Samples are summed by stack first and joined with stacks and frames afterwards: joining first
costs fifteen times as much.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.errors import NotEnoughData, UsageError
from pipeline.jobs.job import Connection, ask, asking
from pipeline.jobs.profile_request import ProfileRequest
from pipeline.lake import Lake, take_snapshot
from pipeline.lake.catalog import define_snapshot, define_table
from pipeline.schema import PROFILE_FRAMES, PROFILE_SAMPLES, PROFILE_STACKS, PROFILES

Ints = NDArray[np.int64]

# States at a moment and not amounts: the sum over successive profiles means nothing.
_STATES = ("inuse_space", "inuse_objects", "goroutine")

_NOTHING = (
    'no profiles match; see what there is: tailgate sql "SELECT DISTINCT service_name, '
    'service_version, profile_type FROM profile_samples"'
)

_ORDER = (
    *("sample_type", "sample_unit", "stack", "pid", "thread_id", "thread_name", "comm"),
    *("trace_id", "span_id", "local_root_span_id", "value"),
)


@dataclass(frozen=True)
class Selection:
    """Selected profiles, summed.

    Attributes:
        request: what was asked.
        profile_type: which of the schema's.
        sample_type, sample_unit: the type of value that is looked at first.
        rows: a row a stack, a type of value and, where asked for, a thread and a set of labels:
            sample_type, sample_unit, stack (a number from 0), stack_id, value, samples (NULL for
            unknown) and pid, thread_id, thread_name, comm, trace_id, span_id, local_root_span_id,
            labels, num_labels.
        depths: of each stack, at least 1.
        places: rows of ``frames``, all stacks end to end, leaf first.
        frames: the distinct frames in the columns of profile_frames.
        profiles: a row a profile with what is known of it as a whole, by profile_id.
        notes: what a reader should know, a sentence each.
    """

    request: ProfileRequest
    profile_type: str
    sample_type: str
    sample_unit: str
    rows: pa.Table
    depths: Ints
    places: Ints
    frames: pa.Table
    profiles: pa.Table
    notes: tuple[str, ...]

    @property
    def total(self) -> int:
        """Give the sum of the values looked at first."""
        return sum(self.first_rows()["value"].to_pylist())

    def first_rows(self) -> pa.Table:
        """Give the rows of the type of value that is looked at first."""
        chosen = pc.and_(
            pc.equal(self.rows["sample_type"], self.sample_type),
            pc.equal(self.rows["sample_unit"], self.sample_unit),
        )
        return self.rows.filter(chosen)


def select(
    lake: Lake,
    request: ProfileRequest,
    by_thread: bool = False,
    by_labels: bool = False,
    all_types: bool = False,
) -> Selection:
    """Read a selection of profiles.

    Values since a process started, and states such as memory in use, are taken from the latest
    profile of each instance: their sum over successive profiles means nothing.

    Args:
        lake: the lake.
        request: which.
        by_thread: keep threads apart.
        by_labels: keep sets of labels and spans apart.
        all_types: every type of value of the profiles, not only the one looked at first.

    Raises:
        NotEnoughData: nothing matches.
        UsageError: there is no such type, several to choose from, or values that do not add up
            within 63 bits.
        LakeError: the lake cannot be read.
    """
    with asking() as connection:
        _define_tables(connection, lake, request)
        values = request.values()
        found = ask(connection, "profile_selection_types", values)
        if found.num_rows == 0:
            raise NotEnoughData(_NOTHING)
        kind = _profile_type(found, request)
        of_kind = found.filter(pc.equal(found["profile_type"], kind))
        connection.register("selected_profiles", of_kind.select(["profile_id"]))
        profiles = ask(connection, "profile_selection_profiles", {}).sort_by("profile_id")
        first = _sample_type(of_kind, profiles, request)
        wanted, notes = _wanted(found, of_kind, first, all_types)
        connection.register("selected_profiles", wanted)
        choices = {"by_thread": by_thread, "by_labels": by_labels}
        rows = ask(connection, "profile_selection", values | choices)
        if rows["value"].null_count:
            raise UsageError("values add up to more than 2^63-1; ask for a shorter window")
        rows, depths, places, frames = _stacks(connection, rows)
    kept = pc.is_in(profiles["profile_id"], pc.unique(wanted["profile_id"]))
    profiles = profiles.filter(kept)
    return Selection(request, kind, *first, rows, depths, places, frames, profiles, notes)


def _define_tables(connection: Connection, lake: Lake, request: ProfileRequest) -> None:
    """Fix the tables at their versions as of now, samples by the window."""
    # Samples first: what they point at is then in the later states of the other tables.
    samples = take_snapshot(lake, PROFILE_SAMPLES)
    for table in (PROFILES, PROFILE_STACKS, PROFILE_FRAMES):
        define_snapshot(connection, take_snapshot(lake, table))
    files = [file.path for file in samples.between(*request.window)]
    define_table(connection, PROFILE_SAMPLES, files)


def _profile_type(found: pa.Table, request: ProfileRequest) -> str:
    """Settle the profile type: the one asked for, that of the sample type, cpu, or the only one."""
    there: list[str] = sorted(set(found["profile_type"].to_pylist()))
    listed = ", ".join(there)
    if request.profile_type:
        if request.profile_type not in there:
            raise UsageError(f"profile type {request.profile_type}: none match; there is {listed}")
        return request.profile_type
    if request.sample_type:
        named = found.filter(pc.equal(found["sample_type"], request.sample_type))
        there = sorted(set(named["profile_type"].to_pylist())) or there
    if "cpu" in there:
        return "cpu"
    if len(there) > 1:
        raise UsageError(f"several profile types match; give --profile-type, one of {listed}")
    return there[0]


def _sample_type(of_kind: pa.Table, profiles: pa.Table, request: ProfileRequest) -> tuple[str, str]:
    """Settle the type of value looked at first: asked for, the profiles' default, not a count."""
    names = ["sample_type", "sample_unit", "ingest_batch_id"]
    # A profiler may write a profile a thread: those of one file count once.
    named_once = {tuple(row.values()) for row in of_kind.select(names).to_pylist()}
    profiles_of = Counter(row[:2] for row in named_once)
    there = sorted(profiles_of)
    if request.sample_type:
        named = [pair for pair in there if pair[0] == request.sample_type]
        if not named:
            known = ", ".join(name for name, _ in there)
            raise UsageError(f"sample type {request.sample_type}: none match; there is {known}")
        return named[0]
    defaults = set(profiles["default_sample_type"].to_pylist())

    def rank(pair: tuple[str, str]) -> tuple[object, ...]:
        # Of several profilers the one that looked most often.
        return -profiles_of[pair], pair[0] not in defaults, pair[1] == "count", pair

    return min(there, key=rank)


def _wanted(
    found: pa.Table, of_kind: pa.Table, first: tuple[str, str], all_types: bool
) -> tuple[pa.Table, tuple[str, ...]]:
    """Give the profiles and types of value to sum, and what to say of them."""
    if all_types:
        # Of the same profiles, whatever their kind: they share their stacks.
        same = pc.is_in(found["profile_id"], pc.unique(of_kind["profile_id"]))
        rows = found.filter(same)
    else:
        rows = of_kind.filter(
            pc.and_(
                pc.equal(of_kind["sample_type"], first[0]),
                pc.equal(of_kind["sample_unit"], first[1]),
            )
        )
    state = pc.is_in(rows["profile_type"], pa.array(_STATES))
    momentary = pc.or_(rows["is_cumulative"], state)
    keep = pc.or_(pc.invert(momentary), pc.equal(rows["recency"], 1))
    left_out = rows.filter(pc.invert(keep))
    notes = []
    if left_out.num_rows:
        names = ", ".join(sorted(set(left_out["sample_type"].to_pylist())))
        notes.append(f"{names}: of the latest profile of each instance, as they do not add up")
    return rows.filter(keep).select(["profile_id", "sample_type", "sample_unit"]), tuple(notes)


def _stacks(connection: Connection, rows: pa.Table) -> tuple[pa.Table, Ints, Ints, pa.Table]:
    """Join the summed rows with their stacks and those with their frames."""
    connection.register("selected_stacks", rows.select(["stack_id"]))
    stacks = ask(connection, "profile_selection_stacks", {}).sort_by("stack_id")
    lists = stacks["frame_ids"].combine_chunks()
    frame_ids = np.asarray(lists.flatten().to_numpy(), dtype=np.int64)
    connection.register("selected_frames", pa.table({"frame_id": pa.array(np.unique(frame_ids))}))
    frames = ask(connection, "profile_selection_frames", {}).sort_by("frame_id")
    known = np.asarray(stacks["stack_id"].to_numpy(), dtype=np.int64)
    lengths = np.asarray(pc.list_value_length(lists).to_numpy(), dtype=np.int64)
    asked = np.asarray(rows["stack_id"].to_numpy(), dtype=np.int64)
    places = _find(frames["frame_id"].to_numpy(), frame_ids, "frame")
    numbers = _find(known, asked, "stack")
    rows = rows.append_column("stack", pa.array(numbers))
    return rows.sort_by([(name, "ascending") for name in _ORDER]), lengths, places, frames


def _find(known: Ints, asked: Ints, what: str) -> Ints:
    """Give where sorted ids hold others.

    Raises:
        UsageError: one is not there.
    """
    places = np.searchsorted(known, asked)
    there = np.zeros(len(asked), dtype=bool)
    if len(known):
        there = known[np.minimum(places, len(known) - 1)] == asked
    if not there.all():
        raise UsageError(
            f"{int((~there).sum())} samples name a {what} that is not in the lake; "
            "is an import still under way? ask again"
        )
    return np.asarray(places, dtype=np.int64)
