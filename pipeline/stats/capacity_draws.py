"""Draws of blocks of time, spread as far as few blocks and instances that differ call for.

All instances of a moment are drawn together, as what shakes one may shake the others; blocks go
round from the end to the start, so that the highest load of a ramp is drawn as often as the rest.
What instances differ by shows when each in turn is left out. Of two or three moments nothing can be
drawn: instances are drawn then, whole, and what shakes all of them at once is not known.

Source: Politis and Romano (1992), in Exploring the Limits of Bootstrap, for circular blocks;
Davison and Hinkley (1997), Bootstrap Methods and their Application, sections 2.7 and 8.2, for the
variance that resampling of few units loses; Efron and Stein (1981), Annals of Statistics 9(3), for
the jackknife; Satterthwaite (1946), Biometrics Bulletin 2(6), for degrees of freedom of a sum.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm
from scipy.stats import t as student

from pipeline.stats.bootstrap import CONFIDENCE, DRAWS, Floats, Ints, generator

# Buckets that hang together: what queues in one is done in the next.
BLOCK = 5
_LEVEL = (1 + CONFIDENCE) / 2
# With fewer moments draws of them are all alike, or of one load alone.
_LEAST_BLOCKS = 4
# Of very many instances, so many groups are left out in turn.
_MOST_GROUPS = 30


@dataclass(frozen=True)
class Moments:
    """When and of whom n observations are.

    Attributes:
        start_s: n starts.
        instance: n numbers of instances.
        block: moments that hang together.
    """

    start_s: Floats
    instance: Ints
    block: int = BLOCK

    def of(self, chosen: ArrayLike) -> "Moments":
        """Give those of some observations."""
        return Moments(self.start_s[chosen], self.instance[chosen], self.block)  # type: ignore[index]

    @property
    def times(self) -> int:
        """Give how many distinct moments there are."""
        return len(np.unique(self.start_s))

    @property
    def of_instances(self) -> bool:
        """Tell whether there are so few moments that instances are drawn."""
        return self.times < _LEAST_BLOCKS <= len(np.unique(self.instance))

    @property
    def length(self) -> int:
        """Give the moments of a block: fewer where there are few, or all draws would be alike."""
        return max(1, min(self.block, self.times // _LEAST_BLOCKS))

    def draws(self, key: tuple[str, ...], draws: int = DRAWS) -> list[Ints]:
        """Draw places, all of a moment together, in circular blocks of moments.

        >>> moments = Moments(np.array([0.0, 10, 0, 10]), np.array([0, 0, 1, 1]))
        >>> sorted(moments.draws(("a",), 1)[0].tolist())
        [0, 1, 2, 3]
        """
        drawn_of = self.instance if self.of_instances else self.start_s
        times, which = np.unique(drawn_of, return_inverse=True)
        order = np.argsort(which, kind="stable")
        counts = np.bincount(which, minlength=len(times))
        first = np.concatenate([[0], np.cumsum(counts)])[:-1]
        length = self.length
        blocks = -(-len(times) // length)
        starts = generator(*key).integers(0, len(times), size=(draws, blocks))
        drawn = (starts[:, :, None] + np.arange(length)).reshape(draws, -1)[:, : len(times)]
        found = []
        for row in drawn % len(times):
            sizes = counts[row]
            inside = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            found.append(order[np.repeat(first[row], sizes) + inside].astype(np.int64))
        return found

    def left_out(self) -> list[Ints]:
        """Give the places that are left as each instance in turn is left out; none of one alone."""
        _, which = np.unique(self.instance, return_inverse=True)
        groups = which % _MOST_GROUPS
        if len(which) == 0 or groups.max() == 0:
            return []
        return [np.flatnonzero(groups != each) for each in range(int(groups.max()) + 1)]


def widening(moments: int, block: int = BLOCK, share: float = 0.0) -> float:
    """Give by how much draws are to be spread about their estimate, for few blocks alone.

    Args:
        moments: distinct ones.
        block: how many of them a block has.
        share: parameters by observations: what a fit takes of the scatter.

    >>> round(widening(60, 5, 0.05), 2), round(widening(6000, 5, 0.0005), 2)
    (1.17, 1.0)
    """
    blocks = max(moments / block, 2.0)
    unknown = float(student.ppf(_LEVEL, blocks - 1) / norm.ppf(_LEVEL))
    lost = math.sqrt(blocks / (blocks - 1))
    return unknown * lost / math.sqrt(max(1 - share, 0.1))


def spreading(drawn: Floats, apart: Floats, moments: Moments, parameters: int) -> Floats:
    """Give by how much each of k estimates' draws are to be spread about them.

    Args:
        drawn: d x k draws.
        apart: g x k estimates with one of g groups of instances left out each; g may be 0.
        moments: of the n observations.
        parameters: that were fitted.
    """
    units = len(np.unique(moments.instance)) if moments.of_instances else moments.times
    alone = widening(units, moments.length, parameters / max(len(moments.start_s), 1))
    groups = len(apart)
    if groups < 2 or moments.of_instances:
        return np.full(drawn.shape[1], alone)
    blocks = max(moments.times / moments.length, 2.0)
    within = _variances(drawn) * blocks / (blocks - 1)
    with np.errstate(invalid="ignore"):
        total = (groups - 1) / groups * ((apart - apart.mean(axis=0)) ** 2).sum(axis=0)
    usable = np.isfinite(total) & (within > 0)
    within, total = np.where(usable, within, 1.0), np.where(usable, total, 0.0)
    # Of what differs between instances, the part that their own scatter does not explain.
    between = np.maximum(total - within, 0.0)
    both = within + between
    if groups == 2:
        # Two alone tell next to nothing of how instances differ: what is sure is weighed in.
        df = both**2 / (between**2 / (groups - 1) + within**2 / (blocks - 1))
    else:
        both, df = np.maximum(total, 1e-300), np.full(len(both), groups - 1.0)
    wide = student.ppf(_LEVEL, df) / norm.ppf(_LEVEL) * np.sqrt(both / within)
    found: Floats = np.maximum(alone, wide * np.sqrt(blocks / (blocks - 1)))
    return np.where(usable, found, alone)


def _variances(drawn: Floats) -> Floats:
    """Give the variance of each of k columns as its 90 % interval tells it; 0 for an endless one.

    Draws without the loads that matter lie anywhere: they must not count by their distance.
    """
    ends = [np.full(drawn.shape[1], np.nan) for _ in range(2)]
    for place, column in enumerate(drawn.T):
        known = column[~np.isnan(column)]
        if len(known):
            low, high = np.quantile(known, [1 - _LEVEL, _LEVEL], method="inverted_cdf")
            ends[0][place], ends[1][place] = low, high
    with np.errstate(invalid="ignore"):
        width = (ends[1] - ends[0]) / (2 * norm.ppf(_LEVEL))
    return np.where(np.isfinite(width), width, 0.0) ** 2


def spread_draws(
    function: Callable[[Ints], Floats],
    moments: Moments,
    key: tuple[str, ...],
    parameters: int = 1,
) -> tuple[Floats, Floats]:
    """Work out estimates and the draws of them, spread as few blocks and instances call for.

    Args:
        function: gives k estimates for some places.
        moments: of the n observations.
        key: what the draws are of.
        parameters: that are fitted.

    Returns:
        k estimates and d x k draws, which keep to 0 where they did not lie below it.
    """
    estimates = function(np.arange(len(moments.start_s), dtype=np.int64))
    drawn = np.array([function(row) for row in moments.draws(key)], dtype=np.float64)
    apart = np.array([function(row) for row in moments.left_out()], dtype=np.float64)
    wide = spread(estimates, drawn, spreading(drawn, apart, moments, parameters))
    # What cannot be negative, such as a cost, was not drawn so.
    return estimates, np.where((drawn >= 0) & (wide < 0), 0.0, wide)


def spread(estimates: ArrayLike, drawn: Floats, factor: ArrayLike) -> Floats:
    """Spread d x k draws about k estimates.

    >>> spread([2.0], np.array([[1.5], [4.0], [np.inf]]), 3.0).tolist()
    [[0.5], [8.0], [inf]]
    """
    centre = np.asarray(estimates, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        wide: Floats = centre + np.asarray(factor) * (drawn - centre)
    return wide


def group_means(values: Floats, group: Ints, weight: Floats) -> Floats:
    """Give the weighted means of n x k values by group, NaN for a number that no group has.

    >>> group_means(np.array([[1.0], [3.0], [5.0]]), np.array([0, 0, 1]), np.ones(3)).tolist()
    [[2.0], [5.0]]
    """
    total = np.bincount(group, weight)
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = [np.bincount(group, weight * column) / total for column in values.T]
    return np.column_stack(columns)


def within_groups(values: Floats, group: Ints) -> Floats:
    """Give n x k values less the means of their groups."""
    return values - group_means(values, group, np.ones(len(values)))[group]
