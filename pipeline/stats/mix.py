"""Weights that give a baseline's requests the canary's mix of strata.

Source: DiNardo, Fortin and Lemieux (1996), Econometrica 64(5), for reweighting one sample to
another's composition.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.stats.cells import Floats

# A stratum needs so many requests on each side; a request stands for this many others at most.
LEAST_REQUESTS = 20.0
MOST_WEIGHT = 20.0


@dataclass(frozen=True)
class Weights:
    """What the requests of each stratum count for.

    Attributes:
        factors: s factors of the baseline's requests; 0 where a stratum is dropped.
        kept: whether each of s strata is compared, on either side.
        dropped: share of requests in strata that are not, of the side where it is larger.
        capped: how many strata would have counted for more.
    """

    factors: Floats
    kept: NDArray[np.bool_]
    dropped: float
    capped: int


def mix_weights(baseline: Floats, canary: Floats) -> Weights:
    """Weigh a baseline's strata so that each has the canary's share.

    Args:
        baseline, canary: s requests by stratum, each side with some.

    Returns:
        The weights; with no stratum kept all factors are 0.

    >>> mix_weights(np.array([300.0, 100.0]), np.array([100.0, 300.0])).factors.round(3).tolist()
    [0.333, 3.0]
    """
    kept = (baseline >= LEAST_REQUESTS) & (canary >= LEAST_REQUESTS)
    dropped = max(float(side[~kept].sum() / side.sum()) for side in (baseline, canary))
    factors = np.zeros(len(baseline))
    if not kept.any():
        return Weights(factors, kept, dropped, 0)
    shares = [side[kept] / side[kept].sum() for side in (baseline, canary)]
    wanted = shares[1] / shares[0]
    factors[kept] = np.minimum(wanted, MOST_WEIGHT)
    return Weights(factors, kept, dropped, int((wanted > MOST_WEIGHT).sum()))
