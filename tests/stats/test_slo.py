"""Error budgets in decimals, and when a few failures say something."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stats.slo import ErrorBudget, exact, exceeds, parse_target


def test_a_target_is_what_was_written_to_the_digit() -> None:
    assert 1 - parse_target("99.9") == Decimal("0.001")
    assert 100 - 99.9 != 0.1
    assert parse_target("99.95%") == Decimal("0.9995")


@pytest.mark.parametrize("text", ["100", "0", "-1", "NaN", "Infinity", "three nines", ""])
def test_a_target_that_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        parse_target(text)


def test_the_last_failure_that_may_be_leaves_exactly_nothing() -> None:
    assert ErrorBudget(Decimal(1000), Decimal(1), parse_target("99.9")).left == 0
    assert ErrorBudget(Decimal(1000), Decimal(3), parse_target("99.9")).left == -2


def test_two_per_cent_of_thirty_days_in_an_hour_burn_at_the_published_rate() -> None:
    # The Site Reliability Workbook, chapter 5, table 5-8: 2 % of 30 days in 1 h is 14.4, 5 % in
    # 6 h is 6, 10 % in 3 days is 1.
    hours = Decimal(30 * 24)
    for share, spent_in, rate in (("0.02", 1, "14.4"), ("0.05", 6, "6"), ("0.10", 72, "1")):
        requests = Decimal(1_000_000)
        bad = Decimal(share) * hours / spent_in * requests * Decimal("0.001")
        found = ErrorBudget(requests, bad, parse_target("99.9"))
        assert found.burn_rate == Decimal(rate)


def test_few_failures_say_something_only_when_chance_is_ruled_out() -> None:
    threshold = Decimal("0.001")
    assert exceeds(Decimal("0.0005"), threshold, Decimal(1), low=0.0) is False
    # At the threshold is not beyond it.
    assert exceeds(Decimal("0.001"), threshold, Decimal(50), low=0.0009) is False
    assert exceeds(Decimal("0.01"), threshold, Decimal(9), low=0.0009) is None
    assert exceeds(Decimal("0.01"), threshold, Decimal(9), low=0.0011) is True
    assert exceeds(Decimal("0.01"), threshold, Decimal(10), low=0.0) is True


def test_a_budget_that_holds_no_failure_proves_nothing() -> None:
    assert not ErrorBudget(Decimal(999), Decimal(0), parse_target("99.9")).holds_one
    assert ErrorBudget(Decimal(1000), Decimal(0), parse_target("99.9")).holds_one


@given(
    total=st.integers(1, 10**9),
    bad=st.integers(0, 10**6),
    target=st.decimals("0.01", "99.99", places=2),
)
def test_what_is_left_and_the_rate_tell_the_same(total: int, bad: int, target: Decimal) -> None:
    found = ErrorBudget(Decimal(total), Decimal(bad), parse_target(str(target)))
    assert abs(found.left - (1 - found.burn_rate)) < Decimal("1e-12") * (1 + found.burn_rate)


def test_counts_are_the_decimals_that_they_are_written_as() -> None:
    assert exact(3.0) == Decimal(3)
    assert exact(0.1) == Decimal("0.1")
