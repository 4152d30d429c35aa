"""Budgets on hit ratios say what ``tailgate cache`` says, from whatever tells it."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.gate.budget_reading import read_budgets
from pipeline.gate.budgets import Budget
from pipeline.gate.checking import check_budgets
from pipeline.gate.verdict import Check
from pipeline.jobs import cache_rows
from pipeline.jobs.cache import run
from pipeline.jobs.cache_compare import compare
from pipeline.jobs.cache_counters import read_counters
from pipeline.jobs.cache_request import CacheRequest
from pipeline.jobs.cache_tokens import read_tokens
from pipeline.lake import Lake, append
from pipeline.report.budgets import explained
from pipeline.schema import METRICS, SPANS
from pipeline.stats.bootstrap import Interval
from tests.metrics.conftest import rows_of

NOON = 1_795_608_000_000_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
# A budget's bounds at this are those of an interval of 90 per cent.
ALPHA = 0.05
V1, V2 = (("service_version", "v1"),), (("service_version", "v2"),)
SpanRows = Callable[..., Any]
Row = dict[str, Any]


def lookups(version: str = "v1", hits_in_ten: int = 8, **given: Any) -> Iterator[Row]:
    """Give 20 minutes of lookups by three instances of unlike luck, weighted in thirds."""
    for number in range(600):
        instance = number % 3
        yield {
            "service_name": "shop",
            "service_version": version,
            "service_instance_id": f"{version}-{instance}",
            "kind": 1,
            "name": "cache get",
            "trace_id": f"{int(version[1:]):04x}{number + 1:028x}",
            "start_time_unix_nano": NOON + number * 2 * SECOND,
            "duration_nano": 1000,
            "sampling_weight": 1 + number % 4 / 3,
            "cache_hit": (number * 7 + instance * number // 50) % 10 < hits_in_ten,
            **given,
        }


def counter(name: str, added: Callable[[int], int], **given: Any) -> Iterator[Row]:
    """Give a counter that some is added to in each of 20 minutes."""
    for minute in range(1, 21):
        yield {
            "metric_type": "sum",
            "name": name,
            "is_monotonic": True,
            "aggregation_temporality": 1,
            "service_name": "shop",
            "time_unix_nano": NOON + minute * MINUTE,
            "value_int": added(minute),
            **given,
        }


def checks(lake: Lake, metric: str = "cache_hit_ratio", **given: Any) -> list[Check]:
    """Check one budget."""
    budget = Budget("b", metric=metric, **given)
    return list(check_budgets(lake, [budget], ALPHA).checks)


def same(check: Check, told: Interval) -> bool:
    """Tell whether a check and an interval are the same figure."""
    measure = check.measure
    assert measure is not None
    assert measure.canary == told.estimate
    assert (measure.low, measure.high) == pytest.approx((told.low, told.high), rel=1e-13)
    shown = f"{told.estimate:.12g} {told.low:.12g} {told.high:.12g}"
    return f"{measure.canary:.12g} {measure.low:.12g} {measure.high:.12g}" == shown


def test_a_budget_and_the_command_agree_to_the_last_digit(lake: Lake, span_rows: SpanRows) -> None:
    append(lake, SPANS, span_rows(*lookups()))
    (answer,) = run(lake, CacheRequest()).caches
    (check,) = checks(lake, least=0.7)
    assert same(check, answer.all.hit_ratio)
    assert 0.7 < answer.all.hit_ratio.low < answer.all.hit_ratio.high < 0.9
    assert (check.operation, check.verdict, check.reason) == ("cache get", "pass", "told by spans")


def test_each_side_is_what_the_comparison_says(lake: Lake, span_rows: SpanRows) -> None:
    append(lake, SPANS, span_rows(*lookups("v1"), *lookups("v2", 6)))
    (cache,) = compare(lake, CacheRequest(), (V1, V2)).caches
    (check,) = checks(lake, where=V2, baseline=V1, increase=0.05, direction="decrease")
    assert check.measure is not None
    moved = cache.change.hit_ratio
    assert (check.measure.baseline, check.measure.canary) == (moved.baseline, moved.canary)
    assert check.measure.effect == pytest.approx(-moved.change.estimate)
    assert check.verdict == "fail"


def test_what_follows_a_read_tells_a_budget_too(lake: Lake, span_rows: SpanRows) -> None:
    def calls(number: int) -> Iterator[Row]:
        texts = ["GET k", "SELECT 1", "SET k 1"] if number % 4 == 0 else ["GET k"]
        for place, text in enumerate(texts):
            yield {
                "service_name": "shop",
                "service_instance_id": f"i{number % 3}",
                "trace_id": f"{number + 1:032x}",
                "parent_span_id": "f" * 16,
                "span_id": f"{number:08x}{place:08x}",
                "kind": 3,
                "name": text.split(maxsplit=1)[0],
                "db_system": "postgresql" if text.startswith("SELECT") else "redis",
                "db_query_text": text,
                "start_time_unix_nano": NOON + number * 6 * SECOND + place * 1000,
                "duration_nano": 500,
            }

    append(lake, SPANS, span_rows(*(row for number in range(120) for row in calls(number))))
    (answer,) = run(lake, CacheRequest()).caches
    (check,) = checks(lake, least=0.5)
    assert same(check, answer.all.hit_ratio)
    assert check.reason == "told by spans; 100% of the lookups inferred from what follows them"
    assert answer.all.hit_ratio.estimate == 0.75


def test_a_server_that_counts_its_keyspace_is_no_sample_of_servers(lake: Lake) -> None:
    hits = counter("redis.keyspace.hits", lambda minute: 90 + minute % 5)
    misses = counter("redis.keyspace.misses", lambda minute: 10 - minute % 5)
    append(lake, METRICS, rows_of([*hits, *misses]))
    (told,) = read_counters(lake, CacheRequest())
    (check,) = checks(lake, least=0.8)
    assert same(check, told.hit_ratio)
    assert (check.operation, check.verdict) == ("redis.keyspace", "pass")
    assert check.reason.startswith("one instance: how instances differ is not known")


def test_spans_and_counters_of_one_cache_are_never_added(lake: Lake, span_rows: SpanRows) -> None:
    append(lake, SPANS, span_rows(*lookups(attributes=[("cache.name", "near")])))
    far = {"service_instance_id": "v1-0", "attributes": [("cache", "far"), ("result", "hit")]}
    near = far | {"attributes": [("cache", "near"), ("result", "miss")]}
    points = [
        *counter("cache.gets", lambda _: 5, **far),
        *counter("cache.gets", lambda _: 9, **near),
    ]
    append(lake, METRICS, rows_of(points))
    far_check, near_check = checks(lake, least=0.7)
    assert (far_check.operation, far_check.verdict) == ("far", "inconclusive")
    assert "one instance" in far_check.reason
    (answer,) = run(lake, CacheRequest()).caches
    assert same(near_check, answer.all.hit_ratio)
    assert [each.operation for each in checks(lake, least=0.7, cache="n*")] == ["near"]
    assert [each.operation for each in checks(lake, least=0.7, call="cache g*")] == ["near"]


def test_tokens_of_prompts_count_only_where_they_are_asked_for(
    lake: Lake, span_rows: SpanRows
) -> None:
    def prompts() -> Iterator[Row]:
        for row in lookups(cache_hit=None):
            number = int(row["trace_id"], 16) % 3
            told = [
                ("gen_ai.system", "maker"),
                ("gen_ai.request.model", "m1"),
                ("gen_ai.operation.name", "chat"),
                ("gen_ai.usage.input_tokens", "1000"),
                ("gen_ai.usage.cache_read.input_tokens", str(300 * number)),
            ]
            yield row | {"attributes": told if number else told[:-1], "kind": 3}

    append(lake, SPANS, span_rows(*prompts()))
    (nothing,) = checks(lake, least=0.1)
    assert (nothing.verdict, nothing.measure) == ("no_data", None)
    assert "send spans with cache.hit" in nothing.reason
    (told,) = read_tokens(lake, CacheRequest())
    (check,) = checks(lake, "prompt_cache_hit_ratio", least=0.3)
    assert same(check, told.hit_ratio)
    assert check.operation == "maker m1 chat"
    assert "200 calls do not say what was cached" in check.reason


def test_what_says_it_began_a_day_after_it_came_in_is_left_out(
    lake: Lake, span_rows: SpanRows
) -> None:
    day = 86_400 * SECOND
    prompt = {
        "gen_ai.usage.input_tokens": "10",
        "gen_ai.usage.cache_read.input_tokens": "5",
    }
    told = {"attributes": list(prompt.items()), "cache_hit": True}
    rows = [row | told for row in lookups()]
    for number, late in enumerate((0, day, day + 1)):
        rows[number] |= {"ingest_time_unix_nano": rows[number]["start_time_unix_nano"] - late}
    append(lake, SPANS, span_rows(*(row for row in rows[:3])))
    (answer,) = run(lake, CacheRequest()).caches
    assert answer.rows.frame.height == 2
    (model,) = read_tokens(lake, CacheRequest())
    assert model.calls == 2


def test_reads_that_tell_nothing_are_no_data_and_say_so(lake: Lake, span_rows: SpanRows) -> None:
    append(lake, SPANS, span_rows(*lookups(cache_hit=None, kind=3, name="GET", db_system="redis")))
    (check,) = checks(lake, least=0.5)
    assert (check.verdict, check.operation, check.measure) == ("no_data", "redis", None)
    assert "600 reads do not tell whether they hit: send cache.hit" in check.reason
    (vanished,) = checks(lake, least=0.5, must_have_data=True)
    assert vanished.verdict == "fail"


def test_spans_that_tell_nothing_do_not_hide_the_counters_of_their_cache(
    lake: Lake, span_rows: SpanRows
) -> None:
    odd = [("cache.name", "near"), ("cache.result", "odd")]
    append(lake, SPANS, span_rows(*lookups(cache_hit=None, attributes=odd)))
    near = [
        point
        for instance in range(3)
        for hits, result in ((8 - instance, "hit"), (2 + instance, "miss"))
        for point in counter(
            "cache.gets",
            lambda _, hits=hits: hits,  # type: ignore[misc]
            service_version="v1",
            service_instance_id=f"v1-{instance}",
            attributes=[("cache", "near"), ("result", result)],
        )
    ]
    append(lake, METRICS, rows_of(near))
    (told,) = read_counters(lake, CacheRequest())
    (check,) = checks(lake, least=0.5)
    assert same(check, told.hit_ratio)
    assert (check.operation, check.measure and check.measure.canary) == ("near", 0.7)
    assert check.reason.startswith("told by cache.gets; 600 reads say whether they hit in words")
    (asked_for,) = checks(lake, least=0.5, call="cache get")
    assert asked_for.verdict == "no_data"


def test_a_ratio_of_a_sample_of_the_traces_says_so(
    lake: Lake, span_rows: SpanRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(lake, SPANS, span_rows(*lookups()))
    monkeypatch.setattr(cache_rows, "LOOKUPS_MOST", 300)
    (check,) = checks(lake, least=0.7)
    assert check.reason == "told by spans; sampled: 0.5 of the traces were looked at, each whole"


def test_words_that_are_not_known_are_listed_whole(lake: Lake, span_rows: SpanRows) -> None:
    words = ("gone, old", "in\ntwo")
    rows = (
        row | {"cache_hit": None, "attributes": [("cache.result", words[number % 2])]}
        for number, row in enumerate(lookups())
    )
    append(lake, SPANS, span_rows(*rows))
    (check,) = checks(lake, least=0.5)
    assert "in words that are not known, gone, old, in two: name them" in check.reason


def test_budgets_read_the_names_of_their_own_file(
    lake: Lake, span_rows: SpanRows, tmp_path: Path
) -> None:
    rows = (
        row | {"cache_hit": None, "attributes": [("own", "HIT" if row["cache_hit"] else "OLD")]}
        for row in lookups()
    )
    append(lake, SPANS, span_rows(*rows))
    file = tmp_path / "tailgate.toml"
    file.write_text(
        '[cache]\nhit_attribute = "own"\nmiss_values = ["OLD"]\n'
        '[[budget]]\nmetric = "cache_hit_ratio"\ncache = "cache *"\nmin = 0.7\n'
    )
    (budget,) = read_budgets(file)
    assert explained(budget).endswith("of cache cache * of every service must be at least 0.7")
    (check,) = check_budgets(lake, [budget], ALPHA).checks
    (answer,) = run(lake, CacheRequest(names=budget.cache_names)).caches
    assert same(check, answer.all.hit_ratio)
    (unmapped,) = checks(lake, least=0.7)
    assert unmapped.verdict == "no_data"
    assert math.isinf(budget.most)
