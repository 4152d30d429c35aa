"""Budgets on the share of a profile: a function's own, and with what it calls."""

from typing import Any

import pytest

from pipeline.gate.budgets import Budget
from pipeline.gate.checking import check_budgets
from pipeline.gate.verdict import Check
from pipeline.lake import Lake
from tests.jobs.profile_sides import land_side

STACKS = ("main;serve;encode", "main;serve;render;encode", "main;wait")
V1 = (("service_version", "1"),)
V2 = (("service_version", "2"),)


def check(lake: Lake, function: str, **given: Any) -> Check:
    """Check a budget on a function."""
    budget = Budget("b", service="shop", metric="profile_share", function=function, **given)
    (found,) = check_budgets(lake, [budget], 0.01).checks
    return found


def value(found: Check) -> float:
    """Give the value that was checked."""
    assert found.measure is not None
    return found.measure.canary


@pytest.fixture
def profiles(lake: Lake) -> Lake:
    """Give eight profiles of a release, a hundred samples each: 20, 10 and 70 by stack."""
    counts = [(20 + wave, 10, 70 - wave) for wave in (-1, 0, 1, 0, -1, 0, 1, 0)]
    land_side(lake, STACKS, counts, version="1")
    return lake


def test_a_function_has_its_own_share_and_that_with_what_it_calls(profiles: Lake) -> None:
    assert value(check(profiles, "encode", most=0.5)) == pytest.approx(0.30)
    assert value(check(profiles, "serve", most=0.5)) == 0
    assert value(check(profiles, "serve", most=0.5, cumulative=True)) == pytest.approx(0.30)
    # A stack in which two of them stand counts once.
    both = check(profiles, "*e*", most=0.5, cumulative=True)
    assert value(both) == pytest.approx(0.30)


def test_the_interval_of_profiles_decides(profiles: Lake) -> None:
    assert check(profiles, "encode", most=0.4).verdict == "pass"
    assert check(profiles, "encode", most=0.2).verdict == "fail"
    assert check(profiles, "encode", most=0.31).verdict == "inconclusive"


def test_a_share_may_grow_by_so_much(profiles: Lake) -> None:
    land_side(profiles, STACKS, [(40 + wave, 10, 50 - wave) for wave in (-1, 0, 1, 0) * 2], "2")
    beside: dict[str, Any] = {"where": V2, "baseline": V1}
    found = check(profiles, "encode", increase=0.05, **beside)
    assert (found.verdict, found.scale) == ("fail", "difference")
    assert found.measure is not None
    assert found.measure.effect == pytest.approx(0.2)
    assert check(profiles, "encode", increase=0.3, **beside).verdict == "pass"
    assert check(profiles, "wait", increase=0.05, **beside).verdict == "pass"


def test_few_profiles_may_warn_and_never_fail(profiles: Lake) -> None:
    land_side(profiles, STACKS, [(60, 10, 30), (61, 10, 29)], "2")
    found = check(profiles, "encode", increase=0.05, where=V2, baseline=V1)
    assert (found.verdict, found.reason) == ("warn", "too_few_profiles: fewer than 6 a side")


def test_no_profiles_are_no_data(lake: Lake) -> None:
    found = check(lake, "encode", most=0.5)
    assert found.verdict == "no_data"
    assert found.reason.startswith("no profiles match service_name=shop")
    assert check(lake, "encode", most=0.5, must_have_data=True).verdict == "fail"
