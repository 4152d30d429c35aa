"""``tailgate judge``: what got worse, how sure that is, and an exit status."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from pipeline.cli.judge_options import request_of, sides_options, tolerance_of, tolerance_options
from pipeline.cli.options import lake_option
from pipeline.cli.output import write_result

_FORMATS = ("text", "json", "markdown", "junit")


@click.command(short_help="Judge a canary against a baseline.")
@lake_option
@sides_options
@tolerance_options
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
def command(lake: Path, form: str, output: Path | None, **given: Any) -> int:
    """Compare two sides, operation by operation, and say whether the canary may go on.

    A selector is KEY=VALUE of service.name, service.version, service.instance.id,
    deployment.environment.name or operation, several joined by commas. Instances and minutes may
    differ by themselves: the judge measures by how much, and a canary fails only by what is beyond
    that and beyond the tolerance.

    Ends with status 0 for pass and warn, 1 for fail, 3 for inconclusive and no_data.

    \b
    Examples:
      tailgate judge --baseline service.version=1.4.1 --canary service.version=1.4.2
      tailgate judge --where service.name=checkout --baseline service.version=1 \\
          --canary service.version=2 --tolerance 20 --format junit --output judge.xml
    """
    from pipeline.gate.judgement import judge
    from pipeline.gate.verdict import EXIT_STATUS
    from pipeline.jobs.judge import run
    from pipeline.lake import open_lake
    from pipeline.report.judgement import WRITERS
    from pipeline.report.judgement_rows import told_of_judgement

    judged = run(open_lake(lake), request_of(given))
    judgement = judge(judged, tolerance_of(given))
    write_result(partial(WRITERS[form], told_of_judgement(judgement)), output)
    return EXIT_STATUS[judgement.verdict]
