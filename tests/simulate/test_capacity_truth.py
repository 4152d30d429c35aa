"""Capacity's intervals hold what is true: a few runs; the module beside has the many."""

import math

import numpy as np
import pytest

from pipeline.stats.bootstrap import Interval
from tests.simulate.capacity_truth import Seen, runs_of, surely_below
from tests.simulate.capacity_world import World, waits


def test_intervals_of_costs_hold_the_truth_in_most_of_a_few_runs() -> None:
    seen = list(runs_of(World(instances=3, steps=8), 2))
    names = ("D order", "D quote", "U0", "m0", "m1", "drift", "cpu limit")
    held = [each[name].held for each in seen for name in names if each[name].known]
    assert len(held) >= 10
    assert np.mean(held) >= 0.7
    for each in seen:
        assert each["D order"].interval.estimate == pytest.approx(0.08, rel=0.15)


def test_one_who_waits_is_served_when_a_slot_is_free() -> None:
    # Two slots, three at once of a second each: the third waits for one.
    found = waits(np.array([0.0, 0.0, 0.0, 5.0]), np.ones(4), 2)
    assert found.tolist() == [0.0, 0.0, 1.0, 0.0]


def test_a_share_is_below_for_sure_only_beyond_chance() -> None:
    assert surely_below(80, 100)
    assert not surely_below(87, 100)
    assert not surely_below(100, 100)
    assert not Seen(Interval(math.nan, math.nan, math.nan), 1.0).known
