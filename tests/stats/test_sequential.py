"""Looking early: published boundaries, spending, and evidence that holds however often."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from pipeline.stats.e_values import (
    anytime_p_value,
    blocks_of,
    evidence,
    log_e_value,
    mixing_of,
    reach,
)
from pipeline.stats.sequential import (
    Plan,
    crossings,
    obrien_fleming,
    spending_boundaries,
    spent_by,
)
from pipeline.stats.shift import Estimate, Shift

EVEN = tuple((look + 1) / 6 for look in range(6))
UNEVEN = (0.2, 1 / 3, 0.5, 0.9, 1.0)


# Jennison and Turnbull (2000), Group Sequential Methods: one-sided O'Brien-Fleming constants.
@pytest.mark.parametrize(
    ("alpha", "constants"),
    [
        (0.01, {2: 2.334, 3: 2.354, 4: 2.370, 5: 2.384, 6: 2.395, 8: 2.412, 10: 2.426, 12: 2.436}),
        (0.05, {2: 1.678, 3: 1.710, 4: 1.733, 5: 1.751, 6: 1.765, 8: 1.786, 10: 1.801, 12: 1.813}),
        (0.025, {2: 1.977, 3: 2.004, 4: 2.024, 5: 2.040}),
    ],
)
def test_the_boundaries_are_those_of_the_book(alpha: float, constants: dict[int, float]) -> None:
    found = {looks: round(obrien_fleming(looks, alpha), 3) for looks in constants}
    assert found == constants


def test_one_look_is_the_ordinary_test() -> None:
    assert Plan((1.0,), 0.01).boundaries == pytest.approx((norm.isf(0.01),))
    assert Plan((1.0,), 0.01).p_value(0, 0.004) == pytest.approx(0.004)


@pytest.mark.parametrize("fractions", [EVEN, UNEVEN, (0.01, 0.02, 1.0)])
def test_all_looks_together_reject_as_often_as_alpha_says(fractions: tuple[float, ...]) -> None:
    plan = Plan(fractions, 0.01)
    assert plan.spent[-1] == pytest.approx(0.01, rel=1e-6)
    assert sum(crossings(fractions, plan.boundaries)) == pytest.approx(0.01, rel=1e-6)
    assert list(plan.boundaries) == sorted(plan.boundaries, reverse=True)


def test_unequal_looks_have_spent_what_the_spending_function_says() -> None:
    found = np.cumsum(crossings(UNEVEN, spending_boundaries(UNEVEN, 0.05)))
    assert found.tolist() == pytest.approx([spent_by(each, 0.05) for each in UNEVEN], rel=1e-6)


def test_a_look_with_next_to_nothing_to_spend_cannot_reject() -> None:
    plan = Plan((0.01, 1.0), 0.01)
    assert plan.boundaries[0] == math.inf
    assert plan.boundaries[1] == pytest.approx(norm.isf(0.01))
    assert plan.p_value(0, 1e-12) > 0.01


def test_a_random_walk_crosses_as_often_as_the_integral_says() -> None:
    rng = np.random.default_rng(1)
    steps = rng.normal(size=(200_000, len(UNEVEN))) * np.sqrt(np.diff(UNEVEN, prepend=0.0))
    scores = np.cumsum(steps, axis=1) / np.sqrt(UNEVEN)
    crossed = (scores > np.array(Plan(UNEVEN, 0.05).boundaries)).any(axis=1).mean()
    # Three standard errors of 200,000 draws.
    assert crossed == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 200_000))


@pytest.mark.parametrize("fractions", [EVEN, UNEVEN])
def test_a_look_on_its_boundary_has_the_p_value_alpha(fractions: tuple[float, ...]) -> None:
    plan = Plan(fractions, 0.01)
    for look, level in enumerate(plan.levels):
        assert plan.p_value(look, level) == pytest.approx(0.01, rel=1e-3)
        assert plan.p_value(look, level * 0.99) < 0.01 < plan.p_value(look, level * 1.01)


@given(
    look=st.integers(0, 4),
    p=st.tuples(st.floats(1e-12, 1.0), st.floats(1e-12, 1.0)),
    even=st.booleans(),
)
def test_less_likely_looks_have_smaller_p_values(
    look: int, p: tuple[float, float], even: bool
) -> None:
    plan = Plan(EVEN if even else UNEVEN, 0.01)
    smaller, larger = (plan.p_value(look, each) for each in sorted(p))
    # What is above alpha is not told apart: no look rejects by it.
    assert smaller <= larger + 1e-9 or smaller > 0.01
    assert all(plan.p_value(look, each) >= each for each in p)


def test_the_e_value_of_many_degrees_of_freedom_is_the_normal_mixture() -> None:
    score, n, mixing = 3.0, 10, 0.73
    normal = 0.5 * math.log(mixing / (mixing + n)) + 0.5 * n / (mixing + n) * score**2
    assert log_e_value(score, n, 1e12, mixing) == pytest.approx(normal, rel=1e-3)


def test_the_mixture_is_narrowest_where_it_is_asked_to_be() -> None:
    at = mixing_of(8, 0.01)
    assert at == pytest.approx(0.735, abs=0.001)
    widths = [reach(8, 1e9, 0.01, mixing_of(blocks, 0.01)) for blocks in range(2, 40)]
    # The weight is the closed form of an equation that has none: close enough.
    assert reach(8, 1e9, 0.01, at) == pytest.approx(min(widths), rel=1e-3)


@given(blocks=st.integers(7, 500), df=st.floats(3, 500), alpha=st.sampled_from([0.05, 0.01, 0.001]))
def test_the_interval_ends_where_the_e_value_rejects(blocks: int, df: float, alpha: float) -> None:
    mixing = mixing_of(8, alpha)
    far = reach(blocks, df, alpha, mixing)
    if math.isinf(far):
        assert anytime_p_value(log_e_value(1e9, blocks, df, mixing)) > alpha
    else:
        found = anytime_p_value(log_e_value(far, blocks, df, mixing))
        assert found == pytest.approx(alpha, rel=1e-6)


def test_looking_at_every_value_of_noise_rejects_no_more_often_than_alpha() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(2000, 40))
    mixing, alpha = mixing_of(8, 0.05), 0.05
    rejected = np.zeros(len(values), dtype=bool)
    for n in range(7, 41):
        part = values[:, :n]
        scores = part.mean(axis=1) / (part.std(axis=1, ddof=1) / math.sqrt(n))
        rejected |= scores > reach(n, n - 1, alpha, mixing)
    # Three standard errors above alpha; a t-test at every look rejects 3 times as often.
    assert rejected.mean() < alpha + 3 * math.sqrt(alpha * (1 - alpha) / len(values))


def shift(exceedance: float, blocks: float | None) -> Shift:
    """Give a shift of which both methods know the error: 2 %."""
    paired = None if blocks is None else Estimate("blocks", blocks, 0.02, 20.0)
    return Shift(Estimate("exceedance", exceedance, 0.02, 12.0), paired, (0.0, 0.0))


def test_evidence_is_the_geometric_mean_of_what_both_methods_say() -> None:
    strong, doubted, opposed = (
        evidence(shift(each, 0.2), 30, 3e4, 0.95, 0.0, 0.01) for each in (0.2, 0.04, -0.2)
    )
    assert strong is not None
    assert doubted is not None
    assert opposed is not None
    mixing = mixing_of(8, 0.01)
    by_hand = (log_e_value(10.0, 30, 12, mixing) + log_e_value(10.0, 30, 20, mixing)) / 2
    assert strong.log_e_worse == pytest.approx(by_hand)
    assert strong.log_e_worse > doubted.log_e_worse > opposed.log_e_worse == -math.inf
    # Neither direction is sure of anything where the methods contradict each other.
    assert opposed.p_value == 1.0
    assert opposed.log_e_within == -math.inf
    assert opposed.low <= -0.2 < 0.2 <= opposed.high


@given(effects=st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3)), margin=st.floats(0.001, 0.3))
def test_what_lies_beyond_the_interval_is_what_the_e_value_rejects(
    effects: tuple[float, float], margin: float
) -> None:
    found = evidence(shift(*effects), 30, 3e4, 0.95, margin, 0.01)
    assert found is not None
    near = min(abs(found.low - margin), abs(found.high - margin)) < 1e-6
    assert near or (found.low > margin) == (found.p_value <= 0.01)
    assert near or (found.high < margin) == (found.log_e_within >= -math.log(0.02))
    assert found.low <= min(effects) <= max(effects) <= found.high


def test_there_is_no_evidence_before_there_are_seven_blocks() -> None:
    assert [blocks_of(minutes, 100 * minutes, 0.95) for minutes in (6, 7)] == [6, 7]
    assert evidence(shift(0.2, 0.2), 6, 600, 0.95, 0.0, 0.01) is None
    assert evidence(shift(0.2, None), 60, 60, 0.95, 0.0, 0.01) is None
    # 50 requests a minute, 2 minutes for 5 above p95: 15 minutes are 7 blocks.
    assert [blocks_of(minutes, 50 * minutes, 0.95) for minutes in (13, 14, 15)] == [6, 7, 7]
    assert blocks_of(0, 0.0, 0.95) == 0


def test_evidence_against_a_margin_is_weaker_than_against_none_and_turns_to_a_pass() -> None:
    margins = [0.0, 0.05, 0.15, 0.4]
    found = [evidence(shift(0.2, 0.2), 30, 3e4, 0.95, margin, 0.01) for margin in margins]
    known = [each for each in found if each]
    assert all(a.log_e_worse > b.log_e_worse for a, b in itertools.pairwise(known))
    assert known[-1].log_e_within > -math.log(0.02) > known[0].log_e_within
