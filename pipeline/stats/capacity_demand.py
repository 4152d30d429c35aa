"""CPU seconds that a request of each operation costs, by two estimators that check each other.

U_t = sum over operations of X_ct D_c + U_0: busy cores, completions a second, and background. The
first estimator deals the CPU above the background out by self time; the second is a regression
without negative costs.

Source: Kraft et al. (2009), VALUETOOLS, for demands from utilisation; Lawson and Hanson (1974),
Solving Least Squares Problems, chapter 23, for costs that are not negative.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import nnls

from pipeline.stats.bootstrap import UNKNOWN, Floats, Interval, Ints, percentiles
from pipeline.stats.capacity_buckets import CapacityBuckets
from pipeline.stats.capacity_classes import merged_classes
from pipeline.stats.capacity_draws import Moments, spread_draws, within_groups
from pipeline.stats.capacity_flat import is_flat, variation

LEAST_BUCKETS = 30
_LAGS = (0, -1, 1)


@dataclass(frozen=True)
class Demand:
    """What requests cost.

    Attributes:
        reason: why it is not identified; empty where it is.
        mean: CPU seconds of a request of the mix that was seen.
        background: busy cores without any request.
        by_operation: CPU seconds of a request of each operation, as spans tell it, or by shares
            of profiles or self time.
        check: the same by regression; NaN for operations that go together with others, and empty
            where all do.
        draws: d x 2: mean and background of every draw; empty where not identified.
        lag: buckets by which CPU time comes late, -1 to 1.
        r_squared: of busy cores against requests.
        buckets: that count.
        disagree: operations whose two estimates do not meet.
        notes: what a reader should know.
        is_told: whether spans tell their own CPU time; ``by_operation`` is then measured, and
            known under a steady load as well.
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
    is_told: bool = False


def fit_demand(buckets: CapacityBuckets, key: tuple[str, ...]) -> Demand:
    """Estimate what requests cost.

    Args:
        buckets: n buckets; those without CPU are left out.
        key: what they are of; draws depend on it alone.
    """
    told = _told_by_spans(buckets, key)
    # Where CPU time stands a stretch aside, only buckets are long enough to tell what it is of.
    finer = buckets.finer if buckets.finer and not _lag(buckets.finer, _LAGS)[0] else None
    lag, r_squared = _lag(buckets, _LAGS) if finer is None else _lag(finer, (0,))
    coarse = _observed(buckets, lag)
    seen = coarse if finer is None else _observed(finer, 0)
    count = len(seen.cores)
    # Of short stretches any load varies: whether it was ramped is what longer buckets tell.
    reason = _too_few(count) or _why_not(coarse.load.sum(axis=1), seen, r_squared)
    if reason:
        nothing = no_demand(reason, lag, r_squared, count)
        return replace(nothing, by_operation=told, is_told=bool(told))
    groups = merged_classes(seen.load)
    every, drawn = spread_draws(
        lambda places: _estimates(seen, groups, places),
        seen.moments,
        (*key, "demand"),
        len(groups) + len(np.unique(seen.moments.instance)),
    )
    found = [percentiles(float(one), own) for one, own in zip(every, drawn.T, strict=True)]
    last = 2 + len(buckets.operations)
    own = told or tuple(found[2:last])
    checked = _checked(groups, found[last:], len(buckets.operations))
    disagree = tuple(
        name
        for name, one, other in zip(buckets.operations, own, checked, strict=False)
        if not np.isnan(one.estimate + other.estimate) and not one.meets(other)
    )
    merged = tuple(
        " + ".join(buckets.operations[each] for each in group) for group in groups if len(group) > 1
    )
    halves = _halves(seen, drawn, key)
    return Demand(
        *("", found[0], found[1], own, checked),
        halves[0],
        *(lag, r_squared, count, disagree),
        (*_notes(merged, lag, disagree, bool(told)), *_finer_notes(finer), *halves[1]),
        bool(told),
    )


@dataclass(frozen=True)
class _Observed:
    """n buckets whose CPU time is known: requests a second, n x c, own work, n x c, busy cores."""

    load: Floats
    self_time: Floats
    cores: Floats
    moments: Moments


def _observed(buckets: CapacityBuckets, lag: int) -> _Observed:
    """Give the buckets whose CPU time is known, so many later."""
    cores = buckets.shifted(buckets.cpu_cores, lag)
    known = np.isfinite(cores)
    return _Observed(
        buckets.completions_per_s[known],
        buckets.self_time_s[known],
        cores[known],
        buckets.moments.of(known),
    )


def no_demand(reason: str, lag: int, r_squared: float, buckets: int) -> Demand:
    """Give what is known where costs are not identified."""
    draws = np.zeros((0, 2))
    return Demand(reason, UNKNOWN, UNKNOWN, (), (), draws, lag, r_squared, buckets, (), ())


def _told_by_spans(buckets: CapacityBuckets, key: tuple[str, ...]) -> tuple[Interval, ...]:
    """Give CPU seconds a request of each operation where spans tell them; empty where not."""
    spent, requests = buckets.span_cpu_s, buckets.span_cpu_requests
    if spent is None or requests is None or len(spent) < 2:
        return ()

    def each(places: Ints) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Floats = spent[places].sum(axis=0) / requests[places].sum(axis=0)
        return found

    every, drawn = spread_draws(each, buckets.moments, (*key, "spans"))
    return tuple(
        percentiles(float(value), column) for value, column in zip(every, drawn.T, strict=True)
    )


