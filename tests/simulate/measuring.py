"""One cell of the table: many releases of a scenario, each judged, and what came of them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.gate.judgement import Judgement, Tolerance
from pipeline.gate.verdict import FAIL, PASS
from pipeline.stats.shift import Pair, Shift
from tests.simulate.lakes import Sides, judge_each, land, new_lake
from tests.simulate.peers import kayenta_high, requests_p_value
from tests.simulate.scenarios import Scenario, sides

QUANTILES = (0.5, 0.95, 0.99)
METRICS = ("p50", "p95", "p99")
ALPHA = 0.01
TOLERANCE = Tolerance(alpha=ALPHA, relative=0.05)

# One statement for so many; more would need more memory and save little.
RUNS_A_LAKE = 20


@dataclass(frozen=True)
class Figures:
    """Shares of runs, each by quantile.

    Attributes:
        found: the canary called slower, at ALPHA and no margin.
        held: the truth inside the interval.
        empty: bounds the wrong way round.
        failed, passed: the verdict at TOLERANCE; NaN where there was none.
        kayenta: High to a Kayenta-style judge; NaN where it was not asked.
        requests: slower to a rank test on requests, one figure for all quantiles; NaN likewise.
    """

    found: list[float]
    held: list[float]
    empty: list[float]
    failed: list[float]
    passed: list[float]
    kayenta: list[float]
    requests: float


def measure(
    scenario: Scenario,
    effect: float,
    runs: int,
    heavy: bool = False,
    peers: bool = False,
    direct: bool = False,
    tail: bool = False,
) -> Figures:
    """Judge many releases of a scenario.

    Args:
        scenario: how sides differ by themselves.
        effect: the canary's requests take this share longer.
        runs: how many releases.
        heavy: whether durations have a heavy tail.
        peers: whether other judges see them as well.
        direct: leave out rows, lake and verdicts: the statistics alone, for a quick look.
        tail: whether the effect is on the slowest tenth only; ``held`` says nothing then.
    """
    truth = math.log1p(effect)
    counts = {name: np.zeros(len(QUANTILES)) for name in ("found", "held", "empty", "kayenta")}
    verdicts = {PASS: np.zeros(len(QUANTILES)), FAIL: np.zeros(len(QUANTILES))}
    requests = 0
    for pair, shifts, judgement in _judged(scenario, effect, runs, heavy, direct, tail):
        for place, shift in enumerate(shifts):
            low, high = shift.bounds(ALPHA)
            counts["found"][place] += shift.p_value() < ALPHA
            counts["held"][place] += low <= truth <= high
            counts["empty"][place] += low > high
        if judgement is not None:
            said = {check.metric: check.verdict for check in judgement.checks}
            for verdict, seen in verdicts.items():
                seen += [said[metric] == verdict for metric in METRICS]
        if peers:
            counts["kayenta"] += kayenta_high(*pair, QUANTILES)
            requests += requests_p_value(*pair) < ALPHA
    unknown = [math.nan] * len(QUANTILES)
    told = {name: unknown if direct else (seen / runs).tolist() for name, seen in verdicts.items()}
    return Figures(
        found=(counts["found"] / runs).tolist(),
        held=(counts["held"] / runs).tolist(),
        empty=(counts["empty"] / runs).tolist(),
        failed=told[FAIL],
        passed=told[PASS],
        kayenta=(counts["kayenta"] / runs).tolist() if peers else unknown,
        requests=requests / runs if peers else math.nan,
    )


def _judged(
    scenario: Scenario, effect: float, runs: int, heavy: bool, direct: bool, tail: bool
) -> Iterator[tuple[Sides, list[Shift], Judgement | None]]:
    """Give each run's sides, its shifts by quantile, and what was judged of it."""
    seed = [sum(map(ord, scenario.name)), round(effect * 1000), int(heavy), int(tail)]
    rng = np.random.default_rng(seed)
    for first in range(0, runs, RUNS_A_LAKE):
        count = min(RUNS_A_LAKE, runs - first)
        made = [sides(scenario, effect, rng, heavy, tail) for _ in range(count)]
        if direct:
            for each in made:
                pair = Pair(*each)
                yield each, [pair.shift(p) for p in QUANTILES], None
            continue
        with new_lake() as lake:
            land(lake, made)
            judgements = judge_each(lake, TOLERANCE)
        for each, judgement in zip(made, judgements, strict=True):
            shifts = judgement.judged.comparisons[0].shifts
            yield each, [shifts[p] for p in QUANTILES], judgement
