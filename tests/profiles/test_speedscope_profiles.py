"""speedscope documents: sampled and evented profiles, threads, units, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.collector import Head
from collectors.speedscope import SPEEDSCOPE
from pipeline.errors import BadFile
from tests.profiles.folded_reading import Read, read_file

SCHEMA = "https://www.speedscope.app/file-format-schema.json"
FRAMES = [{"name": "main", "file": "app.py", "line": 3}, {"name": "work"}, {"name": "idle"}]


def document(*profiles: dict[str, Any], frames: list[Any] | None = None, **more: Any) -> bytes:
    """Write a document."""
    shared = {"frames": FRAMES if frames is None else frames}
    return json.dumps(
        {"$schema": SCHEMA, "shared": shared, "profiles": list(profiles), **more}
    ).encode()


def sampled(samples: list[Any], weights: list[Any] | None, **more: Any) -> dict[str, Any]:
    """Give a sampled profile; its end is wrong, as some writers' is."""
    own = {} if weights is None else {"weights": weights}
    return {
        "type": "sampled", "name": "p", "unit": "none", "startValue": 0, "endValue": -1,
        "samples": samples, **own, **more,
    }  # fmt: skip


def evented(*events: tuple[str, int, float], **more: Any) -> dict[str, Any]:
    """Give an evented profile."""
    told = [{"type": kind, "frame": frame, "at": at} for kind, frame, at in events]
    return {
        "type": "evented", "name": "e", "unit": "none", "startValue": 0, "endValue": 1,
        "events": told, **more,
    }  # fmt: skip


@pytest.fixture
def speedscope(tmp_path: Path):
    """Give a reader of documents."""

    def make(content: bytes, **origin) -> Read:
        path = tmp_path / "profile.json"
        path.write_bytes(content)
        return read_file(SPEEDSCOPE.read, path, **origin)

    return make


def test_samples_are_root_first_and_weigh_what_is_said(speedscope):
    found = speedscope(document(sampled([[0, 1], [0, 2], [0, 1]], [2, 3, 4])))
    assert found.stacks() == {("main", "work"): 6, ("main", "idle"): 3}
    assert found.column("samples") == [1, 2]
    assert found.messages == 3
    main = found.frame("main")
    assert (main["file"], main["line"], main["kind"]) == ("app.py", 3, "python")


@pytest.mark.parametrize("weights", [None, []])
def test_without_weights_each_sample_is_worth_one_whatever_the_unit(speedscope, weights):
    found = speedscope(document(sampled([[0], [0], [1]], weights, unit="seconds")))
    assert found.stacks() == {("main",): 2, ("work",): 1}
    assert set(found.column("sample_unit")) == {"count"}


@pytest.mark.parametrize(
    ("unit", "value", "canonical", "kind"),
    [
        ("none", 2, "count", "cpu"),
        ("nanoseconds", 2, "nanoseconds", "cpu"),
        ("microseconds", 2_000, "nanoseconds", "cpu"),
        ("milliseconds", 2_000_000, "nanoseconds", "cpu"),
        ("seconds", 2_000_000_000, "nanoseconds", "cpu"),
        ("bytes", 2, "bytes", "alloc_space"),
    ],
)
def test_each_unit_becomes_the_canonical_one(speedscope, unit, value, canonical, kind):
    found = speedscope(document(sampled([[0]], [2], unit=unit)))
    assert found.stacks(sample_unit=canonical, profile_type=kind) == {("main",): value}
    (told,) = found.tables["profiles"][0]["sample_types"]
    assert (told["unit"], told["total"]) == (canonical, value)


def test_a_missing_unit_is_none_or_what_is_said(speedscope):
    profile = sampled([[0]], [2])
    del profile["unit"]
    assert speedscope(document(profile)).stacks() == {("main",): 2}
    assert speedscope(document(profile), unit="us").stacks() == {("main",): 2000}


def test_fractions_of_equal_stacks_are_added_before_they_are_rounded(speedscope):
    tenths = sampled([[0]] * 10 + [[1]], [0.1] * 10 + [2.5])
    assert speedscope(document(tenths)).stacks() == {("main",): 1, ("work",): 2}


def test_events_give_their_time_to_the_innermost_frame(speedscope):
    events = [("O", 0, 0), ("O", 1, 2), ("C", 1, 5), ("O", 1, 6), ("C", 1, 7), ("C", 0, 10)]
    found = speedscope(document(evented(*events, unit="milliseconds")))
    assert found.stacks(profile_type="wall") == {
        ("main",): 6_000_000,
        ("main", "work"): 4_000_000,
    }
    assert found.tables["profiles"][0]["duration_nano"] == 10_000_000
    assert found.column("samples") == [None, None]


