"""What requests wait for misses is what the last of each crowd would have ended sooner."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stats.miss_waits import waits

blocks = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(1, 20), st.integers(0, 25)),
    min_size=1,
    max_size=25,
)


def plainly(spans: list[tuple[int, int, int, int]]) -> float:
    """Give what all requests wait, one block after the other."""
    waited = 0.0
    for request in {span[0] for span in spans}:
        crowd: list[tuple[int, int, int]] = []
        own = sorted((began, began + took, saving) for who, began, took, saving in spans
                     if who == request)  # fmt: skip
        for began, ended, saving in [*own, (1000, 1000, 0)]:
            if crowd and began >= max(end for _, end, _ in crowd):
                without = max(end - min(saved, end - start) for start, end, saved in crowd)
                waited += max(end for _, end, _ in crowd) - without
                crowd = []
            crowd.append((began, ended, saving))
    return waited


@given(blocks)
def test_crowds_hold_their_request_up_once(spans: list[tuple[int, int, int, int]]) -> None:
    spans = sorted(spans, key=lambda each: (each[0], each[1], each[1] + each[2]))
    table = np.array(spans, dtype=np.int64)
    request = np.unique(table[:, 0], return_inverse=True)[1].astype(np.int64)
    saving = table[:, 3].astype(np.float64)
    found = waits(request, np.arange(len(spans)), table[:, 1], table[:, 1] + table[:, 2], saving)
    assert found.sum() == pytest.approx(plainly(spans))
    assert np.all((found >= 0) & (found <= saving + 1e-9))


def test_lookups_of_one_block_add_up_to_no_more_than_it_took() -> None:
    one, at = np.zeros(2, dtype=np.int64), np.array([100, 100])
    assert waits(one, one, at, at + 10, np.array([3.0, 4.0])).tolist() == [3, 4]
    assert waits(one, one, at, at + 10, np.array([9.0, 9.0])).tolist() == [5, 5]
