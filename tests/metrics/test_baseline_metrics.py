"""A baseline of servers' histograms: the same numbers as of spans, as far as buckets tell."""

import json

import numpy as np
import pytest

from pipeline.cli.main import main
from pipeline.errors import UsageError
from pipeline.jobs import baseline_store
from pipeline.jobs.baseline import RESULT_SCHEMA, run
from pipeline.jobs.baseline_request import BaselineRequest
from pipeline.lake import append
from pipeline.schema import SPANS

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
NOON = 1_795_608_000 * SECOND
MILLI = 1_000_000

GET = [("http.request.method", "GET"), ("http.route", "/cart")]


def ask(lake, **arguments):
    return run(lake, BaselineRequest(source="metrics", **arguments))


def one(lake, **arguments):
    (row,) = ask(lake, **arguments).table.to_pylist()
    return row


@pytest.fixture
def requests(exponential):
    """Make a point of durations in seconds, a delta over the minute before it, scale 8."""

    def make(seconds, durations, **given):
        index = np.ceil(np.log2(durations) * 256).astype(int) - 1
        offset = int(index.min())
        return exponential(
            seconds,
            **{
                "scale": 8,
                "positive_offset": offset,
                "positive_bucket_counts": np.bincount(index - offset).tolist(),
                "sum": float(np.sum(durations)),
                "attributes": GET,
                "start": seconds - 60,
                **given,
            },
        )

    return make


def test_a_lake_without_histograms_gives_no_rows_of_the_right_types(lake):
    result = ask(lake)
    assert result.table == RESULT_SCHEMA.empty_table()
    assert (result.since_unix_nano, result.until_unix_nano) == (0, 0)
    assert "histograms of http.server and rpc.server durations" in result.notes[0]


def test_ten_requests_of_one_to_ten_milliseconds_by_hand(lake, land, requests):
    land(
        requests(60, [n * 1e-3 for n in range(1, 10)]),
        requests(60, [0.010], attributes=[*GET, ("http.response.status_code", "503")]),
    )
    row = one(lake)
    assert (row["service_name"], row["operation"], row["service_version"]) == (
        "shop",
        "GET /cart",
        "v1",
    )
    assert (row["requests"], row["spans"], row["clock_errors"]) == (10.0, 10, 0)
    assert row["requests_per_second"] == 10 / 60
    assert row["error_ratio"] == pytest.approx(0.1)
    assert row["error_ratio_low"] == pytest.approx(0.0179, abs=1e-4)
    assert row["duration_nano_mean"] == pytest.approx(5.5 * MILLI)
    assert row["duration_nano_p50"] == pytest.approx(5 * MILLI, rel=0.011)
    assert row["duration_nano_p90"] == pytest.approx(9 * MILLI, rel=0.011)
    # The median of ten lies between the 2nd and the 9th in 97.9 of 100 samples.
    assert row["duration_nano_p50_low"] == pytest.approx(2 * MILLI, rel=0.011)
    assert row["duration_nano_p50_high"] == pytest.approx(9 * MILLI, rel=0.011)
    assert row["duration_nano_p99_high"] is None
    assert row["duration_nano_min"] is row["duration_nano_max"] is row["spans_version"] is None
    assert row["method"] == "metrics"
    result = ask(lake)
    assert (result.since_unix_nano, result.until_unix_nano) == (NOON, NOON + MINUTE)
    assert result.versions == {"metrics": 1}
    assert not any("resolution" in note for note in result.notes)


def test_spans_and_metrics_of_the_same_requests_agree_and_are_never_added(
    lake, land, requests, span_rows
):
    rng = np.random.default_rng(7)
    durations = rng.lognormal(np.log(0.02), 0.8, 2000)
    spans = [
        {
            "service_name": "shop",
            "service_version": "v1",
            "http_request_method": "GET",
            "http_route": "/cart",
            "duration_nano": round(duration * 1e9),
            "start_time_unix_nano": NOON + n,
        }
        for n, duration in enumerate(durations)
    ]
    append(lake, SPANS, span_rows(*spans))
    for part in range(4):
        land(requests(60, durations[part::4], service_instance_id=f"i{part}"))
    (of_spans,) = run(lake, BaselineRequest(exact=True)).table.to_pylist()
    of_metrics = one(lake)
    assert of_spans["requests"] == of_metrics["requests"] == 2000.0
    assert of_metrics["duration_nano_mean"] == pytest.approx(of_spans["duration_nano_mean"])
    for name in ("p50", "p90", "p95", "p99", "p999"):
        quantile = f"duration_nano_{name}"
        assert of_metrics[quantile] == pytest.approx(of_spans[quantile], rel=0.011)
        assert of_metrics[f"{quantile}_low"] <= of_spans[quantile]


