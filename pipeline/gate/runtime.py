"""Signals of the runtime: pauses, queues, pools, loops and what else a service runs short of.

Each is a named metric, so a budget and the judge know it by the same name. Here all of them are
measured at once, with intervals that let instances and minutes differ, or beside a baseline.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.errors import UsageError
from pipeline.gate import named_checks
from pipeline.gate.budgets import Budget
from pipeline.gate.verdict import NO_DATA, Check
from pipeline.jobs.judge_request import Pairs
from pipeline.jobs.named_metrics import NamedMetric, named_metric
from pipeline.lake import Lake

Window = tuple[int | None, int | None]

# By area, in the order in which people look.
SIGNALS: tuple[tuple[str, str], ...] = (
    ("garbage collection", "gc_pause_share"),
    ("garbage collection", "gc_pause_p99_ms"),
    ("queues", "queue_depth"),
    ("queues", "consumer_lag"),
    ("pools", "pool_used_share"),
    ("pools", "pool_pending"),
    ("pools", "pool_wait_p95_ms"),
    ("load", "requests_in_flight"),
    ("event loop", "event_loop_delay_p99_s"),
    ("event loop", "event_loop_use"),
    ("processor", "cpu_cores"),
    ("processor", "cpu_utilization"),
    ("memory", "memory_bytes"),
    ("memory", "heap_bytes"),
    ("threads and files", "threads"),
    ("threads and files", "open_files"),
)

# What a metric cannot be had from, whatever is sent.
_LIMITS = {
    "gc_pause_share": "CPython tells how often it collects, not for how long it stops",
}


@dataclass(frozen=True)
class Signal:
    """One signal of all services.

    Attributes:
        area: what it is about.
        metric: what is measured.
        checks: one a service that sends it: the measure is its level, or the change beside a
            baseline; without one, the reason says why.
        missing: what to send, where no service does; empty else.
    """

    area: str
    metric: NamedMetric
    checks: tuple[Check, ...]
    missing: str


def read_signals(
    lake: Lake,
    sides: tuple[Pairs, ...],
    service: str = "*",
    alpha: float = 0.05,
    window: Window = (None, None),
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Signal, ...]:
    """Measure every signal.

    Args:
        lake: the lake.
        sides: column and value pairs of one side, or of baseline and canary.
        service: pattern of services.
        alpha: one-sided, of the intervals, between 0 and 1.
        window: since and until, in ns; None for open.
        on_progress: told how many signals are done.

    Returns:
        All signals, in the order of SIGNALS.

    Raises:
        LakeError: a file cannot be read.
    """
    found = []
    for number, (area, name) in enumerate(SIGNALS):
        found.append(_signal(lake, sides, Budget(name, service, metric=name), alpha, window, area))
        on_progress(number + 1, len(SIGNALS))
    return tuple(found)


def _signal(
    lake: Lake, sides: tuple[Pairs, ...], budget: Budget, alpha: float, window: Window, area: str
) -> Signal:
    """Measure one signal."""
    metric = named_metric(budget.metric)
    if metric is None:
        raise UsageError(f"{budget.metric}: no metric of this name")
    if len(sides) == 1:
        whose = Budget(budget.name, budget.service, where=sides[0], metric=budget.metric)
        checks = tuple(named_checks.absolute(whose, lake, alpha, window))
    else:
        both = (sides[0], sides[1])
        directed = Budget(
            budget.name, budget.service, metric=budget.metric, direction=metric.direction
        )
        checks = tuple(named_checks.relative(directed, lake, both, alpha, window))
    sent = tuple(check for check in checks if check.verdict != NO_DATA)
    return Signal(area, metric, sent, "" if sent else _to_send(metric))


def _to_send(metric: NamedMetric) -> str:
    """Say what would tell a signal."""
    if metric.statement == "pool_use":
        told = "db.client.connection.count with its state, and db.client.connection.max"
    else:
        told = " or ".join(metric.sources[:3])
    limit = _LIMITS.get(metric.name)
    return f"send {told}" + (f"; {limit}" if limit else "")
