"""The slope of a level in time, held against slopes that are known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stats.series_trend import LEAST_POINTS, trend

LEVELS = st.lists(st.integers(-1000, 1000), min_size=LEAST_POINTS, max_size=40)


def test_outliers_do_not_move_the_slope() -> None:
    time = np.arange(30.0)
    level = 2.0 * time
    level[[3, 20]] = 10_000.0
    found = trend(time, level)
    assert found.estimate == pytest.approx(2.0)
    assert found.low <= 2.0 <= found.high


def test_too_few_levels_have_no_slope() -> None:
    level = np.full(30, np.nan)
    level[: LEAST_POINTS - 1] = 1.0
    assert math.isnan(trend(np.arange(30.0), level).estimate)


@given(LEVELS, st.integers(-50, 50), st.integers(-5, 5))
def test_a_ramp_on_top_adds_its_slope(levels: list[int], base: int, slope: int) -> None:
    time = np.arange(float(len(levels)))
    plain = trend(time, np.array(levels, dtype=np.float64))
    ramped = trend(time, np.array(levels, dtype=np.float64) + base + slope * time)
    assert ramped.estimate == pytest.approx(plain.estimate + slope, abs=1e-9)
    assert plain.low <= plain.estimate <= plain.high


@given(LEVELS)
def test_less_is_more_the_other_way_round(levels: list[int]) -> None:
    time = np.arange(float(len(levels)))
    up, down = (trend(time, sign * np.array(levels, dtype=np.float64)) for sign in (1, -1))
    assert (down.estimate, down.low, down.high) == pytest.approx((-up.estimate, -up.high, -up.low))


@pytest.mark.parametrize(("alike", "most"), [(0.0, 0.09), (0.8, 0.13)])
def test_what_does_not_grow_is_rarely_said_to(alike: float, most: float) -> None:
    # Nominally 5 %: the interval is one of 90 %, and only its lower end counts.
    rng = np.random.default_rng(7)
    time = np.arange(60.0)
    grown = 0
    for _ in range(200):
        level = rng.normal(size=60)
        for minute in range(1, 60):
            level[minute] += alike * level[minute - 1]
        grown += trend(time, level).low > 0
    assert grown / 200 <= most


def test_long_histories_are_averaged_before_pairs_are_made() -> None:
    time = np.arange(5000.0)
    assert trend(time, 3.0 * time).estimate == pytest.approx(3.0)
