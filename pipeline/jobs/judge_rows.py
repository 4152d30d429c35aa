"""Cells as rows, made of the lists that the statements give: ordered, added up, texts as codes."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.stats.buckets import ZERO_BUCKET
from pipeline.stats.cells import Floats, Ints

TEXTS = ("service_name", "operation", "instance", "stratum")

# How the statements pack a minute, a bucket and an outcome in one number.
_OUTCOME_BITS, _MINUTE_BIT = 2, 14
# Buckets of 63 bits of nanoseconds go from -1 to 4031; zero stands below them, no bucket
# above them.
PLACES, NO_BUCKET = 4096, 4095
FIRST_BUCKET = 2
# The outcomes that count as each, by their numbers.
_OUTCOMES = {"errors": (2, 3), "errors_5xx": (3,), "errors_4xx": (1,)}


def flat(rows: pa.Table) -> pa.Table:
    """Give a row to each cell and bucket of the lists, ordered by the texts, minute and bucket.

    Args:
        rows: as the statements give them, ordered, each with keys of its own.

    Returns:
        The columns of the rows and errors in place of the outcome; texts are dictionary-encoded,
        as there are few of them.
    """
    keys = [name for name in rows.column_names if name in (*TEXTS, "side")]
    lengths = pc.list_value_length(rows["cell"]).to_numpy().astype(np.int64)
    requests = _flattened(rows["requests"])
    weighted = rows["requests_squared"].null_count < rows.num_rows
    order, key, low, span = _ordered(_flattened(rows["cell"]), lengths, requests)
    requests = requests[order]
    outcome = (key & ((1 << _OUTCOME_BITS) - 1)).astype(np.int8)
    key >>= _OUTCOME_BITS
    starts = runs_of(key)
    failures = _of_failures(outcome, starts, requests)
    counts = {"requests": _sums(requests, starts)}
    # Weights of 1, the most common ones, are their own squares.
    squared = _flattened(rows["requests_squared"])[order] if weighted else None
    counts["requests_squared"] = counts["requests"] if squared is None else _sums(squared, starts)
    key = key if len(starts) == len(key) else key[starts]
    # There may be ten million of each: what is done with goes.
    del order, requests, squared, starts
    owner, cell = np.divmod(key, span >> _OUTCOME_BITS)
    del key
    made = {name: _taken(rows[name], owner) for name in keys}
    del owner
    cell += low >> _OUTCOME_BITS
    place = (cell & (PLACES - 1)).astype(np.int32)
    cell >>= _MINUTE_BIT - _OUTCOME_BITS
    bucket, without = buckets_of(place), place == NO_BUCKET
    made["minute"] = pa.array(cell)
    made["bucket"] = pa.array(bucket, mask=without) if without.any() else pa.array(bucket)
    return pa.table(made | {name: pa.array(each) for name, each in (counts | failures).items()})


def _flattened(column: pa.ChunkedArray) -> NDArray[Any]:
    """Give the values of lists, one after the other."""
    values: NDArray[Any] = column.combine_chunks().flatten().to_numpy()
    return values


def _ordered(cell: Ints, lengths: Ints, requests: Floats) -> tuple[Ints, Ints, int, int]:
    """Order requests by their list and cell.

    Returns:
        Their places in order; their keys, which are list times span and cell less the lowest; the
        lowest cell; the span.
    """
    if not len(cell):
        return np.empty(0, np.int64), np.empty(0, np.int64), 0, 1 << _OUTCOME_BITS
    # A whole number of outcomes, so that what differs by its outcome alone stays together.
    low = int(cell.min()) >> _OUTCOME_BITS << _OUTCOME_BITS
    span = ((int(cell.max()) - low >> _OUTCOME_BITS) + 1) << _OUTCOME_BITS
    key = np.repeat(np.arange(len(lengths)) * span - low, lengths)
    key += cell
    # Fractions add up to the same only in the same order.
    fractions = bool((requests % 1).any())
    order = np.lexsort((requests, key)) if fractions else np.argsort(key)
    return order, key[order], low, span


def buckets_of(place: NDArray[Any]) -> NDArray[Any]:
    """Give the buckets of places, of the same type; those of NO_BUCKET mean nothing."""
    kind = place.dtype.type
    found: NDArray[Any] = np.where(place == 0, kind(ZERO_BUCKET), place - kind(FIRST_BUCKET))
    return found


def runs_of(*columns: NDArray[Any]) -> Ints:
    """Give where runs of rows begin that are alike in all columns."""
    first, *others = columns
    new = np.ones(len(first), dtype=bool)
    np.not_equal(first[1:], first[:-1], out=new[1:])
    for column in others:
        new[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(new)


def _sums(values: Floats, starts: Ints) -> Floats:
    """Add up runs of values by where each begins."""
    return values if len(starts) == len(values) else np.add.reduceat(values, starts)


def _of_failures(outcome: NDArray[np.int8], starts: Ints, requests: Floats) -> dict[str, Floats]:
    """Count what failed, in each of its ways; few do, so few are looked at."""
    failed = np.flatnonzero(outcome)
    outcome = outcome[failed]
    cell = np.searchsorted(starts, failed, side="right") - 1
    counts: dict[str, Floats] = {}
    for name, of in _OUTCOMES.items():
        one = np.isin(outcome, of)
        sums = np.bincount(cell[one], weights=requests[failed[one]], minlength=len(starts))
        alike = [each for each in counts.values() if np.array_equal(each, sums)]
        # Columns of equal values, such as zeros, are held once.
        counts[name] = alike[0] if alike else sums.astype(np.float64)
    return counts


def _taken(column: pa.ChunkedArray, place: Ints) -> pa.Array:
    """Take values by their rows; texts as numbers of a dictionary."""
    if pa.types.is_integer(column.type):
        return pa.array(column.to_numpy()[place])
    encoded = column.combine_chunks().dictionary_encode()
    codes = encoded.indices.to_numpy()[place]
    return pa.DictionaryArray.from_arrays(pa.array(codes), encoded.dictionary)
