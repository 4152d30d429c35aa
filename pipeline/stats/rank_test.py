"""How much slower whole runs of a benchmark are: exact ranks, where the run is the instance.

Requests of one run share its process and machine, so that only runs are independent. Chance is
counted, not assumed: every way to hand out the ranks that were seen, ties and all.

Source: Mann and Whitney (1947), Annals of Mathematical Statistics 18(1); Streitberg and Röhmel
(1986), Statistical Software Newsletter 12(1), for counting with ties; Hodges and Lehmann (1963),
Annals of Mathematical Statistics 34(2), for the shift.
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy.stats import binom, mannwhitneyu, norm, rankdata

from pipeline.stats.cells import Floats, Ints

# Runs that each side needs: of four, even those furthest apart have a p-value of 1/70, above 1 %.
LEAST_RUNS = 5

# Runs of both sides together up to which chance is counted; beyond, the normal distribution's
# error is far below what anyone decides by.
_COUNTED_MOST = 100


@dataclass(frozen=True)
class RunShift:
    """By how much the runs of a canary lie above those of a baseline.

    Attributes:
        baseline, canary: n and m logarithms of a run's value, such as its median.
    """

    baseline: Floats
    canary: Floats

    @property
    def enough(self) -> bool:
        """Tell whether both sides have the runs that a verdict needs."""
        return min(len(self.baseline), len(self.canary)) >= LEAST_RUNS

    @property
    def constant(self) -> bool:
        """Tell whether neither side varies, so that nothing tells how sure a difference is."""
        return all(bool((side == side[0]).all()) for side in (self.baseline, self.canary))

    @cached_property
    def differences(self) -> Floats:
        """Give all n x m differences of canary less baseline, ascending."""
        return np.sort(np.subtract.outer(self.canary, self.baseline), axis=None)

    @property
    def log_effect(self) -> float:
        """Give the shift, in logarithms: the median of all differences (Hodges and Lehmann)."""
        return float(np.median(self.differences))

    def mirrored(self) -> "RunShift":
        """Give the same of the sides the other way round."""
        return RunShift(self.canary, self.baseline)

    def p_value(self, margin: float = 0.0) -> float:
        """Give the one-sided p-value against a shift of at most ``margin``, in logarithms."""
        return rank_p_value(self.baseline, self.canary - margin)

    @property
    def least_p_value(self) -> float:
        """Give the smallest p-value that so many runs can have, however far apart they are."""
        return 1 / math.comb(len(self.baseline) + len(self.canary), len(self.canary))

    def bounds(self, alpha: float) -> tuple[float, float]:
        """Give the bounds at one-sided level alpha each, in logarithms; infinite for few runs.

        Ties make them wider than they need be, never narrower.
        """
        inside = _tail_places(len(self.baseline), len(self.canary), alpha)
        if inside == 0:
            return -math.inf, math.inf
        return float(self.differences[inside - 1]), float(self.differences[-inside])

    def detectable(self, alpha: float, power: float = 0.8) -> float:
        """Give about the least log effect that would be found; infinite for too few runs."""
        low, high = self.bounds(alpha)
        error = (high - low) / 2 / float(norm.isf(alpha))
        return float(norm.isf(alpha) + norm.isf(1 - power)) * error


def run_shift(baseline: Floats, canary: Floats) -> RunShift:
    """Compare runs by their ratio.

    Args:
        baseline, canary: n and m values above zero, one a run, in any one unit.

    >>> shift = run_shift(np.array([10.0, 10.0, 11.0]), np.array([20.0, 20.0, 22.0]))
    >>> round(math.exp(shift.log_effect), 6), shift.p_value()
    (2.0, 0.05)
    """
    return RunShift(*(np.log(np.asarray(side, dtype=np.float64)) for side in (baseline, canary)))


def rank_p_value(baseline: Floats, canary: Floats) -> float:
    """Give the p-value of Mann and Whitney's test that the canary's values are not larger.

    Args:
        baseline, canary: n and m values; both at least one.

    Returns:
        Exactly the share of all ways to hand out the ranks seen, ties as the mean of their ranks,
        in which the canary's add up to as much; by the normal distribution for more than a
        hundred values.
    """
    if len(baseline) + len(canary) > _COUNTED_MOST:
        if float(min(baseline.min(), canary.min())) == float(max(baseline.max(), canary.max())):
            return 1.0
        return float(mannwhitneyu(canary, baseline, alternative="greater").pvalue)
    # Twice a mean rank is a whole number.
    doubled = np.rint(2 * rankdata(np.concatenate([canary, baseline]))).astype(np.int64)
    ways = _ways(doubled, len(canary))
    return float(ways[int(doubled[: len(canary)].sum()) :].sum() / ways.sum())


def two_sided(p_greater: float, p_less: float) -> float:
    """Give the two-sided p-value of a pair of one-sided ones: twice the smaller."""
    return min(1.0, 2 * min(p_greater, p_less))


def median_interval(values: Floats, alpha: float) -> tuple[float, float, float]:
    """Give the bounds of a median between order statistics, and how sure they are.

    Args:
        values: n values, at least one.
        alpha: how often either bound may be on the wrong side of the median.

    Returns:
        Lower and upper bound and the share of samples in which they hold it; infinite bounds, with
        1, where there are too few values.

    Source: Thompson (1936), Annals of Mathematical Statistics 7(3).

    >>> median_interval(np.array([-10.0, 2, 3, 4, 5, 6]), 0.025)
    (-10.0, 6.0, 0.96875)
    """
    ordered, count = np.sort(values), len(values)
    # Values left out below the lower bound and above the upper one.
    outside = int(np.searchsorted(binom.cdf(np.arange(count), count, 0.5), alpha, side="right")) - 1
    if outside < 0:
        return -math.inf, math.inf, 1.0
    sure = 1 - 2 * float(binom.cdf(outside, count, 0.5))
    return float(ordered[outside]), float(ordered[count - 1 - outside]), sure


def _ways(ranks: Ints, chosen: int) -> Floats:
    """Count, for every sum, the ways to choose so many of some ranks that add up to it."""
    most = int(np.sort(ranks)[::-1][:chosen].sum())
    ways = np.zeros((chosen + 1, most + 1))
    ways[0, 0] = 1.0
    for rank in ranks.tolist():
        # numpy reads the right side whole before it writes the left: each rank is chosen once.
        ways[1:, rank:] += ways[:-1, : most + 1 - rank]
    counted: Floats = ways[chosen]
    return counted


@lru_cache(maxsize=64)
def _tail_places(baseline: int, canary: int, alpha: float) -> int:
    """Give how many differences, from either end, a bound at level alpha lies in; 0 for none."""
    pairs, runs = baseline * canary, baseline + canary
    if runs > _COUNTED_MOST:
        deviation = math.sqrt(pairs * (runs + 1) / 12)
        return max(0, math.floor(pairs / 2 - float(norm.isf(alpha)) * deviation + 0.5))
    ways = _ways(np.arange(1, runs + 1), canary)[canary * (canary + 1) // 2 :]
    # A level that is exactly reached is held: sums of shares round.
    share = np.cumsum(ways) / ways.sum()
    return int(np.searchsorted(share, alpha * (1 + 1e-12), side="right"))
