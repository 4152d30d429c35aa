"""Shares of functions in profiles, and how much they differ between two sides.

Samples of one profile are not independent of each other: the unit is the profile (the cluster).
Counts of a function over profiles vary more than binomial ones, callers far more than leaves.

Source: Cochran (1977), Sampling Techniques, section 2.11, for the variance of a ratio; McCullagh
and Nelder (1989), Generalized Linear Models, section 4.5, for the dispersion of binomial counts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import false_discovery_control
from scipy.stats import t as student

from pipeline.stats.proportions import wilson_interval

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Clusters a side from which their own spread is taken, and not a dispersion shared by both sides.
LEAST_CLUSTERS = 6
_POWER = 0.8


@dataclass(frozen=True)
class Counts:
    """Observations of one side.

    Attributes:
        x: clusters x functions, sparse: observations of a function.
        n: clusters: observations of all; each above 0.
    """

    x: csr_array
    n: Floats

    @property
    def clusters(self) -> int:
        """Give how many there are."""
        return len(self.n)

    @property
    def total(self) -> float:
        """Give all observations."""
        return float(self.n.sum())

    def of_functions(self) -> Floats:
        """Give the observations of each function."""
        return np.asarray(self.x.sum(axis=0), dtype=np.float64).ravel()

    def shares(self) -> Floats:
        """Give the share of each function."""
        return self.of_functions() / self.total

    def squares(self) -> Floats:
        """Give the sum over clusters of squared deviations from each function's share."""
        share = self.shares()
        squared = np.asarray(self.x.multiply(self.x).sum(axis=0), dtype=np.float64).ravel()
        crossed = np.asarray(self.x.T @ self.n, dtype=np.float64).ravel()
        of_all = float((self.n**2).sum())
        return np.maximum(squared - 2 * share * crossed + share**2 * of_all, 0.0)

    def variance(self) -> Floats:
        """Give the variance of each share as clusters tell it; NaN of a single cluster."""
        if self.clusters < 2:
            return np.full(self.x.shape[1], np.nan)
        return self.clusters / (self.clusters - 1) * self.squares() / self.total**2

    def pearson(self) -> Floats:
        """Give Pearson's chi-squared of each function's counts about its share; 0 at 0 and 1."""
        share = self.shares()
        # Counts weigh by their expected variance, so the sum is not that of squares().
        inverse = 1 / self.n
        weighted = np.asarray(
            self.x.multiply(self.x).T @ inverse - 2 * share * self.of_functions()
        ).ravel()
        deviations = np.maximum(weighted + share**2 * self.total, 0.0)
        binomial = share * (1 - share)
        return np.divide(deviations, binomial, out=np.zeros_like(share), where=binomial > 1e-12)


def spread(cluster: Ints, stack: Ints, amount: Floats, members: csr_array, clusters: int) -> Counts:
    """Spread what was observed of stacks over their functions.

    Args:
        cluster, stack, amount: m observations; a stack's number is a row of ``members``.
        members: stacks x functions, 1 where a stack counts for a function.
        clusters: how many there are.
    """
    sums = csr_array((amount, (cluster, stack)), shape=(clusters, members.shape[0]))
    n = np.bincount(cluster, weights=amount, minlength=clusters).astype(np.float64)
    return Counts(csr_array(sums @ members), n)


def membership(stack: Ints, function: Ints, shape: tuple[int, int]) -> csr_array:
    """Make the matrix of which stack counts for which function; a pair counts once.

    >>> membership(np.array([0, 0]), np.array([1, 1]), (1, 2)).toarray().tolist()
    [[0.0, 1.0]]
    """
    ones = csr_array((np.ones(len(stack)), (stack, function)), shape=shape)
    ones.sum_duplicates()
    ones.data[:] = 1.0
    return ones


