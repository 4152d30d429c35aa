"""Stacks of an OTLP dictionary as stacks and frames by content."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collectors.frames_and_stacks import (
    NO_STACK,
    Frame,
    Frames,
    Ints,
    stack_ids,
    stack_rows,
    take_lists,
)
from collectors.otlp.attributes import Attributes
from collectors.otlp.columns import lengths, numbers
from collectors.otlp.profile_dictionary import Dictionary
from collectors.otlp.split import TooWideError

# A stack repeats its locations and they their lines, so a small request can name a great many
# frames. Real stacks are some dozens deep: this is a hundred thousand of those.
_MOST_FRAMES = 8_000_000
_MOST_TEXT_BYTES = 256 << 20
_MOST_LINES = 2_000_000

# Where profilers tell a binary's identity; the first present wins.
_BUILD_IDS = (
    "process.executable.build_id.gnu",
    "process.executable.build_id.go",
    "process.executable.build_id.htlhash",
    "build_id",
)

# Values of profile.frame.type, in the schema's words. Interpreters it has no word for are unknown.
_KINDS = {
    "native": "native",
    "go": "native",
    "rust": "native",
    "kernel": "kernel",
    "jvm": "java",
    "cpython": "python",
    "v8js": "js",
    "dotnet": "jit",
}

# The eBPF profiler puts this in the place of the frames that it could not find.
_CUT = "abort-marker"


@dataclass(frozen=True)
class Stacks:
    """Distinct stacks of a dictionary.

    Attributes:
        identities: n ids.
        stacks, frames: rows of profile_stacks and profile_frames.
        empty: how many of them have no location.
    """

    identities: Ints
    stacks: pa.Table
    frames: pa.Table
    empty: npt.NDArray[np.bool_]


def read_stacks(dictionary: Dictionary, used: Ints) -> Stacks:
    """Read some of the stacks of a dictionary, none of them faulty.

    Args:
        dictionary: the dictionary.
        used: n places in its stack table.

    Raises:
        TooWideError: they have more frames or more text than fits in memory.
    """
    counts, places = take_lists(*_located(dictionary), used)
    locations, of_place = np.unique(places, return_inverse=True)
    frames = Frames()
    frame_counts, flat, cut = _frames_of_locations(dictionary, locations, frames)
    stack_of_place = np.repeat(np.arange(len(used)), counts)
    empty = counts == 0
    depths = np.bincount(
        stack_of_place, weights=frame_counts[of_place], minlength=len(used)
    ).astype(np.int64)
    if int(depths.sum()) > _MOST_FRAMES:
        raise TooWideError(f"more than {_MOST_FRAMES} frames in stacks")
    _, of_stack = take_lists(frame_counts, flat, of_place)
    truncated = np.zeros(len(used), dtype=bool)
    truncated[stack_of_place[cut[of_place]]] = True
    if empty.any():
        starts = np.cumsum(depths) - depths
        of_stack = np.insert(of_stack, starts[empty], frames.add(Frame(NO_STACK)))
        depths = np.where(empty, 1, depths)
    if int(numbers(pc.binary_length(frames.labels()))[of_stack].sum()) > _MOST_TEXT_BYTES:
        raise TooWideError(f"more than {_MOST_TEXT_BYTES} bytes of function names in stacks")
    identities = stack_ids(frames.ids()[of_stack], depths, truncated)
    rows = stack_rows(identities, frames, of_stack, depths, truncated)
    return Stacks(identities, rows, frames.rows(), empty)


def _located(dictionary: Dictionary) -> tuple[Ints, Ints]:
    """Give for each stack, and the empty one, how many locations it has and which."""
    index, counts = dictionary.lists("stack_table", "location_indices")
    owners = np.repeat(np.append(dictionary.tables["stack_table"].owners, 0), counts)
    if not len(index):
        return counts, index
    return counts, dictionary.tables["location_table"].place(index, owners)


def _frames_of_locations(
    dictionary: Dictionary, locations: Ints, frames: Frames
) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
    """Make the frames of locations, innermost first.

    Returns:
        For each location how many frames it has; the places of all in ``frames``, end to end;
        and whether the profiler gave up there.
    """
    functions = _functions(dictionary)
    mappings = _mappings(dictionary)
    mapping_of = dictionary.places("location_table", "mapping_index", "mapping_table")[locations]
    addresses = dictionary.numbers("location_table", "address")[locations]
    kinds = _frame_types(dictionary, locations)
    lines = _lines(dictionary, locations)
    counts, flat = [], []
    each = zip(mapping_of.tolist(), addresses.tolist(), kinds, lines, strict=True)
    for mapping, address, kind, inlined in each:
        file, build_id = mappings[mapping]
        where = Frame(
            mapping=file,
            build_id=build_id,
            address=address % (1 << 64),
            kind=_KINDS.get(kind or "", "unknown"),
        )
        found = [
            where._replace(
                **functions[function],
                line=line,
                column=column,
                inlined=number < len(inlined) - 1,
            )
            for number, (function, line, column) in enumerate(inlined)
        ] or [where]
        counts.append(len(found))
        flat += [frames.add(frame) for frame in found]
    cut = np.array([kind == _CUT for kind in kinds], dtype=bool)
    return np.array(counts, dtype=np.int64), np.array(flat, dtype=np.int64), cut


def _functions(dictionary: Dictionary) -> list[dict[str, Any]]:
    """Give what is known of each function, and nothing of the zero entry."""
    fields = ("name_strindex", "system_name_strindex", "filename_strindex")
    texts = [dictionary.texts("function_table", field).to_pylist() for field in fields]
    starts = dictionary.numbers("function_table", "start_line").tolist()
    return [
        {"function": name, "system_name": system, "file": file, "start_line": start}
        for name, system, file, start in zip(*texts, starts, strict=True)
    ]


def _mappings(dictionary: Dictionary) -> list[tuple[str, str]]:
    """Give file and build id of each mapping, and nothing of the zero entry."""
    files = dictionary.texts("mapping_table", "filename_strindex").to_pylist()
    lists = _attributes(dictionary, "mapping_table", np.arange(len(files)))
    build_ids = lists.text(*_BUILD_IDS).to_pylist()
    return [(file, build_id or "") for file, build_id in zip(files, build_ids, strict=True)]


def _frame_types(dictionary: Dictionary, locations: Ints) -> list[str | None]:
    """Give what kind of frame each location is, in the sender's words."""
    found = _attributes(dictionary, "location_table", locations).text("profile.frame.type")
    types: list[str | None] = found.to_pylist()
    return types


