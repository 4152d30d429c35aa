"""Depths in a least-recently-used cache are those of a list that is searched from its top."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stats.stack_distance import byte_distances, stack_distances

traces = st.lists(st.integers(0, 12), max_size=80)


def depths_of_a_list(keys: list[int]) -> list[int]:
    """Search a list and move what is found to its top."""
    above: list[int] = []
    found = []
    for key in keys:
        found.append(above.index(key) + 1 if key in above else 0)
        if key in above:
            above.remove(key)
        above.insert(0, key)
    return found


@given(traces)
def test_depths_are_those_of_a_list_searched_from_the_top(keys: list[int]) -> None:
    assert stack_distances(np.array(keys, dtype=np.int64)).tolist() == depths_of_a_list(keys)


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 9)), max_size=60))
def test_bytes_are_those_down_to_the_entry(references: list[tuple[int, int]]) -> None:
    above: list[int] = []
    size: dict[int, int] = {}
    expected = []
    for key, now in references:
        place = above.index(key) if key in above else None
        if place is None:
            expected.append(np.inf)
        else:
            # What lies above has the size of its own last reference; the entry has today's.
            expected.append(sum(size[each] for each in above[:place]) + now)
            above.remove(key)
        size[key] = now
        above.insert(0, key)
    keys = np.array([key for key, _ in references], dtype=np.int64)
    sizes = np.array([float(each) for _, each in references])
    constant = all(len({s for k, s in references if k == key}) == 1 for key, _ in references)
    found = byte_distances(keys, sizes).tolist()
    if constant:
        assert found == pytest.approx(expected)
    assert [np.isinf(each) for each in found] == [np.isinf(each) for each in expected]


def test_a_large_trace_is_counted_as_a_small_one() -> None:
    rng = np.random.default_rng(1)
    keys = rng.integers(0, 300, 20_000)
    found = stack_distances(keys)
    chosen = rng.integers(5_000, 20_000, 50)
    for place in chosen.tolist():
        same = np.flatnonzero(keys[:place] == keys[place])
        between = keys[same[-1] + 1 : place]
        assert found[place] == len(set(between.tolist())) + 1
