"""Shares of functions: known values, scipy's answers, and how often a sound release is blamed."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.sparse import csr_array

from pipeline.stats.profile_permutations import permute
from pipeline.stats.profile_shares import (
    Counts,
    adjusted,
    compare,
    membership,
    share_interval,
    spread,
)


def side(x: list[list[float]], n: list[float]) -> Counts:
    """Make one side of a row a profile and a column a function."""
    return Counts(csr_array(np.array(x, dtype=np.float64)), np.array(n, dtype=np.float64))


def test_a_stack_counts_once_for_a_function_that_recurs() -> None:
    # Stack 0 is f f g, stack 1 is g.
    members = membership(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), (2, 2))
    counts = spread(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([3.0, 1, 2]), members, 2)
    assert counts.x.toarray().tolist() == [[3, 4], [0, 2]]
    assert counts.n.tolist() == [4, 2]
    assert counts.shares().tolist() == [0.5, 1.0]


def test_the_variance_of_a_share_is_that_of_its_profiles() -> None:
    # Shares 0.1 and 0.3 of equal profiles: the mean's variance is (0.1^2 + 0.1^2) / (2 * 1).
    counts = side([[10], [30]], [100, 100])
    assert counts.shares().tolist() == [0.2]
    assert counts.variance()[0] == pytest.approx(0.01)


def test_one_profile_has_no_spread() -> None:
    assert math.isnan(side([[10]], [100]).variance()[0])


def test_pearson_is_that_of_scipy() -> None:
    x, n = np.array([5.0, 9, 20, 6]), np.array([50.0, 80, 90, 60])
    table = np.vstack([x, n - x])
    counts = side(x[:, None].tolist(), n.tolist())
    assert counts.pearson()[0] == pytest.approx(stats.chi2_contingency(table)[0])


def test_without_dispersion_two_profiles_compare_as_two_proportions() -> None:
    change = compare(side([[30]], [100]), side([[45]], [100]))
    pooled = 75 / 200
    assert change.error[0] == pytest.approx(math.sqrt(pooled * (1 - pooled) * 2 / 100))
    assert change.change[0] == pytest.approx(0.15)
    assert change.dispersion[0] == 1


def test_dispersion_widens_the_error() -> None:
    even = compare(side([[20], [20]], [100, 100]), side([[30], [30]], [100, 100]))
    uneven = compare(side([[5], [35]], [100, 100]), side([[10], [50]], [100, 100]))
    # By hand: 2 * 15^2 / (100 * 0.2 * 0.8) and 2 * 20^2 / (100 * 0.3 * 0.7), over 2.
    assert uneven.dispersion[0] == pytest.approx((450 / 16 + 800 / 21) / 2)
    assert uneven.error[0] == pytest.approx(even.error[0] * math.sqrt(uneven.dispersion[0]))
    assert uneven.p_values()[0] > even.p_values()[0]


def test_bounds_and_least_effect_follow_the_error() -> None:
    change = compare(side([[30]], [100]), side([[45]], [100]))
    low, high = change.bounds(0.95)
    reach = stats.t.isf(0.025, 1) * change.error[0]
    assert (high - low)[0] == pytest.approx(2 * reach)
    assert change.detectable(0.05)[0] > reach


def test_all_splits_of_few_profiles_are_counted() -> None:
    # Of C(4, 2) = 6 splits the observed one and its mirror are the farthest apart.
    found = permute(side([[1], [2]], [10, 10]), side([[8], [9]], [10, 10]), np.array([0]))
    assert found.exact
    assert found.splits == 6
    assert found.counted[0] == pytest.approx(2 / 6)


def test_permutations_agree_with_scipy() -> None:
    baseline, canary = [3.0, 5, 4, 6, 5, 4], [5.0, 7, 6, 5, 8, 6]
    found = permute(
        side([[v] for v in baseline], [50.0] * 6),
        side([[v] for v in canary], [50.0] * 6),
        np.array([0]),
    )
    expected = stats.permutation_test(
        (np.array(canary), np.array(baseline)),
        lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis),
        vectorized=True,
        n_resamples=np.inf,
    )
    assert found.exact
    assert found.splits == 924
    assert found.counted[0] == pytest.approx(expected.pvalue)


def test_the_tail_of_equal_profiles_is_that_of_students_test() -> None:
    baseline = [3.0, 5, 4, 6, 5, 4, 5]
    canary = [30.0, 33, 31, 35, 32, 34, 33]
    found = permute(
        side([[v] for v in baseline], [50.0] * 7),
        side([[v] for v in canary], [50.0] * 7),
        np.array([0]),
    )
    assert not found.exact
    assert found.counted[0] == 1 / 1000
    assert found.p[0] < 1e-6
    exact = stats.ttest_ind(canary, baseline).pvalue
    assert found.p[0] == pytest.approx(exact)


@given(
    st.lists(st.integers(0, 50), min_size=12, max_size=20),
    st.integers(6, 6),
)
def test_swapping_the_sides_changes_the_sign_and_nothing_else(values: list[int], cut: int) -> None:
    n = [100.0] * len(values)
    first = side([[float(v)] for v in values[:cut]], n[:cut])
    second = side([[float(v)] for v in values[cut:]], n[cut:])
    there, back = compare(first, second), compare(second, first)
    assert there.change[0] == pytest.approx(-back.change[0], abs=1e-12)
    assert there.error[0] == pytest.approx(back.error[0])
    assert 0 < permute(first, second, np.array([0])).p[0] <= 1


def test_adjusted_values_are_benjamini_and_hochbergs() -> None:
    p = np.array([0.001, 0.02, 0.03, 0.9])
    assert adjusted(p, np.ones(4, dtype=bool)) == pytest.approx([0.004, 0.04, 0.04, 0.9])
    assert np.isnan(adjusted(p, np.zeros(4, dtype=bool))).all()


def test_an_interval_of_a_share_stays_between_0_and_1_and_widens_with_few_profiles() -> None:
    share, variance = np.array([0.02]), np.array([0.0001])
    low, high = share_interval(share, variance, 1e6, 3, 0.95)
    assert 0 < low[0] < 0.02 < high[0] < 1
    more_low, more_high = share_interval(share, variance, 1e6, 100, 0.95)
    assert more_high[0] - more_low[0] < high[0] - low[0]


def simulate(generator: np.random.Generator, clusters: int, functions: int) -> Counts:
    """Draw a side without any change: shares differ from profile to profile, sizes too."""
    n = generator.integers(200, 800, clusters)
    # Dispersion of about 1 + (n - 1) / (1 + 120): 5 times binomial.
    shares = generator.dirichlet(np.full(functions, 120 / functions), clusters)
    x = np.array([generator.multinomial(*pair) for pair in zip(n, shares, strict=True)])
    return Counts(csr_array(x.astype(np.float64)), n.astype(np.float64))


@pytest.mark.parametrize("clusters", [6, 10])
def test_permutations_blame_a_sound_release_no_more_often_than_they_say(clusters: int) -> None:
    generator = np.random.default_rng(7)
    runs, functions, blamed, below = 400, 20, 0, 0
    for run in range(runs):
        baseline = simulate(generator, clusters, functions)
        canary = simulate(generator, clusters, functions)
        found = permute(baseline, canary, np.arange(functions), seed=run, permutations=299)
        blamed += bool((adjusted(found.p, np.ones(functions, dtype=bool)) <= 0.05).any())
        below += int((found.p <= 0.05).sum())
    # At most the nominal rates, with what 400 runs (and 8000 p-values) scatter by.
    assert stats.binom.sf(blamed - 1, runs, 0.05) > 0.01
    assert below / (runs * functions) < 0.06


@pytest.mark.parametrize("clusters", [2, 4])
def test_quasi_binomial_counts_blame_a_sound_release_no_more_often_than_they_say(
    clusters: int,
) -> None:
    generator = np.random.default_rng(11)
    runs, functions, blamed, below = 600, 20, 0, 0
    for _ in range(runs):
        change = compare(
            simulate(generator, clusters, functions), simulate(generator, clusters, functions)
        )
        p = change.p_values()
        blamed += bool((adjusted(p, np.ones(functions, dtype=bool)) <= 0.05).any())
        below += int((p <= 0.05).sum())
    assert stats.binom.sf(blamed - 1, runs, 0.05) > 0.01
    assert below / (runs * functions) < 0.065


def test_a_change_is_found_though_profiles_differ() -> None:
    generator = np.random.default_rng(3)
    found = 0
    for run in range(20):
        baseline, canary = simulate(generator, 10, 20), simulate(generator, 10, 20)
        x = canary.x.toarray()
        # A tenth of all samples more: function 0 from 5 to about 14 points.
        extra = np.round(canary.n * 0.1)
        x[:, 0] += extra
        changed = Counts(csr_array(x), canary.n + extra)
        p = permute(baseline, changed, np.arange(20), seed=run).p
        found += bool(adjusted(p, np.ones(20, dtype=bool))[0] <= 0.05)
    assert found >= 18
