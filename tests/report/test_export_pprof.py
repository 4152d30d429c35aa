"""pprof out of the lake: what was imported comes out again, and other readers can read it."""

import gzip
import io
import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from collectors.frames_and_stacks import Frame
from pipeline.jobs.profile_request import ProfileRequest
from pipeline.jobs.profile_selection import select
from pipeline.lake import Lake, open_lake
from pipeline.report.pprof import write_pprof
from tests.otlp_profiles.profile_messages import PprofFile, field, packed
from tests.report.profile_lake import NOON, SECOND, land, land_pprof, pprof_tables

CPU = (("samples", "count"), ("cpu", "nanoseconds"))


def exported(lake: Lake, request: ProfileRequest | None = None) -> bytes:
    """Export a selection as pprof."""
    selection = select(
        lake, request or ProfileRequest(), by_thread=True, by_labels=True, all_types=True
    )
    out = io.BytesIO()
    write_pprof(selection, out)
    return out.getvalue()


FRAME_COLUMNS = (
    *("function", "system_name", "file", "line", "start_line"),
    *("mapping", "build_id", "address", "kind"),
)
SAMPLE_COLUMNS = (
    *("sample_type", "sample_unit", "profile_type", "pid", "thread_id", "thread_name", "comm"),
    *("trace_id", "span_id", "local_root_span_id"),
)


def meaning(tables: dict[str, Any]) -> Counter[Any]:
    """Give what samples say, in frames instead of ids: the sum of each stack and set of labels."""
    frames = {
        row["frame_id"]: tuple(row[name] for name in FRAME_COLUMNS)
        for row in tables["profile_frames"].to_pylist()
    }
    stacks = {
        row["stack_id"]: tuple(frames[each] for each in row["frame_ids"])
        for row in tables["profile_stacks"].to_pylist()
    }
    sums: Counter[Any] = Counter()
    for row in tables["profile_samples"].to_pylist():
        labels = tuple(row["labels"])
        numbers = tuple(tuple(each.values()) for each in row["num_labels"])
        about = tuple(row[name] for name in SAMPLE_COLUMNS)
        sums[(row["stack_id"], stacks[row["stack_id"]], labels, numbers, about)] += row["value"]
    return Counter({key: value for key, value in sums.items() if value})


texts = st.sampled_from(["", "main", "work", "a b;c", "naïve 日本", "[unknown]", "</script>"])


@st.composite
def pprof_files(draw: st.DrawFn) -> bytes:
    """Make a pprof file with inlined, unsymbolised and nameless frames, mappings and labels."""
    made = PprofFile(CPU)
    mappings = draw(st.integers(0, 2))
    for number in range(1, mappings + 1):
        file = field(5, made.string(f"/lib/{number}.so"))
        made.parts.append(field(3, field(1, number) + file + field(6, made.string(f"b{number}"))))
    functions = draw(st.integers(0, 4))
    for number in range(1, functions + 1):
        name, system = draw(texts), draw(st.sampled_from(["", "_Z4work", "main"]))
        body = field(1, number) + field(2, made.string(name)) + field(3, made.string(system))
        body += field(4, made.string(draw(st.sampled_from(["", "a.c", "b.c"]))))
        made.parts.append(field(5, body))
    locations = draw(st.integers(1, 5))
    for number in range(1, locations + 1):
        body = field(1, number) + field(2, draw(st.integers(0, mappings)))
        body += field(3, draw(st.sampled_from([0, 4096, 2**64 - 16])))
        for _ in range(draw(st.integers(0, 3))):
            line = field(1, draw(st.integers(0, functions))) + field(2, draw(st.integers(0, 3)))
            body += field(4, line)
        made.parts.append(field(4, body))
    for _ in range(draw(st.integers(1, 6))):
        stack = draw(st.lists(st.integers(1, locations), max_size=6))
        count = draw(st.integers(1, 3))
        body = packed(1, stack) + packed(2, [count, draw(st.integers(-5, 2**40))])
        for key in draw(st.lists(st.sampled_from(["tenant", "thread id", "span_id", "bytes"]))):
            if draw(st.booleans()):
                value = field(
                    2, made.string(draw(st.sampled_from(["x", "12", "00000000000000ab"])))
                )
            else:
                value = field(3, draw(st.integers(-3, 2**40)))
                value += field(4, made.string(draw(st.sampled_from(["", "bytes", "ms"]))))
            body += field(3, field(1, made.string(key)) + value)
        made.parts.append(field(2, body))
    made.parts.append(field(9, NOON) + field(10, 5 * SECOND) + field(12, 10_000_000))
    made.parts.append(
        field(11, field(1, made.string("cpu")) + field(2, made.string("nanoseconds")))
    )
    return made.bytes()


