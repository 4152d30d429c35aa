"""Latency before slots that are told: a queue answers for objectives beyond what was seen."""

import math
from dataclasses import replace

import numpy as np
import pytest

from pipeline.stats.capacity_latency import fit_latency
from pipeline.stats.capacity_models import CONSTANT, QUEUE, SATURATION, SCALABILITY, models_of
from pipeline.stats.capacity_points import LoadPoints, Servers
from pipeline.stats.queueing import mean_wait, response_exceeds, response_quantile

KEY = ("shop", "1.4.1")


def slots_seen(most_per_s: float) -> LoadPoints:
    """Give a gentle ramp before two slots, each held for 60 ms: what M/M/2 has at each load."""
    load = np.random.default_rng(2).permutation(np.linspace(3, most_per_s, 60))
    held = 0.06
    took = np.array([response_quantile(2, x * held / 2, held, 0.95) for x in load])
    flight = load * [held + mean_wait(2, x * held / 2, held) for x in load]
    noise = np.random.default_rng(3).lognormal(0, 0.03, 60)
    slots = Servers("http.server.threads.busy", 2, load * held)
    # The CPU does next to nothing for it: 1 ms of two cores.
    return LoadPoints(load, flight, took * noise, 0.001, 0.0, 2.0, servers=(slots,))


@pytest.mark.parametrize("objective_s", [0.3, 0.4, 0.6, 1.0])
def test_slots_that_are_told_answer_for_every_objective(objective_s: float) -> None:
    # Seen up to 60 % of what the slots bear; the limit is where M/M/2 has the objective.
    found = fit_latency(slots_seen(20.0), objective_s, KEY)
    assert found.model.startswith(QUEUE)
    assert found.model.endswith("of 2 http.server.threads.busy")
    limit = found.limit.estimate
    assert response_quantile(2, limit * 0.03, 0.06, 0.95) == pytest.approx(objective_s, rel=0.1)
    assert found.limit.low <= limit < 2 / 0.06


def test_a_law_that_ends_before_the_objective_is_not_chosen_for_it() -> None:
    points = slots_seen(20.0)
    alone = LoadPoints(
        points.throughput, points.concurrency, points.latency_s, math.nan, math.nan, 0.0
    )
    found = fit_latency(alone, 3.0, KEY)
    # No slots, no CPU, and ten times the latency that was seen: nothing tells of that.
    assert found.model == ""
    assert found.reason.startswith("latency of up to ")
    assert "ramp the load" in found.reason
    assert math.isnan(found.limit.estimate)


def test_slots_that_idle_are_not_what_requests_wait_for() -> None:
    points = slots_seen(20.0)
    idle = Servers("db.client.connection.count", 50, points.throughput * 0.06)
    assert [each.count for each in replace(points, servers=(idle,)).busy_servers] == []
    assert [each.count for each in points.busy_servers] == [2]


@pytest.mark.parametrize("servers", [1, 2, 5])
def test_the_time_in_the_system_is_waiting_and_service_together(servers: int) -> None:
    # The mean is the area under what exceeds a time: the wait's mean and the service's.
    times = np.linspace(0, 200, 40_001)
    over = [response_exceeds(servers, 0.8, 1.0, float(each)) for each in times]
    assert np.trapezoid(over, times) == pytest.approx(1 + mean_wait(servers, 0.8, 1.0), rel=1e-3)


def test_one_server_is_exponential_in_all() -> None:
    assert response_quantile(1, 0.5, 0.1, 0.95) == pytest.approx(-math.log(0.05) * 0.1 / 0.5)


def test_slots_that_are_far_from_full_answer_where_they_fill_up() -> None:
    # 20 slots, each held for 250 ms, a quarter of them busy: they bear 80 a second, which is four
    # times what was seen, and latency was flat.
    load = np.random.default_rng(2).permutation(np.linspace(3, 20, 60))
    noise = np.random.default_rng(3).lognormal(0, 0.03, 60)
    slots = Servers("http.server.threads.busy", 20, load * 0.25)
    points = LoadPoints(load, load * 0.25, 0.3 * noise, math.nan, math.nan, 0.0, servers=(slots,))
    limit = fit_latency(points, 0.6, KEY).limit
    assert 70 < limit.estimate < 80
    assert limit.low < limit.estimate


def test_of_pools_that_tell_nothing_none_stands_before_the_busiest() -> None:
    points = slots_seen(20.0)
    unknown = np.full(60, math.nan)
    shares = (0.65, math.nan, 0.9, math.nan, 0.7, 0.3)
    pools = tuple(
        Servers(f"pool {share}", 10, points.throughput * share / 2 if share > 0 else unknown)
        for share in shares
    )
    names = [each.name for each in replace(points, servers=pools).busy_servers]
    # Requests wait for the busiest long before they do for one that is a third as busy.
    assert names == ["pool 0.9", "pool 0.7", "pool 0.65"]


@pytest.mark.parametrize(("core_seconds", "is_cpu"), [(0.035, False), (0.058, True), (0.1, True)])
def test_cores_much_less_busy_than_slots_are_not_what_requests_wait_for(
    core_seconds: float, is_cpu: bool
) -> None:
    # At 16 a second the slots are 48 % busy; two cores 28, 46 or 80 %.
    points = replace(slots_seen(16.0), core_seconds=core_seconds)
    assert points.is_cpu_busy is is_cpu
    assert [each.count for each in points.busy_servers] == ([2] if core_seconds < 0.1 else [])
    assert (QUEUE in models_of(points, points.latency_s)) is is_cpu


def test_no_curve_goes_on_where_all_slots_are_held() -> None:
    points = slots_seen(20.0)
    models = models_of(points, points.latency_s)
    whole = np.ones((1, len(points.throughput)))
    # Two slots of 60 ms bear 33.3 a second, whatever latency was seen.
    curves = {name: model(whole, np.array([18.0, 33.0, 34.0]))[0] for name, model in models.items()}
    assert {CONSTANT, SATURATION, SCALABILITY} <= set(curves)
    for curve in curves.values():
        assert np.isfinite(curve[0])
        assert not curve[2] < 1e3
