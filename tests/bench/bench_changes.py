"""Change points: a series of 1,000 and 2,000 points, the second against Apache Otava's.

Otava is installed for the bench, into a folder of its own; without a network it is left out.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from measure import Measure
from pipeline.stats.change_points import find_changes

_OTAVA = "apache-otava==0.8.0"
_RUNS = 9

# What Otava's own environment runs: the same series, its analysis alone, the median of the runs.
_THEIRS = """
import json, sys, time
from otava.analysis import compute_change_points
series, runs = json.load(sys.stdin)
times = []
for _ in range(runs):
    started = time.perf_counter()
    compute_change_points(series)
    times.append(time.perf_counter() - started)
print(sorted(times)[len(times) // 2])
"""


def main() -> list[Measure]:
    """Measure noise, which is rejected quickly, and a series with three steps."""
    rng = np.random.default_rng(1)
    noise = 100 * np.exp(0.05 * rng.standard_normal(1000))
    plain = _milliseconds(noise)
    name = "changes: 1,000 points of noise"
    measures = [Measure(name, plain, "ms", goal=20.0, at_most=True)]
    stepped = 100 * np.exp(0.05 * rng.standard_normal(2000) + 0.15 * (np.arange(2000) // 500))
    own, theirs = _milliseconds(stepped), _otava_milliseconds(stepped)
    name = "changes: 2,000 points with three steps"
    if theirs is None:
        return [*measures, Measure(name, own, "ms", "Otava could not be installed")]
    ratio = own / theirs
    return [*measures, Measure(name, own, "ms", _OTAVA, ratio, 2.0, "ratio", True)]


def _milliseconds(series: np.ndarray) -> float:
    """Give the median of several runs; the first of a process also simulates its nulls."""
    times = []
    for _ in range(_RUNS):
        started = time.perf_counter()
        find_changes(series)
        times.append(1000 * (time.perf_counter() - started))
    return sorted(times)[_RUNS // 2]


def _otava_milliseconds(series: np.ndarray) -> float | None:
    """Install Otava into a folder and time it there; None where that cannot be done."""
    with tempfile.TemporaryDirectory(prefix="otava-") as folder:
        python = str(Path(folder) / "bin" / "python")
        install = [python, "-m", "pip", "install", "--quiet", _OTAVA]
        try:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True)
            subprocess.run(install, check=True, capture_output=True, timeout=300)
        except (OSError, subprocess.SubprocessError) as error:
            print(f"changes: Otava left out: {error}", file=sys.stderr)
            return None
        given = json.dumps([series.tolist(), 3])
        command = [python, "-c", _THEIRS]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
        return 1000 * float(done.stdout)
