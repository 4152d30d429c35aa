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
        table: one with service_instance_id and resource_attributes.
        files: of the table; none gives a view with zero rows.
    """
    sent = replace(table, name=f"sent_{table.name}")
    define_table(connection, sent, files)
    text = f'WITH sent AS (TABLE "{sent.name}")\n{statement("jobs", "senders")}'
    connection.execute(f'CREATE OR REPLACE VIEW "{table.name}" AS\n{text}')
