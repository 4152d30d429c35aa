"""How long items wait where only their number and their rate are known: Little's law.

Source: Little (1961), Operations Research 9(3): the mean wait is the mean number of those that wait
over the rate at which they are taken.
"""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from pipeline.jobs.metric_settling import Settled, Told
from pipeline.jobs.named_metrics import GAUGE, PER_SECOND, NamedMetric


def level_and_taken(metric: NamedMetric) -> tuple[NamedMetric, NamedMetric]:
    """Give the metric of how many wait, and that of how many are taken a second."""
    taken = replace(metric, kind=PER_SECOND, sources=metric.taken)
    return replace(metric, kind=GAUGE), taken


def told(metric: NamedMetric) -> tuple[Told, ...]:
    """Give what tells the wait: a source a pair."""
    pairs = zip(metric.sources, metric.taken, strict=True)
    return tuple(
        Told(replace(level, name=f"{level.name} over {taken.name}"), "", 1.0, "", "")
        for level, taken in pairs
    )


def numbered(rows: pa.Table, settled: Settled) -> pa.Table:
    """Number rows by the pair that their source is of."""
    names = [each.name for each in settled.metric.sources]
    pair_of_place = np.array([names.index(each.source.name) for each in settled.told] or [0])
    pairs = pair_of_place[rows["source"].to_numpy()] if rows.num_rows else np.array([], np.int64)
    place = rows.column_names.index("source")
    return rows.set_column(place, "source", pa.array(pairs, pa.int32()))
