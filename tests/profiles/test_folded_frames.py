"""Frames of folded stacks: kinds by suffix, brackets, marks, threads, and what py-spy writes."""

from pathlib import Path

import pytest

from collectors.folded_rows import read
from tests.profiles.folded_reading import NOON, Read, read_file


@pytest.fixture
def folded(tmp_path: Path):
    """Give a reader of text."""

    def make(text: str, **origin) -> Read:
        path = tmp_path / "stacks.txt"
        path.write_text(text, encoding="utf-8")
        return read_file(read, path, **origin)

    return make


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        ("k", "kernel"),
        ("j", "jit"),
        ("i", "inlined"),
        ("p", "python"),
        ("0", "java"),
        ("1", "jit"),
        ("2", "inlined"),
        ("3", "native"),
        ("4", "native"),
        ("5", "kernel"),
        ("6", "jit"),
    ],
)
def test_a_suffix_tells_the_kind_and_is_no_part_of_the_name(folded, suffix, kind):
    found = folded(f"main;copy_[{suffix}] 3\n")
    assert found.stacks() == {("main", "copy"): 3}
    assert found.frame("copy")["kind"] == kind
    assert found.frame("main")["kind"] == "unknown"


@pytest.mark.parametrize("name", ["copy_[x]", "copy[k]", "_[k]", "[k]", "copy_[7]"])
def test_what_only_looks_like_a_suffix_stays(folded, name):
    assert folded(f"main;{name} 3\n").stacks() == {("main", name): 3}


def test_a_function_of_the_kernel_is_another_than_one_of_its_name_outside(folded):
    found = folded("main;copy 1\nmain;copy_[k] 2\n")
    kinds = sorted(row["kind"] for row in found.tables["profile_frames"])
    assert kinds == ["kernel", "unknown", "unknown"]
    assert len(found.tables["profile_stacks"]) == 2


@pytest.mark.parametrize(
    "frame",
    ["call(int;long)", "map<a;b>::find", "f(x<y;z>;w)", "Lcom/A;::run(La;Lb;)"],
)
def test_a_semicolon_within_brackets_does_not_end_a_frame(folded, frame):
    # Outside of brackets it does, also in the names of the JVM.
    whole = ("Lcom/A", "::run(La;Lb;)") if frame.startswith("Lcom") else (frame,)
    assert folded(f"main;{frame};leaf 2\nmain;leaf 1\n").stacks() == {
        ("main", *whole, "leaf"): 2,
        ("main", "leaf"): 1,
    }


@pytest.mark.parametrize("frame", ["operator<", "operator<<", "a->b", "f(", "x <- y", "a < b"])
def test_a_bracket_that_nothing_closes_joins_nothing(folded, frame):
    assert folded(f"main;{frame};leaf 2\n").stacks() == {("main", frame, "leaf"): 2}


def test_nothing_between_two_semicolons_is_no_frame(folded):
    found = folded(";main;;leaf; 2\n")
    assert found.stacks() == {("main", "leaf"): 2}
    assert found.warnings["empty_frames"] == 3
    assert found.tables["profiles"][0]["warnings"] == ["empty_frames: 3"]


def test_a_stack_of_nothing_keeps_its_count(folded):
    assert folded("main 1\n; 2\n").stacks() == {("main",): 1, ("[no stack]",): 2}


def test_a_lone_dash_begins_the_kernel_and_is_no_frame(folded):
    found = folded("java;read;-;sys_read;copy 2\njava;copy 1\n")
    assert found.stacks() == {("java", "read", "sys_read", "copy"): 2, ("java", "copy"): 1}
    assert found.warnings["separator_frames"] == 1
    assert found.frame("sys_read")["kind"] == "kernel"
    assert found.frame("read")["kind"] == "unknown"


def test_two_dashes_separate_stacks_and_tell_nothing_of_the_kernel(folded):
    found = folded("java;wait;--;wake;sh 2\n")
    assert found.stacks() == {("java", "wait", "wake", "sh"): 2}
    assert {row["kind"] for row in found.tables["profile_frames"]} == {"unknown"}


def test_the_command_stays_a_frame_unless_said_otherwise(folded):
    assert folded("java-12/34;main 1\n").stacks() == {("java-12/34", "main"): 1}


def test_with_comm_the_first_frame_is_the_command_its_process_and_thread(folded):
    text = "java-12/34;main 1\nsh-5;main 2\nkworker/0:1-?/7;main 4\nplain;main 8\nalone 16\n"
    found = folded(text, comm=True)
    assert found.stacks() == {("main",): 15, ("[no stack]",): 16}
    assert found.stacks(comm="java", pid=12, thread_id=34) == {("main",): 1}
    assert found.stacks(comm="sh", pid=5, thread_id=None) == {("main",): 2}
    assert found.stacks(comm="kworker/0:1", pid=None, thread_id=7) == {("main",): 4}
    assert found.stacks(comm="plain", pid=None) == {("main",): 8}
    assert found.stacks(comm="alone") == {("[no stack]",): 16}


