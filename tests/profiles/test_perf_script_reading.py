"""Files of perf script: whole ones, odd ones, and ones that are read in parts."""

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.collector import Head
from collectors.folded import FOLDED
from collectors.perf_script import PERF_SCRIPT
from pipeline.errors import BadFile
from tests.profiles.perf_script_reading import Perf, read_text

TWO = (
    "shop 7 1.000001: 250000 cpu-clock:u: \n"
    "\t          401b97 leaf+0x1f (/srv/shop)\n"
    "\t          401c00 main+0x4 (/srv/shop)\n"
    "\n"
    "shop 8 1.000002: 250000 cpu-clock:u: \n"
    "\t          401b99 leaf+0x21 (/srv/shop)\n"
    "\t          401c00 main+0x4 (/srv/shop)\n"
    "\n"
)
# A sample may go on over several files' worth of text: each is read with what was before it.
PARTS = (
    "shop 7 1.000001: 250000 cpu-clock:u: \n\t 401b97 leaf+0x1f (/srv/shop)\n\n",
    "my shop 7/8 [001] 1.500000: sched:sched_switch: a=1 b=2 ==> c=3\n"
    "\tffffffff821f8b58 f+0x6 ([k])\n\n",
    "shop 7 \n\t          29c51a [unknown]\n\n",
    "   alone 7 2.000001: 1 cycles:u:  ffffffff9b201293 g+0x3 (/srv/shop)\n",
    "shop 7 2.500000: 1 cycles: \n"
    "\t          29c51a f\n  shop.c:3\n\t               1 g (inlined)\n\n",
    "shop 7 3.500000: 1 cycles: \n\n",
    "\t          401b97 orphan+0x1f (/srv/shop)\n",
    "a line of something else entirely\n",
    "# a comment\n",
    "shop 7 3.6: PERF_RECORD_LOST lost 2\n",
    "\n",
)


def test_equal_stacks_are_one_wherever_in_a_function_they_were(tmp_path: Path) -> None:
    perf = read_text(tmp_path, TWO)
    (stack,) = perf.tables["profile_stacks"]
    assert (stack["functions"], stack["depth"]) == (["leaf", "main"], 2)
    assert [sample["thread_id"] for sample in perf.samples] == [7, 8]
    (profile,) = perf.profiles
    assert profile["sample_types"] == [
        {"type": "cpu-clock", "unit": "nanoseconds", "total": 500_000}
    ]
    assert (profile["source_format"], profile["lost"]) == ("perf-script", None)


def test_the_last_blank_line_may_be_missing(tmp_path: Path) -> None:
    assert (
        read_text(tmp_path, TWO.rstrip("\n")).samples == read_text(tmp_path, TWO.rstrip()).samples
    )
    assert len(read_text(tmp_path, TWO.rstrip("\n")).samples) == 2


def test_a_sample_without_a_stack_is_kept_and_counted(tmp_path: Path) -> None:
    perf = read_text(tmp_path, "shop 7 1.000001: 250000 cpu-clock:u: \n\n")
    assert perf.samples[0]["functions"] == ["[no stack]"]
    assert perf.warnings["sample_without_stack"] == 1
    assert perf.profiles[0]["warnings"] == ["sample_without_stack: 1"]


def test_a_stack_of_one_frame_may_stand_in_the_header(tmp_path: Path) -> None:
    perf = read_text(tmp_path, PARTS[3] + TWO)
    assert perf.samples[0]["functions"] == ["g"]
    assert (perf.samples[0]["labels"], perf.messages) == ({}, 3)


def test_source_lines_and_inlined_frames_are_kept(tmp_path: Path) -> None:
    (sample,) = read_text(tmp_path, PARTS[4]).samples
    leaf, root = sample["frames"]
    assert (leaf["function"], leaf["file"], leaf["line"]) == ("f", "shop.c", 3)
    assert (root["function"], root["kind"]) == ("g", "inlined")


def test_unknown_frames_of_a_binary_are_one_frame(tmp_path: Path) -> None:
    text = TWO.replace("leaf+0x1f", "[unknown]").replace("leaf+0x21", "[unknown]")
    perf = read_text(tmp_path, text)
    assert perf.samples[0]["functions"] == ["[unknown]", "main"]
    assert perf.samples[0]["frames"][0]["mapping"] == "/srv/shop"
    assert len(perf.tables["profile_stacks"]) == 1


def test_a_stack_of_the_kernels_limit_is_marked_cut(tmp_path: Path) -> None:
    header, frame = "shop 7 1.000001: 1 cycles: \n", "\t          401c00 f (/srv/shop)\n"
    text = header + 127 * frame + "\n" + header + 126 * frame + "\n"
    stacks = {
        row["depth"]: row["truncated"] for row in read_text(tmp_path, text).tables["profile_stacks"]
    }
    assert stacks == {127: True, 126: False}


def test_strange_lines_are_rejected_one_by_one_and_the_rest_is_kept(tmp_path: Path) -> None:
    text = (
        "shop 7 1.000001: 1 cycles: \n"
        "\t          THIS IS NO FRAME\n"
        "\t          401b97 main (/srv/shop)\n"
        "\n"
        "\t          401b97 orphan (/srv/shop)\n"
        "\t          401b98 orphan (/srv/shop)\n"
        "what is this\n"
    )
    perf = read_text(tmp_path, text)
    assert perf.samples[0]["functions"] == ["main"]
    assert perf.rejects == [
        ("line 2", "neither a frame nor a source line"),
        ("line 5", "a frame without a sample above it"),
        ("line 7", "no header of a sample"),
    ]


