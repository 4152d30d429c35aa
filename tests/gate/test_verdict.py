"""Verdicts: the first rule that holds, corrected for how many checks there are."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from pipeline.gate.verdict import (
    EXIT_STATUS,
    VERDICTS,
    Check,
    Measure,
    benjamini_hochberg,
    holm,
    overall,
    score,
    settle,
)


def check(
    low: float, high: float, p_value: float, margin: float = 0.05, most: str = "fail"
) -> Check:
    """Make a check whose interval and p-value are given."""
    measure = Measure(
        100, 110, (1000, 1000), (low + high) / 2, low, high, margin, p_value, 0.1, "blocks"
    )
    return Check("shop", "GET /", "p95", "ms", "ratio", measure=measure, most=most)


@pytest.mark.parametrize(
    ("given_check", "verdict", "reason"),
    [
        (check(0.10, 0.20, 0.0001), "fail", ""),
        (check(-0.04, 0.04, 0.9), "pass", ""),
        (check(-0.20, -0.10, 1.0), "pass", "improved"),
        (check(0.01, 0.04, 0.8), "pass", "changed_within_margin"),
        (check(0.01, 0.20, 0.2), "warn", "worse, perhaps by less than the margin"),
        (check(-0.10, 0.20, 0.4), "inconclusive", "the interval holds the margin"),
        (check(0.20, 0.10, 0.0001), "inconclusive", "methods_disagree"),
        (check(0.10, 0.20, 0.0001, most="warn"), "warn", ""),
    ],
)
def test_the_first_rule_that_holds_decides(given_check: Check, verdict: str, reason: str) -> None:
    (settled,) = settle([given_check], 0.01)
    assert (settled.verdict, settled.reason) == (verdict, reason)


def test_the_more_checks_there_are_the_surer_a_fail_must_be() -> None:
    doubtful = check(0.06, 0.20, 0.004)
    assert settle([doubtful], 0.01)[0].verdict == "fail"
    harmless = check(-0.04, 0.04, 0.9)
    several = settle([doubtful, harmless, harmless], 0.01)
    assert [each.verdict for each in several] == ["warn", "pass", "pass"]
    assert several[0].p_adjusted == pytest.approx(0.012)


def test_a_check_without_a_measure_is_never_a_pass() -> None:
    (settled,) = settle([Check("s", "o", "p99", "ms", "ratio", reason="too_few_requests")], 0.01)
    assert (settled.verdict, settled.reason) == ("inconclusive", "too_few_requests")
    assert math.isnan(settled.p_adjusted)


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        (["pass", "fail", "no_data", "inconclusive"], "fail"),
        (["pass", "inconclusive", "warn"], "inconclusive"),
        (["pass", "no_data"], "inconclusive"),
        (["pass", "warn"], "warn"),
        (["pass"], "pass"),
        (["no_data"], "no_data"),
        ([], "no_data"),
    ],
)
def test_the_whole_is_as_bad_as_its_worst_part(verdicts: list[str], whole: str) -> None:
    checks = [Check("s", "o", "p50", "ms", "ratio", verdict=each) for each in verdicts]
    assert overall(checks) == whole
    harmless = Check("s", "o", "p99", "ms", "ratio", critical=False, verdict="fail")
    assert overall([*checks, harmless]) == whole


def test_only_a_pass_and_a_warning_end_well() -> None:
    assert {each: EXIT_STATUS[each] for each in VERDICTS} == {
        "pass": 0,
        "warn": 0,
        "fail": 1,
        "inconclusive": 3,
        "no_data": 3,
    }


def test_the_score_is_of_what_was_judged() -> None:
    checks = [
        Check("s", "o", "p50", "ms", "ratio", verdict=each)
        for each in ("pass", "fail", "warn", "pass", "inconclusive")
    ]
    assert score(checks) == 75
    assert score(checks[4:]) is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_an_adjusted_p_value_is_no_smaller_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    assert min(adjusted) == pytest.approx(min(1, len(p_values) * min(p_values)))
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    assert [adjusted[place] for place in order] == sorted(adjusted)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_false_failures_as_a_share_are_scipys(p_values: list[float]) -> None:
    known = false_discovery_control(p_values)
    assert benjamini_hochberg(p_values) == pytest.approx(known.tolist())


def test_a_share_of_false_failures_lets_more_of_many_fail() -> None:
    checks = [check(0.06, 0.20, p) for p in (0.001, 0.004, 0.006, 0.008)]
    holm_fails, bh_fails = (
        [each.verdict for each in settle(checks, 0.01, correction)] for correction in ("holm", "bh")
    )
    assert holm_fails.count("fail") == 1
    assert bh_fails.count("fail") == 4
