"""A canary against other times: prediction intervals by hand, and kept values with intervals."""

import math

import numpy as np
import pytest
from scipy.stats import norm, ttest_1samp
from scipy.stats import t as student

from pipeline.stats.buckets import bucket_index
from pipeline.stats.cells import Side
from pipeline.stats.distributions import student_isf, student_sf
from pipeline.stats.windows import kept_share, kept_shift, windows_share, windows_shift


def side(factor: float, requests: int = 400, instances: int = 4) -> Side:
    """Make a side of lognormal requests, the same but for a factor, over instances and minutes."""
    values = 1e8 * factor * np.exp(np.random.default_rng(3).normal(0, 0.3, requests))
    numbers, ones = np.arange(requests), np.ones(requests)
    buckets = bucket_index(values).astype(np.int64)
    return Side(numbers % instances, numbers % 30, buckets, ones, ones, instances, 30)


def test_a_new_value_is_held_against_the_spread_of_earlier_ones() -> None:
    factors = np.array([0.9, 0.95, 1.0, 1.0, 1.05, 1.1, 1.0])
    shift = windows_shift(side(1.5), [side(factor) for factor in factors], 0.5)
    logs = np.log(factors)
    effect = math.log(1.5) - logs.mean()
    error = logs.std(ddof=1) * math.sqrt(1 + 1 / 7)
    assert shift.exceedance.log_effect == pytest.approx(effect, abs=0.006)
    assert shift.exceedance.error == pytest.approx(error, rel=0.05)
    assert shift.exceedance.df == 6
    assert shift.p_value() == pytest.approx(student.sf(effect / error, 6), rel=0.3)


def test_the_error_of_a_mean_of_windows_is_students() -> None:
    shares = np.array([0.01, 0.02, 0.015, 0.012, 0.018, 0.011, 0.019])
    shift = windows_share((0.10, 5000), shares, 35_000, 0.02)
    # One more observation has the error of the mean times sqrt(D + 1).
    known = ttest_1samp(shares, 0.0)
    of_mean = shares.mean() / known.statistic
    assert shift.error == pytest.approx(of_mean * math.sqrt(8))
    assert (shift.df, shift.exact) == (6, False)
    assert shift.p_value() < 0.01
    assert shift.bounds(0.01)[0] > 0


def test_windows_without_errors_leave_the_chance_of_counts() -> None:
    shift = windows_share((0.0, 1000), np.zeros(7), 7000, 0.0)
    assert shift.exact
    assert shift.p_value() == 1.0
    some = windows_share((0.01, 1000), np.zeros(7), 7000, 10 / 8000)
    # All of 10 on the eighth of the requests.
    assert some.p_value() == pytest.approx(0.125**10)


def test_a_kept_value_brings_its_interval() -> None:
    one = side(1.0)
    alone = kept_shift(one, 1e8, (0.0, 0.95), 0.5).exceedance
    shift = kept_shift(one, 1e8, (0.1, 0.95), 0.5).exceedance
    assert shift.error == pytest.approx(math.hypot(alone.error, 0.1 / norm.ppf(0.975)))
    assert shift.log_effect == alone.log_effect
    assert shift.method == "kept"


def test_a_kept_share_brings_its_requests() -> None:
    one = side(1.0)
    failed = one.add_up((np.arange(400) % 20 == 0).astype(float))
    shift = kept_share(one, failed, 0.05, 1000)
    assert shift.difference == pytest.approx(0)
    assert not shift.exact
    low, high = shift.bounds(0.01)
    assert low < 0 < high
    assert kept_share(one, failed, 0.05, 50).bounds(0.01)[1] > high


@pytest.mark.parametrize("df", [1.0, 2.5, 8.0, 61.3])
def test_students_distribution_is_scipys(df: float) -> None:
    for statistic in (-3.0, 0.0, 0.1, 2.5, 40.0):
        assert student_sf(statistic, df) == student.sf(statistic, df)
    for alpha in (0.2, 0.01, 0.001):
        assert student_isf(alpha, df) == student.isf(alpha, df)
