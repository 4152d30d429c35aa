"""Lookups of every convention are read, and what no attribute tells is inferred from the calls."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.jobs.cache import CacheAnswer, run
from pipeline.jobs.cache_request import CacheRequest
from pipeline.lake import Lake

NOON = 1_795_608_000_000_000_000
MILLI = 1_000_000
Land = Callable[..., object]
Row = dict[str, Any]


def client(number: int, **given: object) -> Row:
    """Give a client span of Redis in a trace of its own."""
    return {
        "kind": 3,
        "name": "GET",
        "db_system": "redis",
        "trace_id": f"{number + 1:032x}",
        "parent_span_id": "f" * 16,
        "start_time_unix_nano": NOON + number * 1000 * MILLI,
        **given,
    }


def only(lake: Lake, **asked: object) -> CacheAnswer:
    """Give the one cache of a lake."""
    (answer,) = run(lake, CacheRequest(**asked)).caches  # type: ignore[arg-type]
    return answer


@pytest.mark.parametrize(
    "given",
    [
        {"cache_hit": True},
        {"attributes": [("cache.hit", "TRUE")]},
        {"attributes": [("cache.hit", "hit")]},
        {"attributes": [("cache.result", "hit")]},
        {"attributes": [("fusioncache.operation.hit", "true")]},
        {"attributes": [("db.response.returned_rows", "1")]},
        {"db_operation": "get", "attributes": [("db.response.returned_rows", "1")]},
        {"db_system": "valkey", "attributes": [("db.response.returned_rows", "1")]},
        {
            "db_system": "memcached",
            "name": "get",
            "db_query_text": "get price:1",
            "attributes": [("db.response.returned_rows", "1")],
        },
    ],
)
def test_each_convention_tells_of_a_hit_without_a_flag(lake: Lake, land: Land, given: Row) -> None:
    land(*(client(number, **given) for number in range(4)))
    answer = only(lake)
    assert (answer.all.lookups, answer.all.hit_ratio.estimate) == (4, 1)
    assert sum(answer.told_by.values()) == 4
    assert "inferred" not in answer.told_by


def test_a_miss_is_told_as_often_as_a_hit(lake: Lake, land: Land) -> None:
    told = [("cache.hit", "false"), ("cache.result", "MISS"), ("db.response.returned_rows", "0")]
    land(*(client(number, attributes=[pair]) for number, pair in enumerate(told)))
    assert only(lake).all.hit_ratio.estimate == 0


def test_of_several_keys_those_that_were_there_are_hits(lake: Lake, land: Land) -> None:
    # 2 of 3 by the text, 1 of 4 by the batch size, 0 of 2 by a list of keys, 3 of 3 by fields.
    rows = [
        ("MGET a b c", [], None, "2"),
        ("MGET ? ? ? ?", [("db.operation.batch.size", "4")], None, "1"),
        (None, [], '["x", "y"]', "0"),
        ("HMGET h f g i", [], None, "3"),
    ]
    for number, (text, more, keys, found) in enumerate(rows):
        name = "HMGET" if number == 3 else "MGET"
        told = [*more, ("db.response.returned_rows", found)]
        land(client(number, name=name, db_query_text=text, cache_key=keys, attributes=told))
    answer = only(lake)
    assert answer.all.lookups == 12
    assert answer.all.hit_ratio.estimate == pytest.approx(6 / 12)
    # A lookup is a hit only if it need not ask any further.
    assert answer.penalty.misses == 3
    listed = answer.rows.references()
    assert sorted(listed["key"].to_list()) == ["a", "b", "c", "h f", "h g", "h i", "x", "y"]
    assert listed.filter(listed["key"] == "a")["hit"].to_list() == [None]


def test_a_read_of_several_keys_that_does_not_say_how_many_is_counted_apart(
    lake: Lake, land: Land
) -> None:
    land(client(0, name="MGET", attributes=[("db.response.returned_rows", "2")]))
    result = run(lake, CacheRequest())
    assert result.caches == ()
    assert [(each.cache, each.reads) for each in result.untold] == [("redis", 1)]


def call(number: int, text: str, began: int, ended: int, **given: object) -> Row:
    """Give a call of Redis, or of a database, some milliseconds into a trace."""
    system = "postgresql" if text.startswith("SELECT") else "redis"
    return client(
        number,
        name=text.split(maxsplit=1)[0],
        db_system=system,
        db_query_text=text,
        span_id=f"{number:04x}{began:04x}{ended:04x}{len(text):04x}",
        start_time_unix_nano=NOON + number * 1000 * MILLI + began * MILLI,
        duration_nano=(ended - began) * MILLI,
        **given,
    )


def inferred(lake: Lake) -> dict[tuple[str, int], bool]:
    """Give what was inferred, by key and millisecond of the GET."""
    rows = only(lake).rows.frame
    assert set(rows["told_by"]) == {"inferred"}
    began = (rows["start_time_unix_nano"] - NOON) // MILLI
    return dict(zip(zip(rows["key"], began, strict=True), rows["hit"], strict=True))


def test_a_get_that_a_read_and_a_set_follow_missed_and_one_alone_hit(
    lake: Lake, land: Land
) -> None:
    land(call(0, "GET a", 0, 1), call(0, "SELECT 1", 1, 5), call(0, "SET a ?", 5, 6))
    land(call(1, "GET a", 0, 1), call(2, "GET b", 0, 1), call(2, "SELECT 2", 1, 5))
    assert inferred(lake) == {("a", 0): False, ("a", 1000): True, ("b", 2000): True}
    assert only(lake).told_by == {"inferred": 3}


def test_interleaved_keys_are_told_apart(lake: Lake, land: Land) -> None:
    # a and b are asked for at once; b's load ends first. c is asked for in between and was there.
    land(
        *(call(0, "GET a", 0, 2), call(0, "GET b", 0, 1), call(0, "GET c", 3, 4)),
        *(call(0, "SELECT a", 2, 9), call(0, "SELECT b", 1, 6)),
        *(call(0, "SET b ?", 6, 7), call(0, "SET a ?", 9, 10)),
    )
    assert inferred(lake) == {("a", 0): False, ("b", 0): False, ("c", 3): True}


def test_one_read_may_fill_two_keys(lake: Lake, land: Land) -> None:
    land(
        *(call(0, "GET a", 0, 1), call(0, "GET b", 1, 2), call(0, "SELECT 1", 2, 5)),
        *(call(0, "SET a ?", 5, 6), call(0, "SET b ?", 6, 7)),
    )
    assert inferred(lake) == {("a", 0): False, ("b", 1): False}


def test_calls_at_once_of_one_key_missed_as_often_as_it_was_set(lake: Lake, land: Land) -> None:
    land(
        *(call(0, "GET a", 0, 3), call(0, "GET a", 1, 3), call(0, "SELECT 1", 3, 6)),
        *(call(0, "SELECT 2", 3, 8), call(0, "SET a ?", 6, 7), call(0, "SET a ?", 8, 9)),
        call(0, "GET a", 10, 11),
    )
    assert inferred(lake) == {("a", 0): False, ("a", 1): False, ("a", 10): True}


def test_a_hit_before_the_miss_of_its_key_stays_a_hit(lake: Lake, land: Land) -> None:
    land(
        *(call(0, "GET a", 0, 1), call(0, "GET a", 2, 3)),
        *(call(0, "SELECT 1", 3, 6), call(0, "SET a ?", 6, 7)),
    )
    assert inferred(lake) == {("a", 0): True, ("a", 2): False}


def inside(number: int, span_id: str, parent: str = "f" * 16) -> Row:
    """Give an INTERNAL span around calls."""
    around = {"kind": 1, "name": "load", "db_system": None, "span_id": span_id}
    return client(number, **around, parent_span_id=parent, duration_nano=9 * MILLI)


def test_a_load_in_spans_of_its_own_is_its_get_s(lake: Lake, land: Land) -> None:
    inner, innermost = {"parent_span_id": "d" * 16}, {"parent_span_id": "c" * 16}
    land(
        *(call(0, "GET a", 0, 1), inside(0, "d" * 16), inside(0, "c" * 16, "d" * 16)),
        *(call(0, "SELECT 1", 1, 5, **innermost), call(0, "SET a ?", 5, 6, **inner)),
        *(call(1, "GET a", 0, 1), inside(1, "d" * 16)),
        *(call(1, "SELECT 1", 1, 5, **inner), call(1, "SET a ?", 5, 6)),
        call(2, "GET a", 0, 1),
    )
    assert inferred(lake) == {("a", 0): False, ("a", 1000): False, ("a", 2000): True}


def test_a_load_fills_what_was_asked_for_beside_it_and_not_further_out(
    lake: Lake, land: Land
) -> None:
    inner = {"parent_span_id": "d" * 16}
    land(
        *(call(0, "GET a", 0, 1), inside(0, "d" * 16), call(0, "GET a", 2, 3, **inner)),
        *(call(0, "SELECT 1", 3, 5, **inner), call(0, "SET a ?", 5, 6, **inner)),
    )
    assert inferred(lake) == {("a", 0): True, ("a", 2): False}


def test_a_key_that_is_set_some_other_way_says_nothing_of_the_get_before(
    lake: Lake, land: Land
) -> None:
    elsewhere = {"parent_span_id": "e" * 16}
    # Loaded by spans that were not seen, or written: nobody knows. One before says nothing.
    land(call(0, "GET a", 0, 1), call(0, "SELECT 1", 1, 5, **elsewhere), call(0, "SET a ?", 5, 6))
    land(call(1, "GET a", 0, 1), call(1, "SET a ?", 5, 6, **elsewhere), call(2, "GET a", 0, 1))
    land(call(3, "SET a ?", 0, 1), call(3, "GET a", 2, 3))
    assert inferred(lake) == {("a", 2000): True, ("a", 3002): True}
    assert [each.reads for each in run(lake, CacheRequest()).untold] == [2]


@pytest.mark.parametrize("told", [{"http_request_method": "GET"}, {"rpc_system": "grpc"}])
def test_an_origin_may_be_another_service(lake: Lake, land: Land, told: Row) -> None:
    origin = client(0, **told, db_system=None, span_id="a" * 16, duration_nano=3 * MILLI)
    began = {"start_time_unix_nano": NOON + MILLI}
    land(call(0, "GET a", 0, 1), origin | began, call(0, "SET a ?", 5, 6), call(1, "GET a", 0, 1))
    assert inferred(lake) == {("a", 0): False, ("a", 1000): True}


@pytest.mark.parametrize("method", ["AddItem", "setCart", "Cart/UpdateItem"])
def test_a_remote_call_that_writes_is_no_origin(lake: Lake, land: Land, method: str) -> None:
    called = {"rpc_system": "grpc", "rpc_method": method.split("/")[-1], "db_system": None}
    origin = client(0, **called, span_id="a" * 16, duration_nano=3 * MILLI)
    began = {"start_time_unix_nano": NOON + MILLI}
    land(call(0, "GET a", 0, 1), origin | began, call(0, "SET a ?", 5, 6), call(1, "GET a", 0, 1))
    # That the cart was put back after it says nothing of whether it had been there.
    assert inferred(lake) == {("a", 1000): True}


def test_a_get_that_failed_is_no_hit_and_a_miss_only_where_its_key_was_then_set(
    lake: Lake, land: Land
) -> None:
    failed = {"status_code": 2}
    land(
        call(0, "GET a", 0, 1),
        call(1, "GET a", 0, 1, **failed),
        # The cache is down: the value is read, and cannot be put there either.
        *(call(2, "GET a", 0, 1, **failed), call(2, "SELECT 1", 1, 5)),
        call(2, "SET a ?", 5, 6, **failed),
        # Some clients call a missing key an error.
        *(call(3, "GET a", 0, 1, **failed), call(3, "SELECT 1", 1, 5), call(3, "SET a ?", 5, 6)),
        # Full: nothing more can be put there, and what was asked for was missing all the same.
        *(call(4, "GET a", 0, 1), call(4, "SELECT 1", 1, 5), call(4, "SET a ?", 5, 6, **failed)),
    )
    assert inferred(lake) == {("a", 0): True, ("a", 3000): False, ("a", 4000): False}
    assert [each.reads for each in run(lake, CacheRequest()).untold] == [2]


def test_hidden_keys_tell_only_where_one_get_stands_alone(lake: Lake, land: Land) -> None:
    land(call(0, "GET ?", 0, 1), call(0, "SELECT 1", 1, 5), call(0, "SET ? ?", 5, 6))
    land(call(1, "GET ?", 0, 1), call(1, "GET ?", 2, 3), call(2, "GET ?", 0, 1))
    result = run(lake, CacheRequest())
    assert [each.all.lookups for each in result.caches] == [2]
    assert result.caches[0].all.hit_ratio.estimate == 0.5
    assert [each.reads for each in result.untold] == [2]


def test_spans_that_were_sent_twice_infer_as_once(lake: Lake, land: Land) -> None:
    rows = [call(0, "GET ?", 0, 1), call(0, "SELECT 1", 1, 5), call(0, "SET ? ?", 5, 6)]
    around = {"kind": 1, "name": "load", "db_system": None, "span_id": "d" * 16}
    rows += [call(1, "GET ?", 0, 1, parent_span_id="d" * 16), client(1, **around)]
    land(*rows)
    land(*rows)
    answer = only(lake)
    assert (answer.all.lookups, answer.all.hit_ratio.estimate) == (2, 0.5)


def test_without_any_set_seen_nothing_is_inferred_and_an_attribute_goes_first(
    lake: Lake, land: Land
) -> None:
    land(call(0, "GET a", 0, 1), call(0, "SELECT 1", 1, 5))
    assert run(lake, CacheRequest()).caches == ()
    land(
        call(1, "GET a", 0, 1, attributes=[("db.response.returned_rows", "1")]),
        *(call(1, "SELECT 1", 1, 5), call(1, "SET a ?", 5, 6)),
    )
    assert only(lake).told_by == {"inferred": 1, "rows": 1}
    assert only(lake).all.hit_ratio.estimate == 1


def test_a_side_may_be_chosen_by_a_resource_attribute(lake: Lake, land: Land) -> None:
    for number in range(6):
        track = [("deployment.track", "canary" if number % 3 else "stable")]
        land(client(number, cache_hit=number % 3 == 0, resource_attributes=track))
    canary = only(lake, where=(("deployment.track", "canary"),))
    assert (canary.all.lookups, canary.all.hit_ratio.estimate) == (4, 0)
