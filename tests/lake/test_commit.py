"""Commits: rows once, whatever races and whatever is sent again."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from pipeline.errors import LakeError
from pipeline.lake import (
    Application,
    Lake,
    append,
    application_sequence,
    changes_since,
    commit,
    take_snapshot,
)
from pipeline.lake.parquet import LANDING, TableWriter
from pipeline.schema import LATENCY_HOURS, SPANS

SpanRows = Callable[..., pa.Table]


def test_rows_come_back_as_they_were_written(lake: Lake, span_rows: SpanRows) -> None:
    rows = span_rows({"attributes": [("a", "1"), ("b", None)]}, {"duration_nano": -3})
    append(lake, SPANS, rows)
    (file,) = take_snapshot(lake, SPANS).files
    assert pq.ParquetFile(file.path).read().to_pylist() == [
        {k: v for k, v in row.items() if k != "date"} for row in rows.to_pylist()
    ]


def test_a_sequence_that_is_in_the_table_is_not_written_again(
    lake: Lake, span_rows: SpanRows
) -> None:
    rows = span_rows({})
    assert append(lake, SPANS, rows, Application("journal", 4)) == 1
    assert append(lake, SPANS, rows, Application("journal", 4)) is None
    assert append(lake, SPANS, rows, Application("journal", 3)) is None
    assert append(lake, SPANS, rows, Application("other", 3)) == 2
    assert take_snapshot(lake, SPANS).rows == 2
    assert application_sequence(lake, SPANS, "journal") == 4
    assert application_sequence(lake, SPANS, "unheard of") == -1


def test_a_commit_goes_on_only_from_the_sequence_it_expects(
    lake: Lake, span_rows: SpanRows
) -> None:
    rows = span_rows({})
    assert append(lake, SPANS, rows, Application("rollup", 3, after=-1)) == 1
    assert append(lake, SPANS, rows, Application("rollup", 9, after=-1)) is None
    assert append(lake, SPANS, rows, Application("rollup", 9, after=3)) == 2
    assert append(lake, SPANS, rows, Application("rollup", 9, after=9)) == 3


def test_an_empty_append_still_records_progress(lake: Lake) -> None:
    append(lake, SPANS, SPANS.arrow_schema.empty_table(), Application("journal", 7))
    assert application_sequence(lake, SPANS, "journal") == 7
    assert take_snapshot(lake, SPANS).rows == 0


def test_a_snapshot_does_not_change_when_rows_come(lake: Lake, span_rows: SpanRows) -> None:
    append(lake, SPANS, span_rows({}))
    before = take_snapshot(lake, SPANS)
    append(lake, SPANS, span_rows({}, {}))
    assert before.rows == 1
    assert take_snapshot(lake, SPANS, before.version) == before
    assert take_snapshot(lake, SPANS).rows == 3


def test_rows_of_two_days_go_to_two_partitions_in_one_version(
    lake: Lake, span_rows: SpanRows
) -> None:
    rows = span_rows({"start_time_unix_nano": 86_400_000_000_000 * 20_000}, {})
    append(lake, SPANS, rows)
    snapshot = take_snapshot(lake, SPANS)
    assert snapshot.version == 1
    assert [str(file.date) for file in snapshot.files] == ["2024-10-04", "2026-11-25"]


def test_files_outside_a_time_window_are_skipped(lake: Lake, span_rows: SpanRows) -> None:
    for start in (1_000, 2_000, 3_000):
        append(lake, SPANS, span_rows({"start_time_unix_nano": start, "date": 0}))
    snapshot = take_snapshot(lake, SPANS)
    assert [file.time_min for file in snapshot.between(2_000, 3_000)] == [2_000]
    assert len(snapshot.between(0, 10_000)) == 3
    assert snapshot.between(4_000, 5_000) == ()


def test_changes_tell_each_version_with_what_it_added(lake: Lake, span_rows: SpanRows) -> None:
    append(lake, SPANS, span_rows({}))
    append(lake, SPANS, span_rows({}, {}))
    assert [(c.version, c.rows) for c in changes_since(lake, SPANS, 0)] == [(1, 1), (2, 2)]
    assert [c.version for c in changes_since(lake, SPANS, 0, limit=1)] == [1]


def test_a_log_entry_that_is_gone_is_named(lake: Lake, span_rows: SpanRows) -> None:
    append(lake, SPANS, span_rows({}))
    append(lake, SPANS, span_rows({}))
    # A checkpoint lets the table be read without its first entries, as log clean-up leaves it.
    DeltaTable(str(lake.folder(SPANS))).create_checkpoint()
    (lake.folder(SPANS) / "_delta_log" / f"{1:020d}.json").unlink()
    with pytest.raises(LakeError, match=r"0001\.json: gone"):
        list(changes_since(lake, SPANS, 0))


def test_a_writer_that_fails_leaves_no_file(lake: Lake, span_rows: SpanRows) -> None:
    rows = span_rows({})
    with (
        pytest.raises(ZeroDivisionError),
        TableWriter(lake.folder(SPANS), SPANS, LANDING) as writer,
    ):
        writer.write(rows)
        raise ZeroDivisionError
    assert list(lake.folder(SPANS).glob("date=*/*")) == []


def test_a_table_that_is_gone_is_named(lake: Lake) -> None:
    for file in (lake.folder(LATENCY_HOURS) / "_delta_log").iterdir():
        file.unlink()
    with pytest.raises(LakeError, match="latency_hours"):
        commit(lake, LATENCY_HOURS, [])


@pytest.mark.slow
def test_two_processes_that_race_lose_nothing_and_double_nothing(
    lake: Lake, tmp_path: Path, span_rows: SpanRows
) -> None:
    with pa.OSFile(str(tmp_path / "rows.arrow"), "wb") as sink:
        rows = span_rows({})
        with pa.ipc.new_file(sink, rows.schema) as writer:
            writer.write_table(rows)
    script = """
