"""Safe load: the least of what latency, CPU, memory and pools allow, and the replicas for more."""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.stats.bootstrap import UNKNOWN, Floats, Interval, percentiles

MOST_UTILISATION = 0.7
MOST_MEMORY = 0.85
MOST_POOL = 0.8
MOST_OF_PEAK = 0.8
# Of the highest load seen: beyond it, an answer is a guess of the model.
EXTRAPOLATED = 1.2

FITS, DOES_NOT_FIT, UNDECIDED = "fits", "does_not_fit", "undecided"


@dataclass(frozen=True)
class Limit:
    """What one resource allows an instance.

    Attributes:
        resource: its name.
        per_second: most requests a second; NaN where not identified.
        reason: why it is not identified; empty where it is.
    """

    resource: str
    per_second: Interval
    reason: str = ""


@dataclass(frozen=True)
class SafeLoad:
    """What an instance can take.

    Attributes:
        per_second: requests a second; ``low`` is what can be relied on.
        binding, second: resources of the least limit and the next; empty for none.
        distance: by which share the second is above the first; NaN for none.
        headroom: share of the safe load that the busiest bucket left free; may be negative.
        seen_per_second: the highest load of an instance that was seen.
        extrapolated: whether ``per_second.low`` is far above that.
    """

    per_second: Interval
    binding: str
    second: str
    distance: float
    headroom: Interval
    seen_per_second: float
    extrapolated: bool


@dataclass(frozen=True)
class Replicas:
    """How many instances a target needs.

    Attributes:
        target_per_second: of the whole service.
        needed: instances, the unfavourable end as ``high``; with one to spare, and zones.
        zones: of which one may be lost.
        instances: that there are.
        outcome: FITS, DOES_NOT_FIT or UNDECIDED, in the instances that there are.
        extrapolated: whether an instance would bear more than was seen.
    """

    target_per_second: float
    needed: Interval
    zones: int
    instances: int
    outcome: str
    extrapolated: bool


def not_identified(resource: str, reason: str) -> Limit:
    """Give the limit of a resource of which too little is known."""
    return Limit(resource, UNKNOWN, reason)


def ratio_limit(
    resource: str, most: float, base: float, each: float, draws: Floats, per: float = 1.0
) -> Limit:
    """Give (most - base) / each / per, where base and each were drawn too.

    Args:
        resource: its name.
        most: what may be used of it.
        base, each: what is used without requests, and by each.
        draws: d x 2 of base and each; without any there is no interval.
        per: requests in flight for a request a second, where ``each`` is of those in flight.

    >>> draws = np.array([[0.0, 0.1], [0.0, 0.2]])
    >>> ratio_limit("cpu", 1.0, 0.0, 0.125, draws).per_second.low
    5.0
    """
    if not each > 0:
        return not_identified(resource, "a request adds nothing to it beyond chance")
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = np.maximum((most - draws[:, 0]) / draws[:, 1], 0.0) / per
    drawn[draws[:, 1] <= 0] = np.inf
    return Limit(resource, percentiles(max(most - base, 0.0) / each / per, drawn))


def safe_load(limits: tuple[Limit, ...], seen_per_second: float, peak: float) -> SafeLoad:
    """Take the least of the limits that are known, at their unfavourable ends.

    Args:
        limits: of all resources.
        seen_per_second: the highest load of an instance that was seen.
        peak: the load of the busiest instance today.

    >>> cpu = Limit("cpu", Interval(50.0, 40.0, 60.0))
    >>> found = safe_load((cpu, Limit("latency", Interval(90.0, 80.0, 95.0))), 30.0, 20.0)
    >>> found.binding, found.per_second.low, found.distance, found.headroom.low, found.extrapolated
    ('cpu', 40.0, 1.0, 0.5, True)
    """
    known = [each for each in limits if not math.isnan(each.per_second.low)]
    # The sort is stable: of equal limits the first is the binding one.
    known.sort(key=lambda each: each.per_second.low)
    finite = [each for each in known if math.isfinite(each.per_second.low)]
    if not finite:
        return SafeLoad(UNKNOWN, "", "", math.nan, UNKNOWN, seen_per_second, False)
    first = finite[0]
    least = Interval(
        min(each.per_second.estimate for each in finite),
        first.per_second.low,
        min(each.per_second.high for each in finite),
    )
    second = finite[1] if len(finite) > 1 else None
    distance = second.per_second.low / least.low - 1 if second and least.low > 0 else math.nan
    return SafeLoad(
        least,
        first.resource,
        second.resource if second else "",
        distance,
        Interval(*(_headroom(peak, each) for each in (least.estimate, least.low, least.high))),
        seen_per_second,
        least.low > EXTRAPOLATED * seen_per_second,
    )


def replicas(safe: SafeLoad, target_per_second: float, instances: int, zones: int) -> Replicas:
    """Give how many instances a target needs, with one to spare and one zone lost.

    >>> load = safe_load((Limit("cpu", Interval(50.0, 40.0, 60.0)),), 45.0, 20.0)
    >>> found = replicas(load, 200.0, 4, 3)
    >>> found.needed, found.outcome
    (Interval(estimate=8.0, low=8.0, high=9.0), 'does_not_fit')
    """
    ends = [safe.per_second.estimate, safe.per_second.high, safe.per_second.low]
    needed = Interval(*(_needed(target_per_second, each, zones) for each in ends))
    if math.isnan(needed.high):
        outcome = UNDECIDED
    elif needed.high <= instances:
        outcome = FITS
    else:
        outcome = DOES_NOT_FIT if needed.low > instances else UNDECIDED
    borne = min(safe.per_second.low, target_per_second / max(instances, 1))
    beyond = borne > EXTRAPOLATED * safe.seen_per_second
    return Replicas(target_per_second, needed, zones, instances, outcome, beyond)


def _needed(target: float, safe: float, zones: int) -> float:
    """Give instances for a target; NaN where the safe load is not known."""
    if math.isnan(safe):
        return math.nan
    if safe <= 0:
        return math.inf
    spared = math.ceil(target / safe - 1e-9) + 1
    return float(math.ceil(spared * zones / (zones - 1) - 1e-9)) if zones > 1 else float(spared)


def _headroom(peak: float, safe: float) -> float:
    return 1 - peak / safe if safe > 0 else -math.inf
