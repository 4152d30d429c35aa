"""Miss-ratio curves: a million references exactly, ten million sampled, against an LRU played."""

import sys
import time

import numpy as np

from measure import Measure, table
from pipeline.stats.cache_policies import lru
from pipeline.stats.miss_ratio import miss_ratio_curve
from pipeline.stats.stack_distance import stack_distances

EXACT, SAMPLED, KEYS = 1_000_000, 10_000_000, 400_000
RATE, ERROR_MOST = 0.1, 0.02


def main() -> list[Measure]:
    """Measure on references of which few keys have most."""
    keys = popular(SAMPLED)
    exact = EXACT / best(lambda: stack_distances(keys[:EXACT]))
    listed = keys[:EXACT].tolist()
    played = EXACT / best(lambda: lru(listed, [1.0] * EXACT, KEYS / 10), 1)
    seconds = best(lambda: miss_ratio_curve(keys, rate=RATE, key=("bench",)), 1)
    sampled = miss_ratio_curve(keys, rate=RATE, key=("bench",))
    whole = miss_ratio_curve(keys, rate=1.0, at=sampled.sizes)
    error = float(np.abs(whole.ratios - sampled.ratios).mean())
    return [
        Measure("LRU played for one size", played / 1e6, "M references/s"),
        Measure("LRU stack distances, all sizes at once", exact / 1e6, "M references/s",
                "LRU played", exact / played, 1.0),
        Measure("curve of 10 M references, 5 samples of a tenth", seconds, "s", "", None, 5.0,
                "value", True),
        Measure("  its mean error", error, "", "all keys", None, ERROR_MOST, "value", True),
    ]  # fmt: skip


def popular(count: int) -> np.ndarray:
    """Draw references by rank to the power of -0.9."""
    weight = 1 / np.arange(1, KEYS + 1) ** 0.9
    drawn = np.random.default_rng(1).random(count)
    return np.searchsorted(np.cumsum(weight) / weight.sum(), drawn).astype(np.int64)


def best(function: object, repeats: int = 3) -> float:
    """Give the shortest of several runs, in seconds."""
    taken = []
    for _ in range(repeats):
        started = time.monotonic()
        function()  # type: ignore[operator]
        taken.append(time.monotonic() - started)
    return min(taken)


if __name__ == "__main__":
    print(table(main()))
    sys.exit()
