"""The universal scalability law: throughput against concurrency, with what is sure of it.

X(N) = gamma N / (1 + alpha (N - 1) + beta N (N - 1)): alpha is what waits for its turn, beta what
waits for the others to agree. Fitted to measured concurrency, never to a configured one.

Source: Gunther (2007), Guerrilla Capacity Planning, chapters 4 to 6; the standard errors are those
of nonlinear least squares (Bates and Watts, 1988, section 2.3).
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares
from scipy.stats import t as student

from pipeline.stats.bootstrap import Floats, Interval

LEAST_LOADS = 6
LEAST_DECADES = 1.0
LEAST_R_SQUARED = 0.5

# A parameter this near to its bound is on it: standard errors then tell nothing.
_ON_BOUND = 1e-9
_PARAMETERS = 3
_START_ALPHA, _START_BETA = 0.01, 1e-4
# Of a draw: far below what draws differ by.
_DRAW_TOLERANCE = 1e-6
_ROUNDS = 40
_BOUNDED = np.array([False, True, True])


@dataclass(frozen=True)
class Usl:
    """A fit.

    Attributes:
        gamma: throughput of one, in the unit of throughput.
        alpha, beta: contention and coherency, 0 to 1.
        errors: standard errors of gamma, alpha and beta; NaN for three points or fewer.
        residual_deviation: in the unit of throughput.
        df: degrees of freedom.
        r_squared: share of the variance of throughput that is explained.
        loads: distinct concurrencies.
        load_least, load_most, throughput_most: what was seen.
    """

    gamma: float
    alpha: float
    beta: float
    errors: tuple[float, float, float]
    residual_deviation: float
    df: int
    r_squared: float
    loads: int
    load_least: float
    load_most: float
    throughput_most: float

    def throughput(self, load: ArrayLike) -> Floats:
        """Give the throughput at some concurrencies."""
        return _model(np.array([self.gamma, self.alpha, self.beta]), np.asarray(load, np.float64))

    def response_time(self, load: ArrayLike) -> Floats:
        """Give the mean time in the system, in the inverse of throughput's unit (Little)."""
        return np.asarray(load, np.float64) / self.throughput(load)

    def load(self, throughput: float) -> float:
        """Give the least concurrency that gives a throughput; NaN where none does."""
        a = self.beta * throughput
        b = (self.alpha - self.beta) * throughput - self.gamma
        c = throughput * (1 - self.alpha)
        if a == 0:
            return -c / b if b < 0 else math.nan
        under = b * b - 4 * a * c
        return (-b - math.sqrt(under)) / (2 * a) if under >= 0 and b < 0 else math.nan

    @property
    def peak_load(self) -> float:
        """Give the concurrency of most throughput; infinite where there is no peak."""
        return math.sqrt((1 - self.alpha) / self.beta) if self.beta > _ON_BOUND else math.inf

    @property
    def peak_throughput(self) -> float:
        """Give the most throughput; without a peak the limit that it comes near to."""
        return float(self.throughput(self.peak_load)) if self.has_peak else self.limit

    @property
    def has_peak(self) -> bool:
        """Tell whether more concurrency makes less throughput, from some point on."""
        return math.isfinite(self.peak_load)

    @property
    def limit(self) -> float:
        """Give Amdahl's limit: the throughput that contention alone would leave."""
        return self.gamma / self.alpha if self.alpha > _ON_BOUND else math.inf

    @property
    def optimal_load(self) -> float:
        """Give the concurrency where linear growth would meet Amdahl's limit."""
        return 1 / self.alpha if self.alpha > _ON_BOUND else math.inf

    def efficiency(self, load: ArrayLike, throughput: ArrayLike) -> Floats:
        """Give measured throughput as a share of linear growth."""
        return np.asarray(throughput, np.float64) / (self.gamma * np.asarray(load, np.float64))

    def intervals(self, confidence: float = 0.95) -> dict[str, Interval]:
        """Give gamma, alpha and beta with intervals from their standard errors."""
        reach = float(student.ppf((1 + confidence) / 2, self.df)) if self.df > 0 else math.nan
        values = (self.gamma, self.alpha, self.beta)
        return {
            name: Interval(value, value - reach * error, value + reach * error)
            for name, value, error in zip(
                ("gamma", "alpha", "beta"), values, self.errors, strict=True
            )
        }

    @property
    def shows_peak(self) -> bool:
        """Tell whether the peak is more than chance: the interval of beta leaves 0 out."""
        return self.has_peak and self.intervals()["beta"].low > 0


def fit_usl(load: ArrayLike, throughput: ArrayLike, tolerance: float = 1e-14) -> Usl:
    """Fit the law by least squares.

    Args:
        load: n concurrencies above 0, 3 or more.
        throughput: n, above 0 at least once.
        tolerance: where to stop, as a share of each parameter.

    >>> load = np.array([1.0, 2, 4, 8, 16, 32])
    >>> fit = fit_usl(load, 10 * load / (1 + 0.05 * (load - 1)))
    >>> round(fit.gamma, 4), round(fit.alpha, 4), fit.has_peak, round(fit.limit)
    (10.0, 0.05, False, 200)
    """
    n, x = np.asarray(load, np.float64), np.asarray(throughput, np.float64)
    start = [float((x / n).max()), _START_ALPHA, _START_BETA]
    found = least_squares(
        lambda parameters: _model(parameters, n) - x,
        start,
        jac=lambda parameters: _jacobian(parameters, n).T,
        bounds=([0, 0, 0], [np.inf, 1, 1]),
        x_scale="jac",
        ftol=tolerance,
        xtol=tolerance,
        gtol=tolerance,
        max_nfev=2000,
    )
    gamma, alpha, beta = (float(each) for each in found.x)
    beta = 0.0 if beta < _ON_BOUND else beta
    residual = float((found.fun**2).sum())
    df = len(n) - _PARAMETERS
    errors = _errors(np.array([gamma, alpha, beta]), n, residual / df) if df > 0 else (np.nan,) * 3
    spread = float(((x - x.mean()) ** 2).sum())
    return Usl(
        gamma,
        alpha,
        beta,
        (errors[0], errors[1], errors[2]),
        math.sqrt(residual / df) if df > 0 else math.nan,
        df,
        1 - residual / spread if spread > 0 else math.nan,
        len(np.unique(n)),
        float(n.min()),
        float(n.max()),
        float(x.max()),
    )


