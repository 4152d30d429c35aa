"""How much a ratio of sums varies where instances differ and minutes differ: two-way clusters.

Source: Cameron, Gelbach and Miller (2011), JBES 29(2), for two-way clusters; Satterthwaite (1946),
Biometrics 2(6), for the degrees of freedom.
"""

from collections.abc import Sequence

import numpy as np

from pipeline.stats.cells import Floats, Side

# Blocks of time that are taken for independent.
_BLOCK_MINUTES = 5
_SHORT_MINUTES = 30
_SHORT_BLOCKS = 6
_PAIR = 2


def ratio_variance(sides: Sequence[Side], sums: list[Floats]) -> tuple[float, float]:
    """Give the variance of a ratio of sums or of a difference of two, and its degrees of freedom.

    Args:
        sides: one, or baseline and canary.
        sums: of each the numerator by cell, instances x minutes; the requests are the denominator.
    """
    variance, df, _ = ratio_variances(sides, sums)
    return variance, df


def ratio_variances(sides: Sequence[Side], sums: list[Floats]) -> tuple[float, float, float]:
    """Give the variance as ``ratio_variance``, its df, and the instances' share of it, 0 to 1."""
    counts = [side.requests for side in sides]
    by_instance = [side.requests_by_instance for side in sides]
    totals = [float(each.sum()) for each in by_instance]
    ratios = [float(top.sum()) / total for top, total in zip(sums, totals, strict=True)]
    influence = [
        (top - ratio * below) / total
        for top, below, ratio, total in zip(sums, counts, ratios, totals, strict=True)
    ]
    v_instance, df_instance = _between_instances(by_instance, sums, ratios)
    v_time, df_time = _between_blocks(influence, sides[0].minutes)
    v_cell = sum(float((each**2).sum()) for each in influence)
    pooled = sum(float(top.sum()) for top in sums) / sum(totals)
    v_least = max(pooled * (1 - pooled), 0.0) * sum(1 / side.effective for side in sides)
    variance = max(v_instance + v_time - v_cell, v_instance, v_time, v_least)
    squares = v_instance**2 / df_instance + v_time**2 / df_time
    df = variance**2 / squares if squares > 0 else df_instance + df_time
    low, high = min(df_instance, df_time), df_instance + df_time
    between = min(v_instance / variance, 1.0) if variance > 0 else 0.0
    return variance, min(max(df, low), high), between


def _between_instances(
    counts: list[Floats], sums: list[Floats], ratios: list[float]
) -> tuple[float, float]:
    """Give what instances add: each weighs the same, however unequal their traffic."""
    squares = 0.0
    present = []
    for n, top, ratio in zip(counts, sums, ratios, strict=True):
        e = top.sum(axis=1)
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
