"""A saved baseline comes back as it was, the last one saved under its name."""

import pytest

from pipeline.errors import UsageError
from pipeline.jobs.baseline import run
from pipeline.jobs.baseline_request import BaselineRequest
from pipeline.jobs.baseline_store import load, save
from pipeline.lake import take_snapshot
from pipeline.schema import BASELINES

DAY = 86_400 * 1_000_000_000


def test_what_is_saved_comes_back_as_it_was(lake, land):
    land({}, {"service_version": "v2"})
    result = run(lake, BaselineRequest())
    assert save(lake, result, "main", now_unix_nano=DAY) == 2
    loaded = load(lake, "main")
    assert loaded.select(result.table.column_names) == result.table
    assert loaded["saved_time_unix_nano"].to_pylist() == [DAY, DAY]


def test_the_last_one_saved_under_a_name_is_loaded_and_the_others_are_kept(lake, land):
    land({})
    save(lake, run(lake, BaselineRequest()), "main", now_unix_nano=2 * DAY)
    land({})
    save(lake, run(lake, BaselineRequest()), "main", now_unix_nano=3 * DAY)
    save(lake, run(lake, BaselineRequest(group_by=())), "other", now_unix_nano=4 * DAY)
    assert load(lake, "main")["spans"].to_pylist() == [2]
    assert take_snapshot(lake, BASELINES).rows == 3


def test_a_name_that_was_never_saved_is_refused_with_those_that_were(lake, land):
    with pytest.raises(UsageError, match="baseline main: not saved; saved ones: none yet"):
        load(lake, "main")
    land({})
    save(lake, run(lake, BaselineRequest()), "old", now_unix_nano=DAY)
    with pytest.raises(UsageError, match="saved ones: old"):
        load(lake, "main")


def test_nothing_is_not_saved(lake):
    empty = run(lake, BaselineRequest())
    with pytest.raises(UsageError, match="baseline main: no groups to save"):
        save(lake, empty, "main", now_unix_nano=DAY)
    with pytest.raises(UsageError, match="its name is empty"):
        save(lake, empty, "", now_unix_nano=DAY)
