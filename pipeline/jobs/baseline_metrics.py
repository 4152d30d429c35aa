"""What a baseline counts in the histograms that servers send, in the buckets of the rollups."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.jobs.baseline_counts import Counted, group_numbers
from pipeline.jobs.baseline_request import BaselineRequest
from pipeline.jobs.job import ask, asking, define_view
from pipeline.lake import Lake, Snapshot, take_snapshot
from pipeline.lake.catalog import define_table
from pipeline.schema import METRICS
from pipeline.schema.rollups import HOUR_NANO, MINUTE_NANO
from pipeline.stats.buckets import bucket_bounds
from pipeline.stats.quantiles import BucketCounts

# Each after those that it reads.
_VIEWS = (
    "metric_preferred",
    "metric_intervals",
    "metric_exponential_counts",
    "metric_histogram_buckets",
    "metric_requests",
)

# The statistics put a bucket's values at places from 1 to their number. How many there are in a
# share of a bucket is not known; a million places let a quantile lie anywhere in it.
_PLACES = 2**20


@dataclass(frozen=True)
class CountedMetrics:
    """Groups and their buckets, as the histograms of servers tell them.

    Attributes:
        counted: the groups; its buckets are those of the rollups, of which a quantile is taken.
        outer: the same rows, least and greatest being the bounds of the SDK's own buckets: what
            is certain of the values, from which the bounds of a quantile are taken.
        limited: whether the SDK's bucket behind a row of ``counted.buckets`` is wider than 5 %.
        version: of the metrics table.
    """

    counted: Counted
    outer: BucketCounts
    limited: NDArray[np.bool_]
    version: int


def count_metrics(lake: Lake, request: BaselineRequest) -> CountedMetrics:
    """Count what a request asks for in the durations that servers send as histograms.

    Args:
        lake: the lake.
        request: window, filters and groups; an end of the window inside a minute takes all of it.

    Returns:
        The counts; no rows when nothing matches. A cumulative histogram counts from its last
        point of up to an hour before the window on.

    Raises:
        LakeError: a file cannot be read.
    """
    snapshot = take_snapshot(lake, METRICS)
    first, end = _window(request, snapshot)
    # What ended on the stroke of the window's end happened inside of it.
    files = snapshot.between(first * MINUTE_NANO - HOUR_NANO, end * MINUTE_NANO + 1)
    with asking() as connection:
        define_table(connection, METRICS, [file.path for file in files])
        for name in _VIEWS:
            define_view(connection, name)
        window = {"first_minute": first, "end_minute": end}
        filters = {k: v for k, v in request.values().items() if not k.startswith("by_")}
        chosen = {"uses_instances": request.uses_instances}
        sent = ask(connection, "baseline_metrics", filters | window | chosen)
    with asking() as connection:
        # Minutes are added up before buckets are spread: the same sums from far fewer rows.
        connection.register("metric_requests", sent)
        define_view(connection, "metric_latency_buckets")
        groups = {k: v for k, v in request.values().items() if k.startswith("by_")}
        rows = ask(connection, "baseline_metrics_buckets", groups)
    if sent.num_rows:
        covered = pc.min(sent["first_minute"]).as_py(), pc.max(sent["end_minute"]).as_py()
    else:
        covered = 0, 0
    rows = rows.sort_by([(column, "ascending") for column in [*request.grouped, "bucket"]])
    return _counted(
        rows,
        request.grouped,
        covered[0] if request.since_unix_nano is None else first,
        covered[1] if request.until_unix_nano is None else end,
        snapshot.version,
    )


def _window(request: BaselineRequest, snapshot: Snapshot) -> tuple[int, int]:
    """Settle the minutes to count, first to end; an open end is where the points end."""
    times = [
        (file.time_min, file.time_max)
        for file in snapshot.files
        if file.time_min is not None and file.time_max is not None
    ]
    since, until = request.since_unix_nano, request.until_unix_nano
    first = (min((time[0] for time in times), default=1) - 1) // MINUTE_NANO
    end = max((time[1] for time in times), default=0) // MINUTE_NANO + 1
    return (
        first if since is None else since // MINUTE_NANO,
        end if until is None else -(-until // MINUTE_NANO),
    )


def _counted(
    rows: pa.Table, grouped: tuple[str, ...], first: int, end: int, version: int
) -> CountedMetrics:
    """Take ordered rows of groups and buckets as the statistics want them."""
    group = group_numbers(rows, grouped)
    known = rows["bucket"].is_valid().to_numpy()
    kept = rows.filter(pa.array(known))
    lower, upper = bucket_bounds(kept["bucket"].to_numpy())
    outer_least = kept["duration_min_nano"].to_numpy().astype(np.float64)
    outer_most = kept["duration_max_nano"].to_numpy().astype(np.float64)
    most = np.minimum(upper, outer_most)
    least = np.minimum(np.maximum(lower, outer_least), most)
    requests = kept["requests"].to_numpy()

    def counts(least: NDArray[np.float64], most: NDArray[np.float64]) -> BucketCounts:
        return BucketCounts(
            groups=int(group[-1]) + 1 if len(group) else 0,
            group=group[known],
            requests=requests,
            requests_squared=kept["requests_squared"].to_numpy(),
            spans=np.full(len(requests), _PLACES),
            total=requests * (least + most) / 2,
            least=least,
            most=most,
        )

    counted = Counted(rows, group, counts(least, most), first, end)
    limited = kept["resolution_limited"].to_numpy().astype(bool)
    return CountedMetrics(counted, counts(outer_least, outer_most), limited, version)
