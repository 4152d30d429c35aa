"""Stacks of a pprof profile as stacks and frames by content."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from collectors.frames_and_stacks import (
    NO_STACK,
    Frame,
    Frames,
    Ints,
    stack_ids,
    stack_rows,
    take_lists,
)
from collectors.pprof_message import Pprof
from pipeline.errors import BadRequest

# How deep Go's runtime looks, in its older and newer releases: a stack of that very depth that
# does not reach the first function of a goroutine was cut.
_GO_DEPTHS = (64, 128)
_GO_ROOT = "runtime.goexit"

_MOST_FRAMES = 8_000_000


@dataclass(frozen=True)
class PprofStacks:
    """The stacks of a profile's samples.

    Attributes:
        of_sample: for each sample the id of its stack.
        stacks, frames: rows of profile_stacks and profile_frames.
    """

    of_sample: Ints
    stacks: pa.Table
    frames: pa.Table


def read_pprof_stacks(profile: Pprof, warnings: Counter[str]) -> PprofStacks:
    """Read the stacks of a profile.

    Args:
        profile: the profile.
        warnings: gains samples_without_stack.

    Raises:
        BadRequest: a number of a location, function, mapping or string is not in the profile.
    """
    lists = profile.samples.field("location_id")
    lengths = np.diff(lists.offsets.to_numpy()).astype(np.int64)
    places = _places(profile.locations.field("id"), lists.flatten(), "location")
    frames = Frames()
    frame_counts, flat = _frames_of_locations(profile, frames)
    owners = np.repeat(np.arange(len(lengths)), lengths)
    depths = np.bincount(owners, weights=frame_counts[places], minlength=len(lengths)).astype(
        np.int64
    )
    if int(depths.sum()) > _MOST_FRAMES:
        raise BadRequest(f"more than {_MOST_FRAMES} frames in stacks")
    _, of_stack = take_lists(frame_counts, flat, places)
    empty = depths == 0
    if empty.any():
        warnings["samples_without_stack"] += int(empty.sum())
        starts = np.cumsum(depths) - depths
        of_stack = np.insert(of_stack, starts[empty], frames.add(Frame(NO_STACK)))
        depths = np.where(empty, 1, depths)
    roots = frames.labels().take(pa.array(of_stack[np.cumsum(depths) - 1])).to_numpy(False)
    cut = (np.isin(depths, _GO_DEPTHS) | np.isin(lengths, _GO_DEPTHS)) & (roots != _GO_ROOT)
    identities = stack_ids(frames.ids()[of_stack], depths, cut)
    rows = stack_rows(identities, frames, of_stack, depths, cut)
    return PprofStacks(identities, rows, frames.rows())


def _places(ids: pa.Array, wanted: pa.Array, what: str) -> Ints:
    """Give where in a table the entries of some ids stand.

    Raises:
        BadRequest: the table has no such entry.
    """
    known, asked = ids.to_numpy(), wanted.to_numpy()
    if not len(asked):
        return np.zeros(0, dtype=np.int64)
    order = np.argsort(known, kind="stable")
    found = np.searchsorted(known, asked, sorter=order)
    inside = np.minimum(found, len(known) - 1)
    missing = np.ones(len(asked), dtype=bool)
    if len(known):
        missing = known[order[inside]] != asked
    if missing.any():
        number = int(asked[missing][0])
        raise BadRequest(f"{what} {number} is not among the profile's {len(known)}")
    return np.asarray(order[inside], dtype=np.int64)


def _frames_of_locations(profile: Pprof, frames: Frames) -> tuple[Ints, Ints]:
    """Make the frames of locations, innermost first: how many each has, and their places."""
    mappings = _mappings(profile)
    functions = _functions(profile)
    counts, flat = [], []
    for location in profile.locations.to_pylist():
        if location["mapping_id"] not in mappings:
            raise BadRequest(f"mapping {location['mapping_id']} is not in the profile")
        file, build_id = mappings[location["mapping_id"]]
        where = {"mapping": file, "build_id": build_id, "address": location["address"]}
        lines = location["line"]
        for number, line in enumerate(lines):
            function = functions.get(line["function_id"])
            if function is None:
                raise BadRequest(f"function {line['function_id']} is not in the profile")
            frame = Frame(
                **function,
                **where,
                line=line["line"],
                column=line["column"],
                inlined=number < len(lines) - 1,
            )
            flat.append(frames.add(frame))
        if not lines:
            flat.append(frames.add(Frame(**where)))
        counts.append(max(len(lines), 1))
    return np.array(counts, dtype=np.int64), np.array(flat, dtype=np.int64)


def _mappings(profile: Pprof) -> dict[int, tuple[str, str]]:
    """Give file and build id of each mapping by its number; number 0 is none."""
    return {0: ("", "")} | {
        each["id"]: (_text(profile, each["filename"]), _text(profile, each["build_id"]))
        for each in profile.mappings.to_pylist()
    }


def _functions(profile: Pprof) -> dict[int, dict[str, Any]]:
    """Give what is known of each function by its number; number 0 is none."""
    nothing: dict[int, dict[str, Any]] = {0: {}}
    return nothing | {
        each["id"]: {
            "function": _text(profile, each["name"]),
            "system_name": _text(profile, each["system_name"]),
            "file": _text(profile, each["filename"]),
            "start_line": each["start_line"],
        }
        for each in profile.functions.to_pylist()
    }


def _text(profile: Pprof, number: int) -> str:
    if not 0 <= number < len(profile.strings):
        raise BadRequest(f"string {number} is not among the profile's {len(profile.strings)}")
    return profile.strings[number]
