"""``tailgate run hotspots`` and ``tailgate run profile-diff``: jobs over profiles."""

from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import lake_option
from pipeline.cli.output import write_result
from pipeline.cli.profile_options import profile_options, profile_request

_EXIT_STATUS = {"pass": 0, "fail": 1, "inconclusive": 3}


def output_options(command: Any) -> Any:
    """Add --format and --output."""
    form = click.option(
        "--format",
        "form",
        type=click.Choice(("text", "json", "csv")),
        default="text",
        show_default=True,
        help="How it is written.",
    )
    output = click.option(
        "--output",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Write it to a file.",
    )
    return form(output(command))


@click.command(short_help="Which functions time or memory goes into.")
@lake_option
@profile_options
@click.option(
    "--sort",
    type=click.Choice(("flat", "cumulative")),
    default="flat",
    show_default=True,
    help="Rank by what functions take themselves, or with all that they call.",
)
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="So many functions; 0 for all.",
)
@click.option(
    "--confidence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Of the intervals.",
)
@output_options
def hotspots(
    lake: Path,
    since: str | None,
    until: str | None,
    where: tuple[str, ...],
    profile_type: str,
    sample_type: str,
    sort: str,
    limit: int,
    confidence: float,
    form: str,
    output: Path | None,
) -> int:
    """Rank functions by what was measured in them, each share with its confidence interval.

    CPU time a request is told where spans tell the requests. Ends with status 3 when nothing
    matches.

    \b
    Examples:
      tailgate run hotspots --where service.name=checkout --since 2h
      tailgate run hotspots --profile-type off_cpu --sort cumulative --format json
    """
    from pipeline.jobs.hotspots import HotspotsRequest, run
    from pipeline.lake import open_lake
    from pipeline.report.hotspots import WRITERS

    profiles = profile_request(since, until, where, profile_type, sample_type)
    request = HotspotsRequest(profiles, sort, limit, confidence)
    result = run(open_lake(lake), request)
    write_result(lambda out: WRITERS[form](result, out), output)
    return 0


@click.command("profile-diff", short_help="Which functions take a larger share on the canary.")
@lake_option
@click.option(
    "--baseline", required=True, metavar="SELECTOR", help="Such as service.version=1.4.1."
)
@click.option("--canary", required=True, metavar="SELECTOR", help="Such as service.version=1.4.2.")
@profile_options
@output_options
def profile_diff(
    lake: Path,
    baseline: str,
    canary: str,
    since: str | None,
    until: str | None,
    where: tuple[str, ...],
    profile_type: str,
    sample_type: str,
    form: str,
    output: Path | None,
) -> int:
    """Compare the functions' shares of all samples, and say which grew for certain.

    A selector is KEY=VALUE, as --where takes it, several joined by commas. Profiles differ by
    themselves: a regression is what is beyond that, in six profiles or more a side.

    Ends with status 0 without a regression, 1 with one, 3 when there is too little to tell.

    \b
    Examples:
      tailgate run profile-diff --baseline service.version=1.4.1 --canary service.version=1.4.2
      tailgate run profile-diff --where service.name=checkout --profile-type alloc_space \\
          --baseline service.version=1 --canary service.version=2 --format json
    """
    from pipeline.jobs.profile_diff import run
    from pipeline.lake import open_lake
    from pipeline.report.profile_diff import WRITERS

    both = profile_request(since, until, where, profile_type, sample_type)
    result = run(open_lake(lake), both.other(baseline), both.other(canary))
    write_result(lambda out: WRITERS[form](result, out), output)
    return _EXIT_STATUS[result.verdict]
