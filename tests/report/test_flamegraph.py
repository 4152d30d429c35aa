"""The tree behind a flame graph: what every call path took, and what became of it."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.frames_and_stacks import Frame
from pipeline.errors import NotEnoughData
from pipeline.jobs.profile_request import ProfileRequest
from pipeline.jobs.profile_selection import select
from pipeline.lake import Lake
from pipeline.report.flame_functions import changed, functions_of, gone, heaviest
from pipeline.report.flame_tree import Place, Stacks, Tree, build_tree, stacks_of
from pipeline.report.flamegraph import FlameGraph, make_flamegraph
from tests.report.profile_lake import land

CANARY = ProfileRequest(where=(("service.version", "2"),))
BASELINE = ProfileRequest(where=(("service.version", "1"),))


def stacks_from(*samples: tuple[str, int, int]) -> Stacks:
    """Make stacks, each written ``root;leaf`` with its values on both sides."""
    names = sorted({name for stack, _, _ in samples for name in stack.split(";")})
    places = tuple(Place(name, "", "", "native") for name in names)
    flat = [names.index(name) for stack, _, _ in samples for name in reversed(stack.split(";"))]
    depths = [len(stack.split(";")) for stack, _, _ in samples]
    values = np.array([pair[1:] for pair in samples], dtype=np.int64).reshape(-1, 2)
    flats, counts = np.array(flat, dtype=np.int64), np.array(depths, dtype=np.int64)
    return Stacks(places, flats, counts, values, values[:, 0].copy(), 0)


def paths_of(tree: Tree) -> dict[str, tuple[int, int]]:
    """Give the values of each call path, written ``root;leaf``, in the tree's order."""
    found = {}
    path: list[str] = []
    for place, depth, values in zip(
        tree.place.tolist(), tree.depth.tolist(), tree.values.tolist(), strict=True
    ):
        path[depth:] = [tree.places[place].function]
        found[";".join(path)] = (values[0], values[1])
    return found


def compared(lake: Lake) -> FlameGraph:
    return make_flamegraph(select(lake, CANARY), select(lake, BASELINE))


samples = st.lists(
    st.tuples(
        st.lists(st.sampled_from("abc"), min_size=1, max_size=6).map(";".join),
        st.integers(0, 50),
        st.integers(0, 50),
    ),
    min_size=1,
    max_size=12,
)


@given(samples)
def test_every_call_path_has_the_sum_of_the_stacks_that_begin_with_it(
    given_samples: list[tuple[str, int, int]],
) -> None:
    expected: Counter[str] = Counter()
    for stack, value, _ in given_samples:
        names = stack.split(";")
        for depth in range(len(names)):
            expected[";".join(names[: depth + 1])] += value
    tree = build_tree(stacks_from(*given_samples), 0, 10_000)
    paths = paths_of(tree)
    assert {path: value for path, (value, _) in paths.items()} == {
        path: value for path, value in expected.items() if value
    }
    assert list(paths) == sorted(paths, key=lambda path: path.split(";"))


@given(samples, st.floats(0, 1), st.integers(1, 10))
def test_whatever_is_left_out_is_small_counted_and_leaves_whole_paths(
    given_samples: list[tuple[str, int, int]], least_share: float, most: int
) -> None:
    stacks = stacks_from(*given_samples)
    every = build_tree(stacks, 0, 10_000)
    tree = build_tree(stacks, least_share, most)
    assert len(tree.place) <= most
    assert len(tree.place) + tree.hidden == len(every.place)
    kept, all_paths = paths_of(tree), paths_of(every)
    assert kept.items() <= all_paths.items()
    assert all(all_paths[path][0] < tree.least for path in all_paths.keys() - kept.keys())
    assert all(path.rpartition(";")[0] in kept for path in kept if ";" in path)


def test_recursion_counts_once_in_a_functions_total() -> None:
    functions = functions_of(stacks_from(("main;walk;walk;walk", 10, 0), ("main;walk", 5, 0)))
    assert [(each.name, each.own, each.total) for each in functions] == [
        ("main", 0, 15),
        ("walk", 15, 15),
    ]
    assert [each.name for each in heaviest(functions, 5)] == ["walk"]


def test_a_difference_goes_by_shares_so_that_twice_the_time_is_no_change(lake: Lake) -> None:
    land(lake, ("main;work", 30), ("main;rest", 10))
    land(lake, ("main;work", 60), ("main;rest", 20), version="2")
    graph = compared(lake)
    assert changed(graph.functions, graph.tree.totals, 10) == []
    assert paths_of(graph.tree)["main;work"] == (60, 30)


def test_functions_that_are_gone_are_told_and_take_no_width(lake: Lake) -> None:
    land(lake, ("main;old", 30), ("main;work", 10))
    land(lake, ("main;work", 40), version="2")
    graph = compared(lake)
    assert [(each.name, each.base_total) for each in gone(graph.functions)] == [("old", 30)]
    assert list(paths_of(graph.tree)) == ["main", "main;work"]
    moved = [(each.name, change) for each, change in changed(graph.functions, (40, 40), 10)]
    assert moved == [("old", -0.75), ("work", 0.75)]


def test_frames_of_one_function_are_one_with_all_its_lines(lake: Lake) -> None:
    frames = [Frame("main", file="a.c", line=line) for line in (7, 0, 3)]
    land(lake, *(([frame], 1) for frame in frames))
    (place,) = stacks_of(select(lake, ProfileRequest())).places
    assert (place.line_first, place.line_last) == (3, 7)


def test_negative_values_count_as_nothing_and_are_told(lake: Lake) -> None:
    land(lake, ("main", 5), ("less", -5))
    graph = make_flamegraph(select(lake, ProfileRequest()))
    assert graph.tree.totals[0] == 5
    assert graph.notes == ("1 stacks with values below 0 count as 0",)


def test_nothing_above_zero_is_not_drawn(lake: Lake) -> None:
    land(lake, ("main", -5))
    with pytest.raises(NotEnoughData):
        make_flamegraph(select(lake, ProfileRequest()))


def test_the_heading_says_whose_when_and_how_much(lake: Lake) -> None:
    land(lake, ("main", 1_500_000_000), duration_nano=5_000_000_000)
    graph = make_flamegraph(select(lake, BASELINE))
    assert graph.title == "Flame graph: cpu of shop 1"
    facts = dict(graph.facts)
    assert facts.pop("tailgate")
    assert facts == {
        "service": "shop",
        "version": "1",
        "window": "2026-11-25 12:00:00Z to 2026-11-25 12:00:05Z",
        "profiles": "1",
        "type": "cpu (cpu, nanoseconds)",
        "total": "1.5 s",
        "filters": "service.version=1",
    }


def test_samples_are_added_where_they_are_known(lake: Lake) -> None:
    land(lake, ("main;work", 30), ("main", 10), own={"samples": [3, 1]})
    tree = make_flamegraph(select(lake, ProfileRequest())).tree
    assert tree.samples is not None
    assert tree.samples.tolist() == [4, 3]
    land(lake, ("main", 10), seconds=1)
    assert make_flamegraph(select(lake, ProfileRequest())).tree.samples is None
