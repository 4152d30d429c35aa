"""``tailgate tables``: what the lake holds."""

import datetime
import sys
import time
from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import lake_option

_HEADINGS = ("table", "rows", "bytes", "files", "version", "from", "to", "written")
_NUMBERS = (False, True, True, True, True, False, False, True)


@click.command(short_help="Show what the lake holds.")
@lake_option
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def command(lake: Path, as_json: bool) -> None:
    """Show each table's rows, bytes, files, span of time, and when it was last written to.

    \b
    Examples:
      tailgate tables
      tailgate tables --json | jq '.[] | select(.table == "spans") | .rows'
    """
    import json

    from pipeline.lake import open_lake, take_snapshot
    from pipeline.report.tables import print_table
    from pipeline.schema import TABLES

    opened = open_lake(lake)
    rows = [_row(take_snapshot(opened, table)) for table in TABLES]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    cells = [[_cell(row[heading]) for heading in _HEADINGS] for row in rows]
    sys.stdout.flush()
    print_table(_HEADINGS, cells, _NUMBERS, sys.stdout.buffer)


def _row(snapshot: Any) -> dict[str, Any]:
    """Give what is known of a table without reading it."""
    times = [(file.time_min, file.time_max) for file in snapshot.files if file.time_min is not None]
    unit = snapshot.table.time_unit_nano
    written = max((file.written_unix_milli for file in snapshot.files), default=None)
    return {
        "table": snapshot.table.name,
        "rows": snapshot.rows,
        "bytes": sum(file.size_bytes for file in snapshot.files),
        "files": len(snapshot.files),
        "version": snapshot.version,
        "from": _time(min(low for low, _ in times) * unit) if times else None,
        "to": _time(max(high for _, high in times) * unit) if times else None,
        "written": f"{max(time.time() - written / 1000, 0):.0f} s ago" if written else None,
    }


def _time(unix_nano: int) -> str:
    """Write a time in UTC, to the second."""
    moment = datetime.datetime.fromtimestamp(unix_nano // 1_000_000_000, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _cell(value: object) -> str:
    """Write a cell; numbers with thousands apart."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)
