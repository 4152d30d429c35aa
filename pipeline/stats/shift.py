"""How much slower one side is at a quantile: pooled exceedance and paired blocks, combined.

Requests are not independent: instances differ and minutes differ. Method A holds for any traffic
and lets both vary (two-way cluster-robust variance); method B pairs blocks of time, which takes
out what load does to both sides alike.

Source: Yuen (1974), Biometrika 61(1), for the trimmed mean; Hogg (1974), JASA 69(348), for a share
that depends on the data; Satterthwaite (1946), Biometrics 2(6), for the degrees of freedom.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from pipeline.stats.cells import WIDTH, Floats, Histograms, Range, Side
from pipeline.stats.clusters import ratio_variance as ratio_variance
from pipeline.stats.clusters import ratio_variances
from pipeline.stats.distributions import MAD_TO_SIGMA, student_isf, student_sf

# Method B: requests above the quantile that a block needs, and the blocks.
_ABOVE_A_BLOCK = 5.0
LEAST_BLOCKS = 6
_LEAST_BLOCKS_FOR_RHO = 8
# Cut of the blocks at each end: more where outliers show that bursts fell in some.
_TRIM, _TRIM_OF_BURSTS = 0.1, 0.25
_OUTLIERS, _OUTLIER_SIGMAS, _LEAST_BLOCKS_FOR_OUTLIERS = 0.05, 3.0, 20
_RHO_MOST = 0.9
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
        between_instances: share of the variance that more time does not lessen.
    """

    method: str
    log_effect: float
    error: float
    df: float
    statistic: float | None = None
    between_instances: float = 0.0

    def mirrored(self) -> "Estimate":
        """Give the same of the sides the other way round."""
        statistic = None if self.statistic is None else -self.statistic
        return replace(self, log_effect=-self.log_effect, statistic=statistic)

    def p_value(self, margin: float = 0.0) -> float:
        """Give the one-sided p-value against a shift of at most ``margin``, in logarithms."""
        if self.error == 0.0:
            return 0.0 if self.log_effect > margin else 1.0
        if margin == 0.0 and self.statistic is not None:
            return student_sf(self.statistic, self.df)
        return student_sf((self.log_effect - margin) / self.error, self.df)

    def bounds(self, alpha: float) -> tuple[float, float]:
        """Give the bounds at one-sided level alpha each, in logarithms."""
        reach = student_isf(alpha, self.df) * self.error
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

    def mirrored(self) -> "Shift":
        """Give the same of the sides the other way round; quantiles stay where they are."""
        blocks = None if self.blocks is None else self.blocks.mirrored()
        return replace(self, exceedance=self.exceedance.mirrored(), blocks=blocks)

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
        reach = student_isf(level, found.df) + student_isf(1 - power, found.df)
        return reach * found.error


class Pair:
    """Two sides and what all their quantiles share."""

    def __init__(self, baseline: Side, canary: Side) -> None:
        """Take two sides on one clock, each with requests, three instances or more together."""
        self.sides = (baseline, canary)
        self.range = Range.of(baseline, canary)
        self.whole = [self.range.histograms(side, None, 1) for side in self.sides]
        self._pooled = self.whole[0] + self.whole[1]
        self._is_constant = all(np.count_nonzero(each.counts) == 1 for each in self.whole)
        self._by_instance = [
            self.range.histograms(side, side.instance, side.instances) for side in self.sides
        ]
        self._by_block: dict[int, list[Histograms]] = {}
        self._density: dict[float, list[float]] = {}

    def shift(self, p: float) -> Shift:
        """Estimate by how much the canary's quantile lies above the baseline's.

        Args:
            p: the quantile, between 0 and 1.
        """
        baseline, canary = (float(each.log_quantile(p)[0]) for each in self.whole)
        found = self._exceedance(p, canary - baseline)
        return Shift(found, self._paired_blocks(p), (baseline, canary), self._is_constant)

    def _densities(self, p: float) -> list[float]:
        """Give the density of each side about its quantile."""
        if p not in self._density:
            self._density[p] = [
                density(whole, side.effective, p)
                for whole, side in zip(self.whole, self.sides, strict=True)
            ]
        return self._density[p]

    def _exceedance(self, p: float, log_effect: float) -> Estimate:
        """Method A: the share above the pooled quantile, with instances and time as clusters."""
        log_star = float(self._pooled.log_quantile(p)[0])
        above = [side.above(log_star) for side in self.sides]
        variance, df, between = ratio_variances(self.sides, above)
        found = _harmonic(self._densities(p))
        deviation = math.sqrt(variance)
        # Shares above the pooled quantile themselves: in a tail they tell more than its distance.
        shares = [
            float(each.sum()) / side.total for each, side in zip(above, self.sides, strict=True)
        ]
        statistic = (shares[1] - shares[0]) / deviation if deviation > 0 else None
        return Estimate("exceedance", log_effect, deviation / found, df, statistic, between)

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
        between = extra / variance if variance > 0 else 0.0
        return Estimate("blocks", effect, math.sqrt(variance), df, None, between)

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
        for side, each, found in zip(
            self.sides, self._by_instance, self._densities(p), strict=True
        ):
            logs = each.log_quantile(p)
            logs = logs[np.isfinite(logs)]
            squares += float(((logs - logs.mean()) ** 2).sum())
            shares += 1 / len(logs)
            present += len(logs)
            sampling += p * (1 - p) / (side.effective * found**2)
        df = max(present - 2, 1)
        return max(0.0, squares / df * shares - sampling), float(df)


def density(whole: Histograms, effective: float, p: float) -> float:
    """Give the density of one histogram's log durations about a quantile, of n requests."""
    reach = 2.5 * math.sqrt(p * (1 - p) / effective)
    low, high = max(p - reach, 1e-6), min(p + reach, 1 - 0.5 / effective)
    width = float(whole.log_quantile(high)[0] - whole.log_quantile(low)[0])
    # Values that are all alike still differ by what a bucket cannot tell.
    return float(max(high - low, 1e-9) / max(width, WIDTH / 64))


def _harmonic(values: list[float]) -> float:
    """Give the harmonic mean."""
    return float(len(values) / sum(1 / each for each in values))


def trimmed_mean(differences: Floats, length: int) -> tuple[float, float, float]:
    """Give the trimmed mean of a series, its variance and that one's degrees of freedom.

    Args:
        differences: g values in the order of time, 6 or more.
        length: minutes from one to the next.
    """
    count = len(differences)
    cut = int(_trimmed_share(differences) * count)
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


def _trimmed_share(differences: Floats) -> float:
    """Give how much is cut at each end: a tenth, or a quarter where there are many outliers."""
    if len(differences) < _LEAST_BLOCKS_FOR_OUTLIERS:
        return _TRIM
    apart = np.abs(differences - np.median(differences))
    outliers = float((apart > _OUTLIER_SIGMAS * MAD_TO_SIGMA * np.median(apart)).mean())
    return _TRIM_OF_BURSTS if outliers > _OUTLIERS else _TRIM


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
