"""Reading text as a file of bcc, and what came of it in terms that a person can check."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collectors.collector import Head, Reading, Reject, Rows
from collectors.expand import Content
from collectors.origin import Origin
from pipeline.schema import TABLES

# 2026-11-25T12:00:00Z
NOON = 1_795_608_000_000_000_000
SECOND = 1_000_000_000
HOUR = 3_600 * SECOND

_SCHEMAS = {table.name: table.arrow_schema for table in TABLES}


@dataclass(frozen=True)
class Read:
    """What a file gave.

    Attributes:
        tables: rows by table.
        rejects: place and reason of each.
        warnings: of all rows together.
        messages: of all rows together.
    """

    tables: dict[str, list[dict[str, Any]]]
    rejects: list[tuple[str, str]]
    warnings: Counter[str]
    messages: int

    def columns(self, table: str, *names: str) -> list[tuple[Any, ...]]:
        """Give some columns of a table's rows, maps as dicts."""
        return [
            tuple(dict(row[n]) if n in ("keys", "fields") else row[n] for n in names)
            for row in self.tables.get(table, [])
        ]


def head(text: str | bytes, whole: bool = True) -> Head:
    """Give text as the beginning of a file."""
    return Head(text.encode() if isinstance(text, str) else text, whole)


def read_text(
    read: Callable[..., Iterator[Rows | Reject]],
    folder: Path,
    text: str | bytes,
    name: str = "out.txt",
    origin: Origin | None = None,
    **more: int,
) -> Read:
    """Read text as a file of that name, last written at noon."""
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_path(read, path, origin, **more)


def read_path(
    read: Callable[..., Iterator[Rows | Reject]],
    path: Path,
    origin: Origin | None = None,
    **more: int,
) -> Read:
    """Read a file, as last written at noon."""
    reading = Reading(
        landed=lambda table: 0,
        origin=origin or Origin(),
        received_unix_nano=NOON + HOUR,
        modified_unix_nano=NOON,
        file=path.name,
        sha256="ab" * 32,
    )
    tables: dict[str, list[dict[str, Any]]] = {}
    rejects: list[tuple[str, str]] = []
    warnings: Counter[str] = Counter()
    messages = piece = 0
    with Content(path) as content:
        for item in read(content, reading, **more):
            assert item.piece >= piece
            piece = item.piece
            if isinstance(item, Reject):
                rejects.append((item.place, item.reason))
                continue
            warnings.update(item.warnings)
            messages += item.messages
            for table, rows in item.tables.items():
                assert rows.schema.equals(_SCHEMAS[table])
                rows.validate(full=True)
                tables.setdefault(table, []).extend(rows.to_pylist())
    return Read(tables, rejects, +warnings, messages)
