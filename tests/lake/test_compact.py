"""Compaction, retention and vacuum: fewer files, the same rows, nobody disturbed."""

import datetime
import os
import time
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.lake import Lake, append, changes_since, take_snapshot
from pipeline.lake.catalog import connect
from pipeline.lake.compact import compact, repeats_since
from pipeline.lake.retain import Removed, retain, vacuum
from pipeline.schema import LATENCY_MINUTES, SPANS

SpanRows = Callable[..., pa.Table]
MIB = 1 << 20
NOON = 1_795_608_000_000_000_000
DAY = 86_400_000_000_000


def three_files(lake: Lake, span_rows: SpanRows) -> None:
    """Land three files whose rows are in no order."""
    for names in (("b", "a"), ("c",), ("a", "d")):
        append(lake, SPANS, span_rows(*({"name": name} for name in names)))


def rows_of(lake: Lake) -> list[tuple[object, ...]]:
    """Read what a query sees, in order."""
    with connect(lake) as connection:
        return connection.sql("SELECT * EXCLUDE (span_id) FROM spans ORDER BY ALL").fetchall()


def test_compaction_leaves_one_sorted_file_with_the_same_rows(
    lake: Lake, span_rows: SpanRows
) -> None:
    three_files(lake, span_rows)
    before = rows_of(lake)
    done = compact(lake, SPANS, MIB)
    (file,) = take_snapshot(lake, SPANS).files
    assert (done.files_before, done.files_after) == (3, 1)
    assert pq.ParquetFile(file.path).read()["name"].to_pylist() == ["a", "a", "b", "c", "d"]
    assert rows_of(lake) == before


def test_compacted_rows_are_no_new_rows(lake: Lake, span_rows: SpanRows) -> None:
    three_files(lake, span_rows)
    compact(lake, SPANS, MIB)
    assert sum(change.rows for change in changes_since(lake, SPANS, -1)) == 5


def test_a_compacted_file_keeps_its_footer_and_gains_bloom_filters(
    lake: Lake, span_rows: SpanRows
) -> None:
    three_files(lake, span_rows)
    landed = pq.read_metadata(take_snapshot(lake, SPANS).files[0].path)
    compact(lake, SPANS, MIB)
    compacted = pq.read_metadata(take_snapshot(lake, SPANS).files[0].path)
    assert compacted.metadata == landed.metadata
    assert compacted.metadata[b"tailgate.schema_version"] == b"1"
    group = compacted.row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert columns["trace_id"].bloom_filter_offset is not None


def test_a_reader_of_an_older_version_reads_on_until_vacuum(
    lake: Lake, span_rows: SpanRows
) -> None:
    three_files(lake, span_rows)
    with connect(lake) as reader:
        compact(lake, SPANS, MIB)
        vacuum(lake, SPANS, keep_hours=1)
        assert reader.sql("SELECT count(*) FROM spans").fetchall() == [(5,)]
        assert vacuum(lake, SPANS, keep_hours=0).files == 3
    assert len(rows_of(lake)) == 5


def test_days_are_not_mixed_and_large_files_are_left_alone(lake: Lake, span_rows: SpanRows) -> None:
    append(lake, SPANS, span_rows({}, {"start_time_unix_nano": NOON - DAY}))
    assert compact(lake, SPANS, MIB).files_before == 0
    append(lake, SPANS, span_rows({}))
    assert compact(lake, SPANS, target_bytes=1).files_before == 0
    assert compact(lake, SPANS, MIB).files_before == 2
    assert len(take_snapshot(lake, SPANS).files) == 2


def test_a_compaction_that_another_one_overtook_changes_nothing(
    lake: Lake, span_rows: SpanRows
) -> None:
    three_files(lake, span_rows)

    def overtake(done: int, total: int) -> None:
        assert done == total

    before = take_snapshot(lake, SPANS)
    compact(lake, SPANS, MIB, overtake)
    # The same files again, as one that started at the same time would want them.
    from pipeline.lake.compact import _swap

    assert _swap(lake, SPANS, before.files, threads=1, may_drop=True).files_before == 0
    assert take_snapshot(lake, SPANS).rows == 5
    on_disk = set(lake.folder(SPANS).glob("date=*/*.parquet"))
    known = {file.path for file in (*before.files, *take_snapshot(lake, SPANS).files)}
    assert on_disk == known


def test_equal_rows_of_a_rollup_are_added_up(lake: Lake) -> None:
    def row(minute: int, spans: int, least: int, most: int) -> dict[str, object]:
        return {
            "minute": minute,
            "service_name": "checkout",
            "kind": 2,
            "outcome": "ok",
            "bucket": 7,
            "requests": float(spans),
            "requests_squared": float(spans),
            "spans": spans,
            "duration_sum_nano": 10.0 * spans,
            "duration_min_nano": least,
            "duration_max_nano": most,
            "date": 20_000,
        }

    for rows in ([row(1, 2, 5, 9), row(2, 1, 1, 1)], [row(1, 3, 4, 8)]):
        columns = {
            name: [one.get(name) for one in rows] for name in LATENCY_MINUTES.arrow_schema.names
        }
        arrays = [
            pa.array(columns[f.name], pa.int32()).cast(pa.date32())
            if f.name == "date"
            else pa.array(columns[f.name], f.type)
            for f in LATENCY_MINUTES.arrow_schema
        ]
        append(
            lake,
            LATENCY_MINUTES,
            pa.Table.from_arrays(arrays, schema=LATENCY_MINUTES.arrow_schema),
        )
    compact(lake, LATENCY_MINUTES, MIB)
    (file,) = take_snapshot(lake, LATENCY_MINUTES).files
    kept = pq.ParquetFile(file.path).read().sort_by("minute").to_pylist()
    told = [(r["minute"], r["spans"], r["requests"], r["duration_sum_nano"]) for r in kept]
    assert told == [(1, 5, 5.0, 50.0), (2, 1, 1.0, 10.0)]
    assert [(r["duration_min_nano"], r["duration_max_nano"]) for r in kept] == [(4, 9), (1, 1)]


