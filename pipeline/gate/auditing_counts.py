"""Counting what the judge says of replays: of sound ones, and of those that harm was put into."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from pipeline.gate.judgement import Judgement, judge
from pipeline.gate.verdict import FAIL, VERDICTS, WARN, Check, settle
from pipeline.jobs.audit import History, Replay
from pipeline.jobs.audit_harm import ERRORS, Split, compared_harmed
from pipeline.jobs.judge_answer import OTHER, Comparison
from pipeline.stats.replay_rate import Rate, rate_of

ERROR_RATIO = "error_ratio"

Name = tuple[str, str]


class Tally:
    """Events of replays, by what they are of."""

    def __init__(self) -> None:
        self._events: dict[tuple[object, ...], tuple[list[bool], list[int]]] = defaultdict(
            lambda: ([], [])
        )

    def add(self, window: int, happened: bool, *key: object) -> None:
        """Add one replay."""
        events, windows = self._events[key]
        events.append(happened)
        windows.append(window)

    def rate(self, *key: object) -> Rate:
        """Give how often it happened."""
        return rate_of(*self._events.get(key, ([], [])))

    def times(self, *key: object) -> int:
        """Count the events."""
        return sum(self._events.get(key, ([], []))[0])

    def windows(self, *key: object) -> int:
        """Count the windows that had a replay."""
        return len(set(self._events.get(key, ([], []))[1]))


def count_sound(tally: Tally, replay: Replay, judgement: Judgement) -> None:
    """Count what is said of a replay without harm."""
    window, alpha = replay.window, judgement.tolerance.alpha
    quantiles = judgement.judged.request.quantiles
    found = {name_of(each): each for each in told_alone(judgement.judged.comparisons)}
    failed: dict[Name, bool] = dict.fromkeys(found, False)
    tally.add(window, judgement.verdict == FAIL, "whole", FAIL)
    for verdict in VERDICTS:
        tally.add(window, judgement.verdict == verdict, "whole", "verdict", verdict)
    for check in judgement.checks:
        name = (check.service_name, check.operation)
        if name not in found:
            continue
        failed[name] |= check.verdict == FAIL
        p_value = _p_without_tolerance(found[name], check.metric, quantiles)
        for scope in ((*name, check.metric), ("", "", check.metric)):
            tally.add(window, check.verdict == FAIL, *scope, FAIL)
            for verdict in VERDICTS:
                tally.add(window, check.verdict == verdict, *scope, "verdict", verdict)
            if check.measure is not None and p_value is not None:
                tally.add(window, p_value <= alpha, *scope, "alarm")
                held = check.measure.low <= 0 <= check.measure.high
                tally.add(window, held, *scope, "covered")
    for name, any_failed in failed.items():
        tally.add(window, any_failed, *name, "any", FAIL)


def told_alone(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """Give the comparisons that stand for themselves: no services, nothing that is in another."""
    return [each for each in comparisons if not each.is_service and not each.in_other]


def name_of(comparison: Comparison) -> Name:
    """Give service and operation."""
    return comparison.service_name, comparison.operation


def _p_without_tolerance(
    comparison: Comparison, metric: str, quantiles: Sequence[float]
) -> float | None:
    """Give the p-value of no growth at all, which no tolerance and no other check changes."""
    if metric == ERROR_RATIO:
        return None if comparison.errors is None else comparison.errors.p_value()
    for p in quantiles:
        if metric == metric_of(p) and p in comparison.shifts:
            return comparison.shifts[p].p_value(0.0)
    return None


def metric_of(p: float) -> str:
    """Name a quantile as the judge does.

    >>> metric_of(0.95), metric_of(0.999)
    ('p95', 'p999')
    """
    return f"p{p * 100:g}".replace(".", "")


def count_harmed(tally: Tally, history: History, replay: Replay, sound: Judgement) -> None:
    """Put every harm into every operation in turn, and count what is said."""
    undecided = [_undecided(check) for check in sound.checks]
    for splits, name in _alone(replay, sound.judged.comparisons):
        for kind, size in history.request.harms:
            verdicts = _verdicts_of_harm(
                history, replay, sound, undecided, splits, name, (kind, size)
            )
            for scope in ((*name, kind, size), ("", "", kind, size)):
                failed = FAIL in verdicts.values()
                tally.add(replay.window, failed, *scope, FAIL)
                tally.add(replay.window, not failed and WARN in verdicts.values(), *scope, WARN)
                for metric, verdict in verdicts.items():
                    tally.add(replay.window, verdict == FAIL, *scope, metric)


def _alone(replay: Replay, comparisons: Sequence[Comparison]) -> Iterator[tuple[list[Split], Name]]:
    """Give what is harmed in turn: an operation, or all that are judged as one."""
    small = {name_of(each) for each in comparisons if each.in_other}
    for each in told_alone(comparisons):
        if not each.baseline.requests or not each.canary.requests:
            continue
        yield (
            [
                split
                for split in replay.splits
                if (split.service_name, split.operation) == name_of(each)
                or (
                    each.operation == OTHER
                    and split.service_name == each.service_name
                    and (split.service_name, split.operation) in small
                )
            ],
            name_of(each),
        )


def _verdicts_of_harm(
    history: History,
    replay: Replay,
    sound: Judgement,
    undecided: Sequence[Check],
    splits: Sequence[Split],
    name: Name,
    harm: tuple[str, float],
) -> dict[str, str]:
    """Judge a replay in which one operation came to harm: the verdicts of what can change."""
    kind, size = harm
    asked = history.judge_request()
    if kind == ERRORS:
        # Durations stay as they are; one quantile is the least that can be asked.
        asked = replace(asked, quantiles=asked.quantiles[:1])
    worse = compared_harmed(splits, (kind, size, replay.run), asked, replay.clock)
    own = [
        _undecided(check)
        for check in judge(history.judged(replay, asked, [worse]), sound.tolerance).checks
        if check.metric == ERROR_RATIO or kind != ERRORS
    ]
    changed = {check.metric for check in own}
    others = [
        check
        for check in undecided
        if (check.service_name, check.operation) != name or check.metric not in changed
    ]
    tolerance = sound.tolerance
    settled = settle([*own, *others], tolerance.alpha, tolerance.correction)[: len(own)]
    return {check.metric: check.verdict for check in settled}


def _undecided(check: Check) -> Check:
    """Take back a verdict that depends on the other checks; the others have no p-value."""
    if math.isnan(check.p_adjusted):
        return check
    return replace(check, verdict="", p_adjusted=math.nan)