import sys, pyarrow as pa
from pipeline.lake import Application, append, open_lake
from pipeline.schema import SPANS
rows = pa.ipc.open_file(sys.argv[2]).read_all()
lake = open_lake(sys.argv[1])
own = sum(append(lake, SPANS, rows, Application(sys.argv[3], n)) is not None for n in range(15))
shared = sum(append(lake, SPANS, rows, Application("shared", n)) is not None for n in range(15))
print(own, shared)
"""
    arguments = [sys.executable, "-c", script, str(lake.path), str(tmp_path / "rows.arrow")]
    writers = [
        subprocess.Popen([*arguments, name], stdout=subprocess.PIPE, text=True) for name in "ab"
    ]
    told = [writer.communicate(timeout=60)[0].split() for writer in writers]
    assert [own for own, _ in told] == ["15", "15"]
    # Sequences of the shared application rise, so whoever is behind skips.
    assert 15 <= sum(int(shared) for _, shared in told) <= 30
    snapshot = take_snapshot(lake, SPANS)
    assert snapshot.rows == 30 + sum(int(shared) for _, shared in told)
    assert application_sequence(lake, SPANS, "shared") == 14


@pytest.mark.slow
def test_a_full_disk_is_named_and_the_table_stays_as_it_was(
    lake: Lake, span_rows: SpanRows
) -> None:
    append(lake, SPANS, span_rows({}))
    script = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from pipeline.errors import LakeError
from pipeline.lake import append, open_lake, take_snapshot
from pipeline.schema import SPANS
import pyarrow as pa, pyarrow.parquet as pq
lake = open_lake(sys.argv[1])
file = take_snapshot(lake, SPANS).files[0]
rows = pq.ParquetFile(file.path).read().append_column("date", pa.array([file.date]))
rows = rows.select(SPANS.arrow_schema.names).cast(SPANS.arrow_schema)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    append(lake, SPANS, rows)
except Exception as error:
    print(type(error).__name__, error)
"""
    told = subprocess.run(
        [sys.executable, "-c", script, str(lake.path)], capture_output=True, text=True, timeout=60
    )
    # A limit on file sizes is the full disk that a test can make without being root.
    assert told.stdout.startswith("LakeUnavailable"), told
    assert "no space left" in told.stdout
    assert take_snapshot(lake, SPANS).rows == 1
    assert len(list(lake.folder(SPANS).glob("date=*/*.parquet"))) == 1
