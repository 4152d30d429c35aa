"""``tailgate serve``: the receiver, its landing and the lake's upkeep."""

import dataclasses
import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import config_option, lake_option

if TYPE_CHECKING:
    from collectors.otlp.server import Ready
    from collectors.otlp.worker import WorkerCommand
    from pipeline.settings import Maintenance


@click.command(short_help="Receive OTLP and land it in the lake, until stopped.")
@lake_option
@config_option
@click.option("--host", default=None, help="Address to listen on.  [default: 127.0.0.1]")
@click.option(
    "--grpc-port",
    type=click.IntRange(0, 65535),
    default=None,
    help="OTLP/gRPC port; 0 is a free one.",
)
@click.option(
    "--journal",
    default="default",
    show_default=True,
    metavar="NAME",
    help="This receiver's journal; receivers on one lake have one each.",
)
@click.option(
    "--upkeep/--no-upkeep",
    default=True,
    show_default=True,
    help="Keep rollups up to date, merge small files, drop what is too old.",
)
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help='Write {"grpc_port": …} there once requests are welcome.',
)
def command(
    lake: Path,
    config: Path | None,
    host: str | None,
    grpc_port: int | None,
    journal: str,
    upkeep: bool,
    ready_file: Path | None,
) -> None:
    """Receive OTLP over gRPC and land it in the lake.

    A request is acknowledged when it is on the disk, and can be asked for within 5 s of that.
    Ctrl-C or SIGTERM stops: no new requests, what is journaled lands, exit status 0.

    \b
    Examples:
      tailgate serve
      tailgate serve --lake /data/lake --grpc-port 4317
      TAILGATE_JOURNAL_BACKLOG_BYTES=1000000000 tailgate serve
    """
    from collectors.otlp import server
    from pipeline.lake import open_lake
    from pipeline.settings import load

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    settings = load(config)
    receiver = settings.receiver
    if host is not None:
        receiver = dataclasses.replace(receiver, host=host)
    if grpc_port is not None:
        receiver = dataclasses.replace(receiver, grpc_port=grpc_port)
    settings = dataclasses.replace(settings, receiver=receiver)
    opened = open_lake(lake, create=True)
    beside = [_upkeep(opened.path, settings.maintenance)] if upkeep else []

    def on_ready(ready: "Ready") -> None:
        address = f"{receiver.host}:{ready.grpc_port}"
        click.echo(f"tailgate: OTLP/gRPC on {address}, landing in {opened.path}", err=True)
        if ready_file:
            partial = ready_file.with_name(ready_file.name + ".partial")
            partial.write_text(json.dumps(dataclasses.asdict(ready)), encoding="utf-8")
            partial.replace(ready_file)

    server.serve(opened, settings, journal, beside, on_ready)
    sys.stderr.flush()


def _upkeep(lake: Path, maintenance: "Maintenance") -> "WorkerCommand":
    """Give the command of the upkeep process."""
    from collectors.otlp.worker import WorkerCommand

    settings = json.dumps(dataclasses.asdict(maintenance))
    return WorkerCommand("upkeep", ("-m", "pipeline.cli.upkeep", str(lake), settings))
