"""bpftrace's text becomes the same rows as its JSON."""

from pathlib import Path

import pytest

from collectors.bpftrace import BPFTRACE_TEXT
from pipeline.errors import BadFile
from tests.ebpf.bpftrace_files import NOON, head, tell

BLOCKS = pytest.mark.parametrize("block_bytes", [1, 37, 1 << 20])

HISTOGRAM = b"""Attaching 2 probes...
^C

@usecs[cat, 3]:\x20
(..., 0)               1 |@@                |
[0]                    0 |                  |
[2, 4)                 7 |@@@@@@@@@@@@@@@@@@|
[1K, 2M)               3 |@@@@@@            |
[2M, ...)              1 |@@                |

"""

STACKS = b"""@[
    leaf+1
    do_syscall_64+2
,\x20
    main+3
, cat]: 2
@[,\x20
    main+3
, cat]: 5
@n: 4
"""

SERIES = b"""@a[x]:
             8                                                  10
hh:mm:ss.ms  |___________________________________________________|
12:00:00.500 |                         *                         | 9
12:00:00.600 |                                                   |
             v___________________________________________________v
             8                                                  10
"""


@BLOCKS
def test_bounds_are_exclusive_above_and_k_is_1024(tmp_path: Path, block_bytes: int) -> None:
    told = tell(tmp_path, HISTOGRAM, "text", block_bytes)
    columns = ("bucket_low", "bucket_high", "high_inclusive", "count")
    assert told.rows("ebpf_histograms", *columns) == [
        (None, 0, False, 1),
        (0, 0, True, 0),
        (2, 4, False, 7),
        (1024, 2 << 20, False, 3),
        (2 << 20, None, False, 1),
    ]
    assert set(told.rows("ebpf_histograms", "metric", "unit")) == {("@usecs", "us")}
    assert told.rows("ebpf_histograms", "keys")[0] == [("key0", "cat"), ("key1", "3")]
    assert told.rows("ebpf_events") == []


def test_a_bound_beyond_64_bits_is_the_greatest_there_is(tmp_path: Path) -> None:
    told = tell(tmp_path, b"@:\n[4E, 8E)    1 |@@@|\n", "text")
    assert told.rows("ebpf_histograms", "bucket_low", "bucket_high", "high_inclusive") == [
        (1 << 62, (1 << 63) - 1, True)
    ]


@BLOCKS
def test_keys_of_several_lines_are_stacks(tmp_path: Path, block_bytes: int) -> None:
    told = tell(tmp_path, STACKS, "text", block_bytes)
    functions = dict(told.rows("profile_stacks", "stack_id", "functions"))
    found = told.rows("profile_samples", "stack_id", "comm", "value")
    assert [(functions[stack], comm, value) for stack, comm, value in found] == [
        (["leaf", "do_syscall_64", "main"], "cat", 2),
        (["main"], "cat", 5),
    ]
    assert told.rows("ebpf_counts", "metric", "value_int") == [("@n", 4)]


@BLOCKS
def test_a_graph_of_a_time_series_is_a_row_a_value(tmp_path: Path, block_bytes: int) -> None:
    told = tell(tmp_path, SERIES, "text", block_bytes)
    assert told.rows("ebpf_counts", "metric", "value_int", "keys") == [
        ("@a", 9, [("key0", "x"), ("interval_start", "12:00:00.500")])
    ]
    assert told.rows("ebpf_events") == []


def test_values_stats_names_and_lines(tmp_path: Path) -> None:
    content = b"""Attaching 1 probe...
hello: 5
@st[a, b]: count 2, average 6, total 12
@c: 1
@s[7]: bash
@v: (1, 2)
Lost 3 events
12:00:05
[7] not a bucket
"""
    told = tell(tmp_path, content, "text", time_unix_nano=NOON)
    assert sorted(told.rows("ebpf_counts", "metric", "key_list", "value_int")) == [
        ("@c", [], 1),
        ("@st.average", ["a", "b"], 6),
        ("@st.count", ["a", "b"], 2),
        ("@st.total", ["a", "b"], 12),
        ("lost", [], 3),
    ]
    events = told.rows("ebpf_events", "line", "event", "time_unix_nano")
    assert {line: (event, when - NOON) for line, event, when in events} == {
        "hello: 5": ("printf", 0),
        "@s[7]: bash": ("map", 0),
        "@v: (1, 2)": ("map", 0),
        "12:00:05": ("time", 5 * 10**9),
        "[7] not a bucket": ("printf", 5 * 10**9),
    }


@BLOCKS
def test_a_key_that_comes_again_begins_another_print(tmp_path: Path, block_bytes: int) -> None:
    content = b"@t[a]: 1\n@t[b]: 2\n@t[a]: 1\n@t[b]: 3\n@f: 5\n@f: 4\n@one[a]: 1\n@one[b]: 1\n"
    told = tell(tmp_path, content, "text", block_bytes)
    assert set(told.rows("ebpf_counts", "metric", "is_cumulative")) == {
        ("@t", True),
        ("@f", False),
        ("@one", False),
    }


def test_a_key_without_its_end_is_one_reject(tmp_path: Path) -> None:
    told = tell(tmp_path, b"@c: 1\n@[\n    main+1\n    start+2\n@d: 2\n@[\n    cut", "text")
    assert told.rows("ebpf_counts", "metric") == ["@c", "@d"]
    assert [place for place, _ in told.rejects] == ["line 2", "line 6"]
    assert told.rows("ebpf_events") == []


@pytest.mark.parametrize("content", [b"\n\n", b"^C\nAttaching 1 probe...\n"])
def test_a_file_that_says_nothing_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadFile, match="bpftrace-text: .*; import what bpftrace wrote"):
        tell(tmp_path, content, "text")


@pytest.mark.parametrize(
    ("content", "is_one"),
    [
        (HISTOGRAM, True),
        (STACKS, True),
        (SERIES, True),
        (b"@[c]: 3\n", True),
        (b"Attached 1 probe\nhello\n", True),
        (b"Attaching 1 probe...\nPID COMM FD ERR PATH\n1 a 3 0 /x\n\n@n: 4\n", True),
        (b"Attaching 1 probe...\nPID    COMM  FD ERR PATH\n1 a 3 0 /x\n", False),
        (b"TIME(ms)     DISK   LAT(ms)\n1   sda   2\n", False),
        (b"@ cycles [357 samples]\n\n20.86%  [7]  f @ /kernel\n", False),
        (b"@Test\nvoid f() {}\n", False),
        (b"@startuml\nA -> B: hello\n@enduml\n", False),
        (b"main;f 3\n", False),
        (b"     usecs     : count     distribution\n  0 -> 1 : 3 |**|\n", False),
        (b"@x: 1\nprose that no map prints\n", False),
        (b"", False),
        (b"\x00\xff\n@x: 1\n", False),
    ],
)
def test_only_bpftrace_s_own_signs_are_known(content: bytes, is_one: bool) -> None:
    assert BPFTRACE_TEXT.sniff(head(content)) is is_one
