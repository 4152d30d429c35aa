"""What ``judge``, ``watch`` and ``audit`` ask alike: two sides, when, and what is let through."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pipeline.gate.judgement import Tolerance
    from pipeline.jobs.judge_request import JudgeRequest

Command = Callable[..., Any]
_KINDS = ("requests", "all", "internal", "server", "client", "producer", "consumer")

# Of what a command is given, those are read by the functions below.
_SIDES = (
    click.option(
        "--baseline", required=True, metavar="SELECTOR", help="Such as service.version=1.4.1."
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
)


def sides_options(command: Command) -> Command:
    """Add --baseline, --canary, --where, --since, --until and --kind."""
    return _added(command, _SIDES)


def tolerance_options(command: Command) -> Command:
    """Add --tolerance, --tolerance-ms, --tolerance-errors and --alpha."""
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
    from pipeline.jobs.judge_request import JudgeRequest, parse_selector
    from pipeline.jobs.windows import parse_window

    both = tuple(pair for text in given["where"] for pair in parse_selector(text))
    sides = [
        tuple(dict([*both, *parse_selector(given[side])]).items())
        for side in ("baseline", "canary")
    ]
    window = parse_window(given["since"], given["until"], time.time_ns())
    return JudgeRequest(sides[0], sides[1], *window, given["kind"])


def tolerance_of(given: dict[str, Any]) -> "Tolerance":
    """Make the tolerance of what a command was given by ``tolerance_options``."""
    from pipeline.gate.judgement import Tolerance

    return Tolerance(
        given["alpha"],
        given["tolerance"] / 100,
        given["tolerance_ms"],
        given["tolerance_errors"] / 100,
    )
