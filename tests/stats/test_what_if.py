"""Quantiles of requests as they are, and as they would be with fewer misses."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stats.what_if import quantile_if, weighted_quantile

weighted = st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 9)), min_size=1, max_size=60)


@given(weighted, st.floats(0.01, 0.99))
def test_a_weight_counts_as_often_as_it_says(values: list[tuple[int, int]], p: float) -> None:
    value, times = (np.array(each) for each in zip(*values, strict=True))
    repeated = np.quantile(np.repeat(value, times), p, method="inverted_cdf")
    found = weighted_quantile(value.astype(np.float64), times.astype(np.float64), p)
    assert found == repeated
    # Only their proportions count.
    assert weighted_quantile(value.astype(np.float64), times / 7, p) == repeated


def test_fewer_misses_make_quicker_requests() -> None:
    duration = np.array([10.0] * 80 + [30.0] * 20)
    weight, request, saving = np.ones(100), np.arange(80, 100), np.full(20, 20.0)
    assert quantile_if(duration, weight, request, saving, 1.0, 0.9, ()) == 30
    assert quantile_if(duration, weight, request, saving, 0.0, 0.9, ()) == 10
    assert 10 < quantile_if(duration, weight, request, saving, 0.5, 0.9, ()) < 30
    # Where those that miss stand for few, the quantile is not theirs.
    weight[request] = 0.1
    assert quantile_if(duration, weight, request, saving, 1.0, 0.9, ()) == 10
