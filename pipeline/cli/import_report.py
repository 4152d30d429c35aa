"""What ``tailgate import`` tells: how far it is, and what became of every file."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collectors.finding import Found
    from collectors.importing import Outcome

_HEADINGS = ("file", "format", "signals", "messages", "rows", "rejected", "outcome")
_NUMBERS = (False, False, False, True, True, True, False)

# Of each file so many rejects are printed; --json has them all.
_REJECTS_PRINTED = 20


@contextlib.contextmanager
def progress(files: "Sequence[Found]") -> Iterator[Callable[[Path, int], None]]:
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


def write_json(outcomes: "Sequence[Outcome]") -> None:
    """Write everything that is known."""
    document = {
        "files": [as_json(outcome) for outcome in outcomes],
        "rows": sum(sum(outcome.rows.values()) for outcome in outcomes),
        "rejected": sum(outcome.rejected for outcome in outcomes),
        "refused": sum(outcome.status == "refused" for outcome in outcomes),
    }
    click.echo(json.dumps(document, indent=2))


def as_json(outcome: "Outcome") -> dict[str, Any]:
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


def write_text(outcomes: "Sequence[Outcome]") -> None:
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
    packed = "" if outcome.compression in ("", "none") else f", {outcome.compression}"
    return [
        str(outcome.file),
        f"{outcome.format}{packed}" if outcome.format else "-",
        ", ".join(outcome.signals) or "-",
        f"{outcome.messages:,}",
        f"{sum(outcome.rows.values()):,}",
        f"{outcome.rejected:,}",
        _status(outcome),
    ]


def _status(outcome: "Outcome") -> str:
    """Say what became of a file."""
    if outcome.status == "imported" and outcome.known:
        return f"imported, {outcome.known:,} messages were already"
    return {"known": "already imported"}.get(outcome.status, outcome.status)


def write_line(outcome: "Outcome", as_lines: bool) -> None:
    """Write one file's outcome as it is done."""
    if as_lines:
        click.echo(json.dumps(as_json(outcome)))
        return
    told = outcome.reason or f"{sum(outcome.rows.values()):,} rows, {outcome.rejected:,} rejected"
    click.echo(f"{outcome.file}: {outcome.format or '-'}, {_status(outcome)}: {told}")
