"""connect(): tables and views, empty or not, always of the same columns and types."""

from collections.abc import Callable

import duckdb
import pyarrow as pa
import pytest

from pipeline.assets import sql_dir
from pipeline.errors import BadQuery
from pipeline.lake import Lake, append
from pipeline.lake.catalog import connect
from pipeline.lake.query import ask
from pipeline.schema import SPANS, TABLES, Table, sql_type

SpanRows = Callable[..., pa.Table]
VIEWS = sorted(file.stem for file in (sql_dir() / "views").glob("*.sql"))

# The ClickHouse exporter's columns; a change of one is a change of schema_version.
OTEL_TRACES = {
    "Timestamp": "TIMESTAMP_NS",
    "TraceId": "VARCHAR",
    "SpanId": "VARCHAR",
    "ParentSpanId": "VARCHAR",
    "TraceState": "VARCHAR",
    "SpanName": "VARCHAR",
    "SpanKind": "VARCHAR",
    "ServiceName": "VARCHAR",
    "ResourceAttributes": "MAP(VARCHAR, VARCHAR)",
    "ScopeName": "VARCHAR",
    "ScopeVersion": "VARCHAR",
    "SpanAttributes": "MAP(VARCHAR, VARCHAR)",
    "Duration": "BIGINT",
    "StatusCode": "VARCHAR",
    "StatusMessage": "VARCHAR",
    "Events.Timestamp": "TIMESTAMP_NS[]",
    "Events.Name": "VARCHAR[]",
    "Events.Attributes": "MAP(VARCHAR, VARCHAR)[]",
    "Links.TraceId": "VARCHAR[]",
    "Links.SpanId": "VARCHAR[]",
    "Links.TraceState": "VARCHAR[]",
    "Links.Attributes": "MAP(VARCHAR, VARCHAR)[]",
}


def described(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, str]:
    """Give a relation's columns and types."""
    relation = connection.sql(f'SELECT * FROM "{name}"')
    return dict(zip(relation.columns, map(str, relation.types), strict=True))


def test_every_table_and_view_answers_on_an_empty_lake_with_the_types_of_a_full_one(
    lake: Lake, span_rows: SpanRows
) -> None:
    names = [*(table.name for table in TABLES), *VIEWS]
    with connect(lake) as connection:
        empty = {name: described(connection, name) for name in names}
        counts = [connection.sql(f'SELECT count(*) FROM "{n}"').fetchall()[0][0] for n in names]
        assert counts == [0] * len(names)
    append(lake, SPANS, span_rows({"events": [], "links": []}))
    with connect(lake) as connection:
        assert {name: described(connection, name) for name in names} == empty


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table.name))
def test_a_table_has_the_columns_of_the_schema(lake: Lake, table: Table) -> None:
    with connect(lake) as connection:
        # DuckDB quotes the fields of structs only where it must.
        found = {k: v.replace('"', "") for k, v in described(connection, table.name).items()}
        assert found == {c.name: sql_type(c.type).replace('"', "") for c in table.columns}


def test_otel_traces_has_the_columns_of_the_clickhouse_exporter(lake: Lake) -> None:
    with connect(lake) as connection:
        assert described(connection, "otel_traces") == OTEL_TRACES


def test_a_query_written_for_the_clickhouse_exporter_runs_unchanged(
    lake: Lake, span_rows: SpanRows
) -> None:
    event = {"time_unix_nano": 5, "name": "exception", "attributes": [("exception.type", "E")]}
    append(
        lake,
        SPANS,
        span_rows(
            {"status_code": 2, "events": [event], "parent_span_id": "a" * 16},
            {"kind": 3, "events": []},
        ),
    )
    with connect(lake) as connection:
        rows = connection.sql(
            "SELECT ServiceName, SpanName, SpanKind, StatusCode, ParentSpanId, Duration / 1e6, "
            '"Events.Name", "Events.Attributes"[1][\'exception.type\'] '
            "FROM otel_traces WHERE SpanKind = 'Server' OR ParentSpanId = '' ORDER BY SpanId"
        ).fetchall()
    assert rows == [
        ("checkout", "POST /checkout", "Server", "Error", "a" * 16, 5.0, ["exception"], "E"),
        ("checkout", "POST /checkout", "Client", "Unset", "", 5.0, [], None),
    ]


def test_span_facts_flag_times_that_cannot_be_true(lake: Lake, span_rows: SpanRows) -> None:
    year_2200 = 7_258_118_400_000_000_000
    append(
        lake,
        SPANS,
        span_rows(
            {},
            {"start_time_unix_nano": 0, "end_time_unix_nano": 0, "duration_nano": 0},
            {"duration_nano": -5},
            {"start_time_unix_nano": year_2200, "date": 20_000},
        ),
    )
    with connect(lake) as connection:
        clocks = connection.sql("SELECT clock FROM span_facts ORDER BY span_id").fetchall()
    assert clocks == [("ok",), ("absent",), ("reversed",), ("future",)]


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("SELECT 1; SELECT 2", "2 statements"),
        ("", "0 statements"),
        ("DELETE FROM spans", "DELETE: the lake is only read"),
        ("COPY (SELECT 1) TO '/tmp/x'", "COPY: the lake is only read"),
        ("SET threads = 1", "SET: the lake is only read"),
        ("ATTACH '/tmp/x.db'", "ATTACH: the lake is only read"),
        ("SELECT * FROM read_text('/etc/hostname')", "Permission Error"),
        ("SELECT * FROM glob('/etc/*')", "Permission Error"),
        ("SELECT * FROM nowhere", "does not exist"),
        ("SELEC 1", "syntax error"),
        ("SELECT error('late') FROM range(3)", "late"),
    ],
)
def test_a_question_that_is_not_one_that_reads_the_lake_is_refused(
    lake: Lake, statement: str, why: str
) -> None:
    with pytest.raises(BadQuery, match=why), ask(lake, statement) as answer:
        list(answer.batches)


def test_a_question_sees_the_lake_but_not_its_other_files(lake: Lake, span_rows: SpanRows) -> None:
    append(lake, SPANS, span_rows({}))
    with ask(lake, "SELECT count(*) AS n FROM spans") as answer:
        assert [batch.to_pydict() for batch in answer.batches] == [{"n": [1]}]
    marker = lake.path / "tailgate-lake.json"
    with pytest.raises(BadQuery), ask(lake, f"SELECT * FROM read_text('{marker}')") as answer:
        list(answer.batches)


def test_a_query_sees_one_version_however_much_lands_meanwhile(
    lake: Lake, span_rows: SpanRows
) -> None:
    append(lake, SPANS, span_rows({}))
    with connect(lake) as connection:
        append(lake, SPANS, span_rows({}, {}))
        assert connection.sql("SELECT count(*) FROM spans").fetchall() == [(1,)]
    with connect(lake, versions={"spans": 1}) as connection:
        assert connection.sql("SELECT count(*) FROM spans").fetchall() == [(1,)]
    with connect(lake) as connection:
        assert connection.sql("SELECT count(*) FROM spans").fetchall() == [(3,)]
