"""Samples of a pprof profile as columns of profile_samples: one row a type that is not zero."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from collectors.frames_and_stacks import Ints
from collectors.pprof_message import Pprof
from collectors.pprof_stacks import PprofStacks, read_pprof_stacks
from collectors.profile_types import canonical_unit, is_cumulative, normal_name, profile_type
from pipeline.errors import BadRequest
from pipeline.schema import ATTRIBUTES
from pipeline.schema.profiles import NUM_LABELS

# The names that labels of threads, processes and spans go by.
_LABELS = {
    "thread_id": ("thread id", "thread_id", "thread.id", "tid"),
    "pid": ("pid", "process id", "process_id", "process.pid"),
    "thread_name": ("thread name", "thread_name", "thread.name", "thread"),
    "comm": ("comm",),
    "trace_id": ("trace_id", "trace id"),
    "span_id": ("span_id", "span id"),
    "local_root_span_id": ("local_root_span_id", "local root span id"),
}
_INTEGERS = ("thread_id", "pid")
_ID_DIGITS = {"trace_id": 32, "span_id": 16, "local_root_span_id": 16}

# Which count says how often something of a kind was seen.
_COUNT_OF_KIND = {
    "alloc_space": "alloc_objects",
    "inuse_space": "inuse_objects",
    "lock_wait": "lock_count",
}


@dataclass(frozen=True)
class PprofType:
    """One type of value.

    Attributes:
        name, unit: as sent.
        canonical, factor: the unit in the schema's words, and how many of it one of the sent is.
        kind: profile type of the schema.
        cumulative: whether values run since the process started.
    """

    name: str
    unit: str
    canonical: str
    factor: int
    kind: str
    cumulative: bool


@dataclass(frozen=True)
class PprofRows:
    """The rows of a profile, as far as it alone tells.

    Attributes:
        types: each with its total in the unit as sent.
        columns: own columns of profile_samples.
        stacks: of its samples.
    """

    types: list[tuple[PprofType, int]]
    columns: dict[str, pa.Array]
    stacks: PprofStacks


def read_pprof_rows(profile: Pprof, max_labels: int, warnings: Counter[str]) -> PprofRows:
    """Read the samples of a profile.

    Args:
        profile: the profile.
        max_labels: labels kept on one sample.
        warnings: gains what was repaired or dropped.

    Raises:
        BadRequest: a sample has more or fewer values than there are types, values that do not
            add up within 63 bits, or points at what is not there.
    """
    types = _types(profile)
    values = _values(profile, types)
    stacks = read_pprof_stacks(profile, warnings)
    rows, kinds = np.nonzero(values)
    labels = _labels(profile, max_labels, warnings)
    factors = np.array([each.factor for each in types], dtype=np.int64)
    columns = {name: column.take(pa.array(rows)) for name, column in labels.items()}
    for name, attribute in (
        ("profile_type", "kind"),
        ("sample_type", "name"),
        ("sample_unit", "canonical"),
        ("is_cumulative", "cumulative"),
    ):
        each = pa.array([getattr(one, attribute) for one in types])
        columns[name] = each.take(pa.array(kinds))
    columns["stack_id"] = pa.array(stacks.of_sample[rows])
    columns["value"] = pa.array((values * factors)[rows, kinds])
    each_type = range(len(types))
    observed = np.stack([_observations(profile, types, place, values) for place in each_type])
    counts = observed[kinds, rows]
    columns["samples"] = pa.array(counts, mask=counts == np.iinfo(np.int64).min)
    totals = values.sum(axis=0).tolist()
    return PprofRows(list(zip(types, totals, strict=True)), columns, stacks)


def _types(profile: Pprof) -> list[PprofType]:
    found = []
    for name, unit in profile.sample_types:
        canonical, factor = canonical_unit(unit)
        kind = profile_type(name, canonical, profile.period_name)
        cumulative = is_cumulative(kind, profile.duration_nano)
        found.append(PprofType(name, unit, canonical, factor, kind, cumulative))
    return found


def _values(profile: Pprof, types: list[PprofType]) -> Ints:
    """Give the values of n samples and k types as n x k numbers."""
    lists = profile.samples.field("value")
    lengths = np.diff(lists.offsets.to_numpy())
    if (lengths != len(types)).any():
        wrong = int(lengths[lengths != len(types)][0])
        raise BadRequest(
            f"a sample has {wrong} values for {len(types)} types: concatenated profiles?"
        )
    values = np.asarray(lists.flatten().to_numpy(), dtype=np.int64).reshape(-1, len(types))
    sizes = np.abs(values.astype(np.float64)).sum(axis=0)
    for place, each in enumerate(types):
        if sizes[place] * each.factor >= 2.0**62:
            exact = sum(map(abs, values[:, place].tolist())) * each.factor
            if exact >= 2**63:
                raise BadRequest(f"values of {each.name} add up to more than 2^63-1")
    return values


def _observations(profile: Pprof, types: list[PprofType], place: int, values: Ints) -> Ints:
    """Give how often each sample was observed, by the count that goes with a type."""
    own = types[place]
    if own.canonical == "count":
        return values[:, place]
    wanted = _COUNT_OF_KIND.get(own.kind)
    counts = [
        number
        for number, each in enumerate(types)
        if each.canonical == "count"
        and (each.kind == wanted if wanted else normal_name(each.name).endswith("samples"))
    ]
    if counts:
        return values[:, counts[0]]
    unit, factor = canonical_unit(profile.period_unit)
    period = profile.period * factor
    if own.kind == "cpu" and unit == own.canonical == "nanoseconds" and 0 < period < 2**62:
        scaled = values[:, place] * own.factor
        return np.where(scaled % period == 0, scaled // period, np.iinfo(np.int64).min)
    return np.full(len(values), np.iinfo(np.int64).min)


def _labels(profile: Pprof, limit: int, warnings: Counter[str]) -> dict[str, pa.Array]:
    """Give the label columns of all samples, each distinct set of labels read once."""
    lists = profile.samples.field("label")
    lengths = np.diff(lists.offsets.to_numpy())
    flat = lists.flatten()
    parts = [np.asarray(flat.field(name).to_numpy()) for name in ("key", "str", "num", "num_unit")]
    data = np.stack(parts, axis=1).astype("<i8").tobytes() if len(flat) else b""
    size = 8 * len(parts)
    ends = np.cumsum(lengths) * size
    sets: dict[bytes, int] = {}
    of_sample = [
        sets.setdefault(data[end - length * size : end], len(sets))
        for end, length in zip(ends.tolist(), lengths.tolist(), strict=True)
    ]
    rows = [
        _label_row(profile, np.frombuffer(each, "<i8").reshape(-1, len(parts)).tolist(), limit)
        for each in sets
    ]
    warnings["attributes_over_limit"] += sum(row.pop("cut") for row in rows)
    types = {name: pa.int64() if name in _INTEGERS else pa.string() for name in _LABELS}
    types |= {"labels": ATTRIBUTES, "num_labels": NUM_LABELS}
    places = pa.array(of_sample, pa.int64())
    return {
        name: pa.array([row[name] for row in rows], kind).take(places)
        for name, kind in types.items()
    }


def _label_row(profile: Pprof, labels: list[list[int]], limit: int) -> dict[str, Any]:
    """Read one set of labels."""
    texts: dict[str, list[str]] = {}
    numbers: list[dict[str, Any]] = []
    for key_number, text_number, number, unit_number in labels[:limit]:
        key, text = _string(profile, key_number), _string(profile, text_number)
        if text_number:
            texts.setdefault(key, []).append(text)
        else:
            unit = _string(profile, unit_number) or ("bytes" if "bytes" in key else "")
            numbers.append({"key": key, "value": number, "unit": unit})
    # What a key says when it stands there more than once is a list.
    plain = {
        key: each[0] if len(each) == 1 else json.dumps(each, ensure_ascii=False)
        for key, each in texts.items()
    }
    whole: dict[str, Any] = {each["key"]: each["value"] for each in numbers}
    row: dict[str, Any] = {"labels": list(plain.items()), "num_labels": numbers}
    row["cut"] = max(len(labels) - limit, 0)
    for column, keys in _LABELS.items():
        found = next((key for key in keys if key in plain or key in whole), "")
        value: Any = plain.get(found, whole.get(found))
        if column in _INTEGERS:
            row[column] = int(value) if re.fullmatch(r"-?\d{1,19}", str(value)) else None
        elif column in _ID_DIGITS:
            row[column] = _hex(found, value, _ID_DIGITS[column])
        else:
            row[column] = None if value is None else str(value)
    return row


def _hex(key: str, value: str | int | None, digits: int) -> str | None:
    """Write an id in hex. Keys with blanks are those of tracers that write ids in decimal."""
    if value is None:
        return None
    text = str(value)
    decimal = isinstance(value, int) or (" " in key and text.isdecimal())
    if not decimal and re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", text):
        return text.lower() if text.strip("0") else None
    if text.lstrip("-").isdecimal() and len(text) <= 39:
        number = int(text) % (1 << 4 * digits)
        return f"{number:0{digits}x}" if number else None
    return None


def _string(profile: Pprof, number: int) -> str:
    if not 0 <= number < len(profile.strings):
        raise BadRequest(f"string {number} is not among the profile's {len(profile.strings)}")
    return profile.strings[number]
