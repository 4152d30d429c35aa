"""``tailgate check``: the budgets of tailgate.toml against a lake, and an exit status."""

import time
from functools import partial
from pathlib import Path

import click

from pipeline.cli.options import lake_option
from pipeline.cli.output import write_result

_FORMATS = ("text", "json", "markdown", "junit")


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
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
def command(
    lake: Path,
    config: Path,
    since: str | None,
    until: str | None,
    alpha: float,
    explain: bool,
    form: str,
    output: Path | None,
) -> int:
    """Check budgets: absolute, against a baseline, or any SQL that gives a number.

    A budget fails when its whole interval lies beyond the limit, and passes when all of it lies
    within. Ends with status 0 for pass and warn, 1 for fail, 3 for inconclusive and no_data.

    \b
    Examples:
      tailgate check --since 1h
      tailgate check --config budgets.toml --format junit --output budgets.xml
    """
    from pipeline.gate.budgets import read_budgets
    from pipeline.gate.checking import check_budgets
    from pipeline.gate.verdict import EXIT_STATUS, overall
    from pipeline.jobs.windows import parse_window
    from pipeline.lake import open_lake
    from pipeline.report.budgets import explained
    from pipeline.report.judgement import WRITERS
    from pipeline.report.judgement_rows import told_of_checks

    budgets = read_budgets(config)
    if explain:
        click.echo("\n".join(explained(budget) for budget in budgets))
        return 0
    window = parse_window(since, until, time.time_ns())
    checked = check_budgets(open_lake(lake), budgets, alpha, window)
    verdict = overall(checked.checks)
    write_result(partial(WRITERS[form], told_of_checks(checked, verdict, alpha)), output)
    return EXIT_STATUS[verdict]
