"""Stacks of bcc and libbpf-tools become profiles of what their tool measures."""

from pathlib import Path

import pytest

from collectors.bcc_stacks import read
from collectors.origin import Origin
from pipeline.errors import BadFile
from tests.ebpf.bcc_reading import NOON, SECOND, Read, read_text

PROFILE = """\
Sampling at 50 Hertz of all threads by user + kernel stack... Hit Ctrl-C to end.
^C
    do_work+0x12 [shop]
    main
    [unknown]
    -                worker 1 (41)
        3

    [Missed User Stack]
    -                swapper/0 (0)
        2
WARNING: 4 stack traces could not be displayed.
"""


def stacks(found: Read) -> list[tuple[tuple[str, ...], int]]:
    """Give each sample's functions, leaf first, and its value."""
    functions = {row["stack_id"]: row["functions"] for row in found.tables["profile_stacks"]}
    return [
        (tuple(functions[row["stack_id"]]), row["value"]) for row in found.tables["profile_samples"]
    ]


def test_samples_of_the_processor_keep_their_process_and_their_rate(tmp_path: Path) -> None:
    found = read_text(read, tmp_path, PROFILE)
    assert stacks(found) == [
        (("do_work", "main", "[unknown]"), 3),
        (("[Missed User Stack]",), 2),
    ]
    columns = ("comm", "pid", "profile_type", "sample_unit", "samples", "time_unix_nano")
    assert found.columns("profile_samples", *columns) == [
        ("worker 1", 41, "cpu", "count", 3, NOON),
        ("swapper/0", 0, "cpu", "count", 2, NOON),
    ]
    (profile,) = found.tables["profiles"]
    assert profile["sample_types"] == [{"type": "samples", "unit": "count", "total": 5}]
    assert (profile["period"], profile["period_type"], profile["lost"]) == (20_000_000, "cpu", 4)
    assert (found.messages, found.rejects) == (2, [])


def test_time_off_the_processor_is_in_nanoseconds(tmp_path: Path) -> None:
    text = "    schedule\n    read\n    -                sh (7)\n        21\n\n"
    found = read_text(read, tmp_path, text, "offcputime.txt")
    columns = ("profile_type", "sample_unit", "value", "samples")
    assert found.columns("profile_samples", *columns) == [("off_cpu", "nanoseconds", 21_000, None)]
    (profile,) = found.tables["profiles"]
    assert profile["sample_types"][0]["total"] == 21_000


def test_an_old_version_prints_the_bare_command_under_the_frames(tmp_path: Path) -> None:
    text = (
        "Tracing off-CPU time (us) of all threads... Hit Ctrl-C\n    schedule\n    dd\n        5\n"
    )
    found = read_text(read, tmp_path, text)
    assert stacks(found) == [(("schedule",), 5_000)]
    assert found.columns("profile_samples", "comm", "pid") == [("dd", None)]


def test_stackcount_counts_calls_with_and_without_a_process(tmp_path: Path) -> None:
    text = "  malloc\n  main\n    12\n\n  malloc\n  run\n    java [49]\n    3\n\nDetaching...\n"
    found = read_text(read, tmp_path, text, "stackcount.txt")
    assert stacks(found) == [(("malloc", "main"), 12), (("malloc", "run"), 3)]
    assert found.columns("profile_samples", "profile_type", "comm", "pid") == [
        ("events", None, None),
        ("events", "java", 49),
    ]


def test_frames_above_the_divider_are_the_kernels(tmp_path: Path) -> None:
    text = "    vfs_read\n    --\n    read\n    -                sh (7)\n        1\n\n"
    found = read_text(read, tmp_path, text, "profile.txt")
    kinds = {row["function"]: row["kind"] for row in found.tables["profile_frames"]}
    assert kinds == {"vfs_read": "kernel", "read": "unknown"}


def test_who_woke_a_thread_is_a_label_and_whom_is_its_command(tmp_path: Path) -> None:
    text = (
        "Tracing blocked time (us) by kernel stack for 5 secs.\n\n"
        "    target:          sshd\n    ffffffff81000001 pollwake\n"
        "    waker:           kworker/u4:0\n        120\n\n"
    )
    found = read_text(read, tmp_path, text)
    assert stacks(found) == [(("pollwake",), 120_000)]
    ((comm, labels),) = found.columns("profile_samples", "comm", "labels")
    assert (comm, labels) == ("sshd", [("waker", "kworker/u4:0")])


