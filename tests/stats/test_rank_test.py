"""Runs of a benchmark compared by their ranks: exact, ties and all."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy.stats import PermutationMethod, mannwhitneyu

from pipeline.stats.rank_test import (
    LEAST_RUNS,
    RunShift,
    median_interval,
    rank_p_value,
    run_shift,
    two_sided,
)

SMALL = some.lists(some.integers(1, 5), min_size=1, max_size=6)
APART = some.lists(some.floats(1, 100), min_size=5, max_size=7)


def array(values: Sequence[float]) -> np.ndarray:
    return np.array(values, dtype=np.float64)


@settings(max_examples=40)
@given(baseline=SMALL, canary=SMALL)
def test_the_p_value_is_the_share_of_all_arrangements(
    baseline: list[int], canary: list[int]
) -> None:
    pooled = [*canary, *baseline]

    def beaten(chosen: tuple[int, ...]) -> float:
        # Mann and Whitney's U: pairs in which the canary's is larger, half of those that tie.
        rest = [pooled[at] for at in range(len(pooled)) if at not in chosen]
        mine = [pooled[at] for at in chosen]
        return sum((one > two) + 0.5 * (one == two) for one in mine for two in rest)

    every = [beaten(at) for at in itertools.combinations(range(len(pooled)), len(canary))]
    seen = beaten(tuple(range(len(canary))))
    expected = sum(each >= seen for each in every) / len(every)
    assert rank_p_value(array(baseline), array(canary)) == pytest.approx(expected)


def test_ties_count_where_scipys_exact_method_leaves_them_out() -> None:
    baseline, canary = array([1, 1, 1, 2]), array([1, 2, 2, 2])
    p = two_sided(rank_p_value(baseline, canary), rank_p_value(canary, baseline))
    assert p == pytest.approx(34 / 70)
    assert p == pytest.approx(mannwhitneyu(canary, baseline, method=PermutationMethod()).pvalue)
    assert mannwhitneyu(canary, baseline, method="exact").pvalue == pytest.approx(24 / 70)


def test_without_ties_it_is_the_exact_test_of_scipy() -> None:
    rng = np.random.default_rng(1)
    baseline, canary = rng.normal(0, 1, 40), rng.normal(0.3, 1, 55)
    known = mannwhitneyu(canary, baseline, alternative="greater", method="exact").pvalue
    assert rank_p_value(baseline, canary) == pytest.approx(known, rel=1e-9)


def test_many_runs_go_on_where_counting_ends() -> None:
    rng = np.random.default_rng(2)
    baseline, canary = rng.normal(0, 1, 50), rng.normal(0.3, 1, 51)
    counted = rank_p_value(baseline[1:], canary)
    assert rank_p_value(baseline, canary) == pytest.approx(counted, rel=0.3)
    assert rank_p_value(np.ones(60), np.ones(60)) == 1.0
    few, many = RunShift(baseline[1:], canary).bounds(0.01), RunShift(baseline, canary).bounds(0.01)
    assert many == pytest.approx(few, abs=0.1)


def test_the_shift_is_the_median_of_all_ratios() -> None:
    # Of 20/10, 20/16, 40/10, 40/16: 1.25, 2, 2.5, 4, the median on the log scale.
    found = run_shift(array([10, 16]), array([20, 40]))
    assert math.exp(found.log_effect) == pytest.approx(math.sqrt(2 * 2.5))


@settings(max_examples=25)
@given(baseline=APART, canary=APART)
def test_a_bound_above_the_margin_is_a_p_value_below_alpha(
    baseline: list[float], canary: list[float]
) -> None:
    shift = run_shift(array(baseline), array(canary))
    low, high = shift.bounds(0.01)
    assert low <= shift.log_effect <= high
    if np.diff(shift.differences).min() < 1e-9:
        return  # Ties make bounds wider than the test.
    for margin in (shift.differences[1:] + shift.differences[:-1]) / 2:
        assert (low > margin) == (shift.p_value(margin) <= 0.01)
        assert (high < margin) == (shift.mirrored().p_value(-margin) <= 0.01)


@given(baseline=APART, canary=APART)
def test_the_other_way_round_everything_is_mirrored(
    baseline: list[float], canary: list[float]
) -> None:
    shift = run_shift(array(baseline), array(canary))
    there, back = shift.bounds(0.05), shift.mirrored().bounds(0.05)
    assert back == pytest.approx((-there[1], -there[0]))
    assert shift.mirrored().log_effect == pytest.approx(-shift.log_effect)


def test_five_runs_can_tell_and_four_cannot() -> None:
    far = run_shift(array([1, 2, 3, 4, 5]), array([11, 12, 13, 14, 15]))
    assert far.enough
    assert far.p_value() == pytest.approx(1 / 252) == far.least_p_value
    # No pair or one pair the other way is 2 of 252 arrangements, two pairs 4: above 1 %. So the
    # bounds are the second ratio from either end.
    assert far.bounds(0.01) == pytest.approx((math.log(12 / 5), math.log(14)))
    near = run_shift(array([1, 2, 3, 4]), array([11, 12, 13, 14]))
    assert not near.enough
    assert LEAST_RUNS == 5
    assert near.least_p_value == pytest.approx(1 / 70)
    assert near.bounds(0.01) == (-math.inf, math.inf)
    assert near.detectable(0.01) == math.inf


def test_alike_runs_are_constant_and_no_change() -> None:
    same = run_shift(array([7] * 5), array([7] * 5))
    assert same.constant
    assert (same.log_effect, same.p_value(), same.bounds(0.01)) == (0.0, 1.0, (0.0, 0.0))
    # An equal step of constants is certain by ranks; that nothing varies is told beside it.
    step = run_shift(array([7] * 5), array([8] * 5))
    assert step.constant
    assert step.p_value() == pytest.approx(1 / 252)


def test_false_alarms_are_no_more_than_alpha_and_the_interval_holds() -> None:
    rng = np.random.default_rng(3)
    runs = 400
    shifts = [run_shift(*np.exp(rng.normal(0, 0.1, (2, 8)))) for _ in range(runs)]
    # Binomial: more than 35 of 400 at 5 % has a probability below 0.1 %.
    assert sum(shift.p_value() <= 0.05 for shift in shifts) <= 35
    held = sum(low <= 0.0 <= high for low, high in (shift.bounds(0.05) for shift in shifts))
    assert held >= 0.87 * runs


def test_what_could_be_found_is_found_four_times_in_five() -> None:
    rng = np.random.default_rng(4)
    detectable = np.median(
        [run_shift(*np.exp(rng.normal(0, 0.05, (2, 10)))).detectable(0.01) for _ in range(50)]
    )
    found = 0
    for _ in range(200):
        baseline, canary = np.exp(rng.normal(0, 0.05, (2, 10)))
        found += run_shift(baseline, canary * math.exp(detectable)).p_value() <= 0.01
    assert 0.65 <= found / 200 <= 0.95


def test_the_bounds_of_a_median_are_order_statistics() -> None:
    assert median_interval(array([5, 1, 9]), 0.025) == (-math.inf, math.inf, 1.0)
    # Of 11, one is left out on either side: 2 * 12 / 2^11 may be wrong.
    low, high, sure = median_interval(np.arange(11.0), 0.025)
    assert (low, high) == (1.0, 9.0)
    assert sure == pytest.approx(1 - 24 / 2048)
