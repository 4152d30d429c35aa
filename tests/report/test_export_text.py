"""Folded stacks and speedscope JSON out of the lake."""

import io
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from collectors.frames_and_stacks import Frame
from pipeline.jobs.profile_request import ProfileRequest
from pipeline.jobs.profile_selection import select
from pipeline.lake import Lake
from pipeline.report.folded import frame_text, write_folded
from pipeline.report.speedscope import write_speedscope
from tests.report.profile_lake import land


def folded(lake: Lake) -> list[str]:
    out = io.BytesIO()
    write_folded(select(lake, ProfileRequest()), out)
    return out.getvalue().decode().splitlines()


def speedscope(lake: Lake, by_thread: bool = True) -> dict[str, Any]:
    out = io.BytesIO()
    write_speedscope(select(lake, ProfileRequest(), by_thread=by_thread), out)
    document: dict[str, Any] = json.loads(out.getvalue())
    return document


def test_folded_stacks_are_root_first_sorted_and_each_once(lake: Lake) -> None:
    land(lake, ("main;work", 30), ("main;rest", 1))
    land(lake, ("main;work", 12), ("idle", 0), seconds=60)
    assert folded(lake) == ["main;rest 1", "main;work 42"]


def test_folded_frames_keep_blanks_get_their_suffix_and_no_semicolon(lake: Lake) -> None:
    stack = [
        Frame("do_sys;call", kind="kernel"),
        Frame("inner", inlined=True),
        Frame("hot", kind="jit"),
        Frame("operator new(long, int)", kind="native"),
    ]
    land(lake, (stack, 3))
    assert folded(lake) == ["operator new(long, int);hot_[j];inner_[i];do_sys:call_[k] 3"]


def test_frames_that_differ_in_lines_alone_are_one_in_folded_stacks(lake: Lake) -> None:
    land(lake, ([Frame("main", line=3)], 3), ([Frame("main", line=4)], 4))
    assert folded(lake) == ["main 7"]


@given(st.text(), st.sampled_from(["native", "kernel", "jit", "inlined", "python"]))
def test_no_name_breaks_a_folded_line(name: str, kind: str) -> None:
    text = frame_text(name, kind)
    assert text
    assert not set(text) & set(";\n\r")


def test_speedscope_has_a_profile_for_each_thread_the_busiest_first(lake: Lake) -> None:
    own = {"thread_id": [1, 2, 2], "pid": [9, 9, 9], "thread_name": ["io", "worker", "worker"]}
    land(lake, ("main;read", 5), ("main;work", 20), ("main;rest", 2), own=own)
    document = speedscope(lake)
    assert document["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    names = [frame["name"] for frame in document["shared"]["frames"]]
    seen = [
        (
            profile["name"],
            profile["unit"],
            profile["endValue"],
            sorted(
                (";".join(names[each] for each in stack), weight)
                for stack, weight in zip(profile["samples"], profile["weights"], strict=True)
            ),
        )
        for profile in document["profiles"]
    ]
    assert seen == [
        ("worker 9/2", "nanoseconds", 22, [("main;rest", 2), ("main;work", 20)]),
        ("io 9/1", "nanoseconds", 5, [("main;read", 5)]),
    ]


def test_speedscope_has_one_profile_where_no_thread_is_known(lake: Lake) -> None:
    land(lake, ("main;work", 20), ("diff", -3), kind="events", unit="count")
    (profile,) = speedscope(lake)["profiles"]
    assert (profile["name"], profile["unit"], profile["weights"]) == ("events", "none", [20])


def test_speedscope_shares_frames_with_file_and_line(lake: Lake) -> None:
    main = Frame("main", file="a.py", line=7, column=2)
    land(lake, ([Frame("work"), main], 1), ([main], 2))
    assert sorted(speedscope(lake)["shared"]["frames"], key=lambda frame: str(frame["name"])) == [
        {"name": "main", "file": "a.py", "line": 7, "col": 2},
        {"name": "work"},
    ]
