"""``tailgate import``: files of telemetry into the lake, each once."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collectors import COLLECTORS
from pipeline.cli.options import config_option, lake_option

if TYPE_CHECKING:
    from collectors.finding import Found
    from collectors.importing import Outcome

_FORMATS = tuple(collector.format for collector in COLLECTORS)
_SIGNALS = tuple(dict.fromkeys(name for collector in COLLECTORS for name in collector.signals))

_HEADINGS = ("file", "format", "signals", "messages", "rows", "rejected", "outcome")
_NUMBERS = (False, False, False, True, True, True, False)

# Of each file so many rejects are printed; --json has them all.
_REJECTS_PRINTED = 20

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
@click.option("--strict", is_flag=True, help="Stop at the first thing that is rejected.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def command(
    paths: tuple[Path, ...],
    lake: Path,
    config: Path | None,
    form: str | None,
    signal: str | None,
    strict: bool,
    as_json: bool,
) -> int:
    """Import files, and the files of folders, hidden ones left out.

    What a file is is told from its content: OTLP requests as JSON or protobuf, a line each, behind
    their lengths or one alone, plain or in gzip or zstd, of any signal.

    A file is imported once, whatever it is called: by the hash of its bytes as they are. So the
    same content compressed anew is another file, and so is a file that has grown. Ctrl-C or a
    crash leaves whole pieces of 256 MiB; the same command again goes on behind them.

    What is bad in a file is left out and told with its line or byte. A file that is more than half
    bad, or whose compression is damaged or cut off, is left out whole. Rows whose time is more than
    400 days behind the import are filed under the day of the import, as at the receiver; their time
    stays as it is.

    Ends with status 1 if anything was rejected.

    \b
    Examples:
      tailgate import /var/otel/*.json.zst archive/
      tailgate import --signal logs --format otlp-message dump.bin
      tailgate import --json exports/ | jq '.files[] | select(.status != "imported")'
    """
    from collectors.finding import find
    from collectors.importing import Wishes, import_files
    from pipeline.lake import open_lake
    from pipeline.settings import load

    settings = load(config)
    files = find(paths)
    opened = open_lake(lake, create=True)
    limits = (settings.landing.decode_bytes, settings.landing.max_attributes)
    wishes = Wishes(form or "", signal or "", strict, *limits, settings.redact.keys)
    outcomes = []
    # What was done is told also where a full disk or Ctrl-C ends it.
    try:
        with _progress(files) as on_bytes:
            for outcome in import_files(opened, files, wishes, on_bytes):
                outcomes.append(outcome)  # noqa: PERF402
    finally:
        (_write_json if as_json else _write_text)(outcomes)
    return _SOME_REJECTED if any(outcome.faulty for outcome in outcomes) else 0


@contextlib.contextmanager
def _progress(files: "Sequence[Found]") -> Iterator[Callable[[Path, int], None]]:
    """Show how many bytes have been read, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda path, taken: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    done = dict.fromkeys((file.path for file in files), 0)
    with Progress(
        *columns, TimeRemainingColumn(), console=Console(file=sys.stderr), transient=True
    ) as bar:
        task = bar.add_task("importing", total=sum(file.size_bytes for file in files))

        def on_bytes(path: Path, taken: int) -> None:
            bar.update(task, description=path.name, advance=taken - done[path])
            done[path] = taken

        yield on_bytes


def _write_json(outcomes: "Sequence[Outcome]") -> None:
    """Write everything that is known."""
    document = {
        "files": [_as_json(outcome) for outcome in outcomes],
        "rows": sum(sum(outcome.rows.values()) for outcome in outcomes),
        "rejected": sum(outcome.rejected for outcome in outcomes),
        "refused": sum(outcome.status == "refused" for outcome in outcomes),
    }
    click.echo(json.dumps(document, indent=2))


def _as_json(outcome: "Outcome") -> dict[str, Any]:
    """Give one file's outcome."""
    return {
        "file": str(outcome.file),
        "status": outcome.status,
        "reason": outcome.reason,
        "format": outcome.format,
        "compression": outcome.compression,
        "sha256": outcome.sha256,
        "signals": outcome.signals,
        "messages": outcome.messages,
        "known_messages": outcome.known,
        "rows": dict(outcome.rows),
        "rejected": outcome.rejected,
        "rejects": [{"place": each.place, "reason": each.reason} for each in outcome.rejects],
        "warnings": {reason: count for reason, count in outcome.warnings.items() if count},
    }


def _write_text(outcomes: "Sequence[Outcome]") -> None:
    """Write a line a file, then what was rejected."""
    from pipeline.report.tables import print_table

    if not outcomes:
        click.echo("no files")
        return
    sys.stdout.flush()
    print_table(_HEADINGS, [_cells(each) for each in outcomes], _NUMBERS, sys.stdout.buffer)
    sys.stdout.buffer.flush()
    for outcome in outcomes:
        if outcome.reason:
            click.echo(f"{outcome.file}: {outcome.reason}")
        for reject in outcome.rejects[:_REJECTS_PRINTED]:
            click.echo(f"{outcome.file}: {reject.place}: {reject.reason}")
        if outcome.rejected > _REJECTS_PRINTED:
            click.echo(f"{outcome.file}: {outcome.rejected - _REJECTS_PRINTED:,} more; see --json")
        warnings = {reason: count for reason, count in outcome.warnings.items() if count}
        for reason, count in sorted(warnings.items()):
            click.echo(f"{outcome.file}: {reason.replace('_', ' ')}: {count:,}")


def _cells(outcome: "Outcome") -> list[str]:
    """Write one file's line."""
    status = {"known": "already imported"}.get(outcome.status, outcome.status)
    if outcome.status == "imported" and outcome.known:
        status = f"imported, {outcome.known:,} messages were already"
    packed = "" if outcome.compression in ("", "none") else f", {outcome.compression}"
    return [
        str(outcome.file),
        f"{outcome.format}{packed}" if outcome.format else "-",
        ", ".join(outcome.signals) or "-",
        f"{outcome.messages:,}",
        f"{sum(outcome.rows.values()):,}",
        f"{outcome.rejected:,}",
        status,
    ]
