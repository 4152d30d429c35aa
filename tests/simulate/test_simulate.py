"""The judge's operating characteristics, few runs a cell: ``make simulate`` has the many."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from pipeline.lake import Lake
from pipeline.stats.shift import Pair
from tests.simulate.lakes import judge_each, land
from tests.simulate.measuring import METRICS, QUANTILES, TOLERANCE, measure
from tests.simulate.peers import requests_p_value
from tests.simulate.run import is_good
from tests.simulate.scenarios import SCENARIOS, sides

SCENARIO = {scenario.name: scenario for scenario in SCENARIOS}


@pytest.mark.slow
def test_rows_of_a_lake_are_judged_as_the_requests_they_are_made_of(lake: Lake) -> None:
    # Ten releases have some 300,000 cells, more than one thread of the statement gives back.
    runs = [sides(SCENARIO["mixed10"], 0.1, np.random.default_rng(seed)) for seed in range(10)]
    land(lake, runs)
    judgements = judge_each(lake, TOLERANCE)
    names = [each.judged.comparisons[0].service_name for each in judgements]
    assert names == [f"run-{number:05d}" for number in range(len(runs))]
    for (baseline, canary), judgement in zip(runs, judgements, strict=True):
        (comparison,) = judgement.judged.comparisons
        assert comparison.baseline.requests == baseline.total
        assert comparison.canary.requests == canary.total
        pair = Pair(baseline, canary)
        for p in QUANTILES:
            there, here = comparison.shifts[p], pair.shift(p)
            assert there.p_value() == pytest.approx(here.p_value(), rel=1e-6)
            assert there.bounds(0.01) == pytest.approx(here.bounds(0.01), rel=1e-6)
        assert {check.metric for check in judgement.checks} >= set(METRICS)


@pytest.mark.slow
def test_from_rows_to_verdict_nothing_fails_that_is_sound() -> None:
    none = measure(SCENARIO["inst5"], 0.0, 20, peers=True)
    assert is_good(none, 20)
    assert max(none.failed) == 0.0
    # What is forbidden here: ranks of requests take instances that differ for a change.
    assert none.requests > 0.1


@pytest.mark.slow
def test_from_rows_to_verdict_a_fifth_slower_fails() -> None:
    found = measure(SCENARIO["inst10"], 0.20, 10)
    assert min(found.failed[:2]) >= 0.9
    assert max(found.passed) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["iid", "min_own", "inst5", "mixed10"])
def test_a_release_against_itself_fails_no_more_often_than_it_may(name: str) -> None:
    none = measure(SCENARIO[name], 0.0, 60, direct=True)
    assert is_good(none, 60)
    assert max(none.empty) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least"), [("iid", (0.95, 0.95, 0.75)), ("inst10", (0.9, 0.9, 0.65))]
)
def test_a_tenth_slower_is_found(name: str, least: tuple[float, float, float]) -> None:
    found = measure(SCENARIO[name], 0.10, 60, direct=True).found
    assert all(share >= wanted for share, wanted in zip(found, least, strict=True))


def test_ranks_of_requests_are_those_of_scipy() -> None:
    rng = np.random.default_rng(1)
    baseline, canary = sides(SCENARIO["inst5"], 0.0, rng)
    values = [np.repeat(side.known, side.count.astype(int)) for side in (canary, baseline)]
    known = mannwhitneyu(*values, alternative="greater", use_continuity=False).pvalue
    assert requests_p_value(baseline, canary) == pytest.approx(known, rel=1e-9)
