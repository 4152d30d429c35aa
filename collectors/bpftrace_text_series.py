"""Time series in bpftrace's text: a graph of which each line ends in its slot's value."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.bpftrace_batch import Batch, MapPrint
from collectors.bpftrace_text_entries import Header
from collectors.frames_and_stacks import Bools

_SLOT = r"^(?P<start>\S+)\s+\|[ *|]+\|(?: (?P<value>-?[0-9]+(?:\.[0-9]+)?))?\s*$"
_TOP = r"^hh:mm:ss\S*\s+\|_+\|\s*$"
_SCALE = r"^\s+-?[0-9][0-9.]*\s+-?[0-9][0-9.]*\s*$"
_BOTTOM = r"^\s+v_+v\s*$"


def read_series(batch: Batch, lines: pa.StringArray, headers: Sequence[Header]) -> Bools:
    """Add time series to a batch.

    Args:
        batch: gains a value a slot.
        lines: the lines.
        headers: the entries under whose names they may stand.

    Returns:
        Which lines were those of time series.
    """
    used = np.zeros(len(lines), dtype=np.bool_)
    parts = pc.extract_regex(lines, pattern=_SLOT)
    places = np.flatnonzero(parts.is_valid().to_numpy(zero_copy_only=False))
    for pattern, other in ((_TOP, -1), (_BOTTOM, 1)):
        edges = np.flatnonzero(
            pc.match_substring_regex(lines, pattern=pattern).to_numpy(zero_copy_only=False)
        )
        scales = edges + other
        used[edges] = True
        used[scales[(scales >= 0) & (scales < len(lines))]] = True
    owners = np.searchsorted([header.place for header in headers], places, side="right") - 1
    slots = [
        (owner, place, each["start"], each["value"])
        for owner, place, each in zip(
            owners.tolist(), places.tolist(), parts.take(pa.array(places)).to_pylist(), strict=True
        )
        if owner >= 0 and headers[owner].is_hist and not used[place]
    ]
    for owner, group in groupby(slots, key=lambda slot: slot[0]):
        own = list(group)
        used[[place for _, place, _, _ in own]] = True
        batch.messages += len(own)
        # A slot in which nothing was counted has no value.
        filled = [(start, value) for _, _, start, value in own if value]
        header = headers[owner]
        batch.maps.append(
            MapPrint(
                header.line,
                header.number,
                header.metric,
                None if header.key is None else [header.key] * len(filled),
                [value for _, value in filled],
                [("interval_start", start) for start, _ in filled],
            )
        )
    return used


def open_end(lines: pa.StringArray) -> int:
    """Give the place of a graph's edge at the end that may go on in the next block; else the end.

    The scale above a graph is told by the line below it, the one below by the line above it.
    """
    end = len(lines)
    last = lines.slice(max(end - 2, 0))
    scale = pc.match_substring_regex(last, pattern=_SCALE).to_pylist()
    bottom = pc.match_substring_regex(last, pattern=_BOTTOM).to_pylist()
    is_open = bottom[-1:] == [True] or (scale[-1:] == [True] and bottom[0] is not True)
    return end - 1 if is_open else end