def _attributes(dictionary: Dictionary, table: str, rows: Ints) -> Attributes:
    """Give the attributes of some entries of a table."""
    index, counts = dictionary.lists(table, "attribute_indices")
    counts, index = take_lists(counts, index, rows)
    owners = np.append(dictionary.tables[table].owners, 0)[rows]
    return Attributes(dictionary.attribute_lists(index, counts, owners))


def _lines(dictionary: Dictionary, locations: Ints) -> list[list[tuple[int, int, int]]]:
    """Give the lines of locations: function, line and column of each."""
    table = dictionary.tables["location_table"]
    lists = table.entries.field("lines")
    counts = np.append(lengths(lists), 0)
    entries = lists.flatten()
    if len(entries) > _MOST_LINES:
        raise TooWideError(f"more than {_MOST_LINES} lines in locations")
    taken, rows = take_lists(counts, np.arange(len(entries)), locations)
    if not len(rows):
        return [[] for _ in locations]
    owners = np.repeat(np.append(table.owners, 0)[locations], taken)
    entries = entries.take(pa.array(rows))
    function = dictionary.tables["function_table"].place(
        numbers(entries.field("function_index")), owners
    )
    columns = [function.tolist()] + [
        numbers(entries.field(name)).tolist() for name in ("line", "column")
    ]
    every = list(zip(*columns, strict=True))
    ends = np.cumsum(taken).tolist()
    return [every[end - count : end] for end, count in zip(ends, taken.tolist(), strict=True)]
