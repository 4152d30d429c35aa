"""Reading one file with one collector, and what came of it in terms that a person can check."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from collectors.collector import Reading, Reject, Rows
from collectors.expand import Content
from collectors.origin import Origin

NOON = 1_795_608_000_000_000_000

TABLES = {"profiles", "profile_samples", "profile_stacks", "profile_frames"}


@dataclass(frozen=True)
class Read:
    """What a file gave.

    Attributes:
        tables: rows by table.
        rejects: place and reason of each.
        warnings: of all rows together.
        messages: of all rows together.
        pieces: of all items, in order.
    """

    tables: dict[str, list[dict[str, Any]]]
    rejects: list[tuple[str, str]]
    warnings: Counter[str]
    messages: int
    pieces: list[int]

    def stacks(self, **columns: Any) -> dict[tuple[str, ...], int]:
        """Give the value of each stack, root first, over samples with these columns."""
        functions = {row["stack_id"]: row["functions"] for row in self.tables["profile_stacks"]}
        found: Counter[tuple[str, ...]] = Counter()
        for row in self.tables["profile_samples"]:
            if all(row[name] == value for name, value in columns.items()):
                found[tuple(reversed(functions[row["stack_id"]]))] += row["value"]
        return dict(found)

    def frame(self, function: str) -> dict[str, Any]:
        """Give the one frame with this function."""
        (row,) = (row for row in self.tables["profile_frames"] if row["function"] == function)
        return row

    def column(self, name: str) -> list[Any]:
        """Give a column of the samples, sorted, NULL first."""
        values = [row[name] for row in self.tables["profile_samples"]]
        return sorted(values, key=lambda value: (value is not None, value))


def read_file(
    read: Callable[[Content, Reading], Iterator[Rows | Reject]],
    path: Path,
    piece_bytes: int = 1 << 40,
    landed: int = 0,
    **origin: Any,
) -> Read:
    """Read a file; every item must be of a piece no earlier and hold every table."""
    parts: dict[str, list[pa.Table]] = {name: [] for name in TABLES}
    rejects = []
    warnings: Counter[str] = Counter()
    messages = 0
    pieces: list[int] = []
    with Content(path) as content:
        reading = Reading(
            lambda table: landed,
            Origin(**origin),
            NOON,
            NOON - 5,
            file=path.name,
            sha256="ab" * 32,
            piece_bytes=piece_bytes,
        )
        for item in read(content, reading):
            pieces.append(item.piece)
            if isinstance(item, Reject):
                rejects.append((item.place, item.reason))
                continue
            assert set(item.tables) == TABLES
            assert item.known == (landed >= item.piece)
            messages += item.messages
            warnings.update(item.warnings)
            for name, table in item.tables.items():
                table.validate(full=True)
                parts[name].append(table)
    assert pieces == sorted(pieces)
    tables = {
        name: pa.concat_tables(each).to_pylist() if each else [] for name, each in parts.items()
    }
    return Read(tables, rejects, warnings, messages, pieces)
