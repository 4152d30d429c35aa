"""Profiles become rows: what a sample is worth, whose it is, and which stack it stands on."""

import pytest

from collectors.otlp.profiles import decode
from tests.otlp_profiles.profile_messages import BATCH, NOON, Requested, rows_of, tables_of

TRACE = bytes(range(16))
SPAN = bytes(range(8))


def test_a_sample_without_values_counts_one_a_timestamp() -> None:
    asked = Requested()
    asked.sample(asked.profile(), "f;main", times=[NOON, NOON + 5, NOON + 9])
    (row,) = asked.rows()
    assert (row["value"], row["samples"], row["time_unix_nano"]) == (3, 3, NOON)
    (profile,) = asked.rows("profiles")
    assert profile["sample_types"] == [{"type": "samples", "unit": "count", "total": 3}]


def test_a_value_for_each_timestamp_is_an_observation_each() -> None:
    asked = Requested()
    asked.sample(asked.profile("off_cpu", "nanoseconds"), "f", [20, 30, 2], [NOON, NOON, NOON])
    (row,) = asked.rows()
    assert (row["value"], row["samples"], row["profile_type"]) == (52, 3, "off_cpu")


def test_one_value_for_several_timestamps_was_observed_that_often() -> None:
    asked = Requested()
    asked.sample(asked.profile("alloc_space", "bytes"), "f", [4096], [NOON, NOON + 1, NOON + 2])
    (row,) = asked.rows()
    assert (row["value"], row["samples"], row["is_cumulative"]) == (4096, 3, False)


@pytest.mark.parametrize(
    ("kind", "unit", "period", "samples"),
    [
        ("samples", "count", 0, 700),
        ("cpu", "nanoseconds", 100, 7),
        ("cpu", "nanoseconds", 300, None),
        ("cpu", "nanoseconds", 0, None),
        ("inuse_space", "bytes", 100, None),
    ],
)
def test_how_often_a_value_without_times_was_observed_is_told_only_where_it_is_known(
    kind: str, unit: str, period: int, samples: int | None
) -> None:
    asked = Requested()
    profile = asked.profile(kind, unit, period=period)
    profile.period_type.unit_strindex = asked.string(unit)
    asked.sample(profile, "f", [700])
    (row,) = asked.rows()
    assert (row["value"], row["samples"]) == (700, samples)


def test_a_sample_that_says_nothing_is_left_out_and_counted() -> None:
    asked = Requested()
    profile = asked.profile()
    asked.sample(profile, "f")
    asked.sample(profile, "g", [1])
    tables, warnings = tables_of(asked.bytes())
    assert tables["profile_samples"]["value"].to_pylist() == [1]
    assert warnings == {"samples_without_values": 1}


def test_units_become_canonical_and_the_profile_keeps_what_was_sent() -> None:
    asked = Requested()
    asked.sample(asked.profile("wall", "milliseconds"), "f", [2])
    asked.sample(asked.profile("inuse-space", "KB"), "f", [3])
    rows = asked.rows()
    assert [(row["value"], row["sample_unit"], row["profile_type"]) for row in rows] == [
        (2_000_000, "nanoseconds", "wall"),
        (3072, "bytes", "inuse_space"),
    ]
    assert [row["sample_type"] for row in rows] == ["wall", "inuse-space"]
    assert [row["sample_types"][0] for row in asked.rows("profiles")] == [
        {"type": "wall", "unit": "milliseconds", "total": 2},
        {"type": "inuse-space", "unit": "KB", "total": 3},
    ]


def test_allocations_are_cumulative_unless_the_profile_says_over_which_time() -> None:
    asked = Requested()
    asked.sample(asked.profile("alloc_objects"), "f", [2])
    asked.sample(asked.profile("alloc_objects", duration_nano=10), "f", [2])
    asked.sample(asked.profile("inuse_objects"), "f", [2])
    assert [row["is_cumulative"] for row in asked.rows()] == [True, False, False]


