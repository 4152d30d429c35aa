"""Budgets on data points and calls: what a service sends is what is judged, whatever it is."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline.gate.budgets import Budget
from pipeline.gate.checking import check_budgets
from pipeline.gate.judgement import Tolerance
from pipeline.gate.metric_checks import metric_checks
from pipeline.gate.verdict import Check, settle
from pipeline.jobs.judge_request import JudgeRequest
from pipeline.jobs.named_metrics import named_metric
from pipeline.lake import Lake, append
from pipeline.schema import METRICS, SPANS
from tests.metrics.conftest import rows_of

# 2026-11-25T12:00:00Z, a whole minute.
NOON = 1_795_608_000_000_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
MINUTES, INSTANCES = 20, 3

V1 = (("service_version", "v1"),)
V2 = (("service_version", "v2"),)
Point = dict[str, Any]


def points(
    value: Callable[[int, int], float], version: str = "v1", **given: Any
) -> Iterator[Point]:
    """Give a point an instance and a minute; its value may depend on both, the minute from 1."""
    for instance in range(INSTANCES):
        for minute in range(1, MINUTES + 1):
            yield {
                "metric_type": "gauge",
                "service_version": version,
                "service_instance_id": f"{version}-{instance}",
                "time_unix_nano": NOON + minute * MINUTE - SECOND,
                "value_double": float(value(instance, minute)),
                **given,
            }


def land(lake: Lake, *series: Iterator[Point]) -> None:
    """Land points."""
    append(lake, METRICS, rows_of([point for each in series for point in each]))


def wavy(level: float) -> Callable[[int, int], float]:
    """Give values about a level that differ a little by instance and minute."""
    return lambda instance, minute: level * (1 + 0.01 * instance + 0.02 * math.sin(minute))


def check(lake: Lake, budget: Budget) -> Check:
    """Check a budget that is one check."""
    (found,) = check_budgets(lake, [budget], 0.01).checks
    return found


def beside(metric: str, **given: Any) -> Budget:
    """Make a budget of v2 beside v1."""
    return Budget("b", metric=metric, where=V2, baseline=V1, **given)


@pytest.mark.parametrize(
    ("level", "ratio", "expected"),
    [(130.0, 0.1, "fail"), (102.0, 0.1, "pass"), (130.0, 0.5, "pass")],
)
def test_memory_may_grow_by_so_much_of_the_baselines(
    lake: Lake, level: float, ratio: float, expected: str
) -> None:
    named = {"name": "process.memory.usage", "unit": "By"}
    land(lake, points(wavy(100), "v1", **named), points(wavy(level), "v2", **named))
    found = check(lake, beside("memory_bytes", increase_ratio=ratio))
    assert (found.verdict, found.unit, found.service_name) == (expected, "By", "shop")
    assert found.measure is not None
    assert found.measure.effect == pytest.approx(level / 100 - 1, abs=1e-6)
    # Each instance and minute is one observation.
    assert found.measure.n == (MINUTES * INSTANCES, MINUTES * INSTANCES)


def test_which_way_is_worse_is_the_budgets_to_say(lake: Lake) -> None:
    land(lake, points(wavy(100), "v1", name="speed"), points(wavy(60), "v2", name="speed"))
    verdicts = {
        direction: check(lake, beside("metric:speed", increase_ratio=0.1, direction=direction))
        for direction in ("increase", "decrease", "either")
    }
    assert [each.verdict for each in verdicts.values()] == ["pass", "fail", "fail"]
    for direction, sign in (("increase", -1), ("decrease", 1), ("either", 1)):
        measure = verdicts[direction].measure
        assert measure is not None
        assert measure.effect == pytest.approx(sign * 0.4, abs=1e-6)
    lenient = beside("metric:speed", increase_ratio=0.5, direction="either")
    assert check(lake, lenient).verdict == "pass"


def test_values_that_are_no_numbers_are_left_out_and_counted(lake: Lake) -> None:
    def value(instance: int, minute: int) -> float:
        return (math.nan if instance else math.inf) if minute == 3 else 10.0 + minute % 2

    land(lake, points(value, name="queue.depth"))
    found = check(lake, Budget("b", metric="queue_depth", most=12))
    assert found.verdict == "pass"
    assert found.reason == "3 values that are no numbers left out"
    assert found.measure is not None
    assert found.measure.n == (0, 57)


def test_a_counter_that_starts_again_counts_from_zero(lake: Lake) -> None:
    def total(instance: int, minute: int) -> float:
        # Half a second of CPU each second; a new process after 10 minutes.
        return 30.0 * (minute if minute <= 10 else minute - 10)

    counter: Point = {"metric_type": "sum", "is_monotonic": True, "aggregation_temporality": 2}
    land(lake, points(total, name="process.cpu.time", unit="s", **counter))
    found = check(lake, Budget("b", metric="cpu_cores", most=0.6))
    assert found.measure is not None
    assert found.measure.canary == pytest.approx(0.5)
    assert found.verdict == "pass"
    rate = check(lake, Budget("b", metric="metric:process.cpu.time", most=0.4))
    assert (rate.verdict, rate.unit) == ("fail", "s/s")


def test_what_a_request_costs_is_cpu_time_over_requests(
    lake: Lake, span_rows: Callable[..., object]
) -> None:
    counter: Point = {"metric_type": "sum", "is_monotonic": True, "aggregation_temporality": 1}
    named: Point = {"name": "process.cpu.time", "unit": "s"} | counter
    spans = []
    for version, seconds in (("v1", 3.0), ("v2", 4.5)):
        # Sent each minute: 3 seconds of CPU beside 30 requests.
        cpu = [
            point
            | {
                "start_time_unix_nano": point["time_unix_nano"] - MINUTE,
                "value_double": seconds + point["value_double"],
            }
            for point in points(lambda i, m: 0.1 * (m % 3), version, **named)
        ]
        land(lake, iter(cpu))
        spans += [
            {
                "service_name": "shop",
                "service_version": version,
                "service_instance_id": f"{version}-{number % INSTANCES}",
                "start_time_unix_nano": NOON + number // 90 * MINUTE + number,
            }
            for number in range(90 * MINUTES)
        ]
    append(lake, SPANS, span_rows(*spans))
    found = check(lake, beside("cpu_seconds_per_request", increase_ratio=0.1))
    assert found.verdict == "fail"
    assert found.measure is not None
    assert found.measure.baseline == pytest.approx(3.1 / 30, rel=0.02)
    assert found.measure.canary == pytest.approx(4.6 / 30, rel=0.02)


def test_pauses_are_a_share_of_time_whatever_unit_they_are_sent_in(lake: Lake) -> None:
    for version, unit, scale in (("v1", "s", 1.0), ("v2", "ms", 1000.0)):
        pauses = [
            point
            | {
                "metric_type": "histogram",
                "aggregation_temporality": 1,
                "start_time_unix_nano": point["time_unix_nano"] - MINUTE,
                "value_double": None,
                # 40 pauses of 20 ms and 10 of 80 ms are 1.6 s of a minute.
                "count": 50,
                "sum": 1.6 * scale,
                "explicit_bounds": [0.0195 * scale, 0.0205 * scale, 0.078 * scale, 0.082 * scale],
                "bucket_counts": [0, 40, 0, 10, 0],
            }
            for point in points(lambda i, m: 0.0, version, name="jvm.gc.duration", unit=unit)
        ]
        land(lake, iter(pauses))
    share = check(lake, beside("gc_pause_share", increase_ratio=0.1, exact=True))
    assert share.measure is not None
    assert share.measure.canary == pytest.approx(1.6 / 60)
    assert share.measure.effect == pytest.approx(0.0)
    assert share.verdict == "pass"
    longest = check(lake, beside("gc_pause_p99_ms", increase_ratio=0.1))
    assert longest.measure is not None
    assert longest.measure.canary == pytest.approx(80, rel=0.03)
    assert (longest.verdict, longest.unit) == ("pass", "ms")
    usual = check(lake, Budget("b", metric="metric:jvm.gc.duration:p50", where=V1, most=0.03))
    assert usual.measure is not None
    assert usual.measure.canary == pytest.approx(0.02, rel=0.03)
    mean = check(lake, Budget("b", metric="metric:jvm.gc.duration", where=V1, most=0.03))
    assert mean.measure is not None
    assert mean.measure.canary == pytest.approx(0.032)
    assert mean.verdict == "fail"


def test_a_metric_that_one_side_lost_vanished(lake: Lake) -> None:
    land(lake, points(wavy(5), "v1", name="queue.depth"))
    lost = check(lake, beside("queue_depth", increase_ratio=0.1))
    assert (lost.verdict, lost.reason) == ("no_data", "no data of queue_depth on the canary side")
    must = check(lake, beside("queue_depth", increase_ratio=0.1, must_have_data=True))
    assert (must.verdict, must.reason) == (
        "fail",
        "vanished: no data of queue_depth on the canary side",
    )
    nowhere = check(lake, Budget("b", metric="open_files", most=1))
    assert (nowhere.verdict, nowhere.reason) == ("no_data", "no data of open_files, service *")


def test_no_percentage_of_zero_is_made_up(lake: Lake) -> None:
    named = {"name": "queue.depth"}
    land(lake, points(lambda i, m: 0.0, "v1", **named), points(wavy(4), "v2", **named))
    unknown = check(lake, beside("queue_depth", increase_ratio=0.1))
    assert unknown.verdict == "inconclusive"
    assert unknown.reason.startswith("baseline_is_zero")
    # In its own unit it can be judged: 4 waiting are more than 1, and fewer than 9.
    assert check(lake, beside("queue_depth", increase=1)).verdict == "fail"
    assert check(lake, beside("queue_depth", increase=9)).verdict == "pass"


def test_attributes_choose_points_and_series_of_a_sum_add_up(lake: Lake) -> None:
    level: Point = {"metric_type": "sum", "is_monotonic": False, "aggregation_temporality": 2}
    pools = [
        points(wavy(size), "v1", name="jvm.memory.used", attributes=[("pool", pool)], **level)
        for pool, size in (("eden", 30), ("old", 70))
    ]
    land(lake, *pools)
    whole, old = (
        check(lake, Budget("b", metric="heap_bytes", most=1000, attributes=attributes)).measure
        for attributes in ((), (("pool", "old"),))
    )
    assert whole is not None
    assert old is not None
    assert whole.canary == pytest.approx(101, rel=0.01)
    assert old.canary == pytest.approx(70.7, rel=0.01)


def test_series_that_never_vary_prove_nothing_unless_told_to(lake: Lake) -> None:
    named = {"name": "queue.depth"}
    land(lake, points(lambda i, m: 2, "v1", **named), points(lambda i, m: 3, "v2", **named))
    found = check(lake, beside("queue_depth", increase_ratio=0.1))
    assert (found.verdict, found.reason.split(":")[0]) == ("inconclusive", "constant_series")
    assert check(lake, beside("queue_depth", increase_ratio=0.1, exact=True)).verdict == "fail"


def carts(version: str, calls: int, requests: int = 120) -> Iterator[Point]:
    """Give requests with calls of a database each, and one call of something else."""
    for number in range(requests):
        common = {
            "service_name": "shop",
            "service_version": version,
            "service_instance_id": f"{version}-{number % INSTANCES}",
            "trace_id": f"{version[1:]}{number:031x}",
            "duration_nano": 1_000_000,
        }
        start = NOON + number * MINUTES * MINUTE // requests
        root = f"{number:015x}{version[1:]}"
        yield common | {"name": "GET /cart", "span_id": root, "start_time_unix_nano": start}
        for call in range(calls + 1):
            yield common | {
                "name": "SELECT carts" if call else "GET price",
                "kind": 3,
                "db_system": "sqlite" if call else None,
                "span_id": f"{version[1:]}{number:013x}{call + 1:02x}",
                "parent_span_id": root,
                "start_time_unix_nano": start + 1000 + call,
            }


def test_one_more_query_a_request_is_a_failure(
    lake: Lake, span_rows: Callable[..., object]
) -> None:
    append(lake, SPANS, span_rows(*carts("v1", 2), *carts("v2", 3)))
    found = check(lake, beside("db_calls_per_request", increase_ratio=0.1))
    assert (found.verdict, found.operation) == ("fail", "GET /cart")
    assert found.measure is not None
    assert (found.measure.baseline, found.measure.canary) == (2, 3)
    assert check(lake, beside("db_calls_per_request", increase=1)).verdict == "pass"
    most = Budget("b", metric="db_calls_per_request", where=V2, most=2.5)
    assert check(lake, most).verdict == "fail"
    named = Budget("b", metric="calls_per_request", call="GET *", most=1)
    assert check(lake, named).verdict == "pass"


def test_a_call_is_of_the_request_that_had_begun_last(
    lake: Lake, span_rows: Callable[..., object]
) -> None:
    def spans() -> Iterator[Point]:
        for span in carts("v1", 2):
            # Each trace has a second request of the same service, before the last query begins.
            yield span
            if span["name"] == "GET /cart":
                start = span["start_time_unix_nano"]
                yield span | {
                    "name": "GET /price",
                    "span_id": f"f{span['span_id'][1:]}",
                    "start_time_unix_nano": start + 1002,
                }

    append(lake, SPANS, span_rows(*spans()))
    budget = Budget("b", metric="db_calls_per_request", most=9)
    found = check_budgets(lake, [budget], 0.01).checks
    values = {each.operation: each.measure.canary for each in found if each.measure}
    assert values == {"GET /cart": 1, "GET /price": 1}


def test_fewer_hits_are_worse(lake: Lake, span_rows: Callable[..., object]) -> None:
    def reads(version: str, misses_in_ten: int) -> Iterator[Point]:
        for number, span in enumerate(carts(version, 0, requests=1200)):
            hit = {"cache_hit": number // 7 % 10 >= misses_in_ten}
            yield span | hit | {"kind": 1, "attributes": [("cache.name", "carts")]}

    append(lake, SPANS, span_rows(*reads("v1", 1), *reads("v2", 3)))
    found = check(lake, beside("cache_hit_ratio", increase=0.05, direction="decrease"))
    assert (found.verdict, found.scale) == ("fail", "difference")
    assert found.measure is not None
    assert found.measure.effect == pytest.approx(0.2, abs=0.01)
    assert check(lake, Budget("b", metric="cache_hit_ratio", where=V1, least=0.8)).verdict == "pass"


def test_too_little_is_no_answer(lake: Lake, span_rows: Callable[..., object]) -> None:
    append(lake, SPANS, span_rows(*carts("v1", 2, 15), *carts("v2", 9, 15)))
    found = check(lake, beside("db_calls_per_request", increase_ratio=0.1))
    assert (found.verdict, found.reason) == ("inconclusive", "too_few_requests: 15, 20 are needed")
    lonely = Budget("b", metric="memory_bytes", most=9)
    one = [
        p
        for p in points(wavy(5), name="process.memory.usage")
        if p["service_instance_id"] == "v1-0"
    ]
    land(lake, iter(one))
    assert check(lake, lonely).reason.startswith("instance_effect_unknown")


def test_the_judge_gives_budgets_its_sides(lake: Lake) -> None:
    named = {"name": "queue.depth"}
    land(lake, points(wavy(5), "v1", **named), points(wavy(8), "v2", **named))
    budgets = [
        Budget("queues", metric="queue_depth", increase_ratio=0.1, weight=3),
        Budget("own sides", metric="queue_depth", where=V1, baseline=V2, increase_ratio=0.1),
        Budget("absolute", metric="queue_depth", most=1),
    ]
    request = JudgeRequest(V1, V2)
    checks = metric_checks(lake, budgets, request, Tolerance())
    assert [(each.name, each.verdict, each.weight) for each in checks] == [("queues", "", 3)]
    assert settle(checks, 0.01)[0].verdict == "fail"
    # Without a judgement there is nothing to compare with, and the rest is still checked.
    told = check_budgets(lake, budgets, 0.01).checks
    assert [(each.verdict, each.critical) for each in told] == [
        ("no_data", False),
        ("pass", True),
        ("fail", True),
    ]


def test_the_same_lake_gives_the_same_checks(lake: Lake) -> None:
    named = {"name": "queue.depth"}
    land(lake, points(wavy(5), "v1", **named), points(wavy(5.1), "v2", **named))
    budget = beside("queue_depth", increase_ratio=0.1)
    assert check(lake, budget) == check(lake, budget)


def test_a_quantile_that_is_none_is_no_metric() -> None:
    assert named_metric("metric:a:p0") is None
    assert named_metric("metric:") is None
    found = named_metric("metric:job:duration:p999")
    assert found is not None
    assert (found.names, found.quantile) == (("job:duration",), 0.999)
