"""Intervals of caches hold what a simulated shop is known to do; a plain difference does not."""

import numpy as np

from tests.simulate.cache_truth import SECOND, SHOPS, answers, found_of, truth_of

RUNS = 10


def test_intervals_hold_the_truth_of_a_shop_with_bursts_and_the_naive_penalty_is_far_off() -> None:
    shop = SHOPS["bursts"]
    truth = truth_of(shop, minutes=1_000)
    found = list(answers(shop, RUNS))
    held = [found_of(answer) for answer in found]
    for name, value in (
        ("hit ratio", truth.hit_ratio),
        ("miss penalty", truth.penalty_s),
        ("stale share", truth.stale),
    ):
        # Of ten nominal 90 % intervals fewer than seven hold once in a hundred.
        assert sum(each[name].holds(value) for each in held) >= RUNS - 3, name
        # Three standard errors of ten runs, of the figure that varies most.
        assert abs(np.mean([each[name].estimate for each in held]) / value - 1) < 0.15, name
    naive = np.mean([answer.penalty.naive for answer in found]) / SECOND
    assert naive > 1.1 * truth.penalty_s
