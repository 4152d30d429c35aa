"""Reading perf script: 60 MB of stacks of 10 to 30 frames, against a loop over the lines."""

import hashlib
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from collectors.collector import Reading, Rows
from collectors.expand import Content
from collectors.origin import Origin
from collectors.perf_script import PERF_SCRIPT
from measure import Measure, table

MEGABYTES = 60
SYMBOLS = 4000
STACKS = 3000
ROUNDS = 3
NOON = 1_795_608_000_000_000_000

_HEADER = re.compile(r"^(\S.+?)\s+(\d+)/?(\d+)?.*?(?:(\d+)\s+)?(\S+):\s*$")
_FRAME = re.compile(r"^\s*([0-9a-f]+)\s*(.+) \((.*)\)$")


def main() -> list[Measure]:
    """Measure how fast a file becomes rows, and how fast a loop folds the same file."""
    with tempfile.TemporaryDirectory(prefix="tailgate-bench-") as folder:
        path = Path(folder) / "perf.txt"
        path.write_bytes(b"".join(samples(np.random.default_rng(7))))
        size = path.stat().st_size / 1e6
        took = 1e9
        for _ in range(ROUNDS):
            began = time.perf_counter()
            read = rows(path)
            took = min(took, time.perf_counter() - began)
        began = time.perf_counter()
        folded = fold(path)
        took_by_line = time.perf_counter() - began
    assert read == sum(folded.values()), f"{read} samples, the loop has {sum(folded.values())}"
    return [
        Measure(
            "perf script to rows",
            size / took,
            "MB/s",
            against=f"a loop over the lines, {size / took_by_line:.0f} MB/s",
            ratio=took_by_line / took,
            goal=80,
        )
    ]


def samples(rng: np.random.Generator) -> Iterator[bytes]:
    """Write samples until there are enough bytes; an address is anywhere in its function."""
    names = [f"shop::{kind}_{n}(int)" for n in range(SYMBOLS // 4) for kind in "abcd"]
    mappings = ["/srv/shop", "/usr/lib/x86_64-linux-gnu/libc.so.6", "[kernel.kallsyms]"]
    stacks = [rng.zipf(1.3, rng.integers(10, 31)) % SYMBOLS for _ in range(STACKS)]
    written, clock = 0, 1000.0
    while written < MEGABYTES * 1_000_000:
        stack = stacks[rng.integers(0, STACKS)]
        clock += 0.005
        offsets = rng.integers(0, 200, len(stack))
        tid = 4200 + rng.integers(0, 16)
        lines = [f"shop worker {tid} [{tid % 8:03d}] {clock:.6f}:    5025125 cpu-clock:ppp: "]
        lines += [
            f"\t{0x400000 + 256 * symbol + offset:16x} {names[symbol]}+0x{offset:x}"
            f" ({mappings[symbol % 3]})"
            for symbol, offset in zip(stack.tolist(), offsets.tolist(), strict=True)
        ]
        block = "\n".join([*lines, "", ""]).encode()
        written += len(block)
        yield block


def rows(path: Path) -> int:
    """Read a file to rows and give how many samples it holds."""
    digest = hashlib.sha256(b"bench").hexdigest()
    reading = Reading(lambda name: 0, Origin(), NOON, NOON, file=path.name, sha256=digest)
    with Content(path) as content:
        items = PERF_SCRIPT.read(content, reading)
        return sum(item.messages for item in items if isinstance(item, Rows))


def fold(path: Path) -> Counter[str]:
    """Fold a file line by line, as the usual scripts do."""
    folded: Counter[str] = Counter()
    comm = ""
    stack: list[str] = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            line = line.rstrip("\n")
            if not line:
                if comm:
                    folded[";".join([comm, *reversed(stack)])] += 1
                comm, stack = "", []
            elif found := _FRAME.match(line):
                stack.append(re.sub(r"\+0x[0-9a-f]+$", "", found[2]).partition("(")[0])
            elif found := _HEADER.match(line):
                comm = found[1].replace(" ", "_")
    return folded


if __name__ == "__main__":
    print(table(main()))
    sys.exit()
