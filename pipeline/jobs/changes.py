"""Where the history of a metric changed: series by series, with what is known from before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.jobs.changes_read import read_saved, read_windows
from pipeline.jobs.changes_request import ChangesRequest, Series
from pipeline.jobs.changes_state import State
from pipeline.jobs.job import Job
from pipeline.lake import Lake
from pipeline.stats.change_effects import CONFIRMED, PENDING, STEP, Change
from pipeline.stats.change_points import ALPHA, LEAST_CHANGE, Found, find_changes
from pipeline.stats.profile_shares import adjusted


@dataclass(frozen=True)
class History:
    """A series and what was found in it.

    Attributes:
        series: the values.
        found: its changes.
        p_adjusted: of no new change, for all series together; NaN for too few points.
        lost: changes known before whose points are gone, as they were kept.
    """

    series: Series
    found: Found
    p_adjusted: float
    lost: tuple[Mapping[str, object], ...] = ()

    def worse(self, change: Change) -> bool:
        """Tell whether a change is for the worse."""
        return (change.after > change.before) != (self.series.better == "up")


@dataclass(frozen=True)
class Histories:
    """What was found in all series.

    Attributes:
        histories: in the order of the series.
        alpha: the share of series with changes that may have none.
        least_change: the smallest change that is told.
        state: what is known now, to be kept for the next time.
    """

    histories: tuple[History, ...]
    alpha: float
    least_change: float
    state: State


def run(lake: Lake, request: ChangesRequest) -> Histories:
    """Look for changes in series of the lake.

    Raises:
        UsageError: nothing was saved under the name.
        LakeError, CommitConflict, LakeUnavailable: the lake cannot be read or brought up to date.
    """
    return look(read(lake, request), {})


def read(lake: Lake, request: ChangesRequest) -> list[Series]:
    """Read the series that are asked for."""
    return read_windows(lake, request) if request.saved is None else read_saved(lake, request)


def look(
    series: Sequence[Series],
    state: State,
    alpha: float = ALPHA,
    least_change: float = LEAST_CHANGE,
) -> Histories:
    """Look for changes in series, all of them one family.

    Args:
        series: the values.
        state: what was known before; it is not changed.
        alpha: of the series said to have changed, the share that may not have.
        least_change: changes smaller than this ratio are left out.

    Returns:
        What was found, and the state to keep.
    """
    looked = []
    for each in series:
        places, lost = _known(each, state.get(each.key, []))
        looked.append((each, find_changes(each.values, places, alpha, least_change), lost))
    p_values = np.array([found.p_value for _, found, _ in looked])
    enough = np.array([found.enough for _, found, _ in looked], dtype=bool)
    histories = tuple(
        History(each, found if p <= alpha else _without_new(found), float(p), tuple(lost))
        for (each, found, lost), p in zip(looked, adjusted(p_values, enough), strict=True)
    )
    kept = dict(state)
    for history in histories:
        before = {str(each["first_after"]): each for each in state.get(history.series.key, [])}
        lasting = [_kept(history, change, before) for change in _lasting(history)]
        if history.lost or lasting:
            kept[history.series.key] = [dict(each) for each in (*history.lost, *lasting)]
    return Histories(histories, alpha, least_change, kept)


def _without_new(found: Found) -> Found:
    """Leave out changes that, among so many series, may well be noise."""
    stay = tuple(change for change in found.changes if change.known or change.status == PENDING)
    return replace(found, changes=stay)


def _known(
    series: Series, kept: Sequence[Mapping[str, object]]
) -> tuple[list[int], list[Mapping[str, object]]]:
    """Find the points of changes known before; and those whose points are gone."""
    places = {series.label(place): place for place in reversed(range(len(series.times)))}
    here = [each for each in kept if str(each["first_after"]) in places]
    gone = [each for each in kept if str(each["first_after"]) not in places]
    return [places[str(each["first_after"])] for each in here], gone


def _lasting(history: History) -> list[Change]:
    """Give the steps that are kept: those confirmed now, or known before."""
    return [
        change
        for change in history.found.changes
        if change.kind == STEP and (change.status == CONFIRMED or change.known)
    ]


def _kept(
    history: History, change: Change, before: Mapping[str, Mapping[str, object]]
) -> Mapping[str, object]:
    """Write a change as it is kept; one known before as it was, so that it cannot wander off."""
    label = history.series.label
    if change.known:
        near = range(max(change.place - 2, 0), min(change.place + 3, len(history.series.times)))
        for place in sorted(near, key=lambda place: abs(place - change.place)):
            if label(place) in before:
                return before[label(place)]
    return {
        "first_after": label(change.place),
        "last_before": label(change.last_before),
        "before": change.before,
        "after": change.after,
    }


CHANGES = Job("changes", "where the history of a metric changed, and how sure that is", run)
