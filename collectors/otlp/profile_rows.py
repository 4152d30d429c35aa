"""Profiles themselves as columns of the profiles table, and their ids by content."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from collectors.otlp.attributes import Attributes
from collectors.otlp.columns import Ints, flatten, lengths, numbers
from collectors.otlp.profile_dictionary import Dictionary
from collectors.otlp.profile_payloads import Imported
from collectors.otlp.profile_values import Types
from collectors.otlp.series import Hashes, hash_map, hash_text, mix
from pipeline.schema import ATTRIBUTES
from pipeline.schema.profiles import SAMPLE_TYPES


@dataclass(frozen=True)
class Profiles:
    """Profiles that are kept.

    Attributes:
        items: n profiles as ptars gives them.
        requests: n numbers of their requests.
        dictionary: of all requests.
        types: what they measured.
        imported: those that were read from their payload.
    """

    items: pa.StructArray
    requests: Ints
    dictionary: Dictionary
    types: Types
    imported: Sequence[Imported]


def times_of(profiles: Profiles) -> Ints:
    """Give when each began: its own time, else its payload's, else its first sample's; else 0."""
    times = numbers(profiles.items.field("time_unix_nano")).copy()
    for each in profiles.imported:
        times[each.number] = times[each.number] or each.pprof.time_unix_nano
    stamps, owners = _stamps(profiles.items)
    first = np.full(len(times), np.iinfo(np.int64).max)
    np.minimum.at(first, owners, stamps)
    return np.where((times == 0) & (first < np.iinfo(np.int64).max), first, times)


def durations_of(profiles: Profiles) -> Ints:
    """Give how long each was recorded, 0 for unknown."""
    durations = numbers(profiles.items.field("duration_nano")).copy()
    for each in profiles.imported:
        durations[each.number] = durations[each.number] or each.pprof.duration_nano
    return durations


def own_columns(
    profiles: Profiles, totals: Ints, attributes: Attributes, warned: Sequence[list[str]]
) -> dict[str, pa.Array]:
    """Give the columns that come of the profiles alone.

    Args:
        profiles: n profiles.
        totals: n sums of values, in the canonical unit.
        attributes: theirs.
        warned: n lists of what was repaired.
    """
    types = profiles.types
    count = len(profiles.items)
    nothing: list[str | None] = [None] * count
    rows: dict[str, list[object]] = {
        "period": [int(each) or None for each in numbers(profiles.items.field("period"))],
        "period_type": [name or None for name in types.period_names],
        "sample_types": [
            [{"type": name, "unit": unit, "total": total // factor}]
            for name, unit, total, factor in zip(
                types.names, types.units, totals.tolist(), types.factors.tolist(), strict=True
            )
        ],
        "default_sample_type": [name or None for name in types.names],
        "drop_frames": list(nothing),
        "keep_frames": list(nothing),
        "comments": list(nothing),
        "source_format": ["otlp"] * count,
        "source_sha256": list(nothing),
        "warnings": [list(each) for each in warned],
    }
    for each in profiles.imported:
        for name, value in _of_payload(each, warned[each.number]).items():
            rows[name][each.number] = value
    kinds = {"period": pa.int64(), "sample_types": SAMPLE_TYPES}
    kinds |= dict.fromkeys(("comments", "warnings"), pa.list_(pa.string()))
    columns = {name: pa.array(row, kinds.get(name, pa.string())) for name, row in rows.items()}
    durations = durations_of(profiles)
    columns["duration_nano"] = pa.array(durations, mask=durations == 0)
    columns["attributes"] = _attribute_maps(profiles.items, attributes)
    columns["source_file"] = pa.nulls(count, pa.string())
    columns["lost"] = pa.nulls(count, pa.int64())
    return columns


def _of_payload(imported: Imported, warned: list[str]) -> dict[str, object]:
    """Give what a pprof payload says in the place of the profile around it."""
    pprof = imported.pprof
    replaced = [f"{pprof.replaced} strings were not UTF-8"] if pprof.replaced else []
    return {
        "period": pprof.period or None,
        "period_type": pprof.period_name or None,
        "sample_types": [
            {"type": each.name, "unit": each.unit, "total": total}
            for each, total in imported.rows.types
        ],
        "default_sample_type": pprof.default_sample_type or None,
        "drop_frames": pprof.drop_frames or None,
        "keep_frames": pprof.keep_frames or None,
        "comments": pprof.comments or None,
        "source_format": "pprof",
        "source_sha256": imported.sha256,
        "warnings": [*warned, *replaced],
    }


def attributes_of(profiles: Profiles, limit: int) -> Attributes:
    """Give the attributes of profiles."""
    lists = profiles.items.field("attribute_indices")
    return Attributes(
        profiles.dictionary.attribute_lists(
            numbers(lists.flatten()), lengths(lists), profiles.requests
        ),
        limit,
    )


def _attribute_maps(items: pa.StructArray, attributes: Attributes) -> pa.Array:
    """Give the attributes, and beside them what the schema has no column for."""
    ids = items.field("profile_id").to_pylist()
    formats = items.field("original_payload_format").to_pylist()
    dropped = items.field("dropped_attributes_count").to_pylist()
    maps = []
    for own, identity, name, lost in zip(
        attributes.to_map().to_pylist(), ids, formats, dropped, strict=True
    ):
        more = {
            "profile_id": identity.hex() if any(identity) else "",
            "original_payload_format": name,
            "dropped_attributes_count": str(lost) if lost else "",
        }
        keys = {key for key, _ in own}
        # The zero entry of an attribute table has no key and says nothing.
        named = [(key, value) for key, value in own if key]
        maps.append(named + [(k, v) for k, v in more.items() if v and k not in keys])
    return pa.array(maps, ATTRIBUTES)


def profile_ids(
    profiles: Profiles,
    columns: dict[str, pa.Array],
    sample_hashes: Hashes,
    profile_of_sample: Ints,
) -> Ints:
    """Give the ids of profiles: hashes of who sent them, when and what they say.

    Args:
        profiles: n profiles.
        columns: of the profiles table, all but the id.
        sample_hashes: m hashes of samples.
        profile_of_sample: m numbers of profiles.
    """
    count = len(profiles.items)
    sums = np.zeros(count, dtype=np.uint64)
    np.add.at(sums, profile_of_sample, mix(sample_hashes))
    stamps, owners = _stamps(profiles.items)
    moments = np.zeros(count, dtype=np.uint64)
    np.add.at(moments, owners, mix(stamps.view(np.uint64)))
    times = numbers(columns["time_unix_nano"])
    # Without a time equal profiles need not be the same: then those of other requests are others.
    requests = hash_text(columns["ingest_batch_id"])
    types = [repr(each) for each in columns["sample_types"].to_pylist()]
    texts = ("service_name", "scope_name", "period_type", "source_format")
    integers = ("time_unix_nano", "duration_nano", "period")
    hashes = mix(
        sums,
        moments,
        np.where(times == 0, requests, np.uint64(0)),
        hash_text(pa.array(types, pa.string())),
        hash_map(columns["resource_attributes"]),
        hash_map(columns["attributes"]),
        *(hash_text(columns[name]) for name in texts),
        *(numbers(columns[name]).view(np.uint64) for name in integers),
    )
    return np.asarray(hashes.view(np.int64))


def _stamps(items: pa.StructArray) -> tuple[Ints, Ints]:
    """Give the times of samples, and for each the number of its profile."""
    samples, profile_of_sample = flatten(items.field("samples"))
    stamps, sample_of_stamp = flatten(samples.field("timestamps_unix_nano"))
    return numbers(stamps), profile_of_sample[sample_of_stamp]
