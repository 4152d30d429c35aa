"""What a sum added between its points, whoever restarted, repeated or went missing meanwhile."""

import math

import pytest

DELTAS = "SELECT delta FROM metric_rates ORDER BY series_id, time_unix_nano"
RATES = (
    "SELECT delta, interval_seconds, rate_per_second, is_reset FROM metric_rates "
    "ORDER BY series_id, time_unix_nano"
)


def test_a_cumulative_sum_adds_the_difference_of_its_points(ask, number):
    points = [number(10, 100), number(20, 130), number(40, 130)]
    assert ask(RATES, *points) == [
        (None, None, None, False),
        (30.0, 10.0, 3.0, False),
        (0.0, 20.0, 0.0, False),
    ]


def test_the_first_point_counts_from_its_start_where_that_lies_before_it(ask, number):
    assert ask(RATES, number(10, 5, start=0)) == [(5.0, 10.0, 0.5, False)]
    assert ask(DELTAS, number(10, 5, start=10)) == [None]
    assert ask(DELTAS, number(10, 5)) == [None]


def test_a_later_start_is_a_reset_even_when_the_value_rose(ask, number):
    points = [number(10, 5, start=0), number(20, 8, start=12)]
    assert ask(RATES, *points)[1] == (8.0, 8.0, 1.0, True)


def test_a_reset_whose_start_is_its_own_time_only_begins_the_count(ask, number):
    points = [number(10, 5, start=0), number(20, 8, start=20), number(30, 9, start=20)]
    assert [row[::3] for row in ask(RATES, *points)] == [(5.0, False), (None, True), (1.0, False)]


def test_a_falling_value_is_a_reset_of_a_monotonic_sum(ask, number):
    points = [number(10, 50, start=0), number(20, 3, start=0), number(30, 4, start=0)]
    assert ask(RATES, *points)[1:] == [(3.0, 10.0, 0.3, True), (1.0, 10.0, 0.1, False)]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_no_number_is_no_reset_and_nothing_is_counted_twice(ask, number, value):
    points = [number(10, 50.0), number(20, value), number(30, 53.0), number(40, 54.0)]
    found = ask(RATES, *points)
    assert [row[3] for row in found] == [False] * 4
    # What was added about it is not known; after it counting goes on.
    assert not any(math.isfinite(row[0]) for row in found[1:3])
    assert found[3][0] == 1.0


def test_a_sum_that_may_fall_gives_plain_differences(ask, number):
    points = [number(10, 7, is_monotonic=False), number(20, 3, is_monotonic=False)]
    assert ask(RATES, *points)[1] == (-4.0, 10.0, -0.4, False)
    restarted = [
        number(10, 7, is_monotonic=False, start=0),
        number(20, 3, is_monotonic=False, start=15),
    ]
    assert ask(DELTAS, *restarted) == [7.0, -4.0]


def test_delta_points_pass_as_they_are(ask, number):
    points = [
        number(10, 4, aggregation_temporality=1, start=0),
        number(20, 1, aggregation_temporality=1, start=10),
    ]
    assert ask(RATES, *points) == [(4.0, 10.0, 0.4, False), (1.0, 10.0, 0.1, False)]
    without_start = [number(s, 2, aggregation_temporality=1) for s in (10, 15)]
    assert ask(RATES, *without_start) == [(2.0, None, None, False), (2.0, 5.0, 0.4, False)]


@pytest.mark.parametrize("temporality", [1, 2])
def test_a_point_that_comes_twice_or_late_counts_once(ask, number, temporality):
    one, two, three = (
        number(s, v, aggregation_temporality=temporality, start=0)
        for s, v in ((10, 1), (20, 3), (30, 6))
    )
    again = two | {"ingest_time_unix_nano": two["time_unix_nano"] + 10**15}
    expected = [1.0, 3.0, 6.0] if temporality == 1 else [1.0, 2.0, 3.0]
    assert ask(DELTAS, three, again, one, two) == expected


def test_a_gap_ends_an_interval_without_a_value_and_nothing_is_counted_over_it(ask, number):
    points = [
        number(10, 5, start=0),
        number(20, None, flags=1),
        number(30, 9, start=0),
        number(40, 11, start=0),
    ]
    assert ask(RATES, *points) == [
        (5.0, 10.0, 0.5, False),
        (None, 10.0, None, False),
        (None, 10.0, None, False),
        (2.0, 10.0, 0.2, False),
    ]


def test_what_started_during_a_gap_counts_from_its_start(ask, number):
    points = [number(10, 5, start=0), number(20, None, flags=1), number(30, 9, start=21)]
    assert ask(DELTAS, *points) == [5.0, None, 9.0]


def test_integers_stay_exact_beyond_what_a_double_holds(ask, number):
    points = [number(10, 2**62 + 1), number(20, 2**62 + 2), number(30, 2.0**62)]
    sql = "SELECT delta_int FROM metric_rates ORDER BY time_unix_nano"
    assert ask(sql, *points) == [None, 1, None]
    far = [number(10, -(2**63) + 1, is_monotonic=False), number(20, 2**63 - 1, is_monotonic=False)]
    assert ask(sql, *far) == [None, 2**64 - 2]


def test_series_are_told_apart_by_attributes_and_senders(ask, number):
    points = [
        number(s, v, attributes=[("k", key)], service_instance_id=instance)
        for key, instance, step in (("x", "a", 1), ("y", "a", 10), ("x", "b", 100))
        for s, v in ((10, step), (20, 3 * step))
    ]
    sql = (
        "SELECT attributes['k'], service_instance_id, delta FROM metric_rates "
        "WHERE delta IS NOT NULL ORDER BY delta"
    )
    assert ask(sql, *points) == [("x", "a", 2.0), ("y", "a", 20.0), ("x", "b", 200.0)]
