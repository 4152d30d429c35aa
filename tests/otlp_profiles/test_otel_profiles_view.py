"""otel_profiles: one row a sample in the names that other profile stores use."""

from datetime import UTC, datetime

from pipeline.lake import Lake, append
from pipeline.lake.catalog import connect
from pipeline.schema import TABLES
from tests.otlp_profiles.profile_messages import NOON, Requested, tables_of

COLUMNS = [
    ("Timestamp", "TIMESTAMP_NS"),
    ("ProfileId", "BIGINT"),
    ("SampleType", "VARCHAR"),
    ("SampleUnit", "VARCHAR"),
    ("ServiceName", "VARCHAR"),
    ("StackHash", "BIGINT"),
    ("FunctionNames", "VARCHAR[]"),
    ("FileNames", "VARCHAR[]"),
    ("LineNumbers", "BIGINT[]"),
    ("Values", "BIGINT[]"),
    ("Period", "BIGINT"),
    ("PeriodType", "VARCHAR"),
    ("TraceId", "VARCHAR"),
    ("SpanId", "VARCHAR"),
]


def test_an_empty_lake_answers_with_the_columns(lake: Lake) -> None:
    with connect(lake) as connection:
        found = connection.sql("SELECT * FROM otel_profiles")
        assert list(zip(found.columns, map(str, found.types), strict=True)) == COLUMNS
        assert found.fetchall() == []


def test_a_row_a_sample_however_often_its_stack_landed(lake: Lake) -> None:
    asked = Requested()
    profile = asked.profile("cpu", "nanoseconds", period=10)
    profile.period_type.type_strindex = asked.string("cpu")
    link = asked.link(bytes(range(16)), bytes(range(8)))
    asked.sample(profile, "leaf@l.go:3;loop@l.go:9;loop@l.go:9;main", [20], link=link)
    asked.sample(profile, "other;main", [10])
    tables, _ = tables_of(asked.bytes())
    for table in TABLES:
        if table.name in tables:
            append(lake, table, tables[table.name])
    # Equal stacks and frames of another batch, before compaction.
    for name in ("profile_stacks", "profile_frames"):
        append(lake, next(table for table in TABLES if table.name == name), tables[name])
    with connect(lake) as connection:
        rows = connection.sql(
            'SELECT * EXCLUDE ("ProfileId", "StackHash", "Timestamp") FROM otel_profiles '
            'ORDER BY "Values" DESC'
        ).fetchall()
        times = connection.sql('SELECT DISTINCT "Timestamp"::TIMESTAMP FROM otel_profiles')
        assert times.fetchall() == [(datetime.fromtimestamp(NOON / 1e9, UTC).replace(tzinfo=None),)]
    assert rows == [
        (
            "cpu",
            "nanoseconds",
            "checkout",
            ["leaf", "loop", "loop", "main"],
            ["l.go", "l.go", "l.go", ""],
            [3, 9, 9, 0],
            [20],
            10,
            "cpu",
            bytes(range(16)).hex(),
            bytes(range(8)).hex(),
        ),
        (
            "cpu",
            "nanoseconds",
            "checkout",
            ["other", "main"],
            ["", ""],
            [0, 0],
            [10],
            10,
            "cpu",
            "",
            "",
        ),
    ]
