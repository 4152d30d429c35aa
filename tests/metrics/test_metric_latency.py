"""Servers' histograms in the buckets of the rollups: whose, when, how they ended, how long."""

import pytest

from pipeline.stats.buckets import ZERO_BUCKET, bucket_bounds, bucket_index

NOON_MINUTE = 1_795_608_000 // 60
MILLI = 1_000_000

ROWS = (
    "SELECT bucket, requests, spans, duration_min_nano, duration_max_nano, resolution_limited "
    "FROM metric_latency_buckets ORDER BY bucket"
)
TOTAL = "SELECT SUM(requests), SUM(spans), SUM(duration_sum_nano) FROM metric_latency_buckets"
OUTCOMES = "SELECT operation, kind, outcome FROM metric_requests"


def test_nanoseconds_at_scale_six_keep_their_very_bucket(ask, exponential):
    index = int(bucket_index([5 * MILLI])[0])
    point = exponential(60, unit="ns", scale=6, start=0)
    point |= {"positive_offset": index - 1, "positive_bucket_counts": [2, 3], "count": 5}
    assert [row[:3] for row in ask(ROWS, point)] == [(index - 1, 2.0, 2), (index, 3.0, 3)]
    assert not any(row[5] for row in ask(ROWS, point))


def test_a_bucket_of_seconds_is_spread_on_the_log_scale_over_those_it_covers(ask, exponential):
    # (1 s, 2 s] of scale 0 covers 64 of our buckets and a part of two halves, 640 requests in all.
    point = exponential(60, positive_bucket_counts=[640], start=0)
    rows = ask(ROWS, point)
    assert len(rows) == 65
    lower, upper = bucket_bounds([rows[0][0], rows[-1][0]])
    assert lower[0] < 1e9 < upper[0]
    assert lower[1] < 2e9 < upper[1]
    assert [row[1] for row in rows[1:-1]] == pytest.approx([10.0] * 63)
    assert rows[0][1] + rows[-1][1] == pytest.approx(10.0)
    assert sum(row[2] for row in rows) == 640
    assert {row[3:] for row in rows} == {(10**9, 2 * 10**9, True)}


def test_an_explicit_bucket_is_spread_evenly(ask, histogram):
    # (512, 1024] ns: a bucket of ours (b^i, b^(i+1)] gets its width of the 512 ns.
    point = histogram(60, unit="ns", start=0)
    point |= {"explicit_bounds": [512.0, 1024.0], "bucket_counts": [0, 512, 0], "count": 512}
    rows = ask(ROWS, point)
    assert [row[0] for row in rows] == list(range(9 * 64, 10 * 64))
    lower, upper = bucket_bounds([row[0] for row in rows])
    assert [row[1] for row in rows] == pytest.approx((upper - lower).tolist())
    assert sum(row[2] for row in rows) == 512
    assert {row[5] for row in rows} == {True}


def test_a_bucket_from_zero_loses_nothing_and_ends_at_its_bound(ask, histogram):
    point = histogram(60, explicit_bounds=[0.005], bucket_counts=[1000, 0], start=0)
    rows = ask(ROWS, point)
    assert rows[-1][0] == int(bucket_index([5 * MILLI])[0])
    assert sum(row[1] for row in rows) == pytest.approx(1000)
    assert sum(row[2] for row in rows) == 1000
    assert {row[3:5] for row in rows} == {(0, 5 * MILLI)}


def test_zeros_and_negative_durations_have_their_own_places(ask, exponential):
    point = exponential(60, zero_count=3, zero_threshold=1e-6, negative_bucket_counts=[2], start=0)
    assert ask(ROWS, point) == [
        (ZERO_BUCKET, 3.0, 3, 0, 1000, True),
        (None, 2.0, 2, None, None, True),
    ]


def test_sums_of_durations_are_those_that_were_sent(ask, histogram):
    point = histogram(60, explicit_bounds=[0.1, 0.2], bucket_counts=[4, 6, 0], sum=1.3, start=0)
    requests, spans, total = ask(TOTAL, point)[0]
    assert (requests, spans) == (pytest.approx(10), 10)
    assert total == pytest.approx(1.3e9)
    cumulative = [
        histogram(s, explicit_bounds=[1.0], bucket_counts=[n, 0], sum=total, start=0)
        | {"aggregation_temporality": 2}
        for s, n, total in ((60, 4, 2.0), (120, 6, 3.5))
    ]
    by_minute = (
        "SELECT minute, SUM(spans), SUM(duration_sum_nano) FROM metric_latency_buckets "
        "GROUP BY minute ORDER BY minute"
    )
    assert ask(by_minute, *cumulative) == [
        (NOON_MINUTE, 4, pytest.approx(2e9)),
        (NOON_MINUTE + 1, 2, pytest.approx(1.5e9)),
    ]


