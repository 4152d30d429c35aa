"""Queues give the values of published tables, and agree with each other where they must."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stats.queueing import (
    erlang_b,
    erlang_c,
    mean_wait,
    sakasegawa_wait,
    wait_exceeds,
)

servers = st.integers(1, 40)
loads = st.floats(0.01, 0.97)


@pytest.mark.parametrize(
    ("count", "offered", "blocked"),
    # Of the usual tables of Erlang's loss formula.
    [(1, 1.0, 0.5), (2, 1.0, 0.2), (5, 3.0, 0.1101), (10, 5.0, 0.0184), (20, 12.0, 0.0098)],
)
def test_the_loss_formula_has_the_values_of_tables(
    count: int, offered: float, blocked: float
) -> None:
    assert erlang_b(count, offered) == pytest.approx(blocked, abs=5e-5)


@pytest.mark.parametrize(
    ("count", "utilisation", "waits"),
    [(1, 0.42, 0.42), (2, 0.5, 1 / 3), (2, 0.75, 0.642857), (3, 2 / 3, 0.444444), (5, 0.8, 0.5541)],
)
def test_the_delay_formula_has_the_values_of_tables(
    count: int, utilisation: float, waits: float
) -> None:
    assert erlang_c(count, utilisation) == pytest.approx(waits, abs=5e-5)


@given(loads, st.floats(0.001, 10))
def test_one_server_waits_as_the_closed_form_says(utilisation: float, service_s: float) -> None:
    expected = utilisation * service_s / (1 - utilisation)
    assert mean_wait(1, utilisation, service_s) == pytest.approx(expected)
    # Pollaczek and Khinchine: of regular service half of it.
    assert mean_wait(1, utilisation, service_s, 1.0, 0.0) == pytest.approx(expected / 2)


@given(servers, loads)
def test_the_mean_wait_is_the_integral_of_its_tail(count: int, utilisation: float) -> None:
    # An exponential tail: chance times mean.
    decay_s = 1.0 / (count * (1 - utilisation))
    expected = wait_exceeds(count, utilisation, 1.0, 0.0) * decay_s
    assert mean_wait(count, utilisation, 1.0) == pytest.approx(expected)
    assert wait_exceeds(count, utilisation, 1.0, decay_s) == pytest.approx(
        wait_exceeds(count, utilisation, 1.0, 0.0) / math.e
    )


@given(servers, st.floats(0.3, 0.95))
def test_the_formula_without_sums_is_near(count: int, utilisation: float) -> None:
    exact, near = mean_wait(count, utilisation, 1.0), sakasegawa_wait(count, utilisation, 1.0)
    # Within a fraction of the time of service, as it is meant for busy servers.
    assert abs(exact - near) < 0.05 * max(exact, 1.0)


@given(servers, loads)
def test_waiting_grows_with_load_and_shrinks_with_servers(count: int, utilisation: float) -> None:
    assert mean_wait(count, utilisation + 0.02, 1.0) > mean_wait(count, utilisation, 1.0)
    assert erlang_c(count + 1, utilisation) <= erlang_c(count, utilisation) + 1e-12


def test_at_full_load_everything_waits_for_ever() -> None:
    assert erlang_c(3, 1.0) == wait_exceeds(3, 1.2, 1.0, 5.0) == 1.0
    assert mean_wait(3, 1.0, 1.0) == sakasegawa_wait(3, 1.0, 1.0) == math.inf
