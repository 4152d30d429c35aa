"""The rollups' statements are the SQL that DuckDB and Spark share, formatted as we format it."""

import re

import pytest
import sqlglot
from sqlglot import exp

from pipeline.assets import statement
from pipeline.schema import LATENCY_HOURS, LATENCY_MINUTES

TABLES = [LATENCY_MINUTES, LATENCY_HOURS]


def parsed(table, dialect):
    return sqlglot.parse_one(statement("rollups", table.name), dialect=dialect)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_columns_are_the_tables_in_their_order(table):
    assert parsed(table, "duckdb").named_selects == table.arrow_schema.names


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_rows_are_grouped_by_the_keys_that_compaction_merges(table):
    group = parsed(table, "duckdb").args["group"]
    assert tuple(column.name for column in group.expressions) == table.merge_by


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_duckdb_and_spark_read_the_same_statement(table):
    as_duckdb, as_spark = parsed(table, "duckdb"), parsed(table, "spark")
    assert as_duckdb.sql("duckdb") == as_spark.sql("spark") == as_duckdb.sql("spark")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_only_functions_that_both_engines_have_are_called(table):
    called = {type(call).__name__ for call in parsed(table, "duckdb").find_all(exp.Func)}
    shared = {"Case", "If", "Cast", "Ceil", "Log", "Coalesce", "Sum", "Min", "Max", "Count", "And"}
    assert called <= shared | {"Or", "DPipe"}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_statement_is_formatted_by_the_rules(table):
    text = statement("rollups", table.name)
    assert re.match(r"-- One row an? .*\.\n", text)
    assert max(map(len, text.splitlines())) <= 100
    keywords = r"\b(select|from|where|group|case|when|then|end|cast|as|and|sum|min|max|with)\b"
    code = re.sub(r"--.*|'[^']*'", "", text)
    assert not re.search(keywords, code)
    selected = code[code.rindex("SELECT") : code.rindex("FROM")]
    assert len(selected.strip().splitlines()) - 1 == len(table.arrow_schema.names)
