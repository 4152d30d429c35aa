"""``tailgate compact``: small files merged, old rows dropped, the disk freed."""

import datetime
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import config_option, lake_option

if TYPE_CHECKING:
    from pipeline.lake import Lake
    from pipeline.schema import Table


@click.command(short_help="Merge small files, drop what is too old, free the disk.")
@lake_option
@config_option
@click.option(
    "--table", "names", multiple=True, metavar="NAME", help="Only this table; may be given again."
)
@click.option(
    "--retain/--no-retain",
    default=True,
    show_default=True,
    help="Drop rows older than the settings keep them.",
)
@click.option(
    "--vacuum/--no-vacuum",
    default=True,
    show_default=True,
    help="Delete files that no recent version has.",
)
def command(
    lake: Path, config: Path | None, names: tuple[str, ...], retain: bool, vacuum: bool
) -> None:
    """Merge each day's small files into few, sorted by service, name and start.

    Receivers and queries go on meanwhile, and a crash leaves the lake as it was. Of spans that a
    sender sent again in another batch the first is kept; the rollups count those days again.

    \b
    Examples:
      tailgate compact
      tailgate compact --table spans --no-vacuum
    """
    from pipeline.cli import upkeep
    from pipeline.lake import open_lake
    from pipeline.lake import retain as retention
    from pipeline.rollup.rebuild import recount
    from pipeline.schema import TABLES
    from pipeline.settings import load

    known = {table.name: table for table in TABLES}
    for name in names:
        if name not in known:
            raise click.UsageError(f"--table {name}: no such table; known: {', '.join(known)}")
    opened = open_lake(lake)
    maintenance = load(config).maintenance
    chosen = [known[name] for name in names] or list(TABLES)
    for table in chosen:
        _compact(opened, table, maintenance.compact_file_bytes, upkeep.first_whole_day(maintenance))
    for day in sorted(recount(opened)):
        click.echo(f"{day}: counted again without what was sent again")
    if retain:
        for name, rows in upkeep.drop_old(opened, maintenance).items():
            if rows:
                click.echo(f"{name}: dropped {rows:,} rows past their age")
    if vacuum:
        for table in chosen:
            gone = retention.vacuum(
                opened, table, maintenance.vacuum_hours, upkeep.protected(opened, table)
            )
            if gone.files:
                click.echo(f"{table.name}: deleted {gone.files:,} files, {gone.bytes:,} bytes")


def _compact(lake: "Lake", table: "Table", target_bytes: int, whole_since: datetime.date) -> None:
    """Compact one table under a progress bar."""
    from rich.console import Console
    from rich.progress import Progress

    from pipeline.lake.compact import compact

    with Progress(console=Console(file=sys.stderr), transient=True) as progress:
        task = progress.add_task(table.name, total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        done = compact(lake, table, target_bytes, show, whole_since=whole_since)
    if done.files_before:
        click.echo(
            f"{table.name}: {done.files_before:,} files of {done.bytes_before:,} bytes became "
            f"{done.files_after:,} of {done.bytes_after:,}"
        )
    else:
        click.echo(f"{table.name}: nothing to merge")
    if done.repeats:
        click.echo(f"{table.name}: left out {done.repeats:,} rows that had been sent again")
