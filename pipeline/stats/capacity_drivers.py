"""What CPU time follows: requests, or calls, messages, rows or bytes that are sent beside them.

Each is a regression of busy cores without negative costs, within instances, judged by the blocks
of time that it did not see. Requests are the one to beat: in all, or by operation where that is
better, so that a driver is not named for telling the operations apart.

Source: Burman, Chow and Nolan (1994), Biometrika 81(2), for blocks of a series that are held out;
Cochran (1977), Sampling Techniques, section 6.4, for the error of a ratio of sums; Dunn (1961),
Journal of the American Statistical Association 56(293), for intervals that hold all at once.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls
from scipy.special import stdtrit

from pipeline.stats.bootstrap import CONFIDENCE, Floats, Interval, Ints
from pipeline.stats.capacity_buckets import CapacityBuckets
from pipeline.stats.capacity_classes import merged_classes
from pipeline.stats.capacity_demand import LEAST_BUCKETS
from pipeline.stats.capacity_draws import BLOCK, group_means
from pipeline.stats.capacity_flat import LEAST_R_SQUARED, is_flat, variation

REQUESTS, BY_OPERATION = "requests", "requests by operation"
NOTHING_SENT = (
    "spans tell of no calls, messages, rows or bytes; send client spans with db.system.name, "
    "http.request.method, rpc.system.name or messaging.system, or http.request.body.size"
)
# Of R squared: less of it is no reason to count anything but requests.
LEAST_GAIN = 0.02
_FOLDS = 5
_LEAST_BLOCKS = 6
# More blocks tell hardly more, and longer ones hang together less.
_MOST_BLOCKS = 40


@dataclass(frozen=True)
class Drivers:
    """k amounts of what a service did beside its requests, by bucket.

    Attributes:
        names: k, such as ``db calls``; only of what is sent.
        per_second: n x k, in the order of the buckets.
    """

    names: tuple[str, ...]
    per_second: Floats


@dataclass(frozen=True)
class Driver:
    """One candidate.

    Attributes:
        name: of it.
        r_squared: of busy cores against it alone, on blocks held out; below 0 where it tells less
            than the mean does.
        gain: R squared above that of requests; the bounds hold for all candidates at once.
        per_request: how much of it there was for a request.
        variation: standard deviation by mean.
    """

    name: str
    r_squared: float
    gain: Interval
    per_request: float
    variation: float

    @property
    def is_better(self) -> bool:
        """Tell whether CPU time follows it, and more than requests beyond chance."""
        beyond = self.gain.low > 0 and self.gain.estimate >= LEAST_GAIN
        return beyond and self.r_squared >= LEAST_R_SQUARED


@dataclass(frozen=True)
class DriverScan:
    """What was tried.

    Attributes:
        reason: why it is not identified; empty where it is.
        beaten: what was to beat: REQUESTS, or BY_OPERATION where that is better.
        r_squared: of busy cores against that, on blocks held out.
        drivers: the best first; empty where not identified.
        blocks, buckets: that count.
    """

    reason: str
    beaten: str
    r_squared: float
    drivers: tuple[Driver, ...]
    blocks: int
    buckets: int

    @property
    def named(self) -> Driver | None:
        """Give what CPU time follows better than requests; None where nothing is."""
        return next((each for each in self.drivers if each.is_better), None)


def scan_drivers(buckets: CapacityBuckets, drivers: Drivers, lag: int = 0) -> DriverScan:
    """Hold each driver against requests.

    Args:
        buckets: n buckets; those without CPU are left out.
        drivers: of the same n buckets.
        lag: buckets by which CPU time comes late.
    """
    cores = buckets.shifted(buckets.cpu_cores, lag)
    known = np.isfinite(cores)
    load, cores, moments = buckets.completions_per_s[known], cores[known], buckets.moments.of(known)
    amounts = drivers.per_second[known]
    block = _blocks(moments.start_s)
    count = int(block.max(initial=-1)) + 1
    reason = "" if drivers.names else NOTHING_SENT
    reason = reason or _why_not(load.sum(axis=1), cores, count)
    if reason:
        return _nothing(reason, count, len(cores))
    squares = _Squares(cores, np.unique(moments.instance, return_inverse=True)[1], block)
    varied = squares.of(np.zeros((len(cores), 0)))
    if not varied.sum() > 0:
        return _nothing("CPU time is the same in all buckets", count, len(cores))
    tried = {REQUESTS: squares.of(load.sum(axis=1)[:, None])}
    groups = merged_classes(load)
    if len(groups) > 1:
        classes = np.column_stack([load[:, group].sum(axis=1) for group in groups])
        tried[BY_OPERATION] = squares.of(classes)
    beaten = min(tried, key=lambda name: float(tried[name].sum()))
    requests = load.sum()
    found = []
    for name, column in zip(drivers.names, amounts.T, strict=True):
        left = squares.of(column[:, None])
        driver = Driver(
            name,
            float(1 - left.sum() / varied.sum()),
            ratio_of_sums(tried[beaten] - left, varied, len(drivers.names)),
            float(column.sum() / requests),
            variation(column),
        )
        found.append(driver)
    found.sort(key=lambda each: (-each.r_squared, each.name))
    r_squared = float(1 - tried[beaten].sum() / varied.sum())
    return DriverScan("", beaten, r_squared, tuple(found), count, len(cores))


def ratio_of_sums(top: Floats, below: Floats, intervals: int = 1) -> Interval:
    """Give a ratio of sums over m blocks, 2 or more, with its 90 % interval.

    Args:
        top, below: m parts of the sums.
        intervals: so many hold all at once.

    >>> ratio_of_sums(np.array([1.0, 1.0]), np.array([2.0, 2.0]))
    Interval(estimate=0.5, low=0.5, high=0.5)
    """
    estimate = float(top.sum() / below.sum())
    blocks = len(top)
    apart = top - estimate * below
    error = float(np.sqrt(blocks / (blocks - 1) * (apart**2).sum()) / below.sum())
    reach = float(stdtrit(blocks - 1, 1 - (1 - CONFIDENCE) / 2 / intervals)) * error
    return Interval(estimate, estimate - reach, estimate + reach)


def _nothing(reason: str, blocks: int, buckets: int) -> DriverScan:
    """Give what is known where nothing is identified."""
    return DriverScan(reason, "", np.nan, (), blocks, buckets)


def _blocks(start_s: Floats) -> Ints:
    """Give n numbers of blocks of moments: all instances of a moment are in one."""
    times, place = np.unique(start_s, return_inverse=True)
    length = max(1, min(BLOCK, len(times) // _LEAST_BLOCKS), -(-len(times) // _MOST_BLOCKS))
    found: Ints = (place // length).astype(np.int64)
    return found


def _why_not(load: Floats, cores: Floats, blocks: int) -> str:
    """Say why it cannot be told what CPU follows; empty where it can."""
    count = len(load)
    if count < LEAST_BUCKETS or blocks < _LEAST_BLOCKS:
        return (
            f"{count} buckets with requests and CPU time, {LEAST_BUCKETS} at {_LEAST_BLOCKS} or "
            "more moments are needed: watch longer or cut shorter buckets"
        )
    shakes = load.std() > 0 and cores.std() > 0
    explained = float(np.corrcoef(load, cores)[0, 1]) ** 2 if shakes else 0.0
    if is_flat(load, explained, count):
        return (
            f"requests vary by {100 * variation(load):.0f} % about their mean and explain "
            f"{100 * explained:.0f} % of CPU time: nothing can be held against them; ramp the load"
        )
    return ""


@dataclass(frozen=True)
class _Squares:
    """What regressions leave of n busy cores, of instances, in blocks of time."""

    cores: Floats
    instance: Ints
    block: Ints

    def of(self, design: Floats) -> Floats:
        """Give the squares that n x p columns leave of each of m blocks as it is held out.

        Instances have levels of their own, those of the blocks that are seen; one that is in no
        other block tells nothing. Of no columns it is what is to be explained.
        """
        both = np.column_stack([design, self.cores])
        left = np.zeros(len(both))
        for fold in range(_FOLDS):
            out = self.block % _FOLDS == fold
            apart = both - group_means(both, self.instance, (~out).astype(float))[self.instance]
            seen = apart[~out]
            costs = nnls(seen[:, :-1], seen[:, -1])[0] if design.shape[1] else np.zeros(0)
            left[out] = apart[out, -1] - apart[out, :-1] @ costs
        return np.bincount(self.block, np.nan_to_num(left) ** 2).astype(np.float64)
