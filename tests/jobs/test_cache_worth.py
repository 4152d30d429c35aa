"""What misses do to requests: each counts as what it stands for, each key of several on its own."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.jobs.cache import run
from pipeline.jobs.cache_request import CacheRequest
from pipeline.jobs.cache_worth import Worth
from pipeline.lake import Lake

NOON = 1_795_608_000_000_000_000
MILLI, SECOND = 1_000_000, 1_000_000_000
Land = Callable[..., object]
Row = dict[str, Any]


def read(number: int, took_ms: int, **lookup: object) -> list[Row]:
    """Give a request that asks a cache for some time, and nothing else."""
    took = {"duration_nano": took_ms * MILLI, "start_time_unix_nano": NOON + number * SECOND}
    common = {"trace_id": f"{number + 1:032x}", "service_name": "pricing", "service_version": "1"}
    ids = {"span_id": f"{2 * number + 1:016x}", "parent_span_id": None}
    below = {"span_id": f"{2 * number + 2:016x}", "parent_span_id": ids["span_id"]}
    return [
        common | took | ids | {"kind": 2, "name": "GET /prices"},
        common | took | below | {"kind": 1, "name": "cache get", "cache_key": "a:1"} | lookup,
    ]


def worth(lake: Lake, **asked: object) -> Worth:
    """Give what misses of the one cache of a lake do to requests."""
    (answer,) = run(lake, CacheRequest(**asked)).caches  # type: ignore[arg-type]
    assert answer.worth is not None
    return answer.worth


def test_a_sampled_request_counts_as_often_as_it_stands_for(lake: Lake, land: Land) -> None:
    # Of slow ones all were kept, of quick ones one of a hundred.
    for number in range(40):
        is_slow = number % 2 == 0
        kept: Row = {"sampling_weight": 1.0 if is_slow else 100.0, "sampling_known": True}
        rows = read(number, 200 if is_slow else 5, cache_hit=not is_slow)
        land(*(row | kept for row in rows))
    found = worth(lake, objective_s=0.1)
    assert found.requests == 20 + 2000
    assert found.missed == pytest.approx(20 / 2020)
    assert found.quantiles_ms == {0.95: 5, 0.99: 5}
    assert found.held


def test_the_hit_ratio_that_is_needed_is_that_of_keys(lake: Lake, land: Land) -> None:
    # Of ten keys nine are there, but for every tenth time, when all are.
    keys = "MGET " + " ".join(f"a:{number}" for number in range(10))
    for number in range(100):
        is_whole = number % 10 == 0
        mget: Row = {"kind": 3, "db_system": "redis", "db_operation": "MGET", "cache_key": None}
        mget |= {"db_query_text": keys}
        mget["attributes"] = [("db.response.returned_rows", "10" if is_whole else "9")]
        land(*read(number, 5 if is_whole else 50, **mget))
    # 91 % of keys are there. Half the requests must have all: of those that miss, 4 in 9.
    needed = worth(lake, objective_quantile=0.5, objective_s=0.03)
    assert not needed.held
    assert needed.needed == pytest.approx(1 - 0.09 * 5 / 9, abs=0.005)
