"""``make simulate``: how often the judge is wrong, and what it finds, beside other judges.

python -m tests.simulate.run [--runs N] [--power-runs N] [--only NAME …] [--json FILE]

Each release is written as rows of the rollup and judged from there, as ``tailgate judge`` does. A
row a scenario and kind of tail: false alarms at a nominal 1 % and their share for a Kayenta-style
judge (High) and a rank test on requests, on the same data; how often the interval holds the truth;
verdicts at a margin of 5 %; what is found of a small effect (+5 %; split5: +10 %), of a large one
(twice that) and of one on the slowest tenth only (+20 %). Status 1 where false alarms are above
1.5 % for sure (the lower 95 % bound of the binomial), or coverage is below 96 % for sure.
"""

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from scipy.stats import beta

from pipeline.report.tables import print_table
from tests.simulate.measuring import Figures, measure
from tests.simulate.scenarios import APART, SCENARIOS, Scenario

FALSE_ALARMS_MOST = 0.015
COVERAGE_LEAST = 0.96

_ROWS = (*SCENARIOS, *APART)
_EFFECTS = ("none", "small", "large", "tail")
_TAIL_EFFECT = 0.20

_HEADINGS = (
    "p50/p95/p99, %",
    "false",
    "Kayenta false",
    "ranks of requests false",
    "held",
    "fail",
    "pass",
    "small found",
    "large found",
    "Kayenta large",
    "large fail",
    "tail found",
)


def main() -> int:
    """Run every scenario and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--power-runs", type=int, default=400)
    parser.add_argument("--only", action="append", choices=[each.name for each in _ROWS])
    parser.add_argument("--tails", choices=("light", "heavy", "both"), default="both")
    parser.add_argument("--direct", action="store_true", help="the statistics without a lake")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    cells = [
        Cell(scenario, heavy, asked.runs, asked.power_runs, asked.direct)
        for scenario in _ROWS
        for heavy in (False, True)
        if (not asked.only or scenario.name in asked.only)
        and asked.tails in ("both", "heavy" if heavy else "light")
    ]
    rows, told, good = [], [], True
    with ProcessPoolExecutor(asked.workers) as pool:
        for cell, found in zip(cells, pool.map(measured, cells), strict=True):
            scenario, none = cell.scenario, found[0]
            good &= is_good(none, asked.runs) or not scenario.barred
            figures = dict(zip(_EFFECTS, map(asdict, found), strict=True))
            told.append({"scenario": scenario.name, "heavy": cell.heavy} | figures)
            rows.append([f"{scenario.name}{' heavy' if cell.heavy else ''}", *_row(*found)])
            print(rows[-1], file=sys.stderr, flush=True)
    print_table(_HEADINGS, rows, [False] + [True] * (len(_HEADINGS) - 1), sys.stdout.buffer)
    if asked.json:
        # What was not asked is NaN, which JSON does not have.
        plain = json.loads(json.dumps(told), parse_constant=lambda _: None)
        asked.json.write_text(json.dumps(plain, indent=1) + "\n")
    return 0 if good else 1


@dataclass(frozen=True)
class Cell:
    """What a row of the table is measured of."""

    scenario: Scenario
    heavy: bool
    runs: int
    power_runs: int
    direct: bool


def measured(cell: Cell) -> tuple[Figures, Figures, Figures, Figures]:
    """Measure releases without an effect, with a small, a large one, and one on the tail."""
    scenario, heavy, direct = cell.scenario, cell.heavy, cell.direct
    small, large = scenario.effects
    return (
        measure(scenario, 0.0, cell.runs, heavy, peers=True, direct=direct),
        measure(scenario, small, cell.power_runs, heavy, direct=direct),
        measure(scenario, large, cell.power_runs, heavy, peers=True, direct=direct),
        measure(scenario, _TAIL_EFFECT, cell.power_runs, heavy, direct=direct, tail=True),
    )


def is_good(none: Figures, runs: int) -> bool:
    """Tell whether releases against themselves raise no more alarms, nor leave more truths out."""
    wrong = any(surely_above(share, runs, FALSE_ALARMS_MOST) for share in none.found)
    missed = any(surely_above(1 - share, runs, 1 - COVERAGE_LEAST) for share in none.held)
    return not wrong and not missed


def surely_above(share: float, runs: int, most: float = FALSE_ALARMS_MOST) -> bool:
    """Tell whether a share is above a limit for sure (Clopper and Pearson, 95 %)."""
    count = round(share * runs)
    return bool(count and beta.ppf(0.05, count, runs - count + 1) > most)


def _row(none: Figures, small: Figures, large: Figures, tail: Figures) -> list[str]:
    return [
        _cell(none.found),
        _cell(none.kayenta),
        _cell([none.requests]),
        _cell(none.held),
        _cell(none.failed),
        _cell(none.passed),
        _cell(small.found),
        _cell(large.found),
        _cell(large.kayenta),
        _cell(large.failed),
        _cell(tail.found),
    ]


def _cell(shares: list[float]) -> str:
    return " / ".join(f"{100 * share:.1f}" for share in shares)


if __name__ == "__main__":
    sys.exit(main())
