"""Reading perf stat in tests: a text to its counters and rejects."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from collectors import expand
from collectors.collector import Reading, Reject, Rows
from collectors.expand import Content
from collectors.origin import Origin
from collectors.perf_stat_rows import read
from collectors.text_blocks import BLOCK_BYTES

# 2026-11-25T12:00:00Z, when files of the tests were written.
NOON = 1_795_608_000_000_000_000


class Stat:
    """What a file of perf stat gave.

    Attributes:
        rows: of ebpf_counts, keys as dictionaries.
        rejects: what was not kept: place and reason.
        warnings: by reason.
        messages: counters.
    """

    def __init__(self, items: list[Rows | Reject]) -> None:
        parts = [item for item in items if isinstance(item, Rows)]
        table = pa.concat_tables([part.tables["ebpf_counts"] for part in parts])
        self.rows: list[dict[str, Any]] = [
            {**row, "keys": dict(row["keys"])} for row in table.to_pylist()
        ]
        self.rejects = [(i.place, i.reason) for i in items if isinstance(i, Reject)]
        self.warnings = sum((part.warnings for part in parts), Counter[str]())
        self.messages = sum(part.messages for part in parts)

    def columns(self, *names: str) -> list[tuple[Any, ...]]:
        """Give some columns of each row."""
        return [tuple(row[name] for name in names) for row in self.rows]


def read_file(path: Path, block_bytes: int = BLOCK_BYTES, **origin: Any) -> Stat:
    """Read a file."""
    reading = Reading(lambda _: 0, Origin(**origin), NOON, NOON, file=path.name, sha256="ab" * 32)
    with Content(path) as content, pytest.MonkeyPatch.context() as patch:
        # A block is never smaller than what is read at once.
        patch.setattr(expand, "_CHUNK_BYTES", min(block_bytes, 1 << 20))
        return Stat(list(read(content, reading, block_bytes)))


def read_text(folder: Path, text: str | bytes, **how: Any) -> Stat:
    """Read a text."""
    path = folder / "stat.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_file(path, **how)