def test_stacks_are_leaf_first_with_inlined_frames_expanded_innermost_first() -> None:
    asked = Requested()
    asked.sample(asked.profile(), "memcpy@c.c:7<printf@p.c:9;main@m.c:1", [1])
    (stack,) = asked.rows("profile_stacks")
    assert stack["functions"] == ["memcpy", "printf", "main"]
    assert (stack["leaf_function"], stack["root_function"]) == ("memcpy", "main")
    assert (stack["depth"], stack["truncated"]) == (3, False)
    frames = {row["function"]: row for row in asked.rows("profile_frames")}
    assert [frames[name]["frame_id"] for name in stack["functions"]] == stack["frame_ids"]
    assert [(frames[name]["file"], frames[name]["line"]) for name in stack["functions"]] == [
        ("c.c", 7),
        ("p.c", 9),
        ("m.c", 1),
    ]
    assert [frames[name]["kind"] for name in stack["functions"]] == [
        "inlined",
        "unknown",
        "unknown",
    ]


def test_a_frame_without_a_symbol_is_named_by_where_it_is() -> None:
    asked = Requested()
    stack = asked.stack_of(
        [asked.location(text) for text in ("libc.so+0xc5b28", "+0xffffffff81000000", "")]
    )
    asked.sample(asked.profile(), stack, [1])
    (row,) = asked.rows("profile_stacks")
    assert row["functions"] == ["libc.so+0xc5b28", "0xffffffff81000000", "[unknown]"]
    addresses = {each["function"]: each["address"] for each in asked.rows("profile_frames")}
    assert addresses == {
        "libc.so+0xc5b28": 0xC5B28,
        "0xffffffff81000000": 0xFFFFFFFF81000000 - 2**64,
        "[unknown]": None,
    }


def test_a_line_whose_function_is_none_falls_back_to_the_address() -> None:
    asked = Requested()
    place = asked.location("bin+0x10")
    asked.dictionary.location_table[place].lines.add(function_index=0, line=3)
    asked.sample(asked.profile(), asked.stack_of([place]), [1])
    assert asked.rows("profile_stacks")[0]["functions"] == ["bin+0x10"]


def test_a_sample_without_a_stack_keeps_its_value_under_a_name() -> None:
    asked = Requested()
    asked.sample(asked.profile(), 0, [5])
    tables, warnings = tables_of(asked.bytes())
    assert tables["profile_stacks"]["functions"].to_pylist() == [["[no stack]"]]
    assert warnings == {"samples_without_stack": 1}
    assert tables["profile_samples"]["value"].to_pylist() == [5]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("native", "native"),
        ("go", "native"),
        ("kernel", "kernel"),
        ("jvm", "java"),
        ("cpython", "python"),
        ("v8js", "js"),
        ("dotnet", "jit"),
        ("perl", "unknown"),
    ],
)
def test_the_kind_of_a_frame_is_its_locations(kind: str, expected: str) -> None:
    asked = Requested()
    asked.sample(asked.profile(), asked.stack_of([asked.location("f", kind)]), [1])
    assert [row["kind"] for row in asked.rows("profile_frames")] == [expected]


def test_a_stack_that_the_profiler_gave_up_on_is_truncated_and_another() -> None:
    asked = Requested()
    profile = asked.profile()
    whole = [asked.location("f"), asked.location("g")]
    asked.sample(profile, asked.stack_of(whole), [1])
    asked.sample(profile, asked.stack_of([*whole, asked.location("", "abort-marker")]), [1])
    cut = {row["depth"]: row["truncated"] for row in asked.rows("profile_stacks")}
    assert cut == {2: False, 3: True}