def _lag(buckets: CapacityBuckets, lags: tuple[int, ...]) -> tuple[int, float]:
    """Give the shift of CPU against requests that explains most, and R squared there."""
    best, most = 0, -np.inf
    for lag in lags:
        cores = buckets.shifted(buckets.cpu_cores, lag)
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


def _too_few(count: int) -> str:
    """Say that there are too few buckets; empty where there are enough."""
    if count >= LEAST_BUCKETS:
        return ""
    return (
        f"{count} buckets with requests and CPU time, {LEAST_BUCKETS} are needed: "
        "watch longer or cut shorter buckets"
    )


def _why_not(load: Floats, seen: "_Observed", r_squared: float) -> str:
    """Say why costs are not identified of what was seen; empty where they are."""
    if is_flat(load, r_squared, len(seen.cores)):
        return (
            f"load varies by {100 * variation(load):.0f} % about its mean and explains "
            f"{100 * r_squared:.0f} % of CPU time: requests cannot be told from background; "
            "ramp the load"
        )
    if _explained(seen.load.sum(axis=1), seen.cores) <= 0:
        return "CPU time does not rise with requests: is it of the same instance?"
    return ""


def _checked(groups: list[list[int]], found: list[Interval], count: int) -> tuple[Interval, ...]:
    """Give the regression's costs of operations that stand alone, NaN of the rest; () of none."""
    own = {group[0]: each for group, each in zip(groups, found, strict=True) if len(group) == 1}
    return tuple(own.get(place, UNKNOWN) for place in range(count)) if own else ()


def _estimates(seen: _Observed, groups: list[list[int]], places: Ints) -> Floats:
    """Give mean, background, costs by self time and costs by regression, of one draw.

    The regression is within instances: one that has more background has no dearer requests.
    """
    load, cores = seen.load[places], seen.cores[places]
    design = np.column_stack([load[:, group].sum(axis=1) for group in groups])
    apart = within_groups(np.column_stack([design, cores]), seen.moments.instance[places])
    costs, _ = nnls(apart[:, :-1], apart[:, -1])
    background = float(cores.mean() - design.mean(axis=0) @ costs)
    if background < 0:
        costs, background = nnls(design, cores)[0], 0.0
    requests, worked = load.sum(axis=0), seen.self_time[places].sum(axis=0)
    above = max(float(cores.sum()) - background * len(cores), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        own = above * worked / worked.sum() / requests
        mean = above / requests.sum()
    return np.concatenate([[mean, background], own, costs])


def _halves(seen: _Observed, drawn: Floats, key: tuple[str, ...]) -> tuple[Floats, tuple[str, ...]]:
    """Give the draws for limits: of the busier half where a request costs more there."""
    load, cores, moments = seen.load.sum(axis=1), seen.cores, seen.moments
    busy = load >= np.median(load)

    def slopes(places: Ints) -> Floats:
        found = []
        for half in (places[~busy[places]], places[busy[places]]):
            x, y = load[half], cores[half]
            if len(half) < 3:
                found += [np.nan, np.nan]
                continue
            apart = within_groups(np.column_stack([x, y]), moments.instance[half])
            varied = float((apart[:, 0] ** 2).sum())
            slope = float(apart[:, 0] @ apart[:, 1]) / varied if varied > 0 else np.nan
            found += [slope, float(y.mean()) - slope * float(x.mean())]
        return np.array(found)

    every, draws = spread_draws(slopes, moments, (*key, "halves"), 4)
    low, high = percentiles(every[0], draws[:, 0]), percentiles(every[2], draws[:, 2])
    if low.meets(high) or not high.low > low.high > 0:
        return drawn[:, :2], ()
    told = (
        f"a request costs {1000 * low.estimate:.3g} ms of CPU in quiet buckets and "
        f"{1000 * high.estimate:.3g} in busy ones: limits go by the busy ones"
    )
    return draws[:, 2:], (told,)


def _finer_notes(finer: CapacityBuckets | None) -> tuple[str, ...]:
    """Say so where costs are not of buckets."""
    told = finer and (
        f"buckets are few an instance: costs are of {len(finer.start_s)} stretches of "
        f"{finer.width_s:.2g} s, each from one reading of CPU time to a later one"
    )
    return (told,) if told else ()


def _notes(
    merged: tuple[str, ...], lag: int, disagree: tuple[str, ...], told: bool
) -> tuple[str, ...]:
    """Say what a reader should know of how costs were found."""
    notes = []
    if lag:
        when = "after" if lag > 0 else "before"
        notes.append(f"CPU time stands one bucket {when} the requests: are clocks in step?")
    if merged:
        notes.append(
            f"collinear: {', '.join(merged)} rise and fall together, or are many: the check by "
            "regression is of their sum"
        )
    if disagree:
        why = (
            "spans do not see what other threads do for a request"
            if told
            else "self time overstates operations that wait for something without a span of its own"
        )
        first = "spans" if told else "shares"
        notes.append(
            f"estimators_disagree for {', '.join(disagree)}: {first} and regression do not meet; "
            f"{why}"
        )
    return tuple(notes)
