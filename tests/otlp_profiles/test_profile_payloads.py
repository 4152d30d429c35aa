"""A profile that carries the pprof file it was made from, and one of the revision before ours."""

import gzip

import pytest
from opentelemetry.proto.profiles.v1development.profiles_pb2 import Profile, Sample

from collectors.otlp.profile_revisions import from_earlier
from collectors.otlp.profiles import check
from tests.otlp_profiles.profile_messages import (
    NOON,
    PprofFile,
    Requested,
    empty_dictionary,
    field,
    packed,
    tables_of,
)


def carrying(payload: bytes, name: str = "pprof") -> Requested:
    asked = Requested()
    empty_dictionary(asked)
    asked.profiles.add(time_unix_nano=NOON, original_payload_format=name, original_payload=payload)
    return asked


def pprof_file() -> PprofFile:
    made = PprofFile((("samples", "count"), ("cpu", "nanoseconds")))
    made.sample("work;main", 2, 20, labels={"k": "v"})
    made.parts.append(field(7, made.string("^runtime")))
    made.parts.append(field(10, 30))
    made.parts.append(field(13, made.string("a comment")))
    made.parts.append(field(14, made.string("cpu")))
    return made


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_pprof_payload_is_read_where_the_dictionary_is_empty(pack) -> None:
    payload = carrying(pack(pprof_file().bytes())).bytes()
    assert (check(payload).total, check(payload).rejected) == (1, 0)
    tables, warnings = tables_of(payload)
    assert not warnings
    (profile,) = tables["profiles"].to_pylist()
    assert profile["source_format"] == "pprof"
    assert profile["sample_types"] == [
        {"type": "samples", "unit": "count", "total": 2},
        {"type": "cpu", "unit": "nanoseconds", "total": 20},
    ]
    assert (profile["drop_frames"], profile["comments"]) == ("^runtime", ["a comment"])
    assert (profile["default_sample_type"], profile["duration_nano"]) == ("cpu", 30)
    rows = tables["profile_samples"].to_pylist()
    assert [(row["sample_type"], row["value"], row["samples"]) for row in rows] == [
        ("samples", 2, 2),
        ("cpu", 20, 2),
    ]
    assert {(row["service_name"], row["profile_id"], row["duration_nano"]) for row in rows} == {
        ("checkout", profile["profile_id"], 30)
    }
    assert tables["profile_stacks"]["functions"].to_pylist() == [["work", "main"]]


def test_a_payload_beside_a_filled_dictionary_is_left_alone() -> None:
    asked = Requested()
    profile = asked.profile(original_payload_format="pprof", original_payload=b"whatever")
    asked.sample(profile, "f", [1])
    assert check(asked.bytes()).rejected == 0
    (row,) = asked.rows("profiles")
    assert row["source_format"] == "otlp"
    assert dict(row["attributes"]) == {"original_payload_format": "pprof"}


@pytest.mark.parametrize("payload", [b"<html>", gzip.compress(b"x")[:-3], gzip.compress(b"")])
def test_a_payload_that_is_no_pprof_costs_its_profile_alone(payload: bytes) -> None:
    asked = carrying(payload)
    asked.profiles.add(
        time_unix_nano=NOON,
        original_payload_format="pprof",
        original_payload=pprof_file().bytes(),
    )
    found = check(asked.bytes())
    assert (found.total, found.rejected) == (2, 1)
    assert found.reasons == {"original_payload is no pprof profile": 1}
    assert tables_of(asked.bytes())[0]["profile_samples"].num_rows == 2


def test_a_bomb_as_payload_is_rejected() -> None:
    assert check(carrying(gzip.compress(bytes(70 << 20))).bytes()).rejected == 1


def earlier(sample: bytes, profile: bytes = b"") -> bytes:
    """Give a request of the revision before ours: one profile, one sample."""
    asked = Requested()
    asked.stack("f;main")
    asked.attribute("thread.name", "worker")
    asked.link(bytes(range(16)), bytes(range(8)))
    asked.string("samples")
    kind = field(1, asked.string("cpu"))
    body = field(1, kind) + field(2, sample) + profile
    body += bytes([3 << 3 | 1]) + NOON.to_bytes(8, "little")
    scope = field(2, field(2, body))
    return field(1, scope) + field(2, asked.dictionary.SerializeToString())


def test_a_request_of_the_revision_before_ours_is_read_by_its_own_numbers() -> None:
    sample = field(1, 1) + packed(2, [7, 8]) + packed(3, [1]) + field(4, 1)
    payload = earlier(sample, profile=field(8, b"\x01" * 16))
    assert check(payload).rejected == 0
    tables, warnings = tables_of(payload)
    assert warnings == {"requests_of_an_earlier_revision": 1}
    (row,) = tables["profile_samples"].to_pylist()
    assert (row["value"], row["thread_name"], row["profile_type"]) == (15, "worker", "cpu")
    assert row["trace_id"] == bytes(range(16)).hex()
    (profile,) = tables["profiles"].to_pylist()
    assert dict(profile["attributes"]) == {"profile_id": "01" * 16}


def test_the_fields_that_we_read_have_the_numbers_of_our_revision() -> None:
    """A newer opentelemetry-proto that moves them must be looked at, not slipped in."""
    found = {
        message.DESCRIPTOR.name: {each.name: each.number for each in message.DESCRIPTOR.fields}
        for message in (Profile, Sample)
    }
    assert found == {
        "Profile": {
            "sample_type": 1,
            "samples": 2,
            "time_unix_nano": 3,
            "duration_nano": 4,
            "period_type": 5,
            "period": 6,
            "profile_id": 7,
            "dropped_attributes_count": 8,
            "original_payload_format": 9,
            "original_payload": 10,
            "attribute_indices": 11,
        },
        "Sample": {
            "stack_index": 1,
            "attribute_indices": 2,
            "link_index": 3,
            "values": 4,
            "timestamps_unix_nano": 5,
        },
    }


def test_a_request_that_is_of_neither_revision_is_refused() -> None:
    payload = earlier(field(1, 1) + packed(3, [1]), profile=field(50, 1))
    assert from_earlier(payload) is None
    assert check(payload).rejected == 1
