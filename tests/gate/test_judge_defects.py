"""What other judges get wrong, each by the smallest data that shows it."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from pipeline.gate.judgement import Judgement, Tolerance, judge
from pipeline.jobs.judge_answer import Comparison, Counts, Judged
from pipeline.jobs.judge_request import JudgeRequest, parse_selector
from pipeline.stats.buckets import bucket_index
from pipeline.stats.cells import Side
from pipeline.stats.share_shift import share_shift
from pipeline.stats.shift import Pair

MINUTES, INSTANCES = 60, 5


def side(nanos: np.ndarray, rng: np.random.Generator) -> Side:
    """Make a side of single requests, over instances and an hour at random."""
    ones = np.ones(len(nanos))
    places = rng.integers(0, INSTANCES, len(nanos)), rng.integers(0, MINUTES, len(nanos))
    buckets = bucket_index(nanos).astype(np.int64)
    return Side(*places, buckets, ones, ones, INSTANCES, MINUTES)


def answer(
    baseline: Side,
    canary: Side,
    errors: tuple[int, int] = (0, 0),
    tolerance: Tolerance | None = None,
) -> Judgement:
    """Judge two sides of one operation."""
    sides = (baseline, canary)
    quantiles = (0.5, 0.95, 0.99)
    pair = Pair(*sides)
    shifts = {p: pair.shift(p) for p in quantiles}
    failing = [
        one.add_up((np.arange(len(one.count)) < n).astype(float))
        for one, n in zip(sides, errors, strict=True)
    ]
    counts = [Counts(one.total, one.effective, n, 0, INSTANCES) for one, n in
              zip(sides, errors, strict=True)]  # fmt: skip
    comparison = Comparison(
        "shop", "GET /", counts[0], counts[1], MINUTES, shifts, share_shift(*sides, failing), None
    )
    request = JudgeRequest(parse_selector("service.version=1"), parse_selector("service.version=2"))
    judged = Judged(request, (comparison,), 0, MINUTES, 1.0, 1)
    return judge(judged, tolerance or Tolerance())


def verdict(judgement: Judgement, metric: str) -> str:
    """Give the verdict of one metric."""
    (found,) = [each.verdict for each in judgement.checks if each.metric == metric]
    return found


def lognormal(seed: int, factor: float = 1.0, requests: int = 6000, scale: float = 1e8) -> Side:
    """Make a side of lognormal requests."""
    rng = np.random.default_rng(seed)
    return side(scale * factor * np.exp(rng.normal(0, 0.3, requests)), rng)


@pytest.mark.parametrize("factor", [1.2, 1.5, 2.0, 5.0])
def test_what_is_let_through_does_not_grow_with_the_shift(factor: float) -> None:
    found = answer(lognormal(1), lognormal(2, factor))
    assert verdict(found, "p50") == "fail"
    margins = {each.measure.margin for each in found.checks if each.measure and each.unit == "ms"}
    assert {round(margin, 12) for margin in margins} == {0.05}


@pytest.mark.parametrize("scale", [300.0, 4e4, 1e8, 3e12])
def test_microseconds_are_resolved_as_well_as_hours(scale: float) -> None:
    found = answer(lognormal(1, scale=scale), lognormal(2, 1.2, scale=scale))
    measure = found.checks[0].measure
    assert measure is not None
    assert measure.effect == pytest.approx(0.2, abs=0.03)
    assert measure.low < measure.effect < measure.high
    assert verdict(found, "p50") == "fail"


def test_a_series_that_never_varies_is_judged_the_same_every_time() -> None:
    rng = np.random.default_rng(1)
    same, other = (side(np.full(6000, value), rng) for value in (1e6, 2e6))
    assert verdict(answer(same, same), "p50") == "pass"
    first, second = (answer(same, other) for _ in range(2))
    assert first.checks == second.checks or repr(first.checks) == repr(second.checks)
    assert verdict(first, "p50") == "inconclusive"
    exact = answer(same, other, tolerance=Tolerance(exact=True))
    assert verdict(exact, "p50") == "fail"


def test_minutes_are_paired_so_that_swings_of_load_hide_nothing() -> None:
    rng = np.random.default_rng(4)
    swing = np.exp(0.3 * np.sin(np.arange(MINUTES) / 4))
    sides = []
    for factor in (1.0, 1.05):
        requests = 20_000
        minute = rng.integers(0, MINUTES, requests)
        values = 1e8 * factor * swing[minute] * np.exp(rng.normal(0, 0.3, requests))
        ones = np.ones(requests)
        instance = rng.integers(0, INSTANCES, requests)
        buckets = bucket_index(values).astype(np.int64)
        sides.append(Side(instance, minute, buckets, ones, ones, INSTANCES, MINUTES))
    paired = Pair(*sides).shift(0.95)
    assert paired.p_value() < 0.01
    # Of minutes that are not paired a rank test sees nothing.
    by_minute = [
        Pair(*sides).range.histograms(one, one.minute, MINUTES).log_quantile(0.95) for one in sides
    ]
    assert mannwhitneyu(by_minute[1], by_minute[0], alternative="greater").pvalue > 0.01


def test_errors_on_a_baseline_that_had_none_fail() -> None:
    assert verdict(answer(lognormal(1), lognormal(2), (0, 120)), "error_ratio") == "fail"
    assert verdict(answer(lognormal(1), lognormal(2), (0, 0)), "error_ratio") == "pass"


def test_more_spread_alone_is_found_in_the_tail() -> None:
    rng = np.random.default_rng(5)
    calm = side(1e8 * np.exp(rng.normal(0, 0.2, 20_000)), rng)
    wild = side(1e8 * np.exp(rng.normal(0, 0.3, 20_000)), rng)
    found = answer(calm, wild)
    assert verdict(found, "p50") != "fail"
    assert verdict(found, "p95") == verdict(found, "p99") == "fail"


def test_a_tail_that_a_rank_test_on_requests_does_not_see_fails() -> None:
    rng = np.random.default_rng(6)
    values = [1e8 * np.exp(rng.normal(0, 0.3, 20_000)) for _ in range(2)]
    slow = np.where(values[1] > np.quantile(values[1], 0.9), values[1] * 1.3, values[1])
    assert mannwhitneyu(slow, values[0], alternative="greater").pvalue > 0.01
    found = answer(side(values[0], rng), side(slow, rng))
    assert verdict(found, "p50") != "fail"
    assert verdict(found, "p95") == "fail"


def test_nothing_at_all_is_no_data_and_has_no_score() -> None:
    request = JudgeRequest(parse_selector("service.version=1"), parse_selector("service.version=2"))
    nothing = judge(Judged(request, (), 0, 0, 0.0, 1), Tolerance())
    assert (nothing.verdict, nothing.score, nothing.checks) == ("no_data", None, ())
