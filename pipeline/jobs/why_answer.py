"""Why an operation got worse: causes and exemplars, as every writer of a judgement takes them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """One thing that changed, and what it explains.

    Attributes:
        kind: self_time, calls, call_time, errors, new_operation, cache, gc or cpu_frames.
        subject: what changed: a service and operation, a function, a cache.
        baseline, canary: the values, in ``unit``.
        unit: ms, calls/request, ratio, ….
        growth_ms: what it adds to the mean request; NaN where that cannot be told.
        share: of the growth of the mean request; NaN where that cannot be told.
        text: one sentence for people.
    """

    kind: str
    subject: str
    baseline: float
    canary: float
    unit: str
    growth_ms: float
    share: float
    text: str


@dataclass(frozen=True)
class Exemplar:
    """One slow or failed request of the canary, to be looked at.

    Attributes:
        trace_id, span_id: in hexadecimal.
        service_instance_id: which instance answered; empty for unknown.
        start_unix_nano: when it began.
        duration_ms: how long it took.
        failed: whether it ended in an error.
    """

    trace_id: str
    span_id: str
    service_instance_id: str
    start_unix_nano: int
    duration_ms: float
    failed: bool


@dataclass(frozen=True)
class Why:
    """What the rows say of one operation that got worse.

    Attributes:
        service_name, operation: which, as in the check.
        causes: what explains most first.
        exemplars: slowest first; failed ones first where errors are what got worse.
        reason: why there are no causes, or what limits them; empty for nothing.
    """

    service_name: str
    operation: str
    causes: tuple[Cause, ...]
    exemplars: tuple[Exemplar, ...]
    reason: str = ""
