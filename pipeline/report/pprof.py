"""A selection of profiles as a pprof profile, the same bytes for the same selection.

Source: github.com/google/pprof, proto/profile.proto.
"""

import gzip
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import BinaryIO

import pyarrow as pa

from collectors.profile_types import profile_type
from pipeline.jobs.profile_selection import Selection
from pipeline.report.pprof_labels import LABEL_COLUMNS, Labels, labels_of, write_labels
from pipeline.report.pprof_tables import Strings, Tables
from pipeline.report.protobuf_wire import content, integer, packed

_TYPE, _SAMPLE, _MAPPING, _LOCATION, _FUNCTION, _STRING = 1, 2, 3, 4, 5, 6

ValueType = tuple[str, str]


def write_pprof(selection: Selection, out: BinaryIO) -> None:
    """Write a selection as a gzipped pprof profile.

    Each stack with each set of labels is one sample, with a value for each type. Times are the
    first profile's; durations add up, as do the values; the period is the longest.

    Args:
        selection: made with threads, labels and all types.
        out: where.
    """
    # Without a time of its own, so that the bytes depend on the selection alone.
    out.write(gzip.compress(pprof_bytes(selection), mtime=0))


def pprof_bytes(selection: Selection) -> bytes:
    """Give a selection as a pprof message, not compressed."""
    strings = Strings()
    types = sample_types(selection)
    head = [content(_TYPE, _value_type(strings, name, unit)) for name, unit in types]
    tables = Tables(strings, selection.frames.to_pylist())
    ends = selection.depths.cumsum().tolist()
    places = selection.places.tolist()
    starts = [0, *ends]
    located: dict[int, bytes] = {}
    samples = []
    for stack, labels, values in _samples(selection, types):
        if stack not in located:
            located[stack] = packed(1, tables.locations(places[starts[stack] : ends[stack]]))
        body = located[stack] + packed(2, values) + write_labels(labels, strings)
        samples.append(content(_SAMPLE, body))
    facts = _facts(selection.profiles, strings)
    return b"".join(
        [
            *head,
            *samples,
            *(content(_MAPPING, each) for each in tables.mappings()),
            *(content(_LOCATION, each) for each in tables.location_messages()),
            *(content(_FUNCTION, each) for each in tables.functions()),
            *(content(_STRING, each.encode("utf-8", "replace")) for each in strings.texts()),
            facts,
        ]
    )


def sample_types(selection: Selection) -> list[ValueType]:
    """Give the types of value of a selection in the order that its profiles have them."""
    positions: dict[str, int] = {}
    for types in selection.profiles["sample_types"].to_pylist():
        for position, each in enumerate(types or ()):
            positions[each["type"]] = min(position, positions.get(each["type"], position))
    pairs = selection.rows.select(["sample_type", "sample_unit"]).group_by(
        ["sample_type", "sample_unit"]
    )
    found = pairs.aggregate([]).to_pylist()
    there = [(each["sample_type"], each["sample_unit"]) for each in found]
    return sorted(there, key=lambda pair: (positions.get(pair[0], len(positions)), pair))


def _samples(
    selection: Selection, types: Sequence[ValueType]
) -> Iterable[tuple[int, Labels, list[int]]]:
    """Give stack, labels and values of each sample, in one order."""
    number = {pair: place for place, pair in enumerate(types)}
    names = ("sample_type", "sample_unit", "stack", "value", *LABEL_COLUMNS)
    values: dict[tuple[int, Labels], list[int]] = defaultdict(lambda: [0] * len(types))
    for row in selection.rows.select(names).to_pylist():
        key = (row["stack"], labels_of(row))
        values[key][number[(row["sample_type"], row["sample_unit"])]] += row["value"]
    for key in sorted(values):
        yield *key, values[key]


def _facts(profiles: pa.Table, strings: Strings) -> bytes:
    """Write what is known of the profiles as a whole; texts that differ are left out."""
    rows = profiles.to_pylist()

    def common(name: str) -> str:
        found = {row[name] or "" for row in rows}
        return found.pop() if len(found) == 1 else ""

    periods = {row["period_type"] for row in rows}
    period = max((row["period"] or 0 for row in rows), default=0) if len(periods) == 1 else 0
    comments = dict.fromkeys(
        comment
        for row in sorted(rows, key=lambda row: (row["time_unix_nano"], row["profile_id"]))
        for comment in row["comments"] or ()
    )
    parts = [
        integer(7, strings.add(common("drop_frames"))),
        integer(8, strings.add(common("keep_frames"))),
        integer(9, min((row["time_unix_nano"] for row in rows), default=0)),
        integer(10, sum(row["duration_nano"] or 0 for row in rows)),
        content(11, _period_type(common("period_type"), strings)),
        integer(12, period),
        packed(13, [strings.add(comment) for comment in comments]),
        integer(14, strings.add(common("default_sample_type"))),
    ]
    return b"".join(parts)


def _period_type(name: str, strings: Strings) -> bytes:
    """Write what was counted between two samples; the lake has its name and not its unit."""
    if not name:
        return b""
    kind = profile_type(name, "")
    if kind in ("cpu", "wall", "off_cpu", "lock_wait"):
        return _value_type(strings, name, "nanoseconds")
    unit = "bytes" if kind.endswith("_space") or name in ("space", "bytes") else "count"
    return _value_type(strings, name, unit)


def _value_type(strings: Strings, name: str, unit: str) -> bytes:
    return integer(1, strings.add(name)) + integer(2, strings.add(unit))
