"""Reads what bpftrace writes without a lake, and gives rows that can be compared by hand."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from collectors import expand
from collectors.bpftrace_rows import read
from collectors.collector import Head, Reading, Reject
from collectors.expand import Content
from collectors.origin import Origin

# 2026-11-25T12:00:00Z
NOON = 1_795_608_000_000_000_000


@dataclass
class Told:
    """What a file gave.

    Attributes:
        tables: rows by table.
        pieces: of all items, in their order.
        rejects: place and reason of each.
        messages: how many were kept.
        warnings: by reason.
    """

    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    pieces: list[int] = field(default_factory=list)
    rejects: list[tuple[str, str]] = field(default_factory=list)
    messages: int = 0
    warnings: Counter[str] = field(default_factory=Counter)

    def rows(self, table: str, *columns: str) -> list[Any]:
        """Give columns of a table's rows; of one column its values."""
        found = self.tables.get(table, [])
        if len(columns) == 1:
            return [row[columns[0]] for row in found]
        return [tuple(row[name] for name in columns) for row in found]


def lines(*objects: Any) -> bytes:
    """Write objects as bpftrace does, one a line."""
    return "".join(json.dumps(each) + "\n" for each in objects).encode()


def head(content: bytes) -> Head:
    """Give a short file's beginning."""
    return Head(content, whole=True)


def tell(
    folder: Path,
    content: bytes,
    form: str = "json",
    block_bytes: int = 8 << 20,
    piece_bytes: int = 256 << 20,
    **origin: Any,
) -> Told:
    """Read a content, in blocks and pieces of some size."""
    path = folder / f"trace.{form}"
    path.write_bytes(content)
    told = Told()
    with Content(path) as opened, pytest.MonkeyPatch.context() as patch:
        # A block is never less than what is read at once.
        patch.setattr(expand, "_CHUNK_BYTES", min(block_bytes, expand._CHUNK_BYTES))
        reading = Reading(
            lambda name: 0,
            Origin(**origin),
            NOON + 1,
            NOON,
            file=path.name,
            sha256="ab" * 32,
            piece_bytes=piece_bytes,
        )
        for item in read(form, opened, reading, block_bytes):
            told.pieces.append(item.piece)
            if isinstance(item, Reject):
                told.rejects.append((item.place, item.reason))
                continue
            told.messages += item.messages
            told.warnings.update(item.warnings)
            for name, table in item.tables.items():
                told.tables.setdefault(name, []).extend(table.to_pylist())
    return told