def test_time_with_no_frame_open_is_nobodys(speedscope):
    found = speedscope(document(evented(("O", 0, 5), ("C", 0, 6), ("O", 0, 9), ("C", 0, 11))))
    assert found.stacks() == {("main",): 3}


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([("O", 0, 0)], "1 frames are open at its end"),
        ([("C", 0, 0)], "is closed while"),
        ([("O", 0, 3), ("C", 0, 2)], "not in order of time"),
        ([("O", 0, 0), ("O", 1, 1), ("C", 0, 2), ("C", 1, 3)], "is closed while 1 is open"),
        ([("O", 0, 0), ("X", 0, 2)], "neither opens nor closes"),
        ([("O", 0, "now"), ("C", 0, 2)], "at no time"),
        ([("O", 0, float("nan")), ("C", 0, 2)], "no number"),
        ([("O", 0, 1e300), ("C", 0, 1e300)], "2^63-1"),
        ([("O", 0, -(2**62)), ("C", 0, 2**62)], "further apart"),
    ],
)
def test_events_that_do_not_nest_reject_their_profile_and_no_other(speedscope, events, reason):
    found = speedscope(document(evented(*events), sampled([[0]], [7])))
    ((place, told),) = found.rejects
    assert place == "profile 1"
    assert reason in told
    assert found.stacks() == {("main",): 7}
    assert len(found.tables["profiles"]) == 1


def test_events_that_open_ever_deeper_reject_their_profile(speedscope):
    depth = 11_000
    events = [("O", 0, at) for at in range(depth)] + [("C", 0, depth)] * depth
    found = speedscope(document(evented(*events), sampled([[0]], [7])))
    assert found.rejects == [("profile 1", "its stacks have more than 50000000 frames together")]


@pytest.mark.parametrize(
    "profile",
    [
        sampled([[0]], [1, 2]),
        sampled([[0]], ["1"]),
        sampled([[0]], [2**63]),
        sampled([[0], [1]], [2**62, 2**62]),
        sampled([[0]], [float("inf")]),
        sampled([["main"]], [1]),
        sampled([[0.0]], [1]),
        sampled([0], [1]),
        sampled([[0]], [1], type="flow"),
        sampled([[0]], [1], unit="parsecs"),
        {"type": "evented"},
        3,
        None,
    ],
)
def test_a_profile_that_cannot_be_read_is_rejected_and_others_stay(speedscope, profile):
    found = speedscope(document(profile, sampled([[0]], [7])))
    assert [place for place, _ in found.rejects] == ["profile 1"]
    assert found.stacks() == {("main",): 7}
    with pytest.raises(BadFile, match="speedscope: no profile can be read"):
        speedscope(document(profile))


@pytest.mark.parametrize("index", [3, -1, 2**70])
def test_a_frame_that_is_not_there_refuses_the_file(speedscope, index):
    for wrong in (sampled([[0, index]], [1]), evented(("O", index, 0), ("C", index, 1))):
        with pytest.raises(BadFile, match="frame"):
            speedscope(document(sampled([[0]], [7]), wrong))


def test_threads_of_py_spy_become_columns(speedscope):
    names = ['Process 12 Thread 0x1F: "MainThread"', 'Thread 25 "pool"', "Thread 0x20"]
    profiles = [sampled([[0]], [1 << place], name=name) for place, name in enumerate(names)]
    found = speedscope(document(*profiles, exporter="py-spy@0.4"))
    assert found.stacks(pid=12, thread_id=31, thread_name="MainThread") == {("main",): 1}
    assert found.stacks(pid=None, thread_id=25, thread_name="pool") == {("main",): 2}
    assert found.stacks(thread_id=32, thread_name=None) == {("main",): 4}
    assert len(found.tables["profiles"]) == 3
    assert len({row["profile_id"] for row in found.tables["profile_samples"]}) == 3
    assert len(found.tables["profile_stacks"]) == 1


def test_a_name_that_is_no_thread_names_one_only_beside_others(speedscope):
    assert speedscope(document(sampled([[0]], [1]))).column("thread_name") == [None]
    two = speedscope(document(sampled([[0]], [1], name="a"), sampled([[0]], [1], name="b")))
    assert two.column("thread_name") == ["a", "b"]


