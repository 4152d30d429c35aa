"""Figures that other judges publish, from a corpus that is not part of the project.

Where the statistic is the same ours must give them: benchstat's tests and medians, and Kayenta's
rank sums, intervals and classes, which the judge that simulations compare with has to reproduce.
"""

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.gate.verdict import Check, score
from pipeline.stats.rank_test import (
    RunShift,
    median_interval,
    rank_p_value,
    run_shift,
    two_sided,
)
from tests.simulate import kayenta

CORPUS = Path(os.environ.get("TAILGATE_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus")
Case = dict[str, Any]

if not (CORPUS / "kayenta").exists() or not (CORPUS / "benchstat").exists():
    pytest.skip(f"no corpus in {CORPUS}; set TAILGATE_CORPUS", allow_module_level=True)

KAYENTA: list[Case] = json.loads((CORPUS / "kayenta" / "cases.json").read_text())["cases"]
BENCHSTAT: list[Case] = json.loads((CORPUS / "benchstat" / "cases.json").read_text())["cases"]

# Thresholds of effect size and of groups of metrics are Kayenta's alone.
_ITS_OWN = ("effectSizeThresholds", "criticalThresholds", "effectSizeMeasure")


def of_kind(cases: list[Case], kind: str, op: str | None = None) -> list[Case]:
    """Give the cases of a kind."""
    return [each for each in cases if each["kind"] == kind and op in (None, each.get("op"))]


def known(values: list[float | None]) -> np.ndarray:
    """Give the values that there are."""
    return np.array([each for each in values if each is not None], dtype=np.float64)


def name(case: Case) -> str:
    return str(case.get("name", case.get("values", case.get("a", ""))))


def both_ways(old: np.ndarray, new: np.ndarray) -> float:
    return two_sided(rank_p_value(old, new), rank_p_value(new, old))


@pytest.mark.parametrize("case", of_kind(BENCHSTAT, "compare"), ids=name)
def test_medians_and_p_values_are_those_of_benchstat(case: Case) -> None:
    old, new, expected = known(case["old"]), known(case["new"]), case["expected"]
    assert round(both_ways(old, new), 3) == expected["p"]
    change = float(np.median(new) / np.median(old)) - 1
    assert f"{100 * change:+.2f}%" == expected["delta"]
    for side, values in (("old", old), ("new", new)):
        if f"{side}_median" in expected:
            low, high, _ = median_interval(values, 0.025)
            centre = float(np.median(values))
            assert centre == expected[f"{side}_median"]
            reach = max(high / centre - 1, 1 - low / centre)
            assert f"{100 * reach:.0f}%" == expected[f"{side}_ci_pct"]


def test_the_published_table_of_a_benchmark_comes_out_of_its_runs() -> None:
    def runs(file: str, case: str) -> np.ndarray:
        lines = (CORPUS / "benchstat" / file).read_text().splitlines()
        return known([float(line.split()[2]) for line in lines if f"format={case}-" in line])

    table = (CORPUS / "benchstat" / "csvOldNew.stdout").read_text().splitlines()
    compared = 0
    for line in table:
        cells = line.split(",")
        if not cells[0].startswith("Encode/format="):
            continue
        old, new = (runs(file, cells[0][14:-3]) for file in ("old.txt", "new.txt"))
        assert f"p={both_ways(old, new):.3f} n={len(old)}" == cells[6]
        assert float(np.median(old)) == pytest.approx(1e9 * float(cells[1]))
        # What is no change to benchstat is none to us, and its effect is inside our interval.
        shift = run_shift(old, new)
        low, high = shift.bounds(0.025)
        assert low <= math.log(float(cells[3]) / float(cells[1])) <= high
        assert (low <= 0.0 <= high) == (cells[5] == "~")
        compared += 1
    assert compared == 2


@pytest.mark.parametrize("case", of_kind(BENCHSTAT, "utest"), ids=name)
def test_exact_ranks_are_those_of_benchstat(case: Case) -> None:
    old, new = known(case["a"]), known(case["b"])
    assert both_ways(old, new) == pytest.approx(case["expected"]["p"], abs=1e-12)


@pytest.mark.parametrize("case", of_kind(BENCHSTAT, "utest_min_n"), ids=lambda _: "runs")
def test_the_runs_that_a_level_needs_are_those_of_benchstat(case: Case) -> None:
    def least(runs: int) -> float:
        return 2 * RunShift(np.zeros(runs), np.ones(runs)).least_p_value

    for level, runs in case["expected"].items():
        assert least(runs) <= float(level) < least(runs - 1)


@pytest.mark.parametrize("case", of_kind(BENCHSTAT, "median_ci"), ids=name)
def test_the_interval_of_a_median_is_that_of_benchstat(case: Case) -> None:
    expected = case["expected"]
    found = median_interval(known(case["values"]), (1 - case["confidence"]) / 2)
    assert found[:2] == (float(expected["lo"]), float(expected["hi"]))
    assert float(np.median(case["values"])) == expected["center"]
    if "confidence" in expected:
        assert found[2] == expected["confidence"]


@pytest.mark.parametrize("case", of_kind(KAYENTA, "mann_whitney", "mannWhitneyUTest"), ids=name)
def test_the_shift_and_its_interval_are_those_of_kayenta(case: Case) -> None:
    x, y, expected = known(case["x"]), known(case["y"]), case["expected"]
    level, close = case["confLevel"], case["abs_tol"]
    estimate, low, high = kayenta.shift_interval(y, x, level)
    assert low == pytest.approx(expected["ci_low"], abs=close["ci_low"])
    assert high == pytest.approx(expected["ci_high"], abs=close["ci_high"])
    assert estimate == pytest.approx(expected["estimate"], abs=close["estimate"])
    # Ours is made of differences and not of a root: it stops where the root only comes close.
    ours = RunShift(y, x)
    assert ours.log_effect == pytest.approx(expected["estimate"], abs=1e-4)
    bounds = ours.bounds((1 - level) / 2)
    assert bounds == pytest.approx((expected["ci_low"], expected["ci_high"]), abs=1e-4)


@pytest.mark.parametrize("case", of_kind(KAYENTA, "mann_whitney", "wilcoxonDiff"), ids=name)
def test_the_rank_sum_is_that_of_kayenta(case: Case) -> None:
    x, y = known(case["x"]), known(case["y"])
    for each in case["expected"]:
        found = kayenta.rank_score(y, x, each["mu"], correct=True) - each["zq"]
        assert found == pytest.approx(each["value"], abs=case["abs_tol"])


@pytest.mark.parametrize(
    "case",
    [
        each
        for each in of_kind(KAYENTA, "metric_classification")
        if each["classifier"] == "MannWhitneyClassifier"
        and each["control"]
        and each["experiment"]
        and not any(key in each["config"] for key in _ITS_OWN)
    ],
    ids=name,
)
def test_classes_are_those_of_kayenta(case: Case) -> None:
    config = case["config"]
    found = kayenta.classify(
        known(case["control"]),
        known(case["experiment"]),
        config["direction"],
        config["tolerance"],
        config["confLevel"],
    )
    assert found == case["expected"]["classification"]


@pytest.mark.parametrize(
    "case",
    [
        each
        for each in of_kind(KAYENTA, "weighted_sum_score")
        if not each["groupWeights"]
        and len({group for metric in each["metrics"] for group in metric["groups"]}) == 1
        and not any(metric["classification"] == "Nodata" for metric in each["metrics"])
    ],
    ids=name,
)
def test_the_score_of_one_group_is_that_of_kayenta(case: Case) -> None:
    # Its Low is a fall of what should not change; ours has one verdict for what may not be.
    checks = [
        Check(
            *("service", metric["name"], "p50", "ms", "ratio"),
            verdict="pass" if metric["classification"] == "Pass" else "fail",
        )
        for metric in case["metrics"]
    ]
    assert score(checks) == case["expected"]["summaryScore"]
