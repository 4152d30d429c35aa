"""``tailgate audit``: what this judge is worth on your own history."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.judge_options import tolerance_of, tolerance_options
from pipeline.cli.options import lake_option
from pipeline.cli.output import write_result

if TYPE_CHECKING:
    from pipeline.jobs.audit import AuditRequest

_KINDS = ("requests", "all", "internal", "server", "client", "producer", "consumer")
_FORMATS = ("text", "json", "markdown")
_PER_CENT = 100.0


@click.command(short_help="Measure this judge on your own history.")
@lake_option
@click.option(
    "--where",
    multiple=True,
    metavar="SELECTOR",
    help="Whose history, such as service.version=1.4.1; may be repeated.  [default: all]",
)
@click.option("--since", metavar="TIME", help="Start: 2026-03-01T12:00:00Z or an age: 7d.")
@click.option("--until", metavar="TIME", help="End, which is not part of it.")
@click.option("--kind", type=click.Choice(_KINDS), default="requests", show_default=True)
@click.option(
    "--window",
    default="60m",
    show_default=True,
    metavar="AGE",
    help="How long the judgement watches.",
)
@click.option(
    "--runs",
    type=click.IntRange(20, 100_000),
    default=200,
    show_default=True,
    help="Replays at most; half of them with harm as well.",
)
@click.option(
    "--share",
    type=click.FloatRange(0, 50, min_open=True),
    default=50.0,
    show_default=True,
    help="Per cent of the traffic on the canary.",
)
@click.option(
    "--inject",
    default="5,10,20,50",
    show_default=True,
    metavar="SIZES",
    help="Slowdowns in per cent; empty for none.",
)
@click.option(
    "--inject-errors",
    default="0.5,1,2",
    show_default=True,
    metavar="SIZES",
    help="Errors added, in points (per cent of requests); empty for none.",
)
@click.option("--tail", is_flag=True, help="Also slow down only what lies above p90.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Audit the budgets that stand there, each on its own requests.",
)
@tolerance_options
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
def command(lake: Path, config: Path | None, form: str, output: Path | None, **given: Any) -> int:
    """Replay a release against itself: how often the judge errs, and what it would find.

    History is cut into windows. In each the instances are dealt out to two halves by chance, and
    the halves are judged as baseline and canary, with the tolerance that is given: whatever fails
    then fails without cause. In half of the replays each operation of the canary is made slower in
    turn, and gets errors, to see what fails. Nothing in the lake changes.

    Ends with status 0; 3 where history is too short.

    \b
    Examples:
      tailgate audit --where service.version=1.4.1 --since 7d
      tailgate audit --where service.name=checkout --window 30m --share 5 --tail
      tailgate audit --config tailgate.toml --since 7d
      tailgate audit --tolerance 20 --inject 10,25,50 --format markdown --output audit.md
    """
    from pipeline.gate.auditing import audit
    from pipeline.jobs.audit import run
    from pipeline.lake import open_lake
    from pipeline.report.audit import WRITERS

    request = _request_of(given)
    if config is not None:
        return _budgets(lake, config, request, given["alpha"], form, output)
    history = run(open_lake(lake), request)
    with progress("replaying") as on_progress:
        found = audit(history, tolerance_of(given), on_progress)
    write_result(partial(WRITERS[form], found), output)
    return 0


def _budgets(
    lake: Path,
    config: Path,
    request: "AuditRequest",
    alpha: float,
    form: str,
    output: Path | None,
) -> int:
    """Audit the budgets of a file."""
    from pipeline.gate.auditing_budgets import audit_budgets
    from pipeline.gate.budget_reading import read_budgets
    from pipeline.lake import open_lake
    from pipeline.report.audit_budgets import WRITERS

    if request.where:
        raise click.UsageError("--where goes without --config: budgets say themselves whose")
    budgets = read_budgets(config)
    with progress("budgets") as on_progress:
        lines = audit_budgets(open_lake(lake), budgets, request, alpha, on_progress)
    write_result(partial(WRITERS[form], lines), output)
    return 0


def _request_of(given: dict[str, Any]) -> "AuditRequest":
    """Make the question of what the command was given.

    Raises:
        UsageError, BadWindow: it is no question.
    """
    from pipeline.jobs.audit import AuditRequest
    from pipeline.jobs.judge_request import parse_selector
    from pipeline.jobs.windows import parse_window

    where = tuple(pair for text in given["where"] for pair in parse_selector(text))
    since, until = parse_window(given["since"], given["until"], time.time_ns())
    slowdowns = sizes_of("--inject", given["inject"])
    return AuditRequest(
        where=where,
        since_unix_nano=since,
        until_unix_nano=until,
        kind=given["kind"],
        window_minutes=minutes_of(given["window"]),
        runs=given["runs"],
        harmed_runs=(given["runs"] + 1) // 2,
        share=given["share"] / _PER_CENT,
        slowdowns=slowdowns,
        tail_slowdowns=slowdowns if given["tail"] else (),
        added_errors=sizes_of("--inject-errors", given["inject_errors"]),
    )


def minutes_of(text: str) -> int:
    """Read a length of time in whole minutes.

    Raises:
        UsageError: it is none.

    >>> minutes_of("60m"), minutes_of("2h"), minutes_of("90")
    (60, 120, 90)
    """
    number, unit = (text[:-1], text[-1]) if text[-1:] in ("m", "h") else (text, "m")
    if not number.isascii() or not number.isdigit() or len(number) > 6:
        raise click.UsageError(f"--window {text}: write minutes or hours, such as 60m or 2h")
    return int(number) * (60 if unit == "h" else 1)


def sizes_of(option: str, text: str) -> tuple[float, ...]:
    """Read sizes in per cent, joined by commas; rising, each once.

    Raises:
        UsageError: one is no number.

    >>> sizes_of("--inject", "10, 5")
    (0.05, 0.1)
    """
    try:
        sizes = {float(part) / _PER_CENT for part in text.split(",") if part.strip()}
    except ValueError:
        raise click.UsageError(
            f"{option} {text}: write numbers joined by commas, such as 5,10,20"
        ) from None
    return tuple(sorted(sizes))


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal's standard error; give what moves it."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(file=sys.stderr)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield show
