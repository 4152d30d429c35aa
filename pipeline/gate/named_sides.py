"""The sides of a budget on a named metric, and why one of them tells too little."""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.gate.judgement import LEAST_BEYOND, LEAST_INSTANCES, LEAST_MINUTES, LEAST_SHARED
from pipeline.gate.limits import joined
from pipeline.jobs.metric_cells import Group
from pipeline.jobs.named_metrics import PER_SECOND, QUANTILE, RATIO, SHARE, NamedMetric
from pipeline.stats.cells import Side
from pipeline.stats.series_shift import Series, winsorised

# Requests that a ratio of a side needs: as many as a median.
LEAST_REQUESTS = 20
_OF_REQUESTS = (RATIO, SHARE)
# What arithmetic alone adds to all of the time.
_ROUNDING = 1e-9
STUCK = "unbounded: items wait and none was taken"


@dataclass(frozen=True)
class Sides:
    """Both sides of a group, with what a reader must know of them."""

    group: Group
    metric: NamedMetric
    series: tuple[Series | Side, ...]
    note: str


def sides_of(group: Group, metric: NamedMetric) -> Sides | None:
    """Give the sides of a group, heavy tails cut; None where one has no data."""
    found = [side for side in group.sides if side is not None]
    if len(found) < len(group.sides):
        return None
    notes = [*group.notes]
    series = [each for each in found if isinstance(each, Series)]
    if metric.kind == RATIO and series:
        cut, most = winsorised(series)
        found = list(cut)
        if most is not None:
            notes.append(f"winsorised: values above {most:g} (pooled p99.9) count as that")
    if group.left_out:
        notes.append(f"{group.left_out} values that are no numbers left out")
    if group.is_limited:
        notes.append("resolution_limited: the histogram's buckets are wider than 5 %")
    return Sides(group, metric, tuple(found), joined(*notes))


def too_little(sides: Sides, may_be_one: bool) -> str:
    """Say why a side tells no level; empty where it does."""
    group = sides.group
    few = group.instances[0] < LEAST_INSTANCES - 1 and not group.is_watched
    if few and not may_be_one:
        return "instance_effect_unknown: one instance tells nothing of how instances differ"
    return too_short(group) or too_few(sides)


def too_few(sides: Sides) -> str:
    """Say why there are too few observations; empty where there are enough."""
    least = min(each.effective for each in sides.series)
    metric = sides.metric
    if metric.kind == QUANTILE and least * (1 - metric.quantile) < LEAST_BEYOND:
        needed = math.ceil(LEAST_BEYOND / (1 - metric.quantile))
        return f"too_few_observations: {least:.0f}, {needed} are needed"
    if metric.kind in _OF_REQUESTS and least < LEAST_REQUESTS:
        return f"too_few_requests: {least:.0f}, {LEAST_REQUESTS} are needed"
    return _too_much(sides)


def no_level(group: Group, metric: NamedMetric) -> str:
    """Say why a group of one side has no value at all."""
    return joined(STUCK if any(group.stuck) else f"no data of {metric.name}", *group.notes)


def too_short(group: Group) -> str:
    """Say that a group has too few minutes; empty where it has enough."""
    if group.minutes < LEAST_MINUTES:
        common = " in common" if len(group.sides) > 1 else ""
        return f"too_short: {group.minutes} minutes{common}, {LEAST_MINUTES} are needed"
    if len(group.sides) > 1 and group.shared < LEAST_SHARED:
        return f"not_concurrent: the sides share {group.shared:.0%} of their minutes"
    return ""


def _too_much(sides: Sides) -> str:
    """Say that a share of time is more than all of it; empty where it is not."""
    if sides.metric.kind != PER_SECOND or sides.metric.unit != "ratio":
        return ""
    for each in sides.series:
        if isinstance(each, Series):
            most = float(np.nanmax(each.means(each.instance, each.instances)))
            if most > 1 + _ROUNDING:
                return (
                    f"several_senders: {most:.3g} times as long as an instance was watched, so "
                    "several are under one identity: set service.instance.id, one of each process"
                )
    return ""


def not_comparable(sides: Sides) -> str:
    """Say why two sides cannot be compared; empty where they can."""
    return too_short(sides.group) or too_few(sides)
