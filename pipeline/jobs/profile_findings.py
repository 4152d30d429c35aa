"""What changed between two sides' profiles: told once, at the deepest function, with its callers.

Source: Wang et al. (2024), FBDetect, SOSP 2024, sections 5.4 and 5.6, for costs that only moved and
for findings that are one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.jobs.profile_counts import ProfileCounts
from pipeline.jobs.profile_domains import did_not_grow, is_gone
from pipeline.jobs.profile_stacks import ShownStacks
from pipeline.stats.profile_family import CONFIDENCE, Family
from pipeline.stats.profile_shares import LEAST_CLUSTERS

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

# Two findings that share more than this of their stacks, or of their change, are one.
_OVERLAP = 0.8

_ORDER = ("regression", "suspected", "transient", "moved", "rescaled", "improvement")


@dataclass(frozen=True)
class Finding:
    """A function whose share changed.

    Attributes:
        function: its name.
        kind: cumulative where that changed, else flat.
        outcome: regression; suspected, of too few profiles; transient, gone in the canary's last
            third; moved, while its caller, class, file or module did not grow; rescaled, as all
            shares were by what others do; improvement.
        why: the caller, class, file or module of what moved; empty for others.
        baseline_share, canary_share: of all observations.
        change_points, change_points_low, change_points_high: canary less baseline.
        p_value_adjusted: corrected for how many functions there are.
        path: the stack that changed most, root first, down to the function.
        covers: callers whose change is this one.
    """

    function: str
    kind: str
    outcome: str
    why: str
    baseline_share: float
    canary_share: float
    change_points: float
    change_points_low: float
    change_points_high: float
    p_value_adjusted: float
    path: tuple[str, ...]
    covers: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Candidate:
    """A finding as it is worked out: its function, the family that found it, and its stacks."""

    function: int
    kind: int
    grew: bool
    stacks: Bools
    weight: float
    depth: float


def find(
    stacks: ShownStacks,
    sides: tuple[ProfileCounts, ProfileCounts],
    families: tuple[Family, Family],
) -> tuple[tuple[Finding, ...], list[list[str]]]:
    """Tell what changed.

    Args:
        stacks: of both sides.
        sides: baseline and canary.
        families: flat and cumulative.

    Returns:
        The findings, regressions first and the largest growth first; and for each family what is
        said of each function.
    """
    weights = [
        np.bincount(side.stack, weights=side.samples, minlength=len(stacks.depths))
        / side.samples.sum()
        for side in sides
    ]
    outcomes = [_first_outcomes(each) for each in families]
    candidates = _candidates(stacks, weights, families)
    kept = _deepest(candidates, weights)
    findings = []
    for candidate, covered in kept:
        finding = _judged(stacks, sides, families, weights, candidate)
        names = tuple(sorted({stacks.names[each.function] for each in covered}))
        findings.append(replace(finding, covers=tuple(n for n in names if n != finding.function)))
        _tell(outcomes, families, candidate, finding.outcome)
        for each in covered:
            _tell(outcomes, families, each, "covered")
    ranked = sorted(
        findings,
        key=lambda each: (_ORDER.index(each.outcome), -abs(each.change_points), each.function),
    )
    return tuple(ranked), outcomes


def _tell(
    outcomes: Sequence[list[str]],
    families: Sequence[Family],
    candidate: _Candidate,
    outcome: str,
) -> None:
    """Say of a function what it comes to, in each family that found it to change that way."""
    place = candidate.function
    for own, each in zip(outcomes, families, strict=True):
        if own[place] == "changed" and (each.change.change[place] > 0) == candidate.grew:
            own[place] = outcome


def _first_outcomes(each: Family) -> list[str]:
    """Say of each function what its counts alone tell."""
    found = np.where(each.is_significant, np.where(each.is_large, "changed", "small"), "no_change")
    return [str(word) for word in np.where(each.tested, found, "too_few")]


def _candidates(
    stacks: ShownStacks, weights: Sequence[Floats], families: tuple[Family, Family]
) -> list[_Candidate]:
    """Give the functions that changed for certain and by enough, each with its stacks."""
    changed = [np.flatnonzero(each.is_significant & each.is_large) for each in families]
    both = weights[0] + weights[1]
    candidates = []
    for function in np.unique(np.concatenate(changed)):
        kind = int(function in changed[1])
        frames = np.flatnonzero(stacks.functions == function)
        holds = np.zeros(len(stacks.depths), dtype=bool)
        if kind:
            holds[stacks.stack_of_frame[frames]] = True
        else:
            holds |= stacks.leaves == function
        deepest = np.zeros(len(stacks.depths))
        np.maximum.at(deepest, stacks.stack_of_frame[frames], stacks.below_root[frames])
        weight = float(both[holds].sum())
        depth = float((deepest * both)[holds].sum() / weight) if weight else 0.0
        grew = bool(families[kind].change.change[function] > 0)
        candidates.append(_Candidate(int(function), kind, grew, holds, weight, depth))
    return candidates


def _deepest(
    candidates: list[_Candidate], weights: Sequence[Floats]
) -> list[tuple[_Candidate, list[_Candidate]]]:
    """Keep the deepest of candidates that are one change, each with those that it covers."""
    kept: list[tuple[_Candidate, list[_Candidate]]] = []
    both, change = weights[0] + weights[1], weights[1] - weights[0]
    # Stacks of what is kept so far, by whether it grew.
    beneath = {grew: np.zeros(len(both), dtype=bool) for grew in (False, True)}
    for each in sorted(candidates, key=lambda one: (-one.depth, one.function)):
        alike = [pair for pair in kept if pair[0].grew == each.grew]
        own = float(change[each.stacks].sum())
        explained = float(change[each.stacks & beneath[each.grew]].sum()) / own if own else 0.0
        if explained > _OVERLAP or any(_is_one(each, other, both) for other, _ in alike):
            inside = [abs(float(change[each.stacks & other.stacks].sum())) for other, _ in alike]
            alike[int(np.argmax(inside))][1].append(each)
        else:
            kept.append((each, []))
            beneath[each.grew] |= each.stacks
    return kept


def _is_one(first: _Candidate, second: _Candidate, weight: Floats) -> bool:
    """Tell whether two functions stand in nearly the same stacks."""
    small, large = sorted((first.weight, second.weight))
    if small <= _OVERLAP * large:
        return False
    shared = float(weight[first.stacks & second.stacks].sum())
    return shared > _OVERLAP * (small + large - shared)


def _judged(
    stacks: ShownStacks,
    sides: tuple[ProfileCounts, ProfileCounts],
    families: tuple[Family, Family],
    weights: Sequence[Floats],
    candidate: _Candidate,
) -> Finding:
    """Say what one change comes to."""
    each, place = families[candidate.kind], candidate.function
    change = each.change
    low, high = change.bounds(CONFIDENCE)
    outcome, why = "improvement", ""
    if not each.is_own[place]:
        outcome = "rescaled"
    elif candidate.grew:
        outcome = "regression"
        if min(each.baseline.clusters, each.canary.clusters) < LEAST_CLUSTERS:
            outcome = "suspected"
        why = did_not_grow(
            stacks,
            sides,
            place,
            candidate.stacks,
            (float(change.baseline[place]), float(change.change[place])),
        )
        if why:
            outcome = "moved"
        elif is_gone(sides, candidate.stacks, float(change.change[place])):
            outcome = "transient"
    return Finding(
        stacks.names[place],
        ("flat", "cumulative")[candidate.kind],
        outcome,
        why,
        float(change.baseline[place]),
        float(change.canary[place]),
        float(change.change[place]) * 100,
        float(low[place]) * 100,
        float(high[place]) * 100,
        float(each.p_adjusted[place]),
        _path(stacks, candidate, weights[1] - weights[0]),
    )


def _path(stacks: ShownStacks, candidate: _Candidate, change: Floats) -> tuple[str, ...]:
    """Give the stack that changed most, root first, down to the function's outermost frame."""
    held = np.flatnonzero(candidate.stacks)
    signed = change[held] if candidate.grew else -change[held]
    stack = held[int(np.argmax(signed))]
    start = stacks.starts[stack]
    frames = stacks.functions[start : start + stacks.depths[stack]][::-1]
    end = int(np.flatnonzero(frames == candidate.function)[0]) + 1
    return tuple(stacks.names[frame] for frame in frames[:end])
