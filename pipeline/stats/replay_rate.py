"""How often replays come to something, when replays of one window are alike.

Windows are clusters: where events crowd into a few of them, the replays tell as much as fewer
independent ones would, and the interval is as much wider.

Source: Kish (1965), Survey Sampling, section 5.4, for the design effect; Wilson (1927),
JASA 22(158), for the interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.stats.proportions import wilson_interval


@dataclass(frozen=True)
class Rate:
    """How often something happened.

    Attributes:
        events: how often it did.
        replays: how often it could have.
        low, high: bounds of the share, at 95 %.
    """

    events: int
    replays: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Give events over replays; NaN for no replay."""
        return self.events / self.replays if self.replays else float("nan")


NO_RATE = Rate(0, 0, 0.0, 1.0)


def rate_of(events: Sequence[bool], windows: Sequence[int]) -> Rate:
    """Give the rate of events with its interval.

    Args:
        events: n replays, whether it happened.
        windows: n numbers of the windows that they replay.

    Returns:
        The rate; bounds 0 and 1 for no replay.

    >>> rate = rate_of([True, False, False, False], [0, 1, 2, 3])
    >>> rate.share, round(rate.low, 3), round(rate.high, 3)
    (0.25, 0.046, 0.699)
    """
    count = len(events)
    if not count:
        return NO_RATE
    happened = np.asarray(events, dtype=np.float64)
    share = float(happened.mean())
    _, cluster = np.unique(np.asarray(windows), return_inverse=True)
    sums = np.bincount(cluster, weights=happened - share)
    clusters = len(sums)
    effect = 1.0
    independent = share * (1 - share) * count
    if 1 < clusters < count and independent > 0:
        effect = max(1.0, clusters / (clusters - 1) * float((sums**2).sum()) / independent)
    low, high = wilson_interval([share], [count / effect])
    return Rate(int(happened.sum()), count, float(low[0]), float(high[0]))
