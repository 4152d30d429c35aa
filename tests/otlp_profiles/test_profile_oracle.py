"""Rows of any small request, good or bad, are those that a plain walk over it finds."""

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2 import (
    ExportProfilesServiceRequest,
)

from collectors.otlp.profiles import check
from tests.otlp_profiles.profile_messages import NOON, tables_of
from tests.otlp_profiles.profile_oracle import Walk, found_in

STRINGS = ["", "main", "work", "lib.so", "thread.id"]


class Draw:
    """Draws numbers that point into tables of four entries, in some requests also outside."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.any = draw
        self.wild = draw(st.integers(0, 3)) == 0

    def count(self) -> int:
        return self.any(st.integers(0, 4)) if self.wild else 4

    def index(self) -> int:
        return self.any(st.integers(-1, 5) if self.wild else st.integers(0, 3))

    def text(self) -> int:
        return self.any(st.integers(0, 5) if self.wild else st.integers(0, 4))

    def indices(self, most: int = 3) -> list[int]:
        return [self.index() for _ in range(self.any(st.integers(0, most)))]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Draw a request with every table small, and sometimes without its entry 0."""
    drawn = Draw(draw)
    request = ExportProfilesServiceRequest()
    dictionary = request.dictionary
    dictionary.string_table.extend(STRINGS)
    for _ in range(drawn.count()):
        dictionary.mapping_table.add(
            filename_strindex=drawn.text(), attribute_indices=drawn.indices(1)
        )
    for _ in range(drawn.count()):
        dictionary.function_table.add(name_strindex=drawn.text(), system_name_strindex=drawn.text())
    for _ in range(drawn.count()):
        location = dictionary.location_table.add(
            mapping_index=drawn.index(), address=draw(st.sampled_from([0, 16, 2**64 - 1]))
        )
        for function in drawn.indices(2):
            location.lines.add(function_index=function)
    for _ in range(drawn.count()):
        dictionary.stack_table.add(location_indices=drawn.indices())
    for number in range(drawn.count()):
        dictionary.link_table.add(trace_id=bytes([number] * 16) if number else b"")
    for number in range(drawn.count()):
        entry = dictionary.attribute_table.add(key_strindex=drawn.text())
        if number % 2:
            entry.value.int_value = number
        else:
            entry.value.string_value = f"v{number}"
    _profiles(drawn, request)
    return request.SerializeToString()


def _profiles(drawn: Draw, request: ExportProfilesServiceRequest) -> None:
    for _ in range(drawn.any(st.integers(1, 2))):
        scope = request.resource_profiles.add().scope_profiles.add()
        for _ in range(drawn.any(st.integers(0, 2))):
            profile = scope.profiles.add(time_unix_nano=NOON + drawn.any(st.integers(1, 2)))
            profile.sample_type.type_strindex = drawn.text()
            for _ in range(drawn.any(st.integers(0, 6))):
                profile.samples.add(
                    # Few stacks, so that some meet again with other labels or links.
                    stack_index=drawn.any(st.integers(0, 1)),
                    link_index=drawn.any(st.integers(0, 1)),
                    attribute_indices=drawn.indices(),
                    values=drawn.any(st.lists(st.integers(0, 9), max_size=2)),
                    timestamps_unix_nano=[NOON] * drawn.any(st.integers(0, 3)),
                )


def one_kind_a_key(payload: bytes) -> bool:
    """Tell whether no key has a number in one attribute and text in another."""
    table = ExportProfilesServiceRequest.FromString(payload).dictionary.attribute_table
    kinds: dict[int, str | None] = {}
    return all(
        kinds.setdefault(entry.key_strindex, entry.value.WhichOneof("value"))
        == entry.value.WhichOneof("value")
        for entry in table
    )


@given(requests().filter(one_kind_a_key))
@settings(max_examples=50, deadline=None)
def test_rows_are_those_of_a_plain_walk(payload: bytes) -> None:
    walk = Walk(payload)
    found = check(payload)
    assert (found.total, found.rejected) == (walk.total, walk.rejected)
    tables, _ = tables_of(payload)
    values, counts = found_in(tables)
    assert values == walk.rows
    assert counts == walk.observations
    assert tables["profiles"].num_rows == walk.total - walk.rejected


@given(requests())
@settings(max_examples=25, deadline=None)
def test_every_row_finds_its_profile_its_stack_and_its_frames(payload: bytes) -> None:
    tables, _ = tables_of(payload)
    profiles = set(tables["profiles"]["profile_id"].to_pylist())
    assert set(tables["profile_samples"]["profile_id"].to_pylist()) <= profiles
    stacks = tables["profile_stacks"].to_pylist()
    assert {row["stack_id"] for row in stacks} == set(
        tables["profile_samples"]["stack_id"].to_pylist()
    )
    frames = {row["frame_id"]: row["function"] for row in tables["profile_frames"].to_pylist()}
    for stack in stacks:
        assert [frames[each] for each in stack["frame_ids"]] == stack["functions"]
        assert len(stack["functions"]) == stack["depth"]
