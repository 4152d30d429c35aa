"""The Wilson interval gives published numbers and holds what it promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from pipeline.stats.proportions import effective_size, wilson_interval


@pytest.mark.parametrize(
    ("successes", "size", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17, table I, method 3.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_published_intervals_are_reproduced(successes, size, low, high):
    bounds = wilson_interval(successes / size, size)
    assert [round(float(bound), 4) for bound in bounds] == [low, high]


def test_nothing_observed_bounds_nothing():
    assert np.isnan(wilson_interval([0.0], [0.0])).all()


@given(
    st.integers(min_value=1, max_value=10**9).flatmap(
        lambda size: st.tuples(st.integers(min_value=0, max_value=size), st.just(size))
    )
)
def test_the_interval_holds_the_observed_share_and_stays_a_share(sample):
    successes, size = sample
    low, high = wilson_interval(successes / size, size)
    assert 0 <= low <= successes / size <= high <= 1


def test_coverage_is_nominal_on_average():
    # Exact, over every outcome of 50 trials: Wilson is near nominal on average, not everywhere.
    shares = np.linspace(0.02, 0.98, 97)
    outcomes = np.arange(51)
    low, high = wilson_interval(outcomes / 50, np.full(51, 50))
    coverage = [binom.pmf(outcomes, 50, p)[(low <= p) & (p <= high)].sum() for p in shares]
    assert 0.945 < np.mean(coverage) < 0.96


def test_equal_weights_count_each_value_once():
    assert effective_size([30.0, 3.0], [300.0, 0.9]).tolist() == pytest.approx([3.0, 10.0])
