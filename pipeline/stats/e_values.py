"""Evidence that may be looked at any number of times: e-values of a shift, and their intervals.

A mixture of likelihood ratios over effects, for a Student statistic: under no effect it exceeds
1/a at any of endless looks no more often than a. Both methods of ``shift`` speak, by the geometric
mean of their e-values, which is one because it never exceeds the arithmetic mean: instances and
drifting minutes, which one method alone may take for a shift, are not taken for one.

Errors are estimated, so the scores are Student's only nearly; ``tests/simulate/sequential.py``
measures what that comes to.

Source: Robbins (1970), Annals of Mathematical Statistics 41(5), for the mixture; Lai (1976), Annals
of Statistics 4(2), for the Student statistic; Vovk and Wang (2021), Annals of Statistics 49(3), for
combining e-values.
"""

import math
from dataclasses import dataclass

from scipy.optimize import brentq

from pipeline.stats.shift import Estimate, Shift

# Blocks of time before which there is no evidence: what varies from one to the next is not known.
LEAST_BLOCKS = 7

# Standard errors between which the ends of intervals are looked for, and the least of one.
_NEAREST, _FARTHEST = 1e-6, 1e4
_LEAST_ERROR = 1e-12

# Requests above the quantile that a block holds at least, on the smaller side.
_ABOVE_A_BLOCK = 5.0


@dataclass(frozen=True)
class Evidence:
    """What is known at a look of one quantile's shift, however many looks there were.

    Attributes:
        log_e_worse: logarithm of the e-value against a shift of at most the margin.
        log_e_within: of that against a shift of the margin or more.
        low, high: the shift's bounds at one-sided level alpha each, over all looks, in logarithms.
        blocks: of time that it is made of.
    """

    log_e_worse: float
    log_e_within: float
    low: float
    high: float
    blocks: int

    @property
    def p_value(self) -> float:
        """Give the one-sided p-value of a shift of at most the margin, over all looks."""
        return anytime_p_value(self.log_e_worse)


def evidence(
    shift: Shift, minutes: int, requests: float, p: float, margin: float, alpha: float
) -> Evidence | None:
    """Weigh a shift so that it may be looked at again.

    Args:
        shift: what both methods found in the minutes so far.
        minutes: how many those are.
        requests: of the side that has fewer.
        p: the quantile.
        margin: the most that is let through, as a logarithm.
        alpha: one-sided level, between 0 and 0.5.

    Returns:
        The evidence; None before there are LEAST_BLOCKS blocks.
    """
    blocks = blocks_of(minutes, requests, p)
    if shift.blocks is None or blocks < LEAST_BLOCKS:
        return None
    mixing = mixing_of(LEAST_BLOCKS + 1, alpha)
    return Evidence(
        log_e_of_shift(shift, blocks, mixing, margin),
        log_e_of_shift(shift.mirrored(), blocks, mixing, -margin),
        -_upper(shift.mirrored(), blocks, mixing, alpha),
        _upper(shift, blocks, mixing, alpha),
        blocks,
    )


def log_e_of_shift(shift: Shift, blocks: int, mixing: float, margin: float) -> float:
    """Give the logarithm of both methods' geometric mean e-value against at most a margin.

    Args:
        shift: what both methods found.
        blocks: of time that it is made of.
        mixing: the mixture's weight, above 0.
        margin: a logarithm.
    """
    found = shift.estimates
    logs = [log_e_value(_score(each, margin), blocks, each.df, mixing) for each in found]
    return -math.inf if -math.inf in logs else sum(logs) / len(logs)


def blocks_of(minutes: int, requests: float, p: float) -> int:
    """Give how many blocks method B makes of minutes: each with 5 requests above the quantile.

    >>> blocks_of(30, 3000, 0.95), blocks_of(30, 3000, 0.99)
    (30, 6)
    """
    above = requests / minutes * (1 - p) if minutes else 0.0
    # 1e-9: five requests a block are five, whatever the division leaves.
    return minutes // max(1, math.ceil(_ABOVE_A_BLOCK / above - 1e-9)) if above > 0 else 0


def mixing_of(blocks: int, alpha: float) -> float:
    """Give the weight of the mixture for which the interval is narrowest after so many blocks.

    >>> round(mixing_of(8, 0.01), 2)
    0.74
    """
    # a = 2 alpha: the e-value takes both directions, of which one is asked about.
    doubled = -2.0 * math.log(2.0 * alpha)
    return blocks / (doubled + math.log(doubled) + 1.0)


def log_e_value(score: float, blocks: float, df: float, mixing: float) -> float:
    """Give the logarithm of the e-value of a Student statistic; minus infinity where it is not
    above zero.

    Args:
        score: estimate over standard error.
        blocks: n, independent parts that it is made of.
        df: its degrees of freedom, above 0.
        mixing: the mixture's weight, above 0.

    >>> round(log_e_value(5.0, 10, 9, 0.73), 2)
    4.44
    """
    if score <= 0:
        return -math.inf
    if math.isinf(score):
        return math.inf
    kept = mixing / (mixing + blocks)
    square = score * score / df
    apart = math.log1p(square) - math.log1p(kept * square)
    return 0.5 * math.log(kept) + (df + 1.0) / 2.0 * apart


def reach(blocks: float, df: float, alpha: float, mixing: float) -> float:
    """Give the score whose e-value is 1/(2 alpha); infinite where no score has one."""
    kept = mixing / (mixing + blocks)
    needed = (-math.log(2.0 * alpha) - 0.5 * math.log(kept)) * 2.0 / (df + 1.0)
    if needed + math.log(kept) >= 0:
        return math.inf
    ratio = math.exp(needed)
    return math.sqrt(df * (ratio - 1.0) / (1.0 - ratio * kept))


def anytime_p_value(log_e: float) -> float:
    """Give the one-sided p-value that an e-value stands for: 1/(2E).

    >>> anytime_p_value(math.log(50))
    0.01
    """
    return min(1.0, 0.5 * math.exp(-log_e)) if log_e > -math.inf else 1.0


def _score(found: Estimate, margin: float) -> float:
    """Give how many standard errors an estimate lies above a margin."""
    if margin == 0.0 and found.statistic is not None:
        return found.statistic
    apart = found.log_effect - margin
    return apart / found.error if found.error > 0 else math.copysign(math.inf, apart or -1.0)


def _upper(shift: Shift, blocks: int, mixing: float, alpha: float) -> float:
    """Give the least shift that the e-values of both methods exclude with all above it.

    Returns:
        A logarithm; infinite where so few degrees of freedom exclude nothing.
    """
    found = shift.estimates
    highest = max(each.log_effect for each in found)
    error = max(max(each.error for each in found), _LEAST_ERROR)
    needed = -math.log(2.0 * alpha)

    def excess(distance: float) -> float:
        scores = [
            (highest + distance - each.log_effect) / max(each.error, _LEAST_ERROR) for each in found
        ]
        logs = [
            log_e_value(score, blocks, each.df, mixing)
            for score, each in zip(scores, found, strict=True)
        ]
        return sum(logs) / len(logs) - needed

    nearest, farthest = _NEAREST * error, _FARTHEST * error
    if excess(nearest) >= 0:
        return highest
    if excess(farthest) <= 0:
        return math.inf
    return highest + float(brentq(excess, nearest, farthest, xtol=1e-9 * error))
