"""Histograms that were found in a file, as rows of the lake."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.bcc_labels import Bucket, Labels
from collectors.bcc_values import whole_numbers
from collectors.collector import Reading
from collectors.frames_and_stacks import Ints
from collectors.imported_rows import complete
from pipeline.schema import ATTRIBUTES, EBPF_COUNTS, EBPF_HISTOGRAMS

_NONE: Ints = np.zeros(0, dtype=np.int64)
_ROW = pa.struct([(name, pa.string()) for name in ("low", "high", "count")])


class Histogram(NamedTuple):
    """One histogram that was printed, without its rows."""

    metric: str
    unit: str
    labels: Labels
    time_unix_nano: int


class Figure(NamedTuple):
    """A number that stands beside histograms."""

    metric: str
    value: int
    unit: str
    labels: Labels
    time_unix_nano: int


@dataclass
class Made:
    """What was found in a block of a file.

    Attributes:
        tool: which printed it.
        first_line: the number of its first line.
        histograms: those that have rows in it.
        starts: for each the line in the block that its rows come after.
        rows: texts low, high and count of m rows; high is empty in linear histograms.
        row_lines: the lines they are on.
        owners: m numbers of histograms.
        whole: histograms with their rows, which were on one line.
        numbers: what stands beside histograms.
    """

    tool: str
    first_line: int
    histograms: list[Histogram]
    starts: list[int]
    rows: pa.StructArray = field(default_factory=lambda: pa.array([], _ROW))
    row_lines: Ints = field(default_factory=lambda: _NONE)
    owners: Ints = field(default_factory=lambda: _NONE)
    whole: list[tuple[Histogram, list[Bucket]]] = field(default_factory=list)
    numbers: list[Figure] = field(default_factory=list)

    def add(self, histogram: Histogram, place: int) -> None:
        """Add a histogram whose rows follow a line."""
        self.histograms.append(histogram)
        self.starts.append(place)

    def figures(
        self, of: Histogram | None, time: int, figures: Sequence[tuple[str, int, str]]
    ) -> None:
        """Add metrics, values and units that stand under a histogram."""
        own = of.labels if of else Labels()
        when = of.time_unix_nano if of else time
        self.numbers += [Figure(*figure, own, when) for figure in figures]


def instant(text: str) -> int:
    """Give a date and a time of day in UTC as ns since the epoch; 0 where it is none.

    >>> instant("1970-01-01 00:01:00"), instant("never")
    (60000000000, 0)
    """
    try:
        when = datetime.fromisoformat(text.strip()).replace(tzinfo=UTC)
    except ValueError:
        return 0
    nanos = int(when.timestamp()) * 1_000_000_000
    return nanos if 0 <= nanos < 2**63 else 0


def histogram_rows(
    made: Made, reading: Reading, warnings: Counter[str]
) -> tuple[pa.Table, list[int]]:
    """Give the rows of ebpf_histograms, and the lines whose numbers are beyond the lake's."""
    low_texts, high_texts, count_texts = (pc.struct_field(made.rows, n) for n in range(3))
    linear = pc.equal(high_texts, "").to_numpy(zero_copy_only=False).astype(np.bool_)
    low, high, count = map(whole_numbers, (low_texts, high_texts, count_texts))
    good = pc.and_(low.is_valid(), count.is_valid()).to_numpy(zero_copy_only=False)
    bad = made.row_lines[~good.astype(np.bool_)].tolist()
    # Up to 2**64 - 1: the last bucket of 64 has an open end here.
    beyond = int(np.count_nonzero(~linear & np.asarray(high.is_null())))
    if beyond:
        warnings["bucket_high_beyond_int64"] += beyond
    ends = pa.array(_linear_ends(low.fill_null(0).to_numpy(), made.owners))
    high = pc.if_else(pa.array(linear), ends, high)
    of = made.owners
    histograms = list(made.histograms)
    for histogram, buckets in made.whole:
        parts = [pa.array([getattr(b, n) for b in buckets], pa.int64()) for n in Bucket._fields]
        low, high, count = (
            pa.concat_arrays([whole, part])
            for whole, part in zip((low, high, count), parts, strict=True)
        )
        of = np.concatenate([of, np.full(len(buckets), len(histograms))])
        good = np.concatenate([good, np.ones(len(buckets), dtype=np.bool_)])
        histograms.append(histogram)
    kept = pa.array(np.flatnonzero(good))
    columns = _repeated(made.tool, histograms, of[good.astype(np.bool_)])
    columns |= {
        "bucket_low": low.take(kept),
        "bucket_high": high.take(kept),
        "count": count.take(kept),
    }
    resource = reading.origin.resource()
    return complete(EBPF_HISTOGRAMS, columns, reading, resource, warnings), bad


def _linear_ends(low: Ints, owners: Ints) -> Ints:
    """Give the last value of each row of linear histograms: one apart, unless steps are printed.

    >>> _linear_ends(np.array([0, 200, 400, 7, 8]), np.array([0, 0, 0, 1, 1])).tolist()
    [199, 399, 599, 7, 8]
    """
    if len(low) < 2:
        return low
    same = owners[1:] == owners[:-1]
    step = np.where(same, np.maximum(low[1:] - low[:-1], 1), 1)
    after = np.append(step, 1)
    last = np.append(~same, True) & np.insert(same, 0, False)
    after[last] = step[np.flatnonzero(last) - 1]
    ends: Ints = low + after - 1
    return ends


def _repeated(tool: str, histograms: Sequence[Histogram], of: Ints) -> dict[str, pa.Array]:
    """Give the columns that all rows of a histogram share."""
    places = pa.array(of.astype(np.int32))
    each = {
        "time_unix_nano": pa.array([h.time_unix_nano for h in histograms], pa.int64()),
        "tool": pa.array([tool] * len(histograms), pa.string()),
        "metric": pa.array([h.metric for h in histograms], pa.string()),
        "unit": pa.array([h.unit for h in histograms], pa.string()),
        "keys": pa.array([list(h.labels.keys) for h in histograms], ATTRIBUTES),
        "pid": pa.array([h.labels.pid for h in histograms], pa.int64()),
        "comm": pa.array([h.labels.comm for h in histograms], pa.string()),
    }
    return {name: column.take(places) for name, column in each.items()}


def count_rows(made: Made, reading: Reading, warnings: Counter[str]) -> pa.Table:
    """Give the rows of ebpf_counts: averages, totals and what was lost."""
    figures = made.numbers
    keys = [list(figure.labels.keys) for figure in figures]
    columns = {
        "time_unix_nano": pa.array([figure.time_unix_nano for figure in figures], pa.int64()),
        "tool": pa.array([made.tool] * len(figures), pa.string()),
        "metric": pa.array([figure.metric for figure in figures], pa.string()),
        "unit": pa.array([figure.unit for figure in figures], pa.string()),
        "keys": pa.array(keys, ATTRIBUTES),
        "key_list": pa.array([[value for _, value in own] for own in keys], pa.list_(pa.string())),
        "value_int": pa.array([figure.value for figure in figures], pa.int64()),
    }
    return complete(EBPF_COUNTS, columns, reading, reading.origin.resource(), warnings)
