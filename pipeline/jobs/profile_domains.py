"""Whether a function's growth is more than a cost that moved, and whether it lasts."""

import functools
import math
import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.jobs.profile_counts import ProfileCounts
from pipeline.jobs.profile_stacks import ShownStacks
from pipeline.stats.profile_family import CONFIDENCE
from pipeline.stats.profile_shares import (
    LEAST_CLUSTERS,
    Change,
    Counts,
    Floats,
    compare,
    membership,
    spread,
)

Bools = NDArray[np.bool_]

# A caller, file or module speaks for a function if it has this much of it.
_MOST = 0.8
_LAST_PART = 3

# Arguments at the end of a name, then the last part of it after a dot or two colons.
_ARGUMENTS = re.compile(r"(?<=.)\((?!\*)[^()]*\)(?: const)?$")
_CLASS = re.compile(r"(.+?)(?:\.|::)[^.:]+")


@functools.lru_cache(maxsize=65_536)
def class_of(function: str) -> str:
    """Give what a function is a member of; empty for a plain one.

    >>> [class_of(name) for name in ("shop.Cart.add", "main.(*T).f", "a::B::f(int)", "main")]
    ['shop.Cart', 'main.(*T)', 'a::B', '']
    """
    found = _CLASS.fullmatch(_ARGUMENTS.sub("", function))
    return found[1] if found else ""


def did_not_grow(
    stacks: ShownStacks,
    sides: tuple[ProfileCounts, ProfileCounts],
    function: int,
    held: Bools,
    grown: tuple[float, float],
) -> str:
    """Name the caller, class, file or module that did not grow with a function.

    Such a whole may be too large for its growth to be seen: it speaks only if its interval, which
    reaches down to 0, leaves out the growth that the function's alone would have made.

    Args:
        stacks: of both sides.
        sides: baseline and canary.
        function: the function.
        held: the stacks that it is in.
        grown: its baseline share and by how much that grew.

    Returns:
        The whole, as ``caller main``; empty when everything grew, or it cannot be told.
    """
    share, growth = grown
    for name, members in _domains(stacks, sides, function, held):
        if not (held & ~members).any() and not (members & ~held).any():
            continue
        change = _change(sides, members)
        low, high = (float(bound[0]) for bound in change.bounds(CONFIDENCE))
        # Cost that is added to a whole of share P makes it grow by 1 - P of that.
        expected = growth * (1 - float(change.baseline[0])) / max(1 - share, 1e-9)
        if low <= 0 and high < expected:
            return name
    return ""


def is_gone(sides: tuple[ProfileCounts, ProfileCounts], held: Bools, growth: float) -> bool:
    """Tell whether the last third of the canary's profiles is as the baseline again.

    Args:
        sides: baseline and canary.
        held: the stacks whose share grew.
        growth: by how much.
    """
    baseline, canary = (_counts(side, held) for side in sides)
    if canary.clusters < LEAST_CLUSTERS:
        return False
    # Clusters are in the order of time.
    last = np.arange(canary.clusters - math.ceil(canary.clusters / _LAST_PART), canary.clusters)
    change = compare(baseline, Counts(canary.x[last], canary.n[last]))
    low, high = (float(bound[0]) for bound in change.bounds(CONFIDENCE))
    return low <= 0 and high < growth


def _domains(
    stacks: ShownStacks,
    sides: tuple[ProfileCounts, ProfileCounts],
    function: int,
    held: Bools,
) -> list[tuple[str, Bools]]:
    """Give the wholes that a function is part of, each with its stacks."""
    weight = np.zeros(len(stacks.depths))
    for side in sides:
        weight += np.bincount(side.stack, weights=side.samples, minlength=len(weight))
    weight = np.where(held, weight, 0.0)
    frames = np.flatnonzero((stacks.functions == function) & held[stacks.stack_of_frame])
    own = weight[stacks.stack_of_frame[frames]]
    domains = []
    inner = frames[stacks.below_root[frames] > 0]
    callers = stacks.functions[inner + 1]
    other = callers != function
    counts = np.bincount(
        callers[other],
        weights=weight[stacks.stack_of_frame[inner[other]]],
        minlength=len(stacks.names),
    )
    if counts.any() and counts.max() >= _MOST * weight.sum():
        caller = int(counts.argmax())
        found = stacks.functions == caller
        domains.append((f"caller {stacks.names[caller]}", _stacks_with(stacks, found)))
    if member_of := class_of(stacks.names[function]):
        same = np.array([class_of(name) == member_of for name in stacks.names])
        domains.append((f"class {member_of}", _stacks_with(stacks, same[stacks.functions])))
    for word, column in (("file", stacks.files), ("module", stacks.modules)):
        name = _dominant(column, frames, own)
        if name:
            found = np.asarray(pc.equal(column, name).to_numpy(zero_copy_only=False))
            domains.append((f"{word} {name}", _stacks_with(stacks, found)))
    return domains


def _dominant(column: pa.Array, frames: NDArray[np.int64], weight: Floats) -> str:
    """Give the text that most of some frames have, by weight; empty for none."""
    sums: dict[str, float] = {}
    for text, each in zip(column.take(pa.array(frames)).to_pylist(), weight.tolist(), strict=True):
        sums[text] = sums.get(text, 0.0) + each
    most = max(sums, key=lambda text: (sums[text], text))
    return most if sums[most] >= _MOST * sum(sums.values()) else ""


def _stacks_with(stacks: ShownStacks, frames: Bools) -> Bools:
    """Give the stacks that hold one of some frames."""
    held = np.zeros(len(stacks.depths), dtype=bool)
    held[stacks.stack_of_frame[frames]] = True
    return held


def _counts(side: ProfileCounts, held: Bools) -> Counts:
    """Count what a side observed in some stacks, as if these were one function."""
    chosen = np.flatnonzero(held)
    members = membership(chosen, np.zeros(len(chosen), dtype=np.int64), (len(held), 1))
    clusters = side.clusters.num_rows
    counts = spread(side.cluster, side.stack, side.samples, members, clusters)
    there = np.flatnonzero(counts.n > 0)
    return Counts(counts.x[there], counts.n[there])


def _change(sides: tuple[ProfileCounts, ProfileCounts], held: Bools) -> Change:
    """Compare both sides' share of some stacks."""
    return compare(_counts(sides[0], held), _counts(sides[1], held))
