"""Each version of the spans is counted exactly once, whatever stops or races the update."""

import multiprocessing
import os
import signal

import pyarrow.parquet as pq
import pytest

from pipeline.errors import LakeError, UsageError
from pipeline.lake import append, take_snapshot
from pipeline.rollup import Update, update
from pipeline.schema import LATENCY_HOURS, LATENCY_MINUTES, SPANS

SECOND = 1_000_000_000
MINUTE, HOUR = 60 * SECOND, 3600 * SECOND
NOON = 1_795_608_000 * SECOND
NOON_MINUTE = NOON // MINUTE


def rows(lake, table):
    """Read a table, partitions left out, in the order of its keys."""
    files = [file.path for file in take_snapshot(lake, table).files]
    read = [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]
    return sorted(read, key=lambda row: [str(row[key]) for key in table.merge_by])


def counted(lake, table):
    return sum(row["spans"] for row in rows(lake, table))


def test_two_spans_in_a_bucket_add_up_to_one_row(lake, land):
    land({"duration_nano": 1000}, {"duration_nano": 1001, "sampling_weight": 4.0})
    update(lake)
    (row,) = rows(lake, LATENCY_MINUTES)
    assert row == {
        "minute": NOON_MINUTE,
        "service_instance_id": "a",
        "service_name": "shop",
        "service_version": "v1",
        "deployment_environment": None,
        "operation": "GET /cart",
        "kind": 2,
        "outcome": "ok",
        "bucket": 637,
        "requests": 5.0,
        "requests_squared": 17.0,
        "spans": 2,
        "duration_sum_nano": 1000 + 4 * 1001.0,
        "duration_min_nano": 1000,
        "duration_max_nano": 1001,
    }


@pytest.mark.parametrize(
    ("span", "operation"),
    [
        ({"http_request_method": "GET", "http_route": "/a", "rpc_method": "s/m"}, "GET /a"),
        ({"http_request_method": "GET", "rpc_method": "s/m"}, "s/m"),
        ({"http_request_method": "GET"}, "GET /cart"),
    ],
)
def test_the_operation_is_route_then_method_then_name(lake, land, span, operation):
    land(span)
    update(lake)
    assert [row["operation"] for row in rows(lake, LATENCY_MINUTES)] == [operation]


@pytest.mark.parametrize(
    ("span", "outcome"),
    [
        ({"http_response_status_code": 500, "status_code": 2}, "http_5xx"),
        ({"http_response_status_code": 404, "status_code": 2}, "error"),
        ({"http_response_status_code": 404, "rpc_status_code": "5"}, "error"),
        ({"http_response_status_code": 404}, "http_4xx"),
        ({"rpc_status_code": "0"}, "ok"),
        ({"rpc_status_code": "OK"}, "ok"),
        ({"rpc_status_code": "NOT_FOUND"}, "error"),
        ({"http_response_status_code": 399, "status_code": 1}, "ok"),
    ],
)
def test_the_outcome_is_the_first_rule_that_holds(lake, land, span, outcome):
    land(span)
    update(lake)
    assert [row["outcome"] for row in rows(lake, LATENCY_MINUTES)] == [outcome]


def test_a_negative_duration_is_a_request_without_a_duration(lake, land):
    land({"duration_nano": -5}, {"duration_nano": 0})
    update(lake)
    negative, zero = sorted(rows(lake, LATENCY_MINUTES), key=lambda row: row["bucket"] is not None)
    assert (negative["bucket"], negative["spans"], negative["requests"]) == (None, 1, 1.0)
    assert negative["duration_sum_nano"] is None
    assert negative["duration_min_nano"] is None
    assert (zero["bucket"], zero["duration_sum_nano"], zero["duration_max_nano"]) == (
        -(2**31),
        0,
        0,
    )


def test_spans_whose_start_cannot_be_are_left_out(lake, land):
    day = 24 * HOUR
    land(
        {"start_time_unix_nano": 0},
        {"start_time_unix_nano": NOON + day + 1, "ingest_time_unix_nano": NOON},
        {"start_time_unix_nano": NOON + day, "ingest_time_unix_nano": NOON},
    )
    done = update(lake)
    assert (done.spans, counted(lake, LATENCY_MINUTES)) == (3, 1)


