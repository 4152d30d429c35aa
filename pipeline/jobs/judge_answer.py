"""What a judgement is made of and what it finds: rows, counts, comparisons."""

from dataclasses import dataclass, field

import pyarrow as pa

from pipeline.jobs.judge_request import JudgeRequest
from pipeline.stats.share_shift import ShareShift
from pipeline.stats.shift import Shift

# Requests of both sides, by service, operation, instance, minute and bucket.
CELLS = "cells"
# Groups of the saved baseline, where one stands for the baseline's requests.
SAVED_GROUPS = "saved_groups"

# What operations that are too small to be judged by themselves are judged as.
OTHER = "(other)"


@dataclass(frozen=True)
class Counts:
    """What a side has of an operation.

    Attributes:
        requests: weighted.
        effective: how many unweighted ones tell as much.
        errors, errors_5xx, errors_4xx: of the requests.
        instances: how many had any.
        first_minute, end_minute: when, in minutes since the epoch; both 0 for no requests.
    """

    requests: float = 0.0
    effective: float = 0.0
    errors: float = 0.0
    errors_5xx: float = 0.0
    instances: int = 0
    first_minute: int = 0
    end_minute: int = 0
    errors_4xx: float = 0.0


@dataclass(frozen=True)
class Mix:
    """What the sides differ by because their requests are of other strata.

    Attributes:
        log_shifts: of each quantile, by quantile, in logarithms.
        errors: of the share of errors.
        dropped: share of requests in strata that a side has too few of, of the worse side.
        capped: strata whose weight was held down.
        strata: how many there are on either side.
    """

    log_shifts: dict[float, float]
    errors: float
    dropped: float
    capped: int
    strata: int


@dataclass(frozen=True)
class Comparison:
    """One operation on both sides, or all of a service.

    Attributes:
        service_name: empty where the sides are two services.
        operation: its name; empty for all of the service, OTHER for small ones together.
        baseline, canary: what there is.
        minutes: of the clock that both sides share.
        shifts: by quantile, within the mix; empty where a side has no requests.
        errors, errors_5xx, errors_4xx: None where a side has no requests.
        mix: None where there is one stratum.
        pooled: how many operations it holds, where it is OTHER.
        in_other: whether it is judged as part of OTHER.
        one_window: whether the baseline is of one other time, so that nothing is paired.
    """

    service_name: str
    operation: str
    baseline: Counts
    canary: Counts
    minutes: int
    shifts: dict[float, Shift]
    errors: ShareShift | None
    errors_5xx: ShareShift | None
    errors_4xx: ShareShift | None = None
    mix: Mix | None = None
    pooled: int = 0
    in_other: bool = False
    one_window: bool = False

    @property
    def is_service(self) -> bool:
        """Tell whether it is all of a service."""
        return not self.operation and self.pooled > 0


@dataclass(frozen=True)
class Traffic:
    """How requests are split between the sides.

    Attributes:
        share: of them the canary's.
        error: its standard error, blocks of time as clusters; NaN for fewer than two.
        df: its degrees of freedom.
        change: by how many times the canary's requests a baseline's grew from the first third of
            the window to the last; NaN where there is too little to tell.
        requests: of baseline and canary.
    """

    share: float
    error: float
    df: float
    change: float
    requests: tuple[float, float]


@dataclass(frozen=True)
class Inputs:
    """All that a judgement is made of, so that it can be kept and made again.

    Attributes:
        tables: rows, by what they are; CELLS is always there.
        versions: of the lake's tables that were read, by table.
    """

    tables: dict[str, pa.Table]
    versions: dict[str, int]


@dataclass(frozen=True)
class Judged:
    """What a judgement found.

    Attributes:
        request: the question.
        comparisons: one an operation, by service and name; after a service's operations what is
            OTHER, and all of it.
        first_minute, end_minute: the window compared, in minutes since the epoch.
        shared: share of the minutes of either side that both have.
        minutes_version: of latency_minutes in the lake; -1 where it was not read.
        traffic: None where a side has no requests, or the baseline is of another time.
        last_minutes: the newest minute of baseline and canary; None where there is none.
        windows: earlier windows that the baseline is made of; 0 where it is of the same time.
        notes: what else a reader must know, each a sentence.
    """

    request: JudgeRequest
    comparisons: tuple[Comparison, ...]
    first_minute: int
    end_minute: int
    shared: float
    minutes_version: int
    traffic: Traffic | None = None
    last_minutes: tuple[int | None, int | None] = (None, None)
    windows: int = 0
    notes: tuple[str, ...] = field(default=())
