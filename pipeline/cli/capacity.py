"""``tailgate capacity``: what a service can take, what binds it, and what more would need."""

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import lake_option
from pipeline.cli.output import write_result

if TYPE_CHECKING:
    from pipeline.jobs.capacity_request import CapacityRequest

_FORMATS = ("text", "json", "markdown", "html")


@click.command(short_help="What a service can take, and what binds it.")
@lake_option
@click.option(
    "--where",
    multiple=True,
    metavar="SELECTOR",
    help="Whose, such as service.name=checkout; may be repeated.  [default: all]",
)
@click.option("--since", metavar="TIME", help="Start: 2026-03-01T12:00:00Z or an age: 2h.")
@click.option("--until", metavar="TIME", help="End, which is not part of it.")
@click.option(
    "--bucket",
    type=click.IntRange(10, 60),
    metavar="SECONDS",
    help="Length of buckets of time, 10 to 60.  [default: as far apart as points of CPU time]",
)
@click.option("--slo", metavar="OBJECTIVE", help="Latency to be held, such as p95=600ms.")
@click.option(
    "--limit",
    multiple=True,
    metavar="LIMITS",
    help='Of an instance: "cpu=2 memory=1GiB".  [default: as metrics tell]',
)
@click.option(
    "--target-rps",
    type=click.FloatRange(0, min_open=True),
    metavar="RATE",
    help="Requests a second of a whole service that must fit; ends with status 1 if not.",
)
@click.option(
    "--zones",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="Zones of which one may be lost.",
)
@click.option(
    "--cpu-attribute",
    default="",
    metavar="NAME",
    help="Attribute of spans with the CPU time of their thread; its name ends with its unit: "
    "_ns, _us, _ms or _s.  [default: io.retit.startcputime and endcputime, where spans have them]",
)
@click.option(
    "--price",
    multiple=True,
    metavar="PRICES",
    help='Of a core and a GiB: "cpu=0.04/h memory=0.005/h".',
)
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
def command(lake: Path, form: str, output: Path | None, **given: Any) -> int:
    """Work out the safe load of an instance: the least that latency, CPU, memory and pools allow.

    Every number has a 90 % interval, and limits count at its unfavourable end. What data cannot
    tell is "not identified", with what to send; a load beyond 1.2 times what was seen is called
    extrapolated. A ramp of load tells most: under a steady one nothing can be told apart. Where
    spans tell of calls, messages, rows or bytes, it says whether CPU time follows one of these
    better than requests, and by how much on time that was held out.
    Latency is that of server spans: what requests wait before one begins is not in it, in the
    queue of a socket or for an interpreter that is busy; ask a client's spans for that.

    With --target-rps it is a gate: it ends with status 0 where the instances that there are bear
    the target with one to spare (and one zone lost, with --zones), 1 where they do not, and 3
    where that is not identified. Without, it ends with 0, or 3 where no limit is identified.

    \b
    Examples:
      tailgate capacity --where service.name=checkout --slo p95=600ms
      tailgate capacity --slo p95=600ms --limit "cpu=2 memory=1GiB" --target-rps 400 --zones 3
      tailgate capacity --cpu-attribute thread.cpu_ns --since 2h
      tailgate capacity --price "cpu=0.04/h memory=0.005/h" --since 2h
      tailgate capacity --slo p95=250ms --format html --output capacity.html
    """
    from pipeline.cli.audit import progress
    from pipeline.jobs.capacity import run
    from pipeline.lake import open_lake
    from pipeline.report.capacity import WRITERS

    request = _request_of(given)
    with progress("capacity") as on_progress:
        result = run(open_lake(lake), request, on_progress)
    write_result(partial(WRITERS[form], result), output)
    return result.exit_status


def _request_of(given: dict[str, Any]) -> "CapacityRequest":
    """Make the question of what the command was given.

    Raises:
        UsageError, BadWindow: it is no question.
    """
    from pipeline.jobs.capacity_request import (
        CapacityRequest,
        parse_limits,
        parse_objective,
        parse_prices,
    )
    from pipeline.jobs.judge_request import parse_selector
    from pipeline.jobs.windows import parse_window

    since, until = parse_window(given["since"], given["until"], time.time_ns())
    quantile, seconds = parse_objective(given["slo"]) if given["slo"] else (0.95, 0.0)
    limits, prices = parse_limits(given["limit"]), parse_prices(given["price"])
    return CapacityRequest(
        where=tuple(pair for text in given["where"] for pair in parse_selector(text)),
        since_unix_nano=since,
        until_unix_nano=until,
        bucket_s=given["bucket"] or 0,
        objective_quantile=quantile,
        objective_s=seconds,
        cores=limits.get("cpu", 0.0),
        memory_bytes=limits.get("memory", 0.0),
        target_per_second=given["target_rps"] or 0.0,
        zones=given["zones"],
        cpu_attribute=given["cpu_attribute"],
        cpu_price=prices.get("cpu", 0.0),
        memory_price=prices.get("memory", 0.0),
    )
