"""``make simulate``: how often the judge is wrong, and what it finds, beside other judges.

python -m tests.simulate.run [--runs N] [--power-runs N] [--json FILE]

A row a scenario and kind of tail: false alarms at a nominal 1 % and their share for Mann-Whitney on
requests (as Kayenta has it on its samples) and a rank test on per-minute quantiles; how often the
interval holds the truth; what of +5 % and +10 % is found. Status 1 where false alarms are above
1.5 % for sure (the lower 95 % bound of the binomial), or coverage is below 96 %.
"""

import argparse
import json
import math
import sys
from pathlib import Path

import numpy as np
from scipy.stats import beta, mannwhitneyu

from pipeline.report.tables import print_table
from pipeline.stats.cells import Range, Side
from pipeline.stats.shift import Pair
from tests.simulate.scenarios import SCENARIOS, Scenario, sides

QUANTILES = (0.5, 0.95, 0.99)
ALPHA = 0.01
FALSE_ALARMS_MOST = 0.015
COVERAGE_LEAST = 0.96


def measure(
    scenario: Scenario, effect: float, runs: int, heavy: bool = False, peers: bool = False
) -> dict[str, list[float]]:
    """Run one cell of the table.

    Returns:
        For each quantile the share of runs that found the canary slower, that held the truth in
        the interval, and that a rank test on minutes called slower.
    """
    seed = [sum(map(ord, scenario.name)), round(effect * 1000), int(heavy)]
    rng = np.random.default_rng(seed)
    found, held, ranked = (np.zeros(len(QUANTILES)) for _ in range(3))
    truth = math.log1p(effect)
    for _ in range(runs):
        baseline, canary = sides(scenario, effect, rng, heavy)
        pair = Pair(baseline, canary)
        for place, p in enumerate(QUANTILES):
            shift = pair.shift(p)
            low, high = shift.bounds(ALPHA)
            found[place] += shift.p_value() < ALPHA
            held[place] += low <= truth <= high
            if peers:
                ranked[place] += _rank_test(pair.range, baseline, canary, p) < ALPHA
    shares = {"found": found, "held": held, "ranked": ranked}
    return {name: (counts / runs).tolist() for name, counts in shares.items()}


def _rank_test(buckets: Range, baseline: Side, canary: Side, p: float) -> float:
    """Give the p-value of Mann-Whitney on the quantile of each minute, as canary judges do it."""
    minutes = [
        buckets.histograms(side, side.minute, side.minutes).log_quantile(p)
        for side in (canary, baseline)
    ]
    known = [each[np.isfinite(each)] for each in minutes]
    return float(mannwhitneyu(*known, alternative="greater").pvalue)


def main() -> int:
    """Run every scenario and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--power-runs", type=int, default=400)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    rows, told, good = [], [], True
    for scenario in SCENARIOS:
        for heavy in (False, True):
            none = measure(scenario, 0.0, asked.runs, heavy, peers=True)
            some = [measure(scenario, each, asked.power_runs, heavy) for each in (0.05, 0.10)]
            wrong = [_surely_above(share, asked.runs) for share in none["found"]]
            good &= not any(wrong) and min(none["held"]) >= COVERAGE_LEAST
            told.append({"scenario": scenario.name, "heavy": heavy, "none": none, "some": some})
            cells = [none["found"], none["ranked"], none["held"], *(each["found"] for each in some)]
            name = f"{scenario.name}{' heavy' if heavy else ''}"
            rows.append([name, *(_cell(each) for each in cells)])
            print(rows[-1], file=sys.stderr, flush=True)
    headings = ("p50/p95/p99, %", "false", "rank test", "held", "+5 % found", "+10 % found")
    print_table(headings, rows, [False] + [True] * 5, sys.stdout.buffer)
    if asked.json:
        asked.json.write_text(json.dumps(told, indent=1) + "\n")
    return 0 if good else 1


def _surely_above(share: float, runs: int) -> bool:
    """Tell whether false alarms are above the limit for sure (Clopper and Pearson, 95 %)."""
    count = round(share * runs)
    return bool(count and beta.ppf(0.05, count, runs - count + 1) > FALSE_ALARMS_MOST)


def _cell(shares: list[float]) -> str:
    return " / ".join(f"{100 * share:.1f}" for share in shares)


if __name__ == "__main__":
    sys.exit(main())
