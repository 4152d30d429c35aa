"""What other judges get wrong, each on data on which ours does not."""

import numpy as np
import pytest

from pipeline.stats.cells import Range
from pipeline.stats.shift import Pair
from tests.simulate import kayenta
from tests.simulate.measuring import ALPHA, measure
from tests.simulate.peers import requests_p_value
from tests.simulate.scenarios import APART, SCENARIOS, sides

SCENARIO = {scenario.name: scenario for scenario in (*SCENARIOS, *APART)}


@pytest.mark.slow
def test_instances_that_differ_are_a_change_to_ranks_of_minutes_and_of_requests() -> None:
    none = measure(SCENARIO["inst5"], 0.0, 60, peers=True, direct=True)
    assert none.kayenta[0] > 0.1
    assert none.requests > 0.2
    assert none.found[0] <= 0.05


def test_load_that_moves_both_sides_hides_a_change_from_minutes_that_are_not_paired() -> None:
    some = measure(SCENARIO["min_shared"], 0.05, 20, peers=True, direct=True)
    assert some.kayenta[1] <= 0.3
    assert some.found[1] >= 0.6


def test_the_tail_of_a_few_requests_a_minute_looks_low_and_is_not() -> None:
    rng = np.random.default_rng(5)
    low = shifted = 0
    for _ in range(10):
        pair = sides(SCENARIO["split5"], 0.0, rng)
        buckets = Range.of(*pair)
        control, experiment = (
            np.exp(buckets.histograms(side, side.minute, side.minutes).log_quantile(0.99))
            for side in pair
        )
        low += kayenta.classify(control, experiment, "either") == kayenta.LOW
        shifted += Pair(*pair).shift(0.99).mirrored().p_value() < ALPHA
    assert low >= 6
    assert shifted <= 1


def test_ranks_of_requests_do_not_see_what_happens_to_the_tail_alone() -> None:
    rng = np.random.default_rng(6)
    seen = found = 0
    for _ in range(10):
        pair = sides(SCENARIO["iid"], 0.2, rng, tail=True)
        seen += requests_p_value(*pair) < ALPHA
        found += Pair(*pair).shift(0.99).p_value() < ALPHA
    assert seen <= 2
    assert found >= 9


def test_a_tolerance_that_is_a_share_of_the_shift_lets_no_sure_change_through() -> None:
    # A tenth of a per cent, surely: nobody would stop a release for it.
    control = np.linspace(99.99, 100.01, 60)
    assert kayenta.classify(control, control + 0.1) == kayenta.HIGH


def test_a_root_known_to_a_ten_thousandth_tells_nothing_of_tens_of_microseconds() -> None:
    # Seconds; the same in microseconds is a shift of 10 for sure.
    control = np.linspace(20e-6, 21e-6, 30)
    _, low, high = kayenta.shift_interval(control, control + 10e-6, 0.98)
    _, low_us, high_us = kayenta.shift_interval(control * 1e6, control * 1e6 + 10, 0.98)
    assert 9 < low_us <= 10 <= high_us < 11
    assert max(abs(low * 1e6 - low_us), abs(high * 1e6 - high_us)) > 0.1