def test_attributes_of_samples_are_columns_and_labels_with_units() -> None:
    asked = Requested()
    given = {"thread.id": 12, "thread.name": "worker", "process.pid": 7, "ok": True, "x": 0.5}
    profile = asked.profile()
    asked.sample(profile, "f", [1], given=given | {"process.executable.name": "app"})
    profile.samples[0].attribute_indices.append(asked.attribute("size", 128, "bytes"))
    (row,) = asked.rows()
    assert (row["thread_id"], row["thread_name"], row["pid"], row["comm"]) == (
        12,
        "worker",
        7,
        "app",
    )
    assert dict(row["labels"]) == {
        "thread.name": "worker",
        "ok": "true",
        "x": "0.5",
        "process.executable.name": "app",
    }
    assert row["num_labels"] == [
        {"key": "thread.id", "value": 12, "unit": ""},
        {"key": "process.pid", "value": 7, "unit": ""},
        {"key": "size", "value": 128, "unit": "bytes"},
    ]


def test_an_attribute_may_point_at_its_text() -> None:
    asked = Requested()
    profile = asked.profile()
    asked.sample(profile, "f", [1], given={"thread.name": "x"})
    value = asked.dictionary.attribute_table[-1].value
    value.string_value_strindex = asked.string("pointed at")
    resource = asked.message.resource_profiles[0].resource
    pair = resource.attributes.add(key_strindex=asked.string("service.version"))
    pair.value.string_value_strindex = asked.string("1.4.2")
    (row,) = asked.rows()
    assert (row["thread_name"], row["service_version"]) == ("pointed at", "1.4.2")


def test_attributes_over_the_limit_are_cut_and_counted() -> None:
    asked = Requested()
    asked.sample(asked.profile(), "f", [1], given={f"k{number}": "v" for number in range(5)})
    tables, warnings = tables_of(asked.bytes(), limit=3)
    assert tables["profile_samples"]["labels"].to_pylist() == [
        [("k0", "v"), ("k1", "v"), ("k2", "v")]
    ]
    assert warnings == {"attributes_over_limit": 2}


def test_of_a_repeated_label_the_last_counts() -> None:
    asked = Requested()
    profile = asked.profile()
    asked.sample(profile, "f", [1], given={"a": "old"})
    profile.samples[0].attribute_indices.append(asked.attribute("a", "new"))
    tables, warnings = tables_of(asked.bytes())
    assert tables["profile_samples"]["labels"].to_pylist() == [[("a", "new")]]
    assert warnings == {"repeated_attribute_keys": 1}


def test_a_link_is_the_ids_of_a_span() -> None:
    asked = Requested()
    profile = asked.profile()
    asked.sample(profile, "f", [1], link=asked.link(TRACE, SPAN))
    asked.sample(profile, "g", [1])
    asked.sample(profile, "h", [1], link=asked.link(b"short", SPAN))
    tables, warnings = tables_of(asked.bytes())
    assert tables["profile_samples"]["trace_id"].to_pylist() == [TRACE.hex(), None, None]
    assert tables["profile_samples"]["span_id"].to_pylist() == [SPAN.hex(), None, SPAN.hex()]
    assert warnings == {"bad_link_ids": 1}


def test_equal_stacks_and_labels_are_one_row_and_different_labels_are_not() -> None:
    asked = Requested()
    profile = asked.profile()
    for labels in ({"a": "1", "b": "2"}, {"b": "2", "a": "1"}, {"a": "1"}, {}):
        # Each time other entries of the dictionary, with the same content.
        asked.sample(profile, "f;main", [10], given=labels)
    rows = asked.rows()
    assert [(row["value"], len(row["labels"])) for row in rows] == [(20, 2), (10, 1), (10, 0)]
    assert len({row["stack_id"] for row in rows}) == 1
    assert len(asked.rows("profile_stacks")) == 1


