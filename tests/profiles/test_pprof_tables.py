"""Columns of a pprof profile are looked up and compared as a walk one by one would."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import pprof_tables
from collectors.pprof_label_ids import hex_of_numbers, hex_of_texts
from collectors.pprof_tables import Ids, distinct_lists, places_of
from pipeline.errors import BadRequest

_numbers = st.one_of(st.integers(0, 3), st.integers(-(2**63), 2**63 - 1))
_lists = st.lists(st.lists(_numbers, max_size=4), max_size=20)
_ids = st.one_of(st.integers(0, 9), st.integers(0, 2**64 - 1))


def one_by_one(lists: list[list[int]]) -> tuple[list[list[int]], list[int]]:
    places: dict[tuple[int, ...], int] = {}
    which = [places.setdefault(tuple(each), len(places)) for each in lists]
    return [list(each) for each in places], which


def found(lists: list[list[int]], columns: int = 1) -> tuple[list[list[int]], list[int]]:
    counts = np.array([len(each) for each in lists], dtype=np.int64)
    flat = np.array([number for each in lists for number in each], dtype=np.int64)
    first, which = distinct_lists(counts, *([flat] * columns))
    return [lists[place] for place in first.tolist()], which.tolist()


def test_lists_of_rows_are_compared_in_every_column() -> None:
    counts, ones = np.array([2, 2, 2]), np.array([1, 2, 1, 2, 1, 2])
    first, which = distinct_lists(counts, ones, np.array([0, 3, 0, 4, 0, 3]))
    assert (first.tolist(), which.tolist()) == ([0, 1], [0, 1, 0])


@given(_lists)
def test_equal_lists_are_found(lists: list[list[int]]) -> None:
    assert found(lists) == one_by_one(lists)


@given(_lists)
def test_equal_lists_are_found_where_hashes_say_nothing(lists: list[list[int]]) -> None:
    def same(counts: Ids, columns: object) -> Ids:
        return np.zeros(len(counts), dtype=np.uint64)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pprof_tables, "_hashes", same)
        assert found(lists, columns=3) == one_by_one(lists)


def test_hashes_tell_apart_lists_of_small_numbers() -> None:
    lists = np.array([(a, b, c) for a in range(20) for b in range(20) for c in range(20)])
    hashes = pprof_tables._hashes(np.full(len(lists), 3), [lists.ravel()])
    assert len(np.unique(hashes)) == len(lists)


@given(st.lists(_ids, unique=True, max_size=9), st.data())
def test_ids_are_found_where_they_stand(ids: list[int], data: st.DataObject) -> None:
    wanted = data.draw(st.lists(st.sampled_from(ids), max_size=9)) if ids else []
    places = places_of(np.array(ids, np.uint64), np.array(wanted, np.uint64), "location")
    assert places.tolist() == [ids.index(each) for each in wanted]


@pytest.mark.parametrize("ids", [[], [1, 2], [2**64 - 1], [0, 1 << 40]])
@pytest.mark.parametrize("missing", [5, 2**63, 2**64 - 2])
def test_an_id_that_is_nowhere_is_named(ids: list[int], missing: int) -> None:
    with pytest.raises(BadRequest, match=f"location {missing} is not"):
        places_of(np.array(ids, np.uint64), np.array([missing], np.uint64), "location")


@given(st.lists(st.integers(0, 2**64 - 1)))
def test_numbers_are_written_as_hex(numbers: list[int]) -> None:
    written = hex_of_numbers(np.array(numbers, np.uint64), 16).to_pylist()
    assert written == [f"{number:016x}" if number else None for number in numbers]


@given(st.lists(st.integers(0, 2**64 - 1)), st.sampled_from([16, 32]))
def test_ids_in_decimal_are_the_ids_in_hex(numbers: list[int], digits: int) -> None:
    decimal = np.ones(len(numbers), dtype=np.bool_)
    one = hex_of_texts(pa.array([str(each) for each in numbers], pa.string()), digits, decimal)
    expected = [f"{each:0{digits}x}" if each else None for each in numbers]
    assert one.to_pylist() == expected
    in_hex = pa.array([f"{each:0{digits}X}" for each in numbers], pa.string())
    two = hex_of_texts(in_hex, digits, ~decimal)
    assert two.to_pylist() == expected
