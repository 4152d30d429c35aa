"""pprof: what is one, what is not, and what its samples say."""

import gzip
from collections import Counter
from typing import Any

import pytest

from collectors.pprof_message import decompressed, read_pprof
from collectors.pprof_samples import read_pprof_rows
from pipeline.errors import BadRequest
from tests.otlp_profiles.profile_messages import PprofFile, field, packed

CPU = (("samples", "count"), ("cpu", "nanoseconds"))


def small() -> PprofFile:
    made = PprofFile(CPU)
    made.sample("work;main", 2, 20, labels={"thread id": 7, "span_id": "00000000000000ab"})
    made.sample("rest;main", 1, 10)
    return made


def rows_of(data: bytes, limit: int = 128) -> list[dict[str, Any]]:
    columns = read_pprof_rows(read_pprof(data), limit, Counter()).columns
    names = list(columns)
    return [
        dict(zip(names, row, strict=True))
        for row in zip(*(columns[name].to_pylist() for name in names), strict=True)
    ]


def test_one_row_a_type_that_is_not_zero_with_the_count_beside_the_value() -> None:
    made = small()
    made.sample("idle;main", 0, 5)
    rows = rows_of(made.bytes())
    assert [(row["sample_type"], row["value"], row["samples"]) for row in rows] == [
        ("samples", 2, 2),
        ("cpu", 20, 2),
        ("samples", 1, 1),
        ("cpu", 10, 1),
        ("cpu", 5, 0),
    ]
    assert (rows[0]["thread_id"], rows[0]["span_id"]) == (7, "00000000000000ab")


@pytest.mark.parametrize("members", [1, 2, 3])
def test_gzip_is_told_by_its_magic_and_may_have_several_members(members: int) -> None:
    data = small().bytes()
    size = len(data) // members + 1
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    packed_data = b"".join(map(gzip.compress, parts))
    assert rows_of(packed_data) == rows_of(data)


@pytest.mark.parametrize("cut", [1, 4, 8, 20])
def test_gzip_that_is_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(BadRequest, match="cut off"):
        decompressed(gzip.compress(small().bytes())[:-cut])


def test_what_stands_after_gzip_is_refused() -> None:
    with pytest.raises(BadRequest, match="no gzip"):
        decompressed(gzip.compress(small().bytes()) + b"rest")


def test_a_bomb_is_refused_before_it_is_whole() -> None:
    with pytest.raises(BadRequest, match="more than 200 times"):
        decompressed(gzip.compress(bytes(64 << 20)))
    with pytest.raises(BadRequest, match="more than 1000 bytes"):
        decompressed(gzip.compress(bytes(2000)), most_bytes=1000)


def test_damage_within_gzip_is_refused() -> None:
    data = bytearray(gzip.compress(small().bytes()))
    # The first byte of the checksum.
    data[-8] ^= 1
    with pytest.raises(BadRequest, match="corrupt"):
        decompressed(bytes(data))


@pytest.mark.parametrize("data", [b"", b"<html>nothing here</html>", b"\x0a\xff", bytes(100)])
def test_what_is_no_profile_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequest, match="no pprof profile"):
        read_pprof(data)


def test_two_profiles_one_after_the_other_are_refused() -> None:
    with pytest.raises(BadRequest, match="concatenated"):
        rows_of(small().bytes() * 2)
    timed = small().bytes() + field(9, 5)
    with pytest.raises(BadRequest, match="concatenated profiles: time_nanos"):
        read_pprof(timed * 2)


def test_text_that_is_not_utf8_is_replaced_and_counted() -> None:
    made = PprofFile()
    made.string(b"caf\xe9")
    made.strings.append("\ufffd as sent".encode())
    made.sample("f", 1)
    read = read_pprof(made.bytes())
    assert (read.strings[3], read.replaced) == ("caf\ufffd", 1)


def test_lists_may_be_packed_or_not() -> None:
    made = PprofFile()
    place = made.location("f")
    made.parts.append(field(2, field(1, place) + field(2, 4)))
    made.parts.append(field(2, packed(1, [place]) + packed(2, [5])))
    rows = rows_of(made.bytes())
    assert [row["value"] for row in rows] == [4, 5]
    assert len({row["stack_id"] for row in rows}) == 1


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (field(2, packed(1, [99]) + packed(2, [1])), "location 99"),
        (field(4, field(1, 50) + field(2, 9)), "mapping 9"),
        (field(4, field(1, 50) + field(4, field(1, 9))), "function 9"),
        (field(5, field(1, 50) + field(2, 77)), "string 77"),
        (field(3, field(1, 1) + field(5, -1)), "string -1"),
        (field(2, packed(2, [1]) + field(3, field(1, 66))), "string 66"),
        (field(2, packed(2, [1, 2])), "2 values for 1 types"),
        (field(2, packed(2, [2**63 - 1])) * 2, "more than 2"),
    ],
)
def test_what_points_at_nothing_or_does_not_fit_is_refused(part: bytes, said: str) -> None:
    made = PprofFile()
    made.sample("f", 1)
    made.parts.append(part)
    with pytest.raises(BadRequest, match=said):
        rows_of(made.bytes())


def test_labels_become_columns_and_repeated_ones_a_list() -> None:
    made = PprofFile()
    made.sample(
        "f",
        1,
        labels={
            "local root span id": "1234567890123456",
            "trace_id": "AB" * 16,
            "thread_name": "pool-1",
            "allocated bytes": 64,
            "key": "a",
        },
    )
    body = made.parts.pop()
    again = field(3, field(1, made.string("key")) + field(2, made.string("b")))
    made.parts.append(field(2, body[2:] + again))
    (row,) = rows_of(made.bytes())
    assert row["local_root_span_id"] == f"{1234567890123456:016x}"
    assert (row["trace_id"], row["thread_name"]) == ("ab" * 16, "pool-1")
    assert dict(row["labels"])["key"] == '["a", "b"]'
    assert row["num_labels"] == [{"key": "allocated bytes", "value": 64, "unit": "bytes"}]


@pytest.mark.parametrize(("depth", "cut"), [(63, False), (64, True), (128, True), (129, False)])
def test_a_go_stack_of_the_greatest_depth_is_truncated(depth: int, cut: bool) -> None:
    made = PprofFile()
    made.sample(";".join(f"f{number}" for number in range(depth)), 1)
    made.sample(";".join([f"g{n}" for n in range(depth - 1)] + ["runtime.goexit"]), 1)
    stacks = read_pprof_rows(read_pprof(made.bytes()), 9, Counter()).stacks.stacks.to_pylist()
    assert {row["root_function"]: row["truncated"] for row in stacks} == {
        f"f{depth - 1}": cut,
        "runtime.goexit": False,
    }
