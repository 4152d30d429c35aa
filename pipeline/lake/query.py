"""One read-only question to a lake, asked in SQL and answered as Arrow batches."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from pipeline.errors import BadQuery
from pipeline.lake.catalog import Connection, connect
from pipeline.lake.lake import Lake

_BATCH_ROWS = 8_192

_READING = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)


@dataclass(frozen=True)
class Answer:
    """An answer that is read as it comes.

    Attributes:
        schema: names and types of its columns.
        batches: its rows, at most some thousand at a time.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


@contextmanager
def ask(lake: Lake, text: str, threads: int | None = None) -> Iterator[Answer]:
    """Ask a lake one question.

    Args:
        lake: the lake; every table and view of it can be named.
        text: one statement that reads: SELECT, FROM, DESCRIBE, SHOW, SUMMARIZE, EXPLAIN.
        threads: how many DuckDB may use; None leaves its choice.

    Yields:
        The answer; its batches are to be read before the block ends.

    Raises:
        BadQuery: not one statement, not one that reads, or one that does not run.
    """
    with connect(lake, threads, confined=True) as connection:
        _require_reading(connection, text)
        try:
            reader = connection.sql(text).to_arrow_reader(_BATCH_ROWS)
        except duckdb.Error as error:
            raise BadQuery(str(error)) from error
        yield Answer(reader.schema, _batches(reader))


def _require_reading(connection: Connection, text: str) -> None:
    """Refuse what is not one statement that reads."""
    try:
        statements = connection.extract_statements(text)
    except duckdb.Error as error:
        raise BadQuery(str(error)) from error
    if len(statements) != 1:
        raise BadQuery(f"{len(statements)} statements; give one")
    kind = statements[0].type
    if kind not in _READING:
        raise BadQuery(f"{kind.name}: the lake is only read; give a SELECT")


def _batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Read an answer; what goes wrong on the way is the question's fault as well."""
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except (pa.ArrowException, OSError, duckdb.Error) as error:
            raise BadQuery(str(error)) from error
        yield batch