def test_the_first_version_has_one_profile_at_the_top(speedscope):
    top = {"version": "0.0.1", "shared": {"frames": FRAMES}, **sampled([[0, 1]], [3])}
    assert speedscope(json.dumps(top).encode()).stacks() == {("main", "work"): 3}


def test_equal_frames_are_one(speedscope):
    found = speedscope(
        document(sampled([[0], [1]], [1, 2]), frames=[{"name": "f"}, {"name": "f", "col": None}])
    )
    assert found.stacks() == {("f",): 3}
    assert len(found.tables["profile_frames"]) == 1


def test_a_sample_without_frames_keeps_its_weight(speedscope):
    assert speedscope(document(sampled([[], [0]], [5, 1]))).stacks() == {
        ("[no stack]",): 5,
        ("main",): 1,
    }


def test_frames_without_a_name_are_unknown_and_counted(speedscope):
    found = speedscope(document(sampled([[0], [1]], [1, 2]), frames=[{"name": 3}, "f"]))
    assert found.stacks() == {("[unknown]",): 3}
    assert found.warnings["frames_without_name"] == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"shared": {"frames": 3}, "profiles": []}',
        b'{"shared": {"frames": []}, "profiles": {}}',
        b'{"shared": {"frames": []}, "profiles": []}',
        document(sampled([[0]], [1]))[:-9],
        b'{"shared": ' + b"9" * 5000 + b"}",
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_document_is_refused(speedscope, content):
    with pytest.raises(BadFile, match=r"profile\.json: speedscope: .*; "):
        speedscope(content)


def test_a_document_is_known_by_its_schema_or_by_its_parts():
    whole = document(sampled([[0]], [1]))
    assert SPEEDSCOPE.sniff(Head(whole, whole=True))
    assert SPEEDSCOPE.sniff(Head(b"\xef\xbb\xbf\n" + whole[:120], whole=False))
    bare = b'{"shared":{"frames":[]},"profiles":[{"type":"sampled"}]}'
    assert SPEEDSCOPE.sniff(Head(bare, whole=True))
    for other in (b"", b"{}", b'{"frames": [], "type": "sampled"}', b"[" + bare, bare[:20]):
        assert not SPEEDSCOPE.sniff(Head(other, whole=True))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a place for a file."""
    return tmp_path_factory.mktemp("speedscope") / "file.json"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=8,
)
PROFILE = st.fixed_dictionaries(
    {"type": st.sampled_from(["sampled", "evented"])},
    optional={
        "name": JSON,
        "unit": st.sampled_from(["none", "seconds", "bytes"]) | JSON,
        "samples": st.lists(st.lists(st.integers(-1, 3), max_size=3), max_size=3) | JSON,
        "weights": st.lists(st.integers() | st.floats(), max_size=3) | JSON,
        "events": st.lists(
            st.fixed_dictionaries(
                {"type": st.sampled_from("OC"), "frame": st.integers(0, 2), "at": JSON}
            ),
            max_size=4,
        )
        | JSON,
    },
)


@settings(max_examples=80)
@given(profiles=st.lists(PROFILE | JSON, max_size=3), frames=st.lists(JSON, max_size=3))
def test_any_document_is_rows_or_is_refused(file: Path, profiles, frames) -> None:
    file.write_bytes(document(*profiles, frames=[*frames, *FRAMES]))
    try:
        found = read_file(SPEEDSCOPE.read, file)
    except BadFile:
        return
    assert len(found.tables["profiles"]) + len(found.rejects) == len(profiles)
    for row in found.tables["profiles"]:
        (kind,) = row["sample_types"]
        assert kind["total"] == sum(found.stacks(profile_id=row["profile_id"]).values())


@settings(max_examples=50)
@given(
    samples=st.lists(
        st.tuples(st.lists(st.integers(0, 2), max_size=4), st.integers(0, 1000)), max_size=20
    )
)
def test_samples_and_the_events_of_the_same_weigh_the_same(file: Path, samples) -> None:
    samples = [(stack, weight) for stack, weight in samples if stack]
    at, events = 0, []
    for stack, weight in samples:
        events += [("O", frame, at) for frame in stack]
        at += weight
        events += [("C", frame, at) for frame in reversed(stack)]
    told = sampled([stack for stack, _ in samples], [weight for _, weight in samples])
    file.write_bytes(document(told))
    expected = read_file(SPEEDSCOPE.read, file).stacks()
    file.write_bytes(document(evented(*events)))
    assert read_file(SPEEDSCOPE.read, file).stacks() == expected
