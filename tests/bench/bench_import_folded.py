"""Reading folded stacks: 60 MB of them as columns, against a loop over their lines."""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from collectors.collector import Reading, Rows
from collectors.expand import Content
from collectors.folded import FOLDED
from collectors.origin import Origin
from measure import Measure, table

BYTES = 60_000_000
FRAMES, PACKAGES = 4_000, 60
DEPTH_LEAST, DEPTH_MOST = 20, 40
# The first run also loads libraries and takes memory from the system.
REPEATS = 3
NOON = 1_795_608_000_000_000_000


def main() -> list[Measure]:
    """Measure on a file that is thrown away afterwards."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        path = Path(folder) / "stacks.folded"
        path.write_text(folded(np.random.default_rng(1)), encoding="utf-8")
        size = path.stat().st_size / 1e6
        columns = size / best(read_columns, path)
        lines = size / best(read_lines, path)
    return [
        Measure("folded, a loop over lines that adds up", lines, "MB/s"),
        Measure(
            "folded, read to rows of the lake", columns, "MB/s", "loop", columns / lines, 150.0
        ),
    ]


def read_columns(path: Path) -> int:
    """Read the file as an import does, up to the rows."""
    with Content(path) as content:
        reading = Reading(lambda name: 0, Origin(), NOON, NOON, file=path.name, sha256="00" * 32)
        return sum(
            item.messages for item in FOLDED.read(content, reading) if isinstance(item, Rows)
        )


def read_lines(path: Path) -> int:
    """Read the file as a script would: each line cut, each frame known, equal stacks added up."""
    stacks: Counter[tuple[int, ...]] = Counter()
    frames: dict[str, int] = {}
    with path.open(encoding="utf-8") as file:
        for line in file:
            stack, _, count = line.rpartition(" ")
            places = tuple(frames.setdefault(name, len(frames)) for name in stack.split(";"))
            stacks[places] += int(count)
    return len(stacks)


def best(function: Callable[[Path], int], path: Path) -> float:
    """Give the shortest of several runs, in seconds."""
    taken = []
    for _ in range(REPEATS):
        started = time.monotonic()
        function(path)
        taken.append(time.monotonic() - started)
    return min(taken)


def folded(rng: np.random.Generator) -> str:
    """Write stacks: a program's few entries, then ever more of its functions, mostly distinct."""
    names = [f"shop::part{n % PACKAGES}::Module{n}::step" for n in range(FRAMES)]
    lines: list[str] = []
    size = 0
    while size < BYTES:
        depth = int(rng.integers(DEPTH_LEAST, DEPTH_MOST + 1))
        # Near the root there are few to choose from, near the leaf all.
        choices = np.minimum(2 ** np.arange(1, depth + 1), FRAMES)
        places = (rng.random(depth) * choices).astype(int)
        lines.append(f"{';'.join([names[place] for place in places])} {rng.integers(1, 500)}\n")
        size += len(lines[-1])
    return "".join(lines)


if __name__ == "__main__":
    print(table(main()))
    sys.exit()