def test_a_damaged_time_moves_no_sample(tmp_path: Path) -> None:
    text = TWO.replace("1.000002", "8999999999.5")
    perf = read_text(tmp_path, text)
    first, second = (sample["time_unix_nano"] for sample in perf.samples)
    assert (first, perf.warnings["sample_time_far_off"]) == (second, 1)


def test_invalid_utf8_is_replaced(tmp_path: Path) -> None:
    perf = read_text(tmp_path, TWO.encode().replace(b"main", b"m\xffin"))
    assert perf.samples[0]["functions"] == ["leaf", "m\ufffdin"]
    assert perf.warnings["invalid_utf8"] == 1


def test_lines_may_end_as_in_windows(tmp_path: Path) -> None:
    assert read_text(tmp_path, TWO.replace("\n", "\r\n")).messages == 2


@pytest.mark.parametrize("text", ["# nothing\n", "\n\n", "one two\nthree\n", "\t 401b97 main\n"])
def test_a_file_without_samples_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadFile, match=re.escape("perf script -i perf.data")):
        read_text(tmp_path, text)


def test_a_file_of_endless_events_is_refused(tmp_path: Path) -> None:
    text = "".join(f"shop 7 1.000001: 1 event-{number}: \n\n" for number in range(1002))
    with pytest.raises(BadFile, match="more than 1000 events"):
        read_text(tmp_path, text)


def same(one: Perf, other: Perf) -> None:
    """Hold two readings to be the same, whatever the order of equal times."""
    for name, rows in one.tables.items():
        # Another way of reading has another name, and thereby no other content.
        assert sorted(map(repr, rows)) == sorted(map(repr, other.tables[name])), name
    assert one.rejects == other.rejects
    assert +one.warnings == +other.warnings


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(
    parts=st.lists(st.sampled_from(PARTS), min_size=1, max_size=12),
    block_bytes=st.integers(20, 300),
)
def test_the_size_of_the_blocks_changes_nothing(
    tmp_path: Path, parts: list[str], block_bytes: int
) -> None:
    text = TWO + "".join(parts)
    whole = read_text(tmp_path, text)
    same(whole, read_text(tmp_path, text, block_bytes=block_bytes))
    assert sum(t["total"] for p in whole.profiles for t in p["sample_types"]) == sum(
        sample["value"] for sample in whole.samples
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6),
    st.integers(0, 10**6),
)
def test_damage_never_ends_in_a_trace(
    tmp_path: Path, flips: list[tuple[int, int]], length: int
) -> None:
    data = bytearray((TWO + "".join(PARTS)).encode())
    for place, byte in flips:
        data[place % len(data)] = byte
    del data[length % len(data) + 1 :]
    assert PERF_SCRIPT.sniff(Head(bytes(data), True)) in (True, False)
    with contextlib.suppress(BadFile):
        read_text(tmp_path, bytes(data))


@given(st.binary(max_size=300), st.booleans())
def test_sniffing_never_fails(content: bytes, whole: bool) -> None:
    assert PERF_SCRIPT.sniff(Head(content, whole)) in (True, False)


@pytest.mark.parametrize("text", [TWO, PARTS[2], PARTS[3], "# a\n\n" + PARTS[1], PARTS[9] + TWO])
def test_perf_script_is_recognised(text: str) -> None:
    assert PERF_SCRIPT.sniff(Head(text.encode(), True))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "main;pay 7\n",
        "# Overhead  Command\n    74.84%  shop  shop  [.] pay\n74.84% main;pay\n",
        " Performance counter stats for 'shop':\n\n   62 page-faults\n",
        "Attaching 1 probe...\n@[pay]: 7\n",
        "name 7\nother 8\n",
        "TIME     COMM  PID\n12:00:00 shop  7\n",
        '{"a": 1}\n',
        "          shop-7  [001] d..2.  1.000001: sched_switch: prev_comm=shop\n",
    ],
)
def test_other_texts_are_left_alone(text: str) -> None:
    assert not PERF_SCRIPT.sniff(Head(text.encode(), True))


def test_what_an_earlier_run_landed_is_known_and_the_rest_is_the_same(tmp_path: Path) -> None:
    text = TWO * 20
    whole = read_text(tmp_path, text, block_bytes=300, piece_bytes=2000)
    last = whole.pieces[-1]
    rest = read_text(
        tmp_path, text, block_bytes=300, piece_bytes=2000, landed=lambda table: last - 1
    )
    assert whole.pieces == sorted(whole.pieces)
    assert last > 1
    assert rest.messages == whole.messages
    assert rest.profiles == whole.profiles
    assert 0 < len(rest.tables["profile_samples"]) < len(whole.tables["profile_samples"])


@pytest.mark.parametrize("count", ["2", "22", "222", "2222"])
def test_folded_stacks_with_a_stack_without_frames_are_not_taken_for_samples(count):
    # py-spy writes such a stack as a blank and its count, which could be an address.
    text = f"serve (shop.py:7);wait (shop.py:9) 31\n {count}\nserve (shop.py:7) 2\n"
    assert not PERF_SCRIPT.sniff(Head(text.encode(), whole=True))
    assert FOLDED.sniff(Head(text.encode(), whole=True))
