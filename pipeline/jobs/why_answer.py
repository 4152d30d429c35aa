"""Why an operation got worse: causes and exemplars, as every writer of a judgement takes them."""

import math
from dataclasses import dataclass

MEAN = "mean"


@dataclass(frozen=True)
class Cause:
    """One thing that changed, and what it explains.

    Attributes:
        kind: self_time, the request's own; call_time, slower calls; calls, more or fewer of them;
            new_operation and gone_operation, called on one side alone; parallel, what ran at the
            same time; other, all small parts together; errors; cache; gc; cpu_frames.
        subject: what changed: a service and operation, a function, a cache.
        baseline, canary: the values, in ``unit``.
        unit: ms, calls/request, ratio, ….
        growth_ms: what it adds to the request; NaN where that cannot be told.
        share: of the growth of the request; NaN where that cannot be told.
        text: one sentence for people.
        scope: which requests: mean, all of them; else the slowest, such as "slowest 5 %".
        additive: whether it is one of the parts that add up to the growth; others tell of the
            same growth in another way.
        margin_ms: half the 95 % interval of ``growth_ms``, instance-minutes as units of chance;
            NaN where there are too few to tell.
    """

    kind: str
    subject: str
    baseline: float
    canary: float
    unit: str
    growth_ms: float
    share: float
    text: str
    scope: str = MEAN
    additive: bool = False
    margin_ms: float = math.nan


@dataclass(frozen=True)
class Exemplar:
    """One request to be looked at.

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
class Growth:
    """How much slower the requests of a scope became: what its additive causes add up to.

    Attributes:
        scope: as for a cause.
        baseline_requests, canary_requests: looked at, weighted.
        baseline_ms, canary_ms: their mean durations.
        margin_ms: half the 95 % interval of the difference; NaN where it cannot be told.
    """

    scope: str
    baseline_requests: float
    canary_requests: float
    baseline_ms: float
    canary_ms: float
    margin_ms: float

    @property
    def growth_ms(self) -> float:
        """Give the difference."""
        return self.canary_ms - self.baseline_ms


@dataclass(frozen=True)
class Why:
    """What the rows say of one operation that got worse.

    Attributes:
        service_name, operation: which, as in the check.
        causes: what explains most first.
        exemplars: slowest first; failed ones first where errors are what got worse.
        reason: why there are no causes, or what limits them; empty for nothing.
        growth: of each scope that was looked at.
        baseline_exemplars: requests near the baseline's median, to compare with.
    """

    service_name: str
    operation: str
    causes: tuple[Cause, ...]
    exemplars: tuple[Exemplar, ...]
    reason: str = ""
    growth: tuple[Growth, ...] = ()
    baseline_exemplars: tuple[Exemplar, ...] = ()
