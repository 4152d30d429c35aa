"""``tailgate status``: what the receivers of a lake do, and how fresh its tables are."""

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import lake_option

if TYPE_CHECKING:
    from collectors.otlp.journal_folder import JournalFolder
    from pipeline.lake import Lake

_NOT_RUNNING = 1


@click.command(short_help="Show what the receivers do: requests, backlog, lag.")
@lake_option
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def command(lake: Path, as_json: bool) -> int:
    """Show each journal of a lake: whether its receiver runs, its backlog, what it took and landed.

    Ends with status 1 when a journal holds requests that nobody is there to land.

    \b
    Examples:
      tailgate status
      tailgate status --json | jq '.[].backlog_bytes'
    """
    from pipeline.lake import open_lake
    from pipeline.report.tables import print_table

    journals = _journals(open_lake(lake))
    if as_json:
        click.echo(json.dumps(journals, indent=2))
    elif not journals:
        click.echo("no receiver has run on this lake yet; start one with 'tailgate serve'")
    for journal in () if as_json else journals:
        rows = [[key, _cell(value)] for key, value in journal.items()]
        sys.stdout.flush()
        print_table(("journal", "value"), rows, (False, True), sys.stdout.buffer)
    stuck = any(one["state"] != "running" and one["backlog_bytes"] for one in journals)
    return _NOT_RUNNING if stuck else 0


def _journals(lake: "Lake") -> list[dict[str, Any]]:
    """Look at every journal of a lake."""
    from collectors.otlp.journal_folder import open_journal

    above = lake.path / "_journal"
    names = sorted(folder.name for folder in above.iterdir()) if above.is_dir() else []
    return [_journal(open_journal(lake, name)) for name in names]


def _journal(journal: "JournalFolder") -> dict[str, Any]:
    """Look at one journal."""
    from collectors.otlp.state import LANDING_FILE, RECEIVER_FILE, read_state

    receiver = read_state(journal.path / RECEIVER_FILE)
    landing = read_state(journal.path / LANDING_FILE)
    quarantine = journal.path / "quarantine"
    return {
        "name": journal.path.name,
        "state": "running" if _runs(receiver) else "stopped",
        "grpc": receiver.get("grpc", ""),
        "http": receiver.get("http", ""),
        "told_seconds_ago": _ago(receiver),
        "backlog_bytes": journal.backlog_bytes(),
        "segments_waiting": len(journal.numbers("sealed")),
        "landed_seconds_ago": _ago(landing),
        "landing_lag_seconds": landing.get("lag_seconds"),
        "quarantined": len(list(quarantine.glob("*.json"))) if quarantine.is_dir() else 0,
        **{f"landed_{table}": n for table, n in sorted(landing.get("rows", {}).items())},
        **{f"repaired_{why}": n for why, n in sorted(landing.get("warnings", {}).items())},
        **{name: n for name, n in sorted(receiver.get("totals", {}).items()) if n},
    }


def _runs(state: dict[str, Any]) -> bool:
    """Tell whether the process that left these figures is still there."""
    pid = state.get("pid")
    if not isinstance(pid, int) or state.get("stopped"):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _ago(state: dict[str, Any]) -> float | None:
    """Give how long ago figures were left."""
    written = state.get("written_unix_nano")
    return round((time.time_ns() - written) / 1e9, 1) if isinstance(written, int) else None


def _cell(value: object) -> str:
    """Write a cell; numbers with thousands apart."""
    if value is None:
        return "-"
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.3f}"
    return f"{value:,.0f}" if isinstance(value, int | float) else str(value)
