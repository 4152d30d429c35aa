"""Quantiles of histograms and summaries, in the metric's own unit and in seconds."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

QUANTILES = (0.5, 0.95, 0.99)
VALUES = "SELECT value FROM metric_quantiles ORDER BY series_id, time_unix_nano, quantile"
MEDIANS = (
    "SELECT value, lower, upper, resolution_limited FROM metric_quantiles WHERE quantile = 0.5 "
    "ORDER BY time_unix_nano"
)


def test_explicit_buckets_are_even_inside(ask, histogram):
    # 100 values: 50 up to 1, 40 up to 2, 10 up to 4.
    point = histogram(60, explicit_bounds=[1.0, 2.0, 4.0], bucket_counts=[50, 40, 10, 0])
    p50, p95, p99 = ask(VALUES, point)
    assert (p50, p95) == (1.0, 3.0)
    assert p99 == pytest.approx(3.8)
    assert ask(MEDIANS, point) == [(1.0, 0.0, 1.0, True)]


def test_the_first_bucket_begins_at_min_and_the_last_ends_at_max_where_these_are_sent(
    ask, histogram
):
    bounds, sent = [1.0, 2.0], {"min": 0.5, "max": 6.0}
    assert ask(MEDIANS, histogram(9, explicit_bounds=bounds, bucket_counts=[2, 0, 0], **sent)) == [
        (0.75, 0.5, 1.0, True)
    ]
    assert ask(MEDIANS, histogram(9, explicit_bounds=bounds, bucket_counts=[0, 0, 2], **sent)) == [
        (4.0, 2.0, 6.0, True)
    ]
    assert ask(MEDIANS, histogram(9, explicit_bounds=bounds, bucket_counts=[0, 0, 2])) == [
        (2.0, 2.0, 2.0, True)
    ]


def test_a_bucket_of_at_most_five_percent_is_not_limited(ask, histogram):
    bounds = [1.0, 1.04, 1.2]
    flags = "SELECT resolution_limited FROM metric_quantiles WHERE quantile = 0.5"
    assert ask(flags, histogram(9, explicit_bounds=bounds, bucket_counts=[0, 2, 0, 0])) == [False]
    assert ask(flags, histogram(9, explicit_bounds=bounds, bucket_counts=[0, 0, 2, 0])) == [True]


def test_a_bucket_below_zero_without_a_min_is_its_bound(ask, histogram):
    # The old default of SDKs begins at 0: what is in the first bucket is 0.
    point = histogram(9, explicit_bounds=[0.0, 5.0], bucket_counts=[3, 0, 0])
    assert ask(MEDIANS, point)[0][0] == 0.0
    point = histogram(9, explicit_bounds=[-5.0, 5.0], bucket_counts=[3, 0, 0])
    assert ask(MEDIANS, point)[0][0] == -5.0


def test_exponential_buckets_are_even_on_the_log_scale(ask, exponential):
    # Scale 0: (1, 2] holds 2, (2, 4] holds 2. Rank 2 of 4 is the end of the first bucket.
    point = exponential(60, positive_bucket_counts=[2, 2])
    assert ask(MEDIANS, point) == [(2.0, 1.0, 2.0, True)]
    # All 4 in (1, 4] of scale -1: half of them lie below 2.
    point = exponential(60, scale=-1, positive_bucket_counts=[4])
    assert ask(MEDIANS, point) == [(2.0, 1.0, 4.0, True)]
    # Scale 4 is 4.4 % wide; index 16 begins at 2.
    point = exponential(60, scale=4, positive_offset=16, positive_bucket_counts=[1])
    (value, lower, upper, limited), *_ = ask(MEDIANS, point)
    assert (value, lower, limited) == (pytest.approx(2 ** (1 + 1 / 32)), 2.0, False)
    assert upper == pytest.approx(2 ** (17 / 16))


def test_zero_and_negative_buckets_come_before_the_positive_ones(ask, exponential):
    point = exponential(
        60,
        negative_offset=1,
        negative_bucket_counts=[1, 1],
        zero_count=5,
        zero_threshold=0.25,
        positive_bucket_counts=[1],
    )
    # In order: (-8, -4] 1, (-4, -2] 1, zero 5, (1, 2] 1.
    sql = "SELECT spacing, lower, upper, count FROM metric_histogram_buckets ORDER BY lower"
    assert ask(sql, point) == [
        ("log", -8.0, -4.0, 1),
        ("log", -4.0, -2.0, 1),
        ("zero", -0.25, 0.25, 5),
        ("log", 1.0, 2.0, 1),
    ]
    p50, p95, _ = ask(VALUES, point)
    assert (p50, p95) == (0.0, pytest.approx(2**0.6))
    negative = exponential(60, negative_bucket_counts=[2, 2])
    # Rank 2 of 4 is the end of (-4, -2].
    assert ask(MEDIANS, negative) == [(-2.0, -4.0, -2.0, True)]


def test_scales_at_the_ends_of_what_otlp_allows_give_finite_values(ask, exponential):
    for scale, offset in ((-10, -1), (-10, 0), (20, 2**30), (20, -(2**30)), (0, -1100), (0, 1050)):
        point = exponential(9, scale=scale, positive_offset=offset, positive_bucket_counts=[1])
        assert all(math.isfinite(value) for value in ask(VALUES, point))


def test_a_cumulative_histogram_is_the_difference_of_its_points(ask, histogram):
    bounds = [1.0, 2.0, 4.0]
    points = [
        histogram(s, aggregation_temporality=2, explicit_bounds=bounds, bucket_counts=c, start=0)
        for s, c in ((60, [10, 0, 0, 0]), (120, [10, 4, 0, 0]), (180, [10, 4, 0, 0]))
    ]
    sql = (
        "SELECT time_unix_nano // 1000000000 % 1000, count, interval_seconds, value, is_reset "
        "FROM metric_quantiles WHERE quantile = 0.5 ORDER BY ALL"
    )
    assert ask(sql, *points) == [(60, 10, 60.0, 0.5, False), (120, 4, 60.0, 1.5, False)]


def test_a_fallen_count_or_bucket_and_a_later_start_are_resets(ask, histogram):
    def point(seconds, counts, start=0):
        bounds = [1.0, 2.0]
        return histogram(
            seconds,
            aggregation_temporality=2,
            explicit_bounds=bounds,
            bucket_counts=counts,
            start=start,
        )

    sql = (
        "SELECT count, is_reset FROM metric_quantiles WHERE quantile = 0.5 ORDER BY time_unix_nano"
    )
    for second in (point(120, [1, 2, 0]), point(120, [2, 9, 0]), point(120, [9, 9, 0], start=61)):
        counts = second["bucket_counts"]
        assert ask(sql, point(60, [5, 0, 0]), second) == [(5, False), (sum(counts), True)]


def test_a_gap_gives_no_quantile_and_other_bounds_no_difference(ask, histogram):
    cumulative = {"aggregation_temporality": 2, "explicit_bounds": [1.0], "start": 0}
    points = [
        histogram(60, bucket_counts=[1, 0], **cumulative),
        histogram(120, flags=1, aggregation_temporality=2),
        histogram(180, bucket_counts=[3, 0], **cumulative),
        histogram(240, bucket_counts=[7, 0], **cumulative),
        histogram(300, bucket_counts=[8, 1], **cumulative | {"explicit_bounds": [2.0]}),
    ]
    sql = "SELECT count FROM metric_quantiles WHERE quantile = 0.5 ORDER BY time_unix_nano"
    assert ask(sql, *points) == [1, 4]


def test_exponential_points_of_unlike_scale_are_compared_at_the_coarser(ask, exponential):
    points = [
        # Scale 1, from 1: (1, 1.41] 1, (1.41, 2] 2, (2, 2.83] 3.
        exponential(60, scale=1, positive_bucket_counts=[1, 2, 3]),
        # Scale 0: (1, 2] 3 + 4, (2, 4] 3 + 1.
        exponential(120, positive_bucket_counts=[7, 4]),
    ]
    points = [point | {"aggregation_temporality": 2} for point in points]
    sql = "SELECT lower, upper, count FROM metric_histogram_buckets ORDER BY time_unix_nano, lower"
    assert ask(sql, *points) == [(1.0, 2.0, 4), (2.0, 4.0, 1)]
    negative = [exponential(60, scale=1, positive_offset=-3, positive_bucket_counts=[1, 1, 1])]
    negative.append(exponential(120, positive_offset=-2, positive_bucket_counts=[2, 5]))
    negative = [point | {"aggregation_temporality": 2} for point in negative]
    # Index -3 at scale 1 lies in -2 at scale 0, as -1 and -2 lie in -1.
    assert ask(sql, *negative) == [(0.25, 0.5, 1), (0.5, 1.0, 3)]


@pytest.mark.parametrize(("offset", "counts"), [(-1, [9]), (-2, [0, 9])])
def test_a_zero_bucket_that_widened_swallows_what_is_wholly_inside(
    ask, exponential, offset, counts
):
    before = {"zero_count": 1, "positive_offset": -2, "positive_bucket_counts": [4, 4]}
    after = {"zero_count": 6, "zero_threshold": 0.5, "positive_offset": offset}
    after["positive_bucket_counts"] = counts
    points = [
        exponential(60, aggregation_temporality=2, **before),
        exponential(120, aggregation_temporality=2, **after),
    ]
    sql = (
        "SELECT spacing, count, is_reset FROM metric_histogram_buckets "
        "ORDER BY time_unix_nano, lower"
    )
    # 1 zero and 4 in (0.25, 0.5] became 6 zeros; 4 in (0.5, 1] became 9.
    assert ask(sql, *points) == [("zero", 1, False), ("log", 5, False)]


def test_exponential_buckets_of_one_shape_or_another_shift_by_their_offsets(ask, exponential):
    sql = (
        "SELECT lower, count, is_reset FROM metric_histogram_buckets ORDER BY time_unix_nano, lower"
    )
    before = exponential(60, aggregation_temporality=2, positive_bucket_counts=[3], zero_count=1)
    longer = before | exponential(120, positive_bucket_counts=[3, 2], zero_count=2)
    earlier = before | exponential(120, positive_offset=-1, positive_bucket_counts=[1, 4])
    fallen = before | exponential(120, positive_bucket_counts=[2, 7], zero_count=1)
    for after, rows in (
        (longer, [(0.0, 1, False), (2.0, 2, False)]),
        (earlier | {"zero_count": 1}, [(0.5, 1, False), (1.0, 1, False)]),
        (fallen, [(0.0, 1, True), (1.0, 2, True), (2.0, 7, True)]),
    ):
        after["aggregation_temporality"] = 2
        after["count"] = sum(after["positive_bucket_counts"]) + after["zero_count"]
        assert ask(sql, before, after) == rows


@pytest.mark.parametrize(
    ("unit", "seconds"),
    [("s", 2.0), ("ms", 2e-3), ("us", 2e-6), ("ns", 2e-9), ("By", None), ("", None), (None, None)],
)
def test_seconds_are_given_where_the_unit_is_a_time_and_guessed_nowhere(
    ask, exponential, unit, seconds
):
    point = exponential(60, name="http.server.duration", unit=unit, positive_bucket_counts=[2, 2])
    sql = "SELECT value, value_seconds FROM metric_quantiles WHERE quantile = 0.5"
    ((value, converted),) = ask(sql, point)
    assert value == 2.0
    assert converted == (None if seconds is None else pytest.approx(seconds))


def test_summaries_pass_their_own_quantiles_through(ask, histogram):
    pairs = [{"quantile": 0.5, "value": 20.0}, {"quantile": 0.9, "value": 30.0}]
    point = histogram(60, metric_type="summary", unit="ms", count=7, quantile_values=pairs)
    again = point | {"ingest_batch_id": "cd" * 16}
    sql = "SELECT count, quantile, value, value_seconds, resolution_limited FROM metric_quantiles"
    assert sorted(ask(sql, point, again)) == [
        (7, 0.5, 20.0, 0.02, None),
        (7, 0.9, 30.0, 0.03, None),
    ]


def test_histograms_without_values_or_buckets_give_no_rows(ask, histogram, exponential):
    points = [
        histogram(60, explicit_bounds=[1.0], bucket_counts=[0, 0]),
        histogram(61, explicit_bounds=[], bucket_counts=[], count=5),
        exponential(60),
    ]
    assert ask(VALUES, *points) == []


samples = st.lists(st.floats(1e-6, 1e4), min_size=1, max_size=200)


def exact(values):
    return np.quantile(values, QUANTILES, method="inverted_cdf").tolist()


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(samples, st.integers(-2, 8), st.booleans(), st.booleans())
def test_exponential_quantiles_lie_within_a_bucket_of_numpys(
    ask, exponential, values, scale, is_negative, has_ends
):
    index = np.ceil(np.log2(values) * 2.0**scale).astype(int) - 1
    offset = int(index.min())
    # A bucket a value: counts of a fine scale would be long lists of zeros.
    scale_steps = max(0, int(np.ceil(np.log2((index.max() - offset + 1) / 4000))))
    index, scale = index >> scale_steps, scale - scale_steps
    offset = int(index.min())
    side = "negative" if is_negative else "positive"
    numbers = [-value for value in values] if is_negative else values
    point = exponential(60, scale=scale)
    point[f"{side}_offset"] = offset
    point[f"{side}_bucket_counts"] = np.bincount(index - offset).tolist()
    if has_ends:
        point |= {"min": min(numbers), "max": max(numbers)}
    base = 2.0 ** (2.0**-scale)
    for found, wanted in zip(ask(VALUES, point), exact(numbers), strict=True):
        assert 1 / base <= found / wanted * (1 + 1e-9)
        assert found / wanted <= base * (1 + 1e-9)


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(samples, st.lists(st.floats(1e-6, 1e4), min_size=1, max_size=15, unique=True))
def test_explicit_quantiles_lie_in_the_bucket_of_numpys(ask, histogram, values, bounds):
    bounds.sort()
    edges = [0.0, *bounds, max(values)]
    counts = np.bincount(np.searchsorted(bounds, values), minlength=len(bounds) + 1)
    point = histogram(60, explicit_bounds=bounds, bucket_counts=counts.tolist(), max=max(values))
    for found, wanted in zip(ask(VALUES, point), exact(values), strict=True):
        place = int(np.searchsorted(bounds, wanted))
        assert edges[place] <= found <= max(edges[place + 1], edges[place])
