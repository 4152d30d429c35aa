"""Buckets hold what OTLP says they hold, and coarser ones hold the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.schema import rollups
from pipeline.stats import buckets

positive = st.integers(min_value=1, max_value=2**62)


def test_every_power_of_two_is_the_last_value_of_its_bucket():
    powers = np.exp2(np.arange(63))
    assert buckets.bucket_index(powers).tolist() == [64 * k - 1 for k in range(63)]
    # A nanosecond more is the first value of the next; 2^44 ns are five hours.
    assert buckets.bucket_index(powers[8:45] + 1).tolist() == [64 * k for k in range(8, 45)]


def test_zero_has_the_bucket_that_the_rollups_give_it():
    assert buckets.bucket_index([0]).tolist() == [rollups.ZERO_BUCKET]
    assert buckets.ZERO_BUCKET == rollups.ZERO_BUCKET


def test_no_values_have_no_buckets():
    assert buckets.bucket_index([]).shape == (0,)


@pytest.mark.parametrize("bad", [-1.0, float("nan")])
def test_what_is_not_a_duration_is_refused(bad):
    with pytest.raises(ValueError, match="zero or more"):
        buckets.bucket_index([1.0, bad])


@pytest.mark.parametrize(
    ("value", "scale", "index"),
    # OpenTelemetry's own examples: scale 0 has base 2, scale -1 base 4, scale 3 base 2^(1/8).
    [(1.5, 0, 0), (2.0, 0, 0), (2.1, 0, 1), (4.0, -1, 0), (5.0, -1, 1), (1.05, 3, 0), (0.4, 0, -2)],
)
def test_buckets_are_those_of_the_specification(value, scale, index):
    assert buckets.bucket_index([value], scale).tolist() == [index]


@given(positive)
def test_a_value_lies_within_its_bounds(value):
    lower, upper = buckets.bucket_bounds(buckets.bucket_index([value]))
    assert lower[0] * (1 - 1e-12) < value <= upper[0] * (1 + 1e-12)


def test_a_bucket_is_1_09_percent_wide():
    lower, upper = buckets.bucket_bounds(np.arange(-100, 3000))
    assert np.allclose(upper / lower - 1, 0.010889, atol=1e-6)


@given(positive, st.integers(min_value=0, max_value=6))
def test_downscaling_gives_the_bucket_of_the_coarser_scale(value, steps):
    fine = buckets.bucket_index([value])
    coarse = buckets.bucket_index([value], buckets.SCALE - steps)
    assert buckets.downscale(fine, steps).tolist() == coarse.tolist()


def test_downscaling_leaves_zero_at_zero():
    assert buckets.downscale([buckets.ZERO_BUCKET], 3).tolist() == [buckets.ZERO_BUCKET]
