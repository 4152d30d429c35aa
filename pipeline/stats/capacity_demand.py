"""CPU seconds that a request of each operation costs, by two estimators that check each other.

U_t = sum over operations of X_ct D_c + U_0: busy cores, completions a second, and background. The
first estimator deals the CPU above the background out by self time; the second is a regression
without negative costs.

Source: Kraft et al. (2009), VALUETOOLS, for demands from utilisation; Lawson and Hanson (1974),
Solving Least Squares Problems, chapter 23, for costs that are not negative.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from pipeline.stats.bootstrap import Floats, Interval, percentiles
from pipeline.stats.capacity_buckets import CapacityBuckets
from pipeline.stats.capacity_draws import spread_draws

LEAST_BUCKETS = 30
LEAST_VARIATION = 0.2
LEAST_T, LEAST_R_SQUARED = 3.0, 0.3
MOST_CONDITION = 30.0
_MOST_CLASSES = 8
_LAGS = (0, -1, 1)


@dataclass(frozen=True)
class Demand:
    """What requests cost.

    Attributes:
        reason: why it is not identified; empty where it is.
        mean: CPU seconds of a request of the mix that was seen.
        background: busy cores without any request.
        by_operation: CPU seconds of a request of each operation, by shares of self time.
        check: the same by regression; empty where operations cannot be told apart.
        draws: d x 2: mean and background of every draw; empty where not identified.
        lag: buckets by which CPU time comes late, -1 to 1.
        r_squared: of busy cores against requests.
        buckets: that count.
        disagree: operations whose two estimates do not meet.
        notes: what a reader should know.
    """

    reason: str
    mean: Interval
    background: Interval
    by_operation: tuple[Interval, ...]
    check: tuple[Interval, ...]
    draws: Floats
    lag: int
    r_squared: float
    buckets: int
    disagree: tuple[str, ...]
    notes: tuple[str, ...]


def fit_demand(buckets: CapacityBuckets, key: tuple[str, ...]) -> Demand:
    """Estimate what requests cost.

    Args:
        buckets: n buckets; those without CPU are left out.
        key: what they are of; draws depend on it alone.
    """
    lag, r_squared = _lag(buckets)
    cores = _shifted(buckets, lag)
    known = np.isfinite(cores)
    load, self_time = buckets.completions_per_s[known], buckets.self_time_s[known]
    cores = cores[known]
    reason = _why_not(load.sum(axis=1) if len(load) else np.zeros(0), cores, r_squared)
    if reason:
        return _nothing(reason, lag, r_squared, len(cores))
    design = _classes(load)
    apart = design.shape[1] > 1 or len(buckets.operations) == 1
    count = len(buckets.operations)

    def estimates(places: np.ndarray) -> Floats:
        return _estimates(design[places], load[places], self_time[places], cores[places])

    parameters = design.shape[1] + 1
    every, drawn = spread_draws(estimates, len(cores), (*key, "demand"), parameters)
    found = [
        percentiles(float(value), column) for value, column in zip(every, drawn.T, strict=True)
    ]
    checked = tuple(found[2 + count :]) if apart and design.shape[1] == count else ()
    disagree = tuple(
        name
        for name, own, other in zip(buckets.operations, found[2 : 2 + count], checked, strict=False)
        if not own.meets(other)
    )
    halves = _halves(load.sum(axis=1), cores, drawn, key)
    return Demand(
        *("", found[0], found[1], tuple(found[2 : 2 + count]), checked),
        halves[0],
        *(lag, r_squared, len(cores), disagree),
        (*_notes(apart, count, design.shape[1], lag, disagree), *halves[1]),
    )


def _nothing(reason: str, lag: int, r_squared: float, buckets: int) -> Demand:
    """Give what is known where costs are not identified."""
    unknown = Interval(np.nan, np.nan, np.nan)
    draws = np.zeros((0, 2))
    return Demand(reason, unknown, unknown, (), (), draws, lag, r_squared, buckets, (), ())


def _shifted(buckets: CapacityBuckets, lag: int) -> Floats:
    """Give busy cores as many buckets later, within each instance; NaN at its ends."""
    if lag == 0:
        return buckets.cpu_cores
    found = np.full_like(buckets.cpu_cores, np.nan)
    from_rows = np.arange(len(found)) + lag
    inside = (from_rows >= 0) & (from_rows < len(found))
    rows = np.flatnonzero(inside)
    sources = from_rows[inside]
    same = (buckets.instance[rows] == buckets.instance[sources]) & np.isclose(
        buckets.start_s[sources] - buckets.start_s[rows], lag * buckets.width_s
    )
    found[rows[same]] = buckets.cpu_cores[sources[same]]
    return found


def _lag(buckets: CapacityBuckets) -> tuple[int, float]:
    """Give the shift of CPU against requests that explains most, and R squared there."""
    best, most = 0, -np.inf
    for lag in _LAGS:
        cores = _shifted(buckets, lag)
        known = np.isfinite(cores)
        if known.sum() < 3:
            continue
        explained = _explained(buckets.throughput_per_s[known], cores[known])
        # Another lag than none must explain clearly more: noise would choose one at random.
        if explained > most + (0.0 if lag == 0 else 0.02):
            best, most = lag, explained
    return best, max(most, 0.0)


def _explained(load: Floats, cores: Floats) -> float:
    """Give the squared correlation, negative where more load goes with less CPU."""
    if load.std() == 0 or cores.std() == 0:
        return 0.0
    correlation = float(np.corrcoef(load, cores)[0, 1])
    return correlation * abs(correlation)


def _why_not(load: Floats, cores: Floats, r_squared: float) -> str:
    """Say why costs are not identified; empty where they are."""
    if len(cores) < LEAST_BUCKETS:
        return (
            f"{len(cores)} buckets with requests and CPU time, {LEAST_BUCKETS} are needed: "
            "watch longer or cut shorter buckets"
        )
    variation = float(load.std() / load.mean()) if load.mean() > 0 else 0.0
    t = np.sqrt(r_squared * (len(cores) - 2) / max(1 - r_squared, 1e-12))
    if variation < LEAST_VARIATION and not (t >= LEAST_T and r_squared >= LEAST_R_SQUARED):
        return (
            f"load varies by {100 * variation:.0f} % about its mean and explains "
            f"{100 * r_squared:.0f} % of CPU time: requests cannot be told from background; "
            "ramp the load"
        )
    if _explained(load, cores) <= 0:
        return "CPU time does not rise with requests: is it of the same instance?"
    return ""


def _classes(load: Floats) -> Floats:
    """Give the columns of the regression: operations, or their sum where they go together."""
    together: Floats = load.sum(axis=1, keepdims=True)
    if load.shape[1] > _MOST_CLASSES or load.shape[1] == 1:
        return together
    scale = np.sqrt((load**2).sum(axis=0))
    # A column of zeros has no length to be scaled by.
    if (scale == 0).any() or np.linalg.cond(load / scale) >= MOST_CONDITION:
        return together
    return load


def _estimates(design: Floats, load: Floats, self_time: Floats, cores: Floats) -> Floats:
    """Give mean, background, costs by self time and costs by regression, of one draw."""
    solved, _ = nnls(np.column_stack([design, np.ones(len(design))]), cores)
    background = min(float(solved[-1]), float(cores.mean()))
    requests, worked = load.sum(axis=0), self_time.sum(axis=0)
    above = max(float(cores.sum()) - background * len(cores), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        own = above * worked / worked.sum() / requests
        mean = above / requests.sum()
    return np.concatenate([[mean, background], own, solved[:-1]])


def _halves(
    load: Floats, cores: Floats, drawn: Floats, key: tuple[str, ...]
) -> tuple[Floats, tuple[str, ...]]:
    """Give the draws for limits: of the busier half where a request costs more there."""
    busy = load >= np.median(load)

    def slopes(places: np.ndarray) -> Floats:
        found = []
        for half in (~busy[places], busy[places]):
            x, y = load[places][half], cores[places][half]
            varied = len(x) > 2 and x.std() > 0
            found += [*np.polyfit(x, y, 1)] if varied else [np.nan, np.nan]
        return np.array(found)

    every, draws = spread_draws(slopes, len(load), (*key, "halves"), 4)
    low, high = percentiles(every[0], draws[:, 0]), percentiles(every[2], draws[:, 2])
    if low.meets(high) or not high.low > low.high > 0:
        return drawn[:, :2], ()
    told = (
        f"a request costs {1000 * low.estimate:.3g} ms of CPU in quiet buckets and "
        f"{1000 * high.estimate:.3g} in busy ones: limits go by the busy ones"
    )
    return draws[:, 2:], (told,)


def _notes(
    apart: bool, count: int, columns: int, lag: int, disagree: tuple[str, ...]
) -> tuple[str, ...]:
    """Say what a reader should know of how costs were found."""
    notes = []
    if lag:
        when = "after" if lag > 0 else "before"
        notes.append(f"CPU time stands one bucket {when} the requests: are clocks in step?")
    if not apart or columns != count:
        notes.append("operations rise and fall together: the check by regression is of all at once")
    if disagree:
        notes.append(
            f"estimators_disagree for {', '.join(disagree)}: shares and regression do not meet; "
            "self time overstates operations that wait for something without a span of its own"
        )
    return tuple(notes)
