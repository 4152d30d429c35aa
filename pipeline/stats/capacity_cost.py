"""What a million requests cost: CPU and memory that were used, at the prices of an hour."""

from dataclasses import dataclass

import numpy as np

from pipeline.stats.bootstrap import UNKNOWN, Floats, Interval, percentiles
from pipeline.stats.capacity_buckets import CapacityBuckets
from pipeline.stats.capacity_draws import spread_draws

LEAST_BUCKETS = 10
_HOUR_S = 3600.0
_MILLION = 1e6
_GIB = 2.0**30


@dataclass(frozen=True)
class Cost:
    """A cost.

    Attributes:
        reason: why it is not identified; empty where it is.
        per_million: of a million requests, background included, in the currency of the prices.
        draws: d of them; empty where not identified.
        buckets: that count.
    """

    reason: str
    per_million: Interval
    draws: Floats
    buckets: int


def cost_per_million(
    buckets: CapacityBuckets, cpu_price: float, memory_price: float, key: tuple[str, ...]
) -> Cost:
    """Work out what a million requests cost, of the traffic that was seen.

    Args:
        buckets: n buckets; those where something that has a price is not known are left out.
        cpu_price, memory_price: of a core and of a GiB for an hour.
        key: what they are of; draws depend on it alone.
    """
    spent = np.zeros(len(buckets.start_s))
    if cpu_price:
        spent = spent + buckets.cpu_cores * cpu_price / _HOUR_S
    if memory_price:
        spent = spent + buckets.memory_bytes / _GIB * memory_price / _HOUR_S
    known = np.isfinite(spent)
    spent, load = spent[known], buckets.throughput_per_s[known]
    if len(spent) < LEAST_BUCKETS or not load.sum() > 0:
        priced = " and ".join(
            name for name, price in (("CPU", cpu_price), ("memory", memory_price)) if price
        )
        reason = f"{len(spent)} buckets with {priced}, {LEAST_BUCKETS} are needed"
        return Cost(reason, UNKNOWN, np.zeros(0), len(spent))

    def ratio(places: np.ndarray) -> Floats:
        requests = load[places].sum()
        return np.array([_MILLION * spent[places].sum() / requests if requests > 0 else np.nan])

    every, drawn = spread_draws(ratio, buckets.moments.of(known), (*key, "cost"))
    draws = drawn[:, 0]
    return Cost("", percentiles(float(every[0]), draws), draws, len(spent))


def cost_change(before: Cost, after: Cost) -> Interval:
    """Give by which share a cost rose; NaN where one of the two is not known.

    >>> one = Cost("", Interval(2.0, 2.0, 2.0), np.array([2.0]), 10)
    >>> cost_change(one, Cost("", Interval(3.0, 3.0, 3.0), np.array([3.0]), 10)).estimate
    0.5
    """
    if before.reason or after.reason or not before.per_million.estimate > 0:
        return UNKNOWN
    with np.errstate(divide="ignore", invalid="ignore"):
        draws = after.draws / before.draws - 1
    return percentiles(after.per_million.estimate / before.per_million.estimate - 1, draws)
