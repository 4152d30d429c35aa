"""Frames of a pprof profile's locations: everything is checked, what is used is made once."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.frames_and_stacks import Bools, Frame, Frames, Ints, take_lists
from collectors.otlp.columns import lengths
from collectors.pprof_message import Pprof
from collectors.pprof_tables import Ids, check_strings, ids_of, integers, places_of

_MAPPING_TEXTS = ("filename", "build_id")
_FUNCTION_TEXTS = ("name", "system_name", "filename")


def read_pprof_frames(profile: Pprof, used: Ints, frames: Frames) -> tuple[Ints, Ints]:
    """Make the frames of some locations.

    Args:
        profile: the profile; all its locations, functions and mappings are checked.
        used: the places of n locations.
        frames: gains the frames.

    Returns:
        How many frames each of the n locations has, at least 1, and the places of all of them
        end to end, innermost first.

    Raises:
        BadRequest: a number of a function, mapping or string is not in the profile.
    """
    check_strings(profile, _numbers(profile.mappings, "mapping", _MAPPING_TEXTS))
    check_strings(profile, _numbers(profile.functions, "function", _FUNCTION_TEXTS))
    lines = profile.locations.field("line")
    flat = lines.flatten()
    functions = _or_none(profile.functions, ids_of(flat, "function_id"), "function")
    mappings = _or_none(profile.mappings, ids_of(profile.locations, "mapping_id"), "mapping")
    line_counts = lengths(lines)
    counts, rows = take_lists(line_counts, np.arange(len(flat)), used)
    ends = np.cumsum(counts)
    inlined = np.ones(len(rows), dtype=np.int64)
    inlined[ends[counts > 0] - 1] = 0
    columns = [
        functions[rows],
        integers(flat, "line")[rows],
        integers(flat, "column")[rows],
        inlined,
    ]
    # A location without lines is one frame of which only its address is known.
    bare = counts == 0
    places = (ends - counts)[bare]
    columns = [
        np.insert(column, places, nothing)
        for column, nothing in zip(columns, (-1, 0, 0, 0), strict=True)
    ]
    counts = np.where(bare, 1, counts)
    owners = np.repeat(used, counts)
    addresses = ids_of(profile.locations, "address")[owners].view(np.int64)
    named = _named(profile)[columns[0]]
    # The address of a frame with a symbol is in no row, so it makes no frames of their own.
    columns += [mappings[owners], np.where(named, 0, addresses)]
    return counts, _made(profile, np.stack(columns, axis=1), frames)


def _made(profile: Pprof, rows: Ints, frames: Frames) -> Ints:
    """Make frames of n x 6 numbers, each different row once, and give their places."""
    functions = _texts(profile, profile.functions, _FUNCTION_TEXTS)
    starts = [*integers(profile.functions, "start_line").tolist(), 0]
    mappings = _texts(profile, profile.mappings, _MAPPING_TEXTS)
    known: dict[tuple[int, ...], int] = {}
    places = []
    for row in map(tuple, rows.tolist()):
        place = known.get(row)
        if place is None:
            function, line, column, inlined, mapping, address = row
            name, system_name, file = functions[function]
            binary, build_id = mappings[mapping]
            place = known[row] = frames.add(
                Frame(
                    name,
                    system_name,
                    file,
                    line,
                    column,
                    starts[function],
                    binary,
                    build_id,
                    address % (1 << 64),
                    bool(inlined),
                )
            )
        places.append(place)
    return np.array(places, dtype=np.int64)


def _named(profile: Pprof) -> Bools:
    """Tell which functions have a name, those that are none at the end."""
    found = np.zeros(len(profile.functions) + 1, dtype=np.bool_)
    sizes = pc.binary_length(profile.texts).to_numpy(zero_copy_only=False)
    for name in ("name", "system_name"):
        found[:-1] |= sizes[integers(profile.functions, name)] > 0
    return found


def _texts(profile: Pprof, rows: pa.StructArray, names: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Give some texts of each row of a table, and at the end those of what is none."""
    columns = [profile.texts.take(pa.array(integers(rows, name))).to_pylist() for name in names]
    return [*zip(*columns, strict=True), ("",) * len(names)]


def _numbers(rows: pa.StructArray, what: str, names: tuple[str, ...]) -> dict[str, Ints]:
    return {f"{what} {name}": integers(rows, name) for name in names}


def _or_none(table: pa.StructArray, wanted: Ids, what: str) -> Ints:
    """Give the places of entries by their ids; -1 for id 0, which is none."""
    places = np.full(len(wanted), -1, dtype=np.int64)
    some = wanted != 0
    places[some] = places_of(ids_of(table, "id"), wanted[some], what)
    return places
