"""Ratios of sums and gauges on two sides: known by hand, by law, and by chance."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from pipeline.stats.series_shift import (
    Series,
    gauge_shift,
    ratio_level,
    ratio_shift,
    winsorised,
)
from pipeline.stats.share_shift import share_shift

MINUTES, INSTANCES = 30, 3


def series(top: ArrayLike, below: ArrayLike = 1.0, instances: int = INSTANCES) -> Series:
    """Make a series of a row an instance and a minute."""
    minutes = np.size(top) // instances if np.ndim(top) else MINUTES
    shape = (instances, minutes)
    tops = np.broadcast_to(np.asarray(top, dtype=np.float64), shape).ravel()
    belows = np.broadcast_to(np.asarray(below, dtype=np.float64), shape).ravel()
    instance = np.repeat(np.arange(instances), minutes)
    minute = np.tile(np.arange(minutes), instances)
    return Series(instance, minute, tops, belows, np.ones(tops.size), instances, minutes)


def noise(seed: int, deviation: float = 0.1) -> np.ndarray:
    """Give values about 1."""
    return np.exp(np.random.default_rng(seed).normal(0, deviation, (INSTANCES, MINUTES)))


def test_twice_as_much_a_request_is_a_ratio_of_two() -> None:
    # 3 instances and 30 minutes of 10 requests: 0.2 s a request, then 0.4.
    shift = ratio_shift(series(2.0, 10.0), series(4.0, 10.0))
    assert shift.values == pytest.approx((0.2, 0.4))
    assert shift.effect == pytest.approx(math.log(2))
    assert (shift.is_log, shift.error) == (True, 0.0)


def test_the_ratio_is_that_of_the_sums_and_not_the_mean_of_ratios() -> None:
    # 1 in 1 and 1 in 99: 2 in 100, where the mean of ratios is a half.
    found = series(np.ones((2, 1)), np.array([[1.0], [99.0]]), instances=2)
    assert found.ratio == 0.02


def test_independent_rows_have_the_variance_of_a_ratio_estimator() -> None:
    # Cochran (1977), Sampling Techniques, 6.4: sum (y - R x)^2 / (sum x)^2. Of y = 1, 3 and
    # x = 1, 1: R = 2, and (1 + 1) / 4.
    found = series(np.array([[1.0, 3.0]]), instances=1)
    assert found.least_variance == 0.5


def test_a_share_varies_as_the_judge_says_shares_do() -> None:
    rng = np.random.default_rng(3)
    sides = [series(rng.binomial(20, p, (INSTANCES, MINUTES)), 20.0) for p in (0.3, 0.4)]
    shift = ratio_shift(sides[0], sides[1], is_share=True)
    grids = [each.side.add_up(each.top) for each in sides]
    expected = share_shift(sides[0].side, sides[1].side, grids)
    assert shift.effect == pytest.approx(expected.difference)
    assert shift.error == pytest.approx(expected.error)
    assert not shift.is_log


@settings(max_examples=25)
@given(scale=st.floats(1e-6, 1e6), seed=st.integers(0, 100))
def test_the_unit_of_a_series_does_not_matter(scale: float, seed: int) -> None:
    one, other = noise(seed), 1.2 * noise(seed + 1)
    plain = ratio_shift(series(one), series(other))
    scaled = ratio_shift(series(scale * one), series(scale * other))
    assert scaled.effect == pytest.approx(plain.effect)
    assert scaled.error == pytest.approx(plain.error)


@settings(max_examples=25)
@given(seed=st.integers(0, 100))
def test_the_sides_the_other_way_round_shift_the_other_way(seed: int) -> None:
    one, other = series(noise(seed)), series(1.5 * noise(seed + 1))
    for compare in (ratio_shift, gauge_shift):
        there, back = compare(one, other), compare(other, one)
        assert there is not None
        assert back is not None
        assert there.effect == pytest.approx(-back.effect)
        assert there.bounds(0.01)[0] == pytest.approx(-back.bounds(0.01)[1])
        assert there.reversed().p_value(0.1) == pytest.approx(back.p_value(0.1))


def test_a_gauge_is_compared_minute_by_minute_so_common_load_cancels() -> None:
    load = np.linspace(1, 50, MINUTES) * np.ones((INSTANCES, 1))
    shift = gauge_shift(series(load), series(1.1 * load))
    assert shift is not None
    assert shift.effect == pytest.approx(math.log(1.1))
    assert shift.error == pytest.approx(0.0, abs=1e-9)


def test_a_gauge_that_may_be_zero_is_compared_by_difference() -> None:
    below = np.zeros((INSTANCES, MINUTES))
    shift = gauge_shift(series(below), series(below + 2.0))
    assert shift is not None
    assert (shift.is_log, shift.effect) == (False, 2.0)
    assert not ratio_shift(series(below), series(below + 2.0)).is_log


def test_five_minutes_are_too_few_for_a_gauge() -> None:
    five = np.ones((INSTANCES, 5))
    assert gauge_shift(series(five), series(five)) is None


def test_instances_that_differ_make_a_gauge_less_sure() -> None:
    apart = np.array([[0.5], [1.0], [2.0]]) * np.ones((1, MINUTES))
    alike, unlike = (gauge_shift(series(s), series(s)) for s in (noise(1), apart * noise(1)))
    assert alike is not None
    assert unlike is not None
    assert unlike.error > 5 * alike.error


def test_a_heavy_tail_is_cut_and_a_light_one_left() -> None:
    # 9,990 requests of 1 call and 10 of 1,000 hold half of all calls; the pooled p99.9 is 1.
    top, below = np.array([[9990.0, 10_000.0]]), np.array([[9990.0, 10.0]])
    cut, most = winsorised([series(top, below, instances=1)])
    assert most == 1.0
    assert cut[0].ratio == 1.0
    light = series(np.array([[9990.0, 20.0]]), below, instances=1)
    assert winsorised([light]) == ([light], None)


def test_the_level_of_a_constant_series_is_known_exactly() -> None:
    level = ratio_level(series(7.0))
    assert level.bounds(0.01) == (7.0, 7.0)


def test_sides_that_are_alike_are_rarely_told_apart() -> None:
    # Instances and minutes that vary, 300 times: at 5 % one-sided no more than 8 % may be.
    rng = np.random.default_rng(11)
    found = {"ratio": 0, "gauge": 0}
    for _ in range(300):
        load = np.exp(rng.normal(0, 0.2, MINUTES))
        sides = [
            series(
                load * np.exp(rng.normal(0, 0.1, (4, 1)) + rng.normal(0, 0.1, (4, MINUTES))), 1.0, 4
            )
            for _ in range(2)
        ]
        found["ratio"] += ratio_shift(sides[0], sides[1]).p_value(0.0) < 0.05
        gauge = gauge_shift(sides[0], sides[1])
        assert gauge is not None
        found["gauge"] += gauge.p_value(0.0) < 0.05
    assert max(found.values()) <= 24, found
    assert min(found.values()) > 0, found
