"""Harm put into recorded requests: by hand on a few, and what holds for all; rates of replays."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stats.buckets import ZERO_BUCKET, bucket_index
from pipeline.stats.cells import WIDTH, Floats, Range, Side, share_above
from pipeline.stats.injection import Moved, added_errors, share_to_exceed, slowed
from pipeline.stats.proportions import wilson_interval
from pipeline.stats.replay_rate import rate_of


def log_quantile(bucket: Floats, count: Floats, p: float) -> float:
    """Give the logarithm of a quantile of counts."""
    rows = len(bucket)
    none = np.zeros(rows, dtype=np.int64)
    side = Side(none, none, bucket.astype(np.int64), count, count, 1, 1)
    return float(Range.of(side).histograms(side, None, 1).log_quantile(p)[0])


def after(moved: Moved, count: Floats, p: float) -> float:
    """Give a quantile after requests moved."""
    return log_quantile(moved.bucket, count[moved.row] * moved.part, p)


def test_a_slowdown_of_whole_buckets_moves_each_count_as_it_is() -> None:
    moved = slowed(np.array([10.0, 20.0]), math.expm1(3 * WIDTH))
    assert moved.bucket.tolist() == [13, 23]
    assert moved.part.tolist() == [1, 1]


def test_twice_as_long_is_sixty_four_buckets_further() -> None:
    assert slowed(np.array([10.0, 20.0]), 1.0).bucket.tolist() == [74, 84]


def test_half_a_bucket_divides_each_count_between_two_neighbours() -> None:
    moved = slowed(np.array([10.0, 20.0]), math.expm1(0.5 * WIDTH))
    assert moved.bucket.tolist() == [10, 20, 11, 21]
    assert moved.part == pytest.approx([0.5] * 4)


def test_zero_and_missing_durations_stay_what_they_are() -> None:
    moved = slowed(np.array([ZERO_BUCKET, np.nan, 10.0, 11.0]), 1.0)
    found = dict(zip(moved.row.tolist(), moved.bucket.tolist(), strict=True))
    assert found[0] == ZERO_BUCKET
    assert math.isnan(found[1])
    assert (found[2], found[3]) == (74, 75)


def test_requests_that_are_all_alike_stay_alike() -> None:
    moved = slowed(np.array([10.0, 10.0]), 0.05)
    # log(1.05) is 4.5 buckets; a spread over two would be of our making.
    assert set(moved.bucket.tolist()) in ({14.0}, {15.0})


@given(
    buckets=st.lists(st.integers(500, 1500), min_size=2, max_size=50, unique=True),
    ratio=st.floats(0, 3),
    p=st.sampled_from([0.5, 0.9, 0.95]),
)
def test_no_request_is_lost_and_quantiles_grow_by_what_was_asked(
    buckets: list[int], ratio: float, p: float
) -> None:
    bucket = np.array(sorted(buckets), dtype=float)
    moved = slowed(bucket, ratio)
    shares = np.bincount(moved.row, weights=moved.part, minlength=len(bucket))
    assert shares == pytest.approx(np.ones(len(bucket)), abs=1e-6)
    mean = float((moved.bucket * moved.part).sum() / len(bucket))
    assert mean - bucket.mean() == pytest.approx(math.log1p(ratio) / WIDTH, abs=1e-5)


def test_quantiles_of_smooth_data_grow_by_what_was_asked() -> None:
    values = 1e8 * np.exp(np.random.default_rng(1).normal(0, 0.5, 100_000))
    bucket, count = np.unique(bucket_index(values), return_counts=True)
    buckets, counts = bucket.astype(float), count.astype(float)
    for p in (0.5, 0.95, 0.99):
        grown = after(slowed(buckets, 0.073), counts, p) - log_quantile(buckets, counts, p)
        assert math.expm1(grown) == pytest.approx(0.073, abs=0.002)


def test_a_slow_tail_leaves_the_middle_where_it_is() -> None:
    values = 1e8 * np.exp(np.random.default_rng(1).normal(0, 0.5, 100_000))
    bucket, count = np.unique(bucket_index(values), return_counts=True)
    buckets, counts = bucket.astype(float), count.astype(float)
    from_here = log_quantile(buckets, counts, 0.9)
    moved = slowed(buckets, 0.2, share_above(bucket.astype(np.int64), from_here))
    grown = {
        p: math.expm1(after(moved, counts, p) - log_quantile(buckets, counts, p))
        for p in (0.5, 0.99)
    }
    assert grown == pytest.approx({0.5: 0.0, 0.99: 0.2}, abs=0.001)


def test_added_errors_are_as_many_as_asked_on_average_and_never_more_than_there_are() -> None:
    requests, errors = np.full(1000, 20.0), np.full(1000, 2.0)
    ones = np.ones(1000)
    more = added_errors(requests, errors, ones, 0.05, np.random.default_rng(3))
    # 18,000 successes, 1,000 of which are meant to fail: standard deviation 31.
    assert float(more.sum()) == pytest.approx(1000, abs=125)
    assert (errors + more <= requests).all()
    everything = added_errors(requests, errors, ones, 0.99, np.random.default_rng(3))
    assert (errors + everything == requests).all()


def test_what_one_sampled_request_stands_for_fails_together() -> None:
    fours = np.full(500, 4.0)
    more = added_errors(fours, np.zeros(500), fours, 0.3, np.random.default_rng(3))
    assert set(more.tolist()) == {0.0, 4.0}


def test_the_share_that_exceeds_a_limit_is_where_its_interval_begins_above_it() -> None:
    low = float(wilson_interval([0.02], [5000], 0.98)[0][0])
    least = share_to_exceed(0.05, 0.02, low, 9999.0, 0.98)
    bound = float(wilson_interval([least], [5000], 0.98)[0][0])
    assert bound == pytest.approx(0.05, abs=1e-9)


def test_events_that_crowd_into_one_window_tell_less() -> None:
    windows = [number // 10 for number in range(100)]
    spread = rate_of([number % 10 == 0 for number in range(100)], windows)
    crowded = rate_of([number < 10 for number in range(100)], windows)
    assert spread.share == crowded.share == 0.1
    # Nothing crowds: Wilson's interval of 10 in 100.
    assert (spread.low, spread.high) == pytest.approx((0.0552, 0.1744), abs=1e-4)
    # All in one of ten windows: the windows' sums vary 10/9 x 90/9 = 100/9 times as much as chance
    # would let them, so 100 replays tell as much as 9: Wilson's interval of a tenth of 9.
    assert (crowded.low, crowded.high) == pytest.approx((0.0166, 0.4227), abs=1e-4)


def test_no_event_in_200_replays_bounds_the_rate_below_2_per_cent() -> None:
    rate = rate_of([False] * 200, list(range(200)))
    assert (rate.share, rate.low) == (0, 0)
    assert rate.high == pytest.approx(0.0188, abs=1e-4)
