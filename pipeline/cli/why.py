"""``tailgate why``: what the growth of operations is made of, without a verdict."""

from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import click

from pipeline.cli.judge_options import request_of, sides_options
from pipeline.cli.options import lake_option
from pipeline.cli.output import write_result

_NO_DATA = 3


@click.command(short_help="Explain how operations differ.")
@lake_option
@sides_options
@click.option("--operation", multiple=True, metavar="NAME", help="Only this; may be repeated.")
@click.option(
    "--metric",
    type=click.Choice(("p50", "p95", "p99", "error_ratio")),
    default="p50",
    show_default=True,
    help="p50 explains the mean request, p95 and p99 the slowest ones.",
)
@click.option(
    "--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
def command(
    lake: Path,
    operation: tuple[str, ...],
    metric: str,
    form: str,
    output: Path | None,
    **given: Any,
) -> int:
    """Say which spans make an operation slower: more calls, slower calls, new ones.

    Ends with status 0, or 3 where no such operation has requests.

    \b
    Examples:
      tailgate why --baseline service.version=1.4.1 --canary service.version=1.4.2
      tailgate why --baseline service.version=1.4.1 --canary service.version=1.4.2 \\
          --operation "POST /checkout" --metric p95 --format json
    """
    import json

    from pipeline.jobs.why import run
    from pipeline.jobs.why_rows import count_requests
    from pipeline.lake import open_lake
    from pipeline.report.why import WHY_SCHEMA, why_document, why_text_lines

    opened, request = open_lake(lake), request_of(given)
    counts, _ = count_requests(opened, request)
    known = sorted({named for named, _ in counts})
    wanted = [(*each, metric) for each in known if not operation or each[1] in operation]
    whys = run(opened, request, wanted)
    if form == "json":
        document = {"schema": WHY_SCHEMA, "operations": why_document(whys)}
        text = json.dumps(document, indent=2, allow_nan=False)
    else:
        text = "\n".join(why_text_lines(whys)) or "no such operation has requests"
    write_result(partial(_write, f"{text}\n"), output)
    return 0 if whys else _NO_DATA


def _write(text: str, out: BinaryIO) -> None:
    out.write(text.encode())
