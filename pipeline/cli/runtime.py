"""``tailgate runtime``: pauses, queues, pools, loops, memory: what a service runs short of."""

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import lake_option
from pipeline.cli.output import write_result

if TYPE_CHECKING:
    from pipeline.jobs.judge_request import Pairs

_FORMATS = ("text", "json", "markdown")
_HELP = """Measure the signals of the runtime, with 90 % intervals over instances and minutes.

Garbage collection of the JVM, Go, V8, .NET and CPython, queues and consumer lag, connection and
thread pools, event loops, CPU, memory, threads and files, under the names that semantic
conventions, older instrumentation and Micrometer give them, in whatever unit they are sent.

A row is a service, its version and, where there are several, a queue: its level, the 95th
percentile and the highest of the minutes of its instances. What grows for sure is told with how
much an hour, and of pools, processors and event loops how much of the time they are above 80 %.
A pool counts by itself: the fullest is named. JSON and Markdown hold every figure.

Budgets of tailgate.toml know each signal by the same name, and so does tailgate judge --config.
--save keeps the levels under a name: a budget's baseline = "saved:NAME", the judge's saved baseline
of that name and --baseline saved:NAME hold later ones against them. They are of other minutes, so
these warn at most.

What nobody sends is told with what to send. CPython's metrics tell no pauses: send a span named
cpython.gc for each collection, import what bcc's pythongc prints, or what bpftrace prints of maps
@gc_pause_ns = hist(…) and @gc_pause_total_ns = sum(…) on its probes python:gc__start and gc__done.
Profiles with native frames tell gc_sample_share, the part of their samples in its collector.

Ends with status 0, or 3 where no signal was found.

\b
Examples:
  tailgate runtime --service checkout --since 1h
  tailgate runtime --signal gc_pause_share --signal queue_depth
  tailgate runtime --where service.version=1.4.2 --format markdown
  tailgate runtime --baseline service.version=1.4.1 --canary service.version=1.4.2
  tailgate runtime --where service.version=1.4.1 --since 1d --save main
  tailgate runtime --baseline saved:main --canary service.version=1.4.2 --since 1h
"""


@click.command(short_help="Pauses, queues, pools and memory, each with its interval.", help=_HELP)
@lake_option
@click.option("--service", default="*", show_default=True, metavar="PATTERN", help="Of services.")
@click.option("--signal", "names", multiple=True, metavar="NAME", help="One alone, or several.")
@click.option("--where", multiple=True, metavar="SELECTOR", help="Such as service.version=1.4.2.")
@click.option(
    "--baseline",
    metavar="SELECTOR",
    help="Compare with these, or with saved:NAME, beside --canary.",
)
@click.option("--canary", metavar="SELECTOR", help="What is compared.")
@click.option("--save", metavar="NAME", help="Keep the levels in the lake under a name.")
@click.option("--since", metavar="TIME", help="Start: 2026-03-01T12:00:00Z or an age: 2h.")
@click.option("--until", metavar="TIME", help="End, which is not part of it.")
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
def command(
    lake: Path,
    service: str,
    names: tuple[str, ...],
    where: tuple[str, ...],
    baseline: str | None,
    canary: str | None,
    save: str | None,
    since: str | None,
    until: str | None,
    form: str,
    output: Path | None,
) -> int:
    """Measure the signals, and write them."""
    from pipeline.cli.audit import progress
    from pipeline.gate.runtime import SignalRequest, levels_to_save, read_signals
    from pipeline.gate.saved_levels import saved_name
    from pipeline.jobs.judge_request import parse_baseline, parse_selector
    from pipeline.jobs.runtime_store import save_levels
    from pipeline.jobs.windows import parse_window
    from pipeline.lake import open_lake
    from pipeline.report.runtime import WRITERS

    if (baseline is None) != (canary is None):
        raise click.UsageError("--baseline and --canary go together; give both or neither")
    if baseline is not None and save is not None:
        raise click.UsageError("--save keeps one side; leave --baseline and --canary out")
    both = tuple(pair for text in where for pair in parse_selector(text))
    sides: tuple[Pairs, ...] = (both,)
    if baseline is not None:
        before = parse_baseline(baseline)
        before = before if saved_name(before) else _merged(both, before)
        sides = (before, _merged(both, parse_selector(canary or "")))
    now = time.time_ns()
    window = parse_window(since, until, now)
    with progress("signals") as on_progress:
        request = SignalRequest(sides, service, window=window, names=names)
        signals = read_signals(open_lake(lake), request, on_progress)
    write_result(partial(WRITERS[form], signals), output)
    if save is not None:
        # A lake of an earlier tailgate has no table of them yet.
        opened = open_lake(lake, create=True)
        levels = levels_to_save(signals, request.alpha)
        saved = save_levels(opened, levels, save, window, now)
        click.echo(f"saved {saved} levels as {save}", err=True)
    return 0 if any(signal.levels or signal.checks for signal in signals) else 3


def _merged(both: "Pairs", own: "Pairs") -> "Pairs":
    """Give what both sides have and what one has of its own, which wins."""
    return tuple(dict([*both, *own]).items())
