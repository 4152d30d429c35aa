"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

DEFAULT_LAKE = "./lake"

Command = Callable[..., Any]


def lake_option(command: Command) -> Command:
    """Add --lake."""
    return click.option(
        "--lake",
        envvar="TAILGATE_LAKE",
        default=DEFAULT_LAKE,
        show_default=True,
        show_envvar=True,
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="The lake's folder.",
    )(command)


def config_option(command: Command) -> Command:
    """Add --config."""
    return click.option(
        "--config",
        envvar="TAILGATE_CONFIG",
        default=None,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Settings; ./tailgate.toml where there is one.",
    )(command)


def where_pair(text: str) -> tuple[str, str]:
    """Read KEY=VALUE, as --where takes it."""
    key, found, value = text.partition("=")
    if not found:
        raise click.UsageError(f"--where {text}: write KEY=VALUE, as in service.version=1.4.2")
    return key, value
