"""Shares of requests: published intervals, exact tests, and sides without any error."""

import numpy as np
import pytest
from scipy.stats import binomtest

from pipeline.stats.cells import Floats, Side
from pipeline.stats.share_shift import ShareShift, share_shift


def side(requests: int, instances: int = 4, minutes: int = 60) -> Side:
    """Make a side of requests that are spread evenly."""
    numbers = np.arange(requests)
    ones = np.ones(requests)
    return Side(numbers % instances, numbers % minutes, numbers * 0, ones, ones, instances, minutes)


def errors(one: Side, every: int) -> Floats:
    """Let every so manieth request fail; 0 for none."""
    numbers = np.arange(len(one.count))
    failing = numbers % every == 0 if every else numbers < 0
    return one.add_up(failing.astype(np.float64))


def test_newcombes_published_interval_is_met() -> None:
    # Newcombe (1998), table II: 56 of 70 against 48 of 80, method 10.
    shift = ShareShift((48 / 80, 56 / 70), 0.07, 100, 1.0, (80, 70), exact=False)
    assert shift.difference == pytest.approx(0.2)
    low, high = shift.bounds(0.025)
    assert low == pytest.approx(0.0524, abs=5e-5)
    assert high == pytest.approx(0.3339, abs=5e-5)


def test_few_errors_are_counted_exactly() -> None:
    shift = ShareShift((1 / 1000, 8 / 1000), 0.003, 100, 1.0, (1000, 1000), exact=True)
    assert shift.p_value() == pytest.approx(binomtest(8, 9, 0.5, alternative="greater").pvalue)


def test_errors_on_a_side_that_had_none_are_found() -> None:
    baseline, canary = side(10_000), side(10_000)
    shift = share_shift(baseline, canary, [errors(baseline, 0), errors(canary, 501)])
    assert shift.shares[0] == 0
    assert shift.shares[1] == pytest.approx(0.002)
    assert shift.p_value() < 0.01
    assert shift.bounds(0.01)[0] > 0


def test_no_errors_at_all_bound_what_there_can_be() -> None:
    baseline, canary = side(1000), side(1000)
    shift = share_shift(baseline, canary, [errors(baseline, 0), errors(canary, 0)])
    assert shift.p_value() == 1.0
    low, high = shift.bounds(0.01)
    assert low == pytest.approx(-high)
    assert 0.004 < high < 0.008


def test_errors_of_one_instance_count_as_one_observation() -> None:
    baseline, canary = side(10_000), side(10_000)
    failing = canary.add_up((canary.instance == 0) * 0.04)
    one = share_shift(baseline, canary, [errors(baseline, 0), failing])
    every = share_shift(baseline, canary, [errors(baseline, 0), errors(canary, 101)])
    assert one.shares[1] == pytest.approx(every.shares[1], rel=0.02)
    assert one.inflation > 5 * every.inflation
    assert one.p_value() > every.p_value()
