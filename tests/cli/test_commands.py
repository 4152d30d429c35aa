"""The command line as a person meets it: help, answers in every format, errors, statuses."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.cli.serve import _with_flags
from pipeline.lake import Lake, append
from pipeline.schema import SPANS
from pipeline.settings import Receiver, Settings

SpanRows = Callable[..., pa.Table]
COMMANDS = (
    "serve",
    "import",
    "status",
    "token",
    "run",
    "judge",
    "watch",
    "why",
    "replay",
    "check",
    "changes",
    "audit",
    "capacity",
    "cache",
    "runtime",
    "export",
    "flamegraph",
    "sql",
    "tables",
    "compact",
    "rollup",
    "demo",
)


def tailgate(
    *arguments: object, status: int = 0, cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the command as its own process and check its exit status."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("TAILGATE_")}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli.main", *map(str, arguments)],
        capture_output=True,
        timeout=60,
        cwd=cwd,
        env=environ,
        check=False,
    )
    assert done.returncode == status, done.stderr.decode()
    return done


@pytest.fixture
def filled(lake: Lake, span_rows: SpanRows) -> Lake:
    """Give a lake with three spans."""
    append(lake, SPANS, span_rows({"attributes": [("a", "1")]}, {"name": "GET /"}, {"kind": 3}))
    return lake


def test_help_lists_every_command_and_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from pipeline.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'pyarrow', 'duckdb', 'grpc', 'polars', 'numpy', 'scipy', 'deltalake', 'rich'}\n"
        "print(sorted(heavy & sys.modules.keys()), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"
    assert [name for name in COMMANDS if f"\n  {name} " not in done.stdout] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_examples(command: str) -> None:
    assert b"Examples:\n      tailgate" in tailgate(command, "--help").stdout.replace(
        b"\n    tailgate", b"\n      tailgate"
    )


def test_sql_answers_in_plain_columns_in_a_pipe(filled: Lake) -> None:
    done = tailgate(
        "sql", "--lake", filled.path, "SELECT name, count(*) n FROM spans GROUP BY ALL ORDER BY 1"
    )
    assert done.stdout.decode() == "name            n\nGET /           1\nPOST /checkout  2\n"


def test_sql_answers_in_json_with_maps_times_and_nulls(filled: Lake) -> None:
    statement = (
        "SELECT \"Timestamp\" AS t, SpanAttributes AS a, NULL AS z, 'nan'::DOUBLE AS x "
        "FROM otel_traces ORDER BY SpanId LIMIT 1"
    )
    done = tailgate("sql", "--lake", filled.path, "--format", "json", statement)
    assert json.loads(done.stdout) == [
        {"t": "2026-11-25 12:00:00.000000000", "a": {"a": "1"}, "z": None, "x": None}
    ]


def test_sql_answers_in_csv_parquet_and_arrow_alike(filled: Lake, tmp_path: Path) -> None:
    statement = "SELECT span_id, duration_nano FROM spans ORDER BY 1"
    expected = [(f"{n:016x}", 5_000_000) for n in (1, 2, 3)]
    common = ("sql", "--lake", filled.path, statement, "--format")
    rows = list(csv.reader(io.StringIO(tailgate(*common, "csv").stdout.decode())))
    assert [(a, int(b)) for a, b in rows[1:]] == expected
    tailgate(*common, "parquet", "--output", tmp_path / "o.parquet")
    assert [
        tuple(r.values()) for r in pq.read_table(tmp_path / "o.parquet").to_pylist()
    ] == expected
    stream = pa.ipc.open_stream(tailgate(*common, "arrow").stdout).read_all()
    assert [tuple(row.values()) for row in stream.to_pylist()] == expected


def test_an_empty_answer_is_an_answer(lake: Lake) -> None:
    done = tailgate("sql", "--lake", lake.path, "--format", "json", "SELECT name FROM spans")
    assert done.stdout == b"[]\n"


def test_sql_reads_its_statement_from_a_file(filled: Lake, tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text("SELECT 7 AS seven;\n-- done\n")
    done = tailgate("sql", "--lake", filled.path, "--file", tmp_path / "q.sql", "--format", "csv")
    assert done.stdout == b"seven\n7\n"


def test_a_long_table_says_that_there_is_more(filled: Lake) -> None:
    done = tailgate("sql", "--lake", filled.path, "--limit", "2", "SELECT name FROM spans")
    assert done.stdout.count(b"\n") == 3
    assert b"more than 2 rows" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("sql",), "give a statement"),
        (("sql", "SELECT 1", "--lake", "missing"), "no lake there"),
        (("sql", "SELECT 1", "--format", "xml"), "'xml' is not one of"),
        (("tables", "--lake", "missing"), "no lake there"),
        (("nonsense",), "No such command"),
        (("compact", "--table", "nonsense"), "no such table; known: spans"),
        (("run", "nonsense"), "nonsense"),
    ],
)
def test_a_wrong_call_says_why_and_ends_with_status_2(
    tmp_path: Path, arguments: tuple[str, ...], why: str
) -> None:
    done = tailgate(*arguments, status=2, cwd=tmp_path)
    assert why in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""


def test_tables_tells_rows_files_and_times(filled: Lake) -> None:
    rows = json.loads(tailgate("tables", "--lake", filled.path, "--json").stdout)
    spans = {row["table"]: row for row in rows}["spans"]
    assert (spans["rows"], spans["files"], spans["version"]) == (3, 1, 1)
    assert spans["from"] == spans["to"] == "2026-11-25T12:00:00Z"
    assert b"spans" in tailgate("tables", "--lake", filled.path).stdout


def test_compact_says_what_it_did(filled: Lake, span_rows: SpanRows) -> None:
    append(filled, SPANS, span_rows({}))
    done = tailgate("compact", "--lake", filled.path, "--no-retain")
    assert b"spans: 2 files of" in done.stdout
    assert (
        b"spans: nothing to merge"
        in tailgate("compact", "--lake", filled.path, "--no-retain").stdout
    )


def test_flags_of_serve_win_over_settings_and_port_0_is_one() -> None:
    settings = Settings(receiver=Receiver(insecure=True, host="10.0.0.1"))
    flags = {"host": None, "grpc_port": 0, "http_port": 5, "insecure": False, "tls_cert": None}
    receiver = _with_flags(settings, flags).receiver
    assert (receiver.grpc_port, receiver.http_port) == (0, 5)
    assert (receiver.host, receiver.insecure) == ("10.0.0.1", True)


def test_a_reader_that_leaves_early_is_no_error(filled: Lake) -> None:
    command = f"{sys.executable} -m pipeline.cli.main sql --lake {filled.path} --format csv"
    script = f'{command} "SELECT * FROM range(1000000)" | head -2'
    done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=60, check=False)
    assert done.stdout == b"range\n0\n"
    assert b"Traceback" not in done.stderr
