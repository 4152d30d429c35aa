"""Capacity's arithmetic: costs that are known are found, and what cannot be told is not told."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stats.bootstrap import Floats, Interval, Ints
from pipeline.stats.capacity_band import scalability_band
from pipeline.stats.capacity_buckets import CapacityBuckets
from pipeline.stats.capacity_cost import cost_per_million
from pipeline.stats.capacity_demand import fit_demand
from pipeline.stats.capacity_draws import Moments, spread_draws, widening
from pipeline.stats.capacity_latency import fit_latency
from pipeline.stats.capacity_limits import Limit, not_identified, ratio_limit, replicas, safe_load
from pipeline.stats.capacity_memory import fit_memory
from pipeline.stats.capacity_models import CONSTANT, QUEUE
from pipeline.stats.capacity_points import LoadPoints
from pipeline.stats.queueing import mean_wait
from pipeline.stats.usl import fit_usl

KEY = ("shop", "1.4.1")


def buckets(
    count: int = 60, seed: int = 1, noise: float = 0.02, **given: object
) -> CapacityBuckets:
    """Give buckets of a ramp: costs of 10 and 25 ms, 0.1 cores besides, 4 MB in flight."""
    rng = np.random.default_rng(seed)
    rate = np.linspace(4, 40, count) * (0.9 + 0.2 * rng.random(count))
    share = 0.3 + 0.4 * rng.random(count)
    load = np.column_stack([rate * (1 - share), rate * share])
    costs = np.array([0.010, 0.025])
    flight = load.sum(axis=1) * 0.1
    hours = np.arange(count) / 360
    found: dict[str, object] = {
        "start_s": np.arange(count) * 10.0,
        "width_s": 10.0,
        "operations": ("cart", "pay"),
        "completions_per_s": load,
        "concurrency_mean": flight,
        "concurrency_peak": 3 * flight,
        "cpu_cores": (load @ costs + 0.1) * (1 + noise * rng.standard_normal(count)),
        "self_time_s": 10 * load * costs,
        "memory_bytes": 200e6 + 4e6 * flight + 1e5 * rng.standard_normal(count),
        "instance": np.zeros(count, dtype=np.int64),
    } | given
    leak = found.pop("leak_bytes_per_hour", 0.0)
    found["memory_bytes"] = found["memory_bytes"] + leak * hours  # type: ignore[operator]
    return CapacityBuckets(**found)  # type: ignore[arg-type]


def test_costs_and_background_are_told_apart() -> None:
    found = fit_demand(buckets(), KEY)
    assert [each.holds(cost) for each, cost in zip(found.by_operation, (0.01, 0.025), strict=True)]
    assert all(
        each.estimate == pytest.approx(cost, rel=0.1)
        for each, cost in zip((*found.by_operation, *found.check), (0.01, 0.025) * 2, strict=True)
    )
    assert found.background.holds(0.1)
    assert (found.lag, found.disagree) == (0, ())


def test_self_time_that_misleads_is_found_out_by_the_regression() -> None:
    given = buckets()
    waits = given.self_time_s.copy()
    # Half a second of every payment passes in a queue that has no span.
    waits[:, 1] += 10 * given.completions_per_s[:, 1] * 0.5
    found = fit_demand(buckets(self_time_s=waits), KEY)
    assert set(found.disagree) == {"cart", "pay"}
    assert any("estimators_disagree" in note for note in found.notes)


def test_operations_that_rise_together_are_not_told_apart_by_regression() -> None:
    given = buckets()
    total = given.throughput_per_s[:, None]
    load = np.concatenate([0.5 * total, 0.5 * total], axis=1)
    found = fit_demand(buckets(completions_per_s=load, self_time_s=10 * load * [0.01, 0.025]), KEY)
    assert found.check == ()
    assert any("rise and fall together" in note for note in found.notes)


def test_cpu_time_that_comes_a_bucket_late_is_moved_back_and_said_so() -> None:
    rng = np.random.default_rng(2)
    given = buckets(completions_per_s=rng.uniform(5, 40, (60, 2)))
    cores = given.completions_per_s @ [0.01, 0.025] + 0.1
    found = fit_demand(
        buckets(completions_per_s=given.completions_per_s, cpu_cores=np.roll(cores, 1)), KEY
    )
    assert found.lag == 1
    assert any("one bucket after" in note for note in found.notes)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"count": 20}, "20 buckets with requests and CPU time, 30 are needed"),
        ({"cpu_cores": np.full(60, np.nan)}, "0 buckets"),
        (
            {
                "completions_per_s": np.full((60, 2), 5.0),
                "cpu_cores": np.random.default_rng(1).random(60),
            },
            "cannot be told from background",
        ),
    ],
)
def test_costs_without_their_gates_are_not_identified(
    given: dict[str, object], reason: str
) -> None:
    found = fit_demand(buckets(**given), KEY)  # type: ignore[arg-type]
    assert reason in found.reason
    assert math.isnan(found.mean.estimate)


def test_memory_is_of_requests_in_flight_and_a_leak_is_one_of_time() -> None:
    calm = fit_memory(buckets(), KEY)
    assert calm.bytes_in_flight.holds(4e6)
    assert not calm.leaks
    flight = np.random.default_rng(4).uniform(1, 4, 60)
    memory = 200e6 + 4e6 * flight + 1e5 * np.random.default_rng(5).standard_normal(60)
    given = {"concurrency_mean": flight, "memory_bytes": memory, "leak_bytes_per_hour": 60e6}
    leaking = fit_memory(buckets(**given), KEY)  # type: ignore[arg-type]
    assert leaking.leaks
    assert leaking.drift_bytes_per_hour.holds(60e6)
    assert leaking.bytes_in_flight.estimate == pytest.approx(4e6, rel=0.02)


def test_memory_that_grows_with_a_ramp_and_not_with_its_requests_is_no_leak_yet() -> None:
    # All of it may be the leak's, or the load's that rose as steadily: 60 MB an hour.
    hours = np.arange(60) / 360
    noise = 1e5 * np.random.default_rng(4).standard_normal(60)
    found = fit_memory(buckets(memory_bytes=200e6 + 60e6 * hours + noise), KEY)
    assert found.drift_bytes_per_hour.low > 0
    assert "ramp it up and down" in found.reason
    assert not found.leaks


def test_memory_under_a_steady_load_is_not_identified() -> None:
    found = fit_memory(buckets(concurrency_mean=np.full(60, 2.0)), KEY)
    assert "ramp the load" in found.reason


def test_the_model_that_predicts_unseen_buckets_is_chosen_and_finds_the_limit() -> None:
    rng = np.random.default_rng(7)
    load = rng.permutation(np.linspace(5, 80, 60))
    # Two cores, 20 ms a request: p95 is 100 ms and three mean waits; 200 ms at the 33 ms of
    # waiting that one finds at a load of about 81 a second.
    waits = np.array([mean_wait(2, each * 0.02 / 2, 0.02) for each in load])
    latency = (0.1 + 3 * waits) * np.exp(0.02 * rng.standard_normal(60))
    points = LoadPoints(load, load * 0.05, latency, 0.02, 0.0, 2.0)
    found = fit_latency(points, 0.2, KEY)
    assert found.model == QUEUE
    truth = next(
        each for each in np.linspace(60, 99, 4000) if mean_wait(2, each * 0.01, 0.02) * 3 > 0.1
    )
    assert found.limit.low <= truth <= 1.02 * found.limit.high
    assert found.held_out[QUEUE] < found.held_out[CONSTANT]


def test_latency_that_does_not_depend_on_load_sets_no_limit() -> None:
    load = np.random.default_rng(8).permutation(np.linspace(5, 40, 60))
    latency = 0.1 * np.exp(0.05 * np.random.default_rng(9).standard_normal(60))
    found = fit_latency(LoadPoints(load, load * 0.1, latency, 0.02, 0.0, 2.0), 0.2, KEY)
    assert found.model == CONSTANT
    assert math.isinf(found.limit.low)


@pytest.mark.parametrize(("objective_s", "limit"), [(0.2, math.nan), (0.25, math.inf), (0.15, 0.0)])
def test_on_which_side_of_an_objective_a_constant_lies_is_told_beyond_chance(
    objective_s: float, limit: float
) -> None:
    load = np.random.default_rng(2).permutation(np.linspace(10, 90, 60))
    latency = 0.2 * np.random.default_rng(3).lognormal(0, 0.1, 60)
    found = fit_latency(LoadPoints(load, load * 0.1, latency, 0.0, 0.0, 0.0), objective_s, KEY)
    assert found.model == CONSTANT
    assert found.limit.estimate == pytest.approx(limit, nan_ok=True)
    assert found.limit.low == pytest.approx(limit, nan_ok=True)


def test_the_least_limit_binds_and_what_is_not_identified_does_not() -> None:
    limits = (
        not_identified("memory", "no data"),
        Limit("latency", Interval(90.0, 50.0, 95.0)),
        Limit("cpu", Interval(60.0, 55.0, 70.0)),
    )
    found = safe_load(limits, 45.0, 45.0)
    # At the unfavourable ends: an estimate far above another may still be less sure.
    assert (found.binding, found.second) == ("latency", "cpu")
    assert found.per_second == Interval(60.0, 50.0, 70.0)
    assert found.distance == pytest.approx(0.1)
    assert found.headroom.low == pytest.approx(0.1)
    assert not found.extrapolated


def test_a_limit_counts_what_is_used_without_requests() -> None:
    draws = np.array([[0.2, 0.02], [0.2, 0.025]])
    found = ratio_limit("cpu", 1.4, 0.2, 0.02, draws)
    assert found.per_second.estimate == pytest.approx(60)
    assert found.per_second.low == pytest.approx(48)
    assert "beyond chance" in ratio_limit("cpu", 1.4, 0.2, 0.0, draws).reason


@given(st.floats(1, 1e4), st.floats(1, 500), st.integers(1, 5))
def test_replicas_bear_the_target_with_one_lost(target: float, safe: float, zones: int) -> None:
    load = safe_load((Limit("cpu", Interval(safe, safe, safe)),), safe, safe)
    found = replicas(load, target, 10**9, zones)
    left = found.needed.high * (zones - 1) / zones if zones > 1 else found.needed.high
    assert (left - 1) * safe >= target * (1 - 1e-6)
    assert found.outcome == "fits"


def test_a_million_requests_cost_their_cpu_at_its_price() -> None:
    given = buckets(cpu_cores=np.full(60, 0.5), completions_per_s=np.full((60, 2), 5.0))
    found = cost_per_million(given, 0.036, 0.0, KEY)
    # Half a core for ten a second: 50 ms a request, 50,000 core seconds a million.
    assert found.per_million.estimate == pytest.approx(0.5)
    assert cost_per_million(buckets(5), 0.036, 0.0, KEY).reason.startswith("5 buckets")


@given(st.integers(10, 10_000), st.floats(0, 0.5))
def test_fewer_blocks_make_wider_intervals(count: int, share: float) -> None:
    assert widening(count, 5, share) >= widening(count * 2, 5, share) > 1


def test_a_curve_that_bends_late_is_never_taken_for_a_constant() -> None:
    # Flat for most of the ramp; the busiest fifth takes half as long again.
    load = np.linspace(1, 14, 60)
    bend = np.where(load > 11, 1.5, 1.0)
    latency = 0.8 * bend * np.exp(0.1 * np.random.default_rng(3).standard_normal(60))
    points = LoadPoints(load, load * 0.5, latency, 0.05, 0.1, 2.0)
    found = fit_latency(points, 1.1, KEY)
    assert CONSTANT in found.held_out
    assert found.model != CONSTANT
    assert found.limit.low <= 14
    # The fit that only rises is the sanity check: it holds the objective up to the bend.
    assert found.isotonic_limit == pytest.approx(11, abs=1.5)


def test_latency_under_a_steady_load_is_not_identified() -> None:
    load = np.full(60, 5.0) + 0.1 * np.random.default_rng(1).standard_normal(60)
    found = fit_latency(LoadPoints(load, load, np.full(60, 0.2), 0.02, 0.0, 2.0), 0.3, KEY)
    assert "ramp the load" in found.reason
    assert math.isnan(found.limit.estimate)


def test_only_operations_that_go_together_are_merged_and_the_note_names_them() -> None:
    given = buckets()
    own = given.completions_per_s
    load = np.column_stack([own, 0.5 * own[:, 0]])
    cores = load @ [0.010, 0.025, 0.010] + 0.1
    work = 10 * load * [0.010, 0.025, 0.010]
    found = fit_demand(
        buckets(
            operations=("cart", "pay", "stock"),
            completions_per_s=load,
            cpu_cores=cores,
            self_time_s=work,
        ),
        KEY,
    )
    assert any("collinear: cart + stock rise and fall together" in each for each in found.notes)
    assert found.check[1].estimate == pytest.approx(0.025, rel=0.01)
    assert math.isnan(found.check[0].estimate)


def test_instances_that_differ_make_an_interval_of_what_others_would_cost() -> None:
    # Four instances of one cost each, exact: 8, 9, 11 and 12 ms. Student's t of three degrees:
    # 10 ms and 2.35 times 1.83 / 2 either way.
    instance = np.repeat(np.arange(4), 60)
    cost = np.array([0.008, 0.009, 0.011, 0.012])[instance]
    moments = Moments(np.tile(np.arange(60) * 10.0, 4), instance)
    noise = 1e-5 * np.random.default_rng(1).standard_normal(240)
    every, drawn = spread_draws(lambda rows: np.array([(cost + noise)[rows].mean()]), moments, KEY)
    low, high = np.quantile(drawn[:, 0], [0.05, 0.95])
    assert every[0] == pytest.approx(0.010, rel=1e-3)
    assert (high - low) / 2 == pytest.approx(2.35 * 0.00183 / 2, rel=0.15)


def test_a_peak_counts_where_throughput_was_seen_to_fall_beyond_it() -> None:
    rng = np.random.default_rng(4)
    moments = Moments(np.arange(60, dtype=np.float64) * 10, np.zeros(60, np.int64))
    load = np.repeat(np.geomspace(1, 60, 12), 5)
    law = 10 * load / (1 + 0.05 * (load - 1) + 0.004 * load * (load - 1))
    grid = np.linspace(1, 60, 10)
    for most, passed in ((60, True), (12, False)):
        seen = load <= most
        throughput = (law * rng.lognormal(0, 0.01, 60))[seen]
        fit = fit_usl(load[seen], throughput)
        found = scalability_band(fit, load[seen], throughput, moments.of(seen), grid, KEY)
        assert found.passed == passed
        assert found.intervals["peak_load"].holds(math.sqrt(0.95 / 0.004))


def test_requests_that_cost_more_under_load_are_told_so_and_limits_go_by_the_busy_half() -> None:
    given = buckets()
    load = given.throughput_per_s
    cores = 0.1 + 0.010 * load + np.maximum(load - 22, 0) * 0.020
    found = fit_demand(buckets(cpu_cores=cores), KEY)
    assert any("ms of CPU in quiet buckets" in each for each in found.notes)
    # 10 ms below 22 a second, 30 above: what limits are drawn from is the dearer one.
    assert np.median(found.draws[:, 0]) == pytest.approx(0.030, rel=0.1)


def test_draws_of_few_moments_differ() -> None:
    # Of five moments a block of five would be all of them, each time.
    for times in (2, 3, 5):
        moments = Moments(np.arange(times, dtype=np.float64), np.zeros(times, dtype=np.int64))
        assert len({tuple(sorted(draw.tolist())) for draw in moments.draws(("a",), 50)}) > 1


def test_of_two_moments_instances_are_drawn_and_both_ends_lie_off_the_estimate() -> None:
    # Sixteen instances at two loads each: a request costs 2.8 in every other one, and else 3.2.
    load, instance = np.tile([1.0, 2.0], 16), np.repeat(np.arange(16), 2)
    busy = 1 + np.where(instance % 2, 3.2, 2.8) * load
    moments = Moments(np.tile([0.0, 10.0], 16), instance)

    def slope(places: Ints) -> Floats:
        within = load[places] - 1.5
        return np.array([(within * busy[places]).sum() / (within**2).sum()])

    (estimate,), drawn = spread_draws(slope, moments, ("a",))
    low, high = np.quantile(drawn, [0.05, 0.95])
    assert estimate == pytest.approx(3)
    # 0.2 by the root of 16 is 0.05, and Student's t with 15 degrees of freedom 1.75.
    assert (low, high) == pytest.approx((3 - 0.09, 3 + 0.09), abs=0.02)
