"""What named metrics of a runtime are made of: the right points, in the right unit, once."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.gate.budgets import Budget
from pipeline.gate.checking import check_budgets
from pipeline.jobs.metric_rows import MetricRequest, read_rows
from pipeline.jobs.named_metrics import named_metric
from pipeline.lake import Lake, open_lake
from tests.gate.runtime_points import (
    COUNTER,
    LEVEL,
    MINUTE,
    MINUTES,
    NOON,
    Point,
    beside,
    land,
    level,
    pauses,
    points,
    value,
    values,
)


def test_the_heap_is_what_is_in_it_and_all_of_its_pools(lake: Lake) -> None:
    conventions = (
        ("jvm", "jvm.memory.used", "jvm.memory.type", "heap", "non_heap"),
        ("older jvm", "process.runtime.jvm.memory.usage", "type", "heap", "non_heap"),
        ("micrometer", "jvm.memory.used", "area", "heap", "nonheap"),
        ("go", "go.memory.used", "go.memory.type", "other", "stack"),
    )
    pools = [
        points(
            *(name, size),
            service_name=service,
            unit="By",
            attributes=[(key, kind), ("pool", pool)],
            **LEVEL,
        )
        for service, name, key, heap, other in conventions
        for kind, pool, size in ((heap, "eden", 30.0), (heap, "old", 70.0), (other, "code", 500.0))
    ]
    land(lake, *pools)
    found = values(lake, "heap_bytes")
    assert found == {each[0]: pytest.approx(100, rel=0.01) for each in conventions}


def test_a_gauge_counts_in_the_unit_that_its_points_carry(lake: Lake) -> None:
    sent = {
        "event_loop_delay_p99_s": [
            ("nodejs.eventloop.delay.p99", 20.0, "ms", 0.02),
            ("nodejs.eventloop.delay.p99", 2e7, "ns", 0.02),
        ],
        "memory_bytes": [
            ("process.memory.usage", 64.0, "KiBy", 65536.0),
            ("process.memory.usage", 2.0, "GiBy", 2.0 * 2**30),
        ],
        "cpu_utilization": [("process.cpu.utilization", 40.0, "%", 0.4)],
        "queue_depth": [
            ("queue.depth", 7.0, "{message}", 7.0),
            ("executor.queued", 7.0, "tasks", 7.0),
        ],
    }
    land(
        lake,
        *(
            points(name, value, unit=unit, service_name=unit)
            for each in sent.values()
            for name, value, unit, _ in each
        ),
    )
    for metric, each in sent.items():
        expected = {unit: pytest.approx(value, rel=0.01) for _, _, unit, value in each}
        assert values(lake, metric) == expected


def test_a_unit_that_is_not_known_is_told_and_not_guessed(lake: Lake) -> None:
    land(lake, points("process.memory.usage", 3.0, unit="pages"))
    found = level(lake, "memory_bytes")
    assert (found.verdict, found.measure) == ("no_data", None)
    assert "unit_unknown: process.memory.usage in 'pages'" in found.reason
    land(lake, points("queue.depth", 3.0, unit="ms"))
    assert "unit_unknown: queue.depth in 'ms'" in level(lake, "queue_depth").reason


def test_sides_in_unlike_units_of_a_metric_by_its_own_name_are_brought_together(
    lake: Lake,
) -> None:
    land(
        lake,
        points("job.age", 2.0, "v1", unit="s"),
        points("job.age", 2000.0, "v2", unit="ms"),
        points("job.size", 2.0, "v1", unit="{row}"),
        points("job.size", 2.0, "v2", unit="{page}"),
    )
    found = beside(lake, "metric:job.age")
    assert found.measure is not None
    assert found.unit == "s"
    assert found.measure.effect == pytest.approx(0, abs=1e-9)
    unlike = beside(lake, "metric:job.size")
    assert unlike.measure is None
    assert unlike.reason == "not_comparable: the baseline is in {row}, the canary in {page}"


def pool(used: float, most: float, name: str, version: str = "v1", **given: object) -> list[Point]:
    """Give a pool of connections: slots in use, idle, and how many there are."""
    named = ("db.client.connection.pool.name", name)
    rows = points("db.client.connection.max", lambda i, m: most, version, attributes=[named])
    for state, count in (("used", used), ("idle", most - used)):
        attributes = [named, ("db.client.connection.state", state)]
        rows += points("db.client.connection.count", count, version, attributes=attributes)
    return [row | given for row in rows]


def test_pools_are_judged_one_by_one_and_the_worst_is_told(lake: Lake) -> None:
    land(lake, pool(9.0, 10.0, "orders"), pool(10.0, 200.0, "reports"))
    found = level(lake, "pool_used_share")
    assert found.measure is not None
    assert found.measure.canary == pytest.approx(0.9, rel=0.01)
    assert "worst pool: orders" in found.reason
    attributes = (("db.client.connection.pool.name", "reports"),)
    assert value(lake, "pool_used_share", attributes=attributes) == pytest.approx(0.05, rel=0.01)


def test_sides_whose_fullest_pools_are_not_the_same_say_so(lake: Lake) -> None:
    for version, orders, reports in (("v1", 8.0, 1.0), ("v2", 1.0, 9.0)):
        land(lake, pool(orders, 10.0, "orders", version), pool(reports, 10.0, "reports", version))
    found = beside(lake, "pool_used_share")
    assert found.measure is not None
    assert found.measure.effect == pytest.approx(1 / 8, rel=0.01)
    assert "worst pool: orders of the baseline, reports of the canary" in found.reason


def test_a_pool_without_bounds_has_no_share(lake: Lake) -> None:
    def executor(name: str, active: float, most: float) -> list[Point]:
        named = [("name", name)]
        return points("executor.active", active, attributes=named) + points(
            "executor.pool.max", lambda i, m: most, attributes=named
        )

    land(lake, executor("cached", 5.0, 2.0**31 - 1))
    only = level(lake, "pool_used_share")
    assert only.measure is None
    assert "unbounded pools have no share: cached" in only.reason
    land(lake, executor("fixed", 6.0, 8.0))
    found = level(lake, "pool_used_share")
    assert found.measure is not None
    assert found.measure.canary == pytest.approx(0.75, rel=0.01)
    assert "unbounded pools have no share: cached" in found.reason


def test_a_pool_that_tells_only_its_size_or_only_its_use_is_named_with_what_to_collect(
    lake: Lake,
) -> None:
    orders = pool(5.0, 10.0, "orders")
    sizes = [row for row in orders if row["name"].endswith(".max")]
    land(lake, sizes)
    only = level(lake, "pool_used_share")
    assert (only.verdict, only.measure) == ("no_data", None)
    use = "pool orders tells no use: collect db.client.connection.count with state used"
    assert only.reason == f"no data of pool_used_share; {use}"
    busy = points("executor.active", 4.0, attributes=[("name", "mails")])
    land(lake, pool(2.0, 4.0, "reports"), busy)
    found = level(lake, "pool_used_share")
    assert found.measure is not None
    assert found.measure.canary == pytest.approx(0.5, rel=0.01)
    assert f"worst pool: reports; {use}" in found.reason
    assert "pool mails tells no size: collect executor.pool.max" in found.reason
    land(lake, [row for row in orders if row["name"].endswith(".count")])
    assert "tells no use" not in level(lake, "pool_used_share").reason


def test_a_pool_is_named_whatever_its_name_holds(lake: Lake) -> None:
    size = [row for row in pool(5.0, 10.0, "a, b\nc") if row["name"].endswith(".max")]
    named = [("name", "d, e\tf")]
    endless = points("executor.pool.max", lambda i, m: 2.0**31 - 1, attributes=named)
    land(lake, size, endless, points("executor.active", 5.0, attributes=named))
    reason = level(lake, "pool_used_share").reason
    assert "unbounded pools have no share: d, e f" in reason
    assert "pool a, b c tells no use: collect db.client.connection.count" in reason


def test_pools_count_a_redelivered_point_once_and_gaps_and_no_numbers_not(lake: Lake) -> None:
    rows = pool(5.0, 10.0, "orders")
    lie = {"value_double": 1000.0, "ingest_time_unix_nano": 2 * 10**18, "ingest_batch_id": "f" * 32}
    again = [row | lie for row in rows if row["name"].endswith("count")]
    flagged = [
        row | {"flags": 1, "time_unix_nano": row["time_unix_nano"] + 1, "value_double": 0.0}
        for row in rows
    ]
    nan = [
        row | {"time_unix_nano": row["time_unix_nano"] + 2, "value_double": math.nan}
        for row in rows[:3]
    ]
    land(lake, rows, again, flagged, nan)
    found = level(lake, "pool_used_share")
    assert found.measure is not None
    assert found.measure.canary == pytest.approx(0.5, rel=0.01)
    assert "3 values that are no numbers left out" in found.reason


BEANS = (
    ("G1 Young Generation", "end of minor GC", True),
    ("G1 Old Generation", "end of major GC", True),
    ("G1 Concurrent GC", "end of concurrent GC pause", True),
    ("PS MarkSweep", "end of major GC", True),
    ("ZGC Pauses", "end of GC pause", True),
    ("ZGC Major Pauses", "end of GC pause", True),
    ("Shenandoah Pauses", "end of GC pause", True),
    ("ZGC Minor Cycles", "end of GC cycle", False),
    ("ZGC", "end of major GC", False),
    ("ZGC Cycles", "end of major GC", False),
    ("Shenandoah Cycles", "end of GC cycle", False),
    ("ConcurrentMarkSweep", "end of major GC", False),
    ("GPGC Old", "end of major GC", False),
    ("GPGC Old Pauses", "end of major GC", True),
)


def test_a_concurrent_cycle_is_no_pause(lake: Lake) -> None:
    def sent(service: str, *attributes: tuple[str, str]) -> list[Point]:
        named: Point = {"service_name": service, "attributes": list(attributes)}
        return pauses("jvm.gc.duration", 10, 0.06, **named)

    of_beans = [
        sent(name, ("jvm.gc.name", name), ("jvm.gc.action", action)) for name, action, _ in BEANS
    ]
    land(lake, *of_beans, *(sent(name, ("jvm.gc.name", "Copy")) for name, _, _ in BEANS))
    # Ten pauses of 60 ms a minute are a hundredth of the time.
    expected = {name: pytest.approx(0.02 if is_pause else 0.01) for name, _, is_pause in BEANS}
    assert values(lake, "gc_pause_share") == expected


def test_the_pauses_of_go_are_a_counter_of_nanoseconds_whether_it_says_so_or_not(
    lake: Lake,
) -> None:
    def total(instance: int, minute: int) -> float:
        return 6e8 * minute

    senders = {
        "old": ("process.runtime.go.gc.pause_total_ns", None),
        "said": ("process.runtime.go.gc.pause_total_ns", "ns"),
        "new": ("go.gc.pause_total_ns", "ns"),
    }
    land(
        lake,
        *(
            points(name, total, unit=unit, service_name=service, **COUNTER)
            for service, (name, unit) in senders.items()
        ),
    )
    expected = dict.fromkeys(senders, pytest.approx(0.01))
    assert values(lake, "gc_pause_share") == expected


def test_micrometer_writes_units_as_words(lake: Lake) -> None:
    land(lake, pauses("jvm.gc.pause", 10, 60.0, unit="milliseconds"))
    assert value(lake, "gc_pause_share") == pytest.approx(0.01)


def lag(partition: int, sent: float, group: str = "billing", **given: object) -> list[Point]:
    """Give the lag of a partition."""
    attributes = [("group", group), ("topic", "orders"), ("partition", str(partition))]
    rows = points("kafka.consumer_group.lag", sent, attributes=attributes)
    return [row | given for row in rows if row["service_instance_id"] == "v1-0"]


def test_lag_is_the_sum_of_partitions_by_group_and_topic(lake: Lake) -> None:
    land(lake, lag(0, 100.0), lag(1, 300.0), lag(0, 7.0, "search"))
    budget = Budget("b", metric="consumer_lag", most=1000)
    found = {each.operation: each for each in check_budgets(lake, [budget], 0.05).checks}
    assert set(found) == {"billing/orders", "search/orders"}
    billing = found["billing/orders"]
    # One exporter tells all of it: there are no instances that could differ.
    assert billing.verdict == "pass", billing.reason
    assert billing.measure is not None
    assert billing.measure.canary == pytest.approx(400, rel=0.01)


def test_a_partition_that_one_scrape_missed_is_no_drop(lake: Lake) -> None:
    def missing(*minutes: int) -> list[Point]:
        rows = lag(1, 300.0)
        return [row for number, row in enumerate(rows, 1) if number not in minutes]

    # In the last minute nobody can tell whether it is gone: that minute does not count.
    land(lake, lag(0, 100.0), missing(4, 9, MINUTES))
    found = level(lake, "consumer_lag")
    assert found.measure is not None
    assert found.measure.canary == pytest.approx(400, rel=0.01)
    assert found.measure.low > 390
    assert found.measure.n[1] == MINUTES - 1


def test_the_largest_lag_of_a_client_is_no_sum(lake: Lake) -> None:
    clients = [
        points("kafka.consumer.records_lag_max", most, attributes=[("partition", str(number))])
        for number, most in enumerate((100.0, 300.0))
    ]
    land(lake, *clients)
    assert value(lake, "consumer_lag") == pytest.approx(300, rel=0.01)


def test_series_of_a_process_that_are_parts_add_up_as_gauges_too(lake: Lake) -> None:
    modes = [
        points("process.cpu.utilization", use, attributes=[("cpu.mode", mode)])
        for mode, use in (("user", 0.3), ("system", 0.1))
    ]
    land(lake, *modes)
    assert value(lake, "cpu_utilization") == pytest.approx(0.4, rel=0.01)


def test_a_canary_that_changes_its_instrumentation_has_not_vanished(lake: Lake) -> None:
    def wavy(name: str, version: str) -> list[Point]:
        rows = pauses(name, 10, 0.06, version)
        return [
            row | {"sum": row["sum"] * (1 + 0.01 * math.sin(number))}
            for number, row in enumerate(rows)
        ]

    land(lake, wavy("jvm.gc.pause", "v1"), wavy("jvm.gc.duration", "v2"))
    found = beside(lake, "gc_pause_share")
    assert found.verdict == "pass", found.reason
    assert found.reason.startswith(
        "names differ: the baseline tells jvm.gc.pause, the canary jvm.gc.duration"
    )


def test_what_both_sides_send_is_compared_though_one_sends_better_too(lake: Lake) -> None:
    land(
        lake,
        points("queue.length", 5.0, "v1"),
        points("queue.length", 5.0, "v2"),
        points("queue.depth", 50.0, "v2"),
    )
    found = beside(lake, "queue_depth")
    assert found.measure is not None
    assert found.measure.effect == pytest.approx(0, abs=0.01)
    assert found.reason in ("", "changed_within_margin", "the interval holds the margin")


def test_unlike_things_are_not_compared(lake: Lake) -> None:
    land(
        lake,
        points("kafka.consumer.records_lag", 5.0, "v1"),
        points("kafka.consumer.records_lag_max", 5.0, "v2"),
    )
    found = beside(lake, "consumer_lag")
    assert (found.verdict, found.measure) == ("inconclusive", None)
    assert found.reason.startswith(
        "not_comparable: the baseline tells kafka.consumer.records_lag, "
    )


def test_two_monitors_of_one_topic_are_not_two_topics(lake: Lake) -> None:
    attributes = [("group", "billing"), ("topic", "orders"), ("partition", "0")]
    land(lake, points("kafka.consumer_group.lag", 100.0, attributes=attributes))
    found = level(lake, "consumer_lag")
    assert found.measure is not None
    assert found.measure.canary == pytest.approx(100, rel=0.01)
    assert found.measure.n == (0, MINUTES)


def test_an_instance_that_sends_another_name_of_the_same_still_counts(lake: Lake) -> None:
    new = points("queue.depth", 10.0)
    old = points("queue.length", 40.0)
    first = [row for row in new if row["service_instance_id"] == "v1-0"]
    land(lake, first, old)
    # The first counts by its depth alone, the others by their length: (10 + 40 + 40) / 3.
    assert value(lake, "queue_depth") == pytest.approx(30, rel=0.01)


def test_sources_that_tell_the_same_are_never_added_up(lake: Lake) -> None:
    land(lake, pauses("jvm.gc.duration", 10, 0.06), pauses("jvm.gc.pause", 10, 0.06))
    metric = named_metric("gc_pause_share")
    assert metric is not None
    rows, _ = read_rows(lake, MetricRequest(metric))
    assert rows.num_rows == MINUTES * 3
    assert value(lake, "gc_pause_share") == pytest.approx(0.01)


@pytest.mark.parametrize("metric", ["queue_wait_s", "gc_pause_p95_ms", "cpu_seconds_per_request"])
def test_an_empty_lake_has_no_data(lake: Lake, metric: str) -> None:
    assert level(lake, metric).reason == f"no data of {metric}, service *"


# Of each partition the minutes whose scrape missed it, never the first or the last one.
GAPS = st.lists(st.sets(st.integers(2, MINUTES - 1), max_size=4), min_size=2, max_size=4)


@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(GAPS, min_size=4, max_size=8))
def test_whatever_scrapes_miss_the_sum_is_that_of_all_partitions(
    tmp_path_factory: pytest.TempPathFactory, topics: list[list[set[int]]]
) -> None:
    lake = open_lake(tmp_path_factory.mktemp("lake") / "lake", create=True)
    rows: list[Point] = []
    for topic, partitions in enumerate(topics):
        for partition, missed in enumerate(partitions):
            attributes = [("topic", str(topic)), ("partition", str(partition))]
            sent = points("kafka.consumer.records_lag", lambda i, m: 2.0, attributes=attributes)
            rows += [
                row for row in sent if (row["time_unix_nano"] - NOON) // MINUTE + 1 not in missed
            ]
    land(lake, rows)
    budget = Budget("b", metric="consumer_lag", most=1e9)
    found = check_budgets(lake, [budget], 0.05).checks
    sums = {each.operation: each.measure.canary for each in found if each.measure}
    assert sums == {str(topic): 2.0 * len(parts) for topic, parts in enumerate(topics)}
