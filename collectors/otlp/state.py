"""Figures that one process leaves in a file for others to read: whole, or as they were."""

import contextlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LANDING_FILE = "landing.json"
RECEIVER_FILE = "receiver.json"


def write_state(file: Path, state: Mapping[str, Any]) -> None:
    """Leave figures in a file, whole or not at all; a full disk is no reason to fail."""
    partial = file.with_name(f"{file.name}.partial")
    with contextlib.suppress(OSError):
        partial.write_text(
            json.dumps({**state, "written_unix_nano": time.time_ns(), "pid": os.getpid()}),
            encoding="utf-8",
        )
        partial.replace(file)


def read_state(file: Path) -> dict[str, Any]:
    """Read figures that were left; nothing where there are none."""
    with contextlib.suppress(OSError, ValueError):
        state = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(state, dict):
            return state
    return {}
