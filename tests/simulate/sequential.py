"""How often looking again and again is wrong, and how soon it finds what is slower.

python -m tests.simulate.sequential [--runs N] [--power-runs N] [--scenario NAME] [--json FILE]

A row a scenario and quantile: false alarms at a nominal 1 %, of planned looks and of e-values that
are looked at every minute, beside e-values of paired blocks alone (without asking pooled exceedance
as well); and the median minute in which +20 % is found, last that of all runs together. No margin
is let through: the test is of the rules, not of what they are used for. Status 1 where false alarms
are above 1.5 % for sure.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import beta

from pipeline.report.tables import print_table
from pipeline.stats.cells import Side
from pipeline.stats.e_values import (
    LEAST_BLOCKS,
    anytime_p_value,
    blocks_of,
    log_e_of_shift,
    mixing_of,
)
from pipeline.stats.sequential import Plan
from pipeline.stats.shift import Pair, Shift
from tests.simulate.scenarios import CANARY_REQUESTS, MINUTES, SCENARIOS, Scenario, sides

QUANTILES = (0.95, 0.99)
ALPHA = 0.01
MOST_FALSE_ALARMS = 0.015
LOOKS = 6
EFFECT = 0.20

RULES = ("looks", "e-values", "blocks alone")
NEVER = MINUTES + 1

# Instances and drifting minutes together, few instances and more of it than in ``mixed10``.
MIXED5 = Scenario("mixed5", 5, 5, 0.03, 0.0, 0.05, 0.7)
WATCHED = (*(each for each in SCENARIOS if each.name != "inst1v20"), MIXED5)


def first_minutes(
    scenario: Scenario, effect: float, runs: int, quantiles: tuple[float, ...] = QUANTILES
) -> dict[str, np.ndarray]:
    """Watch so many canaries, each for an hour and to its end.

    Returns:
        By rule the minute in which each run's canary was first called slower, runs x quantiles;
        NEVER for not at all.
    """
    rng = np.random.default_rng([sum(map(ord, scenario.name)), round(effect * 1000), LOOKS])
    plan = Plan(tuple((look + 1) / LOOKS for look in range(LOOKS)), ALPHA)
    found = {rule: np.full((runs, len(quantiles)), NEVER) for rule in RULES}
    for run in range(runs):
        for minute, pair in _watched(*sides(scenario, effect, rng)):
            for place, p in enumerate(quantiles):
                for rule in _rejecting(pair.shift(p), minute, p, plan):
                    known = found[rule][run]
                    known[place] = min(known[place], minute)
    return found


def _watched(baseline: Side, canary: Side) -> Iterator[tuple[int, Pair]]:
    """Give both sides minute by minute, as they are by then."""
    for minute in range(LEAST_BLOCKS, MINUTES + 1):
        yield minute, Pair(*(_cut(side, minute) for side in (baseline, canary)))


def _cut(side: Side, minutes: int) -> Side:
    """Keep the first minutes of a side."""
    kept = side.minute < minutes
    columns = {
        name: getattr(side, name)[kept]
        for name in ("instance", "minute", "bucket", "count", "count_squared")
    }
    return replace(side, **columns, minutes=minutes)


def _rejecting(shift: Shift, minute: int, p: float, plan: Plan) -> Iterator[str]:
    """Name the rules by which the canary is slower at this minute."""
    number, rest = divmod(minute * LOOKS, MINUTES)
    if not rest and shift.p_value() <= plan.levels[number - 1]:
        yield "looks"
    blocks = blocks_of(minute, CANARY_REQUESTS * minute / MINUTES, p)
    if shift.blocks is None or blocks < LEAST_BLOCKS:
        return
    alone = replace(shift, exceedance=shift.blocks)
    for rule, weighed in (("e-values", shift), ("blocks alone", alone)):
        log_e = log_e_of_shift(weighed, blocks, mixing_of(LEAST_BLOCKS + 1, ALPHA), 0.0)
        if anytime_p_value(log_e) <= ALPHA:
            yield rule


def main() -> int:
    """Run every scenario and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--power-runs", type=int, default=100)
    parser.add_argument("--scenario", choices=[each.name for each in WATCHED])
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    rows, told, good = [], [], True
    every: dict[str, list[np.ndarray]] = {rule: [] for rule in RULES}
    for scenario in WATCHED:
        if asked.scenario not in (None, scenario.name):
            continue
        none = first_minutes(scenario, 0.0, asked.runs)
        some = first_minutes(scenario, EFFECT, asked.power_runs)
        for rule in RULES:
            every[rule].append(some[rule])
        for place, p in enumerate(QUANTILES):
            wrong = {rule: float((none[rule][:, place] < NEVER).mean()) for rule in RULES}
            minute = {rule: float(np.median(some[rule][:, place])) for rule in RULES}
            good &= not any(surely_above(wrong[rule], asked.runs) for rule in RULES[:2])
            told.append({"scenario": scenario.name, "p": p, "false": wrong, "minute": minute})
            rows.append(
                [
                    f"{scenario.name} p{100 * p:g}",
                    *(f"{100 * wrong[rule]:.1f}" for rule in RULES),
                    *(_minute(minute[rule]) for rule in RULES),
                ]
            )
            print(rows[-1], file=sys.stderr, flush=True)
    rows += _together(every)
    headings = ("", *(f"{rule}, false %" for rule in RULES), *(f"{rule}, minute" for rule in RULES))
    print_table(headings, rows, [False] + [True] * 6, sys.stdout.buffer)
    if asked.json:
        asked.json.write_text(json.dumps(told, indent=1) + "\n")
    return 0 if good else 1


def _together(every: dict[str, list[np.ndarray]]) -> list[list[str]]:
    """Make rows of the median minutes of all runs; none of one scenario alone."""
    if len(every[RULES[0]]) < 2:
        return []
    middle = {rule: np.median(np.concatenate(each), axis=0) for rule, each in every.items()}
    return [
        [
            f"together p{100 * p:g}",
            *([""] * len(RULES)),
            *(_minute(middle[rule][place]) for rule in RULES),
        ]
        for place, p in enumerate(QUANTILES)
    ]


def surely_above(share: float, runs: int) -> bool:
    """Tell whether false alarms are above the limit for sure (Clopper and Pearson, 95 %)."""
    count = round(share * runs)
    return bool(count and beta.ppf(0.05, count, runs - count + 1) > MOST_FALSE_ALARMS)


def _minute(minute: float) -> str:
    return "–" if minute >= NEVER else f"{math.ceil(minute)}"


if __name__ == "__main__":
    sys.exit(main())
