"""Files of pprof become the rows that stand in them, or are refused by name."""

import contextlib
import gzip
import struct
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.pprof import PPROF
from collectors.pprof_file import read
from pipeline.errors import BadFile
from pipeline.lake import Lake
from tests.importing.otlp_files import rows, run
from tests.otlp_profiles.profile_messages import PprofFile, field, packed
from tests.profiles.folded_reading import NOON, Read, read_file

CPU = (("samples", "count"), ("cpu", "nanoseconds"))
HEAP = (("alloc_space", "bytes"), ("inuse_space", "bytes"))
SECOND = 1_000_000_000

ReadBytes = Callable[..., Read]


@pytest.fixture
def reading(tmp_path: Path) -> ReadBytes:
    """Give a reader of bytes as a file."""

    def one(data: bytes, how: Any = PPROF.read, **origin: Any) -> Read:
        path = tmp_path / "profile.pb.gz"
        path.write_bytes(data)
        return read_file(how, path, **origin)

    return one


def small() -> PprofFile:
    made = PprofFile(CPU)
    made.sample("work;main", 2, 20)
    made.sample("rest;main", 1, 10)
    made.parts += [field(9, NOON - 60 * SECOND), field(10, 30 * SECOND)]
    return made


def test_a_file_becomes_its_rows(reading: ReadBytes) -> None:
    made = small()
    count = field(1, made.string("cpu")) + field(2, made.string("nanoseconds"))
    made.parts += [field(11, count), field(12, 10), field(13, made.string("by hand"))]
    made.parts += [field(14, made.string("cpu")), field(7, made.string("mallo.*"))]
    made.parts += [field(8, made.string("keep"))]
    found = reading(gzip.compress(made.bytes()), attributes={"service.name": "shop"})
    assert found.stacks(sample_type="cpu") == {("main", "work"): 20, ("main", "rest"): 10}
    assert found.stacks(sample_type="samples") == {("main", "work"): 2, ("main", "rest"): 1}
    assert (found.messages, found.warnings, found.rejects) == (2, Counter(), [])
    (profile,) = found.tables["profiles"]
    assert profile["time_unix_nano"] == NOON - 60 * SECOND
    assert (profile["duration_nano"], profile["period"]) == (30 * SECOND, 10)
    assert (profile["period_type"], profile["default_sample_type"]) == ("cpu", "cpu")
    assert (profile["drop_frames"], profile["keep_frames"]) == ("mallo.*", "keep")
    assert (profile["comments"], profile["warnings"]) == (["by hand"], [])
    assert (profile["service_name"], profile["source_format"]) == ("shop", "pprof")
    assert profile["sample_types"] == [
        {"type": "samples", "unit": "count", "total": 3},
        {"type": "cpu", "unit": "nanoseconds", "total": 30},
    ]
    rows = found.tables["profile_samples"]
    assert {row["profile_id"] for row in rows} == {profile["profile_id"]}
    assert {row["profile_type"] for row in rows} == {"cpu"}
    assert {row["time_unix_nano"] for row in rows} == {NOON - 60 * SECOND}
    assert sorted(row["samples"] for row in rows) == [1, 1, 2, 2]


def test_a_profile_without_time_has_that_of_the_file_and_says_so(reading: ReadBytes) -> None:
    made = PprofFile()
    made.sample("f", 1)
    found = reading(made.bytes())
    (profile,) = found.tables["profiles"]
    assert (profile["time_unix_nano"], profile["duration_nano"]) == (NOON - 5, None)
    assert found.warnings == {"profile_times_from_file": 1}
    assert profile["warnings"] == ["no time: that of the file is taken"]
    assert reading(made.bytes(), time_unix_nano=NOON).warnings == Counter()


def test_what_is_repaired_is_told(reading: ReadBytes) -> None:
    made = small()
    made.string(b"caf\xe9")
    made.sample("", 1, 5)
    found = reading(made.bytes())
    assert found.warnings == {"invalid_utf8_strings": 1, "samples_without_stack": 1}
    (profile,) = found.tables["profiles"]
    assert profile["warnings"] == ["1 strings were not UTF-8", "1 samples have no stack"]
    assert found.stacks(sample_type="cpu")[("[no stack]",)] == 5


