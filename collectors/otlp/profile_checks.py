"""Which profiles of a request cannot be kept, over columns."""

import numpy as np
import pyarrow as pa

from collectors.otlp.columns import Bools, Ints, flatten, numbers
from collectors.otlp.levels import Levels
from collectors.otlp.profile_dictionary import FAULT, TABLES, Dictionary, Faults, gather
from collectors.otlp.profile_payloads import unreadable
from collectors.otlp.profile_requests import Requests
from collectors.otlp.profile_revisions import REVISION
from collectors.otlp.profile_values import overflowing, read_types, uneven


def request_of_items(levels: Levels) -> Ints:
    """Give for each item the number of its request."""
    requests: Ints = levels.request_of_resource[levels.resource_of_scope[levels.scope_of_item]]
    return requests


def invalid(requests: Requests, levels: Levels, dictionary: Dictionary) -> dict[str, Bools]:
    """Tell which profiles cannot be kept, by reason; reasons that hit none are left out.

    Args:
        requests: as ``read_requests`` gives them.
        levels: the same taken apart.
        dictionary: of the same.
    """
    profiles, owners = levels.items, request_of_items(levels)
    faults = _faults(profiles, owners, dictionary)
    outside = np.isin(levels.scope_of_item, requests.bad_scopes) | np.isin(
        levels.resource_of_scope[levels.scope_of_item], requests.bad_resources
    )
    faults[outside] |= FAULT["string_table"]
    masks = {
        f"an index into {table} is out of range": (faults & FAULT[table]) != 0 for table in TABLES
    }
    foreign = np.zeros(len(profiles), dtype=bool)
    foreign[requests.foreign_profiles] = True
    masks[f"fields that {REVISION} does not have"] = foreign
    masks |= _out_of_bounds(profiles)
    factors = read_types(profiles, owners, dictionary).factors
    masks["values add up to more than 2^63-1"] = overflowing(profiles, factors)
    masks["original_payload is no pprof profile"] = unreadable(profiles, owners, dictionary)
    return {reason: mask for reason, mask in masks.items() if mask.any()}


def _out_of_bounds(profiles: pa.StructArray) -> dict[str, Bools]:
    """Check times, durations and the shape of samples."""
    samples, profile_of_sample = flatten(profiles.field("samples"))
    times, sample_of_time = flatten(samples.field("timestamps_unix_nano"))
    late = numbers(profiles.field("time_unix_nano")) < 0
    late[profile_of_sample[sample_of_time[numbers(times) < 0]]] = True
    mixed = np.zeros(len(profiles), dtype=bool)
    mixed[profile_of_sample[uneven(samples)]] = True
    return {
        "time is above 2^63-1 ns": late,
        "duration is above 2^63-1 ns": numbers(profiles.field("duration_nano")) < 0,
        "values and timestamps of a sample differ in number": mixed,
    }


def _faults(profiles: pa.StructArray, owners: Ints, dictionary: Dictionary) -> Faults:
    """Give what is wrong with where profiles and their samples point."""
    faults = np.zeros(len(profiles), dtype=np.uint16)
    for owner in ("sample_type", "period_type"):
        for field in ("type_strindex", "unit_strindex"):
            index = numbers(profiles.field(owner).field(field))
            faults |= dictionary.follow(index, owners, "string_table")
    attributes, profile_of_attribute = flatten(profiles.field("attribute_indices"))
    found = dictionary.follow(numbers(attributes), owners[profile_of_attribute], "attribute_table")
    faults |= gather(found, profile_of_attribute, len(profiles))
    samples, profile_of_sample = flatten(profiles.field("samples"))
    of_sample = owners[profile_of_sample]
    wrong = np.zeros(len(samples), dtype=np.uint16)
    for field, target in (("stack_index", "stack_table"), ("link_index", "link_table")):
        wrong |= dictionary.follow(numbers(samples.field(field)), of_sample, target)
    attributes, sample_of_attribute = flatten(samples.field("attribute_indices"))
    found = dictionary.follow(
        numbers(attributes), of_sample[sample_of_attribute], "attribute_table"
    )
    wrong |= gather(found, sample_of_attribute, len(samples))
    return faults | gather(wrong, profile_of_sample, len(profiles))
