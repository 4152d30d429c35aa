"""Small operations together, and services whose mix of operations changed."""

import math
from collections.abc import Callable

import pytest

from pipeline.gate.judgement import Tolerance
from pipeline.jobs.judge_answer import OTHER
from pipeline.lake import Lake
from tests.jobs.judge_sides import found, judged, spans

Land = Callable[..., object]


def test_a_mix_that_changed_is_no_slowdown(lake: Lake, land: Land) -> None:
    # A quarter of the baseline's requests are slow ones, and three quarters of the canary's.
    land(*spans("v1", "GET /fast", 3000), *spans("v1", "GET /slow", 1000, factor=4))
    land(*spans("v2", "GET /fast", 1000), *spans("v2", "GET /slow", 3000, factor=4))
    answer = judged(lake)
    service = found(answer, "p50", "")
    assert service.measure is not None
    assert service.measure.effect == pytest.approx(0, abs=0.03)
    assert service.verdict in ("pass", "inconclusive")
    # The mix alone makes the median more than twice as slow, which is told beside it.
    assert service.mix_effect > 1
    assert "mix alone +" in service.reason
    assert not service.critical


def test_a_slowdown_is_found_under_a_mix_that_hides_it(lake: Lake, land: Land) -> None:
    land(*spans("v1", "GET /fast", 1000), *spans("v1", "GET /slow", 3000, factor=4))
    land(*spans("v2", "GET /fast", 3000, factor=1.3), *spans("v2", "GET /slow", 1000, factor=5.2))
    service = found(judged(lake), "p50", "")
    assert service.measure is not None
    assert service.measure.effect == pytest.approx(0.3, abs=0.05)
    assert service.mix_effect < -0.3
    # Told, and counted only where it is asked for.
    assert (service.verdict, service.critical) == ("warn", False)
    asked = found(judged(lake, Tolerance(critical_services=True)), "p50", "")
    assert (asked.verdict, asked.critical) == ("fail", True)


def test_a_service_has_the_least_p_value_of_its_operations(lake: Lake, land: Land) -> None:
    for name, factor in (("GET /cart", 1.0), ("POST /pay", 1.5)):
        land(*spans("v1", name), *spans("v2", name, factor=factor))
    answer = judged(lake)
    own = [found(answer, "p50", name).p_adjusted for name in ("GET /cart", "POST /pay")]
    service = found(answer, "p50", "")
    assert service.p_operations == min(own) < 0.01
    assert service.reason.endswith(f"least p of its operations {min(own):.2g}")


def test_a_service_of_one_operation_is_not_told_twice(lake: Lake, land: Land) -> None:
    land(*spans("v1"), *spans("v2"))
    assert {check.operation for check in judged(lake).checks} == {"GET /cart"}


def test_a_new_operation_with_much_traffic_makes_the_mix_incomparable(
    lake: Lake, land: Land
) -> None:
    land(*spans("v1", "GET /cart", 2000), *spans("v1", "GET /a", 1000))
    land(*spans("v2", "GET /cart", 2000), *spans("v2", "GET /a", 1000), *spans("v2", "GET /n", 500))
    service = found(judged(lake), "p50", "")
    assert service.verdict == "inconclusive"
    assert service.reason.startswith("mix_not_comparable: 14% of requests")


def test_small_operations_are_judged_together(lake: Lake, land: Land) -> None:
    land(*spans("v1", requests=6000), *spans("v2", requests=6000))
    for number in range(8):
        name = f"GET /small/{number}"
        land(*spans("v1", name, 60), *spans("v2", name, 60, factor=3.0))
    answer = judged(lake)
    other = found(answer, "p95", OTHER)
    assert (other.verdict, other.critical, answer.verdict) == ("fail", True, "fail")
    assert other.measure is not None
    assert other.measure.n == (480, 480)
    alone = found(answer, "p95", "GET /small/3")
    assert (alone.verdict, alone.critical) == ("inconclusive", False)
    assert any("8 operations with few requests, 7.4 % of them" in note for note in answer.notes)


def test_one_small_operation_among_large_ones_does_not_decide(lake: Lake, land: Land) -> None:
    land(*spans("v1", requests=6000), *spans("v2", requests=6000))
    land(*spans("v1", "GET /rare", 30), *spans("v2", "GET /rare", 30))
    answer = judged(lake, quantiles=(0.5, 0.95))
    rare = found(answer, "p95", "GET /rare")
    assert (rare.reason, rare.critical) == ("too_few_requests", False)
    assert answer.verdict == "pass"


def test_many_services_of_few_requests_each_are_not_passed_over(lake: Lake, land: Land) -> None:
    land(
        *(
            span
            for number in range(21)
            for version in ("v1", "v2")
            for span in spans(version, requests=60, service_name=f"s{number}")
        )
    )
    assert judged(lake).verdict == "inconclusive"


def test_a_rare_stratum_is_weighed_no_more_than_twentyfold(lake: Lake, land: Land) -> None:
    land(*spans("v1", "GET /cart", 3000), *spans("v1", "GET /rare", 30, factor=4))
    land(*spans("v2", "GET /cart", 300), *spans("v2", "GET /rare", 1200, factor=4))
    answer = judged(lake)
    assert any("1 strata are far rarer" in note for note in answer.notes)
    assert math.isfinite(found(answer, "p50", "").mix_effect)


def test_strata_within_an_operation_are_weighed_too(lake: Lake, land: Land) -> None:
    for version, small, large in (("v1", 3000, 1000), ("v2", 1000, 3000)):
        for size, requests, factor in (("small", small, 1.0), ("large", large, 4.0)):
            attributes = [("payload.class", size)]
            land(*spans(version, requests=requests, factor=factor, attributes=attributes))
    blind, seeing = (
        found(judged(lake, mix_by=mix), "p50").measure for mix in ((), ("payload.class",))
    )
    assert blind is not None
    assert seeing is not None
    assert blind.effect > 1
    assert seeing.effect == pytest.approx(0, abs=0.03)
