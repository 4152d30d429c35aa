"""One family of tests: the shares of all functions, flat or cumulative, between two sides."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.stats.distributions import MAD_TO_SIGMA
from pipeline.stats.profile_permutations import permute
from pipeline.stats.profile_shares import LEAST_CLUSTERS, Change, Counts, Floats, adjusted, compare

Bools = NDArray[np.bool_]

# What is smaller is nobody's concern, or nothing that so few observations can tell.
LEAST_SAMPLES = 10
LEAST_CHANGE = 0.001
LEAST_RELATIVE = 0.1
FALSE_DISCOVERIES = 0.05
CONFIDENCE = 0.95

# Functions whose typical change is taken for what the others' change made of all of them.
_LEAST_FUNCTIONS = 5
# 1.2533 scales the standard error of a mean to that of a median for normal data (Kendall and
# Stuart, 1977).
_MEDIAN_ERROR = MAD_TO_SIGMA * 1.2533
_TWO_SIGMA = 1.96
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Family:
    """What is found of each function; all of one length.

    Attributes:
        baseline, canary: the counts of both sides.
        change: the shares and how they differ.
        p: p-values of no change; 1 where not tested.
        p_adjusted: corrected for how many were tested; NaN where not tested.
        tested: whether there is enough of the function to look at.
        splits: permutations looked at; 0 where binomial counts decide.
        exact: whether these were all permutations.
        scale: by which factor the typical share changed, as shares add up to 1.
        scale_error: standard error of its logarithm.
    """

    baseline: Counts
    canary: Counts
    change: Change
    p: Floats
    p_adjusted: Floats
    tested: Bools
    splits: int
    exact: bool
    scale: float
    scale_error: float

    @property
    def is_significant(self) -> Bools:
        """Tell which changed for certain, however little."""
        return np.asarray(np.nan_to_num(self.p_adjusted, nan=1.0) <= FALSE_DISCOVERIES)

    @property
    def is_large(self) -> Bools:
        """Tell which changed by enough to matter."""
        return _large(self.change.change, self.change.baseline)

    @property
    def is_own(self) -> Bools:
        """Tell which changed by more than all shares do because others changed."""
        change = self.change
        grew = change.change > 0
        factor = np.where(grew, max(self.scale, 1.0), min(self.scale, 1.0))
        expected = change.baseline * factor
        beyond = change.canary - expected
        reach = (change.bounds(CONFIDENCE)[1] - change.change) * np.maximum(factor, 1.0)
        reach = np.hypot(reach, _TWO_SIGMA * self.scale_error * expected)
        same_sign = np.where(grew, beyond - reach > 0, beyond + reach < 0)
        # Where others stay as they are nothing is taken off.
        return np.asarray((factor == 1.0) | (same_sign & _large(beyond, expected)))


def family(baseline: Counts, canary: Counts, typical: tuple[float, float], seed: int = 0) -> Family:
    """Test every function that there is enough of.

    Profiles are dealt anew to both sides where each has LEAST_CLUSTERS or more; else counts are
    taken for binomial and over-dispersed. Functions whose pooled share is so small that they
    could not change by LEAST_CHANGE are not tested: whether they are does not depend on the change.

    Args:
        baseline, canary: the same functions, each cluster with observations.
        typical: what ``typical_factor`` gives of the flat shares.
        seed: of the random permutations.
    """
    change = compare(baseline, canary)
    both = baseline.total + canary.total
    reachable = LEAST_CHANGE * min(baseline.total, canary.total) / both
    tested = (change.observations >= LEAST_SAMPLES) & (change.observations / both >= reachable)
    p = np.where(tested, change.p_values(), 1.0)
    splits, exact = 0, False
    if min(baseline.clusters, canary.clusters) >= LEAST_CLUSTERS:
        functions = np.flatnonzero(tested)
        permuted = permute(baseline, canary, functions, seed)
        p[functions] = permuted.p
        splits, exact = permuted.splits, permuted.exact
    return Family(
        baseline,
        canary,
        change,
        p,
        adjusted(p, tested),
        tested,
        splits,
        exact,
        *typical,
    )


def typical_factor(baseline: Counts, canary: Counts) -> tuple[float, float]:
    """Give the factor by which a typical function's share changed, and the error of its logarithm.

    Args:
        baseline, canary: flat counts: the share of a caller follows those of what it calls.

    Returns:
        The median of ratios; 1 and 0 of too few functions.

    Source: Anders and Huber (2010), Genome Biology 11:R106, equation 5.
    """
    first, second = baseline.shares(), canary.shares()
    observed = baseline.of_functions() + canary.of_functions()
    there = (observed >= LEAST_SAMPLES) & (first > 0) & (second > 0)
    if there.sum() < _LEAST_FUNCTIONS:
        return 1.0, 0.0
    logs = np.log(second[there] / first[there])
    middle = float(np.median(logs))
    apart = float(np.median(np.abs(logs - middle)))
    return float(np.exp(middle)), _MEDIAN_ERROR * apart / float(np.sqrt(len(logs)))


def _large(change: Floats, baseline: Floats) -> Bools:
    """Tell which changes matter, in points and beside what was there."""
    size = np.abs(change) * (1 + _ROUNDING)
    return (size >= LEAST_CHANGE) & (size >= LEAST_RELATIVE * baseline)
