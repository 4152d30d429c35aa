"""Upkeep: rollups, compaction, retention and vacuum, in turn, and nothing lost by any of them."""

import time
from collections.abc import Callable

import pyarrow as pa

from pipeline.cli.upkeep import Upkeep, drop_old, protected, tidy
from pipeline.lake import Lake, append, take_snapshot
from pipeline.lake.catalog import connect
from pipeline.rollup import update
from pipeline.schema import LATENCY_MINUTES, SPANS
from pipeline.settings import Maintenance

SpanRows = Callable[..., pa.Table]
DAY = 86_400_000_000_000


def counted(lake: Lake) -> int:
    """Give the spans that the minutes count."""
    with connect(lake) as connection:
        found = connection.sql("SELECT coalesce(sum(spans), 0) FROM latency_minutes").fetchall()
    return int(found[0][0])


def test_a_step_rolls_up_and_tidies_when_due(lake: Lake, span_rows: SpanRows) -> None:
    now = time.time_ns()
    for number in range(9):
        times = {"start_time_unix_nano": now + number, "ingest_time_unix_nano": now}
        append(lake, SPANS, span_rows(times))
    upkeep = Upkeep(lake, Maintenance(vacuum_hours=0), rolled_up_at=-1e9, compacted_at=-1e9)
    assert upkeep.step() is False
    assert counted(lake) == 9
    assert len(take_snapshot(lake, SPANS).files) == 1
    append(lake, SPANS, span_rows({"start_time_unix_nano": now, "ingest_time_unix_nano": now}))
    upkeep.step()
    assert counted(lake) == 9
    upkeep.rolled_up_at = -1e9
    upkeep.step()
    assert counted(lake) == 10


def test_tidying_counts_what_was_sent_again_once(lake: Lake, span_rows: SpanRows) -> None:
    now = time.time_ns()
    for _ in range(9):
        append(lake, SPANS, span_rows({"start_time_unix_nano": now, "ingest_time_unix_nano": now}))
    update(lake)
    assert counted(lake) == 9
    tidy(lake, Maintenance(vacuum_hours=0))
    assert take_snapshot(lake, SPANS).rows == 1
    assert counted(lake) == 1


def test_tidying_spares_the_files_that_no_rollup_has_counted(
    lake: Lake, span_rows: SpanRows
) -> None:
    now = time.time_ns()
    for number in range(9):
        times = {"start_time_unix_nano": now + number, "ingest_time_unix_nano": now}
        append(lake, SPANS, span_rows(times))
    assert len(protected(lake, SPANS)) == 9
    tidy(lake, Maintenance(vacuum_hours=0))
    assert update(lake).spans == 9
    assert protected(lake, SPANS) == frozenset()
    assert counted(lake) == 9


def test_what_is_too_old_leaves_each_table_at_its_own_age(lake: Lake, span_rows: SpanRows) -> None:
    now = time.time_ns()
    for days in (40, 1):
        start = now - days * DAY
        rows = span_rows({"start_time_unix_nano": start, "ingest_time_unix_nano": start})
        append(lake, SPANS, rows)
    update(lake)
    dropped = drop_old(lake, Maintenance(spans_days=30, latency_minutes_days=90))
    assert dropped["spans"] == 1
    assert dropped["latency_minutes"] == 0
    assert take_snapshot(lake, SPANS).rows == 1
    assert counted(lake) == 2
    assert drop_old(lake, Maintenance(spans_days=0, latency_minutes_days=30)) == {
        "metrics": 0,
        "logs": 0,
        "profiles": 0,
        "profile_samples": 0,
        "ebpf_histograms": 0,
        "ebpf_counts": 0,
        "ebpf_events": 0,
        "latency_minutes": 1,
        "latency_hours": 0,
    }
    assert take_snapshot(lake, LATENCY_MINUTES).rows == 1
