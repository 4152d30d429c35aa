"""Reading bpftrace's JSON: 40 MB of maps, histograms, stacks and printf, against a walk over it."""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from collectors.bpftrace import BPFTRACE_JSON
from collectors.collector import Reading, Rows
from collectors.expand import Content
from collectors.origin import Origin
from measure import Measure, table

BYTES = 40_000_000
FUNCTIONS, STACKS, COMMANDS = 2_000, 200, 40
DEPTH_LEAST, DEPTH_MOST = 6, 24
# Of a histogram; what a latency in µs needs.
BUCKETS = 20
PRINTF_LINES = 2_000
# The first run also loads libraries and takes memory from the system.
REPEATS = 3
NOON = 1_795_608_000_000_000_000


def main() -> list[Measure]:
    """Measure on a file that is thrown away afterwards."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        path = Path(folder) / "trace.json"
        path.write_text(trace(np.random.default_rng(1)), encoding="utf-8")
        size = path.stat().st_size / 1e6
        columns = size / best(read_columns, path)
        walk = size / best(walk_objects, path)
    return [
        Measure("bpftrace JSON, a walk that makes a dictionary a row", walk, "MB/s"),
        Measure(
            "bpftrace JSON, read to rows of the lake", columns, "MB/s", "walk", columns / walk, 40.0
        ),
    ]


def read_columns(path: Path) -> int:
    """Read the file as an import does, up to the rows."""
    with Content(path) as content:
        reading = Reading(lambda name: 0, Origin(), NOON, NOON, file=path.name, sha256="00" * 32)
        items = BPFTRACE_JSON.read(content, reading)
        return sum(item.messages for item in items if isinstance(item, Rows))


def walk_objects(path: Path) -> int:
    """Read the file as a script would: each line an object, each value a row."""
    rows: list[dict[str, Any]] = []
    with path.open(encoding="utf-8") as file:
        for line in file:
            each = json.loads(line)
            kind, data = each["type"], each["data"]
            if kind == "printf":
                rows.append({"event": kind, "line": data.rstrip("\n"), "time": NOON})
                continue
            for metric, values in data.items():
                for key, value in values.items():
                    keys = key.split(",")
                    if kind == "map":
                        rows.append({"metric": metric, "keys": keys, "value": value, "time": NOON})
                        continue
                    for bucket in value:
                        row = {"metric": metric, "keys": keys, "time": NOON}
                        rows.append({**row, **bucket})
    return len(rows)


def best(function: Callable[[Path], int], path: Path) -> float:
    """Give the shortest of several runs, in seconds."""
    taken = []
    for _ in range(REPEATS):
        started = time.monotonic()
        function(path)
        taken.append(time.monotonic() - started)
    return min(taken)


def trace(rng: np.random.Generator) -> str:
    """Write what a program prints each second: lines, a histogram and a map a command, stacks."""
    commands = [f"worker-{number}" for number in range(COMMANDS)]
    names = [f"shop::part{number % 60}::step{number}" for number in range(FUNCTIONS)]
    stacks = []
    for _ in range(STACKS):
        depth = int(rng.integers(DEPTH_LEAST, DEPTH_MOST + 1))
        frames = [
            f"    {names[place]}+{place % 97}\n" for place in rng.integers(FUNCTIONS, size=depth)
        ]
        stacks.append(f"\n{''.join(frames)},{commands[int(rng.integers(COMMANDS))]}")
    second = 0
    lines: list[str] = []
    size = 0
    while size < BYTES:
        second += 1
        objects: list[tuple[str, Any]] = [
            ("printf", f"{commands[number % COMMANDS]} {number} read {number * 7} bytes\n")
            for number in range(PRINTF_LINES)
        ]
        counts = rng.integers(0, 500, size=(COMMANDS, BUCKETS)).tolist()
        hists = {
            command: [
                {"min": 1 << place, "max": (2 << place) - 1, "count": count}
                for place, count in enumerate(row)
            ]
            for command, row in zip(commands, counts, strict=True)
        }
        calls = {f"{name},{call}": second * call for name in commands for call in range(60)}
        samples = dict(zip(stacks, rng.integers(1, 90, size=STACKS).tolist(), strict=True))
        maps: list[tuple[str, Any]] = [("hist", {"@us": hists}), ("map", {"@calls": calls})]
        for kind, data in [*objects, *maps, ("map", {"@": samples})]:
            lines.append(json.dumps({"type": kind, "data": data}) + "\n")
            size += len(lines[-1])
    return "".join(lines)


if __name__ == "__main__":
    print(table(main()))
    sys.exit()
