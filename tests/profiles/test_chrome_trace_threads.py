"""Trace events of a profiler: frames that open and close, thread by thread."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.chrome_trace import CHROME_TRACE
from collectors.collector import Head
from pipeline.errors import BadFile
from tests.profiles.folded_reading import Read, read_file


def event(phase: str, name: str, at: Any, tid: Any = 7, **more: Any) -> dict[str, Any]:
    """Give an event as py-spy writes it."""
    return {
        "args": {"filename": f"/srv/{name}.py", "line": 3},
        "cat": "py-spy", "name": name, "ph": phase, "pid": 12, "tid": tid, "ts": at, **more,
    }  # fmt: skip


@pytest.fixture
def trace(tmp_path: Path):
    """Give a reader of events."""

    def make(*events: Any) -> Read:
        path = tmp_path / "trace.json"
        path.write_text(json.dumps(list(events)))
        return read_file(CHROME_TRACE.read, path)

    return make


def test_time_goes_to_the_innermost_open_frame(trace):
    found = trace(
        event("B", "main", 10),
        event("B", "work", 12),
        event("E", "work", 15),
        event("E", "main", 20),
    )
    assert found.stacks(pid=12, thread_id=7) == {("main",): 7_000, ("main", "work"): 3_000}
    assert found.tables["profiles"][0]["duration_nano"] == 10_000
    assert set(found.column("profile_type")) == {"wall"}
    work = found.frame("work")
    assert (work["file"], work["line"], work["kind"]) == ("/srv/work.py", 3, "python")
    assert found.messages == 4


def test_each_thread_is_a_profile_with_its_name(trace):
    found = trace(
        {"ph": "M", "name": "thread_name", "pid": 12, "tid": 7, "args": {"name": "Main"}},
        event("B", "main", 1),
        event("B", "other", 2, tid=8),
        event("E", "main", 4),
        event("E", "other", 9, tid=8),
    )
    assert found.stacks(thread_id=7, thread_name="Main") == {("main",): 3_000}
    assert found.stacks(thread_id=8, thread_name=None) == {("other",): 7_000}
    assert len(found.tables["profiles"]) == 2


def test_whole_frames_nest_by_their_times_whatever_their_order(trace):
    found = trace(
        event("X", "work", 2, dur=3),
        event("X", "more", 5, dur=2),
        event("X", "main", 2, dur=8),
    )
    assert found.stacks() == {
        ("main", "work"): 3_000,
        ("main", "more"): 2_000,
        ("main",): 3_000,
    }


def test_whole_frames_nest_within_opened_ones(trace):
    found = trace(event("B", "main", 0), event("X", "work", 1.5, dur=2.25), event("E", "main", 10))
    assert found.stacks() == {("main",): 7_750, ("main", "work"): 2_250}


def test_a_whole_frame_begins_behind_what_ends_and_before_what_begins_at_that_moment(trace):
    found = trace(
        event("B", "main", 0),
        event("E", "main", 2),
        event("B", "inner", 2),
        event("E", "inner", 4),
        event("B", "brief", 4),
        event("E", "brief", 4),
        event("X", "outer", 2, dur=5),
    )
    assert found.stacks() == {("main",): 2_000, ("outer", "inner"): 2_000, ("outer",): 3_000}


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([event("B", "f", 1)], "1 frames are open"),
        ([event("E", "f", 1)], "closed that is not open"),
        ([event("B", "f", 5), event("E", "f", 4)], "not in order"),
        ([event("B", "f", 1), event("E", "g", 4)], "g is closed while f is open"),
        ([event("X", "f", 1, dur=5), event("X", "g", 4, dur=5)], "ends after what it began in"),
        ([event("X", "f", 1)], "no duration"),
        ([event("X", "f", 1, dur=-1)], "less than no time"),
        ([event("B", "f", None), event("E", "f", 4)], "no time"),
        ([event("B", "f", True), event("E", "f", 4)], "no time"),
        ([event("B", "f", float("nan")), event("E", "f", 4)], "no time"),
        ([event("B", "f", 2**62), event("E", "f", 2**62)], "63 bits"),
    ],
)
def test_a_thread_that_does_not_nest_is_rejected_and_others_stay(trace, events, reason):
    found = trace(*events, event("B", "main", 1, tid=9), event("E", "main", 2, tid=9))
    ((place, told),) = found.rejects
    assert place == "thread 7"
    assert reason in told
    assert found.stacks() == {("main",): 1_000}
    with pytest.raises(BadFile, match="chrome-trace: no thread can be read"):
        trace(*events)


def test_other_events_are_skipped_and_counted(trace):
    found = trace(event("B", "f", 1), event("i", "mark", 2), 3, None, event("E", "f", 4))
    assert found.stacks() == {("f",): 3_000}
    assert found.warnings["events_skipped"] == 3


@pytest.mark.parametrize("content", [b"", b"3", b"{}", b"[]", b'[{"ph":"B"', b"\xff", b"[[]]"])
def test_what_holds_no_events_is_refused(tmp_path, content):
    path = tmp_path / "trace.json"
    path.write_bytes(content)
    with pytest.raises(BadFile, match=r"trace\.json: chrome-trace: .*; "):
        read_file(CHROME_TRACE.read, path)


def test_only_events_of_the_profiler_are_taken():
    own = json.dumps([event("B", "f", 1)]).encode()
    assert CHROME_TRACE.sniff(Head(own, whole=True))
    assert CHROME_TRACE.sniff(Head(b'{"traceEvents": ' + own[:-1], whole=False))
    foreign = own.replace(b"py-spy", b"v8")
    for other in (b"", foreign, b'{"a": ' + own, own[1:], own.replace(b'"ph"', b'"x"')):
        assert not CHROME_TRACE.sniff(Head(other, whole=True))


ANY = st.none() | st.booleans() | st.integers(-5, 2**65) | st.floats() | st.text(max_size=3)


@settings(max_examples=80)
@given(
    events=st.lists(
        st.fixed_dictionaries(
            {"ph": st.sampled_from("BEXM")},
            optional={"ts": ANY, "dur": ANY, "name": ANY, "tid": ANY, "pid": ANY, "args": ANY},
        )
        | ANY,
        max_size=8,
    )
)
def test_any_events_are_rows_or_are_refused(tmp_path_factory, events) -> None:
    path = tmp_path_factory.getbasetemp() / "any-trace.json"
    path.write_text(json.dumps(events))
    try:
        found = read_file(CHROME_TRACE.read, path)
    except BadFile:
        return
    assert len(found.tables["profiles"]) > 0