def test_retention_takes_whole_files_that_are_too_old(lake: Lake, span_rows: SpanRows) -> None:
    append(lake, SPANS, span_rows({"start_time_unix_nano": NOON - 10 * DAY}))
    append(lake, SPANS, span_rows({"start_time_unix_nano": NOON - 10 * DAY + 5}, {}))
    assert retain(lake, SPANS, NOON - 9 * DAY).rows == 2
    assert take_snapshot(lake, SPANS).rows == 1
    assert retain(lake, SPANS, NOON - 9 * DAY) == Removed()


def test_rows_without_a_true_time_age_from_their_receipt(lake: Lake, span_rows: SpanRows) -> None:
    append(lake, SPANS, span_rows({"start_time_unix_nano": 1, "date": NOON // DAY}))
    assert retain(lake, SPANS, NOON - 9 * DAY) == Removed()
    assert retain(lake, SPANS, NOON + DAY).rows == 1


def test_vacuum_takes_orphans_only_when_no_commit_can_still_want_them(
    lake: Lake, span_rows: SpanRows
) -> None:
    append(lake, SPANS, span_rows({}))
    (file,) = take_snapshot(lake, SPANS).files
    fresh, old = (file.path.with_name(name) for name in ("part-1.parquet", "part-2.parquet"))
    for orphan in (fresh, old):
        orphan.write_bytes(b"half")
    day_ago = time.time() - 25 * 3600
    os.utime(old, (day_ago, day_ago))
    assert vacuum(lake, SPANS, keep_hours=0).files == 1
    assert fresh.exists()
    assert not old.exists()
    assert file.path.exists()


def test_vacuum_spares_what_a_rollup_has_yet_to_count(lake: Lake, span_rows: SpanRows) -> None:
    three_files(lake, span_rows)
    files = frozenset(file.path for file in take_snapshot(lake, SPANS).files)
    compact(lake, SPANS, MIB)
    assert vacuum(lake, SPANS, keep_hours=0, protected=files) == Removed()
    assert vacuum(lake, SPANS, keep_hours=0).files == 3


def test_a_span_sent_again_in_another_batch_is_kept_once_as_it_first_came(
    lake: Lake, span_rows: SpanRows
) -> None:
    again = {"trace_id": "a" * 32, "span_id": "b" * 16, "name": "again"}
    append(lake, SPANS, span_rows({**again, "ingest_time_unix_nano": NOON + 2}, {"name": "x"}))
    append(lake, SPANS, span_rows({**again, "ingest_time_unix_nano": NOON + 1}, {"name": "y"}))
    assert repeats_since(lake, SPANS, -1) == (-1, set())
    assert compact(lake, SPANS, MIB).repeats == 1
    with connect(lake) as connection:
        kept = connection.sql("SELECT name, ingest_time_unix_nano FROM spans ORDER BY ALL")
        assert [row for row in kept.fetchall() if row[0] == "again"] == [("again", NOON + 1)]
        assert len(kept.fetchall()) == 3
    reached, days = repeats_since(lake, SPANS, -1)
    assert [str(day) for day in days] == ["2026-11-25"]
    assert repeats_since(lake, SPANS, reached) == (reached, set())


@pytest.mark.parametrize(
    "other", [{"kind": 3}, {"service_name": "other"}, {"name": "other"}, {"end_time_unix_nano": 1}]
)
def test_spans_that_share_their_ids_and_differ_are_all_kept(
    lake: Lake, span_rows: SpanRows, other: dict[str, object]
) -> None:
    same = {"trace_id": "a" * 32, "span_id": "b" * 16}
    append(lake, SPANS, span_rows(same))
    append(lake, SPANS, span_rows({**same, **other}))
    assert compact(lake, SPANS, MIB).repeats == 0
    assert take_snapshot(lake, SPANS).rows == 2


def test_a_day_that_retention_has_thinned_out_keeps_what_was_sent_again(
    lake: Lake, span_rows: SpanRows
) -> None:
    same = {"trace_id": "a" * 32, "span_id": "b" * 16}
    for _ in range(2):
        append(lake, SPANS, span_rows(same))
    (day,) = {file.date for file in take_snapshot(lake, SPANS).files}
    assert day is not None
    tomorrow = day + datetime.timedelta(days=1)
    assert compact(lake, SPANS, MIB, whole_since=tomorrow).files_after == 1
    assert take_snapshot(lake, SPANS).rows == 2
