"""Quantiles from buckets agree with the values that went into them; bounds hold what they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stats.buckets import bucket_index
from pipeline.stats.quantiles import (
    BucketCounts,
    bound_ranks,
    deciding_rows,
    quantile_bounds,
    quantiles,
)

PROBABILITIES = (0.5, 0.9, 0.95, 0.99, 0.999)


def in_buckets(*samples, weights=None, bucket_of=bucket_index):
    """Put each sample, one a group, into buckets as a rollup would."""
    rows = []
    for group, sample in enumerate(samples):
        values = np.asarray(sample, dtype=np.float64)
        weight = np.ones(len(values)) if weights is None else np.asarray(weights, float)
        bucket = bucket_of(values)
        for one in np.unique(bucket):
            inside = bucket == one
            v, w = values[inside], weight[inside]
            rows.append((group, w.sum(), (w * w).sum(), len(v), (w * v).sum(), v.min(), v.max()))
    columns = list(zip(*rows, strict=True)) or [()] * 7
    types = (np.int64, float, float, np.int64, float, float, float)
    arrays = [np.array(c, dtype=t) for c, t in zip(columns, types, strict=True)]
    return BucketCounts(len(samples), *arrays)


def exact(sample, probabilities=PROBABILITIES):
    return np.quantile(sample, probabilities, method="inverted_cdf")


def lognormal(rng, n):
    return np.exp(rng.normal(17, 0.5, n)).astype(np.int64)


def pareto(rng, n):
    return (2e7 * (1 + rng.pareto(1.8, n))).astype(np.int64)


def bimodal(rng, n):
    return np.where(rng.random(n) < 0.9, lognormal(rng, n), 30 * lognormal(rng, n))


def point_masses(rng, n):
    return rng.choice([1_000_000, 5_000_000, 5_040_000, 90_000_001], n, p=[0.5, 0.3, 0.15, 0.05])


def constant(rng, n):
    return np.full(n, 123_456_789)


@pytest.mark.parametrize("draw", [lognormal, pareto, bimodal, point_masses, constant])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 30, 1000, 100_000])
def test_the_estimate_is_within_0_6_percent_of_the_exact_quantile(draw, n):
    sample = draw(np.random.default_rng(n), n)
    assert quantiles(in_buckets(sample), PROBABILITIES)[0] == pytest.approx(
        exact(sample), rel=0.006
    )


@pytest.mark.parametrize("draw", [lognormal, pareto])
def test_on_smooth_data_the_estimate_is_far_better(draw):
    sample = draw(np.random.default_rng(5), 200_000)
    assert quantiles(in_buckets(sample), [0.5, 0.9])[0] == pytest.approx(
        exact(sample, [0.5, 0.9]), rel=5e-4
    )


@given(st.lists(st.integers(min_value=0, max_value=10**13), min_size=1, max_size=30))
def test_tiny_samples_are_within_0_6_percent(sample):
    assert quantiles(in_buckets(sample), PROBABILITIES)[0] == pytest.approx(
        exact(sample), rel=0.006
    )


def test_where_values_pile_up_in_a_bucket_the_estimate_piles_up_too():
    # One bucket: 99 values near its lower end and one near its upper end.
    counts = in_buckets([1_005_000] * 99 + [1_014_000])
    assert len(counts.group) == 1
    assert quantiles(counts, [0.1, 0.5, 0.9])[0] == pytest.approx(1_005_000, rel=2e-4)
    assert quantiles(counts, [0.01, 1.0]).tolist() == [[1_005_000, 1_014_000]]


def test_one_value_is_every_quantile_of_itself():
    assert quantiles(in_buckets([41]), PROBABILITIES).tolist() == [[41.0] * 5]


def test_zero_durations_are_zero():
    assert quantiles(in_buckets([0, 0, 0, 8]), [0.5, 0.75, 1.0]).tolist() == [[0, 0, 8]]


def test_a_group_without_values_has_no_quantile_and_disturbs_no_other():
    alone = in_buckets([10, 20], [30, 40])
    between = BucketCounts(
        4,
        2 * alone.group + 1,
        alone.requests,
        alone.requests_squared,
        alone.spans,
        alone.total,
        alone.least,
        alone.most,
    )
    found = quantiles(between, [0.5, 1])
    assert found[[1, 3]].tolist() == [[10, 20], [30, 40]]
    assert np.isnan(found[[0, 2]]).all()


def test_no_groups_give_no_rows():
    nothing = in_buckets()
    assert quantiles(nothing, PROBABILITIES).shape == (0, 5)
    assert [bound.shape for bound in quantile_bounds(nothing, PROBABILITIES)] == [(0, 5)] * 2
    assert deciding_rows(nothing, PROBABILITIES).shape == (0,)


def test_a_weight_counts_like_so_many_values():
    weighted = in_buckets([10, 20, 30], weights=[1, 1, 8])
    spread_out = in_buckets([10, 20, *[30] * 8])
    assert quantiles(weighted, [0.1, 0.2, 0.21]).tolist() == [[10, 20, 30]]
    assert (
        quantiles(weighted, PROBABILITIES).tolist() == quantiles(spread_out, PROBABILITIES).tolist()
    )


durations = st.lists(st.integers(min_value=0, max_value=10**10), min_size=1, max_size=50)


@given(durations, st.lists(st.floats(0.001, 1), min_size=2, max_size=8))
def test_a_higher_probability_never_gives_a_lower_value(sample, probabilities):
    estimates = quantiles(in_buckets(sample), sorted(probabilities))[0]
    assert (np.diff(estimates) >= 0).all()


@given(durations)
def test_the_estimate_stays_between_least_and_greatest(sample):
    estimates = quantiles(in_buckets(sample), PROBABILITIES)[0]
    assert (estimates >= min(sample)).all()
    assert (estimates <= max(sample)).all()


@given(st.lists(durations, min_size=1, max_size=5))
def test_groups_do_not_touch_each_other(samples):
    together = quantiles(in_buckets(*samples), PROBABILITIES)
    apart = [quantiles(in_buckets(sample), PROBABILITIES)[0] for sample in samples]
    assert together == pytest.approx(np.array(apart), rel=1e-12)


def test_ranks_for_the_median_are_those_of_the_sign_test():
    # The textbook 95 % intervals: 6th to 15th of 20, 40th to 61st of 100.
    low, high = bound_ranks([20, 100], [0.5])
    assert low.tolist() == [[6], [40]]
    assert high.tolist() == [[15], [61]]


def test_a_sample_too_small_bounds_nothing():
    # 0.5^n < 0.025 needs six values, to bound the median; 0.99^n < 0.025 needs 368.
    low, high = bound_ranks([5, 6, 367, 368], [0.5, 0.99])
    assert np.isnan(low[0, 0])
    assert np.isnan(high[0, 0])
    assert (low[1, 0], high[1, 0]) == (1, 6)
    assert np.isnan(high[2, 1])
    assert high[3, 1] == 368


@pytest.mark.parametrize(("n", "runs"), [(40, 1500), (400, 1500), (4000, 500)])
def test_bounds_hold_as_often_as_they_say(n, runs):
    rng = np.random.default_rng(n)
    samples = np.exp(rng.normal(17, 0.5, (runs, n)))
    truth = np.exp(17 + 0.5 * np.array([0.0, 1.2815515655446004]))
    low, high = quantile_bounds(in_buckets(*samples), [0.5, 0.9])
    covered = (np.isnan(low) | (low <= truth)) & (np.isnan(high) | (high >= truth))
    assert (covered.mean(axis=0) > 0.95 - 3 * np.sqrt(0.95 * 0.05 / runs)).all()
    if n == 4000:
        # Buckets of 1.09 % must not blow the interval up: it is 4 % wide here.
        assert np.nanmedian(high / low, axis=0).max() < 1.08


@given(durations)
def test_bounds_enclose_the_estimate(sample):
    counts = in_buckets(sample)
    low, high = quantile_bounds(counts, PROBABILITIES)
    estimate = quantiles(counts, PROBABILITIES)
    assert (np.isnan(low) | (low <= estimate)).all()
    assert (np.isnan(high) | (high >= estimate)).all()


def test_weights_widen_the_bounds():
    sample = np.arange(1, 401)
    even = quantile_bounds(in_buckets(sample, weights=np.ones(400)), [0.5])
    uneven = quantile_bounds(in_buckets(sample, weights=np.tile([1, 19], 200)), [0.5])
    assert (uneven[1] - uneven[0] > 1.2 * (even[1] - even[0])).all()


@given(durations)
def test_values_in_the_place_of_deciding_rows_make_everything_exact(sample):
    coarse = in_buckets(sample)
    decided = coarse.least[deciding_rows(coarse, PROBABILITIES)]

    def own_or_bucket(values):
        least = coarse.least[np.searchsorted(coarse.least, values, side="right") - 1]
        return np.where(np.isin(least, decided), values, least)

    refined = in_buckets(sample, bucket_of=own_or_bucket)
    single_values = in_buckets(sample, bucket_of=lambda values: values)
    assert quantiles(refined, PROBABILITIES)[0].tolist() == exact(sample).tolist()
    for found, wanted in zip(
        quantile_bounds(refined, PROBABILITIES),
        quantile_bounds(single_values, PROBABILITIES),
        strict=True,
    ):
        assert np.array_equal(found, wanted, equal_nan=True)
