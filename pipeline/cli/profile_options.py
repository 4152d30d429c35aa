"""Options that choose profiles, shared by the commands that show them."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import where_pair

if TYPE_CHECKING:
    from pipeline.jobs.profile_request import ProfileRequest

Command = Callable[..., Any]

_OPTIONS = (
    click.option(
        "--since", metavar="TIME", help="Start: 2026-03-01T12:00:00Z, 2026-03-01, or an age: 2h."
    ),
    click.option("--until", metavar="TIME", help="End, which is not part of it; the same forms."),
    click.option(
        "--where",
        multiple=True,
        metavar="KEY=VALUE",
        help="Only these samples: service.version=1.4.2, thread.name=main, or any label; may be "
        "given again, all must hold.",
    ),
    click.option(
        "--profile-type",
        default="",
        metavar="TYPE",
        help="cpu, wall, off_cpu, inuse_space, ….  [default: cpu, or the only one there is]",
    ),
    click.option(
        "--sample-type",
        default="",
        metavar="NAME",
        help="Type of value, as the profiler calls it.  [default: the profiler's]",
    ),
)


def profile_options(command: Command) -> Command:
    """Add --since, --until, --where, --profile-type and --sample-type."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def profile_request(
    since: str | None,
    until: str | None,
    where: tuple[str, ...],
    profile_type: str,
    sample_type: str,
) -> "ProfileRequest":
    """Make the request of the options.

    Raises:
        UsageError, BadWindow: they cannot be read.
    """
    from pipeline.jobs.profile_request import ProfileRequest
    from pipeline.jobs.windows import parse_window

    window = parse_window(since, until, time.time_ns())
    return ProfileRequest(*window, tuple(map(where_pair, where)), profile_type, sample_type)
