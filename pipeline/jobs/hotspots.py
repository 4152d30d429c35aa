"""The hotspots job: the functions that most of what was measured went into."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.errors import UsageError
from pipeline.jobs.job import Job
from pipeline.jobs.profile_counts import Counted, Floats, ProfileCounts, count_profiles
from pipeline.jobs.profile_request import ProfileRequest
from pipeline.jobs.profile_requests import requests_beside
from pipeline.jobs.profile_stacks import ShownStacks
from pipeline.lake import Lake
from pipeline.stats.profile_shares import Counts, membership, share_interval, spread

SORTS = ("flat", "cumulative")
_SECOND_NANO = 1e9
# Sums are 64-bit integers.
_MOST = 2.0**63

RESULT_SCHEMA = pa.schema(
    [
        pa.field("function", pa.string(), nullable=False),
        pa.field("flat_value", pa.int64(), nullable=False),
        pa.field("flat_share", pa.float64(), nullable=False),
        pa.field("flat_share_low", pa.float64()),
        pa.field("flat_share_high", pa.float64()),
        pa.field("cumulative_value", pa.int64(), nullable=False),
        pa.field("cumulative_share", pa.float64(), nullable=False),
        pa.field("cumulative_share_low", pa.float64()),
        pa.field("cumulative_share_high", pa.float64()),
        pa.field("flat_samples", pa.int64(), nullable=False),
        pa.field("cumulative_samples", pa.int64(), nullable=False),
        pa.field("flat_cpu_seconds_per_request", pa.float64()),
        pa.field("cumulative_cpu_seconds_per_request", pa.float64()),
    ]
)


@dataclass(frozen=True)
class HotspotsRequest:
    """What is asked of the profiles.

    Attributes:
        profiles: which profiles.
        sort: one of SORTS: what functions are ranked by.
        limit: how many functions; 0 for all.
        confidence: of the intervals.

    Raises:
        UsageError: one of these that is none.
    """

    profiles: ProfileRequest
    sort: str = "flat"
    limit: int = 20
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if self.sort not in SORTS:
            raise UsageError(f"sort {self.sort!r}: write one of {', '.join(SORTS)}")
        if self.limit < 0:
            raise UsageError(f"limit {self.limit}: write a number from 0, which is all of them")
        if not 0 < self.confidence < 1:
            raise UsageError(f"confidence {self.confidence}: write a number between 0 and 1")


@dataclass(frozen=True)
class HotspotsResult:
    """The functions.

    Attributes:
        request: what was asked.
        profile_type, sample_type, sample_unit: what was counted.
        table: a row a function in the columns of RESULT_SCHEMA, the largest first.
        functions: how many there are in all.
        total: all that was measured; absolute values where some are negative.
        samples: observations.
        profiles: how many.
        requests: that were answered meanwhile; None for unknown.
        samples_version: of the lake's table.
        notes: what a reader should know, a sentence each.
    """

    request: HotspotsRequest
    profile_type: str
    sample_type: str
    sample_unit: str
    table: pa.Table
    functions: int
    total: int
    samples: int
    profiles: int
    requests: float | None
    samples_version: int
    notes: tuple[str, ...]


def run(lake: Lake, request: HotspotsRequest) -> HotspotsResult:
    """Rank functions by what was measured in them.

    Shares are of the total; where values are negative, as in the difference of two profiles, of
    the total of absolute values, and then without intervals. An interval takes the profile for
    the unit that varies. CPU seconds a request are known where spans tell the requests of the
    same service and version in the minutes of the profiles.

    Args:
        lake: the lake.
        request: the question.

    Raises:
        NotEnoughData: nothing matches.
        UsageError: the type of profile cannot be settled, or values add up to too much.
        LakeError: the lake cannot be read.
    """
    counted = count_profiles(lake, [request.profiles])
    side = counted.sides[0]
    if _total(side)[0] >= _MOST:
        raise UsageError("values add up to more than 2^63-1; ask for a shorter window")
    found = requests_beside(lake, counted, side)
    columns = _columns(counted, request.confidence)
    for kind in SORTS:
        seconds = columns[f"{kind}_value"] / _SECOND_NANO
        name = f"{kind}_cpu_seconds_per_request"
        columns[name] = seconds * (found.per_profiled_unit if found else np.nan)
    total, _ = _total(side)
    return HotspotsResult(
        request,
        counted.profile_type,
        counted.sample_type,
        counted.sample_unit,
        _table(counted.stacks.names, columns, request),
        len(counted.stacks.names),
        round(total),
        round(float(side.samples.sum())),
        side.clusters.num_rows,
        found.requests if found else None,
        counted.samples_version,
        side.notes,
    )


HOTSPOTS = Job("hotspots", "which functions time or memory goes into", run)


def _columns(counted: Counted, confidence: float) -> dict[str, Floats]:
    """Work out every function's values, samples and shares, flat and cumulative."""
    side, stacks = counted.sides[0], counted.stacks
    total, negative = _total(side)
    columns: dict[str, Floats] = {}
    for kind, counts in zip(SORTS, function_counts(side, stacks, side.value), strict=True):
        value = counts.of_functions()
        share = value / total if total else np.zeros_like(value)
        low, high = np.full_like(share, np.nan), np.full_like(share, np.nan)
        if total and not negative:
            low, high = share_interval(
                np.clip(share, 0, 1),
                counts.variance(),
                float(side.samples.sum()),
                counts.clusters,
                confidence,
            )
        columns |= {
            f"{kind}_value": value,
            f"{kind}_share": share,
            f"{kind}_share_low": low,
            f"{kind}_share_high": high,
        }
    for kind, counts in zip(SORTS, function_counts(side, stacks, side.samples), strict=True):
        columns[f"{kind}_samples"] = counts.of_functions()
    return columns


