"""What ``judge``, ``watch`` and ``audit`` ask alike: two sides, when, and what is let through."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pipeline.gate.judgement import Tolerance
    from pipeline.jobs.judge_request import JudgeRequest

Command = Callable[..., Any]
_DAY_MINUTES = 1440
_KINDS = ("requests", "all", "internal", "server", "client", "producer", "consumer")

# Of what a command is given, those are read by the functions below.
_SIDES = (
    click.option(
        "--baseline",
        required=True,
        metavar="SELECTOR",
        help="Such as service.version=1.4.1, k8s.pod.name=shop-1, or saved:NAME.",
    ),
    click.option(
        "--canary", required=True, metavar="SELECTOR", help="Such as service.version=1.4.2."
    ),
    click.option(
        "--where", multiple=True, metavar="KEY=VALUE", help="Of both sides; may be repeated."
    ),
    click.option("--since", metavar="TIME", help="Start: 2026-03-01T12:00:00Z or an age: 2h."),
    click.option("--until", metavar="TIME", help="End, which is not part of it."),
    click.option("--kind", type=click.Choice(_KINDS), default="requests", show_default=True),
    click.option(
        "--mix-by",
        multiple=True,
        metavar="KEY",
        help="Tell requests apart by this beside their operation: a dimension or an attribute.",
    ),
    click.option(
        "--baseline-shift",
        metavar="AGE",
        help="The baseline is so much earlier, such as 7d: the same hour last week.",
    ),
    click.option(
        "--baseline-windows",
        type=click.IntRange(1, 1000),
        help="So many earlier windows, each a shift before the next; 7 and more can fail.",
    ),
    click.option(
        "--baseline-window",
        metavar="AGE",
        help="The baseline is the same hours of all days of so long: 14d has 10 working days.",
    ),
)

_TOLERANCE = (
    click.option(
        "--tolerance",
        type=click.FloatRange(0, 1000),
        default=5.0,
        show_default=True,
        help="Quantiles may grow by this much, in per cent.",
    ),
    click.option(
        "--tolerance-ms",
        type=click.FloatRange(0),
        default=0.0,
        show_default=True,
        help="And by this much; both must be exceeded.",
    ),
    click.option(
        "--tolerance-errors",
        type=click.FloatRange(0, 100),
        default=1.0,
        show_default=True,
        help="A pass is sure that the error ratio grew by fewer points (per cent of requests).",
    ),
    click.option(
        "--alpha",
        type=click.FloatRange(0, 0.5, min_open=True),
        default=0.01,
        show_default=True,
        help="How often a sound canary may fail, over all checks together.",
    ),
    click.option(
        "--correction",
        type=click.Choice(("holm", "bh")),
        default="holm",
        show_default=True,
        help="For how many checks there are; with bh --alpha is the share of false failures.",
    ),
    click.option(
        "--direction",
        multiple=True,
        metavar="METRIC=WAY",
        help="Which way is worse, such as p95=either: increase (default), decrease or either.",
    ),
    click.option(
        "--split",
        type=click.FloatRange(0, 100, min_open=True, max_open=True),
        help="The canary's share of requests that was meant, in per cent.",
    ),
    click.option(
        "--exact", is_flag=True, help="Durations that never vary are told apart as they stand."
    ),
    click.option(
        "--critical-services", is_flag=True, help="Services as a whole can fail a canary as well."
    ),
)


def sides_options(command: Command) -> Command:
    """Add --baseline, --canary, --where, --since, --until and the like."""
    return _added(command, _SIDES)


def tolerance_options(command: Command) -> Command:
    """Add --tolerance, --tolerance-ms, --tolerance-errors, --alpha and the like."""
    return _added(command, _TOLERANCE)


def _added(command: Command, options: tuple[Callable[[Command], Command], ...]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def request_of(given: dict[str, Any]) -> "JudgeRequest":
    """Make the question of what a command was given by ``sides_options``.

    Raises:
        UsageError, BadWindow: it is no question.
    """
    from pipeline.jobs.judge_request import (
        SAVED,
        JudgeRequest,
        parse_baseline,
        parse_mix_by,
        parse_selector,
    )
    from pipeline.jobs.windows import parse_window

    now = time.time_ns()
    both = tuple(pair for text in given["where"] for pair in parse_selector(text))
    baseline = parse_baseline(given["baseline"])
    if dict(baseline).keys() != {SAVED}:
        baseline = tuple(dict([*both, *baseline]).items())
    canary = tuple(dict([*both, *parse_selector(given["canary"])]).items())
    window = parse_window(given["since"], given["until"], now)
    shift, windows = _earlier(given)
    return JudgeRequest(
        baseline,
        canary,
        *window,
        given["kind"],
        mix_by=parse_mix_by(given.get("mix_by") or ()),
        baseline_shift_minutes=shift,
        baseline_windows=windows,
        now_unix_nano=now,
    )


def _earlier(given: dict[str, Any]) -> tuple[int, int]:
    """Give how many minutes earlier the baseline is, and in how many windows.

    Raises:
        UsageError: options that say it twice, or windows without a shift.
        BadWindow: an age that is none.
    """
    from pipeline.errors import UsageError

    shift, windows, days = (
        given.get(f"baseline_{name}") for name in ("shift", "windows", "window")
    )
    if days is not None:
        if shift is not None or windows is not None:
            raise UsageError("--baseline-window says both shift and windows; leave those out")
        count = _minutes(days) // _DAY_MINUTES
        if not count:
            raise UsageError(f"--baseline-window {days}: less than a day; give 1d or more")
        return _DAY_MINUTES, count
    if shift is None:
        if windows is not None:
            raise UsageError("--baseline-windows: how far apart? add --baseline-shift, such as 7d")
        return 0, 1
    minutes = _minutes(shift)
    if not minutes:
        raise UsageError(f"--baseline-shift {shift}: less than a minute; give 1m or more")
    return minutes, windows or 1


def _minutes(age: str) -> int:
    """Read an age as whole minutes.

    Raises:
        BadWindow: it is none.
    """
    from pipeline.jobs.windows import parse_time

    # Counted back from a present that is as late as can be.
    now = 2**63 - 1
    return (now - parse_time(age, now)) // 60_000_000_000


def tolerance_of(given: dict[str, Any]) -> "Tolerance":
    """Make the tolerance of what a command was given by ``tolerance_options``.

    Raises:
        UsageError: a direction that is none.
    """
    from pipeline.errors import UsageError
    from pipeline.gate.judgement import Tolerance

    directions = []
    for text in given.get("direction") or ():
        metric, sign, way = text.partition("=")
        if not sign or not metric:
            raise UsageError(f"--direction {text}: write METRIC=WAY, such as p95=either")
        directions.append((metric, way))
    split = given.get("split")
    return Tolerance(
        given["alpha"],
        given["tolerance"] / 100,
        given["tolerance_ms"],
        given["tolerance_errors"] / 100,
        given.get("correction", "holm"),
        tuple(directions),
        None if split is None else split / 100,
        bool(given.get("exact")),
        bool(given.get("critical_services")),
    )
