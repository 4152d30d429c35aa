"""The rollups through DuckDB: the statements in sql/rollups over exactly these files."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.assets import statement
from pipeline.lake.catalog import define_table, session
from pipeline.schema import Table


def roll_up(
    source: Table, target: Table, files: Sequence[Path], threads: int, scratch: Path
) -> pa.Table:
    """Add up files of one table into rows of another.

    Args:
        source: the table that the files belong to.
        target: the rollup; its statement is the one of its name.
        files: Parquet files of the source.
        threads: how many DuckDB may use.
        scratch: a folder that it may spill to.

    Returns:
        The target's rows, in no order; none for files without rows.
    """
    with contextlib.closing(session(threads, scratch=scratch)) as connection:
        define_table(connection, source, files)
        rows = connection.sql(statement("rollups", target.name)).to_arrow_table()
    return rows.cast(target.arrow_schema)
