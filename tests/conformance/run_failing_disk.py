"""The command with a disk that fails: syncs raise the error whose number stands in a file.

``python run_failing_disk.py FILE serve …``; while FILE is not there, the disk works.
"""

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

from pipeline.cli.main import main

_sync = os.fdatasync


def failing_in(file: Path) -> None:
    """Make this process's syncs fail while a file says so."""

    def fdatasync(handle: Any) -> None:
        with contextlib.suppress(FileNotFoundError):
            number = int(file.read_text(encoding="ascii"))
            raise OSError(number, os.strerror(number))
        _sync(handle)

    os.fdatasync = fdatasync  # type: ignore[assignment]


if __name__ == "__main__":
    failing_in(Path(sys.argv[1]))
    main(sys.argv[2:])
