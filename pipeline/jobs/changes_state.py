"""Changes that were confirmed before, kept in a file so that later points cannot unsay them.

A file and not a replay of the history: every prefix that is tested again is one more chance of a
false alarm, and a replay begins elsewhere once retention has dropped the oldest points.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError

STATE_SCHEMA = "tailgate.changes.state/1"

# Series -> the changes known of it, as kept.
State = dict[str, list[dict[str, Any]]]


def read_state(path: Path) -> State:
    """Read what is known; nothing where there is no file yet.

    Raises:
        UsageError: the file cannot be read, or is something else.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; name a file that can be read") from error
    except ValueError as error:
        raise UsageError(f"{path}: no JSON ({error}); remove it to start anew") from error
    if not isinstance(document, dict) or document.get("schema") != STATE_SCHEMA:
        raise UsageError(f"{path}: not written by tailgate changes; name another file")
    series = document.get("series")
    known = isinstance(series, dict) and all(
        isinstance(changes, list) and all(_is_kept(change) for change in changes)
        for changes in series.values()
    )
    if not known:
        raise UsageError(f"{path}: damaged; remove it to start anew")
    return dict(series or {})


def _is_kept(change: object) -> bool:
    return isinstance(change, Mapping) and isinstance(change.get("first_after"), str)


def write_state(path: Path, state: State) -> None:
    """Write what is known: whole, or as it was.

    Raises:
        UsageError: the file cannot be written.
    """
    document = {"schema": STATE_SCHEMA, "series": {key: state[key] for key in sorted(state)}}
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with beside.open("w", encoding="ascii") as out:
            out.write(json.dumps(document, indent=2, allow_nan=False) + "\n")
            out.flush()
            os.fsync(out.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise UsageError(f"{path}: {error.strerror}; name a file that can be written") from error
