"""Stacks as a tree: every call path once, with what it and everything below it took."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.jobs.profile_selection import Selection

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Place:
    """What frames of one function have in common; a node of the tree is one of these.

    Attributes:
        function, file, mapping: empty where unknown.
        kind: of the schema's FRAME_KINDS.
        line_first, line_last: of all its frames; 0 for unknown.
    """

    function: str
    file: str
    mapping: str
    kind: str
    line_first: int = 0
    line_last: int = 0

    @property
    def shade(self) -> int:
        """Give a number below 256 that frames of one module share."""
        module = self.mapping or self.file.rpartition("/")[0] or self.function.partition("::")[0]
        return zlib.crc32(module.encode()) & 0xFF


@dataclass(frozen=True)
class Stacks:
    """Distinct stacks of one or two selections with what each took.

    Attributes:
        places: what they are made of.
        flat: numbers of places, all stacks end to end, leaf first.
        depths: of the n stacks.
        values: n x 2: of the selection, and of the one it is compared with. Never negative.
        samples: n, observations of the selection; None where they are not known.
        negative: how many stacks had a value below 0, which is taken as 0.
    """

    places: tuple[Place, ...]
    flat: Ints
    depths: Ints
    values: Ints
    samples: Ints | None
    negative: int


@dataclass(frozen=True)
class Tree:
    """Call paths in preorder, the callees of one caller in the order of their names.

    Attributes:
        places: what the nodes are.
        place, depth: of the n nodes; depth 0 is a root function.
        values: n x 2, as of ``Stacks``.
        samples: n; None where they are not known.
        totals: of all stacks, of both selections.
        hidden: nodes left out because they are small.
        least: what a node must have taken to be there.
    """

    places: tuple[Place, ...]
    place: Ints
    depth: Ints
    values: Ints
    samples: Ints | None
    totals: tuple[int, int]
    hidden: int
    least: int


def stacks_of(selection: Selection, other: Selection | None = None) -> Stacks:
    """Put the stacks of a selection, and of another one beside it, over common places."""
    known: dict[Place, int] = {}
    lines: list[tuple[int, int]] = []
    flats, depths, values, samples = [], [], [], []
    for side, each in enumerate(filter(None, (selection, other))):
        numbers = np.array(_places(each.frames, known, lines), dtype=np.int64)
        flats.append(numbers[each.places])
        depths.append(each.depths)
        rows = each.first_rows()
        count = len(each.depths)
        stack = rows["stack"].to_numpy()
        both = np.zeros((count, 2), dtype=np.int64)
        np.add.at(both[:, side], stack, rows["value"].to_numpy())
        values.append(both)
        seen = np.zeros(count, dtype=np.int64)
        if side == 0 and rows["samples"].null_count == 0:
            np.add.at(seen, stack, rows["samples"].to_numpy())
        samples.append(seen)
    all_values = np.concatenate(values)
    places = tuple(
        replace(place, line_first=first, line_last=last)
        for place, (first, last) in zip(known, lines, strict=True)
    )
    counted = selection.first_rows()["samples"].null_count == 0
    return Stacks(
        places,
        np.concatenate(flats),
        np.concatenate(depths),
        np.maximum(all_values, 0),
        np.concatenate(samples) if counted else None,
        int((all_values < 0).any(axis=1).sum()),
    )


def _places(
    frames: pa.Table, known: dict[Place, int], lines: list[tuple[int, int]]
) -> Sequence[int]:
    """Give each frame's place, adding new ones and widening the lines of known ones."""
    numbers = []
    names = ["function", "file", "mapping", "kind", "line"]
    for row in frames.select(names).to_pylist():
        texts = (row["function"] or "[unknown]", row["file"] or "", row["mapping"] or "")
        number = known.setdefault(Place(*texts, row["kind"]), len(known))
        line = row["line"] or 0
        if number == len(lines):
            lines.append((line, line))
        elif line:
            first, last = lines[number]
            lines[number] = (min(first or line, line), max(last, line))
        numbers.append(number)
    return numbers


def build_tree(stacks: Stacks, least_share: float, most_nodes: int) -> Tree:
    """Make the tree of stacks.

    Args:
        stacks: the stacks.
        least_share: of the selection's total that a node must have taken, from 0 to 1.
        most_nodes: the largest number of nodes; beyond it the smallest go as well.
    """
    parents, place, values, samples = _all_nodes(stacks)
    totals = stacks.values.sum(axis=0)
    # A node that the selection does not have is of no width, however large it was elsewhere.
    least = max(int(np.ceil(totals[0] * least_share)), 1)
    own = values[:, 0]
    if int((own >= least).sum()) > most_nodes:
        # Nodes equal to the first one too many go with it, so that the same ones always stay.
        least = int(np.partition(own, len(own) - most_nodes - 1)[len(own) - most_nodes - 1]) + 1
    order, depth = _preorder(parents, place, own >= least, stacks.places)
    return Tree(
        stacks.places,
        place[order],
        depth,
        values[order],
        None if stacks.samples is None else samples[order],
        (int(totals[0]), int(totals[1])),
        int((own > 0).sum()) - len(order),
        least,
    )


def _all_nodes(stacks: Stacks) -> tuple[Ints, Ints, Ints, Ints]:
    """Give parent (-1 for none), place, values and samples of every node, depth by depth."""
    last = np.cumsum(stacks.depths) - 1
    node = np.full(len(stacks.depths), -1, dtype=np.int64)
    observed = np.zeros(len(node), dtype=np.int64) if stacks.samples is None else stacks.samples
    count = 0
    levels: list[tuple[Ints, Ints, Ints, Ints]] = []
    for depth in range(int(stacks.depths.max(initial=0))):
        alive = np.flatnonzero(stacks.depths > depth)
        keys = (node[alive] + 1) * len(stacks.places) + stacks.flat[last[alive] - depth]
        distinct, inverse = np.unique(keys, return_inverse=True)
        values = np.zeros((len(distinct), 2), dtype=np.int64)
        np.add.at(values, inverse, stacks.values[alive])
        samples = np.zeros(len(distinct), dtype=np.int64)
        np.add.at(samples, inverse, observed[alive])
        parents = distinct // len(stacks.places) - 1
        levels.append((parents, distinct % len(stacks.places), values, samples))
        node[alive] = count + inverse
        count += len(distinct)
    if not levels:
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing, np.zeros((0, 2), dtype=np.int64), nothing
    parents, place, values, samples = (
        np.concatenate(column) for column in zip(*levels, strict=True)
    )
    return parents, place, values, samples


def _preorder(
    parents: Ints, place: Ints, kept: NDArray[np.bool_], places: Sequence[Place]
) -> tuple[Ints, Ints]:
    """Give the kept nodes in preorder, and their depths; a kept node's caller is kept too."""
    callees: dict[int, list[int]] = {}
    for number in np.flatnonzero(kept).tolist():
        callees.setdefault(int(parents[number]), []).append(number)

    def by_name(number: int) -> tuple[str, str, str, str]:
        each = places[int(place[number])]
        return each.function, each.file, each.mapping, each.kind

    order, depths = [], []
    waiting = [(number, 0) for number in sorted(callees.get(-1, ()), key=by_name, reverse=True)]
    while waiting:
        number, depth = waiting.pop()
        order.append(number)
        depths.append(depth)
        below = sorted(callees.get(number, ()), key=by_name, reverse=True)
        waiting += [(each, depth + 1) for each in below]
    return np.array(order, dtype=np.int64), np.array(depths, dtype=np.int64)
