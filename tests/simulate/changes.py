"""How often noise is said to have changed, and how often a step is found where it is.

python -m tests.simulate.changes [--runs N]

A row a length and autocorrelation: series of noise with a change at a nominal 1 %, steps of 1 and
3 sigmas in the middle that are found within two points. Status 1 where noise has changes in more
than 1.5 % for sure (the lower 95 % bound of the binomial), for 40 points or more and an
autocorrelation of 0 or 0.5, or where fewer than 98 % of the large steps in independent noise are
found for sure.
"""

import argparse
import sys

import numpy as np
from scipy.stats import beta

from pipeline.report.tables import print_table
from pipeline.stats.change_points import find_changes
from pipeline.stats.change_scan import simulate

LENGTHS = (20, 40, 100, 200)
RHOS = (0.0, 0.5, 0.7)
FALSE_MOST, FOUND_LEAST = 0.015, 0.98
_SIGMA = 0.05


def false_share(n: int, rho: float, runs: int) -> float:
    """Give the share of noise that has a change."""
    found = [bool(find_changes(series).changes) for series in _noise(n, rho, runs)]
    return float(np.mean(found))


def found_share(n: int, rho: float, runs: int, sigmas: float) -> float:
    """Give the share of steps in the middle that are found within two points."""
    factor = np.where(np.arange(n) >= n // 2, np.exp(sigmas * _SIGMA), 1.0)
    hits = [
        any(abs(change.place - n // 2) <= 2 for change in find_changes(series * factor).changes)
        for series in _noise(n, rho, runs)
    ]
    return float(np.mean(hits))


def _noise(n: int, rho: float, runs: int) -> np.ndarray:
    """Give series about 100 that scatter by 5 %."""
    rng = np.random.default_rng([n, round(100 * rho)])
    rows = simulate(runs, n, rho, rng)
    return np.asarray(100 * np.exp(_SIGMA * np.sqrt(1 - rho * rho) * rows))


def main() -> int:
    """Run every cell and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    runs = parser.parse_args().runs
    rows, good = [], True
    for rho in RHOS:
        for n in LENGTHS:
            wrong = false_share(n, rho, runs)
            small, large = (found_share(n, rho, runs, sigmas) for sigmas in (1, 3))
            if n >= 40 and rho <= 0.5:
                good &= _bound(0.05, wrong, runs) <= FALSE_MOST
            if n >= 40 and rho == 0:
                good &= _bound(0.95, large, runs) >= FOUND_LEAST
            shares = (wrong, small, large)
            rows.append([f"{rho:g}", str(n), *(f"{100 * share:.1f}" for share in shares)])
            print(rows[-1], file=sys.stderr, flush=True)
    headings = ("autocorrelation", "points", "false %", "1 sigma found %", "3 sigmas found %")
    print_table(headings, rows, [True] * 5, sys.stdout.buffer)
    return 0 if good else 1


def _bound(level: float, share: float, runs: int) -> float:
    """Bound a share from one side by Clopper and Pearson: from below at 0.05, above at 0.95."""
    count = round(share * runs)
    if level < 0.5:
        return float(beta.ppf(level, count, runs - count + 1)) if count else 0.0
    return float(beta.ppf(level, count + 1, runs - count)) if count < runs else 1.0


if __name__ == "__main__":
    sys.exit(main())
