"""What capacity does not know it says by name, in text and in JSON; what spans tell outranks it."""

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.jobs.capacity import run
from pipeline.jobs.capacity_answer import CapacityResult
from pipeline.jobs.capacity_request import CapacityRequest
from pipeline.jobs.capacity_rows import read_capacity_rows
from pipeline.lake import Lake, append, open_lake
from pipeline.report.capacity import WRITERS
from pipeline.schema import METRICS, SPANS
from tests.jobs.capacity_lake import CPU_COUNTER, NOON, SECOND, span, spans_table
from tests.jobs.capacity_ramp import capacities, land_ramp
from tests.metrics.conftest import rows_of

BUCKETS, A_BUCKET = 40, 12


def land_flat(lake: Lake, late_s: float = 0.0, cpu: tuple[str, float] | None = None) -> None:
    """Land twelve requests in every ten seconds of two instances, and what they send.

    Args:
        lake: where.
        late_s: how far into a bucket counters are read.
        cpu: an attribute of spans, and its value.
    """
    rng = np.random.default_rng(5)
    spans: list[dict[str, Any]] = []
    points: list[dict[str, Any]] = []
    attributes = [(cpu[0], str(cpu[1]))] if cpu else []
    for instance in ("a", "b"):
        whose = {"service_instance_id": instance, "service_version": "v1"}
        busy = 0.0
        for bucket in range(BUCKETS):
            starts = 10 * bucket + 10 * rng.random(A_BUCKET)
            for start in np.sort(starts).tolist():
                trace = f"{len(spans) + 1:032x}"
                at = NOON + round(start * SECOND)
                took = round(SECOND * 0.1 * float(rng.gamma(4, 0.25)))
                own: dict[str, Any] = {"attributes": attributes, **whose}
                spans.append(span(trace, 1, None, "cart", 2, at, at + took, **own))
            busy += 2 + 0.3 * float(rng.standard_normal())
            at = NOON + round((10 * bucket + 10 + late_s) * SECOND)
            points += told(at, busy, 2e8 + 1e6 * float(rng.standard_normal()), whose)
    append(lake, SPANS, spans_table(spans))
    append(lake, METRICS, rows_of(points))


def told(at: int, busy: float, memory: float, whose: dict[str, str]) -> list[dict[str, Any]]:
    """Give the points of an instance at a time."""
    common: dict[str, Any] = {"service_name": "shop", "time_unix_nano": at, **whose}
    counter = CPU_COUNTER | {"value_double": busy}
    gauge = {"metric_type": "gauge", "name": "process.memory.usage", "value_double": memory}
    return [common | counter, common | gauge]


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """Give the answer of a flat load, as text and as the one service of the JSON."""
    lake = open_lake(tmp_path_factory.mktemp("flat") / "lake", create=True)
    land_flat(lake)
    asked = CapacityRequest(objective_s=0.25, cores=2.0, memory_bytes=2.0**30)
    result = run(lake, asked)
    assert result.exit_status == 3
    return written(result, "text"), json.loads(written(result, "json"))["services"][0]


def written(result: CapacityResult, form: str) -> str:
    """Write an answer in a form."""
    out = io.BytesIO()
    WRITERS[form](result, out)
    return out.getvalue().decode()


@pytest.mark.parametrize("part", ["cpu", "memory", "latency", "scalability"])
def test_on_a_flat_load_a_regression_is_not_identified_and_says_to_ramp(
    flat: tuple[str, dict[str, Any]], part: str
) -> None:
    text, service = flat
    assert "ramp the load" in service[part]["not_identified"]
    assert service[part]["not_identified"] in text


@pytest.mark.parametrize("resource", ["cpu", "memory", "latency", "scalability"])
def test_on_a_flat_load_no_limit_is_given(flat: tuple[str, dict[str, Any]], resource: str) -> None:
    text, service = flat
    limits = {each["resource"]: each for each in service["limits"]}
    assert limits[resource]["requests_per_second"] is None
    assert "ramp the load" in limits[resource]["not_identified"]
    line = next(each for each in text.splitlines() if each.startswith(f"{resource} "))
    assert "not identified: " in line


@pytest.mark.parametrize(
    ("part", "figure"),
    [
        ("cpu", "seconds_per_request"),
        ("cpu", "background_cores"),
        ("memory", "bytes_per_request_in_flight"),
        ("memory", "base_bytes"),
        ("memory", "drift_bytes_per_hour"),
        ("latency", "model"),
        ("latency", "limit"),
        ("scalability", "gamma"),
        ("scalability", "peak_throughput"),
    ],
)
def test_on_a_flat_load_no_figure_of_a_regression_has_a_number(
    flat: tuple[str, dict[str, Any]], part: str, figure: str
) -> None:
    assert flat[1][part].get(figure) is None
    assert flat[1]["safe_requests_per_second_per_instance"] is None
    assert flat[1]["operations"][0]["cpu_seconds_per_request"] is None


def test_cpu_time_that_spans_tell_is_known_under_a_flat_load_too(lake: Lake) -> None:
    land_flat(lake, cpu=("thread.cpu_ms", 20.0))
    (service,) = run(lake, CapacityRequest(cpu_attribute="thread.cpu_ms")).services
    assert service.demand.by_operation[0].estimate == pytest.approx(0.020)
    assert service.rows.dealt_by == "thread CPU time of spans (thread.cpu_ms)"
    assert "ramp the load" in service.demand.reason


