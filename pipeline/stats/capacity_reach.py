"""Where curves of latency leave an objective, and which of them tell that at all."""

from dataclasses import dataclass

import numpy as np

from pipeline.stats.bootstrap import Floats
from pipeline.stats.capacity_choice import Bools


@dataclass(frozen=True)
class Question:
    """What a curve must answer.

    Attributes:
        grid: g loads.
        objective_s: the latency that must be held.
        most: the highest load that is an answer: where the objective was passed for sure, none
            far beyond what was seen.
        never: what a curve says that is below the objective to the grid's end: that end where all
            cores are busy there, else endless.
        by_chance: whether the simplest counts that is as good but for chance; where the objective
            was seen, shapes differ by what was measured there.
    """

    grid: Floats
    objective_s: float
    most: float
    never: float
    by_chance: bool

    def is_answered(self, curves: Floats) -> Bools:
        """Tell which of d curves have an answer."""
        found = self.reach(curves)
        result: Bools = ~np.isnan(found) & (found <= self.most)
        return result

    def reach(self, curves: Floats) -> Floats:
        """Give for each of d curves the load at which it first leaves the objective.

        NaN for a curve that ends before; 0 where there is no objective.
        """
        if not self.objective_s > 0:
            return np.zeros(len(curves))
        return _reach(self.grid, curves, self.objective_s, self.never)


def _reach(grid: Floats, latency: Floats, objective_s: float, never: float) -> Floats:
    above = ~(latency <= objective_s)
    first = np.argmax(above, axis=1)
    rows = np.arange(len(latency))
    before = np.maximum(first - 1, 0)
    low, high = latency[rows, before], latency[rows, first]
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.clip((objective_s - low) / (high - low), 0.0, 1.0)
    # A curve that is endless at the next load crosses between the two.
    part = np.where(np.isposinf(high), 0.5, part)
    found = grid[before] + part * (grid[first] - grid[before])
    result: Floats = np.where(above.any(axis=1), np.where(first == 0, 0.0, found), never)
    result[above.any(axis=1) & np.isnan(high)] = np.nan
    return result
