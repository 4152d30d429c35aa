"""Tails of distributions by scipy.special: loading scipy.stats takes longer than a judgement.

Source: Abramowitz and Stegun (1964), 26.5.24, for a binomial's tail as an incomplete beta function.
"""

from scipy.special import betainc, ndtr, ndtri, stdtr, stdtrit

# Scales the median absolute deviation to sigma for normal data (Iglewicz and Hoaglin, 1993).
MAD_TO_SIGMA = 1.4826


def normal_sf(value: float) -> float:
    """Give the chance of a larger value: ``scipy.stats.norm.sf``."""
    return float(ndtr(-value))


def normal_isf(chance: float) -> float:
    """Give the value that is exceeded with a chance: ``scipy.stats.norm.isf``."""
    return float(-ndtri(chance))


def student_sf(statistic: float, df: float) -> float:
    """Give the chance of a larger Student statistic: ``scipy.stats.t.sf``."""
    return float(stdtr(df, -statistic))


def student_isf(chance: float, df: float) -> float:
    """Give the statistic that is exceeded with a chance: ``scipy.stats.t.isf``."""
    return float(-stdtrit(df, chance))


def binomial_sf(count: int, trials: int, chance: float) -> float:
    """Give the chance of more successes than ``count``: ``scipy.stats.binom.sf``.

    >>> binomial_sf(0, 2, 0.5)
    0.75
    """
    if count < 0:
        return 1.0
    if count >= trials:
        return 0.0
    return float(betainc(count + 1, trials - count, chance))
