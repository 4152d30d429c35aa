"""Halves of one window compared as the judge does, and again after harm came to the canary's."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

import numpy as np

from pipeline.jobs.audit_splits import seeded, taken
from pipeline.jobs.judge_answer import OTHER, Comparison
from pipeline.jobs.judge_cells import Part, floats, side_of
from pipeline.jobs.judge_compare import Clock, service_comparisons
from pipeline.jobs.judge_request import JudgeRequest
from pipeline.stats.buckets import ZERO_BUCKET
from pipeline.stats.cells import Floats, Range, share_above
from pipeline.stats.injection import added_errors, slowed

SLOWER, TAIL, ERRORS = "slower", "slower_tail", "errors"
# Of both halves together: requests beyond it are the tail.
TAIL_FROM = 0.9

_COUNTS = ("requests", "requests_squared", "errors", "errors_5xx", "errors_4xx")


@dataclass(frozen=True)
class Split:
    """One operation's two halves, which differ by chance alone.

    Attributes:
        service_name, operation: which.
        baseline, canary: the rows.
    """

    service_name: str
    operation: str
    baseline: Part
    canary: Part

    def harmed(self, kind: str, size: float, run: int) -> "Split":
        """Put harm into the canary's half.

        Args:
            kind: SLOWER, TAIL or ERRORS.
            size: share of the duration, or of the requests.
            run: number of the replay, which chance hangs on.
        """
        rows = self.canary
        if kind == ERRORS:
            requests, errors = floats(rows["requests"]), floats(rows["errors"])
            weight = floats(rows["requests_squared"]) / requests
            rng = seeded(self.service_name, self.operation, kind, size, run)
            more = added_errors(requests, errors, weight, size, rng)
            return replace(self, canary={**rows, "errors": errors + more})
        bucket = floats(rows["bucket"])
        moved = slowed(bucket, size, self._tail if kind == TAIL else None)
        worse = taken(rows, moved.row)
        for name in _COUNTS:
            if name in worse:
                worse[name] = floats(worse[name]) * moved.part
        worse["bucket"] = moved.bucket
        return replace(self, canary=worse)

    @cached_property
    def _tail(self) -> Floats:
        """Give which share of each of the canary's rows is the tail."""
        known = [half for half in (self.baseline, self.canary) if _has_durations(half)]
        bucket = floats(self.canary["bucket"])
        if not known:
            return np.zeros(len(bucket))
        sides = [side_of(half, 0, _end(half), timed=True) for half in known]
        every = Range.of(*sides)
        whole = [every.histograms(side, None, 1) for side in sides]
        pooled = whole[0] if len(whole) == 1 else whole[0] + whole[1]
        threshold = float(pooled.log_quantile(TAIL_FROM)[0])
        return share_above(np.nan_to_num(bucket, nan=ZERO_BUCKET).astype(np.int64), threshold)


def _has_durations(half: Part) -> bool:
    return bool(np.isfinite(floats(half["bucket"])).any())


def _end(half: Part) -> int:
    return int(half["minute"].max()) + 1


def compared(splits: Sequence[Split], request: JudgeRequest, clock: Clock) -> Iterator[Comparison]:
    """Compare halves as the judge does: each operation, and small ones together.

    Args:
        splits: ordered by service.
        request: the judge's question.
        clock: the window, in minutes since the epoch.
    """
    for _, of_service in groupby(splits, key=lambda each: each.service_name):
        parts = [
            (each.service_name, each.operation, (each.baseline, each.canary)) for each in of_service
        ]
        yield from service_comparisons(parts, request, clock)


def compared_harmed(
    splits: Sequence[Split],
    harm: tuple[str, float, int],
    request: JudgeRequest,
    clock: Clock,
) -> Comparison:
    """Compare one operation after harm, or all small ones of a service together.

    Args:
        splits: one, or those that are judged together.
        harm: kind, size and number of the replay.
        request: the judge's question.
        clock: the window, in minutes since the epoch.
    """
    found = list(compared([each.harmed(*harm) for each in splits], request, clock))
    return next((each for each in found if each.operation == OTHER), found[0])
