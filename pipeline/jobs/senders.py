"""Which process sent a row: by its service.instance.id, or by what else its resource tells."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.assets import statement
from pipeline.jobs.job import Connection
from pipeline.lake.catalog import define_table
from pipeline.schema.table import Table


def define_by_sender(connection: Connection, table: Table, files: Sequence[Path]) -> None:
    """Make the view of a table, in which no two processes have one service_instance_id.

    Args:
        connection: where.
        table: METRICS, SPANS or PROFILE_SAMPLES.
        files: of the table; none gives a view with zero rows.
    """
    define_table(connection, replace(table, name=f"sent_{table.name}"), files)
    text = statement("jobs", f"senders_{table.name}")
    connection.execute(f'CREATE OR REPLACE VIEW "{table.name}" AS\n{text}')
