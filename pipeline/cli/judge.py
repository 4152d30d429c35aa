"""``tailgate judge``: what got worse, how sure that is, and an exit status."""

import time
from functools import partial
from pathlib import Path

import click

from pipeline.cli.options import lake_option
from pipeline.cli.output import write_result

_KINDS = ("requests", "all", "internal", "server", "client", "producer", "consumer")
_FORMATS = ("text", "json", "markdown", "junit")


@click.command(short_help="Judge a canary against a baseline.")
@lake_option
@click.option(
    "--baseline", required=True, metavar="SELECTOR", help="Such as service.version=1.4.1."
)
@click.option("--canary", required=True, metavar="SELECTOR", help="Such as service.version=1.4.2.")
@click.option("--where", multiple=True, metavar="KEY=VALUE", help="Of both sides; may be repeated.")
@click.option("--since", metavar="TIME", help="Start: 2026-03-01T12:00:00Z or an age: 2h.")
@click.option("--until", metavar="TIME", help="End, which is not part of it.")
@click.option("--kind", type=click.Choice(_KINDS), default="requests", show_default=True)
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 1000),
    default=5.0,
    show_default=True,
    help="Quantiles may grow by this much, in per cent.",
)
@click.option(
    "--tolerance-ms",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="And by this much; both must be exceeded.",
)
@click.option(
    "--tolerance-errors",
    type=click.FloatRange(0, 100),
    default=1.0,
    show_default=True,
    help="A pass is sure that the error ratio grew by fewer points (per cent of the requests).",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 0.5, min_open=True),
    default=0.01,
    show_default=True,
    help="How often a sound canary may fail, over all checks together.",
)
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
def command(
    lake: Path,
    baseline: str,
    canary: str,
    where: tuple[str, ...],
    since: str | None,
    until: str | None,
    kind: str,
    tolerance: float,
    tolerance_ms: float,
    tolerance_errors: float,
    alpha: float,
    form: str,
    output: Path | None,
) -> int:
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
    from pipeline.gate.judgement import Tolerance, judge
    from pipeline.gate.verdict import EXIT_STATUS
    from pipeline.jobs.judge import run
    from pipeline.jobs.judge_request import JudgeRequest, parse_selector
    from pipeline.jobs.windows import parse_window
    from pipeline.lake import open_lake
    from pipeline.report.judgement import WRITERS
    from pipeline.report.judgement_rows import told_of_judgement

    both = tuple(pair for text in where for pair in parse_selector(text))
    sides = [tuple(dict([*both, *parse_selector(text)]).items()) for text in (baseline, canary)]
    window = parse_window(since, until, time.time_ns())
    request = JudgeRequest(sides[0], sides[1], *window, kind)
    judged = run(open_lake(lake), request)
    margins = Tolerance(alpha, tolerance / 100, tolerance_ms, tolerance_errors / 100)
    judgement = judge(judged, margins)
    write_result(partial(WRITERS[form], told_of_judgement(judgement)), output)
    return EXIT_STATUS[judgement.verdict]
