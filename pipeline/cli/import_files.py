"""``tailgate import``: files of telemetry into the lake, each once."""

import contextlib
import signal as signals
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collectors import COLLECTORS
from collectors.sidecar import UNITS, make_origin
from pipeline.cli.options import config_option, lake_option

if TYPE_CHECKING:
    from collectors.finding import Found
    from collectors.importing import Wishes
    from collectors.origin import Origin
    from pipeline.lake import Lake

_FORMATS = tuple(collector.format for collector in COLLECTORS)
_SIGNALS = tuple(dict.fromkeys(name for collector in COLLECTORS for name in collector.signals))

_SOME_REJECTED = 1


_EPILOG = "\b\nFormats:\n" + "\n".join(
    f"  {each.format:16} {each.summary} ({' '.join(each.suffixes)})" for each in COLLECTORS
)


@click.command(short_help="Import files of telemetry into the lake.", epilog=_EPILOG)
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH..."
)
@lake_option
@config_option
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    default=None,
    help="What every file is.  [default: found out]",
)
@click.option(
    "--signal",
    type=click.Choice(_SIGNALS),
    default=None,
    help="What every file holds.  [default: found out]",
)
@click.option("--service", default="", metavar="NAME", help="Whose it is, where a file is silent.")
@click.option(
    "--attribute",
    "attributes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Of the resource, as service.version=1.4.2; may be given again.",
)
@click.option("--time", default="", metavar="TIME", help="When it began, as 2026-11-25T10:00:00Z.")
@click.option("--duration", default=0.0, metavar="SECONDS", help="How long it was recorded.")
@click.option("--rate", default=0.0, metavar="HERTZ", help="Samples a second of the profiler.")
@click.option("--unit", type=click.Choice(UNITS), default=None, help="Of values without one.")
@click.option("--comm", is_flag=True, help="Folded stacks begin with the command's name.")
@click.option("--tool", default="", metavar="NAME", help="What wrote it: runqlat, tcplife, ….")
@click.option("--strict", is_flag=True, help="Stop at the first thing that is rejected.")
@click.option("--watch", is_flag=True, help="Go on: take what is dropped into the folders.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON; with --watch a line a file.")
def command(
    paths: tuple[Path, ...],
    lake: Path,
    config: Path | None,
    form: str | None,
    signal: str | None,
    strict: bool,
    watch: bool,
    as_json: bool,
    **origin: Any,
) -> int:
    """Import files, and the files of folders, hidden ones left out.

    What a file is is told from its content, plain or in gzip or zstd. What it does not say of
    itself the options say, or a sidecar: FILE.tailgate.toml, or tailgate-import.toml for a folder
    (keys service, time, duration_seconds, rate_hertz, unit, comm, tool and [attributes]).

    A file is imported once, whatever it is called: by the hash of its bytes as they are. So the
    same content compressed anew is another file, and so is a file that has grown. Ctrl-C or a
    crash leaves whole pieces of 256 MiB; the same command again goes on behind them.

    What is bad in a file is left out and told with its line or byte. A file that is mostly bad, or
    whose compression is damaged or cut off, is left out whole. Rows whose time is more than 400
    days behind are filed under the day of the import. Ends with status 1 if anything was rejected.

    \b
    Examples:
      tailgate import /var/otel/*.json.zst archive/
      tailgate import --service checkout --attribute service.version=1.4.2 cpu.pb.gz
      tailgate import --watch --json /var/profiles
      tailgate import --signal logs --format otlp-message dump.bin
      tailgate import --json exports/ | jq '.files[] | select(.status != "imported")'
    """
    from collectors.finding import find
    from collectors.importing import Wishes
    from pipeline.lake import open_lake
    from pipeline.settings import load

    if watch and not all(path.is_dir() for path in paths):
        raise click.UsageError("--watch: give folders")
    settings = load(config)
    files = find(paths)
    said = _origin(**origin)
    limits = (settings.landing.decode_bytes, settings.landing.max_attributes)
    wishes = Wishes(form or "", signal or "", strict, said, *limits, settings.redact.keys)
    opened = open_lake(lake, create=True)
    if watch:
        return _watch(opened, paths, wishes, as_json)
    return _import(opened, files, wishes, as_json)


def _import(lake: "Lake", files: "Sequence[Found]", wishes: "Wishes", as_json: bool) -> int:
    """Import what is there now."""
    from collectors.importing import import_files
    from pipeline.cli.import_report import progress, write_json, write_text

    outcomes = []
    # What was done is told also where a full disk or Ctrl-C ends it.
    try:
        with progress(files) as on_bytes:
            for outcome in import_files(lake, files, wishes, on_bytes):
                outcomes.append(outcome)  # noqa: PERF402
    finally:
        (write_json if as_json else write_text)(outcomes)
    return _SOME_REJECTED if any(outcome.faulty for outcome in outcomes) else 0


def _watch(lake: "Lake", paths: tuple[Path, ...], wishes: "Wishes", as_json: bool) -> int:
    """Import what is there and what comes, until somebody ends it."""
    from collectors.watching import watch_folders
    from pipeline.cli.import_report import write_line

    # As Ctrl-C: what was begun is finished the next time.
    signals.signal(signals.SIGTERM, signals.default_int_handler)
    click.echo(f"watching {', '.join(map(str, paths))}; Ctrl-C ends it", err=True)
    with contextlib.suppress(KeyboardInterrupt):
        for outcome in watch_folders(lake, paths, wishes):
            write_line(outcome, as_json)
            if wishes.strict and outcome.faulty:
                return _SOME_REJECTED
    return 0


def _origin(attributes: Sequence[str], duration: float, rate: float, **named: Any) -> "Origin":
    """Give what the options say of every file."""
    pairs = [text.partition("=") for text in attributes]
    for key, sign, _ in pairs:
        if not key or not sign:
            raise click.UsageError(f"--attribute {key}: write KEY=VALUE")
    try:
        return make_origin(
            attributes={key: value for key, _, value in pairs},
            duration_seconds=duration,
            rate_hertz=rate,
            **(named | {"unit": named["unit"] or ""}),
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