def test_the_echo_of_control_c_is_no_part_of_a_name(folded):
    assert folded("^Csh;read 1\nsh;read 2\n").stacks() == {("sh", "read"): 3}


def test_py_spy_tells_function_file_and_line(folded):
    found = folded("<module> (app.py:3);run (pkg/run.py:12) 5\n")
    assert found.stacks() == {("<module>", "run"): 5}
    run = found.frame("run")
    assert (run["file"], run["line"], run["kind"]) == ("pkg/run.py", 12, "python")


def test_py_spy_tells_native_frames_by_their_binary_or_source(folded):
    found = folded("main (a.py:1);read (libc.so.6);call (_json.c:7);f (<string>:2);g (x.py) 1\n")
    frames = {row["function"]: row for row in found.tables["profile_frames"]}
    assert (frames["read"]["mapping"], frames["read"]["kind"]) == ("libc.so.6", "native")
    assert (frames["call"]["file"], frames["call"]["line"]) == ("_json.c", 7)
    assert frames["call"]["kind"] == "native"
    assert (frames["f"]["file"], frames["f"]["kind"]) == ("<string>", "python")
    assert (frames["g"]["file"], frames["g"]["line"]) == ("x.py", None)


def test_parentheses_mean_no_binary_where_py_spy_did_not_write(folded):
    assert folded("main;operator() (int) 1\n").stacks() == {("main", "operator() (int)"): 1}


def test_processes_and_threads_become_columns(folded):
    text = (
        'process 7:"python app.py";process 8:"child";thread (0x1F): Main;f (a.py:1) 2\n'
        "thread (25): Main;f (a.py:1) 3\n"
        "thread (0xFFFFFFFFFFFFFFFF);f (a.py:1) 4\n"
        "f (a.py:1) 5\n"
    )
    found = folded(text)
    assert found.stacks() == {("f",): 14}
    assert found.stacks(pid=8, thread_id=31, thread_name="Main") == {("f",): 2}
    assert found.stacks(pid=None, thread_id=25, thread_name="Main") == {("f",): 3}
    assert found.stacks(thread_id=None, thread_name=None) == {("f",): 9}
    assert len(found.tables["profile_stacks"]) == 1


def test_threads_of_async_profiler_become_columns(folded):
    found = folded("[main tid=12];java/lang/Thread.run_[j] 1\n[tid=13];A.b_[0] 2\n")
    assert found.stacks(thread_id=12, thread_name="main") == {("java/lang/Thread.run",): 1}
    assert found.stacks(thread_id=13, thread_name=None) == {("A.b",): 2}


def test_a_thread_in_the_middle_of_a_stack_is_a_frame(folded):
    assert folded("main;thread (7): x 1\n").stacks() == {("main", "thread (7): x"): 1}


@pytest.mark.parametrize(
    ("origin", "row"),
    [
        ({}, ("cpu", "samples", "count", 3, 3)),
        ({"unit": "samples"}, ("cpu", "samples", "count", 3, 3)),
        ({"unit": "us"}, ("wall", "wall", "nanoseconds", 3000, None)),
        ({"unit": "s"}, ("wall", "wall", "nanoseconds", 3 * 10**9, None)),
        ({"unit": "bytes"}, ("alloc_space", "alloc_space", "bytes", 3, None)),
        ({"tool": "offcputime"}, ("off_cpu", "off_cpu", "nanoseconds", 3000, None)),
        (
            {"tool": "wakeuptime", "unit": "ms"},
            ("off_cpu", "off_cpu", "nanoseconds", 3000000, None),
        ),
        ({"tool": "stackcount"}, ("events", "samples", "count", 3, 3)),
    ],
)
def test_the_unit_and_the_tool_say_what_was_measured(folded, origin, row):
    found = folded("a;b 3\n", **origin)
    (sample,) = found.tables["profile_samples"]
    names = ("profile_type", "sample_type", "sample_unit", "value", "samples")
    assert tuple(sample[name] for name in names) == row
    assert found.tables["profiles"][0]["sample_types"] == [
        {"type": row[1], "unit": row[2], "total": row[3]}
    ]


def test_fractions_of_a_unit_are_whole_numbers_of_the_canonical_one(folded):
    assert folded("a 1.0005\nb 0.0000015\n", unit="ms").stacks() == {("a",): 1_000_500, ("b",): 2}


def test_rate_time_and_duration_are_those_that_are_said(folded):
    found = folded("a 1\n", rate_hertz=99.0, time_unix_nano=NOON, duration_nano=7)
    (profile,) = found.tables["profiles"]
    assert (profile["period"], profile["period_type"]) == (10_101_010, "cpu")
    assert (profile["time_unix_nano"], profile["duration_nano"]) == (NOON, 7)
    (sample,) = found.tables["profile_samples"]
    assert (sample["time_unix_nano"], sample["duration_nano"]) == (NOON, 7)
    assert folded("a 1\n").tables["profiles"][0]["period"] is None
    assert folded("a 1\n").column("time_unix_nano") == [NOON - 5]
