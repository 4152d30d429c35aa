"""What requests are made of, case by case: new and gone calls, the tail, errors, broken traces."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.jobs.judge_request import JudgeRequest, parse_selector
from pipeline.jobs.why import run
from pipeline.jobs.why_answer import Why
from pipeline.lake import Lake, open_lake
from pipeline.report.why import why_document
from tests.importing import otlp_files as files

NOON = 1_795_608_000_000_000_000
MILLI = 1_000_000
SAMPLE = Path(__file__).parents[2] / "data" / "sample" / "otlp"
SIDES = (parse_selector("service.version=v1"), parse_selector("service.version=v2"))
Land = Callable[..., object]
Spans = Iterator[dict[str, Any]]


def request(version: str, number: int, total: float, *children: Any, **more: Any) -> Spans:
    """Give a request of so many ms with children: name, start, ms, and what else they are."""
    shared = {"service_version": version, "trace_id": f"{version[1]}{number:031x}"}
    shared |= {"service_instance_id": f"{version}-{number % 4}"}
    start = NOON + number * 1000 * MILLI
    first = {"kind": 2, "start_time_unix_nano": start, "duration_nano": int(total * MILLI)}
    yield shared | first | {"span_id": "f" * 16} | more
    for place, (name, at, ms, *rest) in enumerate(children):
        times = {
            "start_time_unix_nano": start + int(at * MILLI),
            "duration_nano": int(ms * MILLI),
        }
        named = {"name": name, "kind": 3, "span_id": f"{place + 1:016x}"}
        given = rest[0] if rest else {}
        yield shared | times | named | {"parent_span_id": "f" * 16} | given


def explained(lake: Lake, metric: str = "p50") -> Why:
    """Explain the one operation."""
    (why,) = run(lake, JudgeRequest(*SIDES), [("shop", "GET /cart", metric)])
    return why


def test_a_call_that_only_the_canary_makes_is_new_and_one_it_dropped_is_gone(
    lake: Lake, land: Land
) -> None:
    for number in range(8):
        land(*request("v1", number, 10, ("old", 1, 3)), *request("v2", number, 12, ("new", 1, 5)))
    first, second = explained(lake).causes[:2]
    assert (first.kind, first.subject, first.growth_ms) == ("new_operation", "shop new (call)", 5)
    assert (second.subject, second.growth_ms) == ("shop old (call)", -3)
    assert first.baseline == second.canary == 0


def test_its_own_time_is_told_apart_from_that_of_calls(lake: Lake, land: Land) -> None:
    land(*request("v1", 1, 10, ("db", 1, 4)), *request("v2", 1, 17, ("db", 1, 4)))
    cause = explained(lake).causes[0]
    assert (cause.kind, cause.growth_ms, cause.share) == ("self_time", 7, 1)


def test_what_makes_the_slowest_requests_slow_is_named_though_most_are_as_before(
    lake: Lake, land: Land
) -> None:
    rows = [
        row
        for number in range(200)
        for slow in [50 if number % 10 == 0 else 4]
        for row in (
            *request("v1", number, 10 + number % 3, ("charge", 1, 4 + number % 3)),
            *request("v2", number, 6 + slow + number % 3, ("charge", 1, slow + number % 3)),
        )
    ]
    land(*rows)
    why = explained(lake, "p95")
    assert why.causes[0].subject == "shop charge (call)"
    assert why.causes[0].growth_ms > 30
    # Requests to look at are the slowest, of different instances.
    assert why.exemplars[0].duration_ms >= 56
    assert len({each.service_instance_id for each in why.exemplars}) > 1


def test_failed_requests_come_first_where_errors_are_what_got_worse(lake: Lake, land: Land) -> None:
    rows = []
    for number in range(40):
        failed: dict[str, Any] = {"status_code": 2} if number % 4 == 0 else {}
        rows += [*request("v1", number, 10, ("db", 1, 4))]
        rows += [*request("v2", number, 10, ("db", 1, 4, failed), **failed)]
    land(*rows)
    why = explained(lake, "error_ratio")
    found = [each.failed for each in why.exemplars]
    assert found == sorted(found, reverse=True)
    assert found[0]
    errors = [cause for cause in why.causes if cause.kind == "errors"]
    assert errors
    assert errors[0].canary == pytest.approx(0.25)
    assert errors[0].baseline == 0


def test_a_span_whose_parent_is_missing_is_no_part_of_it_and_a_skewed_clock_is_set_right(
    lake: Lake, land: Land
) -> None:
    lost = {"parent_span_id": "e" * 16, "span_id": "9" * 16}
    land(
        *request("v1", 1, 10, ("db", 1, 4), ("lost", 2, 50, lost)),
        # The server's half of the call runs on a host whose clock is an hour late.
        *request("v2", 1, 16, ("call", 1, 10)),
        {
            "service_version": "v2",
            "service_name": "pricing",
            "service_instance_id": "pricing-1",
            "trace_id": f"2{1:031x}",
            "span_id": "8" * 16,
            "parent_span_id": f"{1:016x}",
            "name": "answer",
            "kind": 2,
            "start_time_unix_nano": NOON + 3_600_000 * MILLI,
            "duration_nano": 9 * MILLI,
        },
    )
    why = explained(lake)
    growth = {cause.subject: cause.growth_ms for cause in why.causes}
    assert growth["pricing answer"] == pytest.approx(9)
    assert sum(growth.values()) == pytest.approx(6)


def test_the_same_lake_is_explained_in_the_same_words(lake: Lake, land: Land) -> None:
    land(*request("v1", 1, 10, ("db", 1, 4)), *request("v2", 1, 16, ("db", 1, 10)))
    first, second = (why_document([explained(lake)]) for _ in range(2))
    assert first == second


@pytest.mark.slow
def test_the_recorded_faults_are_named_first(tmp_path: Path) -> None:
    lake = open_lake(tmp_path / "lake", create=True)
    files.run(lake, SAMPLE)
    sides = (parse_selector("service.version=1.4.1"), parse_selector("service.version=1.4.2"))
    worse = [
        ("checkout", "POST /checkout", "p50"),
        ("gateway", "GET /cart", "p50"),
        ("orders", "GET /orders/{id}", "p50"),
    ]
    first = {why.operation: why.causes[0] for why in run(lake, JudgeRequest(*sides), worse)}
    assert first["POST /checkout"].subject == "checkout charge card"
    assert first["POST /checkout"].share == pytest.approx(0.78, abs=0.02)
    # The N+1: a query for each item of the cart, where there was one for all.
    for operation in ("GET /cart", "GET /orders/{id}"):
        assert "WHERE id = ?" in first[operation].text
        assert first[operation].canary == pytest.approx(5.09, abs=0.01)
