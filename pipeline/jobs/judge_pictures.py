"""What is drawn of a judgement: both sides' distributions and their course, by operation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.jobs.judge_answer import CELLS, OTHER, Inputs, Judged
from pipeline.stats.cells import Floats, Histograms, Ints, Range, Side

# Those drawn, whichever were judged.
QUANTILES = (0.5, 0.95, 0.99)

# More points than this do not show on a picture of a few hundred pixels.
MOST_STEPS = 48
_STEP_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1440)

_SIDES = (0, 1)
# Windows only where the baseline is made of several.
_COLUMNS = ("side", "minute", "bucket", "requests", "errors", "window")


@dataclass(frozen=True)
class SidePicture:
    """One side of an operation.

    Attributes:
        counts: k requests by bucket, of those that have a duration.
        log_quantiles: of all of them, by QUANTILES; logarithms of ns, NaN for no requests.
        requests: s requests a minute, by step of time.
        error_ratios: s shares of them that failed; NaN where there were none.
        step_log_quantiles: QUANTILES x s logarithms of ns; NaN where there were none.
    """

    counts: Floats
    log_quantiles: Floats
    requests: Floats
    error_ratios: Floats
    step_log_quantiles: Floats


@dataclass(frozen=True)
class Picture:
    """One operation on both sides, over the same buckets and steps.

    Attributes:
        service_name, operation: which.
        low_bucket: the first of the k buckets, which have no gaps.
        first_minute: where the first of the s steps begins, in minutes since the epoch.
        step_minutes: how long a step is; the last may be shorter.
        sides: baseline and canary.
    """

    service_name: str
    operation: str
    low_bucket: int
    first_minute: int
    step_minutes: int
    sides: tuple[SidePicture, SidePicture]


def pictures(
    inputs: Inputs, judged: Judged, wanted: Sequence[tuple[str, str]]
) -> tuple[Picture, ...]:
    """Work out what is drawn.

    Args:
        inputs: what the judgement was made of.
        judged: the judgement, for its window.
        wanted: service and operation of those to draw.

    Returns:
        One picture an operation, in the order of ``wanted``; those that have no row with a
        duration are left out. All of a service, and OTHER, are drawn as one.
    """
    rows = inputs.tables[CELLS]
    if not rows.num_rows or not wanted:
        return ()
    services, operations = _codes(rows["service_name"]), _codes(rows["operation"])
    minute = rows["minute"].to_numpy()
    within = (minute >= judged.first_minute) & (minute < judged.end_minute)
    found = []
    for service, operation in wanted:
        own = services[0] == services[1].get(service, -1)
        names = _members(judged, service, operation)
        if names is not None:
            own &= np.isin(operations[0], [operations[1].get(name, -1) for name in names])
        # Rows of no window at all are still drawn: that they lie apart is what there is to see.
        kept = own & within if (own & within).any() else own
        picture = _picture(service, operation, rows.take(pa.array(np.flatnonzero(kept))))
        if picture:
            found.append(picture)
    return tuple(found)


def _members(judged: Judged, service: str, operation: str) -> list[str] | None:
    """Give which operations are drawn as one; None for all of the service."""
    own = [each for each in judged.comparisons if each.service_name == service]
    if any(each.is_service and each.operation == operation for each in own):
        return None
    if operation == OTHER:
        return [each.operation for each in own if each.in_other]
    return [operation]


def _codes(column: pa.ChunkedArray) -> tuple[Ints, dict[str, int]]:
    """Give a column of texts as numbers, and each text's number."""
    encoded = column.combine_chunks().dictionary_encode()
    names = {name: code for code, name in enumerate(encoded.dictionary.to_pylist())}
    return encoded.indices.to_numpy().astype(np.int64), names


def _picture(service: str, operation: str, part: pa.Table) -> Picture | None:
    """Work out the picture of one operation; None where no row has a duration."""
    names = [name for name in _COLUMNS if name in part.column_names]
    columns = {name: part[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in names}
    timed = np.isfinite(columns["bucket"])
    if not timed.any():
        return None
    first, end = int(columns["minute"].min()), int(columns["minute"].max()) + 1
    step = step_minutes(end - first)
    steps = -(-(end - first) // step)
    # The last step may be cut short by the window's end.
    lengths = np.minimum(np.arange(1, steps + 1) * step, end - first) - np.arange(steps) * step
    place = (columns["minute"].astype(np.int64) - first) // step
    made = [_side(columns, timed & (columns["side"] == each), place, steps) for each in _SIDES]
    shared = Range.of(*(side for side in made if side.total))
    drawn = [
        _drawn(columns, columns["side"] == number, place, lengths, side, shared)
        for number, side in enumerate(made)
    ]
    return Picture(service, operation, shared.low, first, step, (drawn[0], drawn[1]))


def step_minutes(minutes: int) -> int:
    """Give how many minutes a point stands for.

    >>> [step_minutes(minutes) for minutes in (12, 48, 49, 10_000, 100_000)]
    [1, 1, 2, 360, 2084]
    """
    for step in _STEP_MINUTES:
        if minutes <= step * MOST_STEPS:
            return step
    return -(-minutes // MOST_STEPS)


def _side(columns: dict[str, Floats], kept: NDArray[np.bool_], place: Ints, steps: int) -> Side:
    """Give one side as the statistics take it, with steps for minutes and all instances as one."""
    count = columns["requests"][kept]
    return Side(
        instance=np.zeros(len(count), dtype=np.int64),
        minute=place[kept],
        bucket=columns["bucket"][kept].astype(np.int64),
        count=count,
        count_squared=count,
        instances=1,
        minutes=steps,
    )


def _drawn(
    columns: dict[str, Floats],
    own: NDArray[np.bool_],
    place: Ints,
    lengths: Ints,
    side: Side,
    shared: Range,
) -> SidePicture:
    """Work out one side."""
    steps = len(lengths)
    # Of several earlier windows on one clock, the mean is what compares with the canary's minute.
    windows = len(np.unique(columns["window"][own])) if "window" in columns else 1
    requests, errors = (
        np.bincount(place[own], weights=columns[name][own], minlength=steps)
        for name in ("requests", "errors")
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = errors / requests
    if not side.total:
        unknown = np.full((len(QUANTILES), steps), np.nan)
        nothing = np.zeros(shared.count)
        return SidePicture(
            nothing, unknown[:, 0], requests / (lengths * max(windows, 1)), ratios, unknown
        )
    whole = shared.histograms(side, None, 1)
    parts = shared.histograms(side, side.minute, steps)
    return SidePicture(
        counts=whole.counts[0],
        log_quantiles=_log_quantiles(whole)[:, 0],
        requests=requests / (lengths * max(windows, 1)),
        error_ratios=ratios,
        step_log_quantiles=_log_quantiles(parts),
    )


def _log_quantiles(histograms: Histograms) -> Floats:
    """Give QUANTILES of n histograms: QUANTILES x n."""
    return np.stack([histograms.log_quantile(p) for p in QUANTILES])
