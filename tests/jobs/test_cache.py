"""Caches over a lake: lookups of every convention, what misses cost, how stale hits are."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import UsageError
from pipeline.jobs.cache import CacheAnswer, run
from pipeline.jobs.cache_names import CacheNames
from pipeline.jobs.cache_request import CacheRequest
from pipeline.lake import Lake, open_lake
from tests.importing import otlp_files as files

NOON = 1_795_608_000_000_000_000
MILLI, SECOND = 1_000_000, 1_000_000_000
SAMPLE = Path(__file__).parents[2] / "data" / "sample" / "otlp"
Land = Callable[..., object]


def read(
    number: int, hit: bool, key: str = "price:1", miss_ms: int = 5, **more: object
) -> list[dict[str, object]]:
    """Give a request of 2 ms that reads a key; a miss asks the database for some more."""
    trace, start = f"{number + 1:032x}", NOON + number * SECOND
    took = MILLI * (2 if hit else 2 + miss_ms)
    common = {"trace_id": trace, "service_name": "pricing", "service_version": "1"}
    common["service_instance_id"] = f"pricing-{number % 2}"
    request = {"kind": 2, "name": "GET /price", "duration_nano": took + 2 * MILLI}
    lookup = {"kind": 1, "name": "cache get", "duration_nano": took, "cache_hit": hit}
    ids = {"span_id": f"{2 * number + 1:016x}", "parent_span_id": None}
    below = {"span_id": f"{2 * number + 2:016x}", "parent_span_id": ids["span_id"]}
    return [
        common | request | ids | {"start_time_unix_nano": start},
        common | lookup | below | {"cache_key": key, "start_time_unix_nano": start + MILLI} | more,
    ]


def found(lake: Lake, **asked: object) -> CacheAnswer:
    """Give the one cache of a lake."""
    (answer,) = run(lake, CacheRequest(**asked)).caches  # type: ignore[arg-type]
    return answer


def test_hits_misses_and_their_penalty_are_those_that_were_made(lake: Lake, land: Land) -> None:
    land(*(row for number in range(60) for row in read(number, hit=number % 3 > 0)))
    answer = found(lake)
    assert answer.all.hit_ratio.estimate == pytest.approx(2 / 3)
    assert [part.name for part in answer.by_operation] == ["GET /price"]
    assert [part.name for part in answer.by_class] == ["price:"]
    assert answer.penalty.mean.estimate == pytest.approx(5 * MILLI)
    assert answer.worth is not None
    assert answer.worth.missed == pytest.approx(1 / 3)
    assert answer.worth.quantiles_ms[0.95] == pytest.approx(9)
    assert answer.worth.without_ms[0.95] == pytest.approx(4)
    assert answer.minute_ratios.tolist() == pytest.approx([2 / 3])


def test_windows_with_too_few_of_either_stand_together(lake: Lake, land: Land) -> None:
    # Four hits and four misses in each of two windows of five minutes, and many in a third.
    rows = []
    for number in range(8):
        for window in (0, 2):
            start = NOON + (300 * window + number) * SECOND
            lookup = read(100 * window + number, number % 2 > 0)[1]
            rows.append(lookup | {"start_time_unix_nano": start})
    rows += [read(300 + n, n % 2 > 0, miss_ms=9)[1] for n in range(100)]
    land(*rows)
    penalty = found(lake).penalty
    assert (penalty.misses, penalty.dropped) == (58, 0)
    assert penalty.mean.estimate == pytest.approx((50 * 9 + 8 * 5) / 58 * MILLI)


def test_the_hit_ratio_that_an_objective_needs_lies_where_the_quantile_turns(
    lake: Lake, land: Land
) -> None:
    land(*(row for number in range(100) for row in read(number, hit=number % 5 > 0)))
    # A twentieth may be slow: 95 % must hit.
    needed = found(lake, objective_s=0.005).worth
    assert needed is not None
    assert needed.needed == pytest.approx(0.95, abs=0.02)
    assert not needed.held
    nothing = found(lake, objective_s=0.003).worth
    assert nothing is not None
    assert nothing.needed != nothing.needed
    today = found(lake, objective_s=0.5).worth
    assert today is not None
    assert today.held
    assert today.needed == pytest.approx(0.8)


def test_a_hit_attribute_and_redis_rows_are_lookups_too(lake: Lake, land: Land) -> None:
    plain: dict[str, Any] = {"cache_hit": None, "cache_key": None}
    for number in range(10):
        told = "HIT" if number % 2 else "miss"
        land(*read(number, True, **plain, attributes=[("app.cache", told), ("app.key", "a:1")]))
    answer = found(lake, names=CacheNames(hit_attribute=("app.cache",), key_attribute=("app.key",)))
    assert answer.all.hit_ratio.estimate == 0.5
    assert answer.by_class[0].name == "a:"
    redis: dict[str, Any] = {"db_system": "redis", "db_operation": "get", "kind": 3}
    for number in range(20, 30):
        rows = "1" if number % 5 else "0"
        land(
            *read(number, True, **plain, **redis, attributes=[("db.response.returned_rows", rows)])
        )
    (caches,) = (run(lake, CacheRequest()).caches,)
    assert [(each.rows.cache, each.all.hit_ratio.estimate) for each in caches] == [("redis", 0.8)]


def test_misses_of_one_key_at_once_are_a_stampede(lake: Lake, land: Land) -> None:
    # Three within 100 ms, each loading for 500 ms, then one alone.
    for number, at in enumerate((0, 50, 90, 5000)):
        start: dict[str, Any] = {"start_time_unix_nano": NOON + at * MILLI}
        land(read(number, hit=False, miss_ms=498, **start)[1])
    stampedes = found(lake).stampedes
    assert stampedes is not None
    assert (stampedes.groups, stampedes.extra, stampedes.keys) == (1, 2, 1)


def test_sizes_and_policies_are_told_where_keys_are(lake: Lake, land: Land) -> None:
    land(
        *(
            row
            for number in range(40)
            for row in read(number, hit=number % 2 > 0, key=f"price:{number % 4}")
        )
    )
    answer = found(lake, size=4.0)
    assert answer.curve is not None
    assert answer.curve.at([3, 4]).tolist() == pytest.approx([1.0, 0.1])
    assert answer.policies["LRU"] == pytest.approx(0.1)
    without = found(lake)
    assert "the size of the cache is not known" in without.notes[0]
    assert not without.policies


def test_staleness_is_measured_by_versions_and_else_by_the_formula(lake: Lake, land: Land) -> None:
    for number in range(20):
        # The item was written once, in the middle; entries of version 1 are then stale.
        version = "1" if number < 15 else "2"
        land(*read(number, True, attributes=[("item", version), ("cache.ttl", "10")]))
    write = read(100, True)[1] | {
        "cache_hit": None,
        "start_time_unix_nano": NOON + 9 * SECOND + SECOND // 2,
        "attributes": [("item", "2"), ("cache.operation", "write")],
    }
    # A sender whose clock is two days ahead has not written anything yet.
    ahead = {"span_id": "f" * 16, "start_time_unix_nano": NOON + 2 * 86_400 * SECOND}
    land(write, write | ahead | {"ingest_time_unix_nano": NOON})
    (stale,) = found(lake, names=CacheNames(version_attribute=("item",))).staleness
    # Of the ten reads after the write, five have version 1.
    assert stale.measured.estimate == pytest.approx(0.5)
    assert stale.ttl_s == 10
    assert stale.writes_per_key_s == pytest.approx(1 / 19)
    assert stale.estimated == pytest.approx(1 - (1 - math.exp(-10 / 19)) * 1.9)
    (unknown,) = found(lake, ttl_s=0.0, names=CacheNames(key_attribute=("none",))).staleness
    assert unknown.reason == ""


def test_hits_before_the_first_write_seen_count_where_loads_tell_their_version(
    lake: Lake, land: Land
) -> None:
    def at(number: int, hit: bool, version: str, key: str) -> dict[str, object]:
        return read(number, hit, key, attributes=[("item", version)])[1]

    def write(number: int, version: str, key: str) -> dict[str, object]:
        told = [("item", version), ("cache.operation", "write")]
        return read(number, True, key, attributes=told)[1] | {"cache_hit": None}

    # a is loaded in 0 and written in 2, so of its hits in 1, 3 and 4 the latter two are stale. b is
    # loaded in 3 as it was before: its hits in 1 and 2 are not. Of c before its write nobody knows.
    land(
        *(at(0, False, "1", "a:1"), at(1, True, "1", "a:1"), write(2, "2", "a:1")),
        *(at(3, True, "1", "a:1"), at(4, True, "1", "a:1")),
        *(at(11, True, "5", "a:2"), at(12, True, "5", "a:2"), at(13, False, "5", "a:2")),
        *(at(21, True, "7", "a:3"), write(22, "8", "a:3")),
    )
    (stale,) = found(lake, names=CacheNames(version_attribute=("item",))).staleness
    assert stale.measured.estimate == pytest.approx(2 / 5)
    assert stale.measured.low < 0.1
    assert stale.measured.high > 0.8


def taken_in_turn(own: bool) -> list[dict[str, object]]:
    """Give four rounds over ten keys on two instances, each key twice in turn on both."""
    rows = []
    loaded: set[object] = set()
    for number in range(160):
        key, instance = number // 4 % 10, f"pricing-{number % 2}"
        # The cache forgets after a round; its own instance's or anybody's load lets it hit.
        place = (number // 40, key, instance if own else None)
        lookup = read(number, place in loaded, f"price:{key}")[1]
        rows.append(lookup | {"service_instance_id": instance})
        loaded.add(place)
    return rows


def test_lookups_after_another_instance_s_miss_tell_whose_cache_it_is(
    lake: Lake, land: Land
) -> None:
    land(*taken_in_turn(own=False))
    shared = [note for note in found(lake).notes if note.startswith("instances share")]
    # Every lookup after a miss is the other instance's, so there is nothing to compare with.
    assert not shared
    more = [read(1000 + n // 2, n % 2 > 0, f"price:{n // 2}")[1] for n in range(80)]
    land(*(row | {"span_id": f"{n:016x}", "trace_id": f"{n + 9000:032x}",
                  "start_time_unix_nano": NOON + (1000 + n) * SECOND}
           for n, row in enumerate(more)))  # fmt: skip
    assert any(note.startswith("instances share this cache") for note in found(lake).notes)
    assert any("--per-instance is not" in note for note in found(lake, per_instance=True).notes)


def test_caches_of_instances_see_their_own_lookups_only(lake: Lake, land: Land) -> None:
    land(*taken_in_turn(own=True))
    shared, own = found(lake, size=1.0), found(lake, size=1.0, per_instance=True)
    assert shared.curve is not None
    assert own.curve is not None
    # One after the other each key comes twice an instance, so one entry serves half of it all;
    # in one cache for both, four in a row are three hits.
    assert own.curve.at(1.0) == pytest.approx(0.5)
    assert shared.curve.at(1.0) == pytest.approx(0.25)
    assert own.policies["LRU"] == pytest.approx(0.5)
    assert shared.policies["LRU"] == pytest.approx(0.25)
    assert (own.instances, shared.instances) == (2, 1)
    # Ten keys an instance, and not twenty.
    unsized = found(lake, per_instance=True)
    assert unsized.advice is not None
    assert unsized.advice.today == 10


def test_without_lookups_there_is_no_answer_and_without_keys_less(lake: Lake, land: Land) -> None:
    assert run(lake, CacheRequest()).exit_status == 3
    for number in range(20):
        land(*read(number, hit=number % 2 > 0, key=None))  # type: ignore[arg-type]
    answer = found(lake)
    assert answer.curve is None
    assert answer.stampedes is None
    assert "send cache.key" in answer.notes[0]


def test_what_cannot_be_asked_is_told() -> None:
    with pytest.raises(UsageError, match="kind cannot choose"):
        CacheRequest(where=(("kind", "2"),))
    with pytest.raises(UsageError, match="write a pattern"):
        CacheRequest(names=CacheNames(key_class="("))


@pytest.mark.slow
def test_the_recorded_shop_hits_as_often_as_it_says(tmp_path: Path) -> None:
    lake = open_lake(tmp_path / "lake", create=True)
    files.run(lake, SAMPLE)
    caches = run(lake, CacheRequest()).caches
    # data/sample/README.md counts 79.5 % and 79.4 %; a miss reads the database, 7 ms at the median.
    assert [round(100 * each.all.hit_ratio.estimate, 1) for each in caches] == [79.5, 79.4]
    for each in caches:
        assert each.curve is not None
        assert each.curve.keys == 60
        assert 6 * MILLI < each.penalty.median < 9 * MILLI