def test_the_number_behind_a_waker_is_its_process_only_where_the_tool_prints_that(
    tmp_path: Path,
) -> None:
    text = (
        "    waker:           pool 7\n    futex_wake\n    --               --\n    schedule\n"
        "    target:          pool 9\n        5\n\n"
    )
    found = read_text(read, tmp_path, text, "offwaketime.txt")
    columns = ("comm", "pid", "labels")
    assert found.columns("profile_samples", *columns) == [("pool", 9, [("waker", "pool")])]
    assert stacks(found) == [(("futex_wake", "schedule"), 5_000)]
    found = read_text(read, tmp_path, text, "wakeuptime.txt")
    assert found.columns("profile_samples", *columns) == [("pool 9", None, [("waker", "pool 7")])]


def test_a_total_beyond_64_bits_is_cut_and_told(tmp_path: Path) -> None:
    text = "    f\n    -                sh (7)\n        9223372036854775807\n\n" * 2
    found = read_text(read, tmp_path, text)
    (profile,) = found.tables["profiles"]
    assert profile["sample_types"][0]["total"] == 2**63 - 1
    assert profile["warnings"] == ["total_beyond_int64: 1"]


def test_each_print_of_outstanding_memory_is_a_profile_of_its_own(tmp_path: Path) -> None:
    text = (
        "Attaching to pid 5, Ctrl+C to quit.\n"
        "[12:00:01] Top 1 stacks with outstanding allocations:\n"
        "\taddr = 7f0010 size = 16\n"
        "\t64 bytes in 4 allocations from stack\n\t\tgrow+0x6d [shop]\n\t\tmain [shop]\n\n"
        "[12:00:02] Top 1 stacks with outstanding allocations:\n"
        "\t80 bytes in 5 allocations from stack\n\t\tgrow+0x6d [shop]\n\t\tmain [shop]\n"
    )
    found = read_text(read, tmp_path, text)
    assert [profile["sample_types"] for profile in found.tables["profiles"]] == [
        [
            {"type": "inuse_space", "unit": "bytes", "total": 64},
            {"type": "inuse_objects", "unit": "count", "total": 4},
        ],
        [
            {"type": "inuse_space", "unit": "bytes", "total": 80},
            {"type": "inuse_objects", "unit": "count", "total": 5},
        ],
    ]
    assert stacks(found)[0] == (("grow", "main"), 64)
    assert found.columns("profiles", "time_unix_nano") == [(NOON + SECOND,), (NOON + 2 * SECOND,)]


def test_a_stack_without_frames_keeps_its_total(tmp_path: Path) -> None:
    found = read_text(read, tmp_path, PROFILE + "\n    -                idle (0)\n        9\n")
    assert stacks(found)[-1] == (("[no stack]",), 9)
    assert found.warnings["no_stack"] == 1
    assert found.tables["profiles"][0]["warnings"] == ["no_stack: 1"]


def test_the_caller_may_say_what_an_unknown_tool_counts(tmp_path: Path) -> None:
    text = "    f\n    -                sh (7)\n        2\n\n"
    found = read_text(read, tmp_path, text, origin=Origin(unit="ms"))
    assert found.columns("profile_samples", "profile_type", "value") == [("off_cpu", 2_000_000)]


def test_a_value_beyond_64_bits_is_rejected(tmp_path: Path) -> None:
    text = PROFILE + "\n    f\n    -                sh (7)\n        9999999999999999999\n"
    found = read_text(read, tmp_path, text)
    assert found.rejects == [("line 16", "a value beyond 64 bits")]
    text = "    f\n    -                sh (7)\n        9223372036854776\n\n" + PROFILE
    found = read_text(read, tmp_path, text, origin=Origin(tool="offcputime"))
    assert found.rejects == [("line 3", "a value beyond 64 bits")]


def test_lines_that_belong_to_no_stack_are_rejected(tmp_path: Path) -> None:
    found = read_text(read, tmp_path, PROFILE + "\nwhat is this\n")
    assert found.rejects == [("line 14", "belongs to no stack with a value")]
    text = "what is this\n    f\n    -                sh (7)\n        1\n\n"
    found = read_text(read, tmp_path, text)
    assert found.rejects == [("line 1", "belongs to no stack with a value")]
    assert stacks(found) == [(("f",), 1)]


@pytest.mark.parametrize("text", ["hello\n", "    f\n    g\n\n", "\n"])
def test_a_file_without_a_stack_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadFile, match="no bcc-stacks: .*--format"):
        read_text(read, tmp_path, text)
