"""``tailgate changes``: where the history of a metric changed, and an exit status."""

import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import lake_option
from pipeline.cli.output import write_result

if TYPE_CHECKING:
    from pipeline.jobs.changes_request import ChangesRequest, Series

_FORMATS = ("text", "json", "markdown")
_METRICS = ("p50", "p95", "p99", "error_ratio", "requests_per_second")
_KINDS = ("requests", "all", "internal", "server", "client", "producer", "consumer")


@click.command(short_help="Find where the history of a metric changed.")
@lake_option
@click.option("--saved", metavar="NAME", help="Runs of run baseline --save NAME.")
@click.option("--every", metavar="STEP", help="Windows of 15m, 1h, 1d, or version.  [default: 1h]")
@click.option("--csv", "csv_file", metavar="FILE", help="Any series instead; - for the input.")
@click.option("--time", "time_column", metavar="COLUMN", help="Of the CSV, to order by.")
@click.option("--value", multiple=True, metavar="COLUMN", help="Of the CSV; may be repeated.")
@click.option("--where", multiple=True, metavar="KEY=VALUE", help="Only these; may be repeated.")
@click.option("--since", metavar="TIME", help="Start: 2026-03-01T12:00:00Z or an age: 30d.")
@click.option("--until", metavar="TIME", help="End, which is not part of it.")
@click.option("--kind", type=click.Choice(_KINDS), default="requests", show_default=True)
@click.option(
    "--metric",
    multiple=True,
    type=click.Choice(_METRICS),
    help="May be repeated.  [default: all but requests_per_second]",
)
@click.option(
    "--attribute",
    multiple=True,
    metavar="KEY",
    default=("service.version",),
    show_default=True,
    help="Of saved runs: names a point, does not make a series; may be repeated.",
)
@click.option(
    "--better", type=click.Choice(("up", "down")), help="[default: down; up for requests a second]"
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 0.1, min_open=True),
    default=0.01,
    show_default=True,
    help="How often series that never changed may be said to have.",
)
@click.option(
    "--least-change",
    type=click.FloatRange(0, 1000),
    default=2.0,
    show_default=True,
    help="Smaller changes are left out, in per cent.",
)
@click.option(
    "--last",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Fail for changes among so many last points.",
)
@click.option(
    "--fail-on",
    type=click.Choice(("worse", "any", "never")),
    default="worse",
    show_default=True,
    help="Which confirmed changes end with status 1.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Confirmed changes are kept there: they stay, and only what follows is tested.",
)
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
def command(form: str, output: Path | None, state: Path | None, **given: Any) -> int:
    """Find when a metric changed, by how much, how surely, and between which releases.

    Every service, operation and metric is a series, from saved baselines, from windows of the
    rollups, or any column of a CSV. A step is told apart from noise, single outliers and a drift;
    with fewer than four points after it it is pending, and it went away where it did not last.

    Ends with status 1 where a confirmed change for the worse lies among the last points, 3 where no
    series has enough points, else 0.

    \b
    Examples:
      tailgate changes --saved nightly --state changes.json
      tailgate changes --every 1d --where service.name=checkout --metric p99
      tailgate changes --every version --format markdown
      tailgate changes --csv bench.csv --time date --value p99_ms --last 20
      psql --csv -c "SELECT day, p99 FROM nightly" | tailgate changes --csv -
    """
    from pipeline.gate.changes import failing, verdict_of
    from pipeline.gate.verdict import EXIT_STATUS
    from pipeline.jobs.changes import look
    from pipeline.jobs.changes_state import read_state, write_state
    from pipeline.report.changes import WRITERS, Told

    known = read_state(state) if state else {}
    series = _series(given)
    found = look(series, known, given["alpha"], given["least_change"] / 100)
    fails = failing(found, given["last"], given["fail_on"])
    verdict = verdict_of(found, given["last"], given["fail_on"])
    write_result(partial(WRITERS[form], Told(found, verdict, fails)), output)
    if state:
        write_state(state, found.state)
    return EXIT_STATUS[verdict]


def _series(given: dict[str, Any]) -> "list[Series]":
    """Read the series from where they were asked for.

    Raises:
        UsageError: from two places at once, or options of another place.
    """
    from pipeline.errors import UsageError
    from pipeline.jobs.changes import read
    from pipeline.jobs.changes_csv import read_csv
    from pipeline.lake import open_lake

    named = [each for each in ("saved", "every", "csv_file") if given[each] is not None]
    if len(named) > 1:
        raise UsageError("changes: choose one of --saved, --every and --csv")
    if named != ["csv_file"]:
        if given["time_column"] or given["value"]:
            raise UsageError("changes: --time and --value name columns of --csv FILE; give it too")
        return read(open_lake(given["lake"]), _request(given))
    for option in ("where", "since", "until", "metric"):
        if given[option]:
            raise UsageError(f"changes: --{option} is for the lake; leave it out with --csv")
    path = given["csv_file"]
    source = "the input" if path == "-" else path
    return read_csv(_lines(path), source, given["time_column"], given["value"], given["better"])


def _lines(path: str) -> list[str]:
    """Read a file or the input, line by line.

    Raises:
        UsageError: it cannot be read, or is no text in UTF-8.
    """
    from pipeline.errors import UsageError

    try:
        content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return content.decode("utf-8-sig").splitlines(keepends=True)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; name a CSV that can be read") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: byte {error.start} is no UTF-8; write the CSV in it") from error


def _request(given: dict[str, Any]) -> "ChangesRequest":
    """Make the question of what the command was given."""
    from pipeline.jobs.baseline_request import dimension
    from pipeline.jobs.changes_request import DEFAULT_METRICS, ChangesRequest
    from pipeline.jobs.judge_request import parse_selector
    from pipeline.jobs.windows import parse_window

    window = parse_window(given["since"], given["until"], time.time_ns())
    return ChangesRequest(
        saved=given["saved"],
        every=given["every"] or "1h",
        where=tuple(pair for text in given["where"] for pair in parse_selector(text)),
        since_unix_nano=window[0],
        until_unix_nano=window[1],
        kind=given["kind"],
        metrics=given["metric"] or DEFAULT_METRICS,
        better=given["better"],
        attributes=tuple(dimension(name) for name in given["attribute"]),
    )
