"""Look-ups within a pprof profile, a whole column at once: ids, numbers of strings, equal lists."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collectors.frames_and_stacks import Ints
from collectors.pprof_message import Pprof
from pipeline.errors import BadRequest

Ids = npt.NDArray[np.uint64]

# Ids are most often 1 to n: a table by id is then no larger than a few times the ids themselves.
_SPREAD_MOST = 8
_SPREAD_ALWAYS = 1 << 16

# Numbers looked at together: what is made of them stays in a processor's cache.
_PART_NUMBERS = 1 << 15

# Source: splitmix64 (Steele, Lea and Flood, 2014).
_ODD = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], dtype=np.uint64)


def places_of(ids: Ids, wanted: Ids, what: str) -> Ints:
    """Give where in a table the entries of some ids stand.

    Args:
        ids: n ids of the table's entries.
        wanted: m ids.
        what: the entries' name, for the error.

    Raises:
        BadRequest: the table has no such entry, or an id twice.

    >>> places_of(np.array([5, 3], np.uint64), np.array([3, 3, 5], np.uint64), "location").tolist()
    [1, 1, 0]
    """
    order = np.argsort(ids, kind="stable").astype(np.int64)
    ordered = ids[order]
    twice = ordered[1:] == ordered[:-1]
    if twice.any():
        raise BadRequest(f"{what} {int(ordered[1:][twice][0])} stands there more than once")
    if not len(wanted):
        return np.zeros(0, dtype=np.int64)
    most = int(ordered[-1]) if len(ids) else 0
    within = int(wanted.max()) <= most
    if within and most < max(_SPREAD_ALWAYS, _SPREAD_MOST * len(ids)):
        table = np.full(most + 1, -1, dtype=np.int64)
        table[ids.view(np.int64)] = np.arange(len(ids))
        places = table[wanted.view(np.int64)]
        missing = places < 0
    elif len(ids):
        found = np.minimum(np.searchsorted(ordered, wanted), len(ids) - 1)
        places = order[found]
        missing = ordered[found] != wanted
    else:
        places, missing = order, np.ones(len(wanted), dtype=np.bool_)
    if missing.any():
        raise BadRequest(f"{what} {int(wanted[missing][0])} is not among the profile's {len(ids)}")
    return np.asarray(places, dtype=np.int64)


def integers(rows: pa.StructArray, name: str) -> Ints:
    """Give a field of n structs that is a signed number."""
    return np.asarray(rows.field(name).to_numpy(zero_copy_only=False), dtype=np.int64)


def ids_of(rows: pa.StructArray, name: str) -> Ids:
    """Give a field of n structs that is an unsigned number."""
    return np.asarray(rows.field(name).to_numpy(zero_copy_only=False), dtype=np.uint64)


def check_strings(profile: Pprof, columns: Mapping[str, Ints]) -> None:
    """Hold numbers of strings to the string table.

    Raises:
        BadRequest: one of them points beyond it.
    """
    for name, numbers in columns.items():
        outside = (numbers < 0) | (numbers >= len(profile.texts))
        if outside.any():
            raise BadRequest(
                f"string {int(numbers[outside][0])} is not among the profile's "
                f"{len(profile.texts)} ({name})"
            )


def distinct_lists(counts: Ints, *columns: Ints) -> tuple[Ints, Ints]:
    """Find equal lists among n that stand end to end.

    Args:
        counts: n lengths.
        columns: what the lists hold; more than one where they hold rows.

    Returns:
        Where each of the d different lists stands first, ascending, and for each of the n which
        of the d it is.

    >>> first, which = distinct_lists(np.array([1, 2, 1]), np.array([7, 8, 9, 7]))
    >>> first.tolist(), which.tolist()
    ([0, 1], [0, 1, 0])
    """
    starts = np.cumsum(counts) - counts
    parts = list(_parts(counts))
    hashes = np.zeros(len(counts), dtype=np.uint64)
    some = [column for column in columns if column.any()]
    for start, stop, first, last in parts:
        held = [column[first:last] for column in some]
        hashes[start:stop] = _hashes(counts[start:stop], held)
    which = pa.array(hashes).dictionary_encode().indices.to_numpy(zero_copy_only=False)
    like = _first_of(which)[which]
    if not all(_alike(counts, starts, some, like, part) for part in parts):
        # Two lists have one hash, which only somebody who wants it can do.
        which = _compared(counts, columns)
    return _first_of(which), which.astype(np.int64)


def _first_of(which: Ints) -> Ints:
    """Give where each of the numbers 0 to d-1 stands first."""
    first = np.zeros(int(which.max()) + 1 if len(which) else 0, dtype=np.int64)
    # Of several that are assigned to one place the last stays.
    first[which[::-1]] = np.arange(len(which))[::-1]
    return first


def _parts(counts: Ints) -> Iterator[tuple[int, int, int, int]]:
    """Cut n lists into parts: the first list and one behind the last, and the same of numbers."""
    ends = np.cumsum(counts)
    start = first = 0
    while start < len(counts):
        stop = int(np.searchsorted(ends, first + _PART_NUMBERS, side="right"))
        # Empty lists are many without a number.
        stop = min(max(stop, start + 1), start + _PART_NUMBERS)
        last = int(ends[stop - 1])
        yield start, stop, first, last
        start, first = stop, last


def _hashes(counts: Ints, columns: Sequence[Ints]) -> Ids:
    """Hash n lists: each row of numbers mixed with its place in the list, then added up."""
    hashes: Ids = counts.astype(np.uint64) * _ODD[0]
    total = int(counts.sum())
    if not total:
        return hashes
    starts = np.cumsum(counts) - counts
    mixed = (np.arange(total) - np.repeat(starts, counts)).view(np.uint64)
    mixed *= _ODD[0]
    # As splitmix64 does: nothing less tells apart sums of the small numbers that ids are.
    for column in columns:
        mixed += column.view(np.uint64)
        for shift, odd in zip((30, 27), _ODD[1:], strict=True):
            mixed ^= mixed >> np.uint64(shift)
            mixed *= odd
        mixed ^= mixed >> np.uint64(31)
    some = counts > 0
    hashes[some] += np.add.reduceat(mixed, starts[some])
    return hashes


def _alike(
    counts: Ints,
    starts: Ints,
    columns: Sequence[Ints],
    like: Ints,
    part: tuple[int, int, int, int],
) -> bool:
    """Tell whether the lists of a part are equal to those that they are taken for."""
    start, stop, first, last = part
    own, others = counts[start:stop], like[start:stop]
    if not np.array_equal(own, counts[others]):
        return False
    moved = np.repeat(starts[others] - starts[start:stop], own)
    moved += np.arange(first, last)
    return all(np.array_equal(each[first:last], each[moved]) for each in columns)


def _compared(counts: Ints, columns: Sequence[Ints]) -> Ints:
    """Find equal lists by comparing them whole: which each is, in the order they appear."""
    rows = np.stack(columns, axis=1)
    data = rows.tobytes()
    ends = (8 * rows.shape[1] * np.cumsum(counts)).tolist()
    places: dict[bytes, int] = {}
    which = [
        places.setdefault(data[start:end], len(places))
        for start, end in zip([0, *ends], ends, strict=False)
    ]
    return np.array(which, dtype=np.int64)
