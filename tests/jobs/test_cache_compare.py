"""A canary's cache beside the baseline's: what changed, with intervals, and what requests feel."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.jobs.cache_compare import CompareResult, compare
from pipeline.jobs.cache_request import CacheRequest
from pipeline.jobs.cache_worth import savings
from pipeline.jobs.judge_request import parse_selector
from pipeline.lake import Lake, append
from pipeline.schema import METRICS
from tests.jobs.test_cache import MILLI, NOON, SECOND, found, read
from tests.metrics.conftest import rows_of

Land = Callable[..., object]
SIDES = (parse_selector("service.version=1"), parse_selector("service.version=2"))


def requests(version: str, missing: int, miss_ms: int = 5) -> list[dict[str, object]]:
    """Give 300 requests over 20 minutes on two instances, of which some of each five miss."""
    rows = []
    # As many miss as are asked for, in some minutes more of them than in others.
    order = np.random.default_rng(int(version)).permutation(300)
    for number in range(300):
        hit = bool(order[number] >= 60 * missing)
        for row in read(number, hit, miss_ms=miss_ms):
            start = int(row["start_time_unix_nano"]) + 3 * number * SECOND  # type: ignore[call-overload]
            own = {"service_version": version, "start_time_unix_nano": start}
            own["trace_id"] = f"{version}{number:031x}"
            own["service_instance_id"] = f"{version}-{number % 2}"
            rows.append(row | own)
    return rows


def compared(lake: Lake) -> CompareResult:
    return compare(lake, CacheRequest(), SIDES)


def test_more_misses_are_told_with_what_requests_feel_of_them(lake: Lake, land: Land) -> None:
    land(*requests("1", 1), *requests("2", 2))
    (cache,) = compared(lake).caches
    change = cache.change
    assert (change.hit_ratio.baseline, change.hit_ratio.canary) == pytest.approx((0.8, 0.6))
    assert change.hit_ratio.change.estimate == pytest.approx(-0.2)
    assert change.hit_ratio.change.high < -0.1
    assert change.penalty.change.estimate == pytest.approx(0)
    # 4 ms and 5 more for a miss: 5 ms on average, then 6.
    assert change.mean.baseline == pytest.approx(5 * MILLI)
    assert change.mean.change.estimate == pytest.approx(MILLI)
    assert change.mean_by_rate.estimate == pytest.approx(MILLI)
    assert change.mean_by_cost.estimate == pytest.approx(0, abs=1)
    assert change.mean_by_rate.low < MILLI < change.mean_by_rate.high
    assert (cache.lookups, cache.requests, cache.instances) == ((300, 300), (300, 300), (2, 2))


def test_dearer_misses_are_told_apart_from_more_of_them(lake: Lake, land: Land) -> None:
    land(*requests("1", 1), *requests("2", 1, miss_ms=15))
    (cache,) = compared(lake).caches
    change = cache.change
    assert change.hit_ratio.change.estimate == pytest.approx(0)
    assert change.penalty.change.estimate == pytest.approx(10 * MILLI)
    assert change.mean_by_rate.estimate == pytest.approx(0, abs=1)
    assert change.mean_by_cost.estimate == pytest.approx(2 * MILLI)
    # Nine of ten ms of p95 are those of a miss: 9 then 19, without misses 4 on both.
    assert change.p95.canary == pytest.approx(19 * MILLI, rel=0.01)
    assert change.p95_by_misses.estimate == pytest.approx(10 * MILLI, rel=0.01)


def test_equal_sides_have_intervals_about_no_change_and_the_same_each_time(
    lake: Lake, land: Land
) -> None:
    land(*requests("1", 1), *requests("2", 1))
    first, second = (compared(lake).caches[0].change for _ in range(2))
    assert first == second
    assert first.hit_ratio.change.holds(0)
    assert first.mean.change.holds(0)


def test_a_canary_that_never_misses_saves_what_the_baseline_s_misses_cost(
    lake: Lake, land: Land
) -> None:
    land(*requests("1", 1), *requests("2", 0))
    (cache,) = compared(lake).caches
    assert cache.change.mean_by_rate.estimate == pytest.approx(-MILLI)
    assert cache.change.mean_by_cost.estimate == pytest.approx(0)
    assert cache.notes == ("canary: miss penalty not identified: no lookup missed",)


def test_what_only_one_side_has_is_named_and_nothing_shared_is_status_3(
    lake: Lake, land: Land
) -> None:
    land(*requests("1", 1))
    result = compared(lake)
    assert result.exit_status == 3
    assert result.alone == ("pricing cache get: only the baseline has lookups of it",)


def test_without_requests_or_hits_it_says_what_is_missing(lake: Lake, land: Land) -> None:
    lookups = [row for version in "12" for row in requests(version, 5) if row["kind"] == 1]
    land(*lookups[:8], *lookups[300:308])
    (cache,) = compared(lake).caches
    assert np.isnan(cache.change.penalty.change.estimate)
    assert "baseline: miss penalty not identified: no lookup hit" in cache.notes[0]
    assert any("no request is known" in note for note in cache.notes)
    assert any("no interval from" in note for note in cache.notes)


def test_counters_of_both_sides_are_compared_too(lake: Lake) -> None:
    def points(version: str, hits: int) -> list[dict[str, Any]]:
        return [
            {
                "metric_type": "sum",
                "name": name,
                "is_monotonic": True,
                "aggregation_temporality": 1,
                "service_version": version,
                "service_instance_id": f"{version}-{instance}",
                "time_unix_nano": NOON + 60 * minute * SECOND,
                "value_int": value,
            }
            for minute in range(1, 11)
            for instance in range(2)
            for name, value in (
                ("redis.keyspace.hits", hits),
                ("redis.keyspace.misses", 100 - hits),
            )
        ]

    append(lake, METRICS, rows_of(points("1", 90) + points("2", 70)))
    result = compared(lake)
    assert result.exit_status == 0
    (counter,) = result.counters
    assert (counter.lookups, counter.source) == ((2000, 2000), "redis.keyspace")
    assert counter.hit_ratio.change.estimate == pytest.approx(-0.2)
    assert counter.hit_ratio.change.high < -0.15


def test_misses_at_once_hold_a_request_up_once(lake: Lake, land: Land) -> None:
    rows: list[dict[str, object]] = []
    for number in range(40):
        request, lookup = read(number, hit=number % 2 > 0)
        # A second lookup at the same time, and one after both; each misses when the first does.
        twin = lookup | {"span_id": f"{9000 + number:016x}"}
        start = int(lookup["start_time_unix_nano"]) + 10 * MILLI  # type: ignore[call-overload]
        later = lookup | {"span_id": f"{19000 + number:016x}", "start_time_unix_nano": start}
        # An origin call below each makes the lookups themselves the blocks.
        below = [
            lookup | {"span_id": f"{k}{number:015x}", "parent_span_id": each["span_id"]}
            | {"cache_hit": None, "kind": 3, "name": "SELECT"}
            for k, each in zip("abc", (lookup, twin, later), strict=True)
        ]  # fmt: skip
        rows += [request, lookup, twin, later, *below]
    land(*rows)
    answer = found(lake)
    assert answer.penalty.mean.estimate == pytest.approx(5 * MILLI)
    saved = savings(answer.rows, answer.rows.lookups(), answer.penalty)
    # Of three misses of 5 ms two run at once: a request waits 10 ms, not 15.
    assert saved.sum() / 20 == pytest.approx(10 * MILLI)
