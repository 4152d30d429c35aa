"""Buckets of the histograms that bpftrace prints for people: `[1K, 2K)   7 |@@@  |`."""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.frames_and_stacks import Bools

BUCKET = r"^[\[(](?P<low>[^\s,\])]+)(?:, (?P<high>[^\s,\])]+))?[\])]\s+(?P<count>[0-9]+) \|"

_INT64_MOST = 2**63 - 1
_OPEN = "..."
_BOUND = re.compile(r"(-?[0-9]{1,19})([KMGTPE]?)")


def read_buckets(lines: pa.StringArray) -> tuple[pa.Array, pa.Array, pa.Array, Bools, Bools]:
    """Read buckets.

    Args:
        lines: n lines that match BUCKET.

    Returns:
        Lows, highs and counts, n each as int64, an open end NULL; whether the bound above is in
        it: only where a bucket is one value, or where its bound is beyond 64 bits; and whether
        the bucket could be read.
    """
    parts = pc.extract_regex(lines, pattern=BUCKET)
    low, high, count = (parts.field(place) for place in range(3))
    # RE2 gives an absent bound as an empty one.
    alone = pc.equal(high, "").to_numpy(zero_copy_only=False)
    lows, lows_read, _ = _bounds(low)
    highs, highs_read, clamped = _bounds(pc.if_else(pa.array(alone), low, high))
    counted = pc.less_equal(pc.binary_length(count), 18)
    counts = pc.if_else(counted, count, "0").cast(pa.int64())
    read = lows_read & highs_read & counted.to_numpy(zero_copy_only=False)
    return lows, highs, counts, alone | clamped, read


def _bounds(texts: pa.StringArray) -> tuple[pa.Array, Bools, Bools]:
    """Read bounds; each that is different once."""
    encoded = texts.dictionary_encode()
    found = [_bound(text) for text in encoded.dictionary.to_pylist()]
    numbers = pa.array([number for number, _, _ in found], pa.int64()).take(encoded.indices)
    places = encoded.indices.to_numpy(zero_copy_only=False)
    read = np.array([is_read for _, is_read, _ in found], dtype=np.bool_)
    clamped = np.array([is_clamped for _, _, is_clamped in found], dtype=np.bool_)
    return numbers, read[places], clamped[places]


def _bound(text: str) -> tuple[int | None, bool, bool]:
    """Read a bound: the number, whether it is one, and whether it is beyond 64 bits."""
    if text == _OPEN:
        return None, True, False
    found = _BOUND.fullmatch(text)
    if not found:
        return None, False, False
    # K is 1024, as powers of two are what the buckets of hist() begin at.
    number = int(found[1]) << 10 * " KMGTPE".index(found[2] or " ")
    if number > _INT64_MOST:
        return _INT64_MOST, True, True
    return number, number >= -(2**63), False


def sizes_of(owners: Sequence[int], many: int) -> list[int]:
    """Count how many belong to each of so many owners."""
    counts: list[int] = np.bincount(np.asarray(owners, dtype=np.int64), minlength=many).tolist()
    return counts
