"""Histograms of bcc and libbpf-tools land bucket by bucket, with what they are of."""

from pathlib import Path

import pytest

from collectors.bcc_histogram import read
from collectors.origin import Origin
from pipeline.errors import BadFile
from tests.ebpf.bcc_reading import HOUR, NOON, SECOND, read_text

BUCKET = ("bucket_low", "bucket_high", "count")

TWO_DISKS = """\
Tracing block device I/O... Hit Ctrl-C to end.
^C
disk = 'sda'
     usecs               : count     distribution
         0 -> 1          : 3        |****                                    |
         2 -> 3          : 30       |****************************************|

disk = b'sdb'
     usecs               : count    distribution
         4 -> 7          : 1        |****************************************|
"""


def test_both_bounds_of_a_bucket_are_in_it(tmp_path: Path) -> None:
    found = read_text(read, tmp_path, TWO_DISKS)
    assert found.columns("ebpf_histograms", *BUCKET) == [(0, 1, 3), (2, 3, 30), (4, 7, 1)]
    assert {row["high_inclusive"] for row in found.tables["ebpf_histograms"]} == {True}
    assert (found.messages, found.rejects, found.warnings) == (3, [], {})


def test_labels_above_a_histogram_are_its_keys(tmp_path: Path) -> None:
    found = read_text(read, tmp_path, TWO_DISKS)
    assert found.columns("ebpf_histograms", "keys", "tool", "metric", "unit") == [
        ({"disk": "sda"}, "biolatency", "biolatency", "us"),
        ({"disk": "sda"}, "biolatency", "biolatency", "us"),
        ({"disk": "sdb"}, "biolatency", "biolatency", "us"),
    ]


def test_a_process_in_a_label_fills_its_columns(tmp_path: Path) -> None:
    text = "pid = 12 my shell\n msecs : count distribution\n 0 -> 1 : 2 |*|\n"
    found = read_text(read, tmp_path, text, "cpudist-P.txt")
    assert found.columns("ebpf_histograms", "tool", "pid", "comm", "keys", "unit") == [
        ("cpudist", 12, "my shell", {"pid": "12", "comm": "my shell"}, "ms")
    ]


def test_free_text_right_above_a_heading_is_a_label_and_elsewhere_rejected(tmp_path: Path) -> None:
    text = "stray\n\np:c:read(int fd):fd==1\n  len  : count distribution\n  8 -> 15 : 4 |*|\n"
    found = read_text(read, tmp_path, text)
    assert found.columns("ebpf_histograms", "metric", "unit", "keys") == [
        ("len", "len", {"label": "p:c:read(int fd):fd==1"})
    ]
    assert found.rejects == [("line 1", "neither a heading nor a bucket")]


def test_printed_times_get_the_day_of_the_recording_and_go_on_past_midnight(tmp_path: Path) -> None:
    text = "".join(
        f"{clock}\n usecs : count distribution\n 0 -> 1 : 1 |*|\n\n"
        for clock in ("23:59:59", "[00:00:01]", "00:00:03:")
    )
    origin = Origin(time_unix_nano=NOON + 12 * HOUR - SECOND)
    found = read_text(read, tmp_path, text, origin=origin)
    midnight = NOON + 12 * HOUR
    assert found.columns("ebpf_histograms", "time_unix_nano") == [
        (midnight - SECOND,),
        (midnight + SECOND,),
        (midnight + 3 * SECOND,),
    ]


def test_without_a_time_the_files_own_is_taken(tmp_path: Path) -> None:
    found = read_text(read, tmp_path, TWO_DISKS)
    assert {row["time_unix_nano"] for row in found.tables["ebpf_histograms"]} == {NOON}


def test_a_linear_histogram_has_a_value_a_bucket_unless_steps_are_printed(tmp_path: Path) -> None:
    text = (
        " runqlen : count distribution\n  0 : 5 |*|\n  1 : 2 |*|\n\n"
        " mhz : count distribution\n  0 : 1 |*|\n  200 : 2 |*|\n  400 : 3 |*|\n"
    )
    found = read_text(read, tmp_path, text)
    assert found.columns("ebpf_histograms", *BUCKET) == [
        (0, 0, 5),
        (1, 1, 2),
        (0, 199, 1),
        (200, 399, 2),
        (400, 599, 3),
    ]