def _table(
    names: tuple[str, ...], columns: dict[str, Floats], request: HotspotsRequest
) -> pa.Table:
    """Give the functions of the largest shares, as many as were asked for."""
    shares = [columns[f"{kind}_share"] for kind in (request.sort, *SORTS)]
    # Ties by name: names are sorted, and the sort is stable.
    order = np.lexsort([-np.abs(share) for share in reversed(shares)])
    order = order[: request.limit] if request.limit else order
    arrays: list[pa.Array] = [pa.array([names[place] for place in order], pa.string())]
    fields = list(RESULT_SCHEMA)[1:]
    arrays += [_array(columns[field.name][order], field.type) for field in fields]
    return pa.table(arrays, schema=RESULT_SCHEMA)


def function_counts(
    side: ProfileCounts, stacks: ShownStacks, amount: Floats
) -> tuple[Counts, Counts]:
    """Spread amounts of stacks over their functions: over the leaf, and over each once.

    Args:
        side: the selection.
        stacks: its stacks.
        amount: as many as the selection has rows.

    Returns:
        Flat and cumulative counts.
    """
    shape = (len(stacks.depths), len(stacks.names))
    flat = membership(np.arange(shape[0]), stacks.leaves, shape)
    cumulative = membership(stacks.stack_of_frame, stacks.functions, shape)
    clusters = side.clusters.num_rows
    return (
        spread(side.cluster, side.stack, amount, flat, clusters),
        spread(side.cluster, side.stack, amount, cumulative, clusters),
    )


def _total(side: ProfileCounts) -> tuple[float, bool]:
    """Give what shares are of, and whether values are negative, so that it is of absolute ones."""
    negative = bool((side.value < 0).any())
    return float(np.abs(side.value).sum()), negative


def _array(column: Floats, data_type: pa.DataType) -> pa.Array:
    """Make a column of the result; a number that is none becomes NULL."""
    if pa.types.is_integer(data_type):
        return pa.array(np.round(column).astype(np.int64))
    return pa.array(column, mask=np.isnan(column))
