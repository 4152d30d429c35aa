"""Which model of latency predicts best what it has not seen, by blocks that are held out.

Source: Burman, Chow and Nolan (1994), Biometrika 81(2), for held-out blocks of a series; Breiman,
Friedman, Olshen and Stone (1984), Classification and Regression Trees, section 3.4.3, for the
simplest within a standard error of the best.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.stats.bootstrap import Floats, Ints
from pipeline.stats.capacity_models import CONSTANT, Model
from pipeline.stats.capacity_points import LoadPoints

FOLDS = 5
# A constant must be as good as the best: by how much chance may have it.
_AS_WELL = 1.02
Bools = NDArray[np.bool_]


def folds(count: int) -> Floats:
    """Give FOLDS x n weights that leave out blocks by turns."""
    fold = (np.arange(count) * FOLDS * 2 // max(count, 1)) % FOLDS
    weights: Floats = (fold != np.arange(FOLDS)[:, None]).astype(np.float64)
    return weights


def counted(points: LoadPoints) -> Bools:
    """Tell which of n blocks errors count of: the busier half.

    A limit is about that, and where there is no wait all models are alike.
    """
    found: Bools = points.throughput >= np.median(points.throughput)
    return found


def errors(points: LoadPoints, model: Model, weights: Floats) -> Floats:
    """Give a model's d x n errors over what each row of weights left out; 0 of the rest."""
    out = (weights == 0) & counted(points)
    with np.errstate(divide="ignore", invalid="ignore"):
        predicted = np.maximum(model(weights, points.throughput), 1e-12)
        far = np.abs(np.log(predicted / points.latency_s))
    # What a model cannot tell at all is as far off as a factor of ten.
    found: Floats = np.where(np.isfinite(far), far, np.log(10)) * out
    return found


def simplest(errors: Floats, out: Bools, names: Sequence[str], by_chance: bool) -> Ints:
    """Give the first of m models that predicts as well as any, in every draw.

    But for chance that is within a standard error of what it errs more than the best; a constant
    must be as good.

    Args:
        errors: m x d x n, 0 where a block was not left out; infinite for a model without an answer.
        out: d x n, which were.
        names: m of the models.
        by_chance: whether models that are worse by chance alone are as good.
    """
    count = np.maximum(out.sum(axis=1), 1)
    means = errors.sum(axis=2) / count
    best = np.argmin(means, axis=0)
    least = means.min(axis=0)
    good = means <= _AS_WELL * least
    if by_chance:
        with np.errstate(invalid="ignore"):
            more = errors - errors[best, np.arange(len(best))]
            squares = (more**2).sum(axis=2) / count - (means - least) ** 2
            good |= means - least <= np.sqrt(np.maximum(squares, 0.0) / count)
    if CONSTANT in names:
        place = names.index(CONSTANT)
        good[place] = means[place] <= _AS_WELL * least
    found: Ints = np.argmax(good, axis=0)
    return found