def test_the_average_below_a_histogram_is_counted_beside_it(tmp_path: Path) -> None:
    text = (
        "Function = vfs_read\n nsecs : count distribution\n 0 -> 1 : 2 |*|\n\n"
        "avg = 4 nsecs, total: 8 nsecs, count: 2\n"
    )
    found = read_text(read, tmp_path, text, "funclatency.txt")
    assert found.columns("ebpf_counts", "metric", "value_int", "unit", "keys") == [
        ("average", 4, "ns", {"Function": "vfs_read"}),
        ("total", 8, "ns", {"Function": "vfs_read"}),
        ("count", 2, "count", {"Function": "vfs_read"}),
    ]


def test_a_dict_a_line_has_its_own_time_and_labels(tmp_path: Path) -> None:
    text = (
        "^C\n{'ts': '2026-11-25 12:00:01', 'val_type': 'usecs', 'data': ["
        "{'interval-start': 0, 'interval-end': 1, 'count': 7}], 'Bucket ptr': b'sda'}\n"
    )
    found = read_text(read, tmp_path, text, "biolatency.txt")
    assert found.columns("ebpf_histograms", *BUCKET, "time_unix_nano", "keys", "unit") == [
        (0, 1, 7, NOON + SECOND, {"Bucket ptr": "sda"}, "us")
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{'data': __import__('os')}", "no Python dict"),
        ("{'data': [{'value': 1, 'count': -1}]}", "a dict with a row that is no bucket"),
        ("{'data': [{'value': 1, 'count': True}]}", "a dict with a row that is no bucket"),
        ("{'data': 3}", "a dict without data"),
        ("{'data': " + "[" * 5000, "no Python dict"),
    ],
)
def test_a_dict_that_is_none_is_rejected(tmp_path: Path, line: str, reason: str) -> None:
    found = read_text(read, tmp_path, f"{TWO_DISKS}{line}\n")
    assert found.rejects == [("line 11", reason)]
    assert found.messages == 3


def test_a_dict_amid_a_histogram_takes_none_of_its_buckets(tmp_path: Path) -> None:
    text = (
        "disk = sda\n usecs : count distribution\n 0 -> 1 : 1 |*|\n"
        "{'val_type': 'msecs', 'data': [{'value': 9, 'count': 1}]}\n 2 -> 3 : 1 |*|\n"
    )
    found = read_text(read, tmp_path, text)
    rows = found.columns("ebpf_histograms", "bucket_low", "unit", "keys")
    assert sorted(rows, key=str) == [
        (0, "us", {"disk": "sda"}),
        (2, "us", {"disk": "sda"}),
        (9, "ms", {}),
    ]


def test_numbers_beyond_64_bits_open_a_bucket_or_reject_it(tmp_path: Path) -> None:
    text = (
        " nsecs : count distribution\n"
        "9000000000000000000 -> 18446744073709551615 : 1 |*|\n"
        "9223372036854775808 -> 18446744073709551615 : 1 |*|\n"
        "0 -> 1 : 99999999999999999999999 |*|\n"
    )
    found = read_text(read, tmp_path, text)
    assert found.columns("ebpf_histograms", *BUCKET) == [(9_000_000_000_000_000_000, None, 1)]
    beyond = "a bucket beyond 64 bits"
    assert found.rejects == [("line 3", beyond), ("line 4", beyond)]
    assert found.warnings["bucket_high_beyond_int64"] > 0


def test_a_bucket_without_a_heading_is_rejected(tmp_path: Path) -> None:
    found = read_text(read, tmp_path, " 0 -> 1 : 5 |*|\n usecs : count distribution\n")
    assert found.rejects == [("line 1", "a bucket with no heading above it")]
    assert found.messages == 0


def test_what_was_lost_is_counted(tmp_path: Path) -> None:
    found = read_text(read, tmp_path, f"{TWO_DISKS}\nPossibly lost 7 samples\n")
    assert found.columns("ebpf_counts", "metric", "value_int") == [("lost", 7)]


@pytest.mark.parametrize("text", ["just a line\n", "\n\n", "Tracing run queue latency... Hit C\n"])
def test_a_file_without_a_histogram_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadFile, match="no bcc-histogram: .*--format"):
        read_text(read, tmp_path, text)


@pytest.mark.parametrize(
    ("name", "origin", "tool"),
    [
        ("shop.runqlat-p.txt", "", "runqlat"),
        ("whatever.txt", "", "bcc"),
        ("runqlat.txt", "mine", "mine"),
    ],
)
def test_the_tool_is_what_was_said_or_what_the_file_is_called(
    tmp_path: Path, name: str, origin: str, tool: str
) -> None:
    text = " usecs : count distribution\n 0 -> 1 : 1 |*|\n"
    found = read_text(read, tmp_path, text, name, Origin(tool=origin))
    assert found.columns("ebpf_histograms", "tool") == [(tool,)]
