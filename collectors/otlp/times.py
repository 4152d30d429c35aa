"""The day a row is filed under, and which times cannot be true."""

from collections import Counter

import numpy as np
import pyarrow as pa

from collectors.otlp.columns import Ints

DAY_NANO = 86_400_000_000_000

# Clocks drift by seconds and queues replay for weeks. Beyond that a time is a fault, and following
# it would let one sender make a folder and a file for each day that it can name.
_MOST_AHEAD_NANO = DAY_NANO
_MOST_BEHIND_NANO = 400 * DAY_NANO


def partition_dates(
    times_unix_nano: Ints, received_unix_nano: Ints, warnings: Counter[str]
) -> pa.Array:
    """Give each row's partition: the UTC day of its own time, or of its receipt.

    Args:
        times_unix_nano: n times of the rows; 0 for none.
        received_unix_nano: n times of receipt.
        warnings: gains how many times were absent and how many implausible.

    Returns:
        n dates. A time that is absent, more than a day ahead of its receipt or more than 400 days
        behind it is filed under the receipt; the row keeps the time as it is.

    >>> warned = Counter()
    >>> dates = partition_dates(np.array([0, 2 * DAY_NANO]), np.array([DAY_NANO] * 2), warned)
    >>> [str(date) for date in dates.to_pylist()], dict(warned)
    (['1970-01-02', '1970-01-03'], {'times_absent': 1})
    """
    absent = times_unix_nano == 0
    implausible = ~absent & (
        (times_unix_nano > received_unix_nano + _MOST_AHEAD_NANO)
        | (times_unix_nano < received_unix_nano - _MOST_BEHIND_NANO)
    )
    for reason, mask in (("times_absent", absent), ("times_implausible", implausible)):
        if mask.any():
            warnings[reason] += int(mask.sum())
    days = np.where(absent | implausible, received_unix_nano, times_unix_nano) // DAY_NANO
    return pa.array(days.astype(np.int32)).cast(pa.date32())
