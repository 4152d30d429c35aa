"""Which span a miss is measured on, whose request it was for, and what is one lookup, not two."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.jobs.cache import CacheAnswer, run
from pipeline.jobs.cache_request import CacheRequest
from pipeline.lake import Lake

NOON = 1_795_608_000_000_000_000
MILLI, SECOND = 1_000_000, 1_000_000_000
LOAD = 48
Land = Callable[..., object]
Row = dict[str, Any]


def span(
    number: int, place: int, parent: int | None, start_ms: int, ms: int, **more: object
) -> Row:
    """Give a span of the numbered trace, one each second, some milliseconds into it."""
    return {
        "trace_id": f"{number + 1:032x}",
        "span_id": f"{number + 1:012x}{place:04x}",
        "parent_span_id": None if parent is None else f"{number + 1:012x}{parent:04x}",
        "service_name": "pricing",
        "service_instance_id": f"pricing-{number % 2}",
        "kind": 1,
        "start_time_unix_nano": NOON + number * SECOND + start_ms * MILLI,
        "duration_nano": ms * MILLI,
        **more,
    }


def redis(number: int, place: int, parent: int, start_ms: int, hit: bool, **more: object) -> Row:
    """Give a GET of a millisecond that says by its rows whether it hit."""
    told = {"attributes": [("db.response.returned_rows", "1" if hit else "0")]}
    text = {"name": "GET", "db_system": "redis", "db_query_text": "GET price:1"}
    return span(number, place, parent, start_ms, 1, **{"kind": 3} | text | told | more)


def block(number: int, hit: bool) -> list[Row]:
    """Give a request, the block that it reads through, the GET in it and a miss's 48 ms of load."""
    load = 0 if hit else LOAD
    rows = [
        span(number, 1, None, 0, 6 + load, kind=2, name="GET /price"),
        span(number, 2, 1, 1, 2 + load, name="load price"),
        redis(number, 3, 2, 1, hit),
    ]
    if not hit:
        rows.append(span(number, 4, 2, 2, LOAD, kind=3, name="SELECT", db_system="postgresql"))
    return rows


def found(lake: Lake) -> CacheAnswer:
    """Give the one cache of a lake."""
    (answer,) = run(lake, CacheRequest()).caches
    return answer


@pytest.mark.parametrize("kind", [1, 3])
def test_a_span_below_one_lookup_does_not_hide_what_all_misses_cost(
    lake: Lake, land: Land, kind: int
) -> None:
    land(*(row for number in range(60) for row in block(number, hit=number % 3 > 0)))
    land(span(0, 5, 3, 1, 0, kind=kind, name="tcp.connect"))
    assert found(lake).penalty.mean.estimate == pytest.approx(LOAD * MILLI)


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_where_misses_load_inside_the_lookups_what_is_beside_them_counts_for_nothing(
    lake: Lake, land: Land, depth: int
) -> None:
    rows = []
    for number in range(60):
        hit = number % 3 > 0
        took = 2 if hit else 2 + LOAD
        # Requests that hit do something else for a second.
        whole = took + (1000 if hit else 0)
        rows.append(span(number, 1, None, 0, whole, kind=2, name="GET /price"))
        told: Row = {"cache_hit": hit, "cache_key": "price:1", "name": "cache get"}
        rows.append(span(number, 2, 1, 0, took, **told))
        if not hit:
            inner = range(3, 3 + depth)
            rows += [span(number, each, each - 1, 1, LOAD, name="load") for each in inner]
            below: Row = {"kind": 3, "name": "SELECT", "db_system": "postgresql"}
            rows.append(span(number, 9, 2 + depth, 1, LOAD, **below))
    land(*rows)
    assert found(lake).penalty.mean.estimate == pytest.approx(LOAD * MILLI)


@pytest.mark.parametrize("text", ["GET price:1", "GET app:price:1", "GET ?"])
def test_a_wrapper_and_the_call_below_it_are_one_lookup(lake: Lake, land: Land, text: str) -> None:
    rows = []
    for number in range(60):
        hit = number % 3 > 0
        took = 2 if hit else 2 + LOAD
        told: Row = {"cache_hit": hit, "cache_key": "price:1", "name": "cache.get"}
        rows += [
            span(number, 1, None, 0, took + 4, kind=2, name="GET /price"),
            span(number, 2, 1, 1, took, **told, attributes=[("cache.system", "redis")]),
            redis(number, 3, 2, 1, hit, db_query_text=text),
        ]
    land(*rows)
    answer = found(lake)
    assert answer.all.lookups == 60
    assert answer.all.hit_ratio.estimate == pytest.approx(2 / 3)
    assert answer.penalty.mean.estimate == pytest.approx(LOAD * MILLI)
    assert answer.told_by == {"attribute": 60}


