"""check(): profiles that point outside their dictionary are rejected, and no others."""

from collections.abc import Callable
from typing import Any

import pytest

from collectors.otlp.profiles import check
from pipeline.errors import BadRequest
from tests.otlp_profiles.profile_messages import NOON, Requested, field, tables_of

FAR = 10_000


def with_a_bad_one(spoil: Callable[[Requested], None]) -> Requested:
    """Give a request of two good profiles, and between them one that is spoiled."""
    asked = Requested()
    for number in range(3):
        profile = asked.profile()
        if number == 1:
            asked.sample(profile, f"leaf{number};root", times=[NOON])
            spoil(asked)
        else:
            asked.sample(profile, f"leaf{number};root", times=[NOON])
    return asked


def spoil_sample(name: str, value: int) -> Callable[[Requested], None]:
    def spoil(asked: Requested) -> None:
        setattr(asked.profiles[1].samples[0], name, value)

    return spoil


def last(table: str, name: str, value: int) -> Callable[[Requested], None]:
    """Spoil an index in the last entry of a table, which only the bad profile reaches."""

    def spoil(asked: Requested) -> None:
        setattr(getattr(asked.dictionary, table)[-1], name, value)

    return spoil


def attribute_of(table: str, index: int) -> Callable[[Requested], None]:
    def spoil(asked: Requested) -> None:
        getattr(asked.dictionary, table)[-1].attribute_indices.append(index)

    return spoil


def bad_attribute(where: str, **fields: int) -> Callable[[Requested], None]:
    """Have an attribute that points outside, on the profile, its sample or its location."""

    def spoil(asked: Requested) -> None:
        number = asked.attribute("key", "value")
        for name, value in fields.items():
            setattr(asked.dictionary.attribute_table[number], name, value)
        owners: dict[str, Any] = {
            "profile": asked.profiles[1],
            "sample": asked.profiles[1].samples[0],
            "location": asked.dictionary.location_table[-1],
        }
        owners[where].attribute_indices.append(number)

    return spoil


def bad_mapping(asked: Requested) -> None:
    asked.location("lib.so+0x10")
    asked.dictionary.mapping_table[-1].filename_strindex = FAR
    asked.dictionary.stack_table[-1].location_indices.append(
        len(asked.dictionary.location_table) - 1
    )


def nested_string(asked: Requested) -> None:
    number = asked.attribute("key", "value")
    value = asked.dictionary.attribute_table[number].value
    value.kvlist_value.values.add(key="k").value.array_value.values.add(string_value_strindex=FAR)
    asked.profiles[1].samples[0].attribute_indices.append(number)


def type_index(owner: str, name: str) -> Callable[[Requested], None]:
    def spoil(asked: Requested) -> None:
        setattr(getattr(asked.profiles[1], owner), name, FAR)

    return spoil


OUT_OF_RANGE = {
    "stack of a sample": (spoil_sample("stack_index", FAR), "stack_table"),
    "negative stack": (spoil_sample("stack_index", -1), "stack_table"),
    "link of a sample": (spoil_sample("link_index", 1), "link_table"),
    "attribute of a sample": (
        lambda asked: asked.profiles[1].samples[0].attribute_indices.append(FAR),
        "attribute_table",
    ),
    "attribute of a profile": (
        lambda asked: asked.profiles[1].attribute_indices.append(FAR),
        "attribute_table",
    ),
    "type": (type_index("sample_type", "type_strindex"), "string_table"),
    "unit": (type_index("sample_type", "unit_strindex"), "string_table"),
    "period's type": (type_index("period_type", "type_strindex"), "string_table"),
    "period's unit": (type_index("period_type", "unit_strindex"), "string_table"),
    "location of a stack": (
        lambda asked: asked.dictionary.stack_table[-1].location_indices.append(FAR),
        "location_table",
    ),
    "mapping of a location": (last("location_table", "mapping_index", FAR), "mapping_table"),
    "attribute of a location": (attribute_of("location_table", FAR), "attribute_table"),
    "function of a line": (
        lambda asked: asked.dictionary.location_table[-1].lines.add(function_index=FAR),
        "function_table",
    ),
    "name of a function": (last("function_table", "name_strindex", FAR), "string_table"),
    "system name": (last("function_table", "system_name_strindex", FAR), "string_table"),
    "file of a function": (last("function_table", "filename_strindex", -7), "string_table"),
    "file of a mapping": (bad_mapping, "string_table"),
    "key of an attribute": (bad_attribute("sample", key_strindex=FAR), "string_table"),
    "unit of an attribute": (bad_attribute("profile", unit_strindex=FAR), "string_table"),
    "key of a location's attribute": (bad_attribute("location", key_strindex=FAR), "string_table"),
    "string within a value": (nested_string, "string_table"),
}


