"""How much slower one side is at a quantile: pooled exceedance and paired blocks, combined.

Requests are not independent: instances differ and minutes differ. Method A holds for any traffic
and lets both vary (two-way cluster-robust variance); method B pairs blocks of time, which takes
out what load does to both sides alike.

Source: Cameron, Gelbach and Miller (2011), JBES 29(2), for two-way clusters; Yuen (1974),
Biometrika 61(1), for the trimmed mean; Satterthwaite (1946), Biometrics 2(6), for the degrees of
freedom.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from pipeline.stats.cells import WIDTH, Floats, Histograms, Range, Side

# Blocks of time that method A takes for independent.
_BLOCK_MINUTES = 5
_SHORT_MINUTES = 30
_SHORT_BLOCKS = 6

# Method B: requests above the quantile that a block needs, and the blocks.
_ABOVE_A_BLOCK = 5.0
LEAST_BLOCKS = 6
_LEAST_BLOCKS_FOR_RHO = 8
_TRIM = 0.1
_RHO_MOST = 0.9
_PAIR = 2
# Minutes that a batch of blocks spans at least.
_BATCH_MINUTES = 6


@dataclass(frozen=True)
class Estimate:
    """What one method finds.

    Attributes:
        method: exceedance or blocks.
        log_effect: logarithm of canary over baseline.
        error: its standard error.
        df: degrees of freedom.
        statistic: what tells whether there is any effect, where that is not effect over error.
    """

    method: str
    log_effect: float
    error: float
    df: float
    statistic: float | None = None

    def p_value(self, margin: float = 0.0) -> float:
        """Give the one-sided p-value against a shift of at most ``margin``, in logarithms."""
        if self.error == 0.0:
            return 0.0 if self.log_effect > margin else 1.0
        if margin == 0.0 and self.statistic is not None:
            return float(student.sf(self.statistic, self.df))
        return float(student.sf((self.log_effect - margin) / self.error, self.df))

    def bounds(self, alpha: float) -> tuple[float, float]:
        """Give the bounds at one-sided level alpha each, in logarithms."""
        reach = float(student.isf(alpha, self.df)) * self.error
        return self.log_effect - reach, self.log_effect + reach


@dataclass(frozen=True)
class Shift:
    """What both methods find together.

    Attributes:
        exceedance: method A.
        blocks: method B; None where there are too few blocks.
        log_quantiles: of baseline and canary.
        constant: whether each side's requests are all alike, as far as buckets tell.
    """

    exceedance: Estimate
    blocks: Estimate | None
    log_quantiles: tuple[float, float]
    constant: bool = False

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """Give those that there are."""
        return (self.exceedance,) if self.blocks is None else (self.exceedance, self.blocks)

    @property
    def best(self) -> Estimate:
        """Give the one with the smaller error."""
        return min(self.estimates, key=lambda each: each.error)

    def p_value(self, margin: float = 0.0) -> float:
        """Give the p-value of the two together (Bonferroni): at most ``margin`` slower."""
        found = self.estimates
        return min(1.0, len(found) * min(each.p_value(margin) for each in found))

    def bounds(self, alpha: float) -> tuple[float, float]:
        """Give the bounds on which both agree; the lower above the upper where they do not."""
        found = self.estimates
        bounds = [each.bounds(alpha / len(found)) for each in found]
        return max(low for low, _ in bounds), min(high for _, high in bounds)

    def detectable(self, alpha: float, power: float = 0.8) -> float:
        """Give the least log effect that would be found with this power."""
        found = self.best
        level = alpha / len(self.estimates)
        reach = student.isf(level, found.df) + student.isf(1 - power, found.df)
        return float(reach) * found.error


class Pair:
    """Two sides and what all their quantiles share."""

    def __init__(self, baseline: Side, canary: Side) -> None:
        """Take two sides on one clock, each with requests, three instances or more together."""
        self.sides = (baseline, canary)
        self.range = Range.of(baseline, canary)
        self.whole = [self.range.histograms(side, None, 1) for side in self.sides]
        self._by_instance = [
            self.range.histograms(side, side.instance, side.instances) for side in self.sides
        ]
        self._by_block: dict[int, list[Histograms]] = {}

    def shift(self, p: float) -> Shift:
        """Estimate by how much the canary's quantile lies above the baseline's.

        Args:
            p: the quantile, between 0 and 1.
        """
        baseline, canary = (float(each.log_quantile(p)[0]) for each in self.whole)
        found = self._exceedance(p, canary - baseline)
        constant = all((each.counts > 0).sum() == 1 for each in self.whole)
        return Shift(found, self._paired_blocks(p), (baseline, canary), constant)

    def _exceedance(self, p: float, log_effect: float) -> Estimate:
        """Method A: the share above the pooled quantile, with instances and time as clusters."""
        log_star = float((self.whole[0] + self.whole[1]).log_quantile(p)[0])
        above = [side.above(log_star) for side in self.sides]
        variance, df = ratio_variance(self.sides, above)
        found = density(self.whole, [side.effective for side in self.sides], p)
        deviation = math.sqrt(variance)
        # Shares above the pooled quantile themselves: in a tail they tell more than its distance.
        shares = [
            float(each.sum()) / side.total for each, side in zip(above, self.sides, strict=True)
        ]
        statistic = (shares[1] - shares[0]) / deviation if deviation > 0 else None
        return Estimate("exceedance", log_effect, deviation / found, df, statistic)

    def _paired_blocks(self, p: float) -> Estimate | None:
        """Method B: the trimmed mean of log ratios of quantiles, block by block."""
        minutes = self.sides[0].minutes
        above = min(side.total for side in self.sides) / minutes * (1 - p)
        length = max(1, math.ceil(_ABOVE_A_BLOCK / above)) if above > 0 else minutes
        if minutes // length < LEAST_BLOCKS:
            return None
        baseline, canary = (each.log_quantile(p) for each in self._blocks(length))
        differences = canary - baseline
        differences = differences[np.isfinite(differences)]
        if len(differences) < LEAST_BLOCKS:
            return None
        effect, v_time, df_time = trimmed_mean(differences, length)
        extra, df_extra = self._instance_excess(p)
        variance = v_time + extra
        squares = v_time**2 / df_time + extra**2 / df_extra
        df = variance**2 / squares if squares > 0 else df_time
        return Estimate("blocks", effect, math.sqrt(variance), df)

    def _blocks(self, length: int) -> list[Histograms]:
        """Give both sides' histograms of blocks of so many minutes, whole ones only."""
        if length not in self._by_block:
            blocks = self.sides[0].minutes // length
            self._by_block[length] = [
                self.range.histograms(side, side.minute // length, blocks) for side in self.sides
            ]
        return self._by_block[length]

    def _instance_excess(self, p: float) -> tuple[float, float]:
        """Give what instances differ by beyond what their samples would."""
        squares, sampling, shares, present = 0.0, 0.0, 0.0, 0
        for side, whole, each in zip(self.sides, self.whole, self._by_instance, strict=True):
            logs = each.log_quantile(p)
            logs = logs[np.isfinite(logs)]
            squares += float(((logs - logs.mean()) ** 2).sum())
            shares += 1 / len(logs)
            present += len(logs)
            found = density([whole], [side.effective], p)
            sampling += p * (1 - p) / (side.effective * found**2)
        df = max(present - 2, 1)
        return max(0.0, squares / df * shares - sampling), float(df)


def ratio_variance(sides: Sequence[Side], sums: list[Floats]) -> tuple[float, float]:
    """Give the variance of a ratio of sums or of a difference of two, and its degrees of freedom.

    Args:
        sides: one, or baseline and canary.
        sums: of each the numerator by cell, instances x minutes; the requests are the denominator.
    """
    counts = [side.requests for side in sides]
    totals = [float(each.sum()) for each in counts]
    ratios = [float(top.sum()) / total for top, total in zip(sums, totals, strict=True)]
    influence = [
        (top - ratio * below) / total
        for top, below, ratio, total in zip(sums, counts, ratios, totals, strict=True)
    ]
    v_instance, df_instance = _between_instances(counts, sums, ratios)
    v_time, df_time = _between_blocks(influence, sides[0].minutes)
    v_cell = sum(float((each**2).sum()) for each in influence)
    pooled = sum(float(top.sum()) for top in sums) / sum(totals)
    v_least = max(pooled * (1 - pooled), 0.0) * sum(1 / side.effective for side in sides)
    variance = max(v_instance + v_time - v_cell, v_instance, v_time, v_least)
    squares = v_instance**2 / df_instance + v_time**2 / df_time
    df = variance**2 / squares if squares > 0 else df_instance + df_time
    low, high = min(df_instance, df_time), df_instance + df_time
    return variance, min(max(df, low), high)


def _between_instances(
    counts: list[Floats], sums: list[Floats], ratios: list[float]
) -> tuple[float, float]:
    """Give what instances add: each weighs the same, however unequal their traffic."""
    squares = 0.0
    present = []
    for below, top, ratio in zip(counts, sums, ratios, strict=True):
        n, e = below.sum(axis=1), top.sum(axis=1)
        there = n > 0
        squares += float(((e[there] / n[there] - ratio) ** 2).sum())
        present.append(int(there.sum()))
    df = max(sum(present) - len(counts), 1)
    return squares / df * sum(1 / each for each in present), float(df)


def _between_blocks(influence: list[Floats], minutes: int) -> tuple[float, float]:
    """Give what blocks of time add, paired by the clock."""
    length = _BLOCK_MINUTES if minutes >= _SHORT_MINUTES else max(minutes // _SHORT_BLOCKS, 1)
    starts = np.arange(0, minutes, length)
    by_block = [np.add.reduceat(each.sum(axis=0), starts) for each in influence]
    blocks = len(starts)
    if blocks < _PAIR:
        return 0.0, 1.0
    apart = by_block[-1] - by_block[0] if len(by_block) == _PAIR else by_block[0]
    variance = blocks / (blocks - 1) * float((apart**2).sum())
    return variance, float(blocks - 1)


def density(whole: list[Histograms], effective: list[float], p: float) -> float:
    """Give the density of log durations about the quantile: the harmonic mean of both sides'."""
    found = []
    for each, n in zip(whole, effective, strict=True):
        reach = 2.5 * math.sqrt(p * (1 - p) / n)
        low, high = max(p - reach, 1e-6), min(p + reach, 1 - 0.5 / n)
        width = float(each.log_quantile(high)[0] - each.log_quantile(low)[0])
        # Values that are all alike still differ by what a bucket cannot tell.
        found.append(max(high - low, 1e-9) / max(width, WIDTH / 64))
    return float(len(found) / sum(1 / each for each in found))


def trimmed_mean(differences: Floats, length: int) -> tuple[float, float, float]:
    """Give the 10 % trimmed mean of a series, its variance and that one's degrees of freedom.

    Args:
        differences: g values in the order of time, 6 or more.
        length: minutes from one to the next.
    """
    count = len(differences)
    cut = int(_TRIM * count)
    kept = count - 2 * cut
    ordered = np.sort(differences)
    effect = float(ordered[cut : count - cut].mean())
    winsorised = np.clip(differences, ordered[cut], ordered[count - cut - 1])
    spread = float(winsorised.var(ddof=1))
    variance = spread * (count - 1) / (kept * (kept - 1))
    inflation = _inflation(winsorised)
    v_time, df_time = variance * inflation, max(kept / inflation - 1, 2.0)
    size = max(2, round(_BATCH_MINUTES / length))
    batches = count // size
    if batches >= LEAST_BLOCKS and spread > 0:
        means = winsorised[: batches * size].reshape(batches, size).mean(axis=1)
        v_batch = float(means.var(ddof=1)) / batches * variance / (spread / count)
        if v_batch > v_time:
            v_time, df_time = v_batch, min(df_time, batches - 1.0)
    return effect, v_time, df_time


def _inflation(series: Floats) -> float:
    """Give how much more the mean varies than that of independent values: of an AR(1)."""
    count = len(series)
    centred = series - series.mean()
    total = float((centred**2).sum())
    if count < _LEAST_BLOCKS_FOR_RHO or total == 0:
        return 1.0
    rho = float((centred[1:] * centred[:-1]).sum()) / total
    rho = min(max(rho + (1 + 4 * rho) / count, 0.0), _RHO_MOST)
    return (1 + rho) / (1 - rho)
