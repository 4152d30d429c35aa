"""Operations that can be told apart by how many requests of each there were, and those that cannot.

Source: Belsley, Kuh and Welsch (1980), Regression Diagnostics, chapter 3, for condition numbers of
columns of equal length.
"""

import numpy as np

from pipeline.stats.bootstrap import Floats

MOST_CONDITION = 30.0
_MOST_CLASSES = 8


def merged_classes(load: Floats) -> list[list[int]]:
    """Put together the operations that rise and fall together, until the rest can be told apart.

    >>> ramp = np.array([1.0, 2, 3, 4, 5])
    >>> merged_classes(np.column_stack([ramp, 2 * ramp, ramp[::-1]]))
    [[0, 1], [2]]
    """
    groups = [[each] for each in range(load.shape[1])]
    columns = [load[:, each] for each in range(load.shape[1])]
    while len(groups) > 1:
        lengths = [float(np.sqrt((column**2).sum())) for column in columns]
        if len(groups) > _MOST_CLASSES or min(lengths) == 0:
            # The two of least weight: rare ones tell least of themselves.
            one, other = sorted(np.argsort(lengths, kind="stable")[:2].tolist())
        else:
            scaled = np.column_stack(columns) / lengths
            if np.linalg.cond(scaled) < MOST_CONDITION:
                break
            alike = np.triu(scaled.T @ scaled, 1)
            one, other = (int(each) for each in np.unravel_index(alike.argmax(), alike.shape))
        groups[one] += groups.pop(other)
        columns[one] = columns[one] + columns.pop(other)
    return [sorted(group) for group in groups]
