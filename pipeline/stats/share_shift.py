"""How much larger a share of requests is on one side: errors, mostly.

Where either side expects few of them an exact test of counts stands in for the normal one, with
both counts made smaller by what instances and minutes add to chance.

Source: Newcombe (1998), Statistics in Medicine 17(8), method 10, for the interval of a difference;
Przyborowski and Wilenski (1940), Biometrika 31, for the conditional test.
"""

import math
from dataclasses import dataclass

from pipeline.stats.cells import Floats, Side
from pipeline.stats.clusters import ratio_variance
from pipeline.stats.distributions import binomial_sf, student_sf
from pipeline.stats.proportions import wilson_interval

# A side that expects fewer has too few for a normal distribution.
EXPECTED_LEAST = 10.0


@dataclass(frozen=True)
class ShareShift:
    """What is found of a share.

    Attributes:
        shares: of baseline and canary.
        error: standard error of their difference.
        df: its degrees of freedom.
        inflation: how many times more the difference varies than that of independent requests.
        effective: requests of both sides, as if unweighted, divided by ``inflation``.
        exact: whether few were expected, and so counts decide.
    """

    shares: tuple[float, float]
    error: float
    df: float
    inflation: float
    effective: tuple[float, float]
    exact: bool

    @property
    def difference(self) -> float:
        """Give canary less baseline."""
        return self.shares[1] - self.shares[0]

    def p_value(self) -> float:
        """Give the one-sided p-value of a canary whose share is no larger."""
        if not self.exact:
            if self.error == 0.0:
                return 0.0 if self.difference > 0 else 1.0
            return student_sf(self.difference / self.error, self.df)
        baseline, canary = (share * n for share, n in zip(self.shares, self.effective, strict=True))
        both = round(baseline + canary)
        seen = math.floor(canary + 1e-9)
        return binomial_sf(seen - 1, both, self.effective[1] / sum(self.effective))

    def bounds(self, alpha: float) -> tuple[float, float]:
        """Give the bounds of the difference at one-sided level alpha each."""
        return newcombe(self.shares, self.effective, 1 - 2 * alpha)


def newcombe(
    shares: tuple[float, float], sizes: tuple[float, float], confidence: float
) -> tuple[float, float]:
    """Give Newcombe's interval of the second of two shares less the first, told by so many each.

    >>> [round(bound, 4) for bound in newcombe((48 / 80, 56 / 70), (80, 70), 0.95)]
    [0.0524, 0.3339]
    """
    first, second = shares
    (low_f, high_f), (low_s, high_s) = (
        wilson(share, n, confidence) for share, n in zip(shares, sizes, strict=True)
    )
    low = second - first - math.hypot(second - low_s, high_f - first)
    return low, second - first + math.hypot(high_s - second, first - low_f)


def wilson(share: float, n: float, confidence: float) -> tuple[float, float]:
    """Give Wilson's interval of one share, of which n requests tell."""
    low, high = wilson_interval([share], [n], confidence)
    return float(low[0]), float(high[0])


def share_shift(baseline: Side, canary: Side, above: list[Floats]) -> ShareShift:
    """Compare a share of requests.

    Args:
        baseline, canary: all requests of the sides, each with some.
        above: of each the requests that count, by cell, instances x minutes.
    """
    sides = (baseline, canary)
    shares = [float(each.sum()) / side.total for each, side in zip(above, sides, strict=True)]
    variance, df = ratio_variance(sides, above)
    pooled = sum(float(each.sum()) for each in above) / sum(side.total for side in sides)
    least = pooled * (1 - pooled) * sum(1 / side.effective for side in sides)
    inflation = max(1.0, variance / least) if least > 0 else 1.0
    expected = min(side.effective * pooled for side in sides)
    effective = [side.effective / inflation for side in sides]
    return ShareShift(
        (shares[0], shares[1]),
        math.sqrt(variance),
        df,
        inflation,
        (effective[0], effective[1]),
        expected < EXPECTED_LEAST,
    )
