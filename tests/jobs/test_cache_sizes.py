"""Sizes of what caches hold, as lookups tell them: whose, of misses too, and in which unit."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.jobs import cache_rows
from pipeline.jobs.cache import CacheAnswer, run
from pipeline.jobs.cache_request import CacheRequest
from pipeline.lake import Lake
from pipeline.report.cache_lines import heading
from pipeline.stats.cache_policies import POLICIES

NOON = 1_795_608_000_000_000_000
MILLI, SECOND = 1_000_000, 1_000_000_000
Land = Callable[..., object]
Row = dict[str, Any]


def looked(number: int, hit: bool, key: str | None = "price:1", **given: object) -> Row:
    """Give a lookup in a trace of its own, one a second, of 2 ms or 50 ms for a miss."""
    return {
        "trace_id": f"{number + 1:032x}",
        "service_name": "pricing",
        "service_version": "1",
        "service_instance_id": f"pricing-{number % 2}",
        "kind": 1,
        "name": "cache get",
        "start_time_unix_nano": NOON + number * SECOND,
        "duration_nano": MILLI * (2 if hit else 50),
        "cache_hit": hit,
        "cache_key": key,
        **given,
    }


def found(lake: Lake, **asked: object) -> CacheAnswer:
    """Give the one cache of a lake."""
    (answer,) = run(lake, CacheRequest(**asked)).caches  # type: ignore[arg-type]
    return answer


@pytest.mark.parametrize("of_miss", [None, 0])
def test_a_miss_is_as_large_as_hits_of_its_key(lake: Lake, land: Land, of_miss: int | None) -> None:
    # Small keys miss in 50 ms and large ones in 90: each is held against hits of its own size.
    land(
        *(
            looked(n, n % 3 > 0, f"price:{n % 2}", cache_item_size=size, duration_nano=took * MILLI)
            for n in range(120)
            for size in [1000 + n % 2 if n % 3 else of_miss]
            for took in [(2 if n % 3 else 50) + 40 * (n % 2)]
        )
    )
    penalty = found(lake).penalty
    assert (penalty.reason, penalty.dropped) == ("", 0)
    assert penalty.mean.estimate == pytest.approx(48 * MILLI)
    assert penalty.misses == 40


def test_where_sizes_of_most_misses_are_not_known_none_count(lake: Lake, land: Land) -> None:
    # Keys that miss are never hit, so nothing tells how large they are.
    land(
        *(
            looked(n, n % 3 > 0, f"price:{n if n % 3 == 0 else 1}", cache_item_size=size)
            for n in range(90)
            for size in [1000 if n % 3 else None]
        )
    )
    penalty = found(lake).penalty
    assert penalty.mean.estimate == pytest.approx(48 * MILLI)


def test_sizes_do_not_count_where_most_misses_would_have_none_like_them(
    lake: Lake, land: Land
) -> None:
    # Of 30 misses 14 are of no known size and 2 of one that is hit once; 14 of a usual one.
    keys = [*(f"price:{n}" for n in range(100, 114)), *["price:2"] * 2, *["price:1"] * 14]
    rows = [looked(3 * n, False, key) for n, key in enumerate(keys)]
    rows += [looked(n, True, cache_item_size=1000) for n in range(90) if n % 3]
    land(*rows, looked(91, True, "price:2", cache_item_size=9000))
    penalty = found(lake).penalty
    assert penalty.dropped == 0
    assert penalty.mean.estimate == pytest.approx(48 * MILLI)


def test_a_size_in_bytes_is_held_against_bytes_though_misses_tell_none(
    lake: Lake, land: Land
) -> None:
    # Four keys of 1 kB in turn: in 4 kB all but the first of each hit, in 2 kB none.
    rows = [looked(n, n >= 4, f"price:{n % 4}") for n in range(40)]
    land(*(row | {"cache_item_size": 1000 if row["cache_hit"] else None} for row in rows))
    answer = found(lake, size=4000.0, size_in_bytes=True)
    assert answer.curve is not None
    assert answer.advice is not None
    assert answer.curve.in_bytes
    assert answer.advice.ratios == pytest.approx({0.5: 1.0, 1.0: 0.1, 2.0: 0.1, 4.0: 0.1})
    assert answer.policies["LRU"] == pytest.approx(0.1)
    assert not any("unknown" in note for note in answer.notes)


def test_few_unknown_sizes_are_taken_as_usual_and_with_many_no_bytes_are_told(
    lake: Lake, land: Land
) -> None:
    rows = [looked(n, n % 20 > 0, f"price:{n % 20 or n}") for n in range(100)]
    land(*(row | {"cache_item_size": 1000 if row["cache_hit"] else None} for row in rows))
    few = found(lake, size=21_000.0, size_in_bytes=True)
    assert few.curve is not None
    assert few.curve.in_bytes
    assert "sizes of 5 % of lookups unknown, taken as the median of like keys" in few.notes
    land(*(looked(n, False, f"price:{n}") for n in range(100, 120)))
    many = found(lake, size=21_000.0, size_in_bytes=True)
    assert (many.advice, many.policies) == (None, {})
    (note,) = [note for note in many.notes if note.startswith("sizes of")]
    assert note.startswith("sizes of 21 % of lookups unknown: send cache.item_size")
    # Entries need no sizes.
    assert found(lake, size=21.0).advice is not None


def test_progress_goes_on_while_policies_are_played(lake: Lake, land: Land) -> None:
    land(*(looked(n, n >= 4, f"price:{n % 4}") for n in range(40)))
    land(*(looked(n, n >= 44, f"price:{n % 4}", name="near") for n in range(40, 80)))
    seen: list[tuple[int, int]] = []
    run(lake, CacheRequest(size=4.0), lambda *done: seen.append(done))
    steps = len(POLICIES)
    assert seen == [(n, 2 * steps) for n in [*range(steps + 1), *range(steps, 2 * steps + 1)]]


def test_the_curve_and_lru_say_the_same_of_the_size_of_today(lake: Lake, land: Land) -> None:
    land(*(looked(n, False, f"price:{n % 100}") for n in range(600)))
    answer = found(lake, size=96.0)
    assert answer.advice is not None
    assert answer.advice.ratios[1.0] == answer.policies["LRU"] == 1.0


def land_sampled(land: Land) -> None:
    """Land every second trace of 200, each for two, of 10 keys; a third misses."""
    land(
        *(
            looked(n, n % 3 > 0, f"price:{n % 10}", sampling_weight=2.0, sampling_known=True)
            for n in range(0, 200, 2)
        )
    )


def test_of_sampled_traces_nothing_is_told_that_needs_every_lookup(lake: Lake, land: Land) -> None:
    land_sampled(land)
    answer = found(lake, size=5.0)
    assert answer.all.lookups == 200
    assert (answer.curve, answer.advice, answer.policies) == (None, None, {})
    (note,) = [note for note in answer.notes if note.startswith("50 % of the lookups were seen")]
    assert note.endswith("miss-ratio curves need every lookup, or sampling by key")
    # What each class of keys hits is told all the same.
    assert [part.name for part in answer.by_class] == ["price:"]


def test_lookups_of_a_part_of_the_traces_stand_for_all(
    lake: Lake, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(*(looked(n, n % 3 > 0, f"price:{n % 10}") for n in range(2000)))
    whole = found(lake, size=5.0)
    monkeypatch.setattr(cache_rows, "LOOKUPS_MOST", 1000)
    half = found(lake, size=5.0)
    assert half.rows.frame.height < 1100
    assert half.all.lookups == pytest.approx(whole.all.lookups, rel=0.1)
    assert half.penalty.misses == pytest.approx(whole.penalty.misses, rel=0.1)
    assert half.staleness[0].reads_per_key_s == pytest.approx(
        whole.staleness[0].reads_per_key_s, rel=0.1
    )
    assert (half.curve, half.policies) == (None, {})
    assert any("need every lookup" in note for note in half.notes)


def test_keys_are_counted_once_however_many_instances_have_them(lake: Lake, land: Land) -> None:
    # Three keys, each on both instances.
    land(*(looked(n, n >= 6, f"price:{n % 3}") for n in range(30)))
    answer = found(lake, per_instance=True)
    assert answer.keys == 3
    assert heading(answer) == "pricing 1: cache get: 30.0 lookups of 3 keys"
    assert answer.advice is not None
    assert answer.advice.today == 3


def followed(count: int, after_other: int, after_own: int) -> list[Row]:
    """Give lookups of many keys after a miss: as many hit of those after another's, or one's own.

    Each of twice as many keys misses once on the first instance, and is then looked up by the
    second or again by the first.
    """
    rows = []
    for number in range(2 * count):
        is_other, place = number % 2 == 0, number // 2
        hit = place < (after_other if is_other else after_own)
        for nth, (told, instance) in enumerate([(False, 0), (hit, int(is_other))]):
            row = looked(2 * number + nth, told, f"price:{number}")
            rows.append(row | {"service_instance_id": f"pricing-{instance}"})
    return rows


@pytest.mark.parametrize(
    ("count", "after_other", "after_own", "told"),
    [
        # 36 % of 313 against 30 % of 288 is what chance gives, in a cache that is shared.
        (300, 90, 108, ""),
        (300, 30, 270, "each instance seems to have its own cache"),
        (300, 285, 285, "instances share this cache"),
        # Nearly as many of few: it may be either.
        (25, 21, 24, ""),
    ],
)
def test_whose_the_cache_is_is_told_only_beyond_chance(
    lake: Lake, land: Land, count: int, after_other: int, after_own: int, told: str
) -> None:
    land(*followed(count, after_other, after_own))
    notes = [note for note in found(lake, size=5.0).notes if "after another" in note]
    assert [note.partition(":")[0] for note in notes] == [told] * bool(told)
