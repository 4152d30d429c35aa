"""Miss-ratio curves: exact where they can be, near where keys are sampled, honest about both."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stats.cache_policies import lru
from pipeline.stats.miss_ratio import advice, miss_ratio_curve
from pipeline.stats.shards import kept, rate_for

traces = st.lists(st.integers(0, 12), min_size=1, max_size=80)


def popular(count: int, keys: int, seed: int = 1) -> np.ndarray:
    """Draw references of which few keys have most."""
    weight = 1 / np.arange(1, keys + 1) ** 0.9
    drawn = np.random.default_rng(seed).random(count)
    return np.searchsorted(np.cumsum(weight) / weight.sum(), drawn).astype(np.int64)


@given(traces)
def test_the_curve_is_what_a_cache_of_each_size_misses(keys: list[int]) -> None:
    sizes = np.arange(1.0, 15.0)
    curve = miss_ratio_curve(np.array(keys, dtype=np.int64), at=sizes)
    played = [1 - lru(keys, [1.0] * len(keys), size) / len(keys) for size in sizes]
    assert curve.ratios == pytest.approx(played)
    assert np.all(np.diff(curve.ratios) <= 0)
    assert curve.ratios[-1] == pytest.approx(curve.cold)


def test_sizes_in_bytes_count_bytes() -> None:
    keys = np.array([1, 2, 1, 2, 1, 2])
    curve = miss_ratio_curve(keys, np.array([10.0, 30] * 3), at=np.array([10.0, 30, 40]))
    assert curve.ratios.tolist() == pytest.approx([1, 1, 2 / 6])
    assert curve.in_bytes


def test_a_tenth_of_the_keys_tells_the_curve_of_all() -> None:
    keys = popular(400_000, 80_000)
    exact = miss_ratio_curve(keys)
    sampled = miss_ratio_curve(keys, rate=0.1, key=("prices",), at=exact.sizes)
    above = exact.sizes >= 10
    assert np.abs(sampled.ratios - exact.ratios)[above].mean() < 0.02
    assert (exact.rate, sampled.rate) == (1.0, 0.1)
    assert sampled.spread[above].max() > 0 == exact.spread.max()
    again = miss_ratio_curve(keys, rate=0.1, key=("prices",), at=exact.sizes)
    assert again.ratios.tolist() == sampled.ratios.tolist()


def test_a_key_is_kept_always_or_never_and_as_often_as_asked() -> None:
    keys = np.arange(100_000)
    first = kept(keys, 0.1, 7)
    assert np.array_equal(first, kept(keys, 0.1, 7))
    assert first.mean() == pytest.approx(0.1, abs=0.005)
    # A larger sample of the same seed holds the smaller one.
    assert not np.any(first & ~kept(keys, 0.3, 7))
    assert not np.array_equal(first, kept(keys, 0.1, 8))
    assert kept(keys, 1.0, 7).all()
    assert rate_for(16_000) == 0.5


def test_advice_says_what_half_and_twice_the_size_would_miss() -> None:
    # 100 keys in turn: nothing hits until all fit.
    keys = np.tile(np.arange(100), 20)
    found = advice(miss_ratio_curve(keys, at=np.array([1.0, 50, 99, 100, 200])), 100)
    assert found.ratios[0.5] == 1.0
    assert found.ratios[1.0] == found.ratios[2.0] == pytest.approx(0.05)
    assert found.knee == 100
    assert miss_ratio_curve(keys).size_for(0.05) == 100
    assert np.isnan(miss_ratio_curve(keys).size_for(0.01))


def test_a_size_of_today_is_worked_out_and_not_drawn_between_others() -> None:
    # 100 keys in turn: at 96 nothing hits, and at 100 all but the first of each.
    found = advice(miss_ratio_curve(np.tile(np.arange(100), 6), today=96.0), 96.0)
    assert found.ratios == pytest.approx({0.5: 1.0, 1.0: 1.0, 2.0: 1 / 6, 4.0: 1 / 6})
    # Sizes beyond the one that holds all make the curve no longer, and move no knee.
    whole = miss_ratio_curve(np.tile(np.arange(100), 6), today=1e6)
    assert whole.sizes.max() == 100
    assert whole.knee == miss_ratio_curve(np.tile(np.arange(100), 6)).knee
