"""Shifts of quantiles: the formulas on data checkable by hand, and what holds for all data."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import trim_mean

from pipeline.stats.buckets import ZERO_BUCKET, bucket_index
from pipeline.stats.cells import WIDTH, Ints, Range, Side, share_above
from pipeline.stats.shift import Estimate, Pair, Shift, ratio_variance, trimmed_mean


def side(
    values_ms: list[float], instance: list[int] | None = None, minute: list[int] | None = None
) -> Side:
    """Make a side of single requests."""
    count = len(values_ms)
    instances, minutes = instance or [0] * count, minute or [0] * count
    ones = np.ones(count)
    return Side(
        np.array(instances),
        np.array(minutes),
        bucket_index(np.array(values_ms) * 1e6).astype(np.int64),
        ones,
        ones,
        max(instances) + 1,
        max(minutes) + 1,
    )


def spread(seed: int, factor: float = 1.0, instances: int = 4, requests: int = 4000) -> Side:
    """Make a side of lognormal requests over instances and an hour."""
    rng = np.random.default_rng(seed)
    values = 100 * factor * np.exp(rng.normal(0, 0.5, requests))
    places = rng.integers(0, instances, requests), rng.integers(0, 60, requests)
    return side(values.tolist(), places[0].tolist(), places[1].tolist())


@given(
    values=st.lists(st.floats(0.001, 1e6), min_size=1, max_size=200),
    p=st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]),
)
def test_a_quantile_lies_in_the_bucket_of_the_value_at_its_rank(
    values: list[float], p: float
) -> None:
    one = side(values)
    (found,) = Range.of(one).histograms(one, None, 1).log_quantile(p)
    exact = sorted(values)[max(math.ceil(p * len(values) - 1e-9), 1) - 1] * 1e6
    assert abs(found - math.log(exact)) <= WIDTH * 1.0001


def test_a_duration_of_zero_is_below_every_other() -> None:
    one = side([0.0, 0.0, 1.0])
    assert one.bucket[0] == ZERO_BUCKET
    (half, most) = (Range.of(one).histograms(one, None, 1).log_quantile(p)[0] for p in (0.5, 1.0))
    assert half < 0
    assert most == pytest.approx(math.log(1e6), abs=WIDTH)


def test_a_histogram_without_requests_has_no_quantile() -> None:
    one = side([1.0, 1.0], minute=[0, 2])
    quantiles = Range.of(one).histograms(one, one.minute, 3).log_quantile(0.5)
    assert np.isfinite(quantiles).tolist() == [True, False, True]


def test_a_bucket_is_cut_where_the_value_stands_on_the_log_scale() -> None:
    buckets: Ints = np.array([9, 10, 11])
    assert share_above(buckets, 10.75 * WIDTH).tolist() == [0.0, 0.25, 1.0]


@given(st.lists(st.floats(-1, 1), min_size=6, max_size=40))
def test_the_effect_of_blocks_is_the_trimmed_mean(differences: list[float]) -> None:
    effect, variance, df = trimmed_mean(np.array(differences), 1)
    shares = (0.1,) if len(differences) < 20 else (0.1, 0.25)
    means = [pytest.approx(trim_mean(differences, share), abs=1e-12) for share in shares]
    assert effect in means
    assert variance >= 0
    assert df >= 2


def test_a_few_outliers_are_cut_as_ever_and_many_as_bursts_are() -> None:
    # -10 to 9, then so many of them far off: of 20 one is 5 %, and two are more.
    series = np.arange(-10.0, 10.0)
    for outliers, share in ((0, 0.1), (1, 0.1), (2, 0.25), (4, 0.25)):
        series[:outliers] = -1000
        assert trimmed_mean(series, 1)[0] == pytest.approx(trim_mean(series, share))


def test_bursts_on_either_side_hide_a_shift_no_longer() -> None:
    rng = np.random.default_rng(3)
    differences = rng.normal(0.1, 0.1, 60)
    burst = rng.permutation(60)[:16]
    differences[burst] += np.where(np.arange(16) % 2, 1.0, -1.0)
    effect, variance, _ = trimmed_mean(differences, 1)
    assert effect == pytest.approx(0.1, abs=0.05)
    # Cut by a tenth, two bursts stay at each end, and the error is 0.08.
    assert np.sqrt(variance) < 0.03


def test_blocks_that_follow_each_other_count_for_fewer() -> None:
    rng = np.random.default_rng(5)
    alike = rng.normal(0, 1, 60)
    wandering = np.cumsum(alike)
    wandering *= alike.std() / wandering.std()
    assert trimmed_mean(wandering, 1)[1] > 5 * trimmed_mean(alike, 1)[1]


def test_instances_that_are_all_alike_leave_what_chance_alone_makes() -> None:
    # 100 requests a side, a half of them above: p(1-p)(1/n + 1/n) with nothing else varying.
    cells = [[1.0, 3.0] * 50 for _ in range(2)]
    sides = tuple(side(values, instance=[0, 0, 1, 1] * 25, minute=[0] * 100) for values in cells)
    above = [one.above(math.log(2e6)) for one in sides]
    variance, df = ratio_variance((sides[0], sides[1]), above)
    assert variance == pytest.approx(0.25 * (1 / 100 + 1 / 100))
    assert 1 <= df <= 3


def test_an_instance_weighs_the_same_however_many_requests_it_has() -> None:
    # One instance has all above, the other none: the ratio between them is a half each way.
    lopsided = side([3.0] * 99 + [1.0], instance=[0] * 99 + [1])
    even = side([3.0, 1.0] * 50, instance=[0, 1] * 50)
    above = [one.above(math.log(2e6)) for one in (lopsided, even)]
    variance, _ = ratio_variance((lopsided, even), above)
    deviations = (1 - 0.99) ** 2 + 0.99**2 + 0.5**2 + 0.5**2
    assert variance == pytest.approx(deviations / 2 * (1 / 2 + 1 / 2))


def test_the_same_requests_on_both_sides_are_no_shift() -> None:
    pair = Pair(spread(1), spread(1))
    for p in (0.5, 0.95, 0.99):
        shift = pair.shift(p)
        assert shift.best.log_effect == 0
        low, high = shift.bounds(0.01)
        assert low <= 0 <= high
        assert shift.p_value() >= 0.5


@pytest.mark.parametrize("p", [0.5, 0.95, 0.99])
def test_a_large_shift_is_found_and_measured(p: float) -> None:
    shift = Pair(spread(1), spread(2, factor=1.5)).shift(p)
    low, high = shift.bounds(0.01)
    assert 0 < low < math.log(1.5) < high
    assert shift.p_value() < 0.01
    # The other way round nothing is slower.
    assert Pair(spread(2, factor=1.5), spread(1)).shift(p).p_value() > 0.9


@given(factor=st.floats(0.01, 100))
def test_the_unit_of_the_durations_changes_no_effect(factor: float) -> None:
    pairs = [Pair(spread(1, f), spread(2, 1.2 * f)) for f in (1.0, factor)]
    first, second = (pair.shift(0.95) for pair in pairs)
    assert second.best.log_effect == pytest.approx(first.best.log_effect, abs=2 * WIDTH)


def test_with_few_blocks_of_time_only_exceedance_answers() -> None:
    few = [side([1.0, 2.0, 3.0] * 10, [0, 1, 2] * 10, [0, 1, 2, 3, 4] * 6) for _ in range(2)]
    shift = Pair(*few).shift(0.5)
    assert shift.blocks is None
    assert [each.method for each in shift.estimates] == ["exceedance"]


def test_two_methods_share_the_level_between_them() -> None:
    one = Estimate("exceedance", 0.10, 0.02, 30)
    other = Estimate("blocks", 0.11, 0.05, 20)
    shift = Shift(one, other, (0.0, 0.1))
    assert shift.best is one
    assert shift.p_value() == pytest.approx(2 * min(one.p_value(), other.p_value()))
    low, high = shift.bounds(0.01)
    assert low == max(one.bounds(0.005)[0], other.bounds(0.005)[0])
    assert high == min(one.bounds(0.005)[1], other.bounds(0.005)[1])


def test_durations_that_are_all_alike_are_told_as_such() -> None:
    alike = [side([5.0] * 60, [0, 1, 2] * 20, list(range(60))) for _ in range(2)]
    assert Pair(*alike).shift(0.5).constant
    assert Pair(*alike).shift(0.5).p_value() >= 0.5
    assert not Pair(alike[0], spread(1)).shift(0.5).constant
