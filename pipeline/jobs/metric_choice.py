"""Choosing among the sources of a metric, so that like is held against like."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.jobs.metric_settling import Told

_SIDES = ("the baseline", "the canary")


@dataclass(frozen=True)
class Choice:
    """Which rows of a group count.

    Attributes:
        kept: n, whether a row counts.
        names: of each side, the OTLP metrics that tell it.
        unit: of the values, where the metric has none of its own.
        mismatch: why the sides cannot be compared; empty where they can.
        is_watched: whether monitors tell it of the whole.
        shared: how the parts of what instances share become one, ADD or MOST; empty for not shared.
    """

    kept: NDArray[np.bool_]
    names: tuple[tuple[str, ...], ...]
    unit: str = ""
    mismatch: str = ""
    is_watched: bool = False
    shared: str = ""

    @property
    def note(self) -> str:
        """Say that the sides are told by unlike names, or by parts; empty where they are not."""
        told = [each for each in self.names if each]
        if self.mismatch or len(set(told)) <= 1:
            # How much of a topic each side holds is for its group to say.
            is_part = self.shared and len(self.names) > 1
            return "a mean of instances, which share the partitions" if is_part else ""
        return f"names differ: {_each_tells(self.names)}"


def choose(
    source: NDArray[Any],
    side: NDArray[Any],
    instance: NDArray[Any],
    told: Sequence[Told],
    sides: int,
) -> Choice:
    """Choose the rows of a group that count.

    A name that every side sends comes first, then the best; an instance that does not send it
    counts by the next that measures the same.

    Args:
        source: n places in ``told``.
        side: n numbers of sides.
        instance: n names of instances.
        told: the sources, the best first.
        sides: how many there are.
    """
    of_side = [sorted({int(each) for each in source[side == number]}) for number in range(sides)]
    there = [places for places in of_side if places]
    names = [{told[place].source.name for place in places} for places in there]
    common = set.intersection(*names) if names else set()
    order = sorted(
        {place for places in there for place in places},
        key=lambda place: (told[place].source.name not in common, place),
    )
    measured = [[told[place].tells for place in order if place in places] for places in of_side]
    shared = [
        told[place].tells
        for place in order
        if all(told[place].tells in each for each in measured if each)
    ]
    meant = [(shared[:1] or each[:1]) for each in measured]
    by_rank = list(dict.fromkeys(told[place].source.name for place in order))
    ranks = np.full(len(told), len(told), dtype=np.int64)
    for place in order:
        ranks[place] = by_rank.index(told[place].source.name)
    kept = np.zeros(len(source), dtype=bool)
    for number, tells in enumerate(meant):
        allowed = [place for place in of_side[number] if [told[place].tells] == tells]
        own = (side == number) & np.isin(source, allowed)
        kept |= own & (ranks[source] == _least(ranks[source], own, instance))
    return _choice(kept, source, side, told, sides)


def _least(ranks: NDArray[np.int64], own: NDArray[np.bool_], instance: NDArray[Any]) -> Any:
    """Give every row the least rank among the rows of its instance that are its side's own."""
    _, code = np.unique(instance.astype(str), return_inverse=True)
    least = np.full(int(code.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(least, code[own], ranks[own])
    return least[code]


def _choice(
    kept: NDArray[np.bool_],
    source: NDArray[Any],
    side: NDArray[Any],
    told: Sequence[Told],
    sides: int,
) -> Choice:
    """Say what was chosen."""
    used = [
        sorted({int(each) for each in source[kept & (side == number)]}) for number in range(sides)
    ]
    names = tuple(
        tuple(dict.fromkeys(told[place].source.name for place in places)) for places in used
    )
    every = [told[place] for places in used for place in places]
    meant = {each.tells for each in every}
    mismatch = ""
    if len(meant) > 1:
        units = [told[places[0]].unit for places in used if places]
        mismatch = f"not_comparable: {_each_tells(names)}, which measure unlike things"
        if len(set(units)) > 1:
            of_baseline, of_canary = (unit or "1" for unit in (units[0], units[-1]))
            mismatch = (
                f"not_comparable: {_SIDES[0]} is in {of_baseline}, {_SIDES[1]} in {of_canary}"
            )
    unit = every[0].unit if every else ""
    watched = bool(every) and all(each.source.is_watched for each in every)
    folds = {each.source.fold if each.source.is_shared else "" for each in every}
    shared = folds.pop() if len(folds) == 1 else ""
    return Choice(kept, names, unit, mismatch, watched, shared)


def _each_tells(names: Sequence[Sequence[str]]) -> str:
    """Say by which names each side is told."""
    told = [" and ".join(each) or "nothing" for each in names]
    return f"{_SIDES[0]} tells {told[0]}, {_SIDES[-1]} {told[-1]}"
