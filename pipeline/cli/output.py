"""Where a command writes its answer: standard output, or a file that is whole or not there."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import UsageError


def write_result(write: Callable[[BinaryIO], None], output: Path | None) -> None:
    """Write a result to standard output, where a terminal gets rules, or to a file.

    Raises:
        UsageError: the file cannot be written.
    """
    if output is None:
        write(sys.stdout.buffer)
    else:
        write_file(output, write)


def write_file(out: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write a file whole or not at all; - is standard output.

    Raises:
        UsageError: the file cannot be written.
    """
    content = io.BytesIO()
    write(content)
    if str(out) == "-":
        sys.stdout.buffer.write(content.getbuffer())
        return
    try:
        out.write_bytes(content.getbuffer())
    except OSError as error:
        raise UsageError(f"{out}: {error.strerror}; name a file that can be written") from error
