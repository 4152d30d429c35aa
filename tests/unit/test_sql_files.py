"""Every SQL file keeps the house's form: one SELECT, its grain first, keywords in capitals."""

import re
from pathlib import Path

import duckdb
import pytest

from pipeline.assets import sql_dir

FILES = sorted(sql_dir().rglob("*.sql"))
KEYWORDS = re.compile(
    r"\b(select|from|where|group by|order by|join|left|on|as|case|when|then|else|end|with|and|or|"
    r"not|null|cast|having|limit|union|all|distinct|over|partition by|between|in|is|exists)\b"
)


def code_of(text: str) -> str:
    """Drop comments, literals and quoted names."""
    return re.sub(r"--[^\n]*|'(?:[^']|'')*'|\"[^\"]*\"", "", text)


def test_there_are_statements() -> None:
    assert {file.parent.name for file in FILES} >= {"views", "rollups", "jobs"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_statement_opens_with_its_grain_and_keeps_the_form(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    first = text.splitlines()[0]
    assert re.match(r"-- (One row|Rows|Zero or more rows)\b.*", first), first
    assert text.endswith("\n")
    assert not text.rstrip().endswith(";")
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "\t" not in text
    lower = KEYWORDS.findall(code_of(text))
    assert not lower, f"keywords in small letters: {sorted(set(lower))}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_statement_is_one_select(file: Path) -> None:
    with duckdb.connect() as connection:
        statements = connection.extract_statements(file.read_text(encoding="utf-8"))
    assert [statement.type for statement in statements] == [duckdb.StatementType.SELECT]


def test_relation_names_are_told_once() -> None:
    names = [file.stem for file in FILES if file.parent.name in ("views", "rollups")]
    assert len(names) == len(set(names))
