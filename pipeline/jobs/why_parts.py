"""The growth of a mean request, cut into what every span below it adds: more calls, slower calls.

With C calls a request and s of self time a call, a span adds C s to the mean. From baseline b to
canary c that grows by (C_c - C_b) s_b, more calls, and C_c (s_c - s_b), slower ones.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Fewer units of chance than this on a side, and no interval is told.
LEAST_CLUSTERS = 8

# The 97.5 % point of the standard normal distribution.
_Z = 1.959963984540054


@dataclass(frozen=True)
class Requests:
    """Requests of one side, one element each.

    Attributes:
        weight: requests that each stands for.
        cluster: which instance and minute, from 0: chance works on these as a whole.
        duration: ns.
    """

    weight: Floats
    cluster: Ints
    duration: Ints


@dataclass(frozen=True)
class Sums:
    """One side's calls and self times by group.

    Attributes:
        requests, clusters: how many.
        mean: ns a request, and the variance of it.
        calls: a request, g groups.
        time: ns a request, g groups; may be below 0 where a group takes away.
        calls_variance, time_variance, each_variance: of calls, of time, and of time a call; NaN
            for unknown.
    """

    requests: float
    clusters: int
    mean: float
    mean_variance: float
    calls: Floats
    time: Floats
    calls_variance: Floats
    time_variance: Floats
    each_variance: Floats

    @property
    def each(self) -> Floats:
        """Give ns a call; 0 where there are no calls."""
        return np.divide(self.time, self.calls, out=np.zeros_like(self.time), where=self.calls > 0)


@dataclass(frozen=True)
class Parts:
    """What the growth is made of, g groups; ns a request.

    Attributes:
        growth, growth_margin: of the mean; the margin is half a 95 % interval, NaN for unknown.
        calls, calls_margin: by more calls, at what a call took before.
        each, each_margin: by slower calls, as many as there are now.
    """

    growth: float
    growth_margin: float
    calls: Floats
    calls_margin: Floats
    each: Floats
    each_margin: Floats


def add_up(requests: Requests, request: Ints, group: Ints, amount: Ints, groups: int) -> Sums:
    """Add up one side.

    Args:
        requests: the side's requests.
        request, group, amount: a call each: of which request, of which group, how many ns.
        groups: how many.
    """
    total = max(float(requests.weight.sum()), 1e-300)
    clusters = len(np.unique(requests.cluster[requests.weight > 0]))
    weight = requests.weight[request]
    sizes = _sums(requests.cluster, requests.weight, int(requests.cluster.max(initial=0)) + 1)
    code, place = np.unique(group * len(sizes) + requests.cluster[request], return_inverse=True)
    here, cluster = np.divmod(code, len(sizes))
    cells = _Cells(
        here,
        groups,
        sizes[cluster],
        float((sizes**2).sum()),
        clusters / (clusters - 1) if clusters >= LEAST_CLUSTERS else np.nan,
    )
    calls = _sums(place, weight, len(code))
    time = _sums(place, weight * amount, len(code))
    all_calls, all_time = cells.sums(calls), cells.sums(time)
    mean, residuals = _mean_of(requests, sizes)
    return Sums(
        float(requests.weight.sum()),
        clusters,
        mean,
        float(cells.factor * residuals / total**2),
        all_calls / total,
        all_time / total,
        cells.variance(calls, all_calls / total) / total**2,
        cells.variance(time, all_time / total) / total**2,
        cells.variance_of_each(time, calls),
    )


@dataclass(frozen=True)
class _Cells:
    """Groups by cluster, c cells, and the variances of ratios of their sums.

    Linearised ratios of clusters: sums of squared residuals.

    Source: Cochran (1977), Sampling Techniques, section 11.7.

    Attributes:
        group: c, of each.
        groups: how many.
        size: c, requests of its cluster.
        squared_sizes: sum over all clusters.
        factor: what makes squared residuals a variance; NaN for too few clusters.
    """

    group: Ints
    groups: int
    size: Floats
    squared_sizes: float
    factor: float

    def sums(self, values: Floats) -> Floats:
        """Add up c values by group."""
        return _sums(self.group, values, self.groups)

    def variance(self, own: Floats, ratio: Floats) -> Floats:
        """Give the variance of a sum a request, times all requests squared, by group."""
        squares = self.sums(own**2) - 2 * ratio * self.sums(own * self.size)
        return self.factor * np.maximum(squares + ratio**2 * self.squared_sizes, 0.0)

    def variance_of_each(self, time: Floats, calls: Floats) -> Floats:
        """Give the variance of time a call, by group; 0 where there is no call."""
        all_calls, all_time = self.sums(calls), self.sums(time)
        called = all_calls > 0
        each = np.divide(all_time, all_calls, out=np.zeros(self.groups), where=called)
        squares = self.sums(time**2) - 2 * each * self.sums(time * calls)
        squares = np.maximum(squares + each**2 * self.sums(calls**2), 0.0)
        return self.factor * np.divide(
            squares, all_calls**2, out=np.zeros(self.groups), where=called
        )


def _sums(place: Ints, values: Floats, count: int) -> Floats:
    """Add up values by their place."""
    return np.bincount(place, values, count).astype(np.float64)


def _mean_of(requests: Requests, sizes: Floats) -> tuple[float, float]:
    """Give the mean duration, and the sum of squared residuals of clusters of these sizes."""
    weighted = requests.weight * requests.duration
    durations = np.bincount(requests.cluster, weighted, len(sizes))
    total = float(requests.weight.sum())
    mean = float(durations.sum() / total) if total else float("nan")
    return mean, float(((durations - mean * sizes) ** 2).sum())


def compare(baseline: Sums, canary: Sums) -> Parts:
    """Cut the growth into parts; those of all groups add up to it.

    A group that one side does not call has no time a call there: all its growth is of calls, at
    what a call takes on the other side.
    """
    calls = canary.calls - baseline.calls
    before, after = baseline.each, canary.each
    one_sided = (baseline.calls == 0) | (canary.calls == 0)
    rate = np.where(baseline.calls == 0, after, before)
    by_calls = np.where(one_sided, canary.time - baseline.time, calls * rate)
    by_each = np.where(one_sided, 0.0, canary.calls * (after - before))
    calls_variance = baseline.calls_variance + canary.calls_variance
    each_variance = baseline.each_variance + canary.each_variance
    of_calls = np.where(
        one_sided,
        baseline.time_variance + canary.time_variance,
        rate**2 * calls_variance + calls**2 * baseline.each_variance,
    )
    of_each = canary.calls**2 * each_variance + (after - before) ** 2 * canary.calls_variance
    mean_variance = baseline.mean_variance + canary.mean_variance
    return Parts(
        canary.mean - baseline.mean,
        float(_Z * np.sqrt(mean_variance)),
        by_calls,
        _Z * np.sqrt(of_calls),
        by_each,
        _Z * np.sqrt(np.where(one_sided, 0.0, of_each)),
    )


def slowest(duration: Ints, weight: Floats, share: float) -> Floats:
    """Give weights that keep the slowest share of requests exactly; the last one counts in part.

    Args:
        duration: ns, one a request.
        weight: requests that each stands for.
        share: above 0, at most 1.

    Returns:
        Weights, at most as large; they add up to the share of all.

    >>> slowest(np.array([1, 4, 2, 3]), np.ones(4), 0.375).tolist()
    [0.0, 1.0, 0.0, 0.5]
    """
    order = np.lexsort((np.arange(len(duration)), -duration))
    sorted_weight = weight[order]
    before = np.cumsum(sorted_weight) - sorted_weight
    left = np.clip(share * float(weight.sum()) - before, 0.0, sorted_weight)
    kept = np.empty(len(duration))
    kept[order] = left
    return kept
