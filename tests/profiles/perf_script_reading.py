"""Reading perf script in tests: a file's tables, and its samples as people would write them."""

import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from collectors import expand
from collectors.collector import Reading, Reject, Rows
from collectors.expand import Content
from collectors.origin import Origin
from collectors.perf_script_rows import read
from collectors.text_blocks import BLOCK_BYTES

# 2026-11-25T12:00:00Z, when files of the tests were written.
NOON = 1_795_608_000_000_000_000


def nothing_landed(table: str) -> int:
    """Say that no piece of the file is in a table."""
    return 0


class Perf:
    """What a file of perf script gave.

    Attributes:
        tables: rows by table.
        rejects: what was not kept: place and reason.
        warnings: by reason.
        messages: samples.
        pieces: of each item, in order.
    """

    def __init__(self, items: list[Rows | Reject]) -> None:
        rows = [item for item in items if isinstance(item, Rows)]
        rejects = [item for item in items if isinstance(item, Reject)]
        self.tables: dict[str, list[dict[str, Any]]] = {
            name: pa.concat_tables([part.tables[name] for part in rows if part.tables]).to_pylist()
            for name in ("profiles", "profile_samples", "profile_stacks", "profile_frames")
        }
        self.rejects = [(reject.place, reject.reason) for reject in rejects]
        self.warnings: Counter[str] = Counter()
        for part in rows:
            self.warnings.update(part.warnings)
        self.messages = sum(part.messages for part in rows)
        self.pieces = [item.piece for item in items]

    @property
    def profiles(self) -> list[dict[str, Any]]:
        """Give the profiles."""
        return self.tables["profiles"]

    @property
    def samples(self) -> list[dict[str, Any]]:
        """Give the samples, each with its functions and frames leaf first."""
        stacks = {row["stack_id"]: row for row in self.tables["profile_stacks"]}
        frames = {row["frame_id"]: row for row in self.tables["profile_frames"]}
        events = {row["profile_id"]: dict(row["attributes"]) for row in self.profiles}
        return [
            {
                **sample,
                "functions": stacks[sample["stack_id"]]["functions"],
                "frames": [frames[each] for each in stacks[sample["stack_id"]]["frame_ids"]],
                "labels": dict(sample["labels"]),
                "event": events[sample["profile_id"]].get("event", ""),
            }
            for sample in self.tables["profile_samples"]
        ]

    def folded(self, label: Callable[[dict[str, Any]], str]) -> Counter[str]:
        """Give the samples by stack, root first, behind the command's name."""
        return Counter(
            ";".join([sample["comm"], *map(label, reversed(sample["frames"]))])
            for sample in self.samples
        )


def read_file(
    path: Path,
    block_bytes: int = BLOCK_BYTES,
    landed: Callable[[str], int] = nothing_landed,
    piece_bytes: int = 256 << 20,
    **origin: Any,
) -> Perf:
    """Read a file."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    reading = Reading(
        landed, Origin(**origin), NOON, NOON, file=path.name, sha256=digest, piece_bytes=piece_bytes
    )
    with Content(path) as content, pytest.MonkeyPatch.context() as patch:
        # A block is never smaller than what is read at once.
        patch.setattr(expand, "_CHUNK_BYTES", min(block_bytes, expand._CHUNK_BYTES))
        return Perf(list(read(content, reading, block_bytes)))


def read_text(folder: Path, text: str | bytes, **how: Any) -> Perf:
    """Read a text."""
    path = folder / "perf.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_file(path, **how)
