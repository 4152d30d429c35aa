"""Senders as they are: started long ago, of several environments and versions, with odd points."""

import math
from typing import Any

import pytest

from pipeline.errors import UsageError
from pipeline.jobs.capacity_request import CapacityRequest
from pipeline.lake import Lake, append
from pipeline.schema import SPANS
from tests.jobs.capacity_lake import NOON, SECOND, span, spans_table
from tests.jobs.capacity_ramp import COST_S, LIMIT_PER_S, capacities, land_ramp, limit_of

PROD, STAGING = (
    {
        "deployment_environment": name,
        "resource_attributes": [("deployment.environment.name", name)],
        "series_id": number,
    }
    for number, name in enumerate(("production", "staging"), 1)
)


def mean_cost(found: Any) -> float:
    """Give CPU seconds a request."""
    return float(found.demand.mean.estimate)


@pytest.mark.parametrize(("first_s", "running_s"), [(0, 0), (0, 120), (600, 400), (1200, 900)])
def test_a_process_that_began_before_its_first_point_loses_no_cpu_time(
    lake: Lake, first_s: float, running_s: float
) -> None:
    land_ramp(lake, first_s=first_s, running_s=running_s)
    (found,) = capacities(lake)
    assert found.rows.buckets.width_s == 10
    assert mean_cost(found) == pytest.approx(COST_S, rel=0.02)
    assert limit_of(found, "cpu") == pytest.approx(LIMIT_PER_S, rel=0.03)


def test_metrics_of_another_environment_are_not_those_of_the_one_asked_for(lake: Lake) -> None:
    # Both have a pod of the same name.
    for seed, (environment, cost) in enumerate(((PROD, 0.02), (STAGING, 0.03)), 1):
        name = {"deployment_environment": environment["deployment_environment"]}
        land_ramp(lake, cost_s=cost, points=environment, spans=name, seed=seed)
    (found,) = capacities(lake, where=(("deployment_environment", "production"),))
    assert mean_cost(found) == pytest.approx(0.02, rel=0.02)
    assert limit_of(found, "cpu") == pytest.approx(LIMIT_PER_S, rel=0.03)


def test_pools_of_one_program_are_told_apart_by_their_names(lake: Lake) -> None:
    def pools(bucket: int) -> list[dict[str, Any]]:
        # A request holds one of ten connections of a for 100 ms, one of 50 of b for 10.
        held = {"a": (10.0, 0.1), "b": (50.0, 0.01), "endless": (2.0**31 - 1, 0.05)}
        return [
            {
                "name": f"hikaricp.connections.{name}",
                "value_double": value,
                "attributes": [("pool", pool)],
                "series_id": 10 * number + place,
            }
            for number, (pool, (size, seconds)) in enumerate(held.items(), 1)
            for place, (name, value) in enumerate(
                (("max", size), ("active", (10 + bucket) * seconds))
            )
        ]

    land_ramp(lake, more=pools)
    (found,) = capacities(lake)
    assert limit_of(found, "hikaricp.connections.active a") == pytest.approx(80, rel=0.05)
    assert limit_of(found, "hikaricp.connections.active b") == pytest.approx(4000, rel=0.05)
    assert found.safe.binding == "hikaricp.connections.active a"
    assert not any("endless" in each.resource for each in found.limits)


def test_versions_are_compared_in_the_order_in_which_they_ran(lake: Lake) -> None:
    land_ramp(lake, version="1.9.0", instance="a")
    land_ramp(lake, version="1.10.0", instance="b", first_s=700, cost_s=0.03, seed=2)
    assert [each.rows.service_version for each in capacities(lake)] == ["1.9.0", "1.10.0"]


def test_a_target_is_held_by_the_instances_of_all_versions(lake: Lake) -> None:
    for number in range(3):
        land_ramp(lake, instance=f"old-{number}", seed=number)
    land_ramp(lake, instance="new-0", version="2", seed=9)
    for found in capacities(lake, target_per_second=250.0):
        assert found.replicas is not None
        assert found.replicas.instances == 4
        assert found.replicas.outcome == "fits"


def test_what_replaces_a_version_for_minutes_is_not_there_besides(lake: Lake) -> None:
    # Three of each, and both for two of forty minutes: three bear 340 a second and not 390.
    rate = {"rate": lambda n: 10.0 + n / 3, "buckets": 120}
    for number in range(3):
        land_ramp(lake, instance=f"old-{number}", seed=number, **rate)
        of_new = {"instance": f"new-{number}", "version": "2", "first_s": 1080, "seed": 9 + number}
        land_ramp(lake, **of_new, **rate)
    for found in capacities(lake, target_per_second=300.0):
        assert found.replicas is not None
        assert found.replicas.instances == 3
        assert found.replicas.outcome == "does_not_fit"


