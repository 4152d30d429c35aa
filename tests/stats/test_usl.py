"""The universal scalability law: published fits, exact recovery, and no peak from nothing."""

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stats.usl import fit_usl, fit_usl_draws, why_not_usl

CORPUS = Path(os.environ.get("TAILGATE_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus")


def published(name: str) -> tuple[list[float], list[float], dict[str, Any]]:
    """Read loads, throughputs and the published fit."""
    file = CORPUS / "usl" / f"{name}.json"
    if not file.exists():
        pytest.skip(f"no corpus in {CORPUS}; set TAILGATE_CORPUS")
    told = json.loads(file.read_text())
    data = told["data"]
    return data.get("load") or data["processors"], data["throughput"], told["expected"]


def test_a_fit_has_the_published_parameters_errors_and_peak() -> None:
    load, throughput, expected = published("specsdm91")
    fit = fit_usl(load, throughput)
    assert fit.alpha == pytest.approx(expected["alpha"], abs=1e-7)
    assert fit.beta == pytest.approx(expected["beta"], abs=1e-7)
    assert fit.gamma == pytest.approx(expected["gamma"], rel=1e-6)
    gamma, alpha, beta = fit.errors
    assert gamma == pytest.approx(expected["se"]["gamma"], rel=1e-5)
    assert alpha == pytest.approx(expected["se"]["alpha"], abs=1e-6)
    assert beta == pytest.approx(expected["se"]["beta"], abs=1e-7)
    assert fit.residual_deviation == pytest.approx(expected["residual_sd"], abs=1e-4)
    assert fit.peak_load == pytest.approx(expected["peak_load"], abs=1e-4)
    assert round(fit.peak_throughput) == expected["peak_throughput"]
    assert fit.limit == pytest.approx(expected["limit_throughput"], abs=1e-2)
    assert fit.optimal_load == pytest.approx(expected["optimal_load"], abs=1e-3)
    assert np.round(fit.throughput(load)).tolist() == expected["fitted"]
    assert np.round(fit.efficiency(load, throughput), 4).tolist() == expected["efficiency"]
    assert fit.shows_peak


def test_a_coherency_on_its_bound_is_no_peak() -> None:
    load, throughput, expected = published("raytracer")
    told = expected["all11"]
    fit = fit_usl(load, throughput)
    assert (fit.beta, fit.has_peak, fit.shows_peak) == (0.0, False, False)
    assert fit.alpha == pytest.approx(told["alpha"], abs=1e-6)
    assert fit.errors[1] == pytest.approx(told["se"]["alpha"], abs=1e-6)
    assert fit.errors[2] == pytest.approx(told["se"]["beta"], abs=1e-6)
    assert round(fit.limit) == told["limit"]
    for at, value in told["predict"].items():
        assert float(fit.throughput(float(at))) == pytest.approx(value, abs=0.05)
    first = fit_usl(load[:6], throughput[:6])
    assert first.alpha == pytest.approx(expected["first6"]["alpha"], abs=1e-5)
    assert why_not_usl(load[:5]).startswith("5 distinct concurrencies, 6 are needed")


@given(st.floats(1, 1000), st.floats(0.001, 0.5), st.floats(1e-5, 0.01))
def test_what_follows_the_law_is_found_exactly(gamma: float, alpha: float, beta: float) -> None:
    load = np.array([1.0, 2, 4, 8, 16, 32, 64])
    throughput = gamma * load / (1 + alpha * (load - 1) + beta * load * (load - 1))
    fit = fit_usl(load, throughput)
    assert (fit.gamma, fit.alpha, fit.beta) == pytest.approx((gamma, alpha, beta), rel=1e-3)
    assert fit.response_time(8.0) == pytest.approx(8 / fit.throughput(8.0))
    reached = float(fit.throughput(4.0))
    # The least load that gives it, on the rising side of the peak.
    assert fit.load(reached) == pytest.approx(min(4.0, fit.peak_load**2 / 4.0), rel=1e-2)


def test_more_than_the_peak_has_no_load() -> None:
    load = np.array([1.0, 2, 4, 8, 16, 32])
    fit = fit_usl(load, 10 * load / (1 + 0.1 * (load - 1) + 0.01 * load * (load - 1)))
    assert math.isnan(fit.load(fit.peak_throughput * 1.01))
    assert math.isfinite(fit.load(fit.peak_throughput * 0.99))


def test_flat_load_and_noise_are_not_identified() -> None:
    assert why_not_usl([5.0] * 40).startswith("1 distinct")
    assert "over a factor of 2" in why_not_usl(np.linspace(5, 10, 40))
    rng = np.random.default_rng(1)
    load = np.geomspace(1, 50, 40)
    noise = fit_usl(load, rng.uniform(50, 150, 40))
    assert "explains" in why_not_usl(load, noise)


def test_draws_that_are_fitted_at_once_are_fitted_as_each_would_be() -> None:
    rng = np.random.default_rng(3)
    load = np.geomspace(1, 60, 40)
    for beta in (0.0, 0.002):
        law = 10 * load / (1 + 0.05 * (load - 1) + beta * load * (load - 1))
        throughput = law * rng.lognormal(0, 0.05, 40)
        weights = rng.multinomial(40, np.full(40, 1 / 40), 20).astype(np.float64)
        drawn = fit_usl_draws(load, throughput, weights, fit_usl(load, throughput))
        for fit, own in zip(drawn, weights, strict=True):
            places = np.repeat(np.arange(40), own.astype(int))
            alone = fit_usl(load[places], throughput[places])
            assert (fit.gamma, fit.alpha, fit.beta) == pytest.approx(
                (alone.gamma, alone.alpha, alone.beta), rel=1e-3, abs=1e-5
            )
