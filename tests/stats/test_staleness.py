"""Staleness follows the published identities, at their limits too."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stats.staleness import hit_ratio, mean_age_when_stale_s, stale_given_hit, ttl_for

rates = st.floats(1e-6, 1e3)
times = st.floats(1e-3, 1e4)


@given(rates, times)
def test_a_stale_share_is_the_mean_chance_over_ages(writes: float, ttl: float) -> None:
    steps = 2_000
    ages = [(step + 0.5) * ttl / steps for step in range(steps)]
    expected = sum(-math.expm1(-writes * age) for age in ages) / steps
    assert stale_given_hit(writes, ttl) == pytest.approx(expected, rel=1e-3, abs=1e-6)


@given(st.floats(1e-4, 10), st.floats(0.1, 100))
def test_the_age_of_stale_entries_is_the_mean_time_since_the_first_write(
    writes: float, ttl: float
) -> None:
    # Of a hit of age a, the expected time since the first write: a - (1 - exp(-u a)) / u.
    steps = 4_000
    ages = [(step + 0.5) * ttl / steps for step in range(steps)]
    since = sum(age + math.expm1(-writes * age) / writes for age in ages) / steps
    stale = sum(-math.expm1(-writes * age) for age in ages) / steps
    assert mean_age_when_stale_s(writes, ttl) == pytest.approx(since / stale, rel=2e-3)


@given(st.floats(1e-4, 0.9), st.floats(1e-4, 100))
def test_the_longest_time_gives_just_the_share_that_was_asked(share: float, writes: float) -> None:
    assert stale_given_hit(writes, ttl_for(share, writes)) == pytest.approx(share, rel=1e-6)
    # For a small share it is twice the share over the rate.
    assert ttl_for(1e-5, writes) == pytest.approx(2e-5 / writes, rel=1e-3)


def test_what_is_read_often_hits_and_without_writes_nothing_is_stale() -> None:
    assert hit_ratio(1.0, 3.0) == 0.75
    assert stale_given_hit(0.0, 60.0) == 0
    assert math.isnan(mean_age_when_stale_s(0.0, 60.0))
    assert stale_given_hit(1e6, 60.0) == pytest.approx(1)