def test_inlined_functions_stand_before_the_function_they_are_in(reading: ReadBytes) -> None:
    made = PprofFile()
    inner, outer = made.location("inner"), made.location("outer")
    lines = field(4, field(1, inner) + field(2, 3)) + field(4, field(1, outer) + field(2, 9))
    made.parts.append(field(4, field(1, 70) + lines))
    made.parts.append(field(2, packed(1, [70]) + packed(2, [4])))
    found = reading(made.bytes())
    assert found.stacks() == {("outer", "inner"): 4}
    assert found.frame("inner")["kind"] == "inlined"
    assert (found.frame("outer")["kind"], found.frame("outer")["line"]) == ("unknown", 9)


def test_frames_are_named_by_what_is_known_of_them(reading: ReadBytes) -> None:
    made = PprofFile()
    made.parts.append(field(3, field(1, 1) + field(5, made.string("libc.so"))))
    made.parts.append(field(4, field(1, 1) + field(2, 1) + field(3, 0x1F)))
    made.parts.append(field(4, field(1, 2) + field(3, 2**64 - 1)))
    made.parts.append(field(4, field(1, 3)))
    made.parts.append(field(4, field(1, 4) + field(4, field(2, 5))))
    made.parts.append(field(2, packed(1, [1, 2, 3, 4]) + packed(2, [1])))
    found = reading(made.bytes())
    assert found.stacks() == {("[unknown]", "[unknown]", "0xffffffffffffffff", "libc.so+0x1f"): 1}
    assert found.frame("0xffffffffffffffff")["address"] == -1


def test_one_function_at_two_addresses_is_one_frame_and_one_stack(reading: ReadBytes) -> None:
    made = PprofFile()
    function = made.location("f")
    for place, address in ((50, 16), (51, 32)):
        line = field(4, field(1, function) + field(2, 7))
        made.parts.append(field(4, field(1, place) + field(3, address) + line))
        made.parts.append(field(2, packed(1, [place]) + packed(2, [1])))
    found = reading(made.bytes())
    assert len(found.tables["profile_stacks"]) == len(found.tables["profile_frames"]) == 1
    assert found.stacks() == {("f",): 2}


def test_negative_values_are_kept_and_running_totals_marked(reading: ReadBytes) -> None:
    made = PprofFile(HEAP)
    made.sample("f", -3, 7)
    rows = reading(made.bytes()).tables["profile_samples"]
    assert [(row["profile_type"], row["value"], row["is_cumulative"]) for row in rows] == [
        ("alloc_space", -3, True),
        ("inuse_space", 7, False),
    ]
    lasting = reading(made.bytes() + field(10, SECOND)).tables["profile_samples"]
    assert [row["is_cumulative"] for row in lasting] == [False, False]


