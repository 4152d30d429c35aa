"""Levels: what each operation's quantiles, errors and rate are, with intervals that can be judged.

As a baseline, but instances and minutes may differ: these intervals hold for the service, not for
the requests that happened to come.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.jobs.judge import Counts, by_operation, cells, counts_of, side_of
from pipeline.jobs.judge_request import Pairs, cell_values
from pipeline.lake import Lake
from pipeline.stats.level import quantile_level, share_level
from pipeline.stats.shift import Estimate


@dataclass(frozen=True)
class Level:
    """One operation.

    Attributes:
        service_name, operation: which.
        counts: what there is of it.
        minutes: of the window, from the first request of any operation to the last.
        quantiles: logarithms of nanoseconds, by quantile; empty where no request has a duration.
        errors: the share of requests that failed, and its bounds.
    """

    service_name: str
    operation: str
    counts: Counts
    minutes: int
    quantiles: dict[float, Estimate]
    errors: tuple[float, float, float]

    @property
    def requests_per_second(self) -> float:
        """Give the rate over the window."""
        return self.counts.requests / (60 * self.minutes)


def levels(
    lake: Lake,
    where: Pairs,
    quantiles: tuple[float, ...],
    confidence: float,
    window: tuple[int | None, int | None] = (None, None),
    kind: str = "requests",
) -> tuple[list[Level], int]:
    """Work out the levels of all operations.

    Args:
        lake: the lake; its rollups are brought up to date first.
        where: column and value pairs of the requests that count.
        quantiles: those wanted, between 0 and 1.
        confidence: of the share's interval, between 0 and 1.
        window: since and until, in ns; None for open.
        kind: which spans count, as for a baseline.

    Returns:
        The levels, by service and operation, and the version of latency_minutes they are of.

    Raises:
        LakeError, CommitConflict, LakeUnavailable: as for the judge's ``run``.
    """
    rows, version = cells(lake, cell_values(kind, where), *window)
    if not rows.num_rows:
        return [], version
    minute = rows["minute"].to_numpy()
    first, end = int(minute.min()), int(minute.max()) + 1
    found = []
    for part in by_operation(rows):
        every = side_of(part, first, end, timed=False)
        timed = side_of(part, first, end, timed=True)
        failed = every.add_up(part["errors"].astype(np.float64))
        known = {p: quantile_level(timed, p) for p in quantiles} if timed.total else {}
        found.append(
            Level(
                str(part["service_name"][0]),
                str(part["operation"][0]),
                counts_of(part),
                end - first,
                known,
                share_level(every, failed, confidence),
            )
        )
    return found, version
