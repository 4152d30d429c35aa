"""How much a series differs between two sides: ratios of sums, shares and gauges, by the minute.

A ratio of sums (CPU seconds or calls a request) lets instances and blocks of time vary, as method
A of latency does; a gauge is compared minute by minute, as method B is.

Source: Cameron, Gelbach and Miller (2011), JBES 29(2), for two-way clusters; Yuen (1974),
Biometrika 61(1), for the trimmed mean; Satterthwaite (1946), Biometrics 2(6), for the degrees of
freedom.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.stats.cells import Floats, Ints, Side
from pipeline.stats.distributions import student_isf, student_sf
from pipeline.stats.shift import LEAST_BLOCKS, ratio_variance, trimmed_mean

# Values above this quantile of both sides count as much as it does.
WINSORISED_AT = 0.999
# A sum of which less than this lies above that quantile has no heavy tail, and is left as it is.
_HEAVY_SHARE = 0.01
_POWER = 0.8
# What arithmetic alone adds to a value of 1: below it, nothing varies.
_ROUNDING = 1e-12
# A pooled ratio of this size has no binomial variance: what is no share has none.
_NO_SHARE = 2.0


@dataclass(frozen=True)
class Series:
    """One side of a series, r rows.

    Attributes:
        instance: numbers of instances, from 0.
        minute: minutes, from 0, of a clock that both sides share.
        top: what is added up.
        below: what that is divided by, 0 or more: requests, seconds, or 1 for a gauge's minute.
        spread: the sum of squared weights over the squared sum of weights of what a row holds: 1
            for a row that is one observation, 1/n for one of n.
        instances: how many instances there are.
        minutes: how many minutes the clock has.
    """

    instance: Ints
    minute: Ints
    top: Floats
    below: Floats
    spread: Floats
    instances: int
    minutes: int

    @cached_property
    def ratio(self) -> float:
        """Give the ratio of the sums."""
        return float(self.top.sum() / self.below.sum())

    @property
    def effective(self) -> float:
        """Give how many observations of equal weight would tell as much (Kish)."""
        weights = self.below
        return float(weights.sum() ** 2 / (self.spread * weights**2).sum())

    @cached_property
    def side(self) -> Side:
        """Give it as the statistics of requests take a side; it has no buckets."""
        squared = self.spread * self.below**2
        buckets = np.zeros(len(self.minute), dtype=np.int64)
        numbers = (self.instance, self.minute, buckets, self.below, squared)
        return Side(*numbers, self.instances, self.minutes)

    @property
    def least_variance(self) -> float:
        """Give the variance of the ratio if all rows were independent: no estimate is below it."""
        apart = self.top - self.ratio * self.below
        return float((self.spread * apart**2).sum() / self.below.sum() ** 2)

    def means(self, by: Ints, count: int) -> Floats:
        """Give the ratio of each group of rows; NaN of an empty one."""
        top = np.bincount(by, weights=self.top, minlength=count)
        below = np.bincount(by, weights=self.below, minlength=count)
        means: Floats = np.full(count, np.nan)
        return np.divide(top, below, out=means, where=below > 0)


@dataclass(frozen=True)
class SeriesShift:
    """What is found of a series.

    Attributes:
        values: of baseline and canary.
        effect: the logarithm of canary over baseline, or canary less baseline.
        is_log: which of the two.
        error: its standard error.
        df: degrees of freedom.
        method: exceedance (two-way clusters) or blocks (paired minutes).
    """

    values: tuple[float, float]
    effect: float
    is_log: bool
    error: float
    df: float
    method: str

    def p_value(self, margin: float) -> float:
        """Give the one-sided p-value against an effect of at most ``margin``."""
        if self.error == 0.0:
            return 0.0 if self.effect > margin + _ROUNDING else 1.0
        return student_sf((self.effect - margin) / self.error, self.df)

    def bounds(self, alpha: float) -> tuple[float, float]:
        """Give the bounds at one-sided level alpha each."""
        reach = student_isf(alpha, self.df) * self.error
        return self.effect - reach, self.effect + reach

    def detectable(self, alpha: float) -> float:
        """Give the least effect that would be found in four of five tries."""
        reach = student_isf(alpha, self.df) + student_isf(1 - _POWER, self.df)
        return float(reach) * self.error

    def reversed(self) -> "SeriesShift":
        """Give the same the other way round: less of it is then more."""
        return SeriesShift(self.values, -self.effect, self.is_log, self.error, self.df, self.method)


def ratio_shift(baseline: Series, canary: Series, is_share: bool = False) -> SeriesShift:
    """Compare two ratios of sums.

    Args:
        baseline, canary: on one clock, each with rows.
        is_share: whether the ratio is a share of requests: compared by difference, and no more
            sure than a share of independent requests.

    Returns:
        The shift; a difference where a ratio has no logarithm.
    """
    pair = (baseline, canary)
    values = (baseline.ratio, canary.ratio)
    variance, df = _variance(pair, is_share)
    is_log = not is_share and min(values) > 0
    if not is_log:
        effect, error = values[1] - values[0], math.sqrt(variance)
    else:
        pooled = _pooled(pair)
        effect, error = math.log(values[1] / values[0]), math.sqrt(variance) / pooled
    error = _without_rounding(error, 1.0 if is_log else max(map(abs, values)))
    return SeriesShift(values, effect, is_log, error, df, "exceedance")


def ratio_level(series: Series, is_share: bool = False) -> SeriesShift:
    """Estimate one ratio of sums, as a shift from nothing.

    Args:
        series: with rows; for a gauge each minute of an instance counts the same.
        is_share: as for ``ratio_shift``.
    """
    variance, df = _variance((series,), is_share)
    value = series.ratio
    error = _without_rounding(math.sqrt(variance), abs(value))
    return SeriesShift((0.0, value), value, False, error, df, "exceedance")


def gauge_shift(baseline: Series, canary: Series) -> SeriesShift | None:
    """Compare two gauges, minute by minute: by ratio where all values are positive.

    Args:
        baseline, canary: means of instances and minutes, on one clock.

    Returns:
        The shift; None where the sides share fewer than LEAST_BLOCKS minutes.
    """
    pair = (baseline, canary)
    minutes = baseline.minutes
    is_log = all(float(each.top.min()) > 0 for each in pair)
    by_minute = [each.means(each.minute, minutes) for each in pair]
    scale = np.log if is_log else np.positive
    apart = scale(by_minute[1]) - scale(by_minute[0])
    apart = apart[np.isfinite(apart)]
    if len(apart) < LEAST_BLOCKS:
        return None
    effect, v_time, df_time = trimmed_mean(apart, 1)
    v_instances, df_instances = _between_instances(
        [scale(each.means(each.instance, each.instances)) for each in pair]
    )
    variance = v_time + v_instances
    squares = v_time**2 / df_time + v_instances**2 / df_instances
    df = variance**2 / squares if squares > 0 else df_time
    values = (baseline.ratio, canary.ratio)
    error = _without_rounding(math.sqrt(variance), 1.0 if is_log else max(map(abs, values)))
    return SeriesShift(values, effect, is_log, error, df, "blocks")


def winsorised(sides: Sequence[Series]) -> tuple[list[Series], float | None]:
    """Cut values of a heavy tail to the pooled quantile WINSORISED_AT.

    Args:
        sides: one or two; a row holds ``below`` requests of the value top/below.

    Returns:
        The sides, and what was cut to; None where the tail holds too little of the sum to matter.
    """
    value = np.concatenate([each.top / each.below for each in sides])
    weight = np.concatenate([each.below for each in sides])
    order = np.argsort(value, kind="stable")
    reached = np.cumsum(weight[order])
    place = int(np.searchsorted(reached, WINSORISED_AT * reached[-1]))
    most = float(value[order][min(place, len(value) - 1)])
    total = float((value * weight).sum())
    above = float((np.maximum(value - most, 0.0) * weight).sum())
    if total <= 0 or above < _HEAVY_SHARE * total:
        return list(sides), None
    return [_cut(each, most) for each in sides], most


def _cut(series: Series, most: float) -> Series:
    """Cut the values of a side."""
    top = np.minimum(series.top, most * series.below)
    numbers = (series.instance, series.minute, top, series.below, series.spread)
    return Series(*numbers, series.instances, series.minutes)


def _without_rounding(error: float, size: float) -> float:
    """Give an error, or 0 where it is no more than arithmetic makes of values of a size."""
    return 0.0 if error <= _ROUNDING * size else error


def _pooled(sides: Sequence[Series]) -> float:
    """Give the ratio of the sums of all sides together."""
    return float(sum(s.top.sum() for s in sides) / sum(s.below.sum() for s in sides))


def _variance(sides: Sequence[Series], is_share: bool) -> tuple[float, float]:
    """Give the variance of a ratio or of a difference of two, and its degrees of freedom."""
    pooled = abs(_pooled(sides))
    # The floor under a share's variance is binomial and none of ours: out of the way by scaling.
    scale = 1.0 if is_share or pooled == 0 else _NO_SHARE / pooled
    sums = [each.side.add_up(scale * each.top) for each in sides]
    variance, df = ratio_variance([each.side for each in sides], sums)
    floor = sum(each.least_variance for each in sides)
    return max(variance / scale**2, floor), df


def _between_instances(logs: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """Give what instances add to the variance of a difference: each weighs the same."""
    there = [each[np.isfinite(each)] for each in logs]
    squares = sum(float(((each - each.mean()) ** 2).sum()) for each in there)
    df = max(sum(len(each) for each in there) - len(there), 1)
    return squares / df * sum(1 / len(each) for each in there), float(df)