def test_a_service_that_is_read_often_leaves_others_their_cpu_time(lake: Lake) -> None:
    land_ramp(lake, instance="often")
    for number in range(3):
        seldom = {"service_name": "pay"}
        land_ramp(
            lake, instance=f"pay-{number}", width_s=60, points=seldom, spans=seldom, seed=number
        )
    found = {each.rows.service_name: mean_cost(each) for each in capacities(lake)}
    assert found["pay"] == pytest.approx(COST_S, rel=0.03)


def test_metrics_that_name_an_instance_need_no_version(lake: Lake) -> None:
    for number, version in enumerate(("1", "1", "2"), 1):
        pod = f"pod-{number}"
        land_ramp(lake, instance=pod, version=version, of_metrics=(pod, ""), seed=number)
    for found in capacities(lake):
        assert mean_cost(found) == pytest.approx(COST_S, rel=0.03)
        assert not any("at once" in note for note in found.notes)


def test_what_pods_bear_is_shared_by_them_where_spans_name_none(lake: Lake) -> None:
    for number in range(4):
        land_ramp(lake, instance="", of_metrics=(f"pod-{number}", "1"), seed=number)
    (found,) = capacities(lake, cores=4.0, target_per_second=300.0)
    assert limit_of(found, "cpu") == pytest.approx(4 * LIMIT_PER_S, rel=0.03)
    assert found.replicas is not None
    assert found.replicas.instances == 4
    assert found.replicas.outcome == "fits"
    assert any("what is said of an instance is of all of them" in note for note in found.notes)


def test_of_versions_at_once_none_is_given_the_metrics_of_all(lake: Lake) -> None:
    for number, cost in enumerate((0.02, 0.03), 1):
        pod = (f"pod-{number}", "")
        land_ramp(lake, version=str(number), instance="", of_metrics=pod, cost_s=cost, seed=number)
    for found in capacities(lake):
        assert "no process.cpu.time" in found.demand.reason
        assert any("versions ran at once" in note for note in found.notes)


def test_versions_one_after_the_other_have_the_metrics_of_their_time(lake: Lake) -> None:
    for number, cost in enumerate((0.02, 0.03)):
        pod = (f"pod-{number}", "")
        given = {"version": str(number), "instance": "", "of_metrics": pod, "seed": number + 1}
        land_ramp(lake, cost_s=cost, first_s=600 * number, **given)
    costs = [mean_cost(each) for each in capacities(lake)]
    assert costs == pytest.approx([0.02, 0.03], rel=0.03)


def test_requests_in_flight_are_those_within_the_window(lake: Lake) -> None:
    # One a second, each for a minute: 60 at every moment.
    rows = [
        span(f"{n:032x}", 1, None, "poll", 2, NOON + n * SECOND, NOON + (n + 60) * SECOND)
        for n in range(1000)
    ]
    append(lake, SPANS, spans_table(rows))
    window = {"since_unix_nano": NOON + 400 * SECOND, "until_unix_nano": NOON + 460 * SECOND}
    (found,) = capacities(lake, **window)
    assert found.concurrency.mean == pytest.approx(60)
    assert found.concurrency.peak == 60


def test_what_waits_for_a_disk_is_no_busy_core(lake: Lake) -> None:
    def shares(bucket: int) -> list[dict[str, Any]]:
        told = {"user": (0.2 + 0.02 * (10 + bucket)) / 4, "wait": 0.3}
        return [
            {
                "name": "process.cpu.utilization",
                "value_double": value,
                "attributes": [("cpu.mode", mode)],
                "series_id": number,
            }
            for number, (mode, value) in enumerate(told.items(), 1)
        ]

    land_ramp(lake, more=shares, points={"unit": "parsecs"})
    (found,) = capacities(lake)
    assert found.rows.meters.cpu_source == "process.cpu.utilization"
    assert mean_cost(found) == pytest.approx(COST_S, rel=0.05)
    # The counter beside it has no unit of time: nobody knows what it counts.
    assert "CPU time is not counted of process.cpu.time in parsecs: no unit of time" in found.notes


@pytest.mark.parametrize("unit", ["microseconds", "us"])
def test_a_counter_counts_in_its_unit_by_either_name(lake: Lake, unit: str) -> None:
    land_ramp(lake, points={"unit": unit})
    (found,) = capacities(lake)
    assert mean_cost(found) == pytest.approx(COST_S * 1e-6, rel=0.02)


@pytest.mark.parametrize("number", [math.nan, math.inf, -1.0])
@pytest.mark.parametrize("name", ["target_per_second", "objective_s", "cores", "cpu_price"])
def test_numbers_that_are_none_are_refused(name: str, number: float) -> None:
    with pytest.raises(UsageError, match="write a number of 0 or more"):
        CapacityRequest(**{name: number})  # type: ignore[arg-type]
