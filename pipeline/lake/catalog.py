"""connect(): a DuckDB connection with every table and every view of a lake, at fixed versions."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from pipeline.assets import sql_dir
from pipeline.errors import LakeError
from pipeline.lake.lake import Lake
from pipeline.lake.snapshot import Snapshot, take_snapshot
from pipeline.schema import TABLES, Table, sql_type

Connection = duckdb.DuckDBPyConnection


def session(
    threads: int | None = None,
    memory_bytes: int | None = None,
    scratch: Path | None = None,
) -> Connection:
    """Open an empty in-memory DuckDB connection, UTC, that loads nothing from outside.

    Args:
        threads: how many; None leaves DuckDB's choice.
        memory_bytes: the most it may hold before it spills; None leaves DuckDB's choice.
        scratch: the folder it spills to; None lets it spill nowhere.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": False,
    }
    if threads is not None:
        config["threads"] = threads
    if memory_bytes is not None:
        config["memory_limit"] = f"{memory_bytes // 1024}KiB"
    config["temp_directory"] = str(scratch) if scratch else ""
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("SET TimeZone = 'UTC'")
    # DuckDB draws one on standard output where it takes Python for interactive.
    connection.execute("SET enable_progress_bar = false")
    return connection


def connect(
    lake: Lake,
    threads: int | None = None,
    versions: Mapping[str, int] | None = None,
    confined: bool = False,
) -> Connection:
    """Open a DuckDB connection in which every table and view of a lake can be asked.

    Each table is fixed at its version as of now, so that a query sees one state of the lake
    however long it runs. A table without rows answers with zero rows of the right types.

    Args:
        lake: the lake.
        threads: how many DuckDB may use; None leaves its choice.
        versions: versions to read instead of the latest, by table name.
        confined: shut the connection in for statements of strangers: it reads the files of these
            tables and nothing else, and no setting can be changed.

    Returns:
        The connection; the caller closes it.

    Raises:
        LakeError: a table's log cannot be read, or has no such version.
    """
    connection = session(threads)
    files: list[Path] = []
    for table in TABLES:
        snapshot = take_snapshot(lake, table, (versions or {}).get(table.name))
        define_snapshot(connection, snapshot)
        files += [file.path for file in snapshot.files]
    define_views(connection)
    if confined:
        _confine(connection, files)
    return connection


def define_snapshot(connection: Connection, snapshot: Snapshot) -> None:
    """Make a table's view over the files of a snapshot."""
    define_table(connection, snapshot.table, [file.path for file in snapshot.files])


def define_table(connection: Connection, table: Table, files: Sequence[Path]) -> None:
    """Make the view of a table over exactly these files.

    Args:
        connection: where.
        table: gives the view's name, columns and types.
        files: Parquet files of the table; none gives a view with zero rows.
    """
    columns = ",\n  ".join(
        f'CAST("{c.name}" AS {sql_type(c.type)}) AS "{c.name}"' if not files else f'"{c.name}"'
        for c in table.columns
    )
    if files:
        paths = ", ".join(_quoted(str(file)) for file in files)
        source = f"read_parquet([{paths}], {_partitioning(table)}, union_by_name = false)"
    else:
        names = ", ".join(f'NULL AS "{c.name}"' for c in table.columns)
        source = f"(SELECT {names}) WHERE false"
    connection.execute(
        f'CREATE OR REPLACE VIEW "{table.name}" AS SELECT\n  {columns}\nFROM {source}'
    )


def define_views(connection: Connection) -> None:
    """Make every view of sql/views, each after those that it reads.

    Raises:
        LakeError: two views read each other.
    """
    waiting = {
        file.stem: file.read_text(encoding="utf-8")
        for file in sorted((sql_dir() / "views").glob("*.sql"))
    }
    # An empty connection reads the names alone; one that knows the tables would open their files.
    with session() as parser:
        reads = {name: parser.get_table_names(text) for name, text in waiting.items()}
    while waiting:
        ready = [name for name in waiting if not reads[name] & (waiting.keys() - {name})]
        if not ready:
            raise LakeError(f"sql/views: {', '.join(waiting)} read each other; break the circle")
        for name in ready:
            text = re.sub(r";\s*$", "", waiting.pop(name))
            connection.execute(f'CREATE OR REPLACE VIEW "{name}" AS\n{text}')


def _partitioning(table: Table) -> str:
    """Say how to read a table's folders; DuckDB refuses types of partitions that are not there."""
    if not table.partition_by:
        return "hive_partitioning = false"
    return "hive_partitioning = true, hive_types = {'date': DATE}"


def _confine(connection: Connection, files: Sequence[Path]) -> None:
    """Shut a connection in, for good: these files and no others."""
    paths = ", ".join(_quoted(str(file)) for file in files)
    connection.execute(f"SET allowed_paths = [{paths}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _quoted(text: str) -> str:
    """Quote text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"
