"""What a miss costs: like held against like, whole traces drawn, and no answer from nothing."""

import numpy as np
import pytest

from pipeline.stats.miss_penalty import Lookups, miss_penalty


def lookups(hit, duration, stratum=None, trace=None) -> Lookups:
    """Give lookups of weight 1, by default of one stratum and a trace each."""
    count = len(hit)
    return Lookups(
        np.array(hit, dtype=bool),
        np.array(duration, dtype=np.float64),
        np.ones(count),
        np.zeros(count, dtype=np.int64) if stratum is None else np.array(stratum),
        np.arange(count) if trace is None else np.array(trace),
    )


def test_in_one_stratum_it_is_the_difference_of_means_and_of_medians() -> None:
    found = miss_penalty(lookups([True] * 6 + [False] * 6, [1.0] * 5 + [4] + [10.0] * 5 + [16]), ())
    assert found.mean.estimate == found.naive == pytest.approx(11 - 1.5)
    assert found.median == 9
    assert (found.misses, found.dropped, found.reason) == (6, 0, "")
    assert found.mean.low < 9.5 < found.mean.high


def test_cold_keys_that_are_slow_anyway_are_no_penalty() -> None:
    # Slow keys miss, quick ones hit; within each a miss costs 2.
    hit = [True] * 90 + [False] * 10 + [True] * 10 + [False] * 90
    duration = [1.0] * 90 + [3.0] * 10 + [50.0] * 10 + [52.0] * 90
    found = miss_penalty(lookups(hit, duration, [0] * 100 + [1] * 100), ())
    assert found.mean.estimate == pytest.approx(2)
    assert found.naive > 35
    assert found.of_stratum.tolist() == pytest.approx([2, 2])


def test_strata_weigh_by_their_misses() -> None:
    hit = [True] * 10 + [False] * 30 + [True] * 10 + [False] * 10
    duration = [1.0] * 10 + [2.0] * 30 + [1.0] * 10 + [6.0] * 10
    found = miss_penalty(lookups(hit, duration, [0] * 40 + [1] * 20), ())
    assert found.mean.estimate == pytest.approx((30 * 1 + 10 * 5) / 40)


def test_misses_without_hits_like_them_are_dropped_and_said() -> None:
    hit = [True] * 10 + [False] * 10 + [False] * 5
    found = miss_penalty(lookups(hit, [1.0] * 10 + [2.0] * 10 + [9.0] * 5, [0] * 20 + [1] * 5), ())
    assert found.dropped == pytest.approx(1 / 3)
    assert found.mean.estimate == pytest.approx(1)
    most = miss_penalty(lookups(hit, [1.0] * 25, [0] * 10 + [1] * 15), ())
    assert "100 % of the misses" in most.reason
    assert np.isnan(most.mean.estimate)


@pytest.mark.parametrize(("hit", "reason"), [(True, "no lookup missed"), (False, "no lookup hit")])
def test_from_one_side_alone_nothing_is_told(hit: bool, reason: str) -> None:
    found = miss_penalty(lookups([hit] * 20, [1.0] * 20), ())
    assert found.reason.startswith(reason)
    assert np.isnan(found.naive)


def test_whole_traces_are_drawn_so_few_of_them_make_it_wide() -> None:
    rng = np.random.default_rng(1)
    level = np.repeat(rng.normal(10, 3, 20), 20)
    hit = np.tile([True, False], 200)
    duration = np.where(hit, 1.0, level)
    alike = miss_penalty(lookups(hit, duration, trace=np.arange(400)), ("a",))
    grouped = miss_penalty(lookups(hit, duration, trace=np.repeat(np.arange(20), 20)), ("a",))
    assert grouped.mean.high - grouped.mean.low > 2 * (alike.mean.high - alike.mean.low)
    again = miss_penalty(lookups(hit, duration, trace=np.arange(400)), ("a",))
    assert again.mean == alike.mean


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    held = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        hit = rng.random(300) < 0.8
        duration = rng.lognormal(0, 0.5, 300) + np.where(hit, 0.0, 5.0)
        held += miss_penalty(lookups(hit, duration), (str(seed),)).mean.holds(5.0)
    assert held >= 48