def test_explicit_buckets_say_that_their_resolution_is_limited(lake, land, histogram):
    bounds = [0.1, 0.25, 0.5, 1.0]
    land(histogram(60, explicit_bounds=bounds, bucket_counts=[50, 40, 10, 0, 0], start=0))
    result = ask(lake)
    (row,) = result.table.to_pylist()
    # Even inside (0.1 s, 0.25 s]: rank 90 of 100 is its end; rank 95 the middle of (0.25, 0.5].
    assert row["duration_nano_p50"] == pytest.approx(1e8, rel=0.011)
    assert row["duration_nano_p90"] == pytest.approx(2.5e8, rel=0.011)
    assert row["duration_nano_p95"] == pytest.approx(3.75e8, rel=0.011)
    # What is certain of the 40th and of the 61st value is which of the SDK's buckets it is in.
    assert (row["duration_nano_p50_low"], row["duration_nano_p50_high"]) == (0.0, 2.5e8)
    assert result.notes[-1].startswith("p999: resolution is limited, in 1 of 1 groups")


def test_filters_groups_and_windows_are_those_of_spans(lake, land, requests):
    for minute in range(3):
        for instance in ("a", "b"):
            land(requests(60 * (minute + 1), [0.01], service_instance_id=instance))
    assert one(lake)["spans"] == 6
    only = one(lake, where=(("service.instance.id", "b"),), group_by=("service.instance.id",))
    assert (only["spans"], only["dimensions"]) == (3, [("service.instance.id", "b")])
    second = ask(lake, since_unix_nano=NOON + MINUTE, until_unix_nano=NOON + 2 * MINUTE)
    assert second.table["spans"].to_pylist() == [2]
    assert second.table["requests_per_second"].to_pylist() == [2 / 60]
    assert ask(lake, kind="client").table.num_rows == 0
    assert ask(lake, where=(("outcome", "error"),)).table.num_rows == 0


def test_a_window_counts_cumulative_points_from_the_last_one_before_it(lake, land, exponential):
    # A version each, so that the point before the window is in a file of its own.
    for n in (1, 2, 3):
        one_more = {"positive_bucket_counts": [n * n], "start": 0}
        land(exponential(60 * n - 30, aggregation_temporality=2, **one_more))
    window = {"since_unix_nano": NOON + 2 * MINUTE, "until_unix_nano": NOON + 3 * MINUTE}
    assert one(lake, **window)["spans"] == 9 - 4


def test_negative_durations_are_clock_errors(lake, land, exponential):
    land(exponential(60, negative_bucket_counts=[2], positive_bucket_counts=[3], start=0))
    row = one(lake)
    assert (row["spans"], row["clock_errors"]) == (5, 2)


def test_exact_quantiles_of_metrics_and_other_sources_are_refused():
    with pytest.raises(UsageError, match="no single values"):
        BaselineRequest(source="metrics", exact=True)
    with pytest.raises(UsageError, match="known: spans, metrics"):
        BaselineRequest(source="logs")


def test_a_baseline_of_metrics_is_saved_and_written_as_one(lake, land, requests, capfdbinary):
    land(requests(60, [0.01, 0.02]))
    baseline_store.save(lake, ask(lake), "nightly", NOON)
    assert baseline_store.load(lake, "nightly")["method"].to_pylist() == ["metrics"]
    arguments = ["--lake", str(lake.path), "--source", "metrics", "--format", "json"]
    with pytest.raises(SystemExit, match="0"):
        main(["run", "baseline", *arguments])
    document = json.loads(capfdbinary.readouterr().out)
    assert document["method"] == "metrics"
    assert [group["spans"] for group in document["groups"]] == [2]
