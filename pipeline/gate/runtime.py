"""Signals of the runtime: pauses, queues, pools, loops and what else a service runs short of.

Each is a named metric, so a budget and the judge know it by the same name. Here all of them are
measured at once, by service and version, with intervals that let instances and minutes differ, or
beside a baseline.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.errors import UsageError
from pipeline.gate.budgets import Budget
from pipeline.gate.metric_checks import relative_checks
from pipeline.gate.runtime_levels import SignalLevel, read_levels
from pipeline.gate.runtime_signals import SIGNALS
from pipeline.gate.saved_levels import saved_name
from pipeline.gate.verdict import Check
from pipeline.jobs.judge_request import SAVED, Pairs
from pipeline.jobs.metric_rows import POOL_USE, Window, sent_names
from pipeline.jobs.named_metrics import GC_SAMPLES, OBSERVATIONS, NamedMetric, named_metric
from pipeline.jobs.runtime_gc_samples import TO_COLLECT
from pipeline.jobs.runtime_pauses import SPAN_NAME
from pipeline.jobs.runtime_store import SavedLevel, load_levels
from pipeline.lake import Lake

# Shares of what there is: above four fifths of it, callers wait.
_SATURATING = ("pool_used_share", "event_loop_use", "cpu_utilization")

# What data points know of who sent them.
_COLUMNS = ("service_name", "service_version", "service_instance_id", "deployment_environment")

# What pauses cannot be had from, whatever is sent, and what tells them; a rate of them can be.
_OF_CPYTHON = (
    "CPython's metrics tell how often it collects, not for how long it stops: send a span named "
    f"{SPAN_NAME} for each collection, or import what bcc's pythongc prints, or bpftrace of maps "
    "@gc_pause_ns = hist(…) and @gc_pause_total_ns = sum(…)"
)


@dataclass(frozen=True)
class Signal:
    """One signal of all services.

    Attributes:
        area: what it is about.
        metric: what is measured.
        levels: without a baseline, one a service, version and queue that send it.
        checks: beside a baseline, one a service and queue: how it changed, or why that is unknown.
        missing: what to send, where no service does; empty else.
    """

    area: str
    metric: NamedMetric
    levels: tuple[SignalLevel, ...]
    checks: tuple[Check, ...]
    missing: str


@dataclass(frozen=True)
class SignalRequest:
    """What is asked of the signals.

    Attributes:
        sides: column and value pairs of one side, or of baseline and canary.
        service: pattern of services.
        alpha: one-sided, of the intervals, between 0 and 1.
        window: since and until, in ns; None for open.
        names: of signals; none for all.
    """

    sides: tuple[Pairs, ...] = ((),)
    service: str = "*"
    alpha: float = 0.05
    window: Window = (None, None)
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that what data points know can choose the sides, and that signals are known.

        Raises:
            UsageError: one is not.
        """
        known = [name for _, name in SIGNALS]
        for name in self.names:
            if name not in known:
                raise UsageError(f"runtime: {name}: no signal; known: {', '.join(known)}")
        for column, _ in (pair for side in self.sides for pair in side):
            if column not in _COLUMNS and column != SAVED:
                columns = ", ".join(_COLUMNS)
                raise UsageError(f"runtime: {column}: cannot choose data points; known: {columns}")


def read_signals(
    lake: Lake,
    request: SignalRequest,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Signal, ...]:
    """Measure every signal.

    Args:
        lake: the lake.
        request: the question.
        on_progress: told how many signals are done.

    Returns:
        The signals, in the order of SIGNALS.

    Raises:
        UsageError: nothing was saved under the name of the baseline.
        LakeError: a file cannot be read.
    """
    chosen = request.names or [name for _, name in SIGNALS]
    metrics = [(area, _metric(name)) for area, name in SIGNALS if name in chosen]
    every = sorted({name for _, metric in metrics for name in metric.names})
    sent, paused = sent_names(lake, every, request.window)
    name = saved_name(request.sides[0])
    # What was saved and is not sent any more is told, too.
    kept = {level.metric for level in load_levels(lake, name)} if name else set()
    found = []
    for number, (area, metric) in enumerate(metrics):
        is_sent = sent.intersection(metric.names) or (paused and metric.has_pauses)
        # Whether profiles tell it, only reading them does.
        if is_sent or metric.name in kept or metric.statement == GC_SAMPLES:
            found.append(_signal(lake, request, area, metric))
        else:
            found.append(Signal(area, metric, (), (), _to_send(metric)))
        on_progress(number + 1, len(metrics))
    return tuple(found)


def levels_to_save(signals: Sequence[Signal], alpha: float) -> list[SavedLevel]:
    """Give the levels that are known, as they are saved.

    Args:
        signals: of one side.
        alpha: one-sided, that their intervals were made with.
    """
    return [
        SavedLevel(
            level.service_name,
            level.service_version,
            level.thing,
            signal.metric.name,
            level.unit,
            level.value.estimate,
            level.value.low,
            level.value.high,
            level.error,
            level.df,
            1 - 2 * alpha,
            level.n,
            level.instances,
            level.minutes,
            level.names,
        )
        for signal in signals
        for level in signal.levels
        if math.isfinite(level.value.estimate) and math.isfinite(level.error)
    ]


def _metric(name: str) -> NamedMetric:
    """Give the metric of a name."""
    metric = named_metric(name)
    if metric is None:
        raise UsageError(f"{name}: no metric of this name")
    return metric


def _signal(lake: Lake, request: SignalRequest, area: str, metric: NamedMetric) -> Signal:
    """Measure one signal."""
    alpha, window = request.alpha, request.window
    levels: tuple[SignalLevel, ...] = ()
    checks: tuple[Check, ...] = ()
    if len(request.sides) == 1:
        can_saturate = metric.name in _SATURATING
        levels = read_levels(
            lake, metric, request.sides[0], request.service, alpha, window, can_saturate
        )
    else:
        both = (request.sides[0], request.sides[1])
        budget = Budget(
            metric.name, request.service, metric=metric.name, direction=metric.direction
        )
        told = relative_checks(budget, lake, both, alpha, window)
        # That nobody sends it is told once, as missing.
        nobody = f"no data of {metric.name}, service"
        checks = tuple(check for check in told if not check.reason.startswith(nobody))
    return Signal(area, metric, levels, checks, "" if levels or checks else _to_send(metric))


def _to_send(metric: NamedMetric) -> str:
    """Say what would tell a signal."""
    if metric.statement == GC_SAMPLES:
        return TO_COLLECT
    if metric.statement == POOL_USE:
        told = "db.client.connection.count with its state, and db.client.connection.max"
    elif metric.taken:
        pairs = zip(metric.sources, metric.taken, strict=True)
        told = " or ".join(f"{level.name} with {taken.name}" for level, taken in [*pairs][:2])
    else:
        told = " or ".join(metric.names[:3])
    is_limited = metric.has_pauses and metric.kind != OBSERVATIONS
    return f"send {told}" + (f"; {_OF_CPYTHON}" if is_limited else "")
