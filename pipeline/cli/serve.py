"""``tailgate serve``: the receiver, its landing and the lake's upkeep."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import config_option, lake_option

if TYPE_CHECKING:
    from collectors.otlp.server import Ready
    from collectors.otlp.worker import WorkerCommand
    from pipeline.settings import Maintenance, Settings

_PORT = click.IntRange(0, 65535)
_FILE = click.Path(dir_okay=False)


@click.command(short_help="Receive OTLP and land it in the lake, until stopped.")
@lake_option
@config_option
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--grpc-port", type=_PORT, help="OTLP/gRPC port; 0 is a free one.  [default: 4317]")
@click.option("--http-port", type=_PORT, help="OTLP/HTTP port; 0 is a free one.  [default: 4318]")
@click.option(
    "--tls-cert", type=_FILE, metavar="FILE", help="Certificate chain, PEM: turns TLS on."
)
@click.option("--tls-key", type=_FILE, metavar="FILE", help="Its key, PEM.")
@click.option("--tls-client-ca", type=_FILE, metavar="FILE", help="Clients' CA, PEM: mTLS.")
@click.option("--tokens-file", type=_FILE, metavar="FILE", help="Bearer tokens; see 'token'.")
@click.option("--insecure", is_flag=True, help="Listen beyond loopback without TLS and tokens.")
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
    "--log-format",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="How log lines are written.",
)
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help='Write {"grpc_port": …, "http_port": …} there once requests are welcome.',
)
def command(
    lake: Path,
    config: Path | None,
    journal: str,
    upkeep: bool,
    log_format: str,
    ready_file: Path | None,
    **receiver: Any,
) -> None:
    """Receive OTLP over gRPC and HTTP and land it in the lake.

    A request is acknowledged when it is on the disk, and can be asked for within 5 s of that.
    Ctrl-C or SIGTERM stops: no new requests, what is journaled lands, exit status 0.
    Beyond loopback, TLS and tokens (or client certificates) are needed.

    \b
    Examples:
      tailgate serve
      tailgate serve --lake /data/lake --log-format json
      tailgate serve --host 0.0.0.0 --tls-cert c.pem --tls-key k.pem --tokens-file tokens.toml
      TAILGATE_JOURNAL_BACKLOG_BYTES=1000000000 tailgate serve
    """
    from collectors.otlp import server
    from pipeline import logs
    from pipeline.lake import open_lake
    from pipeline.settings import load

    logs.configure(log_format)
    settings = _with_flags(load(config), receiver)
    opened = open_lake(lake, create=True)
    beside = [_upkeep(opened.path, settings.maintenance)] if upkeep else []

    def on_ready(ready: "Ready") -> None:
        host = settings.receiver.host
        click.echo(
            f"tailgate: OTLP/gRPC on {host}:{ready.grpc_port}, OTLP/HTTP on "
            f"{host}:{ready.http_port}, landing in {opened.path}",
            err=True,
        )
        if ready_file:
            partial = ready_file.with_name(ready_file.name + ".partial")
            partial.write_text(json.dumps(dataclasses.asdict(ready)), encoding="utf-8")
            partial.replace(ready_file)

    server.serve(opened, settings, journal, beside, on_ready)
    sys.stderr.flush()


def _with_flags(settings: "Settings", flags: dict[str, Any]) -> "Settings":
    """Let the flags that were given win over the settings."""
    # By identity: port 0 is a wish of its own, and equals False.
    given = {key: value for key, value in flags.items() if value is not None and value is not False}
    return dataclasses.replace(settings, receiver=dataclasses.replace(settings.receiver, **given))


def _upkeep(lake: Path, maintenance: "Maintenance") -> "WorkerCommand":
    """Give the command of the upkeep process."""
    from collectors.otlp.worker import WorkerCommand

    settings = json.dumps(dataclasses.asdict(maintenance))
    return WorkerCommand("upkeep", ("-m", "pipeline.cli.upkeep", str(lake), settings))
