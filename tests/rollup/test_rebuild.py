"""Counting days anew: the same rows as counting them once, and never twice."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from deltalake import DeltaTable

from pipeline.lake import Lake, append, commit, removals, take_snapshot
from pipeline.lake.catalog import connect
from pipeline.lake.compact import compact
from pipeline.rollup import update
from pipeline.rollup.rebuild import rebuild, recount
from pipeline.schema import LATENCY_HOURS, LATENCY_MINUTES, SPANS

DAY = 86_400_000_000_000
NOON = 1_772_366_400_000_000_000
ALL = datetime.date.min


def counts(lake: Lake) -> list[list[tuple[Any, ...]]]:
    """Give both rollups, added up."""
    with connect(lake) as connection:
        return [
            connection.sql(
                f"SELECT operation, bucket, sum(spans), sum(duration_sum_nano) FROM {table} "
                "GROUP BY ALL ORDER BY ALL"
            ).fetchall()
            for table in ("latency_minutes", "latency_hours")
        ]


def test_counting_anew_gives_what_counting_once_gave(
    lake: Lake, land: Callable[..., object]
) -> None:
    land({"name": "a"}, {"name": "b", "duration_nano": 7})
    land({"name": "a", "start_time_unix_nano": NOON + DAY})
    update(lake)
    before = counts(lake)
    assert rebuild(lake, ALL) == 3
    assert counts(lake) == before
    assert update(lake).spans == 0
    land({"name": "c"})
    assert update(lake).spans == 1


def test_a_doubled_rollup_is_put_right(lake: Lake, land: Callable[..., object]) -> None:
    land({"name": "a"})
    update(lake)
    before = counts(lake)
    with connect(lake) as connection:
        rows = connection.sql("FROM latency_minutes").to_arrow_table()
    append(lake, LATENCY_MINUTES, rows.cast(LATENCY_MINUTES.arrow_schema))
    update(lake)
    assert counts(lake) != before
    rebuild(lake, ALL)
    assert counts(lake) == before


def test_days_before_the_first_one_stay_as_they_are(
    lake: Lake, land: Callable[..., object]
) -> None:
    land(
        {"name": "old", "start_time_unix_nano": NOON},
        {"name": "new", "start_time_unix_nano": NOON + DAY},
    )
    update(lake)
    # The old day's spans are gone, as retention takes them; its rollup rows outlive them.
    old = [file for file in take_snapshot(lake, SPANS).files if str(file.date) == "2026-03-01"]
    commit(lake, SPANS, removals(lake, SPANS, old, data_change=True))
    before = counts(lake)
    assert len(before[0]) == 2
    assert rebuild(lake, datetime.date(2026, 3, 2)) == 1
    assert counts(lake) == before


def test_a_log_that_lost_its_entries_can_be_counted_anew(
    lake: Lake, land: Callable[..., object]
) -> None:
    land({"name": "a"})
    land({"name": "b"})
    DeltaTable(str(lake.folder(SPANS))).create_checkpoint()
    (lake.folder(SPANS) / "_delta_log" / f"{1:020d}.json").unlink()
    assert rebuild(lake, ALL) == 2
    assert update(lake).spans == 0
    assert [sum(row[2] for row in rows) for rows in counts(lake)] == [2, 2]
    assert take_snapshot(lake, LATENCY_HOURS).rows == 2


def test_an_empty_lake_has_nothing_to_count(lake: Lake) -> None:
    assert rebuild(lake, ALL) == 0


def again(number: int, **more: object) -> dict[str, object]:
    """Give a span with ids of its own, to be sent more than once."""
    same = {"name": "a", "trace_id": f"{number:032x}", "span_id": f"{number:016x}"}
    return {**same, "start_time_unix_nano": NOON, **more}


def test_spans_that_compaction_left_out_are_counted_once(
    lake: Lake, land: Callable[..., object]
) -> None:
    land(again(1), again(2))
    update(lake)
    land(again(2), again(3), again(4, start_time_unix_nano=NOON + DAY))
    # One before the count, one behind it: compaction takes both alike.
    update(lake)
    land(again(3))
    assert compact(lake, SPANS, 1 << 30).repeats == 2
    assert [str(day) for day in recount(lake)] == ["2026-03-01"]
    assert [sum(row[2] for row in rows) for rows in counts(lake)] == [4, 4]
    assert recount(lake) == set()
    land(again(5))
    assert update(lake).spans == 1
    assert [sum(row[2] for row in rows) for rows in counts(lake)] == [5, 5]


def test_other_days_are_not_counted_again(lake: Lake, land: Callable[..., object]) -> None:
    land(again(1), again(2, start_time_unix_nano=NOON - DAY))
    land(again(1))
    update(lake)
    old = [file for file in take_snapshot(lake, SPANS).files if str(file.date) == "2026-02-28"]
    commit(lake, SPANS, removals(lake, SPANS, old, data_change=True))
    compact(lake, SPANS, 1 << 30)
    recount(lake)
    assert [sum(row[2] for row in rows) for rows in counts(lake)] == [2, 2]


def test_a_recount_that_was_cut_off_is_done_by_the_next(
    lake: Lake, land: Callable[..., object]
) -> None:
    for _ in range(2):
        land(again(1))
    update(lake)
    compact(lake, SPANS, 1 << 30)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.rollup.rebuild._replace", stop)
        with pytest.raises(KeyboardInterrupt):
            recount(lake)
    assert recount(lake)
    assert [sum(row[2] for row in rows) for rows in counts(lake)] == [1, 1]


def stop(*_: object) -> None:
    """Stand for a process that ends here."""
    raise KeyboardInterrupt
