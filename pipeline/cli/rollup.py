"""``tailgate rollup``: the rollups brought up to date, or days counted anew."""

import datetime
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import config_option, lake_option

if TYPE_CHECKING:
    from pipeline.settings import Maintenance


@click.command(short_help="Bring the rollups up to date, or count days anew.")
@lake_option
@config_option
@click.option(
    "--route",
    type=click.Choice(("duckdb", "polars")),
    default="duckdb",
    show_default=True,
    help="Who adds up; the rows are the same.",
)
@click.option("--rebuild", is_flag=True, help="Count days anew from the spans that are kept.")
@click.option(
    "--since",
    metavar="DATE",
    help="First day to count anew.  [default: the first that retention leaves whole]",
)
def command(lake: Path, config: Path | None, route: str, rebuild: bool, since: str | None) -> None:
    """Count what is new in the lake; jobs and 'tailgate serve' do so by themselves.

    \b
    Examples:
      tailgate rollup
      tailgate rollup --rebuild --since 2026-11-01
    """
    from rich.console import Console
    from rich.progress import Progress

    from pipeline.lake import open_lake
    from pipeline.rollup import update
    from pipeline.rollup.rebuild import rebuild as count_anew
    from pipeline.settings import load

    if since is not None and not rebuild:
        raise click.UsageError("--since goes with --rebuild")
    first = _first_day(since, load(config).maintenance)
    opened = open_lake(lake)
    console = Console(file=sys.stderr)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("counting spans", total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        counted = count_anew(opened, first, show) if rebuild else update(opened, route, show).spans
    click.echo(f"counted {counted:,} spans")


def _first_day(since: str | None, settings: "Maintenance") -> datetime.date:
    """Give the first day to count anew: as asked, or the first whose spans are all kept."""
    from pipeline.cli.upkeep import first_whole_day

    if since is None:
        return first_whole_day(settings)
    try:
        return datetime.date.fromisoformat(since)
    except ValueError:
        raise click.UsageError(f"--since {since}: write a date, as in 2026-11-01") from None
