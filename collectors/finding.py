"""The files below given paths: folders searched, hidden ones left, what is no file named."""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from collectors.sidecar import is_sidecar
from pipeline.errors import UsageError

# A lake's folder holds tables, which are no telemetry to bring in.
_LAKE_MARKER = "tailgate-lake.json"

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


@dataclass(frozen=True)
class Found:
    """A path that was given or found.

    Attributes:
        path: the path.
        size_bytes: of the file.
        refused: why it cannot be opened; empty for a regular file.
    """

    path: Path
    size_bytes: int = 0
    refused: str = ""


def find(paths: Sequence[Path]) -> list[Found]:
    """Find the files to import.

    Args:
        paths: files and folders.

    Returns:
        Given files in the order given, those of a folder sorted by path, each once.

    Raises:
        UsageError: a given path does not exist.
    """
    found: dict[Path, Found] = {}
    for path in paths:
        if not os.path.lexists(path):
            raise UsageError(f"{path}: no such file or folder")
        files = _below(path) if path.is_dir() else [path]
        for file in files:
            found.setdefault(file, _look(file))
    return list(found.values())


def _below(folder: Path) -> Iterator[Path]:
    """Give the files of a folder and its folders, sorted; links to folders are not followed."""

    def unreadable(error: OSError) -> None:
        raise UsageError(f"{error.filename}: {error.strerror}") from error

    files: list[Path] = []
    for at, folders, names in os.walk(folder, onerror=unreadable):
        if _LAKE_MARKER in names:
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = [Path(at, name) for name in names if not name.startswith(".")]
        files += [path for path in paths if not is_sidecar(path)]
    yield from sorted(files)


def _look(path: Path) -> Found:
    """Tell whether a path is a file that can be opened without waiting for somebody."""
    try:
        status = path.stat()
    except OSError as error:
        return Found(path, refused=f"{error.strerror}; it is a link that points nowhere")
    if is_sidecar(path):
        return Found(path, refused="a sidecar file; import what it is about")
    for is_kind, name in _KINDS:
        if is_kind(status.st_mode):
            return Found(path, refused=f"{name}, not a file; write what it gives to a file")
    if not os.access(path, os.R_OK):
        return Found(path, refused="not readable; grant access")
    return Found(path, status.st_size)