def test_a_minute_ends_a_nanosecond_before_the_next(lake, land):
    land({"start_time_unix_nano": NOON - 1}, {"start_time_unix_nano": NOON})
    update(lake)
    minutes = [row["minute"] for row in rows(lake, LATENCY_MINUTES)]
    assert minutes == [NOON_MINUTE - 1, NOON_MINUTE]


def test_hours_put_minutes_and_instances_together(lake, land):
    for minute, instance in ((0, "a"), (1, "b"), (59, "a"), (60, "a")):
        land({"start_time_unix_nano": NOON + minute * MINUTE, "service_instance_id": instance})
    update(lake)
    hours = rows(lake, LATENCY_HOURS)
    assert [(row["hour"], row["spans"]) for row in hours] == [
        (NOON // HOUR, 3),
        (NOON // HOUR + 1, 1),
    ]


def test_late_spans_only_add_rows(lake, land):
    land({}, {})
    update(lake)
    before = {file.path for file in take_snapshot(lake, LATENCY_MINUTES).files}
    land({})
    update(lake)
    after = {file.path for file in take_snapshot(lake, LATENCY_MINUTES).files}
    assert before < after
    assert [row["spans"] for row in rows(lake, LATENCY_MINUTES)] in ([1, 2], [2, 1])
    assert counted(lake, LATENCY_HOURS) == 3


def test_nothing_new_makes_no_commit(lake, land):
    land({})
    first = update(lake)
    assert update(lake) == Update(1, first.minutes_version, first.hours_version, 0, 0)
    assert first.commits == 2


def test_an_empty_lake_stays_as_it_is(lake):
    assert update(lake) == Update(0, 0, 0, 0, 0)


def test_a_batch_of_versions_is_one_commit(lake, land):
    for _ in range(5):
        land({}, {})
    told = []
    done = update(lake, batch_rows=4, progress=lambda *rows: told.append(rows))
    assert told == [(4, 10), (8, 10), (10, 10)]
    assert (done.spans, done.spans_version) == (10, 5)
    assert counted(lake, LATENCY_MINUTES) == counted(lake, LATENCY_HOURS) == 10


def test_an_unknown_route_is_refused_with_the_known_ones(lake):
    with pytest.raises(UsageError, match="known routes: duckdb, polars"):
        update(lake, route="pandas")


def test_a_file_gone_before_it_was_counted_is_named(lake, land):
    land({})
    (file,) = take_snapshot(lake, SPANS).files
    file.path.unlink()
    with pytest.raises(LakeError, match=f"{file.path.name}: gone before it was counted"):
        update(lake)


def _update_and_die(lake, commits):
    """Update in a process that is killed right after so many commits of minutes."""
    left = [commits]

    def progress(*_):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    update(lake, batch_rows=1, progress=progress)


def _update_from(lake, barrier, batch_rows):
    """Update as soon as every other process is ready to."""
    barrier.wait(60)
    update(lake, batch_rows=batch_rows)


@pytest.mark.slow
@pytest.mark.parametrize("commits", [1, 3, 6])
def test_an_update_killed_between_commits_loses_and_doubles_nothing(lake, land, commits):
    for version in range(6):
        land(*[{"duration_nano": 1000 * (version + 1)}] * (version + 1))
    spawn = multiprocessing.get_context("spawn")
    process = spawn.Process(target=_update_and_die, args=(lake, commits))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert counted(lake, LATENCY_MINUTES) == sum(range(1, commits + 1))
    update(lake)
    assert [row["spans"] for row in rows(lake, LATENCY_MINUTES)] == [1, 2, 3, 4, 5, 6]
    assert counted(lake, LATENCY_HOURS) == 21


@pytest.mark.slow
@pytest.mark.parametrize("paces", [(1, 10**9), (1, 1), (3, 2, 10**9)])
def test_racing_updaters_of_any_pace_count_every_span_once(lake, land, spans_of, paces):
    land({})
    # Long enough to add up that whoever takes it with the first version commits after whoever
    # takes the first version alone.
    append(lake, SPANS, spans_of({}).take([0] * 400_000))
    for _ in range(6):
        land({"duration_nano": 2000})
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(len(paces))
    updaters = [spawn.Process(target=_update_from, args=(lake, barrier, rows)) for rows in paces]
    for process in updaters:
        process.start()
    for process in updaters:
        process.join(120)
    assert [process.exitcode for process in updaters] == [0] * len(paces)
    assert counted(lake, LATENCY_MINUTES) == counted(lake, LATENCY_HOURS) == 400_007
