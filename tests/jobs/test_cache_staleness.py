"""What ends stale entries: time, invalidations, names of keys; and what loads tell of them."""

from collections.abc import Callable

import pytest

from pipeline.jobs.cache_names import CacheNames
from pipeline.jobs.cache_staleness import Staleness
from pipeline.lake import Lake
from pipeline.stats.staleness import stale_given_hit
from tests.jobs.test_cache import MILLI, NOON, SECOND, found, read

Land = Callable[..., object]
Row = dict[str, object]
VERSIONS = CacheNames(version_attribute=("item",))


def look(
    number: int, at_s: float, hit: bool, key: str = "price:1", version: str = "", ms: int = 1
) -> Row:
    """Give a lookup, some seconds after noon."""
    start = {"start_time_unix_nano": NOON + round(at_s * SECOND), "duration_nano": ms * MILLI}
    told = {"attributes": [("item", version)] if version else []}
    return read(number, hit, key)[1] | {"parent_span_id": None} | start | told


def change(
    number: int, at_s: float, operation: str = "update", key: str = "price:1", version: str = ""
) -> Row:
    """Give a write or an invalidation that ends some seconds after noon."""
    row = look(10_000 + number, at_s, True, key, version, ms=0)
    told = [("cache.operation", operation), *([("item", version)] if version else [])]
    return row | {"cache_hit": None, "attributes": told}


def stale(lake: Lake, **asked: object) -> Staleness:
    """Give what is known of the one class of keys of the one cache."""
    (one,) = found(lake, **asked).staleness
    return one


def test_a_load_that_a_write_overtook_does_not_say_what_is_current(lake: Lake, land: Land) -> None:
    # Loaded from 10.0 to 10.5 as it was before the write at 10.2: all hits of it are stale.
    rows = [change(0, 0, "write", version="1"), look(0, 10, False, version="1", ms=500)]
    rows += [change(1, 10.2, "write", version="2")]
    rows += [look(n, 10 + n, True, version="1") for n in range(1, 21)]
    land(*rows)
    assert stale(lake, names=VERSIONS).measured.estimate == 1


def test_a_load_after_a_write_says_what_is_current(lake: Lake, land: Land) -> None:
    # Somebody whose writes are not seen made version 3.
    rows = [change(0, 0, "write", version="1"), look(0, 10, False, version="3", ms=500)]
    rows += [look(n, 10 + n, True, version="3") for n in range(1, 21)]
    land(*rows)
    assert stale(lake, names=VERSIONS).measured.estimate == 0


def written_each_20_s(lag_s: float, among: int = 1) -> list[Row]:
    """Give 600 lookups a second apart, and writes of which one in some is invalidated later."""
    rows = [look(n, n + 0.5, n % 20 > 0) for n in range(600)]
    for n in range(30):
        rows.append(change(2 * n, 20 * n))
        if n % among == 0:
            rows.append(change(2 * n + 1, 20 * n + lag_s, "invalidate"))
    return rows


@pytest.mark.parametrize("told", [{}, {"ttl_s": 300.0}])
def test_invalidated_keys_are_stale_for_as_long_as_that_takes(
    lake: Lake, land: Land, told: dict[str, float]
) -> None:
    land(*written_each_20_s(0.01))
    one = stale(lake, **told)
    # 30 writes in 599 s: an invalidation is none.
    assert one.writes_per_key_s == pytest.approx(30 / 599)
    assert (one.kind, one.reason) == ("invalidated", "")
    assert one.lag_s == pytest.approx(0.01)
    assert one.estimated == pytest.approx(0.01 * 30 / 599)
    assert one.mean_age_s == pytest.approx(0.005)
    assert one.ttl_for_one_per_cent_s == float("inf")


def test_a_slow_invalidation_ends_no_entry_that_its_time_ended_before(
    lake: Lake, land: Land
) -> None:
    land(*written_each_20_s(15))
    one = stale(lake, ttl_s=2.0)
    assert one.lag_s == pytest.approx(2)
    assert one.estimated == pytest.approx(stale_given_hit(30 / 599, 2.0))


def test_keys_that_are_seldom_invalidated_are_stale_by_their_time(lake: Lake, land: Land) -> None:
    land(*written_each_20_s(0.01, among=30))
    one = stale(lake, ttl_s=2.0)
    assert one.kind == "ttl"
    assert one.estimated == pytest.approx(stale_given_hit(30 / 599, 2.0))
    assert "no time to live" in stale(lake).reason


def test_invalidations_after_writes_that_are_not_told_say_nothing_of_how_late_they_are(
    lake: Lake, land: Land
) -> None:
    land(*(row for row in written_each_20_s(0.01) if ("cache.operation", "update")
           not in row["attributes"]))  # type: ignore[operator]  # fmt: skip
    one = stale(lake, ttl_s=300.0)
    assert "after writes that are not told" in one.reason
    assert one.estimated != one.estimated


@pytest.mark.parametrize(("late", "kind"), [(0, "versioned"), (1, "ttl")])
def test_keys_that_nobody_writes_once_they_are_read_are_never_stale(
    lake: Lake, land: Land, late: int, kind: str
) -> None:
    rows = []
    for n in range(12):
        rows.append(change(n, 10 * n, "write", f"price:v{n}"))
        rows += [look(10 * n + each, 10 * n + 1 + each, each > 0, f"price:v{n}") for each in (0, 1)]
    if late:
        rows.append(change(99, 115, "write", "price:v3"))
    land(*rows)
    one = stale(lake, ttl_s=60.0)
    assert one.kind == kind
    assert (one.estimated == 0) == (kind == "versioned")


def test_a_time_to_live_that_is_none_is_not_one(lake: Lake, land: Land) -> None:
    # Redis says -1 of what does not expire.
    told = ("-1", "-2", "inf", "nan", "20")
    rows = [
        look(n, n, n > 0) | {"attributes": [("cache.ttl", value)]} for n, value in enumerate(told)
    ]
    land(*rows[:4], change(0, 2))
    assert "no time to live" in stale(lake).reason
    land(rows[4])
    assert stale(lake).ttl_s == 20
