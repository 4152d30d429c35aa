"""Small requests that would become large: halved where that helps, and never held whole."""

import pytest
from opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2 import (
    ExportProfilesServiceRequest,
)

from collectors.otlp.profiles import check
from collectors.otlp.split import TooWideError, halves
from pipeline.errors import BadRequest
from tests.otlp_profiles.profile_messages import Requested, field, tables_of


def test_a_stack_that_repeats_itself_without_end_is_too_wide() -> None:
    asked = Requested()
    place = asked.location("<".join(["f"] * 1000))
    asked.sample(asked.profile(), asked.stack_of([place] * 10_000), [1])
    assert len(asked.bytes()) < 100_000
    assert check(asked.bytes()).rejected == 0
    with pytest.raises(TooWideError, match="frames"):
        tables_of(asked.bytes())


def test_a_long_name_in_a_deep_stack_is_too_wide() -> None:
    asked = Requested()
    place = asked.location("f" * 1_000_000)
    asked.sample(asked.profile(), asked.stack_of([place] * 300), [1])
    with pytest.raises(TooWideError, match="function names"):
        tables_of(asked.bytes())


def test_a_long_label_of_many_samples_is_too_wide() -> None:
    asked = Requested()
    profile = asked.profile()
    asked.sample(profile, "f", [1], given={"key": "v" * 1_000_000})
    for _ in range(300):
        sample = profile.samples.add()
        sample.CopyFrom(profile.samples[0])
        sample.stack_index = asked.stack(f"f{len(profile.samples)}")
    with pytest.raises(TooWideError, match="labels"):
        tables_of(asked.bytes())


def test_a_location_of_millions_of_lines_is_too_wide() -> None:
    asked = Requested()
    asked.sample(asked.profile(), "f", [1])
    location = asked.dictionary.location_table[-1]
    location.MergeFromString(b"\x1a\x00" * 2_000_001)
    with pytest.raises(TooWideError, match="lines"):
        tables_of(asked.bytes())


@pytest.mark.parametrize("number", [1, 2, 3, 6])
def test_a_table_of_millions_of_entries_is_refused(number: int) -> None:
    tables = bytes([number << 3 | 2, 0]) * 1_000_001
    with pytest.raises(BadRequest, match="split the request"):
        check(field(2, tables))


def test_a_great_many_profiles_are_refused() -> None:
    profiles = bytes([2 << 3 | 2, 0]) * 200_001
    with pytest.raises(BadRequest, match="split the request"):
        check(field(1, field(2, profiles)))


def test_halves_of_a_request_have_the_rows_of_the_whole() -> None:
    asked = Requested()
    for number in range(3):
        asked.sample(asked.profile(), f"f{number};main", [number + 1])
    whole = tables_of(asked.bytes())[0]
    parts = [tables_of(half)[0] for half in halves(ExportProfilesServiceRequest, asked.bytes())]
    for name in ("profiles", "profile_samples"):
        rows = [row for part in parts for row in part[name].to_pylist()]
        assert rows == whole[name].to_pylist()
    stacks = {row["stack_id"] for part in parts for row in part["profile_stacks"].to_pylist()}
    assert stacks == set(whole["profile_stacks"]["stack_id"].to_pylist())
