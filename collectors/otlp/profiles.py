"""Profiles: which can be kept, and whole profile requests as rows of the four profile tables."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from collectors.frames_and_stacks import concat_rows
from collectors.otlp.columns import Ints, numbers
from collectors.otlp.levels import Levels, take_apart
from collectors.otlp.profile_checks import invalid, request_of_items
from collectors.otlp.profile_dictionary import Dictionary
from collectors.otlp.profile_payloads import Imported, carried, import_payloads
from collectors.otlp.profile_requests import read_requests
from collectors.otlp.profile_rows import (
    Profiles,
    attributes_of,
    own_columns,
    profile_ids,
    times_of,
)
from collectors.otlp.profile_samples import Samples, read_samples
from collectors.otlp.profile_values import read_types
from collectors.otlp.rejection import Rejection, rejection
from collectors.otlp.series import Hashes, hash_map, hash_text, mix
from collectors.otlp.times import partition_dates
from pipeline.schema import PROFILE_FRAMES, PROFILE_SAMPLES, PROFILE_STACKS, PROFILES

Tables = dict[str, pa.Table]


def check(payload: bytes) -> Rejection:
    """Count the profiles of a request and those that cannot be kept.

    Raises:
        BadRequest: the bytes are no profiles request.
    """
    requests = read_requests([payload])
    levels = take_apart(requests.batch, "profiles", "profiles")
    dictionary = Dictionary(requests.batch)
    found = rejection(len(levels.items), invalid(requests, levels, dictionary))
    tables = ", ".join(table for _, table in dictionary.nonzero_first())
    if not tables:
        return found
    return replace(found, warning=f"kept, but entry 0 is not the zero value in {tables}")


def decode(
    payloads: Sequence[bytes],
    batch_ids: Sequence[bytes],
    times_unix_nano: Sequence[int],
    max_attributes: int,
) -> tuple[Tables, Counter[str]]:
    """Read whole profile requests as rows of the four profile tables.

    Args:
        payloads: n requests.
        batch_ids: their content hashes.
        times_unix_nano: when each was received.
        max_attributes: attributes kept on one profile or sample.

    Returns:
        The rows by table, and how many values were repaired or dropped, by reason. Profiles and
        samples stand in the senders' order; each stack and each frame stands once.

    Raises:
        BadRequest: one of them is not a profiles request.
        TooWideError: rows would repeat too much text; fewer profiles at once may do.
    """
    warnings: Counter[str] = Counter()
    levels, dictionary = _kept(payloads, warnings)
    owners = request_of_items(levels)
    types = read_types(levels.items, owners, dictionary)
    imported = import_payloads(levels.items, owners, dictionary, max_attributes, warnings)
    profiles = Profiles(levels.items, owners, dictionary, types, imported)
    samples = read_samples(
        levels.items,
        owners,
        dictionary,
        types,
        carried(levels.items, owners, dictionary),
        max_attributes,
        warnings,
    )
    joined = _joined(samples, imported)
    columns = _profile_columns(
        profiles, joined, levels, batch_ids, times_unix_nano, max_attributes, warnings
    )
    stacks = [samples.stacks, *(each.rows.stacks.stacks for each in imported)]
    frames = [samples.frames, *(each.rows.stacks.frames for each in imported)]
    return {
        PROFILES.name: _table(columns, PROFILES.arrow_schema),
        PROFILE_SAMPLES.name: _sample_rows(columns, joined, levels, batch_ids, times_unix_nano),
        PROFILE_STACKS.name: concat_rows(stacks, "stack_id", PROFILE_STACKS.arrow_schema),
        PROFILE_FRAMES.name: concat_rows(frames, "frame_id", PROFILE_FRAMES.arrow_schema),
    }, warnings


def _kept(payloads: Sequence[bytes], warnings: Counter[str]) -> tuple[Levels, Dictionary]:
    """Read requests without the profiles that cannot be kept."""
    requests = read_requests(payloads)
    warnings["requests_of_an_earlier_revision"] += requests.earlier
    levels = take_apart(requests.batch, "profiles", "profiles")
    dictionary = Dictionary(requests.batch)
    masks = invalid(requests, levels, dictionary)
    if masks:
        bad = np.logical_or.reduce(list(masks.values()))
        warnings["rejected_profiles"] += int(bad.sum())
        levels = levels.keep(~bad)
    return levels, dictionary


def _joined(samples: Samples, imported: Sequence[Imported]) -> Samples:
    """Put the samples that were read from payloads after the others."""
    if not imported:
        return samples
    parts = [each.rows.columns for each in imported]
    counts = [len(part["stack_id"]) for part in parts]
    numbers_of = np.repeat([each.number for each in imported], counts)
    columns = {
        name: pa.concat_arrays([column, *(part[name] for part in parts)])
        for name, column in samples.columns.items()
    }
    hashes = np.concatenate([samples.hashes, *map(_hashes, parts)])
    owners = np.concatenate([samples.profiles, numbers_of]).astype(np.int64)
    return Samples(owners, columns, hashes, samples.stacks, samples.frames)


def _hashes(columns: dict[str, pa.Array]) -> Hashes:
    """Hash what rows of a payload say."""
    return mix(
        *(numbers(columns[name]).view(np.uint64) for name in ("stack_id", "value", "samples")),
        hash_text(columns["sample_type"]),
        hash_map(columns["labels"]),
    )


def _profile_columns(
    profiles: Profiles,
    samples: Samples,
    levels: Levels,
    batch_ids: Sequence[bytes],
    times_unix_nano: Sequence[int],
    max_attributes: int,
    warnings: Counter[str],
) -> dict[str, pa.Array]:
    """Give the columns of the profiles table."""
    columns, batch = levels.shared_columns(batch_ids, times_unix_nano, warnings)
    attributes = attributes_of(profiles, max_attributes)
    times = times_of(profiles)
    totals = np.zeros(len(times), dtype=np.int64)
    np.add.at(totals, samples.profiles, _plain_values(samples, profiles.imported))
    warned = _warned(profiles, times, warnings)
    columns |= own_columns(profiles, totals, attributes, warned)
    columns["time_unix_nano"] = pa.array(times)
    columns["profile_id"] = pa.array(
        profile_ids(profiles, columns, samples.hashes, samples.profiles)
    )
    columns["date"] = partition_dates(times, batch.times_of_rows(), warnings)
    warnings.update(attributes.warnings)
    return columns


def _plain_values(samples: Samples, imported: Sequence[Imported]) -> Ints:
    """Give values to be added up; payloads of several types have totals of their own."""
    own = ~np.isin(samples.profiles, [each.number for each in imported])
    return np.where(own, numbers(samples.columns["value"]), 0)


def _warned(profiles: Profiles, times: Ints, warnings: Counter[str]) -> list[list[str]]:
    """Give for each profile what was repaired, and count it."""
    warned: list[list[str]] = [[] for _ in times]
    own_times = numbers(profiles.items.field("time_unix_nano"))
    for number in np.flatnonzero((own_times == 0) & (times != 0)).tolist():
        warned[number].append("no time: that of its first sample or its payload is taken")
        warnings["profile_times_from_samples"] += 1
    for number in np.flatnonzero(times == 0).tolist():
        warned[number].append("no time")
    for request, table in profiles.dictionary.nonzero_first():
        warnings["dictionary_entries_0_not_zero"] += 1
        for number in np.flatnonzero(profiles.requests == request).tolist():
            warned[number].append(f"entry 0 of {table} is not the zero value")
    return warned


def _sample_rows(
    columns: dict[str, pa.Array],
    samples: Samples,
    levels: Levels,
    batch_ids: Sequence[bytes],
    times_unix_nano: Sequence[int],
) -> pa.Table:
    """Make rows of profile_samples; what their profiles say stands in each."""
    # What was repaired above the samples is counted with the profiles.
    rows, _ = levels.shared_columns(batch_ids, times_unix_nano, Counter(), samples.profiles)
    rows |= samples.columns
    places = pa.array(samples.profiles)
    for name in ("profile_id", "time_unix_nano", "duration_nano", "date"):
        rows[name] = columns[name].take(places)
    return _table(rows, PROFILE_SAMPLES.arrow_schema)


def _table(columns: dict[str, pa.Array], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)
