"""Start-up: what a person waits for before anything happens."""

import subprocess
import sys
import time

from measure import Measure


def main() -> list[Measure]:
    """Measure --help against the interpreter alone."""
    own = _seconds("-m", "pipeline.cli.main", "--help")
    bare = _seconds("-c", "pass")
    name = "tailgate --help"
    return [Measure(name, own, "s", "python -c pass", own / bare, 0.3, "value", True)]


def _seconds(*arguments: str) -> float:
    """Give the median of nine runs."""
    times = []
    for _ in range(9):
        started = time.monotonic()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        times.append(time.monotonic() - started)
    return sorted(times)[4]
