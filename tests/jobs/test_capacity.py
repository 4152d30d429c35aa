"""Capacity: what is read is what can be counted by hand, and known costs are found again."""

import math

import numpy as np
import pyarrow as pa
import pytest

from pipeline.errors import NotEnoughData, UsageError
from pipeline.jobs.capacity import run
from pipeline.jobs.capacity_answer import CapacityResult, ServiceCapacity
from pipeline.jobs.capacity_request import (
    CapacityRequest,
    parse_limits,
    parse_objective,
    parse_prices,
)
from pipeline.jobs.capacity_rows import ServiceRows, read_capacity_rows
from pipeline.lake import Lake, append, open_lake
from pipeline.schema import METRICS, PROFILE_SAMPLES, SPANS
from tests.jobs.capacity_lake import (
    BACKGROUND_CORES,
    BUCKET_S,
    CPU_S,
    MEMORY_A_REQUEST,
    NOON,
    SECOND,
    land_shop,
    span,
    spans_table,
)
from tests.metrics.conftest import rows_of

TRACE = "0" * 31 + "1"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Give a lake of one version with all its metrics; nobody writes to it."""
    lake = open_lake(tmp_path_factory.mktemp("capacity") / "lake", create=True)
    land_shop(lake)
    return lake


def at(seconds: float) -> int:
    """Give a time after noon."""
    return NOON + round(seconds * SECOND)


def trace(number: int) -> str:
    return f"{number:032x}"


def only(lake: Lake, **given: object) -> ServiceCapacity:
    """Ask for the capacity of a lake of one version."""
    (service,) = run(lake, CapacityRequest(**given)).services  # type: ignore[arg-type]
    return service


def rows(lake: Lake, bucket_s: int = 10) -> ServiceRows:
    """Read the rows of a lake of one version."""
    (found,) = read_capacity_rows(lake, CapacityRequest(bucket_s=bucket_s))
    return found


def test_self_time_is_the_duration_without_the_union_of_the_calls_below(lake: Lake) -> None:
    # Ten seconds. Calls at 1-4 and 3-6 overlap: 5 s; one below an internal span at 7-8: 1 s; one
    # that outlasts the request counts to its end, 9-10: 1 s. What a call waits for is the call's.
    given = [
        span(TRACE, 1, None, "cart", 2, at(0), at(10)),
        span(TRACE, 2, 1, "db", 3, at(1), at(4)),
        span(TRACE, 3, 1, "db", 3, at(3), at(6)),
        span(TRACE, 4, 1, "work", 1, at(6.5), at(9)),
        span(TRACE, 5, 4, "db", 3, at(7), at(8)),
        span(TRACE, 6, 1, "db", 3, at(9), at(12)),
        span(TRACE, 7, 2, "query", 2, at(1), at(4), service_name="database"),
    ]
    append(lake, SPANS, spans_table(given))
    shop = read_capacity_rows(lake, CapacityRequest(service="shop", bucket_s=20))[0]
    assert shop.buckets.self_time_s.sum() == pytest.approx(10 - 5 - 1 - 1)


def test_concurrency_is_a_sweep_in_which_ends_come_before_starts(lake: Lake) -> None:
    # Two at 0-4, one from the moment they end to 8, in buckets of ten seconds.
    given = [
        span(trace(n), n, None, "cart", 2, at(start), at(end))
        for n, (start, end) in enumerate([(0, 4), (0, 4), (4, 8)], start=1)
    ]
    append(lake, SPANS, spans_table(given))
    found = rows(lake)
    assert found.buckets.concurrency_mean.tolist() == [1.2]
    assert found.buckets.concurrency_peak.tolist() == [2.0]
    assert found.levels.tolist() == [1.0, 2.0]
    assert found.level_seconds.tolist() == [4.0, 4.0]


def test_mean_concurrency_is_throughput_times_duration_whatever_the_buckets(lake: Lake) -> None:
    rng = np.random.default_rng(3)
    starts, lasted = rng.uniform(0, 60, 200), rng.uniform(0.1, 15, 200)
    given = [
        span(trace(n + 1), n + 1, None, "cart", 2, at(start), at(start + seconds))
        for n, (start, seconds) in enumerate(zip(starts, lasted, strict=True))
    ]
    append(lake, SPANS, spans_table(given))
    # A request may be in flight for longer than a bucket: every bucket has its part of it.
    (found,) = read_capacity_rows(lake, CapacityRequest(bucket_s=10))
    inside = found.buckets.start_s[0] - NOON / SECOND
    clipped = [
        max(0.0, min(start + seconds, inside + 10) - max(start, inside))
        for start, seconds in zip(starts, lasted, strict=True)
    ]
    assert found.buckets.concurrency_mean[0] == pytest.approx(sum(clipped) / 10, rel=1e-6)


def test_a_request_counts_by_its_weight_and_where_it_ends(lake: Lake) -> None:
    given = [
        span(trace(1), 1, None, "cart", 2, at(1), at(12), sampling_weight=10.0),
        span(trace(2), 2, None, "pay", 5, at(2), at(3), sampling_weight=10.0),
        span(trace(3), 3, None, "inner", 1, at(2), at(3)),
    ]
    append(lake, SPANS, spans_table(given))
    found = rows(lake)
    assert found.buckets.operations == ("cart", "pay")
    assert found.buckets.completions_per_s.tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert found.sampled


def test_a_counter_is_spread_over_its_interval_and_survives_a_restart(lake: Lake) -> None:
    spans = [span(trace(n), n, None, "cart", 2, at(10 * n), at(10 * n + 1)) for n in range(6)]
    append(lake, SPANS, spans_table(spans))
    # 2 s of CPU in the first ten, 4 in the next twenty, then a restart, and 3 since it.
    told = [(10, 2.0, 0), (30, 6.0, 0), (40, 3.0, 30), (50, 8.0, 30), (60, 8.0, 30)]
    points = [
        {
            "metric_type": "sum",
            "name": "process.cpu.time",
            "unit": "s",
            "service_name": "shop",
            "service_version": None,
            "service_instance_id": "shop-1.4.1",
            "time_unix_nano": at(end),
            "start_time_unix_nano": at(since),
            "is_monotonic": True,
            "aggregation_temporality": 2,
            "value_double": value,
        }
        for end, value, since in told
    ]
    append(lake, METRICS, rows_of(points))
    found = rows(lake)
    starts = found.buckets.start_s - NOON / SECOND
    # The first bucket and the last of an instance are left out.
    assert dict(zip(starts.tolist(), found.buckets.cpu_cores.tolist(), strict=True)) == (
        pytest.approx({10.0: 0.2, 20.0: 0.2, 30.0: 0.3, 40.0: 0.5})
    )


def test_known_costs_are_found_again_within_their_intervals(shop: Lake) -> None:
    found = only(shop, memory_bytes=2.0**30)
    assert found.rows.buckets.width_s == BUCKET_S
    for name, cost in zip(found.rows.buckets.operations, found.demand.by_operation, strict=True):
        assert cost.estimate == pytest.approx(CPU_S[name], rel=0.05)
    assert found.demand.background.estimate == pytest.approx(BACKGROUND_CORES, rel=0.2)
    assert found.memory.bytes_in_flight.holds(MEMORY_A_REQUEST)
    assert not found.memory.leaks
    cpu = next(each for each in found.limits if each.resource == "cpu")
    # Seven tenths of two cores less the background, at what a request of this mix costs.
    most = (0.7 * 2 - BACKGROUND_CORES) / found.demand.mean.estimate
    assert cpu.per_second.estimate == pytest.approx(most, rel=0.02)
    assert found.safe.binding == "cpu"
    assert found.safe.per_second.low == cpu.per_second.low


def test_the_same_lake_gives_the_same_answer(shop: Lake) -> None:
    given = {"objective_s": 0.25, "since_unix_nano": NOON, "until_unix_nano": at(250)}
    first, second = (only(shop, **given) for _ in range(2))
    assert first.safe == second.safe
    assert first.latency.held_out == second.latency.held_out


def test_without_metrics_every_part_says_what_to_send(lake: Lake) -> None:
    land_shop(lake, metrics=())
    found = only(lake)
    reasons = {each.resource: each.reason for each in found.limits}
    assert "no process.cpu.time for service shop; send it" in reasons["cpu"]
    assert "no process.memory.usage for service shop; send it" in reasons["memory"]
    assert reasons["latency"] == "no objective; give --slo p95=600ms"
    assert not found.safe.binding
    assert run(lake, CapacityRequest()).exit_status == 3


def test_a_steady_load_tells_no_cost(lake: Lake) -> None:
    # Ten requests in every bucket, and CPU time that wanders by itself.
    rng = np.random.default_rng(5)
    spans, points, busy = [], [], 0.0
    for bucket in range(40):
        for each in range(10):
            number = 10 * bucket + each + 1
            start = 10 * bucket + each + 0.5
            spans.append(span(trace(number), number, None, "cart", 2, at(start), at(start + 0.1)))
        busy += 2 + 0.3 * float(rng.standard_normal())
        points.append(_cpu(10 * (bucket + 1), busy))
    append(lake, SPANS, spans_table(spans))
    append(lake, METRICS, rows_of(points))
    found = only(lake, cores=2.0, target_per_second=5.0)
    assert "requests cannot be told from background" in found.demand.reason
    assert found.replicas is not None
    assert found.replicas.outcome == "undecided"
    assert math.isnan(found.replicas.needed.high)


def test_a_stretch_from_reading_to_reading_has_the_requests_and_the_cpu_time_of_the_same_seconds(
    lake: Lake,
) -> None:
    # Read at 1, 11, 13, 16 and 18 s; requests of 0.1 s end at 0.5, 12, 14, 15 and 19 s.
    ends = (0.5, 12.0, 14.0, 15.0, 19.0)
    spans = [
        span(trace(n), n, None, "cart", 2, at(end - 0.1), at(end)) for n, end in enumerate(ends, 1)
    ]
    append(lake, SPANS, spans_table(spans))
    told = ((1, 0.1), (11, 0.2), (13, 0.4), (16, 1.0), (18, 1.1))
    append(lake, METRICS, rows_of([_cpu(end, value) for end, value in told]))
    finer = rows(lake).buckets.finer
    assert finer is not None
    # What began in the first seconds of the process is left out: it was starting.
    assert finer.completions_per_s[:, 0].tolist() == pytest.approx([1 / 2, 2 / 3, 0.0])
    assert finer.cpu_cores.tolist() == pytest.approx([0.2 / 2, 0.6 / 3, 0.1 / 2])
    assert finer.self_time_s[:, 0].tolist() == pytest.approx([0.1, 0.2, 0.0])


def test_processes_that_no_name_tells_apart_have_no_stretches(lake: Lake) -> None:
    # A stretch of one of the two would have its CPU time and the requests of both.
    ends = (0.5, 12.0, 14.0, 15.0, 19.0)
    spans = [
        span(trace(n), n, None, "cart", 2, at(end - 0.1), at(end)) for n, end in enumerate(ends, 1)
    ]
    append(lake, SPANS, spans_table(spans))
    points = [
        _cpu(end + later, 0.1 * end) | {"attributes": [("process.pid", pid)]}
        for later, pid in ((0.0, "1"), (0.7, "2"))
        for end in (1, 11, 13, 16, 18)
    ]
    append(lake, METRICS, rows_of(points))
    assert rows(lake).buckets.finer is None


def test_processes_that_start_dear_as_the_load_rises_have_requests_of_their_cost(
    lake: Lake,
) -> None:
    # Sixteen for half a minute: 50 ms a request, and 0.05 cores besides, twice that at first.
    rng = np.random.default_rng(11)
    spans, points = [], []
    for number in range(16):
        whose = {"service_instance_id": f"shop-{number}"}
        due = np.sort(30 * np.sqrt(rng.random(60)))
        for place, start in enumerate(due):
            row = 100 * number + place + 1
            spans.append(
                span(trace(row), row, None, "cart", 2, at(start), at(start + 0.05), **whose)
            )
        for end in np.arange(0.3 + 2 * rng.random(), 32, 2.07):
            worked = np.clip(end - due, 0, 0.05).sum()
            besides = 0.05 * (end + min(end, 4.0)) * (1 + 0.01 * rng.standard_normal())
            points.append(_cpu(end, worked + besides) | whose)
    append(lake, SPANS, spans_table(spans))
    append(lake, METRICS, rows_of(points))
    found = only(lake)
    assert found.demand.mean.estimate == pytest.approx(0.05, rel=0.06)
    assert found.demand.mean.holds(0.05)
    assert any("from one reading of CPU time to a later one" in note for note in found.notes)


def _cpu(end: float, value: float) -> dict[str, object]:
    return {
        "metric_type": "sum",
        "name": "process.cpu.time",
        "unit": "s",
        "service_name": "shop",
        "service_version": "1.4.1",
        "service_instance_id": "shop-1.4.1",
        "time_unix_nano": at(end),
        "start_time_unix_nano": NOON,
        "is_monotonic": True,
        "aggregation_temporality": 2,
        "value_double": value,
    }


def test_a_target_that_needs_more_instances_does_not_fit(shop: Lake) -> None:
    result = run(shop, CapacityRequest(target_per_second=100.0, zones=3))
    found = result.services[0].replicas
    assert found is not None
    # 100 at 38 an instance are three, one to spare, and half as many again for one zone of three.
    assert found.needed.high == 6.0
    assert found.outcome == "does_not_fit"
    assert result.exit_status == 1


def test_a_load_far_beyond_what_was_seen_is_called_extrapolated(lake: Lake) -> None:
    land_shop(lake, buckets=33, most_per_s=10.0, metrics=("cpu", "limit"))
    found = only(lake)
    assert found.safe.seen_per_second < 15
    assert found.safe.per_second.low > 25
    assert found.safe.extrapolated


def test_a_pool_that_is_nearly_full_binds(lake: Lake) -> None:
    land_shop(lake, metrics=("cpu", "limit", "pool", "used"))
    found = only(lake)
    pool = next(each for each in found.limits if each.resource.startswith("db.client"))
    assert pool.per_second.low < 40
    assert found.safe.binding == pool.resource


def test_a_pool_that_tells_only_its_size_is_told_and_not_passed_over(lake: Lake) -> None:
    land_shop(lake, buckets=14, metrics=("cpu", "pool"))
    found = only(lake)
    assert not any(each.resource.startswith("db.client") for each in found.limits)
    told = "a pool without a name tells no use: collect db.client.connection.count"
    assert told in found.notes


def test_a_version_that_costs_more_is_told_beside_the_one_before(lake: Lake) -> None:
    land_shop(lake, buckets=14, metrics=("cpu",))
    land_shop(lake, buckets=14, metrics=("cpu",), version="1.4.2", cost=1.3, seed=2)
    result: CapacityResult = run(lake, CapacityRequest(cpu_price=0.04))
    (change,) = result.cost_changes
    assert (change.before, change.after) == ("1.4.1", "1.4.2")
    # A share of the CPU is background, which costs no more.
    assert change.change.estimate == pytest.approx(0.27, abs=0.05)
    assert change.change.holds(0.27)


def test_sampled_traces_have_no_counted_peak(lake: Lake) -> None:
    land_shop(lake, buckets=10, most_per_s=5.0, weight=10.0)
    found = only(lake)
    assert found.concurrency.estimated
    assert any("estimated" in note for note in found.notes)


def test_a_lake_without_requests_is_not_enough(lake: Lake) -> None:
    with pytest.raises(NotEnoughData, match="no server or consumer span"):
        run(lake, CapacityRequest())


def test_where_chooses_service_and_version(lake: Lake) -> None:
    land_shop(lake, buckets=4)
    land_shop(lake, buckets=4, version="1.4.2")
    where = (("service_name", "shop"), ("service_version", "1.4.2"))
    found = read_capacity_rows(lake, CapacityRequest(where=where))
    assert [each.service_version for each in found] == ["1.4.2"]
    with pytest.raises(UsageError, match="cannot choose"):
        CapacityRequest(where=(("k8s.pod.name", "a"),))


def test_options_are_read_with_their_units() -> None:
    assert parse_objective("p50=1.5s") == (0.5, 1.5)
    assert parse_limits(("cpu=500m,memory=512MiB",)) == {"cpu": 0.5, "memory": 2.0**29}
    assert parse_prices(("cpu=0.04/h",)) == {"cpu": 0.04}
    for broken in ("p99=1s", "p95=0ms", "600ms"):
        with pytest.raises(UsageError, match="--slo"):
            parse_objective(broken)
    with pytest.raises(UsageError, match="--limit"):
        parse_limits(("memory=1Gi",))
    with pytest.raises(UsageError, match="given twice"):
        parse_limits(("cpu=1", "cpu=2"))
    with pytest.raises(UsageError, match="--price"):
        parse_prices(("cpu=0.04",))


def test_points_that_are_far_apart_do_not_count_for_several_buckets(lake: Lake) -> None:
    spans = [span(trace(n), n, None, "cart", 2, at(5 * n), at(5 * n + 1)) for n in range(1, 120)]
    append(lake, SPANS, spans_table(spans))
    append(lake, METRICS, rows_of([_cpu(300.0 * n, 30.0 * n) for n in (1, 2)]))
    found = only(lake)
    assert found.rows.buckets.width_s == 60.0
    assert "0 buckets with requests and CPU time" in found.demand.reason
    assert any("300 s apart" in note for note in found.notes)


def test_metrics_of_instances_are_added_up_where_spans_name_none(lake: Lake) -> None:
    spans = [
        span(trace(n), n, None, "cart", 2, at(5 * n), at(5 * n + 1), service_instance_id=None)
        for n in range(12)
    ]
    append(lake, SPANS, spans_table(spans))
    points = [
        _cpu(10.0 * n, float(n)) | {"service_instance_id": name}
        for name in ("a", "b")
        for n in range(1, 7)
    ]
    append(lake, METRICS, rows_of(points))
    found = rows(lake)
    # A second of CPU in ten of each of the two.
    assert found.buckets.cpu_cores.tolist() == pytest.approx([0.2] * 4)
    assert any("metrics of 2 are added up" in note for note in found.notes)


def test_a_target_fits_only_where_cpu_is_known(lake: Lake) -> None:
    for seed, instance in enumerate(("shop-1", "shop-2")):
        given = {"buckets": 14, "seed": seed, "instance": instance}
        land_shop(lake, metrics=("pool", "used"), **given)  # type: ignore[arg-type]
    found = only(lake, target_per_second=1.0)
    assert found.safe.binding.startswith("db.client")
    assert found.replicas is not None
    assert found.replicas.instances == 2
    # The pools of two would bear it with one to spare; nobody knows of their CPU.
    assert found.replicas.needed.high == 2.0
    assert found.replicas.outcome == "undecided"


def test_profiles_that_are_linked_to_requests_deal_the_cpu_out(lake: Lake) -> None:
    kinds = ("cart", "pay")
    spans = [
        span(trace(n), n, None, kinds[n % 2], 2, at(5 * n), at(5 * n + 1)) for n in range(1, 13)
    ]
    append(lake, SPANS, spans_table(spans))
    # Three quarters of what was sampled were in payments, of spans of equal length.
    samples = [
        {
            "service_name": "shop",
            "service_version": "1.4.1",
            "service_instance_id": "shop-1.4.1",
            "resource_attributes": [],
            "profile_id": 1,
            "stack_id": 1,
            "time_unix_nano": at(5 * n),
            "profile_type": "cpu",
            "sample_type": "cpu",
            "sample_unit": "nanoseconds",
            "value": (3 if n % 2 else 1) * SECOND // 10,
            "samples": 30,
            "is_cumulative": False,
            "span_id": f"{n:016x}",
            "labels": [],
            "ingest_batch_id": "ab" * 16,
            "ingest_time_unix_nano": at(100),
        }
        for n in range(1, 13)
    ]
    append(lake, PROFILE_SAMPLES, profile_rows(samples))
    found = rows(lake)
    assert found.dealt_by == "360 linked samples of CPU profiles"
    cart, pay = found.buckets.self_time_s.sum(axis=0)
    assert pay == pytest.approx(3 * cart)


def profile_rows(samples: list[dict[str, object]]) -> pa.Table:
    """Make the lake's columns of samples."""
    given = [{**each, "date": NOON // (86_400 * SECOND)} for each in samples]
    arrays = [
        pa.array([each.get(field.name) for each in given], pa.int32()).cast(pa.date32())
        if field.name == "date"
        else pa.array([each.get(field.name) for each in given], field.type)
        for field in PROFILE_SAMPLES.arrow_schema
    ]
    return pa.Table.from_arrays(arrays, schema=PROFILE_SAMPLES.arrow_schema)


def test_shares_of_cores_count_by_their_number(lake: Lake) -> None:
    spans = [span(trace(n), n, None, "cart", 2, at(5 * n), at(5 * n + 1)) for n in range(12)]
    append(lake, SPANS, spans_table(spans))
    common = {
        "service_name": "shop",
        "service_version": "1.4.1",
        "service_instance_id": "shop-1.4.1",
        "metric_type": "gauge",
    }
    given = [("process.cpu.utilization", 0.25, [("state", "user")])]
    given += [("process.cpu.utilization", 0.05, [("state", "system")]), ("jvm.cpu.count", 4.0, [])]
    points = [
        common
        | {"name": name, "value_double": value, "attributes": attributes}
        | {"time_unix_nano": at(10 * n)}
        for name, value, attributes in given
        for n in range(1, 7)
    ]
    append(lake, METRICS, rows_of(points))
    found = rows(lake)
    assert found.buckets.cpu_cores.tolist() == pytest.approx([1.2] * 4)
    assert (found.meters.cores, found.meters.cores_source) == (4.0, "jvm.cpu.count")
