"""What the judge is worth on a release's own history: how often it errs there, and what it finds.

Every replay goes through the judgement itself, with the tolerance that is audited. Harm is put into
one operation at a time, and judged beside the other operations of the same replay.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipeline.errors import NotEnoughData
from pipeline.gate.auditing_counts import (
    ERROR_RATIO,
    Tally,
    count_harmed,
    count_sound,
    metric_of,
    name_of,
    told_alone,
)
from pipeline.gate.judgement import Tolerance, judge
from pipeline.gate.verdict import FAIL, VERDICTS, WARN
from pipeline.jobs.audit import History
from pipeline.jobs.audit_harm import compared
from pipeline.jobs.audit_splits import BY_REQUEST
from pipeline.jobs.judge_answer import Comparison
from pipeline.stats.replay_rate import NO_RATE, Rate

# Fewer bound no rate below 16 %.
LEAST_REPLAYS = 20
# What is found in this share of the replays counts as found.
POWER = 0.8
_FEW_WINDOWS = 10


@dataclass(frozen=True)
class Caught:
    """How often harm of one size was found.

    Attributes:
        kind, size: of the harm; a share of the duration, or of the requests.
        failed: replays in which the operation failed.
        warned: those in which it was warned about at worst.
        by_metric: replays in which a metric failed.
    """

    kind: str
    size: float
    failed: Rate
    warned: Rate
    by_metric: dict[str, Rate]


@dataclass(frozen=True)
class MetricAudit:
    """One metric of one operation, replayed without harm.

    Attributes:
        metric: p50, …, error_ratio.
        false_fails: replays in which it failed.
        false_alarms: those in which growth was significant with no tolerance and no correction.
        covered: those whose interval holds no growth at all, which is the truth.
        verdicts: how often each was given.
    """

    metric: str
    false_fails: Rate
    false_alarms: Rate
    covered: Rate
    verdicts: dict[str, int]


@dataclass(frozen=True)
class OperationAudit:
    """One operation; all of them together where both names are empty.

    Attributes:
        service_name, operation: which.
        requests: of a replay, both halves, on average.
        instances: of a replay, both halves, at most.
        windows: how many were replayed.
        way: what was dealt out: instances or requests.
        false_fails: replays in which any metric failed.
        metrics: each.
        caught: by kind and size of the harm.
    """

    service_name: str
    operation: str
    requests: float
    instances: int
    windows: int
    way: str
    false_fails: Rate
    metrics: tuple[MetricAudit, ...]
    caught: tuple[Caught, ...]

    def smallest(self, kind: str, metric: str = "") -> float:
        """Give the smallest size found with POWER, as are all larger ones; infinite for none.

        Args:
            kind: of the harm.
            metric: the one that must fail; empty for any.
        """
        least = math.inf
        for each in reversed([each for each in self.caught if each.kind == kind]):
            rate = each.by_metric.get(metric, NO_RATE) if metric else each.failed
            if not rate.replays or rate.share < POWER:
                break
            least = each.size
        return least


@dataclass(frozen=True)
class Audit:
    """The answer.

    Attributes:
        history: what was replayed.
        tolerance: what was let through.
        replays, harmed_replays: how many.
        overall: all operations; its false fails are those of the whole verdict.
        verdicts: of whole replays without harm, how often each was given.
        operations: by service and name.
        notes: what limits the answer.
    """

    history: History
    tolerance: Tolerance
    replays: int
    harmed_replays: int
    overall: OperationAudit
    verdicts: dict[str, int]
    operations: tuple[OperationAudit, ...]
    notes: tuple[str, ...]


def audit(
    history: History,
    tolerance: Tolerance,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Audit:
    """Replay history and count what the judge says.

    Args:
        history: cut for replays.
        tolerance: what is let through.
        on_progress: told how many replays are done, and how many there are at most.

    Raises:
        NotEnoughData: too few different replays; says what is needed.
    """
    tally = Tally()
    sizes: dict[tuple[str, str], list[tuple[float, int]]] = defaultdict(list)
    request, done = history.request, 0
    asked = history.judge_request(tolerance.critical_services)
    for replay in history.replays():
        found = compared(replay.splits, asked, replay.clock)
        judgement = judge(history.judged(replay, asked, found), tolerance)
        count_sound(tally, replay, judgement)
        for each in told_alone(judgement.judged.comparisons):
            sizes[name_of(each)].append(_size(each, history.ways[each.service_name]))
        if done < request.harmed_runs:
            count_harmed(tally, history, replay, judgement)
        done += 1
        on_progress(done, request.runs)
    if done < LEAST_REPLAYS:
        raise NotEnoughData(
            f"audit: {done} different replays of {len(history.windows)} windows, {LEAST_REPLAYS} "
            "are needed; give a longer --since, a shorter --window or more --runs"
        )
    names = sorted(sizes)
    operations = tuple(_operation(tally, history, name, sizes[name]) for name in names)
    everything = _everything(tally, history, operations)
    verdicts = _verdicts(tally, "whole")
    harmed = min(done, request.harmed_runs)
    notes = tuple(_notes(history))
    return Audit(history, tolerance, done, harmed, everything, verdicts, operations, notes)


def _size(comparison: Comparison, way: str) -> tuple[float, int]:
    """Give requests and instances of both halves."""
    baseline, canary = comparison.baseline, comparison.canary
    both = max if way == BY_REQUEST else sum
    instances = both((baseline.instances, canary.instances))
    return baseline.requests + canary.requests, instances


def _operation(
    tally: Tally, history: History, name: tuple[str, str], sizes: list[tuple[float, int]]
) -> OperationAudit:
    """Sum up one operation."""
    return OperationAudit(
        *name,
        requests=sum(requests for requests, _ in sizes) / len(sizes),
        instances=max(instances for _, instances in sizes),
        windows=tally.windows(*name, "any", FAIL),
        way=history.ways[name[0]],
        false_fails=tally.rate(*name, "any", FAIL),
        metrics=tuple(_metrics(tally, history, name)),
        caught=tuple(_caught(tally, history, name)),
    )


def _everything(
    tally: Tally, history: History, operations: Sequence[OperationAudit]
) -> OperationAudit:
    """Sum up all operations: false fails are of whole verdicts, the rest of single checks."""
    ways = sorted({each.way for each in operations})
    return OperationAudit(
        "",
        "",
        requests=sum(each.requests for each in operations),
        instances=max(each.instances for each in operations),
        windows=tally.windows("whole", FAIL),
        way=" and ".join(ways),
        false_fails=tally.rate("whole", FAIL),
        metrics=tuple(_metrics(tally, history, ("", ""))),
        caught=tuple(_caught(tally, history, ("", ""))),
    )


def _metrics(tally: Tally, history: History, name: tuple[str, str]) -> Iterator[MetricAudit]:
    for metric in (*map(metric_of, history.request.quantiles), ERROR_RATIO):
        key = (*name, metric)
        yield MetricAudit(
            metric,
            tally.rate(*key, FAIL),
            tally.rate(*key, "alarm"),
            tally.rate(*key, "covered"),
            _verdicts(tally, *key),
        )


def _verdicts(tally: Tally, *key: object) -> dict[str, int]:
    return {verdict: tally.times(*key, "verdict", verdict) for verdict in VERDICTS}


def _caught(tally: Tally, history: History, name: tuple[str, str]) -> Iterator[Caught]:
    metrics = (*map(metric_of, history.request.quantiles), ERROR_RATIO)
    for kind, size in history.request.harms:
        key = (*name, kind, size)
        by_metric = {metric: tally.rate(*key, metric) for metric in metrics}
        known = {metric: rate for metric, rate in by_metric.items() if rate.replays}
        yield Caught(kind, size, tally.rate(*key, FAIL), tally.rate(*key, WARN), known)


def _notes(history: History) -> Iterable[str]:
    """Say what limits the answer."""
    blind = sorted(service for service, way in history.ways.items() if way == BY_REQUEST)
    if blind:
        yield (
            f"instance_effect_unknown: too few instances to deal them out in {', '.join(blind)}, "
            "so requests were; what instances differ by is not seen in these figures"
        )
    if len(history.windows) < _FEW_WINDOWS:
        yield (
            f"{len(history.windows)} windows: replays of one window share its requests, so the "
            "rates are of these windows and say little of others"
        )