def test_a_wrapper_that_tells_no_key_has_that_of_its_call(lake: Lake, land: Land) -> None:
    told: Row = {"cache_hit": True, "name": "cache.get", "attributes": [("cache.system", "redis")]}
    for number in range(4):
        text = f"GET price:{number % 2}"
        land(
            span(number, 1, None, 0, 9, **told),
            redis(number, 2, 1, 1, True, db_query_text=text),
        )
    answer = found(lake)
    assert answer.all.lookups == 4
    assert answer.curve is not None
    assert answer.curve.keys == 2


def test_two_lookups_that_are_each_other_s_parent_are_two(lake: Lake, land: Land) -> None:
    land(redis(0, 1, 2, 1, True), redis(0, 2, 1, 1, True))
    assert found(lake).all.lookups == 2


def test_a_call_below_a_lookup_of_another_key_is_one_of_its_own(lake: Lake, land: Land) -> None:
    told: Row = {"cache_hit": False, "cache_key": "price:1", "name": "cache.get"}
    land(
        span(0, 1, None, 0, 9, **told, attributes=[("cache.system", "redis")]),
        redis(0, 2, 1, 1, True, db_query_text="GET user:7"),
    )
    assert found(lake).all.lookups == 2


def test_spans_above_each_other_in_a_circle_lose_no_lookup(lake: Lake, land: Land) -> None:
    land(
        *(redis(0, 1, 1, 1, True), redis(1, 1, 2, 1, True, db_query_text="GET price:2")),
        *(span(1, 2, 1, 0, 9), span(1, 3, None, 0, 9, kind=2), span(1, 4, None, 0, 9, kind=2)),
    )
    assert found(lake).all.lookups == 2


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_a_lookup_is_its_own_request_s_though_another_began_later(
    lake: Lake, land: Land, depth: int
) -> None:
    # GET /a always hits and GET /b, which begins later in the same trace, never does.
    rows = []
    for number in range(20):
        rows.append(span(number, 1, None, 0, 100, kind=2, name="GET /a"))
        rows.append(span(number, 2, None, 1, 90, kind=2, name="GET /b"))
        for request, hit, start in ((1, True, 10), (2, False, 20)):
            above = request
            for step in range(depth):
                place = 100 * request + step
                rows.append(span(number, place, above, start, 5, name="step"))
                above = place
            told: Row = {"cache_hit": hit, "cache_key": f"price:{request}", "name": "cache get"}
            rows.append(span(number, 10 + request, above, start, 2, **told))
    land(*rows)
    parts = {part.name: part.hit_ratio.estimate for part in found(lake).by_operation}
    assert parts == {"GET /a": 1, "GET /b": 0}


def test_where_the_spans_above_are_lost_time_tells_the_request(lake: Lake, land: Land) -> None:
    land(
        span(0, 1, None, 0, 100, kind=2, name="GET /a"),
        span(0, 2, None, 10, 50, kind=2, name="GET /b"),
        span(0, 3, 99, 20, 1, cache_hit=True, name="cache get"),
        span(0, 4, 99, 70, 1, cache_hit=True, name="cache get"),
    )
    parts = {part.name: part.lookups for part in found(lake).by_operation}
    assert parts == {"GET /a": 1, "GET /b": 1}


def crowd(number: int, start_ms: int, hit: bool, key: str = "price:1") -> list[Row]:
    """Give a block that reads a key by Redis; a miss loads for 500 ms, a hit is done at once."""
    text = {"db_query_text": f"GET {key}"}
    ms = 2 if hit else 500
    return [
        span(number, 1, None, start_ms, ms, name="load price"),
        redis(number, 2, 1, start_ms, hit, **text),
    ]


def test_misses_while_the_block_of_another_loads_are_a_stampede(lake: Lake, land: Land) -> None:
    # Ten misses 20 ms apart, each loading for 500 ms after a GET of one; traces begin each second.
    rows = [row for n in range(10) for row in crowd(n, 20 * n - 1000 * n, hit=False)]
    rows += crowd(10, 0, hit=True)
    # Alone, and long after.
    rows += crowd(20, 0, hit=False)
    land(*rows)
    stampedes = found(lake).stampedes
    assert stampedes is not None
    assert (stampedes.groups, stampedes.extra, stampedes.keys) == (1, 9, 1)


def test_a_key_that_was_there_in_between_was_not_loading(lake: Lake, land: Land) -> None:
    # The block around a lookup may be a request that goes on long after the load.
    land(*crowd(0, 0, hit=False), *crowd(1, -900, hit=True), *crowd(2, -1700, hit=False))
    stampedes = found(lake).stampedes
    assert stampedes is not None
    assert stampedes.extra == 0


def test_a_second_look_of_one_block_is_no_load_of_its_own(lake: Lake, land: Land) -> None:
    # Looked again once the lock was held, as double-checked locking does.
    land(*crowd(0, 0, hit=False), redis(0, 3, 1, 5, hit=False))
    stampedes = found(lake).stampedes
    assert stampedes is not None
    assert stampedes.extra == 0
