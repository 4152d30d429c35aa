"""Budgets on the share of a profile that functions take: by itself, or beside a baseline's."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

import numpy as np

from pipeline.errors import NotEnoughData, UsageError
from pipeline.gate.budgets import Budget
from pipeline.gate.limits import begin, decided, joined, limit_measure, nothing
from pipeline.gate.verdict import FAIL, INCONCLUSIVE, WARN, Check
from pipeline.gate.worse import Shifted, worse_measure
from pipeline.jobs.judge_request import Pairs
from pipeline.jobs.metric_rows import Window
from pipeline.jobs.profile_counts import Counted, Floats, ProfileCounts, count_profiles
from pipeline.jobs.profile_request import ProfileRequest
from pipeline.jobs.profile_stacks import ShownStacks
from pipeline.lake import Lake
from pipeline.stats.profile_family import LEAST_SAMPLES
from pipeline.stats.profile_shares import (
    LEAST_CLUSTERS,
    Counts,
    compare,
    membership,
    share_interval,
    spread,
)
from pipeline.stats.series_shift import SeriesShift

_ANY = "*"


def absolute(budget: Budget, lake: Lake, alpha: float, window: Window) -> Iterator[Check]:
    """Check the share of the functions that a budget is for, as ``tailgate hotspots`` tells it.

    Raises:
        UsageError: the type of profile cannot be settled.
        LakeError: the lake cannot be read.
    """
    counted = _counted(budget, lake, (budget.where,), window)
    check = _begin(budget)
    if isinstance(counted, str):
        yield nothing(budget, counted, check)
        return
    (side,) = counted.sides
    samples = float(side.samples.sum())
    if (side.value < 0).any() or samples <= 0:
        yield replace(check, verdict=INCONCLUSIVE, reason="profiles of differences have no shares")
        return
    if side.clusters.num_rows < 2:
        reason = "instance_effect_unknown: one profile tells nothing of how profiles differ"
        yield replace(check, verdict=INCONCLUSIVE, reason=reason)
        return
    counts = _counts(side, counted.stacks, side.value, budget)
    share = np.clip(counts.shares(), 0, 1)
    bounds = share_interval(share, counts.variance(), samples, counts.clusters, 1 - 2 * alpha)
    interval = (float(share[0]), float(bounds[0][0]), float(bounds[1][0]))
    reason = joined(*side.notes)
    measure = limit_measure(budget, interval, samples, "clusters")
    yield decided(replace(check, measure=measure, reason=reason), budget)


def relative(
    budget: Budget, lake: Lake, sides: tuple[Pairs, Pairs], alpha: float, window: Window
) -> Iterator[Check]:
    """Check the share of observations beside the baseline's, as ``tailgate profile-diff`` does.

    Raises:
        UsageError: the type of profile cannot be settled.
        LakeError: the lake cannot be read.
    """
    counted = _counted(budget, lake, sides, window)
    check = _begin(budget)
    if isinstance(counted, str):
        yield nothing(budget, counted, check)
        return
    samples = [np.maximum(side.samples, 0.0) for side in counted.sides]
    totals = [float(each.sum()) for each in samples]
    if not all(totals) or sum(totals) < LEAST_SAMPLES:
        reason = f"too_few_samples: {sum(totals):.0f}, {LEAST_SAMPLES} are needed"
        yield replace(check, reason=reason)
        return
    baseline, canary = (
        _filled(_counts(side, counted.stacks, amount, budget))
        for side, amount in zip(counted.sides, samples, strict=True)
    )
    found = compare(baseline, canary)
    values = (float(found.baseline[0]), float(found.canary[0]))
    error, df = float(found.error[0]), float(found.df)
    shift = SeriesShift(values, values[1] - values[0], False, error, df, "clusters")
    made = worse_measure(
        budget, Shifted.of_series(shift), (totals[0], totals[1]), alpha, "difference"
    )
    if isinstance(made, str):
        yield replace(check, reason=made)
        return
    few = min(baseline.clusters, canary.clusters) < LEAST_CLUSTERS
    note = f"too_few_profiles: fewer than {LEAST_CLUSTERS} a side" if few else ""
    reason = joined(note, *(note for side in counted.sides for note in side.notes))
    most = WARN if few else FAIL
    yield replace(check, measure=made[0], scale=made[1], most=most, reason=reason)


def _begin(budget: Budget) -> Check:
    """Begin a check; functions stand where an operation would."""
    service = "" if budget.service == _ANY else budget.service
    return begin(budget, service, budget.function)


def _counted(budget: Budget, lake: Lake, sides: Sequence[Pairs], window: Window) -> Counted | str:
    """Count profiles, or say that there are none."""
    service = () if budget.service == _ANY else (("service_name", budget.service),)
    types = (budget.profile_type, budget.sample_type)
    try:
        requests = [
            ProfileRequest(*window, tuple(dict([*service, *pairs]).items()), *types)
            for pairs in sides
        ]
        return count_profiles(lake, requests)
    except NotEnoughData as error:
        return str(error)
    except UsageError as error:
        raise UsageError(f"budget {budget.name}: {error}") from error


def _counts(side: ProfileCounts, stacks: ShownStacks, amount: Floats, budget: Budget) -> Counts:
    """Add up what was observed in the functions that a budget is for; a stack counts once."""
    named = [fnmatchcase(name, budget.function) for name in stacks.names]
    chosen = np.array(named, dtype=bool)
    if budget.cumulative:
        stack = np.unique(stacks.stack_of_frame[chosen[stacks.functions]])
    else:
        stack = np.flatnonzero(chosen[stacks.leaves])
    members = membership(stack, np.zeros(len(stack), dtype=np.int64), (len(stacks.depths), 1))
    return spread(side.cluster, side.stack, amount, members, side.clusters.num_rows)


def _filled(counts: Counts) -> Counts:
    """Leave out clusters without observations."""
    there = counts.n > 0
    return Counts(counts.x[there], counts.n[there])
