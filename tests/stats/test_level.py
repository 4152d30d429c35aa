"""Levels of one side: intervals that let instances differ."""

import math

import numpy as np
import pytest

from pipeline.stats.buckets import bucket_index
from pipeline.stats.cells import Side
from pipeline.stats.level import quantile_level, share_level


def side(seed: int, spread: float = 0.0, instances: int = 6) -> Side:
    """Make an hour of lognormal requests about 100 ms, with instances that differ."""
    rng = np.random.default_rng(seed)
    instance, minute = rng.integers(0, instances, 6000), rng.integers(0, 60, 6000)
    logs = math.log(1e8) + rng.normal(0, 0.3, 6000) + rng.normal(0, spread, instances)[instance]
    ones = np.ones(6000)
    bucket = bucket_index(np.exp(logs)).astype(np.int64)
    return Side(instance, minute, bucket, ones, ones, instances, 60)


def test_the_interval_holds_the_true_median_as_often_as_it_says() -> None:
    held = 0
    for seed in range(200):
        low, high = quantile_level(side(seed, 0.1), 0.5).bounds(0.05)
        held += low <= math.log(1e8) <= high
    # 90 %, within three standard errors.
    assert held >= 0.9 * 200 - 3 * math.sqrt(0.9 * 0.1 * 200)


def test_instances_that_differ_make_the_interval_wider() -> None:
    alike, different = (quantile_level(side(1, spread), 0.95).error for spread in (0.0, 0.2))
    assert different > 3 * alike


def test_a_share_is_bounded_by_what_its_instances_show() -> None:
    one = side(1)
    even = one.add_up((np.arange(6000) % 50 == 0).astype(np.float64))
    alone = one.add_up((one.instance == 0) * 0.12)
    share, low, high = share_level(one, even, 0.98)
    assert share == pytest.approx(0.02)
    assert 0.01 < low < 0.02 < high < 0.03
    assert share_level(one, alone, 0.98)[2] > 0.05