@pytest.mark.parametrize("table", ["string", "function", "location", "stack", "mapping", "link"])
def test_an_entry_0_that_is_in_use_is_read_as_it_is_and_warned_of(table: str) -> None:
    asked = Requested()
    profile = asked.profile()
    dictionary = asked.dictionary
    if table == "string":
        dictionary.string_table[0] = "zero"
        dictionary.function_table.add()
        dictionary.location_table.add().lines.add(function_index=1)
        asked.sample(profile, asked.stack_of([1]), [1])
    elif table == "function":
        dictionary.function_table[0].name_strindex = asked.string("zero")
        dictionary.location_table.add().lines.add(function_index=0)
        asked.sample(profile, asked.stack_of([1]), [1])
    elif table == "location":
        dictionary.location_table[0].lines.add(function_index=asked.function("zero"))
        asked.sample(profile, asked.stack_of([0]), [1])
    elif table == "stack":
        dictionary.stack_table[0].location_indices.append(asked.location("zero"))
        asked.sample(profile, 0, [1])
    elif table == "mapping":
        dictionary.mapping_table[0].filename_strindex = asked.string("zero")
        dictionary.location_table.add(address=1)
        asked.sample(profile, asked.stack_of([1]), [1])
    else:
        dictionary.link_table[0].trace_id = TRACE
        asked.sample(profile, "zero", [1])
    tables, warnings = tables_of(asked.bytes())
    assert warnings == {"dictionary_entries_0_not_zero": 1}
    (functions,) = tables["profile_stacks"]["functions"].to_pylist()
    assert functions == ["zero+0x1" if table == "mapping" else "zero"]
    assert tables["profile_samples"]["trace_id"].to_pylist() == [
        TRACE.hex() if table == "link" else None
    ]
    (said,) = tables["profiles"]["warnings"].to_pylist()
    assert said == [f"entry 0 of {table}_table is not the zero value"]


def test_a_profile_without_a_time_takes_that_of_its_first_sample() -> None:
    asked = Requested()
    asked.sample(asked.profile(time_unix_nano=0), "f", times=[NOON + 9, NOON + 4])
    asked.sample(asked.profile(time_unix_nano=0), "f", [1])
    tables, warnings = tables_of(asked.bytes())
    assert tables["profiles"]["time_unix_nano"].to_pylist() == [NOON + 4, 0]
    assert warnings == {"profile_times_from_samples": 1, "times_absent": 1}
    assert {str(date) for date in tables["profile_samples"]["date"].to_pylist()} == {"2026-11-25"}


def test_the_profiles_own_id_and_attributes_are_kept_beside_the_id_by_content() -> None:
    asked = Requested()
    profile = asked.profile(profile_id=TRACE, dropped_attributes_count=2)
    profile.attribute_indices.append(asked.attribute("profile.kind", "on demand"))
    profile.period_type.type_strindex = asked.string("cpu")
    asked.sample(profile, "f", [1])
    (row,) = asked.rows("profiles")
    assert dict(row["attributes"]) == {
        "profile.kind": "on demand",
        "profile_id": TRACE.hex(),
        "dropped_attributes_count": "2",
    }
    assert (row["source_format"], row["period_type"]) == ("otlp", "cpu")
    assert asked.rows()[0]["profile_id"] == row["profile_id"]


def test_the_id_of_a_profile_is_its_content_whatever_the_order_of_the_dictionary() -> None:
    one, other = Requested(), Requested()
    other.stack("something;else")
    for asked in (one, other):
        profile = asked.profile()
        asked.sample(profile, "f;main", times=[NOON + 1], given={"a": "b"})
    later = Requested()
    later.sample(later.profile(), "f;main", times=[NOON + 2], given={"a": "b"})
    ids = [asked.rows("profiles")[0]["profile_id"] for asked in (one, other, later)]
    assert ids[0] == ids[1] != ids[2]


def test_requests_decoded_together_give_the_rows_of_each_alone() -> None:
    first, second = Requested("cart"), Requested("checkout")
    second.string("only here, so that the numbers differ")
    for asked, name in ((first, "f"), (second, "g")):
        asked.sample(asked.profile(), f"{name};main", [1], given={"thread.name": name})
    payloads = [first.bytes(), b"", second.bytes()]
    tables, _ = decode(payloads, [BATCH] * 3, [NOON + 1] * 3, 128)
    for name, table in tables.items():
        alone = [row for payload in payloads for row in rows_of(payload)[name]]
        distinct = {str(row): row for row in alone}
        assert sorted(map(str, table.to_pylist())) == sorted(distinct), name
