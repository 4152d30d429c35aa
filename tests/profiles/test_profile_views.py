"""Views over profiles: functions, what successive profiles add, and the frames that are shown."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.jobs.job import Connection, asking, define_view
from pipeline.lake import Lake, open_lake, take_snapshot
from pipeline.lake.catalog import define_snapshot
from pipeline.schema import PROFILE_FRAMES, PROFILE_SAMPLES, PROFILE_STACKS, PROFILES
from tests.report.profile_lake import land

PROFILE_TABLES = (PROFILES, PROFILE_SAMPLES, PROFILE_STACKS, PROFILE_FRAMES)
FUNCTIONS = (
    "SELECT function, flat_value, cumulative_value, flat_samples, cumulative_samples "
    "FROM profile_functions ORDER BY function"
)


@contextlib.contextmanager
def opened(lake: Lake) -> Iterator[Connection]:
    """Open the tables and these views alone, as a connection to a lake has them."""
    with asking() as connection:
        for table in PROFILE_TABLES:
            define_snapshot(connection, take_snapshot(lake, table))
        for view in ("profile_deltas", "profile_stacks_shown", "profile_functions"):
            define_view(connection, view)
        yield connection


def asked(lake: Lake, query: str) -> list[tuple[Any, ...]]:
    """Give a query's rows."""
    with opened(lake) as connection:
        return connection.execute(query).fetchall()


def cumulative(lake: Lake, *samples: tuple[str, int], **rest: Any) -> None:
    """Land a profile of what was allocated since the process started."""
    own = {"is_cumulative": [True] * len(samples)} | rest.pop("own", {})
    land(lake, *samples, kind="alloc_space", unit="bytes", own=own, **rest)


def added(lake: Lake) -> list[tuple[Any, ...]]:
    """Give what each profile adds: second, leaf, value and how that was counted."""
    return asked(
        lake,
        "SELECT (time_unix_nano // 1000000000) % 3600 AS second, leaf_function, value, counts_by "
        "FROM profile_deltas JOIN profile_stacks USING (stack_id) "
        "GROUP BY ALL ORDER BY second, leaf_function",
    )


def test_a_function_has_what_it_took_itself_and_with_all_that_it_called(lake: Lake) -> None:
    land(lake, ("main;a;b", 10), ("main;a", 5), ("main;c", 1), own={"samples": [4, 2, 1]})
    assert asked(lake, FUNCTIONS) == [
        ("a", 5, 15, 2, 6),
        ("b", 10, 10, 4, 4),
        ("c", 1, 1, 1, 1),
        ("main", 0, 16, 0, 7),
    ]


def test_recursion_counts_once_a_sample(lake: Lake) -> None:
    land(lake, ("main;walk;walk;walk", 10), own={"samples": [1]})
    assert asked(lake, FUNCTIONS) == [("main", 0, 10, 0, 1), ("walk", 10, 10, 1, 1)]


def test_unknown_observations_stay_unknown(lake: Lake) -> None:
    land(lake, ("main", 10))
    assert asked(lake, FUNCTIONS) == [("main", 10, 10, None, None)]


def test_a_stack_that_two_files_hold_counts_once_in_each(lake: Lake) -> None:
    land(lake, ("main;a", 10), seconds=0)
    land(lake, ("main;a", 20), seconds=1)
    query = "SELECT cumulative_value FROM profile_functions WHERE function = 'a' ORDER BY 1"
    assert asked(lake, query) == [(10,), (20,)]


def test_the_largest_sum_that_an_integer_holds_is_exact(lake: Lake) -> None:
    own = {"thread_name": ["io", "io"]}
    land(lake, ("main", 2**62 - 1), ("main", 2**62), own=own)
    land(lake, ("main;a", 2**62), ("main;b", 2**62 - 1), seconds=1, own=own)
    query = "SELECT MAX(cumulative_value) FROM profile_functions WHERE function = 'main'"
    assert asked(lake, query) == [(2**63 - 1,)]


def test_threads_and_releases_are_apart(lake: Lake) -> None:
    land(lake, ("main", 1), ("main", 2), own={"thread_name": ["io", "worker"]})
    land(lake, ("main", 4), version="2")
    query = "SELECT service_version, thread_name, flat_value FROM profile_functions ORDER BY 3"
    assert asked(lake, query) == [("1", "io", 1), ("1", "worker", 2), ("2", None, 4)]


def test_amounts_of_a_time_span_add_what_they_are(lake: Lake) -> None:
    land(lake, ("main", 5), seconds=0)
    land(lake, ("main", 5), seconds=1)
    assert added(lake) == [(0, "main", 5, "value"), (1, "main", 5, "value")]


def test_of_values_since_the_start_each_profile_adds_the_difference(lake: Lake) -> None:
    cumulative(lake, ("main;a", 10), ("main;b", 1), seconds=0)
    cumulative(lake, ("main;a", 14), ("main;b", 1), ("main;c", 3), seconds=1)
    assert added(lake) == [
        (0, "a", 10, "start"),
        (0, "b", 1, "start"),
        (1, "a", 4, "difference"),
        (1, "b", 0, "difference"),
        (1, "c", 3, "difference"),
    ]


def test_equal_totals_add_nothing(lake: Lake) -> None:
    cumulative(lake, ("main", 10), seconds=0)
    cumulative(lake, ("main", 10), seconds=1)
    assert added(lake)[1] == (1, "main", 0, "difference")


