"""Which maps repeat their totals: no count falls from one print to the next."""

import numpy as np
import numpy.typing as npt

from collectors.frames_and_stacks import Ints


def repeats_totals(
    metrics: Ints, series: Ints, prints: Ints, values: npt.NDArray[np.float64]
) -> dict[int, bool]:
    """Tell of each map that was printed more than once whether it was printed as totals.

    Args:
        metrics: n numbers of maps.
        series: n numbers of what of a map a value is of, over all maps.
        prints: n numbers of prints of a map; one after the other.
        values: n values. Several of one series in one print add up.

    Returns:
        By the map's number whether no value falls. One that is missing where it was before fell.

    >>> one, two, half = np.array([0, 0]), np.array([1, 2]), np.array([5.0, 4.0])
    >>> repeats_totals(one, one, two, half), repeats_totals(one, one, two, half[::-1])
    ({0: False}, {0: True})
    """
    if not len(metrics):
        return {}
    order = np.lexsort((prints, series))
    metrics, series, prints = (each[order] for each in (metrics, series, prints))
    begins = np.flatnonzero(
        np.concatenate([[True], (np.diff(series) != 0) | (np.diff(prints) != 0)])
    )
    sums = np.add.reduceat(values[order], begins)
    metrics, series, prints = metrics[begins], series[begins], prints[begins]
    many = int(metrics.max()) + 1
    first = np.full(many, np.iinfo(np.int64).max)
    last = np.zeros(many, dtype=np.int64)
    np.minimum.at(first, metrics, prints)
    np.maximum.at(last, metrics, prints)
    same = np.append(np.diff(series) == 0, False)
    fell = np.zeros(many, dtype=np.bool_)
    lower = np.append(np.diff(sums) < 0, False)
    skipped = np.append(np.diff(prints) != 1, False)
    ended = ~same & (prints < last[metrics])
    fell[metrics[(same & (lower | skipped)) | ended]] = True
    repeated = np.unique(metrics[last[metrics] > first[metrics]])
    return {int(metric): not fell[metric] for metric in repeated}
