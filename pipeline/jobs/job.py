"""Job, a question that can be put to a lake, and how a job asks DuckDB."""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.assets import statement
from pipeline.errors import LakeError
from pipeline.lake.catalog import session

Connection = duckdb.DuckDBPyConnection


@dataclass(frozen=True)
class Job:
    """A question, by name.

    Attributes:
        name: as the command line calls it.
        summary: what it answers, in one line.
        run: answers it; takes the lake and the job's own request, gives the job's own result.
    """

    name: str
    summary: str
    run: Callable[..., Any]


@contextlib.contextmanager
def asking() -> Iterator[Connection]:
    """Open a DuckDB connection for one job and close it behind it."""
    with contextlib.closing(session()) as connection:
        # Or a table of more than a few hundred thousand rows forgets what ORDER BY gave it.
        connection.execute("SET preserve_insertion_order = true")
        # Else a join by time of what is thought to be few rows holds each against each.
        connection.execute("SET asof_loop_join_threshold = 0")
        yield connection


def define_view(connection: Connection, name: str) -> None:
    """Make one view of sql/views; the tables that it reads are there already."""
    connection.execute(f'CREATE OR REPLACE VIEW "{name}" AS\n{statement("views", name)}')


def ask(connection: Connection, name: str, values: Mapping[str, object]) -> pa.Table:
    """Run a statement of sql/jobs.

    Args:
        connection: where the tables and views that it reads are.
        name: the statement's file, without ``.sql``.
        values: what its ``$name``s stand for, exactly those. True and false choose what the
            statement looks at, so the planner gets to see them; all else is bound.

    Returns:
        The rows, in no order unless the statement gives one.

    Raises:
        LakeError: a file of the lake cannot be read.
    """
    bound = {key: value for key, value in values.items() if not isinstance(value, bool)}
    text = statement("jobs", name)
    # Bound, a choice keeps the columns that it leaves out from being skipped: half the time of an
    # exact baseline. TRUE and FALSE are all that is ever written into a statement.
    for key, value in values.items():
        if isinstance(value, bool):
            text = re.sub(rf"\${key}\b", str(value).upper(), text)
    try:
        # By way of a table, because sql() with values answers twice in DuckDB 1.5, and Arrow from
        # execute() is warned about in 2.0.
        connection.execute(f"CREATE OR REPLACE TEMP TABLE answer AS\n{text}", bound)
        return connection.table("answer").to_arrow_table()
    except (duckdb.IOException, duckdb.InvalidInputException) as error:
        raise LakeError(f"{name}: {error}; is a file of the lake gone or damaged?") from error
