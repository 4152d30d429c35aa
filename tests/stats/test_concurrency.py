"""Requests in flight: by hand, against a count of every moment, and by Little's law."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stats.concurrency import Floats, Ints, exceeded_level, level_times, sweep

ALWAYS = (0, 10**18)
intervals = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 25), st.sampled_from([1.0, 2.0, 0.5])),
    min_size=1,
    max_size=25,
)


def arrays(drawn: list[tuple[int, int, float]]) -> tuple[Ints, Ints, Floats]:
    """Give starts, ends and weights."""
    start, lasted, weight = (np.array(each) for each in zip(*drawn, strict=True))
    return start, start + lasted, weight.astype(np.float64)


def in_flight(started: Ints, ended: Ints, weight: Floats, moment: int) -> float:
    """Count what is in flight in the nanosecond that begins now."""
    return float(weight[(started <= moment) & (ended > moment)].sum())


def test_two_that_overlap_are_two_at_once_and_each_bucket_has_its_mean() -> None:
    found = sweep(np.array([0, 5]), np.array([10, 15]), None, 10, ALWAYS)
    assert found.bucket.tolist() == [0, 1]
    assert found.mean.tolist() == [1.5, 0.5]
    assert found.peak.tolist() == [2, 1]


def test_where_one_ends_as_another_begins_there_is_one() -> None:
    found = sweep(np.array([0, 10]), np.array([10, 20]), None, 100, ALWAYS)
    assert found.peak.tolist() == [1]
    assert level_times(np.array([0, 10]), np.array([10, 20]))[0].tolist() == [1]


def test_what_goes_on_through_a_bucket_counts_in_it_without_beginning_or_ending_there() -> None:
    found = sweep(np.array([5]), np.array([35]), None, 10, ALWAYS)
    assert found.bucket.tolist() == [0, 1, 2, 3]
    assert found.mean.tolist() == [0.5, 1, 1, 0.5]
    assert found.peak.tolist() == [1, 1, 1, 1]


def test_a_sampled_request_counts_for_those_it_stands_for() -> None:
    found = sweep(np.array([0, 0]), np.array([10, 5]), np.array([10.0, 1.0]), 10, ALWAYS)
    assert found.mean.tolist() == [10.5]
    assert found.peak.tolist() == [11]


def test_only_what_is_in_the_window_counts() -> None:
    found = sweep(np.array([0, 50]), np.array([30, 90]), None, 10, (20, 60))
    assert found.bucket.tolist() == [2, 3, 4, 5]
    assert found.mean.tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize("window", [(100, 200), (30, 30)])
def test_no_request_in_the_window_gives_no_bucket(window: tuple[int, int]) -> None:
    assert sweep(np.array([0]), np.array([50]), None, 10, window).bucket.size == 0
    nothing = np.empty(0, dtype=np.int64)
    assert sweep(nothing, nothing, None, 10, ALWAYS).mean.size == 0


def test_a_request_of_no_time_is_in_flight_at_no_time() -> None:
    assert sweep(np.array([3]), np.array([3]), None, 10, ALWAYS).peak.tolist() == []
    levels, seconds = level_times(np.array([0, 3]), np.array([10**9, 3]))
    assert (levels.tolist(), seconds.tolist()) == ([1], [1])


@given(intervals, st.integers(1, 20), st.integers(0, 40), st.integers(1, 60))
def test_it_is_a_count_of_every_moment(
    drawn: list[tuple[int, int, float]], length: int, since: int, lasting: int
) -> None:
    started, ended, weight = arrays(drawn)
    until = since + lasting
    found = sweep(started, ended, weight, length, (since, until))
    for bucket, mean, peak in zip(found.bucket, found.mean, found.peak, strict=True):
        moments = range(max(bucket * length, since), min((bucket + 1) * length, until))
        counted = [in_flight(started, ended, weight, moment) for moment in moments]
        assert mean == pytest.approx(sum(counted) / length, abs=1e-9)
        assert peak == pytest.approx(max(counted), abs=1e-9)


@given(intervals)
def test_its_integral_is_the_sum_of_the_requests_times(
    drawn: list[tuple[int, int, float]],
) -> None:
    started, ended, weight = arrays(drawn)
    total = float(((ended - started) * weight).sum())
    assert sweep(started, ended, weight, 7, ALWAYS).mean.sum() * 7 == pytest.approx(total, rel=1e-9)
    levels, seconds = level_times(started, ended, weight)
    assert (levels * seconds).sum() * 1e9 == pytest.approx(total, rel=1e-9)


@given(intervals)
def test_weights_of_one_are_no_weights(drawn: list[tuple[int, int, float]]) -> None:
    started, ended, _ = arrays(drawn)
    ones = np.ones(len(started))
    plain, weighed = (sweep(started, ended, each, 7, ALWAYS) for each in (None, ones))
    assert plain.mean.tolist() == weighed.mean.tolist()
    assert plain.peak.tolist() == weighed.peak.tolist()
    for first, second in zip(
        level_times(started, ended), level_times(started, ended, ones), strict=True
    ):
        assert first.tolist() == second.tolist()


def test_the_level_exceeded_of_loads_that_differ_is_that_of_the_busy_ones() -> None:
    # A tenth of the time 400 are in flight on average: exceeded for 1 % of all, for 10 % of those.
    rng = np.random.default_rng(1)
    means = np.repeat([40.0, 400.0], [900, 100])
    seen = rng.poisson(np.tile(means, 200))
    assert exceeded_level(means, 0.01) == pytest.approx(np.quantile(seen, 0.99), abs=1)
    assert exceeded_level(np.zeros(3), 0.01) == 0