def test_an_interval_belongs_to_the_minute_that_it_ends_in(ask, exponential):
    points = [exponential(s, positive_bucket_counts=[1], start=s - 60) for s in (60, 61, 120)]
    sql = "SELECT minute, SUM(requests) FROM metric_requests GROUP BY minute ORDER BY minute"
    assert ask(sql, *points) == [(NOON_MINUTE, 1), (NOON_MINUTE + 1, 2)]


def test_milliseconds_and_seconds_meet_in_nanoseconds(ask, histogram):
    new = histogram(60, explicit_bounds=[0.25, 0.5], bucket_counts=[0, 1, 0], start=0)
    old = histogram(60, explicit_bounds=[250.0, 500.0], bucket_counts=[0, 1, 0], start=0)
    old |= {"name": "http.server.duration", "unit": "ms", "service_instance_id": "b"}
    sql = "SELECT lower_nano, upper_nano, service_instance_id FROM metric_requests ORDER BY ALL"
    assert ask(sql, new, old) == [(2.5e8, 5e8, "a"), (2.5e8, 5e8, "b")]


@pytest.mark.parametrize(
    ("attributes", "operation", "outcome"),
    [
        ({"http.request.method": "GET", "http.route": "/cart"}, "GET /cart", "ok"),
        ({"http.method": "GET", "http.route": "/", "http.status_code": "503"}, "GET /", "http_5xx"),
        ({"http.request.method": "PUT", "http.response.status_code": "404"}, "PUT", "http_4xx"),
        ({"http.request.method": "PUT", "error.type": "timeout"}, "PUT", "error"),
        ({"rpc.service": "Cart", "rpc.method": "Add"}, "Cart/Add", "ok"),
        ({"rpc.method": "Cart/Add", "rpc.grpc.status_code": "0"}, "Cart/Add", "ok"),
        ({"rpc.method": "Cart/Add", "rpc.response.status_code": "INTERNAL"}, "Cart/Add", "error"),
        ({}, "http.server.request.duration", "ok"),
        ({"http.request.method": "GET", "http.response.status_code": "none"}, "GET", "ok"),
    ],
)
def test_operation_and_outcome_are_named_as_those_of_spans(
    ask, exponential, attributes, operation, outcome
):
    point = exponential(60, attributes=list(attributes.items()), positive_bucket_counts=[1])
    assert ask(OUTCOMES, point) == [(operation, 2, outcome)]


def test_only_durations_of_servers_in_a_known_unit_count(ask, exponential):
    one = {"positive_bucket_counts": [1]}
    points = [
        exponential(60, name="http.client.request.duration", **one),
        exponential(60, name="jobs.duration", **one),
        exponential(60, unit="By", **one),
        exponential(60, unit=None, **one),
    ]
    assert ask(OUTCOMES, *points) == []
    assert len(ask(OUTCOMES, *points, exponential(60, name="rpc.server.duration", **one))) == 1


def test_an_interval_of_over_an_hour_belongs_to_no_minute(ask, exponential):
    cumulative = {"aggregation_temporality": 2, "positive_bucket_counts": [1]}
    sql = "SELECT SUM(requests) FROM metric_requests"
    assert ask(sql, exponential(60, start=60 - 3600, **cumulative)) == [1]
    assert ask(sql, exponential(60, start=59 - 3600, **cumulative)) == [None]


def test_a_series_that_turns_up_late_counts_when_its_siblings_were_seen_before(ask, exponential):
    process = {"aggregation_temporality": 2, "start": -50_000}
    failed = {"attributes": [("error.type", "timeout")], **process}
    points = [
        exponential(60, positive_bucket_counts=[1000], **process),
        exponential(120, positive_bucket_counts=[1007], **process),
        exponential(120, positive_bucket_counts=[1], **failed),
    ]
    sql = "SELECT outcome, SUM(requests) FROM metric_requests GROUP BY outcome ORDER BY outcome"
    # The first thousand were counted over most of a day: nobody knows in which minute.
    assert ask(sql, *points) == [("error", 1), ("ok", 7)]


def test_a_bucket_beyond_what_a_double_or_a_bigint_holds_ends_at_the_longest_duration(
    ask, exponential
):
    far = exponential(60, scale=-11, start=0) | {
        "positive_offset": 0,
        "positive_bucket_counts": [4],
        "count": 4,
    }
    beyond = exponential(120, scale=20, start=0) | {
        "positive_offset": 2**30 - 2,
        "positive_bucket_counts": [3],
        "count": 3,
    }
    rows = ask(ROWS, far, beyond)
    assert sum(row[1] for row in rows) == pytest.approx(7)
    assert sum(row[2] for row in rows) == 7
    assert max(row[4] for row in rows) <= 2**63 - 1
