"""Named metrics beside levels of another time, which ``tailgate runtime --save`` kept."""

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from pipeline.errors import NotSaved
from pipeline.gate.budgets import Budget
from pipeline.gate.judgement import LEAST_INSTANCES
from pipeline.gate.limits import begin, joined, nothing
from pipeline.gate.named_checks import level_of, measured, request_of
from pipeline.gate.named_sides import too_short
from pipeline.gate.runtime_signals import IS_SAVED, NOT_SAVED
from pipeline.gate.verdict import INCONCLUSIVE, NO_DATA, WARN, Check
from pipeline.gate.worse import Shifted
from pipeline.jobs.judge_request import SAVED, Pairs
from pipeline.jobs.metric_cells import Group, read_groups
from pipeline.jobs.metric_rows import Window
from pipeline.jobs.named_metrics import NamedMetric
from pipeline.jobs.runtime_store import SavedLevel, load_levels
from pipeline.lake import Lake
from pipeline.stats.series_shift import SeriesShift

_METHOD = "levels"


def saved_name(side: Pairs) -> str:
    """Give the name that a side was saved under; empty for one that is in the lake itself."""
    return dict(side).get(SAVED, "")


def beside_saved(
    budget: Budget, lake: Lake, name: str, canary: Pairs, alpha: float, window: Window
) -> Iterator[Check]:
    """Check each service or queue that a budget is for beside its saved level; not yet settled.

    The levels are of other minutes, and how one time differs from another they do not tell: so a
    check warns at most.

    Raises:
        LakeError: a file cannot be read.
    """
    unheld = _never_saved(budget, name)
    if unheld is not None:
        yield unheld
        return
    try:
        saved = load_levels(lake, name)
    except NotSaved as error:
        # The canary may well send it: nothing vanished.
        yield replace(_whole(budget), verdict=NO_DATA, reason=str(error))
        return
    known: dict[tuple[str, str], list[SavedLevel]] = {}
    for each in saved:
        if each.metric == budget.metric and budget.concerns(each.service_name, "*"):
            known.setdefault((each.service_name, each.thing), []).append(each)
    groups, metric = read_groups(lake, request_of(budget, (canary,), window))
    now = {(group.service_name, group.operation): group for group in groups}
    if not now.keys() | known.keys():
        yield nothing(budget, f"no data of {budget.metric}, service {budget.service}")
    for service, thing in sorted(now.keys() | known.keys()):
        group, before = now.get((service, thing)), known.get((service, thing), [])
        unit = group.unit if group else before[0].unit
        check = begin(budget, service, thing, unit=unit)
        if group is None:
            yield nothing(budget, f"no data of {budget.metric} on the canary side", check)
        elif not before:
            found, _ = level_of(group, metric)
            reason = f"{name} has no {budget.metric} of it: save it again when it is well"
            reason = found if isinstance(found, str) else reason
            yield replace(check, verdict=NO_DATA, reason=reason)
        else:
            yield _compared(check, budget, name, before, group, metric, alpha)


def _whole(budget: Budget) -> Check:
    """Begin the one check of a budget that no service or queue has one of its own of."""
    return begin(budget, budget.service, budget.operation)


def _never_saved(budget: Budget, name: str) -> Check | None:
    """Say why no saved level can be like what a budget is for; None where one can."""
    if budget.metric not in IS_SAVED:
        return replace(_whole(budget), verdict=NO_DATA, reason=f"{budget.metric} {NOT_SAVED}")
    if budget.attributes:
        told = ",".join(f"{key}={value}" for key, value in budget.attributes)
        reason = (
            f"not_comparable: {name} was saved of all points, the budget is for those of {told}: "
            "choose a baseline that is in the lake"
        )
        return replace(_whole(budget), verdict=INCONCLUSIVE, reason=reason)
    return None


def _compared(
    check: Check,
    budget: Budget,
    name: str,
    before: list[SavedLevel],
    group: Group,
    metric: NamedMetric,
    alpha: float,
) -> Check:
    """Compare one group with what was saved of it."""
    found, note = level_of(group, metric)
    why = found if isinstance(found, str) else _not_comparable(name, before, group, metric)
    if any(group.stuck) and isinstance(found, str) and not too_short(group):
        # Longer than any wait that was saved, which all have an end.
        return replace(check, verdict=WARN, reason=found)
    if isinstance(found, str) or why:
        return replace(check, verdict=INCONCLUSIVE, reason=why)
    (saved,) = before
    shift = _shift(saved, found)
    when = datetime.fromtimestamp(saved.saved_time_unix_nano // 10**9, UTC)
    few = saved.instances + group.instances[0] < LEAST_INSTANCES and not group.is_watched
    notes = (
        f"not_concurrent: {name} was saved {when:%F %H:%M} UTC, so it warns at most",
        "instance_effect_unknown" if few else "",
        note,
    )
    n = (saved.effective, group.sides[0].effective if group.sides[0] else 0.0)
    check = replace(check, reason=joined(*notes))
    return measured(check, budget, Shifted.of_series(shift), n, alpha, metric, may_fail=False)


def _not_comparable(name: str, before: list[SavedLevel], group: Group, metric: NamedMetric) -> str:
    """Say why a group cannot be held against what was saved; empty where it can."""
    if len(before) > 1:
        versions = ", ".join(each.service_version or "none" for each in before)
        how = "save one alone: --where service.version=…"
        return f"several_versions: {name} has {versions}; {how}"
    saved = before[0]
    if saved.unit != group.unit:
        return (
            f"not_comparable: {name} is in {saved.unit or '1'}, the canary in {group.unit or '1'}"
        )
    names = group.names[0] if group.names else ()
    tells = {each.name: each.tells for each in metric.sources}
    meant = [{tells.get(each, "") for each in side} for side in (saved.told_by, names)]
    if meant[0] and meant[1] and meant[0] != meant[1]:
        told = (" and ".join(side) for side in (saved.told_by, names))
        return "not_comparable: {} tells {}, the canary {}: unlike things".format(name, *told)
    return ""


def _shift(saved: SavedLevel, found: SeriesShift) -> SeriesShift:
    """Give how far a level is from a saved one, as a ratio where both are positive."""
    values = (saved.value, found.effect)
    is_log = min(values) > 0
    scales = values if is_log else (1.0, 1.0)
    variances = [
        (error / scale) ** 2
        for error, scale in zip((saved.error, found.error), scales, strict=True)
    ]
    effect = math.log(values[1] / values[0]) if is_log else values[1] - values[0]
    squares = sum(
        variance**2 / max(df, 1.0)
        for variance, df in zip(variances, (saved.degrees_of_freedom, found.df), strict=True)
    )
    variance = sum(variances)
    df = variance**2 / squares if squares > 0 else max(saved.degrees_of_freedom, found.df)
    return SeriesShift(values, effect, is_log, math.sqrt(variance), df, _METHOD)
