"""Error budgets over a lake: counted exactly, over their own window, and never by a handful."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline.gate.budgets import Budget
from pipeline.gate.checking import check_budgets
from pipeline.gate.verdict import Check
from pipeline.lake import Lake, append
from pipeline.schema import SPANS
from pipeline.stats.slo import parse_target

# 2026-11-25T12:00:00Z, a whole minute.
NOON = 1_795_608_000_000_000_000
MINUTE = 60_000_000_000
HOUR = 60 * MINUTE
MILLI = 1_000_000

Land = Callable[..., None]


@pytest.fixture
def land(lake: Lake, span_rows: Callable[..., object]) -> Land:
    """Land requests, an equal number a minute, of which every so-manieth fails or is slow."""

    def make(requests: int, minutes: int = 60, **given: Any) -> None:
        append(lake, SPANS, span_rows(*_requests(requests, minutes, **given)))

    return make


def _requests(
    requests: int, minutes: int, bad: int = 0, slow_ms: int = 0, first: int = 0
) -> Iterator[dict[str, Any]]:
    """Give requests of 10 ms; ``bad`` of them, evenly spread, fail or take ``slow_ms``."""
    for number in range(requests):
        is_bad = bool(bad) and number % (requests // bad) == 0 and number // (requests // bad) < bad
        yield {
            "service_instance_id": f"checkout-{number % 3}",
            "start_time_unix_nano": NOON + (first + number * minutes // requests) * MINUTE + number,
            "duration_nano": (slow_ms if is_bad and slow_ms else 10) * MILLI,
            "status_code": 2 if is_bad and not slow_ms else 0,
        }


def checks(lake: Lake, target: str, **given: Any) -> list[Check]:
    """Check an error budget; what is left where nothing else is asked."""
    given = given if "most_burn_rate" in given else {"least_left": 0.0} | given
    budget = Budget("b", service="checkout", target=parse_target(target), **given)
    return list(check_budgets(lake, [budget], 0.01).checks)


def check(lake: Lake, target: str, **given: Any) -> Check:
    """Check an error budget that is one check."""
    (found,) = checks(lake, target, **given)
    return found


def test_what_is_left_is_what_was_not_spent_to_the_request(lake: Lake, land: Land) -> None:
    land(2000, bad=20)
    for target, left, verdict in (
        ("99", 0.0, "pass"),
        ("98", 50.0, "pass"),
        ("99.5", -100, "fail"),
    ):
        found = check(lake, target)
        assert found.measure is not None
        assert (found.measure.canary, found.verdict) == (left, verdict)
        assert found.reason == "20 of 2000 bad"
    # All of it may be spent; a tenth must be left.
    assert check(lake, "99", least_left=0.1).verdict == "fail"
    assert check(lake, "98", least_left=0.1).verdict == "pass"


def test_a_budget_burns_by_how_many_times_too_many_fail(lake: Lake, land: Land) -> None:
    land(2000, bad=20)
    # 1 % fail where 0.1 % may: ten times.
    found = check(lake, "99.9", most_burn_rate=10.0)
    assert found.measure is not None
    assert (found.measure.canary, found.metric, found.unit) == (10.0, "burn_rate", "x")
    # Strictly: at the limit is not beyond it.
    assert found.verdict == "pass"
    assert check(lake, "99.9", most_burn_rate=9.9).verdict == "fail"
    both = checks(lake, "99.9", most_burn_rate=9.9, least_left=0.0)
    assert [each.metric for each in both] == ["budget_left", "burn_rate"]


def test_few_failures_fail_only_what_they_must_mean(lake: Lake, land: Land) -> None:
    land(2000, bad=3)
    # 0.15 % beside 0.1 %: by 3 of 2,000 it may be chance. Beside 0.001 % it is not.
    found = check(lake, "99.9")
    assert found.verdict == "inconclusive"
    assert found.reason.startswith("insufficient_events: fewer than 10 bad")
    assert check(lake, "99.999").verdict == "fail"


def test_no_failure_among_too_few_is_no_pass(lake: Lake, land: Land) -> None:
    land(999)
    found = check(lake, "99.9")
    assert found.verdict == "inconclusive"
    assert found.reason.startswith("insufficient_events: 999, 1000 are needed")
    assert check(lake, "99").verdict == "pass"


def test_the_window_is_the_budgets_own_and_ends_with_the_data(lake: Lake, land: Land) -> None:
    land(2000, minutes=60, bad=40)
    land(2000, minutes=60, first=600)
    hour = check(lake, "99", window_nano=HOUR)
    assert (hour.verdict, hour.reason) == ("pass", "0 of 2000 bad")
    day = check(lake, "99", window_nano=24 * HOUR)
    assert day.verdict == "pass"
    assert day.reason == "40 of 4000 bad; data covers 45.8 % of the window"
    assert check(lake, "99.5", window_nano=24 * HOUR).verdict == "fail"


def test_a_promise_of_latency_counts_what_is_slower(lake: Lake, land: Land) -> None:
    land(2000, bad=40, slow_ms=500)
    slow = check(lake, "95", threshold_ms=300)
    assert (slow.verdict, slow.reason) == ("pass", "40 of 2000 bad")
    assert check(lake, "99", threshold_ms=300).verdict == "fail"
    # Failing is another promise, and up to the threshold is within it.
    assert check(lake, "99").reason == "0 of 2000 bad"
    assert check(lake, "99", threshold_ms=500, exact=True).reason == "0 of 2000 bad"


def test_a_threshold_within_a_bucket_is_told_and_spans_settle_it(lake: Lake, land: Land) -> None:
    land(2000, bad=40, slow_ms=500)
    found = check(lake, "99", threshold_ms=499.5)
    assert found.verdict == "inconclusive"
    assert found.reason.startswith("resolution_limited: the threshold's bucket decides")
    assert "0 to 40 of 2000 bad (buckets are 1.1 % wide)" in found.reason
    assert check(lake, "99", threshold_ms=499.5, exact=True).verdict == "fail"


def test_nothing_to_count_is_no_data(lake: Lake) -> None:
    found = check(lake, "99")
    assert (found.verdict, found.reason) == (
        "no_data",
        "no requests of service checkout, operation *",
    )
    assert check(lake, "99", must_have_data=True).verdict == "fail"
