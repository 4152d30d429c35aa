"""Weights of strata: by hand, and what holds for all mixes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stats.mix import MOST_WEIGHT, mix_weights
from pipeline.stats.traffic import change_of_split, split_of, split_p_value, split_reach

_COUNTS = st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e4)), min_size=1, max_size=20).filter(
    lambda pairs: all(sum(side) > 1 for side in zip(*pairs, strict=True))
)


@given(_COUNTS)
def test_a_weighted_baseline_has_the_canarys_mix(pairs: list[tuple[float, float]]) -> None:
    baseline, canary = (np.array(side) for side in zip(*pairs, strict=True))
    weights = mix_weights(baseline, canary)
    assert 0 <= weights.dropped <= 1
    assert (weights.factors[~weights.kept] == 0).all()
    if weights.kept.any() and not weights.capped:
        shares = weights.factors * baseline / (weights.factors * baseline).sum()
        wanted = np.where(weights.kept, canary, 0.0) / canary[weights.kept].sum()
        assert shares == pytest.approx(wanted)
        # As many requests as there are.
        assert (weights.factors * baseline).sum() == pytest.approx(baseline[weights.kept].sum())


def test_the_same_mix_weighs_nothing() -> None:
    weights = mix_weights(np.array([300.0, 100.0]), np.array([30.0, 10.0 * 2]))
    assert weights.factors == pytest.approx([0.8, 1.6])
    assert mix_weights(np.array([300.0, 100.0]), np.array([60.0, 20.0])).factors.tolist() == [1, 1]


def test_strata_of_fewer_than_twenty_requests_are_dropped_and_told() -> None:
    weights = mix_weights(np.array([981.0, 19.0, 0.0]), np.array([450.0, 25.0, 25.0]))
    assert weights.kept.tolist() == [True, False, False]
    assert weights.dropped == pytest.approx(0.1)


def test_no_request_stands_for_more_than_twenty() -> None:
    weights = mix_weights(np.array([980.0, 20.0]), np.array([500.0, 500.0]))
    assert weights.factors[1] == MOST_WEIGHT
    assert weights.capped == 1


def test_a_share_varies_as_its_blocks_do() -> None:
    # Two blocks of five minutes: 10 of 100 and 20 of 100. 2/1 * 2 * (5/200)^2.
    baseline = np.repeat([90.0, 80.0], 5) / 5
    canary = np.repeat([10.0, 20.0], 5) / 5
    share, error, df = split_of(baseline, canary)
    assert share == pytest.approx(0.15)
    assert df == 1
    assert error == pytest.approx(np.sqrt(2 * 2 * (5 / 200) ** 2))
    assert np.isnan(split_of(baseline[:5], canary[:5])[1])


def test_a_split_is_tested_both_ways() -> None:
    # Student's t with one degree of freedom is Cauchy's: a quarter lies above 1.
    assert split_p_value(0.01, 0.01, 1) == pytest.approx(0.5)
    assert split_reach(0.01, 1, 0.25) == pytest.approx(0.01)
    assert [split_p_value(beyond, 0, 1) for beyond in (-0.1, 0.1)] == [1, 0]


def test_a_side_without_requests_at_last_ran_dry() -> None:
    steady = np.full(30, 100.0)
    dry = np.concatenate([steady[:20], np.zeros(10)])
    assert change_of_split(steady, steady) == 1
    assert change_of_split(steady, dry) == 0
    assert change_of_split(dry, steady) == np.inf
    assert np.isnan(change_of_split(steady / 100, dry / 100))
    assert np.isnan(change_of_split(steady[:2], dry[:2]))
