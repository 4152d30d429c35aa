"""Planned looks: how sure an early look must be, so that all looks together are wrong as often as
one would be.

Under no effect the statistic of the data so far is a Brownian motion over the fraction of the
information that is in. The chance of crossing a boundary at any look is integrated look by look.

Source: O'Brien and Fleming (1979), Biometrics 35(3), for equal looks; Lan and DeMets (1983),
Biometrika 70(3), for spending alpha over unequal ones; Armitage, McPherson and Rowe (1969),
JRSS A 132(2), for the recursive integration; Jennison and Turnbull (2000), Group Sequential
Methods, for the constants that it gives.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from pipeline.stats.cells import Floats
from pipeline.stats.distributions import normal_isf, normal_sf

# Points of Gauss and Legendre for each look: 96 give the boundaries to seven digits.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(96)
# Standard deviations below zero beyond which no path comes back to the boundary.
_FAR = 8.0
# Less than this cannot be told from zero in the integral; such a look cannot reject.
_LEAST_SPENT = 1e-13
# Of the table from a level that is wanted over all looks to that of each look.
_LEVELS = 48
_LEAST_LEVEL = 1e-9


@dataclass(frozen=True)
class Plan:
    """Looks that are planned before there is any data.

    Attributes:
        fractions: of the information that is in at each look, rising; the last is 1.
        alpha: one-sided level over all looks, between 0 and 0.5.
    """

    fractions: tuple[float, ...]
    alpha: float

    @property
    def equal(self) -> bool:
        """Tell whether the looks are equally far apart."""
        even = np.arange(1, len(self.fractions) + 1) / len(self.fractions)
        return bool(np.allclose(self.fractions, even, atol=1e-9))

    @cached_property
    def boundaries(self) -> tuple[float, ...]:
        """Give the normal score that each look must exceed; infinite where none can."""
        if self.equal:
            constant = obrien_fleming(len(self.fractions), self.alpha)
            return tuple(constant / math.sqrt(each) for each in self.fractions)
        return spending_boundaries(self.fractions, self.alpha)

    @property
    def levels(self) -> tuple[float, ...]:
        """Give the level that the p-value of each look must not exceed."""
        return tuple(normal_sf(each) for each in self.boundaries)

    @property
    def spent(self) -> tuple[float, ...]:
        """Give how much of alpha is spent up to and with each look."""
        return tuple(np.cumsum(crossings(self.fractions, self.boundaries)).tolist())

    def p_value(self, look: int, p: float) -> float:
        """Give the level over all looks at which a look's p-value would just reject.

        Args:
            look: its number, from 0.
            p: its one-sided p-value, as if it were the only look.

        Returns:
            At most ``alpha`` where the look crosses its boundary; never below ``p``, and ``p``
            itself where it is above alpha, because such a look rejects at no level up to alpha.
        """
        if p > self.alpha:
            return p
        if self.equal:
            constant = normal_isf(max(p, 1e-300)) * math.sqrt(self.fractions[look])
            if constant <= 0:
                return 1.0
            through = tuple(constant / math.sqrt(each) for each in self.fractions)
            return max(p, min(1.0, float(sum(crossings(self.fractions, through)))))
        scores, wanted = _table(self.fractions)
        score = normal_isf(max(p, 1e-300))
        column = scores[:, look]
        known = np.isfinite(column)
        if not known.any():
            return 1.0
        found = normal_sf(float(np.interp(-score, -column[known], wanted[known])))
        # Beyond the table's strictest level no stricter one is claimed.
        return max(p, found) if score >= column[known].min() else 1.0


def spent_by(fraction: float, alpha: float) -> float:
    """Give how much of a one-sided alpha may be spent when so much of the information is in.

    >>> round(spent_by(0.5, 0.01), 5)
    0.00027
    """
    return min(2.0 * normal_sf(normal_isf(alpha / 2.0) / math.sqrt(fraction)), alpha)


@lru_cache(maxsize=128)
def obrien_fleming(looks: int, alpha: float) -> float:
    """Give the constant C for which the boundary C sqrt(K/k) is crossed with chance alpha.

    Args:
        looks: K, equally far apart.
        alpha: one-sided, between 0 and 0.5.
    """
    fractions = tuple((np.arange(1, looks + 1) / looks).tolist())

    def excess(constant: float) -> float:
        through = [constant / math.sqrt(each) for each in fractions]
        return float(sum(crossings(fractions, through))) - alpha

    lowest = normal_isf(alpha)
    if looks == 1:
        return lowest
    return float(brentq(excess, lowest, normal_isf(alpha / looks) + 1e-6, xtol=1e-7))


@lru_cache(maxsize=128)
def spending_boundaries(fractions: tuple[float, ...], alpha: float) -> tuple[float, ...]:
    """Give the boundaries of looks at any fractions, by spending alpha as O'Brien-Fleming would.

    Args:
        fractions: of the information at each look, rising, above 0 and up to 1.
        alpha: one-sided level over all looks, between 0 and 0.5.

    Returns:
        Normal scores; infinite where a look has too little to spend.
    """
    state = _Paths()
    found: list[float] = []
    gone = 0.0
    for fraction in fractions:
        share = spent_by(fraction, alpha) - gone
        state.advance(fraction)
        bound = state.bound_for(share) if share > _LEAST_SPENT else math.inf
        if math.isfinite(bound):
            gone += share
        state.cut(bound)
        found.append(bound / math.sqrt(fraction))
    return tuple(found)


def crossings(fractions: Sequence[float], boundaries: Sequence[float]) -> list[float]:
    """Give the chance under no effect that a boundary is crossed first at each look.

    Args:
        fractions: of the information at each look, rising, above 0.
        boundaries: normal scores of the looks; may be infinite.

    >>> [round(each, 4) for each in crossings([1.0], [normal_isf(0.01)])]
    [0.01]
    """
    state = _Paths()
    found = []
    for fraction, boundary in zip(fractions, boundaries, strict=True):
        state.advance(fraction)
        bound = boundary * math.sqrt(fraction)
        found.append(state.beyond(bound))
        state.cut(bound)
    return found


class _Paths:
    """The density of a Brownian motion over those paths that have crossed no boundary yet."""

    def __init__(self) -> None:
        """Start at zero, with nothing in."""
        self._places: Floats = np.zeros(1)
        self._masses: Floats = np.ones(1)
        self._fraction = 0.0
        self._step = 0.0

    def advance(self, fraction: float) -> None:
        """Go on to a look; the paths are those that were left at the one before."""
        self._step = math.sqrt(fraction - self._fraction)
        self._fraction = fraction

    def beyond(self, bound: float) -> float:
        """Give the chance that a path left lies above a bound now."""
        return float((self._masses * ndtr((self._places - bound) / self._step)).sum())

    def bound_for(self, chance: float) -> float:
        """Give the bound that paths left lie above with this chance."""
        reach = 40.0 * math.sqrt(self._fraction)
        if self.beyond(-reach) <= chance:
            return -reach
        return float(brentq(lambda at: self.beyond(at) - chance, -reach, reach, xtol=1e-10))

    def cut(self, bound: float) -> None:
        """Keep only those paths that lie below a bound now."""
        far = _FAR * math.sqrt(self._fraction)
        top = min(bound, far)
        half = (top + far) / 2.0
        at = -far + half * (_NODES + 1.0)
        apart = (at[:, None] - self._places[None, :]) / self._step
        kernel = np.exp(-0.5 * apart**2) / (self._step * math.sqrt(2.0 * math.pi))
        self._masses = half * _WEIGHTS * (kernel @ self._masses)
        self._places = at


@lru_cache(maxsize=128)
def _table(fractions: tuple[float, ...]) -> tuple[Floats, Floats]:
    """Give boundaries by level and look, and the normal scores of the levels, falling."""
    levels = np.geomspace(0.5, _LEAST_LEVEL, _LEVELS)[1:]
    rows = [spending_boundaries(fractions, float(level)) for level in levels]
    return np.array(rows)[::-1], -ndtri(levels)[::-1]
