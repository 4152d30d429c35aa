"""What changes come to: whether one of them, among the last points, fails the gate."""

import numpy as np

from pipeline.gate.verdict import FAIL, INCONCLUSIVE, NO_DATA, PASS
from pipeline.jobs.changes import Histories, History
from pipeline.stats.change_effects import CONFIRMED, STEP, Change

FAIL_ON = ("worse", "any", "never")

# A run a night: a change is confirmed on its fourth and fails until its eighth.
LAST_POINTS = 8


def failing(histories: Histories, last: int, fail_on: str) -> list[tuple[History, Change]]:
    """Give the changes that fail the gate.

    Args:
        histories: what was found.
        last: only changes whose first point after is among so many last points with a value.
        fail_on: ``worse``, ``any`` or ``never``.

    Returns:
        Confirmed steps that no later one has taken back, with their series.
    """
    return [
        (history, change)
        for history in histories.histories
        for change in history.found.changes
        if change.kind == STEP
        and change.status == CONFIRMED
        and np.isfinite(history.series.values[change.place :]).sum() <= last
        and (fail_on == "any" or (fail_on == "worse" and history.worse(change)))
        and not _taken_back(history, change)
    ]


def _taken_back(history: History, change: Change) -> bool:
    """Tell whether a later step has given back more than half of a change."""
    later = [
        other
        for other in history.found.changes
        if other.place > change.place and other.status == CONFIRMED and other.kind == STEP
    ]
    if not later:
        return False
    return (later[-1].after - change.before) / (change.after - change.before) < 0.5


def verdict_of(histories: Histories, last: int = LAST_POINTS, fail_on: str = "worse") -> str:
    """Say what all series come to: fail, pass, or that there is too little to say."""
    if failing(histories, last, fail_on):
        return FAIL
    if any(history.found.enough for history in histories.histories):
        return PASS
    known = any(history.found.n for history in histories.histories)
    return INCONCLUSIVE if known else NO_DATA
