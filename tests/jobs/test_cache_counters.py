"""Counters and tokens tell hit ratios beside spans: resets, repeats, gaps; never a sum of both."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.jobs.cache import run
from pipeline.jobs.cache_counters import CounterRatio, read_counters
from pipeline.jobs.cache_request import CacheRequest
from pipeline.jobs.cache_tokens import read_tokens
from pipeline.lake import Lake, append
from pipeline.schema import METRICS
from tests.metrics.conftest import NOON, SECOND, rows_of

Land = Callable[..., object]
Point = dict[str, Any]


def count(seconds: int, name: str, value: float | None, **given: object) -> Point:
    """Give a point of a cumulative counter, some seconds after noon, since noon."""
    kind = "value_int" if isinstance(value, int) else "value_double"
    return {
        "metric_type": "sum",
        "name": name,
        "is_monotonic": True,
        "aggregation_temporality": 2,
        "start_time_unix_nano": NOON,
        "time_unix_nano": NOON + seconds * SECOND,
        kind: value,
        **given,
    }


def counted(lake: Lake, *points: Point) -> CounterRatio:
    """Land points, and give the one cache that they are of."""
    append(lake, METRICS, rows_of(list(points)))
    (found,) = read_counters(lake, CacheRequest())
    return found


HITS, MISSES = "redis.keyspace.hits", "redis.keyspace.misses"


def test_redis_counts_hits_and_misses_of_its_keyspace(lake: Lake) -> None:
    found = counted(
        lake,
        *(count(60 * minute, HITS, 30 * minute) for minute in range(1, 11)),
        *(count(60 * minute, MISSES, 10 * minute) for minute in range(1, 11)),
    )
    assert (found.source, found.lookups, found.instances) == ("redis.keyspace", 400, 1)
    assert found.hit_ratio.estimate == 0.75
    assert 0.70 < found.hit_ratio.low < 0.75 < found.hit_ratio.high < 0.80


@pytest.mark.parametrize("key", ["type", "state"])
def test_memcached_tells_by_type_or_state_and_only_gets_are_lookups(lake: Lake, key: str) -> None:
    found = counted(
        lake,
        *(
            count(60, "memcached.operations", value, attributes=[(key, kind), ("operation", what)])
            for kind, what, value in (
                *(("hit", "get", 90), ("miss", "get", 10)),
                *(("hit", "increment", 500), ("miss", "decrement", 500)),
            )
        ),
    )
    assert (found.lookups, found.hit_ratio.estimate) == (100, 0.9)


def test_micrometer_tells_by_result_and_cache_and_pending_is_counted_apart(lake: Lake) -> None:
    points = [
        count(60, "cache.gets", value, attributes=[("cache", cache), ("result", result)])
        for cache, result, value in (
            *(("prices", "hit", 8.0), ("prices", "miss", 2.0), ("prices", "pending", 3.0)),
            *(("users", "hit", 1.0), ("users", "miss", 1.0)),
        )
    ]
    append(lake, METRICS, rows_of(points))
    found = read_counters(lake, CacheRequest())
    assert [(each.cache, each.lookups, each.pending) for each in found] == [
        ("prices", 10, 3),
        ("users", 2, 0),
    ]
    assert [each.hit_ratio.estimate for each in found] == [0.8, 0.5]


def test_a_restart_loses_nothing_and_a_repeated_point_counts_once(lake: Lake) -> None:
    # 10 hits, 20 more; then from zero: 5. Misses come as deltas.
    again = count(120, HITS, 30, ingest_batch_id="cd" * 16)
    found = counted(
        lake,
        *(count(60, HITS, 10), count(120, HITS, 30), again),
        count(180, HITS, 5, start_time_unix_nano=NOON + 150 * SECOND),
        *(
            count(60 * m, MISSES, 3, aggregation_temporality=1, start_time_unix_nano=None)
            for m in (1, 2)
        ),
    )
    assert found.lookups == 35 + 6
    assert found.hit_ratio.estimate == pytest.approx(35 / 41)


def test_what_is_no_number_or_was_not_recorded_is_left_out_and_counted(lake: Lake) -> None:
    found = counted(
        lake,
        *(count(60, HITS, 10.0), count(120, HITS, float("nan"))),
        *(count(60, MISSES, 5), count(120, MISSES, None, flags=1)),
    )
    assert (found.lookups, found.left_out) == (15, 2)
    none = count(60, HITS, float("nan"), service_name="other")
    append(lake, METRICS, rows_of([none]))
    other = read_counters(lake, CacheRequest(where=(("service_name", "other"),)))
    assert [(each.lookups, each.left_out) for each in other] == [(0, 1)]
    assert other[0].hit_ratio.estimate != other[0].hit_ratio.estimate


@pytest.mark.parametrize("name", [HITS, MISSES])
def test_hits_without_misses_are_no_ratio(lake: Lake, name: str) -> None:
    found = counted(lake, *(count(60 * minute, name, 100 * minute) for minute in range(1, 30)))
    assert found.hit_ratio.estimate != found.hit_ratio.estimate
    assert (found.lookups, found.is_half) == (0, True)
    assert "only hits or only misses are sent" in run(lake, CacheRequest()).notes[0]


def test_where_one_counter_tells_of_both_a_kind_that_never_came_is_none(lake: Lake) -> None:
    told = {"attributes": [("cache", "prices"), ("result", "hit")]}
    found = counted(lake, count(60, "cache.gets", 8.0, **told))
    assert (found.lookups, found.hit_ratio.estimate) == (8, 1)


def test_instances_that_differ_make_the_interval_wide(lake: Lake) -> None:
    def of(instance: str, hits: int) -> list[Point]:
        whose = {"service_instance_id": instance, "aggregation_temporality": 1}
        return [
            count(60 * m, name, value, start_time_unix_nano=None, **whose)
            for m in range(1, 11)
            for name, value in ((HITS, hits), (MISSES, 100 - hits))
        ]

    alike = counted(lake, *of("a", 80), *of("b", 80)).hit_ratio
    append(lake, METRICS, rows_of([p | {"service_name": "x"} for p in of("a", 90) + of("b", 70)]))
    (apart,) = read_counters(lake, CacheRequest(where=(("service_name", "x"),)))
    assert apart.hit_ratio.estimate == alike.estimate == 0.8
    assert apart.hit_ratio.low < 0.7 < alike.low


def test_spans_and_counters_of_a_service_stand_side_by_side(lake: Lake, land: Land) -> None:
    land(*({"cache_hit": bool(n % 2), "trace_id": f"{n + 1:032x}", "kind": 1} for n in range(4)))
    counted(lake, count(60, HITS, 9), count(60, MISSES, 1))
    result = run(lake, CacheRequest())
    assert [each.all.lookups for each in result.caches] == [4]
    assert [each.lookups for each in result.counters] == [10]
    assert "they are not added" in result.notes[0]


def model_call(number: int, prompt: int | None, cached: int | None, **more: object) -> Point:
    """Give a call of a language model in a trace of its own."""
    told = [("gen_ai.operation.name", "chat"), ("gen_ai.request.model", "m1")]
    if prompt is not None:
        told.append(("gen_ai.usage.input_tokens", str(prompt)))
    if cached is not None:
        told.append(("gen_ai.usage.cache_read.input_tokens", str(cached)))
    start = NOON + number * 60 * SECOND
    return {
        "kind": 3,
        "trace_id": f"{number + 1:032x}",
        "attributes": told,
        "start_time_unix_nano": start,
        **more,
    }


def test_tokens_read_from_the_cache_are_a_share_of_the_prompts_tokens(
    lake: Lake, land: Land
) -> None:
    # A long prompt counts for more than a short one, and one that does not tell for nothing.
    land(model_call(0, 1000, 800), model_call(1, 100, 0), model_call(2, 5000, None))
    (found,) = read_tokens(lake, CacheRequest())
    assert (found.model, found.operation, found.calls, found.untold) == ("m1", "chat", 3, 1)
    assert found.tokens == 1100
    assert found.hit_ratio.estimate == pytest.approx(800 / 1100)
    assert not found.is_beside


def test_a_sender_whose_prompts_leave_out_cached_tokens_is_known_by_it(
    lake: Lake, land: Land
) -> None:
    written = [("gen_ai.usage.cache_creation.input_tokens", "50")]
    land(model_call(0, 100, 850), model_call(1, 100, 0))
    first = model_call(2, 100, None)
    land(first | {"attributes": first["attributes"] + written})
    (found,) = read_tokens(lake, CacheRequest())
    assert found.is_beside
    assert (found.tokens, found.written) == (950 + 100 + 150, 50)
    assert found.hit_ratio.estimate == pytest.approx(850 / 1200)


def test_one_slip_of_counting_does_not_change_what_all_calls_mean(lake: Lake, land: Land) -> None:
    # One call in forty has more cached than its prompt has; its prompt is at least as large.
    land(*(model_call(n, 100, 101 if n == 7 else 50) for n in range(40)))
    (found,) = read_tokens(lake, CacheRequest())
    assert not found.is_beside
    assert found.tokens == 39 * 100 + 101
    assert found.hit_ratio.estimate == pytest.approx((39 * 50 + 101) / 4001)


@pytest.mark.parametrize("told", [("NaN", "50"), ("inf", "50"), ("100", "nan"), ("100", "inf")])
def test_tokens_that_are_no_number_are_those_of_no_call(
    lake: Lake, land: Land, told: tuple[str, str]
) -> None:
    odd = model_call(60, 0, 0)
    names = ("gen_ai.usage.input_tokens", "gen_ai.usage.cache_read.input_tokens")
    odd["attributes"] = [*odd["attributes"][:2], *zip(names, told, strict=True)]
    land(*(model_call(n, 100, 50) for n in range(40)), odd)
    (found,) = read_tokens(lake, CacheRequest())
    assert (found.calls, found.tokens) == (40, 4000)
    assert found.hit_ratio.estimate == pytest.approx(0.5)


def test_few_long_prompts_tell_less_than_many_short_ones(lake: Lake, land: Land) -> None:
    land(*(model_call(n, 100, 80 if n % 2 else 0) for n in range(200)))
    one = [
        ("service_name", "long"),
        ("service_instance_id", "b"),
    ]
    land(*(model_call(n + 500, 2000, 1600 if n % 2 else 0) | dict(one) for n in range(10)))
    long, short = read_tokens(lake, CacheRequest())
    assert long.tokens == short.tokens
    assert long.hit_ratio.high - long.hit_ratio.low > 2 * (
        short.hit_ratio.high - short.hit_ratio.low
    )
