"""A baseline says how many, how many failed and how long, whichever rows it is read from."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import NotEnoughData
from pipeline.jobs.baseline import RESULT_SCHEMA, run
from pipeline.jobs.baseline_request import BaselineRequest
from pipeline.jobs.registry import JOBS
from pipeline.lake import append, open_lake, take_snapshot
from pipeline.rollup import update
from pipeline.schema import SPANS
from pipeline.schema.baselines import QUANTILES, quantile_name

SECOND = 1_000_000_000
MINUTE, HOUR = 60 * SECOND, 3600 * SECOND
NOON = 1_795_608_000 * SECOND
MILLI = 1_000_000

EXACT_AND_ROLLUP = pytest.mark.parametrize("exact", [False, True])


def ask(lake, **arguments):
    return run(lake, BaselineRequest(**arguments))


def one(lake, **arguments):
    (row,) = ask(lake, **arguments).table.to_pylist()
    return row


@EXACT_AND_ROLLUP
def test_a_lake_without_data_gives_no_rows_of_the_right_types(lake, exact):
    result = ask(lake, exact=exact)
    assert result.table == RESULT_SCHEMA.empty_table()
    assert (result.since_unix_nano, result.until_unix_nano) == (0, 0)
    assert result.notes == ("no matching requests in the window; kind 'all' counts every span",)


@EXACT_AND_ROLLUP
def test_ten_requests_of_one_to_ten_milliseconds_by_hand(lake, land, exact):
    land(
        *[{"duration_nano": n * MILLI} for n in range(1, 10)],
        {"duration_nano": 10 * MILLI, "http_response_status_code": 503},
    )
    row = one(lake, exact=exact)
    assert (row["service_name"], row["operation"], row["service_version"]) == (
        "shop",
        "GET /cart",
        "v1",
    )
    assert (row["requests"], row["spans"], row["clock_errors"]) == (10.0, 10, 0)
    assert row["requests_per_second"] == 10 / 60
    assert row["error_ratio"] == 0.1
    # Wilson's interval for 1 of 10.
    assert row["error_ratio_low"] == pytest.approx(0.0179, abs=1e-4)
    assert row["error_ratio_high"] == pytest.approx(0.4042, abs=1e-4)
    assert (row["duration_nano_min"], row["duration_nano_max"]) == (MILLI, 10 * MILLI)
    assert row["duration_nano_mean"] == 5.5 * MILLI
    assert (row["duration_nano_p50"], row["duration_nano_p90"]) == (5 * MILLI, 9 * MILLI)
    assert row["duration_nano_p99"] == 10 * MILLI
    # The median of ten lies between the 2nd and the 9th in 97.9 of 100 samples.
    assert (row["duration_nano_p50_low"], row["duration_nano_p50_high"]) == (2 * MILLI, 9 * MILLI)
    assert row["duration_nano_p99_high"] is None
    assert (row["since_unix_nano"], row["until_unix_nano"]) == (NOON, NOON + MINUTE)
    assert row["dimensions"] == [
        ("service.name", "shop"),
        ("operation", "GET /cart"),
        ("service.version", "v1"),
    ]
    assert (row["method"], row["confidence"]) == ("exact" if exact else "rollup", 0.95)


@EXACT_AND_ROLLUP
def test_only_requests_count_unless_another_kind_is_asked(lake, land, exact):
    land({"kind": 2}, {"kind": 5}, {"kind": 3, "name": "SELECT"})
    assert one(lake, exact=exact)["spans"] == 2
    assert one(lake, kind="client", exact=exact)["operation"] == "SELECT"
    by_kind = ask(lake, kind="all", group_by=("kind",), exact=exact).table.to_pylist()
    assert [row["dimensions"] for row in by_kind] == [
        [("kind", "server")],
        [("kind", "client")],
        [("kind", "consumer")],
    ]


@EXACT_AND_ROLLUP
def test_filters_hold_together_and_groups_come_in_order(lake, land, exact):
    for version in ("v2", None, "v1"):
        for instance in ("a", "b"):
            land({"service_version": version, "service_instance_id": instance})
    everything = ask(lake, exact=exact).table
    assert everything["service_version"].to_pylist() == ["v1", "v2", None]
    assert everything["spans"].to_pylist() == [2, 2, 2]
    filtered = one(
        lake,
        exact=exact,
        where=(("service.version", "v1"), ("service.instance.id", "b")),
        group_by=("service.instance.id",),
    )
    assert (filtered["spans"], filtered["dimensions"]) == (1, [("service.instance.id", "b")])
    assert filtered["service_name"] is None
    assert ask(lake, where=(("service.name", "'; DROP"),)).table.num_rows == 0


@EXACT_AND_ROLLUP
def test_one_group_of_everything_when_nothing_is_grouped_by(lake, land, exact):
    land({"service_name": "a"}, {"service_name": "b"})
    row = one(lake, group_by=(), exact=exact)
    assert (row["spans"], row["dimensions"]) == (2, [])


@EXACT_AND_ROLLUP
def test_clock_errors_are_counted_and_left_out_of_durations(lake, land, exact):
    land({"duration_nano": -1}, {"duration_nano": 7})
    land({"duration_nano": -1, "name": "only errors"})
    result = ask(lake, exact=exact)
    cart, only = result.table.to_pylist()
    assert (cart["spans"], cart["clock_errors"], cart["duration_nano_p50"]) == (2, 1, 7)
    assert (only["spans"], only["clock_errors"]) == (1, 1)
    assert only["duration_nano_p50"] is only["duration_nano_min"] is None
    assert only["duration_nano_mean"] is None
    assert "2 spans end before they start (clock errors)" in result.notes[0]


@EXACT_AND_ROLLUP
def test_weights_count_as_requests_and_widen_intervals(lake, land, exact):
    land({"sampling_weight": 8.0, "duration_nano": 3}, {"duration_nano": 1, "status_code": 2})
    row = one(lake, exact=exact)
    assert (row["requests"], row["spans"], row["duration_nano_p50"]) == (9.0, 2, 3)
    assert row["error_ratio"] == pytest.approx(1 / 9)
    # (8 + 1)^2 / (64 + 1) = 1.25 equally weighted requests bound next to nothing.
    assert row["error_ratio_high"] > 0.75


@EXACT_AND_ROLLUP
def test_a_window_takes_whole_minutes_and_says_so(lake, land, exact):
    land(*[{"start_time_unix_nano": NOON + m * MINUTE} for m in range(4)])
    result = ask(
        lake,
        exact=exact,
        since_unix_nano=NOON + MINUTE + 1,
        until_unix_nano=NOON + 2 * MINUTE + 1,
    )
    assert result.table["spans"].to_pylist() == [2]
    assert (result.since_unix_nano, result.until_unix_nano) == (NOON + MINUTE, NOON + 3 * MINUTE)
    assert result.table["requests_per_second"].to_pylist() == [2 / 120]
    assert "the window was widened to whole minutes" in result.notes
    whole = ask(lake, since_unix_nano=NOON + MINUTE, until_unix_nano=NOON + 2 * MINUTE)
    assert whole.table["spans"].to_pylist() == [1]
    assert "the window was widened to whole minutes" not in whole.notes


def test_whole_hours_and_the_minutes_beside_them_are_counted_once(lake, land):
    land(*[{"start_time_unix_nano": NOON + m * MINUTE} for m in range(-90, 90, 10)])
    for since, until in ((-90, 90), (-60, 60), (-61, 61), (-59, 59), (-30, -10), (0, 1)):
        window = {
            "since_unix_nano": NOON + since * MINUTE,
            "until_unix_nano": NOON + until * MINUTE,
        }
        expected = len([m for m in range(-90, 90, 10) if since <= m < until])
        assert one(lake, **window)["spans"] == expected
        assert one(lake, **window, group_by=("service_instance_id",))["spans"] == expected


@EXACT_AND_ROLLUP
def test_an_open_window_is_covered_to_the_minute_even_by_hours(lake, land, exact):
    land(*[{"start_time_unix_nano": NOON + m * MINUTE} for m in (7, 100, 200)])
    land({"start_time_unix_nano": NOON + 90 * MINUTE, "service_version": "v2"})
    result = ask(lake, exact=exact)
    assert (result.since_unix_nano, result.until_unix_nano) == (
        NOON + 7 * MINUTE,
        NOON + 201 * MINUTE,
    )
    narrow = ask(lake, where=(("service.version", "v2"),), exact=exact)
    assert narrow.until_unix_nano - narrow.since_unix_nano == MINUTE
    assert narrow.table["requests_per_second"].to_pylist() == [1 / 60]


def test_the_rollups_are_brought_up_to_date_first(lake, land):
    land({})
    assert one(lake)["spans"] == 1
    land({})
    result = ask(lake)
    assert result.table["spans"].to_pylist() == [2]
    assert result.versions == {"spans": 2, "latency_minutes": 2, "latency_hours": 2}
    assert result.table["spans_version"].to_pylist() == [2]


def test_exact_says_so_when_the_spans_are_no_longer_kept(lake, land):
    land({"duration_nano": 1000}, {"duration_nano": 1001})
    update(lake)
    (file,) = take_snapshot(lake, SPANS).files
    pq.write_table(pq.ParquetFile(file.path).read().slice(1), file.path)
    with pytest.raises(NotEnoughData, match="counts 2 spans where the lake still has 1"):
        ask(lake, exact=True)
    assert one(lake)["spans"] == 2


def test_the_jobs_have_names_of_their_own():
    names = [
        "baseline",
        "judge",
        "audit",
        "changes",
        "capacity",
        "cache",
        "hotspots",
        "profile-diff",
    ]
    assert [job.name for job in JOBS] == names
    assert JOBS[0].run is run


requests = st.lists(
    st.fixed_dictionaries(
        {
            "service_version": st.sampled_from(["v1", None]),
            "start_time_unix_nano": st.integers(-150, 150).map(lambda m: NOON + m * MINUTE),
            "duration_nano": st.one_of(st.integers(0, 10**9), st.integers(1000, 1010)),
            "status_code": st.integers(0, 2),
        }
    ),
    min_size=1,
    max_size=40,
)


@settings(
    deadline=None,
    max_examples=8,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(requests)
def test_exact_is_numpys_and_the_rollup_is_near_it(tmp_path_factory, spans_of, rows):
    lake = open_lake(tmp_path_factory.mktemp("lakes") / "lake", create=True)
    half = len(rows) // 2
    for part in (rows[:half], rows[half:]):
        append(lake, SPANS, spans_of(*part))
    exact = ask(lake, exact=True).table.to_pylist()
    rolled = ask(lake).table.to_pylist()
    assert len(exact) == len(rolled)
    for precise, near in zip(exact, rolled, strict=True):
        own = [row for row in rows if row["service_version"] == precise["service_version"]]
        nanos = [row["duration_nano"] for row in own]
        assert near["spans"] == precise["spans"] == len(own)
        failed = sum(row["status_code"] == 2 for row in own) / len(own)
        assert near["error_ratio"] == precise["error_ratio"] == pytest.approx(failed)
        assert (near["duration_nano_min"], near["duration_nano_max"]) == (min(nanos), max(nanos))
        for quantile in QUANTILES:
            name = f"duration_nano_{quantile_name(quantile)}"
            wanted = np.quantile(nanos, quantile, method="inverted_cdf")
            assert precise[name] == wanted
            assert near[name] == pytest.approx(wanted, rel=0.006)
            for bound, outward in (("_low", 1), ("_high", -1)):
                if precise[name + bound] is None:
                    assert near[name + bound] is None
                else:
                    assert precise[name + bound] in nanos
                    assert outward * (precise[name + bound] - near[name + bound]) >= 0
