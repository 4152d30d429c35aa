"""Functions of stacks: what each took itself, and with everything it called."""

from dataclasses import dataclass

import numpy as np

from pipeline.report.flame_tree import Ints, Stacks


@dataclass(frozen=True)
class Function:
    """One function, in a selection and in the one it is compared with.

    Attributes:
        name: its name.
        own, total: what it took itself, and with what it called; recursion counts once.
        base_own, base_total: the same in the other selection.
    """

    name: str
    own: int
    total: int
    base_own: int
    base_total: int


def functions_of(stacks: Stacks) -> list[Function]:
    """Give the functions of stacks, by name."""
    names = sorted({place.function for place in stacks.places})
    number = {name: place for place, name in enumerate(names)}
    of_place = np.array([number[place.function] for place in stacks.places], dtype=np.int64)
    flat = of_place[stacks.flat]
    starts = np.cumsum(stacks.depths) - stacks.depths
    own: Ints = np.zeros((len(names), 2), dtype=np.int64)
    np.add.at(own, flat[starts], stacks.values)
    # A function that calls itself stands in a stack more than once and took its time once.
    owners = np.repeat(np.arange(len(stacks.depths)), stacks.depths)
    pairs = np.unique(owners * max(len(names), 1) + flat)
    total: Ints = np.zeros((len(names), 2), dtype=np.int64)
    np.add.at(total, pairs % max(len(names), 1), stacks.values[pairs // max(len(names), 1)])
    return [
        Function(name, *map(int, (own[i, 0], total[i, 0], own[i, 1], total[i, 1])))
        for i, name in enumerate(names)
    ]


def heaviest(functions: list[Function], most: int) -> list[Function]:
    """Give the functions that took most themselves."""
    ranked = sorted(functions, key=lambda each: (-each.own, -each.total, each.name))
    return [each for each in ranked if each.own > 0][:most]


def changed(
    functions: list[Function], totals: tuple[int, int], most: int
) -> list[tuple[Function, float]]:
    """Give the functions whose share of their own changed most, with the change.

    Args:
        functions: all of them.
        totals: of both selections, by which shares are taken.
        most: how many.
    """
    changes = [
        (each, share(each.own, totals[0]) - share(each.base_own, totals[1])) for each in functions
    ]
    ranked = sorted(changes, key=lambda pair: (-abs(pair[1]), pair[0].name))
    return [pair for pair in ranked if pair[1] != 0][:most]


def gone(functions: list[Function]) -> list[Function]:
    """Give the functions that only the other selection has, the heaviest there first."""
    found = [each for each in functions if each.total == 0 and each.base_total > 0]
    return sorted(found, key=lambda each: (-each.base_total, each.name))


def share(part: int, whole: int) -> float:
    """Give a part of a whole; 0 of nothing.

    >>> share(1, 4), share(0, 0)
    (0.25, 0.0)
    """
    return part / whole if whole else 0.0