def test_a_profile_without_samples_is_a_profile(reading: ReadBytes) -> None:
    found = reading(PprofFile(CPU).bytes())
    assert (len(found.tables["profiles"]), found.tables["profile_samples"]) == (1, [])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "nothing is in it"),
        (gzip.compress(b""), "nothing is in it"),
        (b" <html>502</html>", "HTML"),
        (b'{"a": 1}', "JSON"),
        (b"heap profile: 1: 2 [3: 4] @ heap/5\n", "legacy heap profile"),
        (b"--- contentionz 1 ---\n", "legacy contention profile"),
        (b"--- threadz 1 ---\n", "legacy thread profile"),
        (struct.pack("<5Q", 0, 3, 0, 10_000, 0), "legacy CPU profile"),
        (gzip.compress(gzip.compress(small().bytes())), "gzip within gzip"),
        (gzip.compress(small().bytes())[:-1], "cut off"),
        (gzip.compress(small().bytes()) + b"rest", "damaged"),
        (small().bytes()[:-2], "no pprof profile"),
        (small().bytes() * 2, "concatenated profiles"),
        (small().bytes() + field(2, packed(1, [99]) + packed(2, [1, 1])), "location 99"),
        (field(6, b"first") + small().bytes(), "string 0 is not empty"),
        (small().bytes() + field(5, field(1, 1)), "function 1 stands there more than once"),
        (gzip.compress(small().bytes() + bytes(80 << 20)), "expands more than 200 times"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_by_name(
    reading: ReadBytes, data: bytes, said: str
) -> None:
    with pytest.raises(BadFile, match=said) as refused:
        reading(data)
    assert "profile.pb.gz: " in str(refused.value)


def test_a_file_beyond_the_limit_is_refused_with_the_limit(reading: ReadBytes) -> None:
    with pytest.raises(BadFile, match="more than 20 bytes"):
        reading(small().bytes(), partial(read, most_bytes=20))


def test_a_few_locations_that_unfold_beyond_measure_are_refused(reading: ReadBytes) -> None:
    made = PprofFile()
    line = field(4, field(1, made.location("f")))
    made.parts.append(field(4, field(1, 70) + line * 9000))
    made.parts.append(field(2, packed(1, [70] * 1000) + packed(2, [1])))
    with pytest.raises(BadFile, match="frames in the stacks"):
        reading(made.bytes())


def test_what_landed_before_is_known(tmp_path: Path) -> None:
    path = tmp_path / "p"
    path.write_bytes(small().bytes())
    found = read_file(PPROF.read, path, landed=1)
    assert (found.messages, found.tables["profiles"]) == (2, [])


def test_a_file_lands_once(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "cpu.pb.gz"
    path.write_bytes(gzip.compress(small().bytes()))
    (first,) = run(lake, path)
    (again,) = run(lake, path)
    assert (first.status, first.format, first.messages) == ("imported", "pprof", 2)
    assert (again.status, again.known) == ("known", 2)
    assert sorted(row["value"] for row in rows(lake, "profile_samples")) == [1, 2, 10, 20]
    assert [row["source_file"] for row in rows(lake, "profiles")] == ["cpu.pb.gz"]


# Few names, so that stacks and sets of labels come again.
_names = st.sampled_from(["f", "g", "main", "äöü"])
_labels = st.dictionaries(
    st.sampled_from(["key", "endpoint", "bytes", "thread id"]),
    st.one_of(st.integers(-(2**63), 2**63 - 1), st.sampled_from(["a", "b"])),
    max_size=3,
)
_samples = st.lists(
    st.tuples(
        st.lists(_names, max_size=4).map(";".join),
        st.integers(-(2**40), 2**40),
        st.integers(0, 3),
        _labels,
    ),
    max_size=12,
)


def written(samples: list[tuple[str, int, int, dict[str, str | int]]]) -> PprofFile:
    made = PprofFile((("alpha", "count"), ("beta", "bytes")))
    for stack, one, two, labels in samples:
        made.sample(stack, one, two, labels=labels)
    return made


@given(_samples)
def test_what_is_written_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, samples: list[Any]
) -> None:
    path = tmp_path_factory.mktemp("given") / "p.pb"
    path.write_bytes(written(samples).bytes())
    found = read_file(PPROF.read, path)
    functions = {row["stack_id"]: row["functions"] for row in found.tables["profile_stacks"]}
    rows = [
        (
            ";".join(functions[row["stack_id"]]),
            row["sample_type"],
            row["value"],
            dict(row["labels"]),
            {each["key"]: each["value"] for each in row["num_labels"]},
        )
        for row in found.tables["profile_samples"]
    ]
    expected = [
        (
            stack or "[no stack]",
            name,
            value,
            {key: each for key, each in labels.items() if isinstance(each, str)},
            {key: each for key, each in labels.items() if isinstance(each, int)},
        )
        for stack, one, two, labels in samples
        for name, value in (("alpha", one), ("beta", two))
        if value
    ]
    assert rows == expected
    assert len(functions) == len(found.tables["profile_stacks"])


@given(_samples, st.integers(1, 5))
def test_parts_of_any_size_are_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, samples: list[Any], rows: int
) -> None:
    path = tmp_path_factory.mktemp("given") / "p.pb"
    path.write_bytes(written(samples).bytes())
    assert read_file(partial(read, part_rows=rows), path).tables == (
        read_file(PPROF.read, path).tables
    )


@given(st.data())
def test_a_damaged_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    made = small()
    made.sample("", 1, 1, labels={"thread id": "12", "span_id": 7, "k": "v"})
    made.parts.append(field(3, field(1, 1) + field(5, made.string("binary"))))
    content = bytearray(made.bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("given") / "p.pb"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    with contextlib.suppress(BadFile):
        read_file(PPROF.read, path)
