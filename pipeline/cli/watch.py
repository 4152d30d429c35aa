"""``tailgate watch``: judge a canary while it runs, look after look, and stop when it is sure."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from pipeline.cli.judge_options import request_of, sides_options, tolerance_of, tolerance_options
from pipeline.cli.options import lake_option
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.gate.standings import Watch
    from pipeline.gate.watching import Look
    from pipeline.jobs.judge_request import JudgeRequest

FORMATS = ("text", "jsonl")
_MINUTE_NANO = 60_000_000_000

Waiting = Callable[[str], None]


@click.command(short_help="Judge a canary while it runs, and stop when it is sure.")
@lake_option
@sides_options
@tolerance_options
@click.option(
    "--for",
    "horizon",
    default="30m",
    show_default=True,
    metavar="DURATION",
    help="From the first minute of both sides to the last look.",
)
@click.option(
    "--looks",
    type=click.IntRange(1, 60),
    default=6,
    show_default=True,
    help="Planned looks, at even distances; errors are tested at these alone.",
)
@click.option(
    "--every",
    default="1m",
    show_default=True,
    metavar="DURATION",
    help="How often quantiles are looked at between them.",
)
@click.option(
    "--rule",
    type=click.Choice(("both", "looks", "anytime")),
    default="both",
    show_default=True,
    help="Planned looks, e-values, or half of alpha for each.",
)
@click.option("--stop-on-pass", is_flag=True, help="End at a planned look where a pass is sure.")
@click.option(
    "--settle",
    default="10s",
    show_default=True,
    metavar="DURATION",
    help="How long after its end a minute is taken to be in the lake.",
)
@click.option("--replay", is_flag=True, help="Go through the past, from --since, at once.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
def command(lake: Path, form: str, output: Path | None, **given: Any) -> int:
    """Watch a canary beside its baseline while both stream into the lake.

    However often it looks, a sound canary fails no more often than --alpha says, over all
    operations, quantiles, errors and looks together. A sure regression ends the watch at once; all
    else waits for the last look. Whoever starts it again with the same --since gets the same looks.

    Ends with status 0 for pass and warn, 1 for fail, 3 for inconclusive and no_data.

    \b
    Examples:
      tailgate watch --baseline service.version=1.4.1 --canary service.version=1.4.2
      tailgate watch --baseline service.version=1.4.1 --canary service.version=1.4.2 \\
          --for 1h --looks 6 --stop-on-pass --format jsonl --output looks.jsonl
      tailgate watch --replay --since 2026-03-01T12:00:00Z --for 30m \\
          --baseline service.version=1.4.1 --canary service.version=1.4.2
    """
    from pipeline.gate.standings import Watch

    watch = Watch(
        whole_minutes("--for", given["horizon"]),
        given["looks"],
        given["rule"],
        given["stop_on_pass"],
        tolerance_of(given),
    )
    request = _request(given, watch)
    live = form == "text" and output is None and sys.stdout.isatty() and not given["replay"]
    with ExitStack() as stack:
        out = stack.enter_context(_opened(output))
        if live:
            return _shown_live(lambda waiting: _looks(lake, request, watch, given, waiting), out)
        return _written(_looks(lake, request, watch, given, _to_stderr), form, out)


def duration_seconds(option: str, text: str) -> int:
    """Read a duration: 90s, 30m, 2h.

    Raises:
        BadWindow: it is none.

    >>> duration_seconds("--for", "30m")
    1800
    """
    from pipeline.errors import BadWindow

    number, unit = text[:-1], {"s": 1, "m": 60, "h": 3600}.get(text[-1:], 0)
    if not (unit and number.isascii() and number.isdigit() and len(number) <= len("86400")):
        raise BadWindow(f"{option} {text!r}: not a duration; write 90s, 30m or 2h")
    return int(number) * unit


def whole_minutes(option: str, text: str) -> int:
    """Read a duration of whole minutes, one or more.

    Raises:
        BadWindow: it is none.

    >>> whole_minutes("--every", "120s")
    2
    """
    from pipeline.errors import BadWindow

    minutes, rest = divmod(duration_seconds(option, text), 60)
    if rest or not minutes:
        raise BadWindow(f"{option} {text}: not whole minutes; write 1m, 30m or 2h")
    return minutes


def _request(given: dict[str, Any], watch: "Watch") -> "JudgeRequest":
    """Make the question: from the minute that begins, or the past that was asked for.

    Raises:
        UsageError, BadWindow: it is no question.
    """
    request = request_of(given)
    if given["replay"]:
        if request.since_unix_nano is None:
            raise UsageError("watch --replay: a start is missing; give --since")
        return request
    since = request.since_unix_nano
    if since is None:
        # The minute that is under way began before the watch: it is whole in the lake.
        since = time.time_ns() // _MINUTE_NANO * _MINUTE_NANO
        told = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since // 1_000_000_000))
        _to_stderr(f"the same looks again: --replay --since {told}")
    return replace(request, since_unix_nano=since)


def _looks(
    lake: Path, request: "JudgeRequest", watch: "Watch", given: dict[str, Any], waiting: Waiting
) -> "Iterator[Look]":
    """Give the looks, of the past or as minutes come to an end."""
    from pipeline.gate.following import Clock, followed, replayed
    from pipeline.lake import open_lake

    settle = duration_seconds("--settle", given["settle"])
    every = whole_minutes("--every", given["every"])
    clock = Clock(time.time_ns, time.sleep, settle, every)
    opened = open_lake(lake)
    if not given["replay"]:
        return followed(opened, request, watch, clock, waiting)
    ended = clock.ended()
    if request.until_unix_nano is not None:
        ended = min(ended, request.until_unix_nano // _MINUTE_NANO)
    return replayed(opened, request, watch, ended, every)


def _written(looks: "Iterator[Look]", form: str, out: BinaryIO) -> int:
    """Write a line a look, then the verdict; interrupted, the state so far.

    Returns:
        The exit status.
    """
    from pipeline.report import looks as report

    line, end = {
        "text": (report.write_look, report.write_end),
        "jsonl": (report.write_look_json, report.write_end_json),
    }[form]
    last, ends = None, ""
    try:
        for last in looks:
            line(last, out)
    except KeyboardInterrupt:
        ends = report.INTERRUPTED
    end(last, ends, out)
    return report.exit_status(last, ends)


def _shown_live(looks: "Callable[[Waiting], Iterator[Look]]", out: BinaryIO) -> int:
    """Show a view that changes in place, then the verdict; interrupted, the state so far.

    Returns:
        The exit status.
    """
    from rich.console import Console
    from rich.live import Live

    from pipeline.report import looks as report

    last, ends = None, ""
    with Live(report.live_view(None, "reading"), console=Console(), auto_refresh=False) as live:

        def waiting(text: str) -> None:
            live.update(report.live_view(last, text), refresh=True)

        try:
            for last in looks(waiting):
                live.update(report.live_view(last, "looking"), refresh=True)
        except KeyboardInterrupt:
            ends = report.INTERRUPTED
    report.write_end(last, ends, out)
    return report.exit_status(last, ends)


def _to_stderr(text: str) -> None:
    click.echo(f"watch: {text}", err=True)


def _opened(output: Path | None) -> Any:
    """Open where lines go: a file gets each as it is known.

    Raises:
        UsageError: the file cannot be written.
    """
    if output is None or str(output) == "-":
        return nullcontext(sys.stdout.buffer)
    try:
        return output.open("wb")
    except OSError as error:
        raise UsageError(f"{output}: {error.strerror}; name a file that can be written") from error
