"""Whether functions' shares differ between sides: profiles dealt anew to both sides, many times.

Source: Phipson and Smyth (2010), Statistical Applications in Genetics and Molecular Biology 9(1),
for the p-value of random permutations; Pitman (1937), JRSS Supplement 4(1), for the t distribution
that approximates that of all permutations.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from pipeline.stats.profile_shares import Counts, Floats

PERMUTATIONS = 999
_COLUMNS_AT_ONCE = 4096
# Two splits whose differences are equal but for rounding are equal.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Permuted:
    """What permutations tell of each function.

    Attributes:
        counted: two-sided p-value: the share of splits at least as far apart as the observed one.
        p: the same, but where no other split comes near: of Student's t, as so few splits
            could never pass a correction for hundreds of functions.
        splits: how many were looked at, the observed one among them.
        exact: whether these are all there are.
    """

    counted: Floats
    p: Floats
    splits: int
    exact: bool


def permute(
    baseline: Counts,
    canary: Counts,
    functions: NDArray[np.int64],
    seed: int = 0,
    permutations: int = PERMUTATIONS,
) -> Permuted:
    """Test by permutations that sides do not differ, function by function.

    Args:
        baseline, canary: each with clusters.
        functions: columns to test.
        seed: of the random splits; the same one gives the same answer.
        permutations: how many random splits; all of them where these are no more.

    Returns:
        p-values in the order of ``functions``.
    """
    n = np.concatenate([baseline.n, canary.n])
    splits, exact = _splits(baseline.clusters, canary.clusters, permutations, seed)
    counted = np.ones(len(functions))
    p = np.ones(len(functions))
    for start in range(0, len(functions), _COLUMNS_AT_ONCE):
        part = slice(start, start + _COLUMNS_AT_ONCE)
        x = np.vstack([side.x[:, functions[part]].toarray() for side in (baseline, canary)])
        counted[part], p[part] = _p_values(x, n, splits, baseline.clusters, exact)
    return Permuted(counted, p, len(splits) + (not exact), exact)


def _splits(first: int, second: int, most: int, seed: int) -> tuple[Floats, bool]:
    """Give splits x clusters, 1 for the canary: all that there are, or random ones."""
    clusters = first + second
    if math.comb(clusters, second) <= most:
        chosen = np.array(list(itertools.combinations(range(clusters), second)))
        splits = np.zeros((len(chosen), clusters))
        np.put_along_axis(splits, chosen, 1.0, axis=1)
        return splits, True
    row = np.concatenate([np.zeros(first), np.ones(second)])
    generator = np.random.default_rng(seed)
    return generator.permuted(np.tile(row, (most, 1)), axis=1), False


def _p_values(
    x: Floats, n: Floats, splits: Floats, first: int, exact: bool
) -> tuple[Floats, Floats]:
    """Give both kinds of p-value of the columns of x, clusters x functions."""
    sizes = splits @ n
    rest = n.sum() - sizes
    sums = splits @ x
    apart = sums / sizes[:, None] - (x.sum(axis=0) - sums) / rest[:, None]
    observed = x[first:].sum(axis=0) / n[first:].sum() - x[:first].sum(axis=0) / n[:first].sum()
    farther = (np.abs(apart) >= np.abs(observed) * (1 - _ROUNDING) - _ROUNDING).sum(axis=0)
    own = 0 if exact else 1
    counted = (farther + own) / (len(splits) + own)
    # Of all splits the observed one is as far, and its mirror image where sides are equal.
    alone = farther <= (1 + (2 * first == len(n)) if exact else 0)
    tail = _student_tail(x - x.sum(axis=0) / n.sum() * n[:, None], first)
    return counted, np.where(alone, np.minimum(counted, tail), counted)


def _student_tail(residuals: Floats, first: int) -> Floats:
    """Give the two-sided p-value of the t distribution that all permutations come near.

    Args:
        residuals: clusters x functions: what is beyond the pooled share; columns add up to 0.
        first: how many of the clusters are the baseline's.
    """
    clusters = len(residuals)
    most = (residuals**2).sum(axis=0) * first * (clusters - first) / clusters
    sums = residuals[first:].sum(axis=0)
    # The squared correlation of residuals and sides, at most 1 but for rounding.
    r_squared = np.divide(sums**2, most, out=np.zeros_like(most), where=most > 0)
    r_squared = np.minimum(r_squared, 1 - _ROUNDING)
    t = np.sqrt(r_squared * (clusters - 2) / (1 - r_squared))
    return np.asarray(2 * student.sf(t, clusters - 2))
