"""Change points: steps are found where they are, and noise, outliers, bumps and drifts are none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stats.change_points import find_changes
from pipeline.stats.change_scan import (
    about_two_means,
    autocorrelation,
    critical,
    normal_scores,
    p_value,
    scan,
    scannable,
    simulate,
)

QUIET = [10.0, 10.2, 9.9, 10.1, 9.8, 10.0, 10.1, 9.9, 10.2, 9.8]


def noise(n: int, seed: int = 0, rho: float = 0.0) -> np.ndarray:
    """Give a series about 100 that scatters by 5 %."""
    rng = np.random.default_rng([n, seed])
    rows = simulate(1, n, rho, rng)[0]
    return np.asarray(100 * np.exp(0.05 * np.sqrt(1 - rho**2) * rows))


def places(values: np.ndarray | list[float], **more: object) -> list[int]:
    """Give where a series changed."""
    return [change.place for change in find_changes(values, **more).changes]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("n", "at_5", "at_1"), [(10, 3.19, 4.40), (20, 3.04, 3.85), (50, 3.07, 3.69), (100, 3.10, 3.67)]
)
def test_the_scan_has_the_critical_values_of_the_table(n: int, at_5: float, at_1: float) -> None:
    statistics, _ = scan(np.random.default_rng(n).standard_normal((8000, n)))
    # Within three standard errors of both simulations.
    assert np.quantile(statistics, 0.95) == pytest.approx(at_5, abs=0.08)
    assert np.quantile(statistics, 0.99) == pytest.approx(at_1, abs=0.16)
    assert critical(n) == pytest.approx(at_1, abs=0.06)


def test_the_scan_is_the_greatest_t_statistic_of_two_means() -> None:
    values = np.array([1.0, 2.0, 3.0, 2.0, 7.0, 8.0, 9.0, 8.0])
    statistic, place = scan(values)
    # Means 2 and 8, sums of squares 2 and 2: 6 / (sqrt(4 / 6) sqrt(1/4 + 1/4)).
    assert statistic[0] == pytest.approx(6 / np.sqrt(4 / 6 * 0.5))
    assert place[0] == 4


def test_constants_that_never_change_scan_as_nothing_and_two_constants_as_sure() -> None:
    assert scan(np.full(20, 7.1))[0][0] == 0
    assert np.isinf(scan(np.repeat([1.0, 2.0], 10))[0][0])
    assert places([7.1] * 20) == []
    assert places([1.0] * 10 + [2.0] * 10) == [10]


@pytest.mark.parametrize("rho", [0.0, 0.5])
@pytest.mark.parametrize("n", [40])
def test_noise_is_seldom_a_change(n: int, rho: float) -> None:
    rows = simulate(600, n, rho, np.random.default_rng(n))
    scores = scannable(rows)
    statistics, cuts = scan(scores)
    rhos = autocorrelation(about_two_means(scores, cuts))
    wrong = sum(p_value(s, n, r) <= 0.01 for s, r in zip(statistics, rhos, strict=True))
    # 600 at 1.5 % are 9; fewer than 17 in 99.5 of 100.
    assert wrong <= 16
    found = [bool(find_changes(100 * np.exp(0.05 * row)).changes) for row in rows[:100]]
    assert sum(found) <= 5


def test_alternating_or_wandering_neighbours_are_told_apart() -> None:
    assert autocorrelation(np.tile([1.0, -1.0], 50)) == 0
    assert autocorrelation(np.repeat([1.0, -1.0], 50)) == pytest.approx(0.9)


@pytest.mark.parametrize("n", [40, 100])
def test_a_step_of_three_sigmas_is_found_within_two_points(n: int) -> None:
    hits = 0
    for seed in range(25):
        values = noise(n, seed)
        values[n // 2 :] *= np.exp(0.15)
        found = find_changes(values).changes
        hits += any(abs(change.place - n // 2) <= 2 for change in found)
    assert hits >= 24


def test_a_step_tells_how_much_and_where_with_intervals() -> None:
    (change,) = find_changes(QUIET + [value * 1.3 for value in QUIET]).changes
    assert (change.place, change.last_before, change.n) == (10, 9, (10, 10))
    assert change.earliest <= 10 <= change.latest
    assert change.effect == pytest.approx(0.3)
    assert change.low < 0.3 < change.high
    assert change.before == pytest.approx(10.0, abs=0.01)
    assert change.p_value is not None
    assert change.p_value < 0.001


def test_neighbouring_places_of_one_step_are_one_change() -> None:
    values = noise(80)
    values[40] *= np.exp(0.2)
    values[41:] *= np.exp(0.4)
    assert len(places(values)) == 1


def test_up_and_down_again_are_two_changes() -> None:
    values = noise(200, 3)
    values[70:130] *= np.exp(0.15)
    found = places(values)
    assert len(found) == 2
    assert np.allclose(found, [70, 130], atol=2)


def test_a_short_regression_that_was_fixed_is_found_in_a_short_history() -> None:
    assert places(QUIET * 3 + [value * 1.5 for value in QUIET] + QUIET) == [30, 40]


def test_a_single_outlier_is_told_and_is_no_change() -> None:
    values = noise(40)
    values[20] *= 3
    found = find_changes(values)
    assert (found.changes, found.outliers) == ((), (20,))


def test_gaps_are_left_out_and_never_filled() -> None:
    whole = np.array(QUIET + [value * 1.3 for value in QUIET])
    gaps = np.insert(whole, [3, 10, 10, 15], np.nan)
    (change,) = find_changes(gaps).changes
    # The step lies between the last value before the gap and the first after it.
    assert (change.last_before, change.place) == (10, 13)
    (plain,) = find_changes(whole).changes
    assert (change.effect, change.p_value, change.n) == (plain.effect, plain.p_value, plain.n)


def test_a_line_is_a_drift_and_not_steps() -> None:
    values = noise(100) * np.exp(np.linspace(0, 0.6, 100))
    (change,) = find_changes(values).changes
    assert change.kind == "drift"
    assert change.low < np.expm1(0.6) < change.high
    bent = noise(100) * np.exp(np.maximum(np.arange(100) - 50, 0) * 0.012)
    assert [change.kind for change in find_changes(bent).changes] == ["drift"]
    stairs = noise(120) * np.exp(0.3 * (np.arange(120) // 40))
    assert [change.kind for change in find_changes(stairs).changes] == ["step", "step"]


def test_a_change_is_pending_until_four_points_confirm_it() -> None:
    def status(after: list[float]) -> list[str]:
        return [change.status for change in find_changes(QUIET * 3 + after).changes]

    assert status([13.0]) == []
    assert status([13.0, 13.1]) == ["pending"]
    assert status([13.0, 13.1, 12.9]) == ["pending"]
    assert status([13.0, 13.1, 12.9, 13.0]) == ["confirmed"]


def test_a_change_that_gives_back_within_eight_points_went_away() -> None:
    found = find_changes(QUIET * 3 + [13.0, 13.1, 12.9, 13.0] + QUIET)
    assert "confirmed" not in {change.status for change in found.changes if change.effect > 0}


def test_small_changes_are_left_out_however_sure() -> None:
    values = np.array([100.0, 100.1] * 20 + [101.0, 101.1] * 20)
    assert places(values) == []
    assert places(values, least_change=0.005) == [40]


def test_too_few_points_are_no_answer() -> None:
    assert not find_changes([]).enough
    assert not find_changes([1.0, np.nan, 2.0, 3.0, 4.0, 5.0]).enough
    assert find_changes([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).enough


def test_a_known_change_stays_within_two_points_whatever_follows() -> None:
    values = noise(120, 7)
    values[60:] *= np.exp(0.15)
    (first,) = find_changes(values[:70]).changes
    place = first.place
    for end in range(71, 121, 3):
        known = [change for change in find_changes(values[:end], [place]).changes if change.known]
        assert len(known) == 1
        assert abs(known[0].place - place) <= 2
    # Nor does one vanish that the points no longer show.
    flat = [change for change in find_changes(noise(60), [30]).changes if change.known]
    assert len(flat) == 1


@given(
    st.lists(st.floats(0.1, 1e6), min_size=0, max_size=60),
    st.integers(-8, 8),
)
def test_the_unit_of_a_series_does_not_matter(values: list[float], power: int) -> None:
    # By powers of two: nothing is rounded but the logarithms.
    here, there = (find_changes(np.array(values) * scale) for scale in (1.0, 2.0**power))
    assert [change.place for change in here.changes] == [change.place for change in there.changes]
    for mine, other in zip(here.changes, there.changes, strict=True):
        assert mine.effect == pytest.approx(other.effect, rel=1e-6, abs=1e-9)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=40))
def test_whatever_comes_the_places_are_in_the_series(values: list[float]) -> None:
    for change in find_changes(np.clip(values, -1e100, 1e100)).changes:
        assert 0 <= change.last_before <= change.place < len(values)
        assert change.earliest <= change.place


def test_scores_depend_on_ranks_alone() -> None:
    values = np.array([3.0, 1.0, 2.0, 2.0])
    assert normal_scores(values).tolist() == normal_scores(np.exp(values)).tolist()
    assert normal_scores(values)[2] == normal_scores(values)[3]
