"""A peak of throughput is one that was passed: slow work that piles up passes none."""

import numpy as np
import pytest

from pipeline.stats.bootstrap import Floats
from pipeline.stats.capacity_band import scalability_band
from pipeline.stats.capacity_draws import Moments
from pipeline.stats.usl import fit_usl

STEPS, A_STEP, WIDTH_S = 16, 6, 10.0
LEVEL = np.repeat(np.arange(2.0, 2 * STEPS + 1, 2), A_STEP)
CHANCE = np.random.default_rng(4).standard_normal(len(LEVEL))


def is_passed(load: Floats, throughput: Floats) -> bool:
    moments = Moments(
        np.arange(len(load), dtype=np.float64) * WIDTH_S, np.zeros(len(load), np.int64)
    )
    fit = fit_usl(load, throughput)
    assert fit.has_peak
    return scalability_band(fit, load, throughput, moments, LEVEL[::A_STEP], ("a",)).passed


def test_a_queue_that_fills_up_has_no_peak_however_work_varies() -> None:
    # Where a moment's work is slow, less is done in it and more is in flight: what is not done of
    # 16 a second is four times as many requests more.
    full = 16 * (1 - np.exp(-LEVEL / 3))
    assert not is_passed(LEVEL + 6 * np.abs(CHANCE), full - 1.5 * np.abs(CHANCE))


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_a_fall_that_lasts_is_a_peak_that_was_passed(noise: float) -> None:
    law = 4 * LEVEL / (1 + 0.05 * (LEVEL - 1) + 0.006 * LEVEL * (LEVEL - 1))
    assert is_passed(LEVEL, law + noise * CHANCE)
