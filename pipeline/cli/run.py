"""``tailgate run``: jobs over the lake."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from pipeline.cli.options import lake_option, where_pair
from pipeline.cli.output import write_result
from pipeline.cli.run_profiles import hotspots, profile_diff

if TYPE_CHECKING:
    from pipeline.jobs.baseline import BaselineResult
    from pipeline.lake import Lake

_NOT_ENOUGH_DATA = 3

_KINDS = ("requests", "all", "internal", "server", "client", "producer", "consumer", "unspecified")


@click.group(short_help="Run a job: baseline, hotspots, profile-diff.")
def command() -> None:
    """Run a job over the lake.

    \b
    Examples:
      tailgate run baseline
      tailgate run baseline --since 2h --where service.version=1.4.2
      tailgate run hotspots --where service.name=checkout
      tailgate run profile-diff --baseline service.version=1.4.1 --canary service.version=1.4.2
    """


command.add_command(hotspots)
command.add_command(profile_diff)


@command.command(short_help="What normal is: requests, errors and latency by group.")
@lake_option
@click.option(
    "--since", metavar="TIME", help="Start: 2026-03-01T12:00:00Z, 2026-03-01, or an age: 2h."
)
@click.option("--until", metavar="TIME", help="End, which is not part of it; the same forms.")
@click.option(
    "--where",
    multiple=True,
    metavar="KEY=VALUE",
    help="Only these requests: service.version=1.4.2; may be given again, all must hold.",
)
@click.option(
    "--group-by",
    multiple=True,
    metavar="KEY",
    help="Group by it; may be given again.  [default: service.name, operation, service.version]",
)
@click.option(
    "--kind",
    type=click.Choice(_KINDS),
    default="requests",
    show_default=True,
    help="Spans that count; requests are those of kind server and consumer.",
)
@click.option("--exact", is_flag=True, help="Quantiles from the spans themselves.")
@click.option(
    "--source",
    type=click.Choice(("spans", "metrics")),
    default="spans",
    show_default=True,
    help="What requests are counted in; metrics: the histograms that servers send.",
)
@click.option(
    "--confidence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Of the intervals.",
)
@click.option("--save", metavar="NAME", help="Keep it in the lake under a name.")
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "json", "csv")),
    default="text",
    show_default=True,
    help="How it is written.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write it to a file.",
)
def baseline(
    lake: Path,
    since: str | None,
    until: str | None,
    where: tuple[str, ...],
    group_by: tuple[str, ...],
    kind: str,
    exact: bool,
    source: str,
    confidence: float,
    save: str | None,
    form: str,
    output: Path | None,
) -> int:
    """Work out what normal is: requests, errors and latency, each with its confidence interval.

    Ends with status 3 when nothing matches.

    \b
    Examples:
      tailgate run baseline --since 2h
      tailgate run baseline --where service.version=1.4.2 --exact
      tailgate run baseline --group-by service.name --group-by service.instance.id
      tailgate run baseline --save nightly --format json --output baseline.json
    """
    from pipeline.jobs.baseline import run
    from pipeline.jobs.baseline_request import DEFAULT_GROUP_BY, BaselineRequest
    from pipeline.jobs.windows import parse_window
    from pipeline.lake import open_lake

    now = time.time_ns()
    request = BaselineRequest(
        *parse_window(since, until, now),
        tuple(where_pair(text) for text in where),
        kind,
        group_by or DEFAULT_GROUP_BY,
        exact,
        confidence,
        source,
    )
    opened = open_lake(lake)
    if source == "spans":
        _update(opened)
    result = run(opened, request)
    _write(result, form, output)
    if result.table.num_rows == 0:
        return _NOT_ENOUGH_DATA
    if save is not None:
        _save(opened, result, save, now)
    return 0


def write_baseline(result: "BaselineResult", form: str, out: BinaryIO) -> None:
    """Write a baseline in a format."""
    from pipeline.report import csv, json, text

    writers = {"text": text, "json": json, "csv": csv}
    writers[form].write_baseline(result, out)


def _write(result: "BaselineResult", form: str, output: Path | None) -> None:
    """Write a baseline to a file or to standard output."""
    write_result(lambda out: write_baseline(result, form, out), output)


def _save(lake: "Lake", result: "BaselineResult", name: str, now_unix_nano: int) -> None:
    """Keep a baseline under a name and say so."""
    from pipeline.jobs import baseline_store

    groups = baseline_store.save(lake, result, name, now_unix_nano)
    click.echo(f"saved {groups} groups as {name}", err=True)


def _update(lake: "Lake") -> None:
    """Bring the rollups up to date, under a progress bar where that takes long."""
    from rich.console import Console
    from rich.progress import Progress

    from pipeline.rollup import update

    console = Console(file=sys.stderr)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("counting new spans", total=None)
        update(
            lake, progress=lambda done, total: progress.update(task, completed=done, total=total)
        )
