"""Keys as senders name them: lists of any depth, classes of any length and number."""

from collections.abc import Callable

import pytest

from pipeline.jobs.cache import CacheAnswer, run
from pipeline.jobs.cache_request import CacheRequest
from pipeline.lake import Lake
from pipeline.report.cache_lines import tables, told_lines

NOON = 1_795_608_000_000_000_000
MILLI, SECOND = 1_000_000, 1_000_000_000
Land = Callable[..., object]


def looked(number: int, key: str, hit: bool = True, **given: object) -> dict[str, object]:
    """Give a lookup in a trace of its own, one a second."""
    return {
        "trace_id": f"{number + 1:032x}",
        "kind": 1,
        "name": "cache get",
        "start_time_unix_nano": NOON + number * SECOND,
        "duration_nano": MILLI * (2 if hit else 50),
        "cache_hit": hit,
        "cache_key": key,
        **given,
    }


def found(lake: Lake) -> CacheAnswer:
    """Give the one cache of a lake."""
    (answer,) = run(lake, CacheRequest()).caches
    return answer


@pytest.mark.parametrize(
    "key", ["[" * 50_000, "[" + "1," * 600_000 + "1]", "[" + "9" * 5_000 + "]"]
)
def test_a_key_that_is_no_list_one_can_read_is_one_key(lake: Lake, land: Land, key: str) -> None:
    land(*(looked(n, key if n == 5 else "price:1") for n in range(20)))
    answer = found(lake)
    assert answer.keys == 2
    assert answer.all.lookups == 20


def test_a_class_is_no_longer_than_a_line(lake: Lake, land: Land) -> None:
    land(*(looked(n, "x" * 1_000_000 if n == 5 else "price:1") for n in range(20)))
    told = ("app.kind", "y" * 100)
    land(*(looked(n, "price:1", attributes=[told]) for n in range(20, 30)))
    assert [part.name for part in found(lake).by_class] == ["price:", "x" * 63 + "…"]


def letters(number: int) -> str:
    """Write a number in letters, so that it is of a class.

    >>> letters(7), letters(27)
    ('ah', 'bb')
    """
    return "".join(chr(97 + each) for each in divmod(number, 26))


def test_of_many_classes_those_with_most_lookups_are_told_and_the_rest_together(
    lake: Lake, land: Land
) -> None:
    # 300 classes of one lookup each, of which the first 30 have a second one, and miss in it.
    land(*(looked(n, f"{letters(n)}:1") for n in range(300)))
    land(*(looked(300 + n, f"{letters(n)}:1", hit=False) for n in range(30)))
    answer = found(lake)
    assert len(answer.by_class) == 101
    assert answer.by_class[0].name == "(200 others)"
    assert answer.by_class[0].lookups == 200
    assert [part.name for part in answer.by_class[1:31]] == [f"{letters(n)}:" for n in range(30)]
    assert len(answer.staleness) == 101
    classes, stale = ([row[0] for row in rows] for _, _, rows in tables(answer)[1:])
    shown = ["(200 others)", *(f"{letters(n)}:" for n in range(19))]
    assert classes == [*shown, "81 more, in the JSON"]
    assert stale == [*shown, "81 more, in the JSON"]
    assert max(map(len, told_lines(answer, CacheRequest()))) < 500


def test_hashed_keys_are_held_against_each_other(lake: Lake, land: Land) -> None:
    land(*(looked(n, f"{letters(n)}:1", hit=n % 2 > 0) for n in range(600)))
    penalty = found(lake).penalty
    assert penalty.reason == ""
    assert penalty.mean.estimate == pytest.approx(48 * MILLI)