def test_a_total_that_fell_is_a_restart_and_stands(lake: Lake) -> None:
    cumulative(lake, ("main;a", 10), ("main;b", 1), seconds=0)
    cumulative(lake, ("main;a", 2), ("main;b", 1), seconds=1)
    cumulative(lake, ("main;a", 3), ("main;b", 1), seconds=2)
    assert added(lake)[2:] == [
        (1, "a", 2, "restart"),
        (1, "b", 1, "restart"),
        (2, "a", 1, "difference"),
        (2, "b", 0, "difference"),
    ]


def test_a_stack_that_fell_in_a_total_that_grew_adds_nothing(lake: Lake) -> None:
    cumulative(lake, ("main;a", 10), ("main;b", 1), seconds=0)
    cumulative(lake, ("main;a", 9), ("main;b", 5), seconds=1)
    assert added(lake)[2:] == [(1, "a", 0, "difference"), (1, "b", 4, "difference")]


def test_instances_are_not_subtracted_from_each_other(lake: Lake) -> None:
    cumulative(lake, ("main", 10), seconds=0, instance="one")
    cumulative(lake, ("main", 14), seconds=1, instance="two")
    cumulative(lake, ("main", 11), seconds=2, instance="one")
    assert [row[2:] for row in added(lake)] == [(10, "start"), (14, "start"), (1, "difference")]


def test_label_sets_are_subtracted_each_from_its_own(lake: Lake) -> None:
    labels = [[("tenant", "x")], [("tenant", "y")]]
    for second, values in enumerate([(10, 20), (13, 21)]):
        samples = [("main", value) for value in values]
        cumulative(lake, *samples, seconds=second, own={"labels": labels})
    query = (
        "SELECT labels['tenant'], value FROM profile_deltas "
        "WHERE counts_by = 'difference' ORDER BY 1"
    )
    assert asked(lake, query) == [("x", 3), ("y", 1)]


def test_observations_that_are_unknown_have_no_difference(lake: Lake) -> None:
    cumulative(lake, ("main", 10), seconds=0)
    cumulative(lake, ("main", 12), seconds=1)
    assert asked(lake, "SELECT DISTINCT samples FROM profile_deltas") == [(None,)]


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(growth=st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=2), min_size=1, max_size=3))
def test_what_is_added_sums_up_to_the_last_total(
    tmp_path_factory: pytest.TempPathFactory, growth: Sequence[Sequence[int]]
) -> None:
    lake = open_lake(tmp_path_factory.mktemp("lake") / "lake", create=True)
    totals = [1, 1]
    for second, steps in enumerate(growth):
        totals = [total + step for total, step in zip(totals, steps, strict=True)]
        stacks = ("main;a", "main;b")
        cumulative(lake, *zip(stacks, totals, strict=True), seconds=second)
    query = "SELECT CAST(SUM(value) AS BIGINT) FROM profile_deltas"
    assert asked(lake, query) == [(sum(totals),)]


def shown(lake: Lake, drop_frames: str) -> list[list[str]]:
    """Give the stacks that are shown where a profile has these drop_frames, leaf first."""
    query = "SELECT functions FROM profile_stacks_shown WHERE drop_frames = $1 ORDER BY 1"
    with opened(lake) as connection:
        return [row[0] for row in connection.execute(query, [drop_frames]).fetchall()]


def test_a_dropped_frame_goes_with_all_that_it_calls(lake: Lake) -> None:
    land(lake, ("main;a;malloc;lock", 10), ("main;b", 1), drop_frames="malloc|calloc")
    assert shown(lake, "malloc|calloc") == [["a", "main"], ["b", "main"]]
    assert shown(lake, "") == [["b", "main"], ["lock", "malloc", "a", "main"]]
    functions = [row[:3] for row in asked(lake, FUNCTIONS)]
    assert functions == [("a", 10, 10), ("b", 1, 1), ("main", 0, 11)]


def test_a_pattern_has_to_match_the_whole_name_without_its_arguments(lake: Lake) -> None:
    stacks = ["main;new(int);x", "main;renew;x", "main;f(anonymous namespace)::g(int);x"]
    pattern = r"new|f\(anonymous namespace\)::g"
    land(lake, *((stack, 1) for stack in stacks), drop_frames=pattern)
    assert sorted(shown(lake, pattern)) == [["main"], ["main"], ["x", "renew", "main"]]


def test_frames_that_are_to_be_kept_are_not_dropped(lake: Lake) -> None:
    land(
        lake, ("main;malloc;x", 1), ("main;mmap;x", 1), drop_frames="m.*c|mmap", keep_frames="mmap"
    )
    assert shown(lake, "m.*c|mmap") == [["main"], ["x", "mmap", "main"]]


def test_no_stack_is_dropped_whole(lake: Lake) -> None:
    land(lake, ("start;main;run", 1), ("start", 1), drop_frames="start")
    assert shown(lake, "start") == [["run", "main", "start"], ["start"]]


def test_a_pattern_that_cannot_be_read_drops_nothing(lake: Lake) -> None:
    land(lake, ("main;a", 1), drop_frames="(")
    assert shown(lake, "(") == [["a", "main"]]
    assert [row[0] for row in asked(lake, FUNCTIONS)] == ["a", "main"]


def test_a_profile_without_patterns_shows_all_beside_one_that_has_them(lake: Lake) -> None:
    land(lake, ("main;malloc", 1), seconds=0, drop_frames="malloc")
    land(lake, ("main;malloc", 2), seconds=1)
    query = "SELECT function, flat_value FROM profile_functions ORDER BY flat_value, function"
    assert asked(lake, query) == [("main", 0), ("main", 1), ("malloc", 2)]