numbers = itertools.count()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Give a lake for many examples, each a service of its own."""
    return open_lake(tmp_path_factory.mktemp("shared") / "lake", create=True)


@pytest.mark.slow
@given(pprof_files())
# Not made smaller when it fails: each try is a lake.
@settings(max_examples=8, phases=(Phase.explicit, Phase.generate))
def test_what_was_imported_comes_out_again(shared: Lake, data: bytes) -> None:
    # Hypothesis may try an example twice, which must not add up.
    service = f"service-{next(numbers)}"
    land_pprof(shared, data, {"service.name": service})
    request = ProfileRequest(where=(("service.name", service),))
    once, again = exported(shared, request), exported(shared, request)
    assert once == again
    before, after = pprof_tables(data), pprof_tables(once)
    assert meaning(after) == meaning(before)
    facts = ("time_unix_nano", "duration_nano", "period", "period_type")
    assert after["profiles"].select(facts).to_pylist() == (
        before["profiles"].select(facts).to_pylist()
    )


def small() -> PprofFile:
    made = PprofFile(CPU)
    made.sample("work;main", 2, 20, labels={"tenant": "a"})
    made.sample("rest;main", 1, 10)
    return made


def test_bytes_are_the_same_for_the_same_lake_and_hold_no_time_of_their_own(lake: Lake) -> None:
    land_pprof(lake, small().bytes())
    data = exported(lake)
    assert data == exported(lake)
    assert data[4:8] == bytes(4)


def test_every_type_of_value_of_the_profiles_stays_beside_the_others(lake: Lake) -> None:
    land_pprof(lake, small().bytes())
    (row,) = pprof_tables(exported(lake))["profiles"].to_pylist()
    assert [(each["type"], each["total"]) for each in row["sample_types"]] == [
        ("samples", 3),
        ("cpu", 30),
    ]


def test_two_profiles_add_up_and_so_do_their_durations(lake: Lake) -> None:
    first, second = small(), small()
    first.parts.append(field(9, NOON) + field(10, SECOND) + field(13, first.string("one")))
    second.parts.append(
        field(9, NOON + SECOND) + field(10, SECOND) + field(13, second.string("two"))
    )
    land_pprof(lake, first.bytes())
    land_pprof(lake, second.bytes())
    tables = pprof_tables(exported(lake))
    (row,) = tables["profiles"].to_pylist()
    assert [each["total"] for each in row["sample_types"]] == [6, 60]
    assert (row["time_unix_nano"], row["duration_nano"]) == (NOON, 2 * SECOND)
    assert row["comments"] == ["one", "two"]
    assert tables["profile_samples"].num_rows == 4


def test_threads_that_came_without_labels_get_some(lake: Lake) -> None:
    own: dict[str, list[Any]] = {
        "thread_id": [7],
        "thread_name": ["worker"],
        "pid": [3],
        "comm": ["app"],
    }
    land(lake, ("main;work", 5), own=own)
    (row,) = pprof_tables(exported(lake))["profile_samples"].to_pylist()
    assert {name: row[name] for name in own} == {name: value for name, (value,) in own.items()}


def test_a_label_without_text_is_still_a_text(lake: Lake) -> None:
    land(lake, ("main", 5), own={"labels": [[("tenant", "")]]})
    (row,) = pprof_tables(exported(lake))["profile_samples"].to_pylist()
    assert (row["labels"], row["num_labels"]) == ([("tenant", "")], [])


def test_inlined_frames_are_lines_of_the_location_they_were_inlined_into(lake: Lake) -> None:
    inner = Frame("inner", line=3, mapping="app", inlined=True)
    outer = Frame("outer", line=9, mapping="app")
    land(lake, ([inner, outer, Frame("main", mapping="app")], 5))
    plain = gzip.decompress(exported(lake))
    tables = pprof_tables(plain)
    kinds = {row["function"]: row["kind"] for row in tables["profile_frames"].to_pylist()}
    assert kinds == {"inner": "inlined", "outer": "unknown", "main": "unknown"}


def test_a_wide_selection_keeps_only_what_its_filter_lets_through(lake: Lake) -> None:
    land_pprof(lake, small().bytes())
    request = ProfileRequest(where=(("tenant", "a"),))
    rows = pprof_tables(exported(lake, request))["profile_samples"].to_pylist()
    assert [row["value"] for row in rows] == [2, 20]