def why_not_usl(load: ArrayLike, fit: Usl | None = None) -> str:
    """Say why a fit of these concurrencies tells nothing; empty where it does.

    >>> why_not_usl([1.0, 2.0, 3.0])
    '3 distinct concurrencies, 6 are needed over a factor of 10: ramp the load'
    """
    n = np.unique(np.asarray(load, np.float64))
    n = n[n > 0]
    decades = math.log10(n[-1] / n[0]) if len(n) else 0.0
    if len(n) < LEAST_LOADS or decades < LEAST_DECADES:
        return (
            f"{len(n)} distinct concurrencies"
            + (f" over a factor of {10**decades:.3g}" if len(n) >= LEAST_LOADS else "")
            + f", {LEAST_LOADS} are needed over a factor of 10: ramp the load"
        )
    if fit is not None and not fit.r_squared >= LEAST_R_SQUARED:
        return f"the law explains {100 * fit.r_squared:.0f} % of the variance, 50 are needed"
    return ""


def fit_usl_draws(load: Floats, throughput: Floats, weights: Floats, start: Usl) -> list[Usl]:
    """Fit the law to many draws at once, each from the fit of all.

    Gauss-Newton with halved steps, parameters held at 0 or 1 where they would leave; as near to
    ``fit_usl`` of every draw as draws need.

    Args:
        load, throughput: n each.
        weights: d x n, how often a draw holds each observation.
        start: the fit of all.

    Returns:
        d fits, of which only the parameters count.
    """
    found = np.tile([start.gamma, start.alpha, start.beta], (len(weights), 1))
    share = np.ones(len(weights))
    error = _squares(found, load, throughput, weights)
    for _ in range(_ROUNDS):
        slopes = _jacobian(found.T[:, :, None], load)
        short = weights * (throughput - _model(found.T[:, :, None], load))
        pull = (slopes * short[:, None, :]).sum(axis=2)
        matrix = (slopes * weights[:, None, :]) @ slopes.transpose(0, 2, 1)
        held = (found <= 0) & (pull < 0) | (found >= 1) & (pull > 0) & _BOUNDED
        step = _solved(matrix, pull, held)
        tried = found + share[:, None] * step
        tried = np.clip(tried, 0.0, np.where(_BOUNDED, 1.0, np.inf))
        other = _squares(tried, load, throughput, weights)
        better = other <= error
        found[better], error[better] = tried[better], other[better]
        share = np.where(better, np.minimum(2 * share, 1.0), share / 4)
        if np.abs(share[:, None] * step).max(initial=0.0) < _DRAW_TOLERANCE * start.gamma:
            break
    return [replace(start, gamma=row[0], alpha=row[1], beta=row[2]) for row in found.tolist()]


def _squares(parameters: Floats, load: Floats, throughput: Floats, weights: Floats) -> Floats:
    far = throughput - _model(parameters.T[:, :, None], load)
    total: Floats = (weights * far**2).sum(axis=1)
    return total


def _solved(matrix: Floats, pull: Floats, held: NDArray[np.bool_]) -> Floats:
    """Give the step of every draw, none for what is held."""
    free = ~held
    size = np.sqrt(np.maximum(np.einsum("dii->di", matrix), 1e-300))
    scaled = matrix / size[:, :, None] / size[:, None, :]
    scaled = scaled * free[:, :, None] * free[:, None, :]
    scaled = scaled + np.eye(_PARAMETERS) * (held + 1e-10)[:, None, :]
    step: Floats = np.linalg.solve(scaled, (pull / size * free)[:, :, None])[:, :, 0] / size
    return step


def _model(parameters: Floats, load: Floats) -> Floats:
    gamma, alpha, beta = parameters
    result: Floats = gamma * load / (1 + alpha * (load - 1) + beta * load * (load - 1))
    return result


def _jacobian(parameters: Floats, load: Floats) -> Floats:
    """Give how throughput grows with gamma, alpha and beta: 3 x n, or d x 3 x n of d of each."""
    gamma, alpha, beta = parameters
    below = 1 + alpha * (load - 1) + beta * load * (load - 1)
    slope = -gamma * load * (load - 1) / below**2
    return np.stack([load / below, slope, slope * load], axis=-2)


def _errors(parameters: Floats, load: Floats, variance: float) -> tuple[float, ...]:
    """Give standard errors, of parameters on their bounds too: what the data say of them alone."""
    jacobian = _jacobian(parameters, load).T
    covariance = variance * np.linalg.pinv(jacobian.T @ jacobian)
    return tuple(float(each) for each in np.sqrt(np.diag(covariance)))
