"""``tailgate judge``: what got worse, how sure that is, and an exit status."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.judge_options import request_of, sides_options, tolerance_of, tolerance_options
from pipeline.cli.options import lake_option
from pipeline.cli.output import write_file, write_result

if TYPE_CHECKING:
    from pipeline.gate.judgement import Judgement, Tolerance
    from pipeline.gate.verdict import Check
    from pipeline.jobs.judge import Inputs
    from pipeline.jobs.judge_request import JudgeRequest
    from pipeline.jobs.why_answer import Why
    from pipeline.lake import Lake

FORMATS = ("text", "json", "markdown", "junit", "sarif", "html")


def _print_schema(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Print the JSON Schema of the answer and end."""
    if wanted:
        from pipeline.report.judgement_rows import schema_text

        click.echo(schema_text(), nl=False)
        context.exit()


@click.command(short_help="Judge a canary against a baseline.")
@lake_option
@sides_options
@tolerance_options
@click.option(
    "--why/--no-why", default=True, help="Explain what got worse, from its traces.  [default: why]"
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Judge its relative budgets as well: those without a baseline of their own.",
)
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the page as well: one file that needs no network.",
)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep all that the answer is made of, for tailgate replay; a new or an empty folder.",
)
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_schema,
    help="Print the JSON Schema of --format json, and judge nothing.",
)
def command(
    lake: Path,
    why: bool,
    config: Path | None,
    form: str,
    output: Path | None,
    html: Path | None,
    bundle: Path | None,
    **given: Any,
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
      tailgate judge --baseline service.version=1.4.1 --canary service.version=1.4.2 \\
          --html judge.html --bundle verdict-1.4.2
      tailgate judge --where service.name=checkout --baseline service.version=1 \\
          --canary service.version=2 --tolerance 20 --format junit --output judge.xml
    """
    from pipeline.gate.bundle import check_target
    from pipeline.gate.judgement import judge
    from pipeline.jobs.judge import compare, read
    from pipeline.lake import open_lake

    if bundle is not None:
        check_target(bundle)
    opened, request = open_lake(lake), request_of(given)
    inputs, tolerance = read(opened, request), tolerance_of(given)
    more = budgeted(opened, config, request, tolerance) if config is not None else ()
    judgement = judge(compare(inputs, request), tolerance, more)
    whys = explained(opened, judgement) if why else ()
    if bundle is not None:
        keep(bundle, judgement, inputs, whys, more)
    return answer(judgement, inputs, whys, form, output, html)


def budgeted(
    lake: "Lake", config: Path, request: "JudgeRequest", tolerance: "Tolerance"
) -> "tuple[Check, ...]":
    """Check the budgets of a file that have no sides of their own, between those judged.

    Raises:
        BadSetting: the file cannot be read or a budget in it is wrong.
        LakeError: a file of the lake cannot be read.
    """
    from pipeline.gate.budget_reading import read_budgets
    from pipeline.gate.metric_checks import metric_checks

    return tuple(metric_checks(lake, read_budgets(config), request, tolerance))


def explained(lake: "Lake", judgement: "Judgement") -> "tuple[Why, ...]":
    """Explain what failed or warned; nothing for a canary that is well."""
    from pipeline.gate.verdict import FAIL, WARN
    from pipeline.jobs.named_metrics import is_by_queue
    from pipeline.jobs.why import run

    worse = [
        (check.service_name, check.operation, check.metric)
        for check in judgement.checks
        if check.verdict in (FAIL, WARN) and check.operation and not is_by_queue(check.metric)
    ]
    return run(lake, judgement.judged.request, worse) if worse else ()


def keep(
    folder: Path,
    judgement: "Judgement",
    inputs: "Inputs",
    whys: "tuple[Why, ...]",
    checks: "tuple[Check, ...]" = (),
) -> None:
    """Write a judgement's bundle.

    Raises:
        UsageError: the folder is not empty or cannot be written.
    """
    from pipeline.gate.bundle import Bundle, write_bundle
    from pipeline.report.judgement import json_bytes, tell

    request, tolerance = judgement.judged.request, judgement.tolerance
    kept = json_bytes(tell(judgement, inputs, whys))
    bundle = Bundle(inputs, request, tolerance, whys, kept, judgement.verdict, checks=checks)
    write_bundle(bundle, folder)


def answer(
    judgement: "Judgement",
    inputs: "Inputs",
    whys: "tuple[Why, ...]",
    form: str,
    output: Path | None,
    html: Path | None,
) -> int:
    """Write a judgement as it was asked for.

    Returns:
        The exit status.

    Raises:
        UsageError: a file cannot be written.
    """
    from pipeline.gate.verdict import EXIT_STATUS
    from pipeline.report.judgement import WRITERS, tell

    told = tell(judgement, inputs, whys, drawn=form == "html" or html is not None)
    if html is not None:
        write_file(html, partial(WRITERS["html"], told))
    write_result(partial(WRITERS[form], told), output)
    return EXIT_STATUS[judgement.verdict]
