"""The lag that consumers tell of themselves: each partition once, whoever holds it."""

import pytest

from pipeline.gate.budgets import Budget
from pipeline.gate.checking import check_budgets
from pipeline.gate.runtime import SignalRequest, read_signals
from pipeline.gate.runtime_levels import SignalLevel
from pipeline.lake import Lake
from tests.gate.runtime_points import MINUTE, NOON, SECOND, Point, beside, land

LAST = 30


def lag(minute: int, partition: int, consumer: str, value: float, **given: object) -> Point:
    """Give the lag of a partition as its consumer tells it."""
    return {
        "name": "kafka.consumer.records_lag",
        "metric_type": "gauge",
        "service_version": "v1",
        "service_instance_id": consumer,
        "attributes": [("topic", "orders"), ("partition", str(partition))],
        "time_unix_nano": NOON + minute * MINUTE - SECOND,
        "value_double": value,
        **given,
    }


def level(lake: Lake) -> SignalLevel:
    """Read the one level of the lag."""
    (found,) = read_signals(lake, SignalRequest(names=("consumer_lag",)))
    (one,) = found.levels
    return one


def moving(minute: int) -> list[Point]:
    """Give 4 partitions of a lag of 100 each, on two consumers and from minute 15 on one."""
    holders = ["a", "a", "b" if minute < 15 else "a", "b" if minute < 15 else "a"]
    return [lag(minute, partition, holder, 100.0) for partition, holder in enumerate(holders)]


def test_the_lag_of_a_topic_is_that_of_its_partitions_whoever_holds_them(lake: Lake) -> None:
    land(lake, *(moving(minute) for minute in range(1, LAST + 1)))
    found = level(lake)
    assert found.value.estimate == 400
    assert found.over_time == (400, 400, 400)
    assert (found.minutes, found.thing, found.reason) == (LAST, "orders", "")
    assert not found.grows


def test_a_budget_on_the_lag_is_on_all_of_the_topic(lake: Lake) -> None:
    # A second version takes partitions over: the topic lags as it did.
    rows = [row for minute in range(1, LAST + 1) for row in moving(minute)]
    versions = {"a": "v1", "b": "v2"}
    land(lake, [row | {"service_version": versions[row["service_instance_id"]]} for row in rows])
    (found,) = check_budgets(lake, [Budget("b", metric="consumer_lag", most=399)], 0.05).checks
    assert found.measure is not None
    assert (found.verdict, found.measure.canary) == ("fail", 400)


def test_a_partition_that_two_consumers_told_of_in_a_minute_counts_once(lake: Lake) -> None:
    rows = [lag(minute, 0, "a", 100.0) for minute in range(1, LAST + 1)]
    # The one that told of it last holds it.
    late = {"time_unix_nano": NOON + 10 * MINUTE}
    land(lake, rows, [lag(10, 0, "b", 40.0, **late)])
    assert level(lake).over_time[2] == 100
    assert level(lake).value.estimate == pytest.approx((29 * 100 + 40) / 30)


def test_a_consumer_that_one_scrape_missed_is_no_drop(lake: Lake) -> None:
    held = {0: "a", 1: "b"}
    rows = [
        lag(minute, partition, consumer, 100.0)
        for minute in range(1, LAST + 1)
        for partition, consumer in held.items()
        if (minute, consumer) != (12, "b")
    ]
    land(lake, rows)
    assert level(lake).over_time == (200, 200, 200)


def test_partitions_of_topics_that_no_attribute_names_are_not_one(lake: Lake) -> None:
    unnamed = [
        lag(minute, 0, "a", 100.0, attributes=[("client-id", client), ("partition", "0")])
        for minute in range(1, LAST + 1)
        for client in ("c1", "c2")
    ]
    land(lake, unnamed)
    assert level(lake).value.estimate == 200


def test_the_largest_lag_is_that_of_the_consumer_that_lags_most(lake: Lake) -> None:
    rows = [
        lag(minute, 0, consumer, value, name="kafka.consumer.records_lag_max", attributes=topic)
        for minute in range(1, LAST + 1)
        for consumer, value in (("a", 400.0), ("b", 0.0))
        for topic in ([("topic", "orders")],)
    ]
    land(lake, rows)
    assert level(lake).value.estimate == 400


def test_sides_that_share_a_topic_are_compared_by_what_a_consumer_lags(lake: Lake) -> None:
    # Three consumers of the old version hold two partitions each, one of the new holds two.
    rows = []
    for minute in range(1, LAST + 1):
        for partition in range(8):
            consumer = partition // 2
            version, each = ("v2", 300.0) if consumer == 3 else ("v1", 100.0)
            told = {"service_version": version}
            wave = each * (1 + 0.01 * (minute % 3))
            rows.append(lag(minute, partition, f"c{consumer}", wave, **told))
    land(lake, rows)
    found = beside(lake, "consumer_lag")
    assert found.measure is not None
    assert found.measure.baseline == pytest.approx(202, rel=0.01)
    assert found.measure.effect == pytest.approx(2, rel=0.01)
    assert "a mean of instances, which share the partitions" in found.reason