@pytest.mark.parametrize("name", OUT_OF_RANGE)
def test_an_index_out_of_range_costs_its_profile_and_no_other(name: str) -> None:
    spoil, table = OUT_OF_RANGE[name]
    payload = with_a_bad_one(spoil).bytes()
    found = check(payload)
    assert (found.total, found.rejected) == (3, 1)
    assert found.reasons == {f"an index into {table} is out of range": 1}
    tables, warnings = tables_of(payload)
    assert warnings["rejected_profiles"] == 1
    leaves = tables["profile_stacks"]["leaf_function"].to_pylist()
    assert sorted(leaves) == ["leaf0", "leaf2"]
    assert tables["profile_samples"].num_rows == 2


def test_a_bad_entry_that_nobody_reaches_costs_nothing() -> None:
    asked = with_a_bad_one(lambda asked: None)
    asked.dictionary.function_table.add(name_strindex=FAR)
    asked.dictionary.stack_table.add(location_indices=[FAR])
    assert check(asked.bytes()).rejected == 0


def test_a_resource_that_points_outside_costs_its_profiles() -> None:
    asked = with_a_bad_one(lambda asked: None)
    pair = asked.message.resource_profiles[0].resource.attributes.add(key="k")
    pair.value.string_value_strindex = FAR
    assert check(asked.bytes()).rejected == 3


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda p: setattr(p, "time_unix_nano", 2**63), "time is above 2^63-1 ns"),
        (lambda p: p.samples[0].timestamps_unix_nano.append(2**64 - 1), "time is above 2^63-1 ns"),
        (lambda p: setattr(p, "duration_nano", 2**63), "duration is above 2^63-1 ns"),
        (
            lambda p: p.samples[0].values.extend([1, 2]),
            "values and timestamps of a sample differ in number",
        ),
    ],
)
def test_what_no_row_can_hold_is_rejected(spoil: Callable[[object], None], reason: str) -> None:
    payload = with_a_bad_one(lambda asked: spoil(asked.profiles[1])).bytes()
    found = check(payload)
    assert (found.rejected, found.reasons) == (1, {reason: 1})
    assert tables_of(payload)[1]["rejected_profiles"] == 1


@pytest.mark.parametrize(
    ("values", "unit", "rejected"),
    [
        ([2**63 - 1], "count", 0),
        ([2**63 - 1, 1], "count", 1),
        ([-(2**63)], "count", 1),
        ([2**62, 2**62 - 1], "count", 0),
        ([2**53], "seconds", 1),
    ],
)
def test_values_must_add_up_within_63_bits(values: list[int], unit: str, rejected: int) -> None:
    asked = Requested()
    profile = asked.profile("cpu", unit)
    for value in values:
        asked.sample(profile, "f", values=[value])
    assert check(asked.bytes()).rejected == rejected
    assert sum(row["value"] for row in asked.rows()) == (0 if rejected else sum(values))


def test_a_field_of_another_revision_is_refused_and_the_revision_named() -> None:
    asked = with_a_bad_one(lambda asked: None)
    foreign = asked.profiles[1].SerializeToString() + field(99, 1)
    scope = asked.message.resource_profiles[0].scope_profiles[0]
    good = [each.SerializeToString() for each in scope.profiles]
    scope.ClearField("profiles")
    rest = asked.message.resource_profiles[0].resource.SerializeToString()
    profiles = b"".join(field(2, each) for each in (good[0], foreign, good[2]))
    payload = field(1, field(1, rest) + field(2, profiles)) + field(
        2, asked.dictionary.SerializeToString()
    )
    found = check(payload)
    assert (found.total, found.rejected) == (3, 1)
    (reason,) = found.reasons
    assert "opentelemetry-proto 1.45" in reason
    assert tables_of(payload)[0]["profile_samples"].num_rows == 2


def test_an_unknown_field_of_a_sample_is_refused_too() -> None:
    asked = with_a_bad_one(lambda asked: None)
    asked.profiles[1].samples[0].MergeFromString(field(77, b"x"))
    found = check(asked.bytes())
    assert found.rejected == 1
    assert "opentelemetry-proto 1.45" in next(iter(found.reasons))


@pytest.mark.parametrize("payload", [b"\x0a\xff", b"\x0a\x02\x12\xff", b"<html>"])
def test_bytes_that_are_no_request_are_refused(payload: bytes) -> None:
    with pytest.raises(BadRequest):
        check(payload)


def test_an_empty_request_is_no_error() -> None:
    assert check(b"").total == 0
    assert all(table.num_rows == 0 for table in tables_of(b"")[0].values())
