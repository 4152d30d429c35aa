"""``tailgate check``: the budgets of tailgate.toml against a lake, and an exit status."""

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import BinaryIO

import click

from pipeline.cli.options import lake_option
from pipeline.cli.output import write_result

_FORMATS = ("text", "json", "markdown", "junit", "sarif")


_EPILOG = """\b
Budgets, as they stand in tailgate.toml:

\b
  [[budget]]
  name = "checkout stays fast"
  service = "checkout"
  operation = "POST /checkout"
  metric = "p95_ms"
  max = 600

\b
  [[budget]]
  metric = "p95_ms"
  where = "service.version=1.4.2"
  baseline = "service.version=1.4.1"
  max_increase_percent = 10
  max_increase = 50

\b
  [[budget]]
  service = "checkout"
  slo = "99.9"                     # and threshold_ms = 300 for a promise of latency
  window = "30d"
  max_burn_rate = 6

\b
  [[budget]]
  service = "orders"
  metric = "db_calls_per_request"  # or cpu_seconds_per_request, cache_hit_ratio, memory_bytes,
  max = 4                          # gc_pause_share, queue_depth, "metric:ANY.OTLP.METRIC:p95", …

\b
  [[budget]]
  metric = "cache_hit_ratio"       # of each cache, as tailgate cache tells it
  cache = "redis*"
  min = 0.9

\b
  [[budget]]
  metric = "memory_bytes"
  baseline = "saved:main"          # kept by tailgate runtime --save main
  where = "service.version=1.4.2"
  max_increase_percent = 10

\b
  [[budget]]
  service = "pricing"
  metric = "profile_share"
  function = "json.*"
  max = 0.1

\b
  [[budget]]
  sql = "SELECT count(*) FROM spans WHERE status_code = 2"
  max = 100"""


@click.command(short_help="Check the budgets of tailgate.toml.", epilog=_EPILOG)
@lake_option
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("tailgate.toml"),
    show_default=True,
    metavar="FILE",
    help="Where the budgets stand.",
)
@click.option("--since", metavar="TIME", help="Start: 2026-03-01T12:00:00Z or an age: 2h.")
@click.option("--until", metavar="TIME", help="End, which is not part of it.")
@click.option(
    "--alpha",
    type=click.FloatRange(0, 0.5, min_open=True),
    default=0.01,
    show_default=True,
    help="A fail and a pass are wrong no more often than this.",
)
@click.option("--explain", is_flag=True, help="Say what each budget asks, and check nothing.")
@click.option("--schema", is_flag=True, help="Print a JSON Schema of the file, for editors.")
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
def command(
    lake: Path,
    config: Path,
    since: str | None,
    until: str | None,
    alpha: float,
    explain: bool,
    schema: bool,
    form: str,
    output: Path | None,
) -> int:
    """Check budgets: between limits, beside a baseline, error budgets, or any SQL.

    A budget fails when its whole interval lies beyond the limit, and passes when all of it lies
    within. Ends with status 0 for pass and warn, 1 for fail, 3 for inconclusive and no_data.

    \b
    Examples:
      tailgate check --since 1h
      tailgate check --config budgets.toml --format junit --output budgets.xml
      tailgate check --explain
      tailgate check --schema --output tailgate.schema.json
    """
    if schema:
        write_result(_write_schema, output)
        return 0
    from pipeline.gate.budget_reading import read_budgets
    from pipeline.gate.checking import check_budgets
    from pipeline.gate.verdict import EXIT_STATUS, overall
    from pipeline.jobs.windows import parse_window
    from pipeline.lake import open_lake
    from pipeline.report.budgets import explained
    from pipeline.report.judgement import WRITERS
    from pipeline.report.judgement_rows import told_of_checks

    budgets = read_budgets(config)
    if explain:
        text = "".join(f"{explained(budget)}\n" for budget in budgets)
        write_result(lambda out: _write(text, out), output)
        return 0
    window = parse_window(since, until, time.time_ns())
    checked = check_budgets(open_lake(lake), budgets, alpha, window, _tell_progress)
    verdict = overall(checked.checks)
    told = told_of_checks(checked, verdict, alpha, str(config))
    write_result(partial(WRITERS[form], told), output)
    return EXIT_STATUS[verdict]


def _write_schema(out: BinaryIO) -> None:
    """Write the JSON Schema of the budgets."""
    from pipeline.gate.budget_schema import budget_schema

    _write(json.dumps(budget_schema(), indent=2) + "\n", out)


def _write(text: str, out: BinaryIO) -> None:
    """Write text and let it go."""
    out.write(text.encode())
    out.flush()


def _tell_progress(done: int, total: int) -> None:
    """Say how far it is to whoever waits at a terminal."""
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        click.echo(f"\rbudgets: {done} of {total}{end}", err=True, nl=False)