def test_cpu_time_at_start_and_end_of_spans_is_found_by_itself(lake: Lake) -> None:
    ids = [f"{number:032x}" for number in range(1, 6)]
    # 5 ms each; the last could not tell, as on a virtual thread.
    clocks = [("3000000", "8000000")] * 4 + [("-1", "-1")]
    spans = [
        span(
            *(trace, 1, None, "cart", 2, NOON + 40 * n * SECOND // 10, NOON + (4 * n + 1) * SECOND),
            attributes=[("io.retit.startcputime", first), ("io.retit.endcputime", last)],
        )
        for n, (trace, (first, last)) in enumerate(zip(ids, clocks, strict=True))
    ]
    append(lake, SPANS, spans_table(spans[:4]))
    (found,) = read_capacity_rows(lake, CapacityRequest(bucket_s=10))
    assert found.buckets.span_cpu_s is not None
    assert found.buckets.span_cpu_s.sum() == pytest.approx(4 * 0.005)
    append(lake, SPANS, spans_table(spans[4:]))
    # Four of five are too few for all.
    (found,) = read_capacity_rows(lake, CapacityRequest(bucket_s=10))
    assert found.buckets.span_cpu_s is None


def test_an_attribute_without_a_unit_is_refused() -> None:
    with pytest.raises(UsageError, match="must end with _ns, _us, _ms, _s"):
        CapacityRequest(cpu_attribute="thread.cpu")


def test_buckets_of_an_instance_begin_where_its_counters_are_read(lake: Lake) -> None:
    land_flat(lake, late_s=4.0)
    (found,) = read_capacity_rows(lake, CapacityRequest(bucket_s=10))
    # Each has the whole of one interval of the counter: none is a mean of two.
    assert np.isfinite(found.buckets.cpu_cores).all()
    cores = found.buckets.cpu_cores[found.buckets.instance == 0]
    # As far apart as those of one interval: means of two would differ by 0.7 of that.
    assert cores.std() == pytest.approx(0.03, rel=0.25)


@pytest.mark.parametrize(
    ("instances", "rate"), [(1, lambda _: 50.0), (8, lambda _: 20.0), (1, lambda n: 10.0 + n)]
)
def test_of_a_small_sample_nothing_is_told_that_goes_with_load(
    lake: Lake, instances: int, rate: Callable[[int], float]
) -> None:
    # One trace in a hundred: most of what load seems to vary by is chance, ramped or not.
    for number in range(instances):
        land_ramp(lake, instance=f"shop-{number}", rate=rate, kept=0.01, seed=number)
    (found,) = capacities(lake, objective_s=0.3, memory_bytes=1e9, target_per_second=100.0)
    reasons = (found.demand.reason, found.memory.reason, found.latency.reason)
    for reason in (*reasons, found.scalability.reason):
        assert "is chance of the sample; keep more traces, or give --bucket 60" in reason
    assert not found.memory.leaks
    assert found.replicas is not None
    assert found.replicas.outcome == "undecided"


def test_of_a_sample_that_is_large_enough_costs_are_told(lake: Lake) -> None:
    land_ramp(lake, rate=lambda n: 20.0 + 8 * n, kept=0.5)
    (found,) = capacities(lake)
    assert found.rows.chance < 0.05
    assert found.demand.mean.holds(0.02)


def test_of_few_requests_in_flight_no_contention_is_told(lake: Lake) -> None:
    land_ramp(lake, rate=lambda _: 0.3, buckets=120)
    (found,) = capacities(lake)
    assert "requests were in flight on average" in found.scalability.reason


def test_of_a_steady_load_no_contention_is_told(lake: Lake) -> None:
    # One request in three seconds, each of 10 s or so: from 0.5 to 8 in flight, by chance alone.
    land_ramp(lake, rate=lambda _: 0.3, buckets=120, took_s=lambda rng, n: rng.gamma(4, 2.5, n))
    (found,) = capacities(lake)
    assert "by chance: ramp the load" in found.scalability.reason


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_latency_that_does_not_rise_is_no_limit_of_nothing(lake: Lake, seed: int) -> None:
    # Exponential times with p95 at 300 ms at every load, and an objective just above that.
    def took(rng: np.random.Generator, count: int) -> np.ndarray:
        return rng.exponential(0.1, count)

    land_ramp(lake, rate=lambda n: 3 + 6 * n / 45, buckets=45, took_s=took, seed=seed)
    (found,) = capacities(lake, objective_s=0.32)
    (latency,) = (each for each in found.limits if each.resource == "latency")
    assert "does not rise with load" in latency.reason or "of draws" in latency.reason


def test_of_a_handful_of_requests_there_is_no_p95(lake: Lake) -> None:
    land_ramp(lake, rate=lambda n: 1.5 + 2 * n / 45, buckets=45)
    (found,) = capacities(lake, objective_s=0.32)
    assert "enough requests for their latency, 20 are needed: watch longer" in found.latency.reason