def share_interval(
    share: Floats, variance: Floats, observations: float, clusters: int, confidence: float
) -> tuple[Floats, Floats]:
    """Bound shares: Wilson's interval of as many observations as the clusters are worth.

    Args:
        share: between 0 and 1.
        variance: of each share over clusters; NaN for unknown.
        observations: in all clusters; the most that they can be worth.
        clusters: how many; their number less one are the degrees of freedom.
        confidence: how often an interval holds the true share.

    >>> low, high = share_interval(np.array([0.5]), np.array([0.01]), 1000.0, 30, 0.95)
    >>> round(float(high[0]), 2)
    0.69
    """
    binomial = share * (1 - share)
    worth = np.divide(binomial, variance, out=np.full_like(share, np.inf), where=variance > 0)
    worth = np.minimum(worth, observations)
    if clusters > 1:
        z = student.isf((1 - confidence) / 2, np.inf)
        worth = worth * (z / student.isf((1 - confidence) / 2, clusters - 1)) ** 2
    return wilson_interval(share, worth, confidence)


@dataclass(frozen=True)
class Change:
    """How much larger shares are on the canary; all of one length.

    Attributes:
        baseline, canary: the shares.
        observations: of both sides together.
        dispersion: how many times more the counts vary than binomial ones, at least 1.
        error: standard error of the change.
        df: its degrees of freedom.
    """

    baseline: Floats
    canary: Floats
    observations: Floats
    dispersion: Floats
    error: Floats
    df: int

    @property
    def change(self) -> Floats:
        """Give canary less baseline."""
        return self.canary - self.baseline

    def bounds(self, confidence: float) -> tuple[Floats, Floats]:
        """Bound the change."""
        reach = student.isf((1 - confidence) / 2, self.df) * self.error
        return self.change - reach, self.change + reach

    def detectable(self, alpha: float) -> Floats:
        """Give the least change that would be found in four of five tries, two-sided at alpha."""
        reach = student.isf(alpha / 2, self.df) + student.isf(1 - _POWER, self.df)
        return np.asarray(reach * self.error)

    def p_values(self) -> Floats:
        """Give two-sided p-values of no change, of quasi-binomial counts."""
        z = np.divide(
            np.abs(self.change), self.error, out=np.zeros_like(self.error), where=self.error > 0
        )
        # Student's and not the normal: the dispersion is estimated, of few clusters even badly.
        return np.asarray(2 * student.sf(z, self.df))


def compare(baseline: Counts, canary: Counts) -> Change:
    """Compare the shares of all functions.

    Where both sides have LEAST_CLUSTERS or more, the error is that of their clusters, each side's
    own, and never below the binomial one; else binomial counts are taken to be over-dispersed
    alike on both sides.

    Args:
        baseline, canary: both with observations, over the same functions.
    """
    sides = (baseline, canary)
    observed = baseline.of_functions() + canary.of_functions()
    pooled = observed / (baseline.total + canary.total)
    spare = baseline.clusters + canary.clusters - 2
    chi_squared = baseline.pearson() + canary.pearson()
    dispersion = np.maximum(1.0, chi_squared / spare) if spare else np.ones_like(pooled)
    binomial = pooled * (1 - pooled) * sum(1 / side.total for side in sides)
    if min(side.clusters for side in sides) >= LEAST_CLUSTERS:
        variance = np.maximum(baseline.variance() + canary.variance(), binomial)
    else:
        variance = dispersion * binomial
    return Change(
        baseline.shares(),
        canary.shares(),
        observed,
        dispersion,
        np.sqrt(np.maximum(variance, 0.0)),
        max(spare, 1),
    )


def adjusted(p_values: Floats, tested: NDArray[np.bool_]) -> Floats:
    """Give Benjamini and Hochberg's adjusted p-values; NaN where not tested.

    Source: Benjamini and Hochberg (1995), JRSS B 57(1).

    >>> adjusted(np.array([0.01, 0.5, 0.02]), np.array([True, False, True])).tolist()
    [0.02, nan, 0.02]
    """
    result = np.full(len(p_values), np.nan)
    if tested.any():
        result[tested] = false_discovery_control(np.clip(p_values[tested], 0, 1))
    return result
