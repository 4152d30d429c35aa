"""Latency of queues whose services are not exponential: theory, held against simulation."""

import math

import numpy as np
import pytest

from pipeline.stats.capacity_latency import fit_latency
from pipeline.stats.capacity_models import GENERAL_QUEUE
from pipeline.stats.capacity_points import LoadPoints, Servers
from pipeline.stats.queue_tables import Variation, quantile_rises
from tests.simulate.capacity_world import waits

KEY = ("shop", "1.4.1")


def test_theory_alone_tells_the_latency_of_a_queue_whose_variation_is_known() -> None:
    # Two cores and work of about 20 ms (c_s² 0.4), on top of 100 ms.
    rng = np.random.default_rng(2)
    load = rng.permutation(np.linspace(10, 85, 30))
    work = 0.02 * rng.gamma(2.5, 0.4, (30, 20_000))
    latency = [0.1 + p95_of_queue(rng, x, each) for x, each in zip(load, work, strict=True)]
    points = LoadPoints(
        *(load, load * 0.1, np.array(latency), 0.02, 0.0, 2.0), variation=Variation(1.0, 0.4)
    )
    found = fit_latency(points, 0.25, KEY)
    assert found.held_out[GENERAL_QUEUE] < 0.03
    assert found.model == GENERAL_QUEUE


def test_slots_held_all_along_by_requests_alike_are_no_exponential_queue() -> None:
    # Two slots, held for 60 ms or so (c_s² 0.2): the objective is at 24.5 requests a second, and a
    # queue of exponential services would put it at 23.
    rng = np.random.default_rng(3)
    load = rng.permutation(np.linspace(3, 18, 30))
    held = 0.067 * rng.gamma(5, 0.2, (30, 8000))
    latency = np.array([p95_of_queue(rng, x, each) for x, each in zip(load, held, strict=True)])
    busy = load * 0.067
    slots = (Servers("slots", 2, busy, Variation(1.0, 0.2)),)
    nothing = (math.nan, math.nan, 0.0)
    found = fit_latency(LoadPoints(load, busy, latency, *nothing, servers=slots), 0.4, KEY)
    truth = 25.2
    assert found.model == f"{GENERAL_QUEUE} of 2 slots"
    assert found.limit.estimate == pytest.approx(truth, rel=0.02)
    assert found.limit.low > 0.95 * truth


@pytest.mark.parametrize(("servers", "scv"), [(1, 0.1), (2, 0.5), (4, 2.0)])
def test_a_quantile_rises_as_in_a_queue_of_such_services(servers: int, scv: float) -> None:
    rng = np.random.default_rng(4)
    held = rng.gamma(1 / scv, scv, 200_000)
    rho, rises = quantile_rises(servers, 0.95, Variation(1.0, scv))
    for busy in (0.3, 0.6, 0.8):
        rise = p95_of_queue(rng, busy * servers, held, servers) - np.quantile(held, 0.95)
        assert np.interp(busy, rho, rises) == pytest.approx(rise, rel=0.15, abs=0.1)


def test_of_services_that_are_nearly_exponential_a_quantile_rises_as_in_that_queue() -> None:
    _, exact = quantile_rises(3, 0.99)
    _, near = quantile_rises(3, 0.99, Variation(1.0, 1.05))
    assert near[50:] == pytest.approx(exact[50:], rel=0.06)
    assert (near >= exact - 1e-3).all()


def p95_of_queue(
    rng: np.random.Generator, per_second: float, held: np.ndarray, servers: int = 2
) -> float:
    """Give p95 of the time in the system of requests that come at random."""
    arrive = np.cumsum(rng.exponential(size=len(held))) / per_second
    return float(np.quantile(held + waits(arrive, held, servers), 0.95))
