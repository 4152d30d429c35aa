"""A canary judge as Kayenta's is documented: ranks of per-minute values, a share of the shift.

It stands beside ours in the tables of ``make simulate``. The interval is that of R's
``wilcox.test(conf.int = TRUE, correct = TRUE)`` for large samples; the tolerance is a share of the
estimated shift itself, and there are no instances. Constant series get no random noise here.

Source: Bauer (1972), Journal of the American Statistical Association 67(339), for the interval.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm, rankdata

from pipeline.stats.cells import Floats

TOLERANCE = 0.25
LEVEL = 0.98
HIGH, LOW, PASS = "High", "Low", "Pass"

# R's uniroot stops there as well.
_ROOT = 1e-4


def classify(
    control: Floats,
    experiment: Floats,
    direction: str = "increase",
    tolerance: float = TOLERANCE,
    level: float = LEVEL,
) -> str:
    """Say High, Low or Pass.

    Args:
        control, experiment: values, in any order; at least one each.
        direction: increase, decrease or either.
    """
    if np.array_equal(control, experiment):
        return PASS
    estimate, low, high = shift_interval(control, experiment, level)
    reach = tolerance * abs(estimate)
    if direction != "decrease" and low > reach:
        return HIGH
    if direction != "increase" and high < -reach:
        return LOW
    return PASS


def shift_interval(control: Floats, experiment: Floats, level: float) -> tuple[float, float, float]:
    """Estimate by how much the experiment lies above the control, with bounds."""
    least, most = experiment.min() - control.max(), experiment.max() - control.min()
    beyond = float(norm.isf((1 - level) / 2))

    def root(wanted: float, correct: bool) -> float:
        if rank_score(control, experiment, least, correct) <= wanted:
            return float(least)
        if rank_score(control, experiment, most, correct) >= wanted:
            return float(most)
        return float(
            brentq(
                lambda shift: rank_score(control, experiment, shift, correct) - wanted,
                least,
                most,
                xtol=_ROOT,
            )
        )

    return root(0.0, False), root(beyond, True), root(-beyond, True)


def rank_score(control: Floats, experiment: Floats, shift: float, correct: bool) -> float:
    """Give the standardised rank sum of the experiment, moved down by a shift."""
    n, m = len(experiment), len(control)
    ranks = rankdata(np.concatenate([experiment - shift, control]))
    centred = float(ranks[:n].sum()) - n * (n + 1) / 2 - n * m / 2
    if correct:
        centred -= 0.5 * float(np.sign(centred))
    _, ties = np.unique(ranks, return_counts=True)
    tied = float((ties**3 - ties).sum()) / ((n + m) * (n + m - 1))
    deviation = float(np.sqrt(n * m / 12 * (n + m + 1 - tied)))
    return centred / deviation if deviation > 0 else 0.0
