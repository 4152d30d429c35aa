"""A ratio of hits keeps to what was counted, and is as unsure as its clusters differ."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stats.hit_ratio import clustered_share, hit_ratio, on_one_clock, side_of

counts = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 30), st.integers(1, 50), st.floats(0, 1)),
    min_size=1,
    max_size=40,
)


@given(counts)
def test_all_over_all_is_the_ratio_and_lies_within_its_bounds(
    cells: list[tuple[int, int, int, float]],
) -> None:
    instance, minute, lookups, share = (np.array(each) for each in zip(*cells, strict=True))
    lookups = lookups.astype(np.float64)
    hits = np.floor(lookups * share)
    found = hit_ratio(side_of(instance, minute + 1000, lookups, lookups), hits)
    assert found.estimate == pytest.approx(hits.sum() / lookups.sum())
    if np.isfinite(found.low):
        assert 0 <= found.low <= found.estimate + 1e-12
        assert found.estimate <= found.high + 1e-12 <= 1 + 1e-9


def test_one_instance_tells_by_its_minutes_and_too_few_of_them_tell_nothing() -> None:
    def of(minutes: int, apart: float) -> tuple[float, float]:
        count = np.full(minutes, 1000.0)
        hits = count * (0.8 + apart * (np.arange(minutes) % 2 - 0.5))
        side = side_of(np.zeros(minutes, dtype=np.int64), np.arange(minutes), count, count)
        found = hit_ratio(side, hits)
        return found.low, found.high

    assert np.isnan(of(5, 0.1)).all()
    alike, apart = of(13, 0.0), of(13, 0.2)
    assert apart[1] - apart[0] > 2 * (alike[1] - alike[0])


def test_sides_keep_their_minutes_on_one_clock() -> None:
    one, ten = np.ones(1), np.ones(10)
    short = side_of(np.zeros(1, dtype=np.int64), np.array([7]), one, one)
    long = side_of(np.zeros(10, dtype=np.int64), np.arange(7, 17), ten, ten)
    first, second = on_one_clock(short, long)
    assert (first.minutes, second.minutes) == (10, 10)
    assert first.total == 1


def test_hits_that_come_together_tell_as_much_as_one() -> None:
    alone = clustered_share(np.tile([0.0, 1.0], 200), np.ones(400))
    together = clustered_share(np.tile([0.0, 20.0], 10), np.full(20, 20.0))
    assert alone.estimate == together.estimate == 0.5
    assert together.high - together.low > 3 * (alone.high - alone.low)
    # Of none that count, as many tell as there are clusters.
    none = clustered_share(np.zeros(10), np.full(10, 50.0))
    assert none.low == 0
    assert 0.1 < none.high < 0.4
    assert np.isnan(clustered_share(np.ones(1), np.ones(1)).low)
